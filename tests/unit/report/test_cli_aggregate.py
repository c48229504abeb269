"""The command ``edgebench-report aggregate``: medians on standard output, what was left out on standard error."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from edgebench_report.cli import main

from tests.messages import codes
from tests.unit.report.conftest import Maker, mixed_records

RecordsFile = Callable[..., Path]


def test_the_medians_as_a_table(
    make: Maker, records_file: RecordsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["aggregate", str(records_file(make.suite(3)))]) == 0

    printed = capsys.readouterr().out.splitlines()
    # Hosts, runs, inferences and measurements.
    assert re.findall(r"\d+", printed[0]) == ["1", "24", "0", "8"]
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
    ("sql", "code", "named"),
    [
        ("SELECT nothing FROM runs", "sql-failed", ["nothing", "docs/scale.md"]),
        ("FROM nowhere", "sql-failed", ["nowhere", "docs/scale.md"]),
        ("", "sql-empty", ["FROM medians;"]),
        ("SELEC", "sql-failed", ["SELEC", "docs/scale.md"]),
    ],
)
def test_wrong_sql_is_refused_with_a_pointer_to_the_tables(
    make: Maker,
    records_file: RecordsFile,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    sql: str,
    code: str,
    named: list[str],
) -> None:
    path = tmp_path / "wrong.sql"
    path.write_text(sql)

    assert main(["aggregate", str(records_file([make.run()])), "--sql", str(path)]) == 2

    said = capsys.readouterr().err
    assert codes(said) == [code]
    assert all(each in said for each in named)


def test_sql_that_cannot_be_read_is_refused(
    make: Maker, records_file: RecordsFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent.sql"

    assert main(["aggregate", str(records_file([make.run()])), "--sql", str(absent)]) == 2

    said = capsys.readouterr().err
    assert codes(said) == ["sql-unreadable"]
    assert str(absent) in said


def test_what_was_left_out_is_listed_and_the_exit_code_says_so(
    make: Maker, records_file: RecordsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    path = records_file([make.run()])
    path.write_text(path.read_text("utf-8") + "nonsense\n", "utf-8")

    assert main(["aggregate", str(path)]) == 1

    said = capsys.readouterr().err
    assert f"left out: {path}:2: " in said
    assert codes(said) == ["line-not-json"]
