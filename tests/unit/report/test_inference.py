"""Keyword spotting in the report: every measurement by itself, beside what was published, and what is wrong said."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench_report import inference
from edgebench_report.build import Built, build
from edgebench_report.errors import ReportError
from edgebench_report.load import load
from edgebench_report.plots import STATUS
from edgebench_report.published import PUBLISHED_KWS_FILE, read_published_inference
from edgebench_report.table import Row, Table
from edgebench_report.text import Note

from tests.unit.report.conftest import marked

RecordsFile = Callable[..., Path]


def table_of(records: list[Any]) -> Table:
    table = inference.keyword_spotting(records, read_published_inference())
    assert table is not None
    return table


def measured(table: Table) -> list[Row]:
    return [row for row in table.rows if row.side == "measured"]


def shown(table: Table, row: Row) -> dict[str, str]:
    return {heading.text: cell.text for heading, cell in zip(table.headings, row.cells, strict=True)}


def noted(table: Table, row: Row, heading: str) -> list[Note]:
    index = [each.text for each in table.headings].index(heading)
    return [table.note(mark) for mark in row.cells[index].marks]


def codes(table: Table, row: Row, heading: str) -> list[str]:
    return [each.code for each in noted(table, row, heading)]


def test_a_row_has_throughput_latency_accuracy_and_library(make: Any) -> None:
    table = table_of([make.inference(profile="paper")])
    [row] = measured(table)

    assert (row.name, row.section) == ("litert reference_int8", "edge-01 · paper")
    assert shown(table, row) == {
        "Precision": "int8",
        "Threads": "1",
        "Throughput": "22282",
        "Valid": "yes",
        "median": "44.0",
        "p90": "51.0",
        "p99": "52.6",
        "max": "132",
        "jitter": "2.64",
        "Top-1 [%]": "90.2",
        "AUC": "0.9962",
        "Library": "ai-edge-litert 2.1.0, XNNPACK",
    }
    assert row.cells[2].detail == "21441–22727, n 5"
    assert table.notices == []


def test_quick_windows_are_not_valid_and_say_why(make: Any) -> None:
    table = table_of([make.inference()])
    [row] = measured(table)

    assert shown(table, row)["Valid"] == "no"
    [short] = noted(table, row, "Valid")
    assert short.code == "windows-short"
    assert re.findall(r"\d+ s\b", short.text) == ["1 s", "10 s"]
    assert [each.code for each in table.notices] == ["quick-profile"]


@pytest.mark.parametrize(("top1", "valid"), [(0.086, "no"), (0.8999, "no"), (0.9, "yes"), (None, "yes")])
def test_accuracy_below_the_target_is_not_valid(make: Any, top1: float | None, valid: str) -> None:
    """Records of earlier runners and imported ones are ok although their accuracy is below the target."""
    table = table_of([make.inference(profile="paper", quality={"value": top1})])
    [row] = measured(table)
    assert shown(table, row)["Valid"] == valid
    expected = [] if valid == "yes" else ["below-target"]
    assert [each.code for each in noted(table, row, "Valid")] == expected


def test_accuracy_below_the_target_is_marked_in_the_table_and_at_the_head(
    make: Any, records_file: RecordsFile, tmp_path: Path
) -> None:
    records = [make.inference("onnxruntime", "int8"), make.inference(quality={"value": 0.9})]
    table = table_of(records)
    low, at = sorted(measured(table), key=lambda row: row.name, reverse=True)

    [below] = noted(table, low, "Top-1 [%]")
    assert below.code == "below-target"
    assert "90 %" in below.text
    assert noted(table, at, "Top-1 [%]") == []
    built = build([records_file(records)], tmp_path / "report")
    [banner] = [each.text for each in built.summary.banners if each.code == "below-target"]
    assert all(each in banner for each in ("90 %", "onnxruntime int8", "edge-01", "88.1 %"))
    assert "litert" not in banner


def test_random_weights_are_said_and_have_no_accuracy(
    make: Any, records_file: RecordsFile, tmp_path: Path
) -> None:
    why = "random weights: latency only"
    record = make.inference(
        model={"weights": "random", "sha256": None, "size_bytes": None},
        quality=dict.fromkeys(("value", "auc", "samples")),
        missing={"quality.value": why, "quality.auc": why},
    )
    table = table_of([record])
    [row] = measured(table)

    assert shown(table, row)["Top-1 [%]"] == "-"
    assert noted(table, row, "Top-1 [%]") == [Note("reason-recorded", why)]
    assert codes(table, row, "Precision") == ["random-weights"]
    built = build([records_file([record])], tmp_path / "report")
    [banner] = [each.text for each in built.summary.banners if each.code == "random-weights"]
    assert "edge-01" in banner
    figures = re.findall("<figcaption>.*?</figcaption>", built.page.read_text("utf-8"), re.DOTALL)
    [hatched] = [note for each in figures for note in marked(each).get("random-weights", [])]
    assert hatched in built.page.with_name("report.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"threads": {"intra": 2, "inter": 2}}, "2 threads"),
        ({"engine": {"version": "2.3.0"}}, "ai-edge-litert 2.3.0, XNNPACK"),
        ({"engine": {"delegate": "none"}}, "ai-edge-litert 2.1.0"),
        ({"model": {"weights": "trained"}}, "trained weights"),
        ({"model": {"sha256": "e" * 64}}, "model eeeeeeeeeeee"),
        ({"framework": {"numpy": "1.26.4"}}, "NumPy 1.26.4"),
        ({"environment": {"OMP_NUM_THREADS": "4"}}, "OMP_NUM_THREADS=4"),
        ({"environment": {}}, "default environment"),
        ({"run_id": "r9"}, "r9"),
    ],
)
def test_what_differs_is_another_row_and_named(make: Any, changes: Any, told: str) -> None:
    table = table_of([make.inference(), make.inference(**changes, throughput_per_s=1.0)])

    assert sorted(shown(table, row)["Throughput"] for row in measured(table)) == ["1.00", "22281"]
    assert any(row.name.endswith(told) for row in measured(table)), [row.name for row in measured(table)]


def test_profiles_hosts_and_windows_have_parts_of_their_own(make: Any) -> None:
    longer = {"window_s": 20.0, "windows": 5, "min_inferences": 10}
    records = [
        make.inference(),
        make.inference(profile="paper"),
        make.inference(profile="paper", options=longer),
        make.inference(host="nano-01"),
    ]
    assert [part.label for part in inference.parts(records)] == [
        "edge-01 · quick",
        "edge-01 · paper · windows of 10 s",  # not prose
        "edge-01 · paper · windows of 20 s",  # not prose
        "nano-01 · quick",
    ]


def test_what_did_not_run_says_why_in_every_cell(make: Any) -> None:
    table = table_of([make.not_inferred("unsupported", "SIGILL in the phase warmup")])
    [row] = measured(table)

    gaps = [heading for heading, text in shown(table, row).items() if text == "-"]
    assert set(gaps) == {
        "Throughput",
        "Valid",
        "median",
        "p90",
        "p99",
        "max",
        "jitter",
        "Top-1 [%]",
        "AUC",
        "Library",
    }
    [told] = {note for each in gaps for note in noted(table, row, each)}
    assert told.code == "host-unsupported"
    assert told.text.endswith(": SIGILL in the phase warmup")  # not prose
    assert all(noted(table, row, each) for each in gaps)


def test_published_results_stand_beside_with_their_faults(make: Any) -> None:
    table = table_of([make.inference()])
    rows = [row for row in table.rows if row.side == "published"]
    nano = rows[0]

    assert (nano.key, nano.section) == ("nano_2021", "Published elsewhere")
    assert (shown(table, nano)["median"], shown(table, nano)["Throughput"]) == ("4300", "232")
    assert "clock-is-cpu-time" in codes(table, nano, "Throughput")
    assert any("clock()" in each.text for each in noted(table, nano, "Throughput"))
    assert shown(table, nano)["Valid"] == "no"
    assert {"input-not-dequantised", "below-target"} <= set(codes(table, nano, "Top-1 [%]"))
    assert {shown(table, row)["median"] for row in rows} >= {"393", "422", "85.0", "181900", "43200"}
    assert all(cell.marks for row in rows for cell in row.cells if cell.missing)


@pytest.mark.parametrize(
    ("old", "new", "code", "named"),
    [
        ("version: 1", "version: 9", "published-version-unknown", "9"),
        ("    latency_ms: 4.3\n", "", "published-field-missing", "latency_ms"),
        ("notes: [clock_is_cpu_time,", "notes: [clock_is_wrong,", "published-note-unknown", "clock_is_wrong"),
        ("missing: {engine: not one of this project's,", "missing: {", "published-reason-missing", "engine"),
        ("results:", "results: [", "published-file-broken", ""),
    ],
)
def test_a_broken_file_of_published_results_is_refused(
    tmp_path: Path, old: str, new: str, code: str, named: str
) -> None:
    text = PUBLISHED_KWS_FILE.read_text("utf-8")
    assert old in text
    path = tmp_path / "published.yml"
    path.write_text(text.replace(old, new, 1), "utf-8")

    with pytest.raises(ReportError) as caught:
        read_published_inference(path)
    assert caught.value.code == code
    assert named in str(caught.value)
    assert f"git checkout -- {path}" in str(caught.value)


def test_inference_alone_makes_a_report(make: Any, records_file: RecordsFile, tmp_path: Path) -> None:
    built = build([records_file([make.host(), make.inference(profile="paper")])], tmp_path / "report")

    assert built.summary.counts == {"inference": {"ok": 1}}
    assert re.findall(r"\d+", built.summary.headline) == ["1", "1", "1", "1"]
    assert [each.number for each in built.tables] == ["1", "7"]
    names = {each.name for each in (tmp_path / "report").rglob("*") if each.is_file()}
    assert {"inferences.csv", "table_7_keyword_spotting.csv", "kws_latency.svg", "index.html"} <= names
    assert "runs.csv" not in names


def test_trainings_alone_have_no_table_of_inference(
    make: Any, records_file: RecordsFile, tmp_path: Path
) -> None:
    built = build([records_file(make.suite(1))], tmp_path / "report")

    assert "7" not in [each.number for each in built.tables]
    assert not (tmp_path / "report" / "inferences.csv").exists()


def test_inferences_csv_has_every_window_and_every_attempt(
    make: Any, records_file: RecordsFile, tmp_path: Path
) -> None:
    failed = make.not_inferred("failed", "no disk")
    build([records_file([make.inference(attempt=2), failed])], tmp_path / "report")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report" / "inferences.csv").read_text("utf-8"))))

    assert [(each["attempt"], each["status"], each["counts"]) for each in rows] == [
        ("2", "ok", "True"),
        ("1", "failed", "False"),
    ]
    assert len(rows[0]["windows_throughput_per_s"].split()) == 5
    assert len(rows[0]["latency_percentiles_us"].split()) == 101


def test_charts_of_the_paper_profile_show_what_was_published(mixed_report: Built) -> None:
    plots = mixed_report.page.with_name("plots")

    assert "Snapdragon" in (plots / "kws_latency_paper.svg").read_text("utf-8")
    assert "Snapdragon" not in (plots / "kws_latency_quick.svg").read_text("utf-8")
    assert STATUS["unsupported"] in (plots / "kws_latency_paper.svg").read_text("utf-8")


def test_a_broken_record_of_inference_is_left_out_by_name(make: Any, records_file: RecordsFile) -> None:
    bad = make.inference(latency={"percentiles_us": [1.0] * 7})
    path = records_file([make.inference(), bad, make.inference(schema=1, run_id="r9")])

    loaded = load([path])

    assert len(loaded.inferences) == 1
    assert [each.where for each in loaded.problems] == [f"{path}:2", f"{path}:3"]
    assert "latency.percentiles_us" in loaded.problems[0].what
    assert "schema" in loaded.problems[1].what


def test_engines_models_and_threads_are_other_measurements_and_retries_are_not(
    make: Any, records_file: RecordsFile
) -> None:
    records = [
        make.inference(),
        make.inference("litert", "float32"),
        make.inference(threads={"intra": 2, "inter": 2}),
        make.inference(attempt=2),
    ]
    loaded = load([records_file(json.loads(json.dumps(records)))])

    assert (len(loaded.inferences), len(loaded.superseded)) == (3, 1)
    assert loaded.problems == []


def test_imported_records_may_know_little(make: Any) -> None:
    why = "the log has none"
    unknown = make.inference(
        started_utc=None,
        finished_utc=None,
        threads={"intra": None, "inter": None},
        model={"form": None, "precision": None, "weights": None},
        framework={"version": None, "keras": None, "numpy": None, "python": None},
        latency=dict.fromkeys(("samples", "percentiles_us", "mean_us", "jitter_us")),
        device=None,
        missing={"latency.percentiles_us": why},
    )
    table = table_of([unknown, make.inference()])
    first = next(row for row in measured(table) if row.key.endswith("?"))

    assert noted(table, first, "median") == [Note("reason-recorded", why)]
