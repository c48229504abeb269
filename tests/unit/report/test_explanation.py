"""Where the time goes, in the report: the table, the sentences and the chart from records of explanations."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from edgebench_report import explanation
from edgebench_report.build import build
from edgebench_report.load import load

from tests.unit.report.conftest import Maker
from tests.unit.runner.builders import explanation_record

Record = dict[str, Any]


def written(folder: Path, *records: Record) -> Path:
    path = folder / "host.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


def test_a_table_has_a_row_for_each_host_and_workload() -> None:
    records = [explanation_record(), explanation_record(workload="imdb"), explanation_record(host="frodo")]
    table = explanation.table(records)
    assert table is not None
    assert [(row.section, row.name) for row in table.rows] == [
        ("boromir", "MNIST Digits 1D"),
        ("boromir", "IMDB"),
        ("frodo", "MNIST Digits 1D"),
    ]
    cells = dict(zip([each.csv for each in table.headings], table.rows[0].cells, strict=True))
    assert cells["batch"].text == "128"
    assert cells["step [ms]"].text == "5.56"
    shares = [cells[f"{name.lower()} [%]"].value for _, name, _ in explanation.PARTS]
    assert sum(each for each in shares if isinstance(each, float)) == pytest.approx(100)
    assert cells["most of it"].text == "arithmetic"
    assert cells["sum off [%]"].text == "-0.0" or abs(float(cells["sum off [%]"].text)) < 1


def test_no_explanation_no_table_no_section() -> None:
    assert explanation.table([]) is None
    assert explanation.section([]) is None


def test_one_that_failed_has_its_reason() -> None:
    reason = "the kernel killed <b>it</b>"
    record = {**explanation_record(), "status": "oom", "reason": reason}
    table = explanation.table([record])
    assert table is not None
    assert all(cell.missing for cell in table.rows[0].cells)
    [(_, note)] = table.footnotes
    assert note.code == "out-of-memory"
    assert note.text.endswith(f": {reason}")
    assert explanation.section([record]) is None


def test_sentences_name_bounds_and_whether_they_hold() -> None:
    section = explanation.section([explanation_record(), explanation_record(workload="imdb", noise=3.0)])
    assert section is not None
    [(label, lines)] = section.said
    assert label == "boromir"
    said = {line.code: line.text for line in lines}
    assert len(said) == len(lines)
    assert "MNIST Digits 1D (" in said["arithmetic-bound"]  # not prose
    assert "IMDB" in said["parts-do-not-add-up"]
    assert "MNIST" not in said["parts-do-not-add-up"]
    assert "parts-add-up" not in said


def test_overhead_is_said_to_be_beyond_a_gpu() -> None:
    record = explanation_record()
    parts = {
        **dict.fromkeys(record["parts"], 0.0),
        "operators_s": 0.009,
        "below_peak_s": 0.001,
        "sum_s": 0.01,
    }
    record.update(parts=parts, bound="overhead", ceiling=10 / 9)
    [line, _] = explanation.sentences(explanation.groups([record])[0])
    assert line.code == "overhead-bound"
    assert "MNIST Digits 1D (90 %)" in line.text  # not prose
    assert re.findall(r"\d+\.\d+", line.text) == ["1.11"]


def test_gpu_and_cpu_of_a_host_are_compared() -> None:
    section = explanation.section([explanation_record(), explanation_record(kind="gpu")])
    assert section is not None
    labels = [label for label, _ in section.said]
    assert labels[:2] == ["boromir · CPU", "boromir · GPU"]
    assert [each.code for each in section.said[0][1]] == ["arithmetic-bound", "parts-add-up"]
    [idle] = [each.text for each in section.said[1][1] if each.code == "gpu-idle"]
    assert "75 % (MNIST Digits 1D)" in idle  # not prose
    [compared] = section.said[2][1]
    assert compared.code == "gpu-and-cpu"
    assert compared.text.startswith("MNIST Digits 1D: ")
    assert (
        compared.text.index("boromir · GPU")
        < compared.text.index("1.00")
        < compared.text.index("boromir · CPU")
    )


def test_environments_have_groups_of_their_own(tmp_path: Path) -> None:
    records = [explanation_record(environment=each) for each in ({}, {"XLA_FLAGS": "--x"})]
    found = load([written(tmp_path, *records)]).explanations
    assert [each.label for each in explanation.groups(found)] == [
        "boromir · XLA_FLAGS=--x",
        "boromir · default environment",  # not prose
    ]


def test_the_newest_counts_unless_it_failed(tmp_path: Path) -> None:
    older, newer = explanation_record(), explanation_record(finished_utc="2026-11-22T00:00:00Z")
    failed = explanation_record(finished_utc="2026-11-23T00:00:00Z", status="failed", reason="no")
    found = load([written(tmp_path, failed, newer, older)]).explanations
    assert [each["finished_utc"] for each in found] == ["2026-11-22T00:00:00Z"]


def test_a_report_has_the_section_beside_its_runs(tmp_path: Path) -> None:
    maker = Maker()
    hostile = explanation_record(title="<script>alert(1)</script>", warnings=["<img src=x>"])
    path = written(tmp_path, maker.host(), maker.run(), explanation_record(workload="imdb"), hostile)
    built = build([path], tmp_path / "report")
    page = built.page.read_text()
    assert '<section id="explained">' in page
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "Table 9" in (tmp_path / "report" / "report.md").read_text()
    assert (tmp_path / "report" / "table_8_explanation.csv").read_text().count("\n") == 3
    assert (tmp_path / "report" / "plots" / "explanation.png").stat().st_size > 1000


def test_explanations_alone_are_a_report(tmp_path: Path) -> None:
    built = build([written(tmp_path, Maker().host("boromir"), explanation_record())], tmp_path / "report")
    assert built.summary.counts == {"explanation": {"ok": 1}}
    assert re.findall(r"\d+", built.summary.headline) == ["1", "1", "1", "1"]
    assert '<section id="explained">' in built.page.read_text()
