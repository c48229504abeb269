"""The command ``edgebench-report aggregate``: medians on standard output, what was left out on standard error."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from edgebench_report.cli import main

from tests.unit.report.conftest import Maker, mixed_records

RecordsFile = Callable[..., Path]


def test_the_medians_as_a_table(
    make: Maker, records_file: RecordsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["aggregate", str(records_file(make.suite(3)))]) == 0

    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1 host, 24 runs, 0 inferences; 8 measurements"
    assert len(printed) == 10
    assert printed[2].split()[:3] == ["edge-01", "dogs_vs_cats", "quick"]


@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_all_medians_as_data(make: Maker, records_file: RecordsFile, form: str) -> None:
    path = records_file(mixed_records(make))
    command = [sys.executable, "-m", "edgebench_report", "aggregate", str(path), form]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)

    assert printed.returncode == 0, printed.stderr
    rows = (
        json.loads(printed.stdout) if form == "--json" else list(csv.DictReader(io.StringIO(printed.stdout)))
    )
    assert {row["host"] for row in rows} >= {"edge-01", "nano-01"}
    assert all(float(row["train_total_s"]) > 0 for row in rows if int(row["ok"]))


def test_sql_of_ones_own(make: Maker, records_file: RecordsFile, tmp_path: Path) -> None:
    sql = tmp_path / "question.sql"
    sql.write_text(
        "CREATE TABLE mine AS FROM runs;\nSELECT workload, count(*) AS n FROM mine GROUP BY ALL ORDER BY 1 -- last"
    )
    command = [
        sys.executable,
        "-m",
        "edgebench_report",
        "aggregate",
        str(records_file(make.suite(2))),
        "--sql",
        str(sql),
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)

    assert printed.stdout.splitlines()[:2] == ["workload,n", "dogs_vs_cats,2"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nothing FROM runs", "nothing"),
        ("FROM nowhere", "nowhere"),
        ("", "no statement"),
        ("SELEC", "SELEC"),
    ],
)
def test_wrong_sql_is_said_with_where_the_tables_are(
    make: Maker,
    records_file: RecordsFile,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sql: str,
    said: str,
) -> None:
    path = tmp_path / "wrong.sql"
    path.write_text(sql)

    assert main(["aggregate", str(records_file([make.run()])), "--sql", str(path)]) == 2

    assert said in capsys.readouterr().err


def test_what_was_left_out_is_listed_and_the_exit_code_says_so(
    make: Maker, records_file: RecordsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    path = records_file([make.run()])
    path.write_text(path.read_text("utf-8") + "nonsense\n", "utf-8")

    assert main(["aggregate", str(path)]) == 1

    assert f"left out: {path}:2: " in capsys.readouterr().err
