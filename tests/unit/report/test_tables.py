"""What the tables say: medians with their spread, reasons for what is missing, marks on what needs them."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from edgebench_report import aggregate, results, tables
from edgebench_report.published import read_published
from edgebench_report.table import Cell, Table
from edgebench_report.text import Note

WHY_SYNTHETIC = "no film reviews"
SYNTHETIC = {
    "synthetic": True,
    "sha256": None,
    "source": "synthetic",
    "note": f"{WHY_SYNTHETIC} (cache: nothing). Choices: a, b",
}
FactsOf = Callable[[list[Any]], tables.Facts]


def facts_of(records: list[Any]) -> tables.Facts:
    published = read_published()
    hosts = [each for each in records if each["record"] == "host"]
    runs = [each for each in records if each["record"] == "run"]
    columns = aggregate.columns(runs, published.workloads)
    return tables.Facts(columns, hosts, aggregate.statistics(aggregate.samples(columns)), published)


def cell(table: Table, key: str, column: int = 0) -> Cell:
    [row] = [each for each in table.rows if each.key == key]
    return row.cells[column]


def notes(table: Table, key: str, column: int = 0) -> list[Note]:
    return [table.note(mark) for mark in cell(table, key, column).marks]


def note(table: Table, key: str, column: int = 0) -> tuple[str, str]:
    """Return the code and the text of the only note of a cell."""
    [found] = notes(table, key, column)
    return found.code, found.text


def test_training_time_is_building_and_training_median_with_spread(make: Any) -> None:
    runs = [
        make.run(repeat=each, times={"build_s": 1.0, "train_s": train_s})
        for each, train_s in enumerate([11.0, 30.0, 12.0], 1)
    ]
    shown = cell(results.training_time(facts_of(runs)), "mnist_1d")

    assert (shown.text, shown.detail) == ("13.0", "12.0–31.0, n 3")


def test_a_single_run_has_no_spread(make: Any) -> None:
    assert cell(results.test_time(facts_of([make.run()])), "mnist_1d").detail == "n 1"


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("oom", "killed by the kernel", "out-of-memory"),
        ("timeout", "stopped after 60 s", "time-limit-passed"),
        ("failed", "ValueError: no", "run-failed"),
        ("unsupported", "SIGILL", "host-unsupported"),
        ("oom", None, "out-of-memory"),
    ],
)
def test_a_missing_cell_gives_its_reason(make: Any, status: str, reason: str | None, expected: str) -> None:
    facts = facts_of([make.run("imdb"), make.unfinished(status, reason)])
    for table in (results.training_time(facts), results.test_time(facts), results.accuracy(facts)):
        assert cell(table, "mnist_1d").text == "-"
        code, said = note(table, "mnist_1d")
        assert code == expected
        assert said.endswith(f": {reason}") if reason else ":" not in said


def test_what_was_not_run_says_so(make: Any) -> None:
    assert note(results.training_time(facts_of([make.run("imdb")])), "mnist_1d")[0] == "not-run"


def test_a_workload_run_elsewhere_on_the_host_says_where(make: Any) -> None:
    runs = [make.run("weather"), make.run("imdb"), make.run("weather", profile="paper", run_id="r2")]
    code, said = note(results.training_time(facts_of(runs)), "imdb", 1)
    assert code == "run-elsewhere"
    assert "“edge-01 · quick”" in said


def test_a_value_missing_from_a_finished_run_gives_the_reason_of_the_record(make: Any) -> None:
    why = "the evaluation gave no number"
    run = make.run(quality={"value": None}, missing={"quality.value": why})
    assert note(results.accuracy(facts_of([run])), "mnist_1d") == ("reason-recorded", why)


def test_a_value_missing_without_a_reason_is_noted(make: Any) -> None:
    run = make.run(quality={"value": None})
    assert note(results.accuracy(facts_of([run])), "mnist_1d")[0] == "reason-unrecorded"


def test_repeats_that_failed_are_counted_beside_the_median_of_the_rest(make: Any) -> None:
    runs = [make.run(repeat=1), make.run(repeat=2), make.unfinished("oom", "killed", repeat=3)]
    table = results.training_time(facts_of(runs))

    assert cell(table, "mnist_1d").detail.endswith("n 2")
    code, said = note(table, "mnist_1d")
    assert code == "repeats-left-out"
    assert said.startswith("1 of 3 ")
    assert said.endswith(": killed")


def test_every_measured_cell_on_synthetic_data_is_marked_and_no_other(make: Any) -> None:
    runs = [make.run("imdb", data=SYNTHETIC), make.run("mnist_1d"), make.run("weather", data=SYNTHETIC)]
    facts = facts_of(runs)
    error = results.weather_error(facts)
    assert error is not None
    for table, keys in [
        (results.training_time(facts), ["imdb", "weather"]),
        (results.test_time(facts), ["imdb", "weather"]),
        (results.accuracy(facts), ["imdb"]),
        (error, ["weather °C", "weather std. dev."]),
    ]:
        for key in keys:
            code, said = note(table, key)
            assert code == "synthetic-data", (table.number, key)
            assert said.endswith(f": {WHY_SYNTHETIC}"), (table.number, key)
    assert cell(results.training_time(facts), "mnist_1d").marks == []
    split = results.time_split(facts)
    [row] = [each for each in split.rows if each.key == "imdb"]
    assert all(each.marks for each in row.cells)


def test_footnotes_are_lettered_in_order_and_shared(make: Any) -> None:
    runs = [make.run("imdb", data=SYNTHETIC), make.run("imdb_embedded", data=SYNTHETIC)]
    table = results.training_time(facts_of(runs))

    assert [mark for mark, _ in table.footnotes] == list("abcde")[: len(table.footnotes)]
    assert cell(table, "imdb").marks == cell(table, "imdb_embedded").marks
    assert cell(table, "mnist_1d").marks == ["a"]


def test_published_values_stand_as_printed_in_a_group_of_their_own_with_misprints_noted(make: Any) -> None:
    table = results.training_time(facts_of(make.suite(1)))

    assert [(band.text, band.span, band.side) for band in table.bands] == [
        ("Measured", 1, "measured"),
        (tables.PUBLISHED_BAND, 4, "published"),
    ]
    assert [each.text for each in table.rows[4].cells[1:]] == ["1463.5", "2147.9", "15105.3", "550.2"]
    code, said = note(table, "dogs_vs_cats", 4)
    assert code == "published-note"
    assert "560.2" in said
    in_file = read_published().workloads["imdb"]["missing"]["train_s.frodo"]
    assert note(table, "imdb", 3) == ("reason-published", in_file)


def test_quick_figures_carry_the_notice_and_paper_figures_do_not(make: Any) -> None:
    quick, paper = facts_of([make.run()]), facts_of([make.run(profile="paper")])
    for table in (results.training_time, results.test_time, results.accuracy):
        assert [each.code for each in table(quick).notices] == ["quick-profile"]
        assert "quick" in table(quick).headings[0].tags
        assert table(paper).notices == []


def test_the_ratio_is_published_over_measured_and_takes_the_raw_log_for_a_misprint(make: Any) -> None:
    times = {"build_s": 0.2, "train_s": 56.0 - 0.2}
    table = results.speed_ratio(facts_of([make.run("dogs_vs_cats", profile="paper", times=times)]))

    assert table is not None
    assert [each.text for each in table.rows[4].cells] == ["26.1", "38.4", "270", "10.0"]
    code, said = note(table, "dogs_vs_cats", 3)
    assert code == "raw-log-used"
    assert "560.2" in said


def test_quick_runs_have_no_ratio(make: Any) -> None:
    assert results.speed_ratio(facts_of(make.suite(1))) is None
    mixed = results.speed_ratio(facts_of([make.run(), make.run(profile="paper", run_id="r2")]))
    assert mixed is not None
    assert [each.text for each in mixed.bands] == ["edge-01 · paper"]


@pytest.mark.parametrize(
    ("changes", "expected", "numbers"),
    [
        ({"data": {"synthetic": True, "sha256": None}}, "synthetic-data", []),
        ({"options": {"lookback_rows": 720}}, "lookback-differs", ["720", "1440"]),
        ({"sizes": {"epochs": 3}}, "sizes-differ", ["3", "10"]),
    ],
)
def test_what_was_not_run_as_published_has_no_ratio(
    make: Any, changes: dict[str, Any], expected: str, numbers: list[str]
) -> None:
    table = results.speed_ratio(facts_of([make.run("weather", profile="paper", **changes)]))
    assert table is not None
    assert cell(table, "weather").text == "-"
    code, said = note(table, "weather")
    assert code == expected
    assert re.findall(r"\d+", said) == numbers
    assert all(name in said for name in changes.get("sizes", {}))


def test_accuracy_is_percent_and_the_regressions_have_a_table_of_their_own(make: Any) -> None:
    facts = facts_of([make.run("mnist_1d", quality={"value": 0.97849}), make.run("weather")])
    error = results.weather_error(facts)

    assert cell(results.accuracy(facts), "mnist_1d").text == "97.8"
    assert "weather" not in [row.key for row in results.accuracy(facts).rows]
    assert error is not None
    assert (cell(error, "weather °C").text, cell(error, "weather std. dev.").text) == ("2.378", "0.290")
    assert results.weather_error(facts_of([make.run("mnist_1d")])) is None


def test_sizes_as_run_stand_beside_the_published(make: Any) -> None:
    table = tables.workloads(facts_of([*make.suite(1), *make.suite(1, profile="paper", run_id="r2")]))

    *run, published = [band.text for band in table.bands]
    assert ["quick" in run[0], "paper" in run[1]] == [True, True]
    assert (len(run), published) == (2, tables.PUBLISHED_BAND)
    assert [each.text for each in table.rows[0].cells] == (
        ["12800", "2000", "2", "128"] + ["60000", "10000", "5", "128"] * 2
    )


def test_another_network_than_the_published_is_marked(make: Any) -> None:
    facts = facts_of([make.run(sizes={"parameters": 407051}), make.run("imdb")])
    table = tables.architectures(facts)

    assert cell(table, "mnist_1d", 3).text == "407051"
    assert note(table, "mnist_1d", 3)[0] == "network-differs"
    assert cell(table, "imdb", 3).marks == []


def test_host_facts_and_what_a_host_does_not_tell(make: Any) -> None:
    host = make.host()
    table = tables.hosts(facts_of([host, make.run(), make.run(host="edge-02")]))

    assert cell(table, "memory_gb").text == "8"
    assert cell(table, "cpu_cores").text == "4 (2 physical)"
    assert cell(table, "cpu_clock_ghz").text == "3.9"
    assert note(table, "make") == ("reason-recorded", host["missing"]["facts.board.model"])
    assert note(table, "processor", 1)[0] == "host-unrecorded"


def test_a_host_that_changed_between_sessions_shows_both(make: Any) -> None:
    later = make.host(
        session="b" * 12, time_utc="2026-06-01T00:00:00Z", facts={"cpu": {"governor": "powersave"}}
    )
    table = tables.hosts(facts_of([later, make.host(), make.run()]))

    assert cell(table, "governor").text == "performance; powersave"
    assert cell(table, "kernel").text == "6.1.0-18-amd64"


def test_a_workload_that_the_report_does_not_have_gets_its_row(make: Any) -> None:
    facts = facts_of([{**make.run(), "workload": "kws", "title": "Keyword spotting"}])
    table = results.training_time(facts)

    assert table.rows[-1].name == "Keyword spotting"
    assert note(table, "kws", 1)[0] == "not-in-2019-report"
    assert tables.workloads(facts).rows[-1].cells[-1].text == "-"


def test_csv_holds_the_numbers_and_the_reasons(make: Any) -> None:
    runs = [make.run(repeat=each, times={"build_s": 0.0, "train_s": float(each)}) for each in (1, 2, 3)]
    runs.append(make.unfinished("oom", "killed", "imdb"))
    table = results.training_time(facts_of(runs))
    text = table.csv()
    first, second = list(csv.DictReader(io.StringIO(text)))[:2]

    assert first["workload"] == "mnist_1d"
    assert [float(first[f"edge-01 · quick{each}"]) for each in ("", " min", " max", " repeats")] == [
        2,
        1,
        3,
        3,
    ]
    assert float(first["Gandalf (2019 report)"]) == 33.7
    assert second["edge-01 · quick"] == ""
    code, said = note(table, "imdb")
    assert code == "out-of-memory"
    assert second[f"{table.headings[0].label} note"] == said
    assert said.endswith(": killed")


@pytest.mark.parametrize("clock", [0, 0.0, 0.001, 49.9])
def test_a_clock_of_nothing_is_unknown(make: Any, clock: float) -> None:
    host = make.host()
    host["facts"]["cpu"].update(clock_max_mhz=None, clock_current_mhz=clock)
    assert cell(tables.hosts(facts_of([host, make.run()])), "cpu_clock_ghz").missing
    host["facts"]["cpu"].update(clock_max_mhz=clock, clock_current_mhz=1500)
    shown = cell(tables.hosts(facts_of([host, make.run()])), "cpu_clock_ghz")
    assert shown.missing or clock == 0


@pytest.mark.parametrize("said", ["???", "?", "?? ?", "", " ", "-", "..."])
def test_a_fact_that_says_nothing_is_unknown(make: Any, said: str) -> None:
    host = make.host()
    host["facts"]["cpu"]["model"] = said
    host["facts"]["board"]["model"] = said
    table = tables.hosts(facts_of([host, make.run()]))
    assert cell(table, "processor").missing
    assert cell(table, "make").missing
    host["facts"]["cpu"]["model"] = "M?1"
    assert cell(tables.hosts(facts_of([host, make.run()])), "processor").text == "M?1"


def test_the_error_in_degrees_is_missing_for_the_reason_of_the_error(make: Any) -> None:
    run = make.run("weather")
    run["quality"].pop("mae_celsius")
    run["quality"]["value"] = None
    run["missing"]["quality.value"] = "thrown away"
    table = results.weather_error(facts_of([run]))
    assert table is not None
    for name in ("weather °C", "weather std. dev."):
        assert note(table, name) == ("reason-recorded", "thrown away")
