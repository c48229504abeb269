"""A run that was disturbed is marked in every table, and energy is told where it was measured."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgebench_report import cli_compare, compare, conditions, export, inference, results, telemetry
from edgebench_report.build import build
from edgebench_report.load import load
from edgebench_report.published import read_published_inference

from tests.unit.report.conftest import marked
from tests.unit.report.test_tables import cell, facts_of, notes

LOAD = "disturbed-load"


def told(*kinds: str, energy_j: float | None = None, **more: Any) -> dict[str, Any]:
    """Return telemetry of a run that these kinds disturbed."""
    phases = {"train": {"energy": {"total_j": energy_j}}}
    return {
        "disturbed": list(kinds),
        "warnings": [f"{kind}: <b>much</b>" for kind in kinds],
        "phases": phases,
        **more,
    }


def test_a_disturbed_run_is_marked_in_every_table_that_shows_it(make: Any) -> None:
    facts = facts_of([make.run(telemetry=told()), make.run(repeat=2, telemetry=told("load", "throttled"))])
    shown = [
        results.training_time(facts),
        results.test_time(facts),
        results.accuracy(facts),
        results.time_split(facts),
    ]
    for table in shown:
        found = [each.code for each in notes(table, "mnist_1d")]
        assert found == ["disturbed-throttled", LOAD], table.slug
    quiet = facts_of([make.run(telemetry=told()), make.run(repeat=2)])
    assert notes(results.training_time(quiet), "mnist_1d") == []
    assert cell(results.training_time(quiet), "mnist_1d").marks == []


def test_many_disturbed_runs_share_one_footnote(make: Any) -> None:
    workloads = ["mnist_1d", "imdb", "reuters"]
    facts = facts_of([make.run(workload=each, telemetry=told("load")) for each in workloads])
    footnotes = [note.code for _, note in results.training_time(facts).footnotes]
    assert footnotes.count(LOAD) == 1


def test_a_run_that_failed_marks_no_value_of_the_others(make: Any) -> None:
    failed = make.run(repeat=2, status="oom", reason="killed", telemetry=told("load"))
    table = results.training_time(facts_of([make.run(), failed]))
    assert [each.code for each in notes(table, "mnist_1d")] == ["repeats-left-out"]


def test_a_disturbed_inference_is_marked(make: Any) -> None:
    table = inference.keyword_spotting([make.inference(telemetry=told("steal"))], read_published_inference())
    assert table is not None
    marks = [mark for each in table.rows[0].cells for mark in each.marks]
    assert "disturbed-steal" in [table.note(mark).code for mark in marks]


def test_a_comparison_says_which_side_was_disturbed(make: Any) -> None:
    sides = [
        [make.run(host=host, repeat=n, telemetry=told(*kinds)) for n in (1, 2)]
        for host, kinds in (("a", ["load"]), ("b", []))
    ]
    table = cli_compare.table(compare.compare(("one", sides[0]), ("two", sides[1]), by=["host"]))
    [disturbed] = [note for _, note in table.footnotes if note.code == LOAD]
    assert disturbed.text.startswith("A: ")
    assert not any(note.text.startswith("B: ") for _, note in table.footnotes)


def test_the_page_and_the_terminal_say_it_and_series_are_no_records(
    make: Any, records_file: Callable[..., Path], tmp_path: Path
) -> None:
    runs = [make.run(telemetry=told("load", energy_j=120.0)), make.run(repeat=2, telemetry=told())]
    path = records_file([make.host(), *runs])
    series = path.with_suffix(".telemetry") / "mnist_1d.1.1.jsonl"
    series.parent.mkdir()
    series.write_text('{"telemetry": 1}\n')
    loaded = load([path.parent])
    assert (len(loaded.runs), loaded.problems) == (2, [])
    built = build([path.parent], tmp_path / "report")
    assert telemetry.by_kind(runs) == {"load": 1}
    [disturbed] = [each.value for each in built.summary.facts if each.code == "disturbed"]
    assert disturbed.startswith("1 of 2")
    assert disturbed.endswith("(1)")
    page = (tmp_path / "report/index.html").read_text("utf-8")
    assert marked(page)["disturbed"] == [disturbed]
    assert LOAD in marked(page)
    assert "load: &lt;b&gt;much" in page
    assert len(marked(page)["run-disturbed"]) == 1
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report/runs.csv").read_text("utf-8"))))
    assert [(each["disturbed"], each["train_energy_j"]) for each in rows] == [("load", "120.0"), ("", "")]


def test_what_is_exported(make: Any, records_file: Callable[..., Path]) -> None:
    spotted = make.inference(telemetry=told("throttled", energy_per_inference_j=2.5e-5))
    rows = export.rows(load([records_file([make.run(telemetry=told(energy_j=3.5)), spotted])]))
    assert [(each["train_energy_j"], each["energy_uj_per_inference"]) for each in rows] == [
        (3.5, None),
        (None, 25.0),
    ]
    assert [json.loads(str(each["disturbed"])) for each in rows] == [[], ["throttled"]]


def test_every_kind_of_the_schema_has_words(repository: Path) -> None:
    schema = json.loads((repository / "bench/edgebench/record.schema.json").read_text("utf-8"))
    kinds = schema["definitions"]["telemetry"]["properties"]["disturbed"]["items"]["enum"]
    for kind in kinds:
        [note] = telemetry.remarks([{"telemetry": {"disturbed": [kind]}}])
        assert note.code == f"disturbed-{kind}"


def test_throttling_that_no_source_tells_is_unknown_and_not_counted_as_none(make: Any) -> None:
    why = {"throttled": "vcgencmd is <b>missing</b>"}
    runs = [
        make.run(host="pi", telemetry=told(unknown=why)),
        make.run(host="nano", telemetry=told(unknown={})),
    ]
    table = conditions.table(facts_of([*runs, make.run(host="old", telemetry=told())]))
    assert table is not None
    found = {row.name.split()[0]: [table.note(mark) for mark in row.cells[-1].marks] for row in table.rows}
    assert {host: [each.code for each in marks] for host, marks in found.items()} == {
        "pi": ["unknown-throttled"],
        "nano": [],
        "old": [],
    }
    assert why["throttled"] in found["pi"][0].text
