"""The command ``edgebench-report aggregate``: medians on standard output, what was left out on standard error."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench_report.cli import main

from tests.messages import codes
from tests.unit.report.conftest import Maker, complaints, mixed_records

RecordsFile = Callable[..., Path]


def test_the_medians_as_a_table(
    make: Maker, records_file: RecordsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["aggregate", str(records_file(make.suite(3)))]) == 0

    printed = capsys.readouterr().out.splitlines()
    # Hosts, runs, inferences and measurements.
    assert re.findall(r"\d+", printed[0]) == ["1", "24", "0", "8"]
    assert len(printed) == 11
    # Nothing distinguishes two rows of a workload, so what all rows share stands below them once.
    assert printed[2].split()[:4] == ["edge-01", "dogs_vs_cats", "3", "3"]
    shared = printed[-1].partition(": ")[2].rstrip(".").split(", ")
    assert shared[:4] == ["quick", "variant published", "float32", "TF 2.21.0"]
    assert shared[-2:] == ["CPU", "2 threads"]


def _differing(capsys: pytest.CaptureFixture[str], path: Path) -> list[str]:
    assert main(["aggregate", str(path)]) == 0
    _, head, *rows, _ = capsys.readouterr().out.splitlines()
    start, end = head.index("differs in"), head.index("runs")
    return [row[start:end].strip() for row in rows]


OLD = {"version": "1.15.5", "keras": "2.2.4-tf", "numpy": "1.18.5", "python": "3.6.9"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"profile": "paper"}, ["paper", "quick"]),
        ({"variant": "fused"}, ["variant fused", "variant published"]),
        ({"precision": "float16"}, ["float16", "float32"]),
        # Keras, NumPy and Python are those of this TensorFlow.
        ({"framework": OLD}, ["TF 1.15.5", "TF 2.21.0"]),
        ({"framework": {"numpy": "1.26.4"}}, ["NumPy 1.26.4", "NumPy 2.4.6"]),
        ({"device": {"kind": "gpu"}}, ["CPU", "GPU"]),
        ({"threads": {"intra": 1, "inter": 1}}, ["1 thread", "2 threads"]),
        # No hash is expected of synthetic data.
        ({"data": {"synthetic": True, "sha256": None}}, ["real data", "synthetic data"]),
        ({"data": {"sha256": "c" * 64}}, ["data bbbbbbbb", "data cccccccc"]),
        ({"data": {"input": "streamed"}}, ["dense float32 input", "streamed input"]),
        ({"options": {"lookback_rows": 720}}, ["lookback rows 1440", "lookback rows 720"]),
        (
            {"sizes": {"epochs": 7}},
            ["12000+5000 samples, 2 epochs, batch 128", "12000+5000 samples, 7 epochs, batch 128"],
        ),
        (
            {"threads": {"intra": 1, "inter": 1}, "precision": "float16"},
            ["float16, 1 thread", "float32, 2 threads"],
        ),
    ],
)
def test_what_distinguishes_two_rows_is_shown_and_nothing_else(
    make: Maker,
    records_file: RecordsFile,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    expected: list[str],
) -> None:
    other = {"profile": "quick", "run_id": "r2", **changes}
    assert (
        sorted(_differing(capsys, records_file([make.run("weather"), make.run("weather", **other)])))
        == expected
    )


def test_variables_that_differ_are_named_alone(
    make: Maker, records_file: RecordsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    both = {"TF_NUM_INTEROP_THREADS": "2"}
    runs = [
        make.run(environment=both),
        make.run(environment={**both, "OMP_NUM_THREADS": "1"}, run_id="r2"),
    ]
    found = sorted(_differing(capsys, records_file(runs)))
    assert found == ["OMP_NUM_THREADS unset", "OMP_NUM_THREADS=1"]


def test_hosts_and_workloads_are_told_apart_only_where_they_differ(
    make: Maker, records_file: RecordsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        make.run("imdb"),
        make.run("reuters"),
        make.run("imdb", host="edge-02"),
        make.run("reuters", host="edge-02", framework=OLD),
    ]
    assert _differing(capsys, records_file(runs)) == ["-", "TF 2.21.0", "-", "TF 1.15.5"]


def test_a_run_that_never_finished_is_not_told_apart_by_what_it_does_not_know(
    make: Maker, records_file: RecordsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = make.unfinished("oom", "out of memory", repeat=2, device=None, framework={"keras": None})
    assert main(["aggregate", str(records_file([make.run(), lost]))]) == 0
    _, head, *rows, _ = capsys.readouterr().out.splitlines()
    assert "differs" not in head
    assert sorted(row.split()[2:4] for row in rows) == [["1", "0"], ["1", "1"]]


def test_a_reader_that_has_seen_enough_ends_it_quietly(make: Maker, records_file: RecordsFile) -> None:
    path = records_file([make.run(run_id=f"r{number}", host=f"edge-{number}") for number in range(600)])
    command = [sys.executable, "-m", "edgebench_report", "aggregate", str(path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        assert started.stdout.readline()
        started.stdout.close()
        assert complaints(started.stderr.read()) == []
        assert started.wait(timeout=60) == 0


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
