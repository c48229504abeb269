"""The head of the report: what one host can do, which of several is the fastest, and what may be compared at all."""

import math
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import pytest
from edgebench.workloads import weather, weather_conv
from edgebench_report import answer, answer_tables, rates, terminal
from edgebench_report.answer import Block
from edgebench_report.build import facts_of
from edgebench_report.load import load
from edgebench_report.published import read_published
from edgebench_report.summary import summarise
from edgebench_report.table import Table
from edgebench_report.tables import Facts

from tests.unit.report.conftest import Maker, Record, write_records

HOSTS_OF_REPORT = [
    "Gandalf (2019 report)",
    "Bilbo (2019 report)",
    "Frodo (2019 report)",
    "Boromir (2019 report)",
]


def facts(tmp_path: Path, records: list[Record]) -> Facts:
    return facts_of(load([write_records(tmp_path / "records.jsonl", records)]))


def only_block(known: Facts) -> Block:
    [block] = answer.blocks(known)
    return block


def cells(table: Table, heading: str) -> dict[str, Any]:
    place = [each.label for each in table.headings].index(heading)
    return {row.key: row.cells[place] for row in table.rows}


def codes(table: Table, cell: Any) -> list[str]:
    return [table.note(mark).code for mark in cell.marks]


def timed(make: Maker, times: list[float], workload: str = "mnist_1d", **changes: Any) -> list[Record]:
    return [
        make.run(workload, n, times={"build_s": 0.0, "train_s": each}, **changes)
        for n, each in enumerate(times, 1)
    ]


# One host


def test_rates_are_those_of_the_epochs_after_the_first(make: Maker, tmp_path: Path) -> None:
    epochs = {"train_s": 4.0, "epochs_s": [3.0, 1.0]}
    known = facts(tmp_path, [make.run(repeat=each, times=epochs) for each in range(1, 6)])
    [group] = known.columns[0].groups.values()
    found = rates.training(group, known.published)
    assert found is not None
    assert (found.median, found.count, found.is_steady) == (12800.0, 5, True)
    assert found.interval == (12800.0, 12800.0)
    tests = rates.inference(group)
    assert tests is not None
    assert tests.median == 2000 / 0.125


@pytest.mark.parametrize("epochs_s", [[], [4.0]])
def test_without_a_second_epoch_a_rate_is_of_all_epochs_and_marked(
    make: Maker, tmp_path: Path, epochs_s: list[float]
) -> None:
    records = [make.run(repeat=each, times={"train_s": 4.0, "epochs_s": epochs_s}) for each in (1, 2, 3)]
    known = facts(tmp_path, records)
    block = only_block(known)
    [table] = answer_tables.tables(block, known)
    cell = cells(table, "Training [samples/s]")["mnist_1d"]
    assert cell.statistic.median == 2 * 12800 / 4.0
    assert codes(table, cell) == ["rate-of-all-epochs"]
    # Three repeats have no interval, which is said once.
    assert math.isnan(cell.statistic.low)
    assert [each.code for each in table.notices] == ["too-few-repeats", "published-not-comparable"]
    assert "bench_repeats=5" in table.notices[0].text
    assert ",6400.0,,,3," in table.csv()


@pytest.mark.parametrize("module", [weather, weather_conv])
@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_samples_of_the_weather_are_windows_as_the_runner_feeds_them(
    make: Maker, module: Any, profile: str
) -> None:
    sizes = getattr(module.SPEC, profile)
    run = make.run(module.SPEC.name, profile=profile, sizes=dict(sizes._asdict()))
    published = read_published()
    assert rates._samples_an_epoch(run, published) == sizes.steps_per_epoch * sizes.batch
    assert published.workloads[module.SPEC.name]["steps_per_epoch"] == module.SPEC.paper.steps_per_epoch
    assert rates.samples_tested(run) == (sizes.test_samples - 1440) // sizes.test_batch * sizes.test_batch
    # Imported records do not say how many steps an epoch has.
    del run["sizes"]["steps_per_epoch"]
    expected = 64000 if profile == "paper" else None
    assert rates._samples_an_epoch(run, published) == expected


def test_one_host_is_shown_by_its_rates_and_says_once_that_quick_is_not_comparable(
    make: Maker, tmp_path: Path
) -> None:
    records = [*make.suite(5), make.inference(), make.inference("onnxruntime", "float32")]
    known = facts(tmp_path, records)
    block = only_block(known)
    assert block.is_single
    [table] = answer_tables.tables(block, known)
    rows = [row.key for row in table.rows]
    assert rows == [*known.published.workloads, "kws"]
    assert "kws" in rows
    speed = cells(table, "Inference [samples/s]")["kws"]
    assert speed.statistic.median == pytest.approx(records[-2]["throughput_per_s"])
    assert all(not cell.missing for key, cell in cells(table, "Training [samples/s]").items() if key != "kws")
    assert codes(table, cells(table, "Accuracy [%]")["weather"]) == ["accuracy-of-regression"]
    [notice] = table.notices
    assert notice.code == "published-not-comparable"
    assert "bench_profile=paper" in notice.text


def test_keyword_spotting_of_other_hosts_is_not_put_on_this_one(make: Maker, tmp_path: Path) -> None:
    known = facts(tmp_path, [*timed(make, [1.0] * 5), make.inference(host="other")])
    block = only_block(known)
    assert block.is_single
    assert block.spotted == []


def test_one_host_in_the_paper_profile_stands_beside_the_four_published(make: Maker, tmp_path: Path) -> None:
    known = facts(tmp_path, make.suite(5, profile="paper"))
    rated, beside = answer_tables.tables(only_block(known), known)
    assert rated.notices == []
    assert [each.label for each in beside.headings] == HOSTS_OF_REPORT
    boromir = cells(beside, HOSTS_OF_REPORT[3])
    own = known.statistics[0, "dogs_vs_cats", "train_total_s"].median
    # The raw logs' 560.2 s, not the misprint.
    assert boromir["dogs_vs_cats"].value == pytest.approx(560.2 / own, rel=1e-3)
    factors = [cell.value for key, cell in boromir.items() if key != "overall"]
    assert boromir["overall"].value == pytest.approx(geometric_mean(factors), rel=1e-3)
    frodo = cells(beside, HOSTS_OF_REPORT[2])
    assert codes(beside, frodo["imdb"]) == ["reason-published"]
    assert frodo["overall"].detail == "n 7"


def test_a_workload_on_synthetic_data_is_not_compared_with_the_published(make: Maker, tmp_path: Path) -> None:
    made_up = {"data": {"synthetic": True, "sha256": None, "source": "synthetic"}}
    imdb = timed(make, [9.0] * 5, "imdb", profile="paper", **made_up)
    known = facts(tmp_path, [*timed(make, [9.0] * 5, profile="paper"), *imdb])
    _, beside = answer_tables.tables(only_block(known), known)
    for name in HOSTS_OF_REPORT:
        assert codes(beside, cells(beside, name)["imdb"]) == ["synthetic-data"]
        assert cells(beside, name)["overall"].detail == "n 1"
    # Where nothing is left, that is said once.
    known = facts(tmp_path, imdb)
    [table] = answer_tables.tables(only_block(known), known)
    assert [each.code for each in table.notices] == ["published-not-comparable"]
    assert "synthetic data" in table.notices[0].text


def test_float16_is_compared_with_the_published_host_of_float16_alone(make: Maker, tmp_path: Path) -> None:
    known = facts(tmp_path, timed(make, [9.0] * 5, profile="paper", precision="float16"))
    _, beside = answer_tables.tables(only_block(known), known)
    found = {name: codes(beside, cells(beside, name)["mnist_1d"]) for name in HOSTS_OF_REPORT}
    expected = {name: ["precision-differs"] for name in HOSTS_OF_REPORT[:3]}
    assert found == {**expected, HOSTS_OF_REPORT[3]: []}


def test_energy_is_that_of_a_training_and_of_an_inference(make: Maker, tmp_path: Path) -> None:
    phases = {"train": {"energy": {"total_j": 12.5}}, "test": {"energy": {"total_j": 5.0}}}
    known = facts(tmp_path, timed(make, [1.0] * 5, telemetry={"phases": phases}))
    [table] = answer_tables.tables(only_block(known), known)
    assert cells(table, "Energy of a training [J]")["mnist_1d"].text == "12.5"  # not prose
    # 5 J over 2000 inferences.
    assert cells(table, "Energy of an inference [mJ]")["mnist_1d"].text == "2.5"  # not prose


# Several hosts


def fleet(make: Maker, hosts: dict[str, float], workloads: list[str], **changes: Any) -> list[Record]:
    steady = [1.0, 1.01, 0.99, 1.005, 0.995]
    return [
        run
        for host, factor in hosts.items()
        for place, workload in enumerate(workloads, 1)
        for run in timed(make, [place * factor * each for each in steady], workload, host=host, **changes)
    ]


def test_overall_is_the_geometric_mean_over_what_all_hosts_have(make: Maker, tmp_path: Path) -> None:
    records = fleet(make, {"slow": 6.0}, ["mnist_1d", "imdb", "reuters"])
    records += fleet(make, {"fast": 2.0}, ["mnist_1d", "imdb"])
    block = only_block(facts(tmp_path, records))
    found = block.overall()
    assert (found.titles, found.left_out) == (["MNIST Digits 1D", "IMDB"], ["Reuters"])
    assert "2 workloads" in found.said
    assert "Reuters" in found.said
    assert found.answer is not None
    assert (found.answer.host, found.answer.is_shown) == ("fast", True)
    speed = found.answer.speed
    assert speed.value == pytest.approx(3.0)
    single = [each.speed for each in block.answers() if each.host == "fast"]
    assert speed.value == pytest.approx(geometric_mean([each.value or 0 for each in single]))
    # A mean of two has a narrower interval than each of them.
    assert speed.ends is not None
    assert single[0].ends is not None
    assert single[0].ends[0] < speed.ends[0] < 3.0 < speed.ends[1] < single[0].ends[1]


def test_other_circumstances_are_left_out_of_the_overall_speed(make: Maker, tmp_path: Path) -> None:
    records = fleet(make, {"slow": 6.0, "fast": 2.0}, ["mnist_1d", "imdb"])
    other = {"data": {"sha256": "c" * 64}}
    records += timed(make, [1.0] * 5, "reuters", host="slow")
    records += timed(make, [1.0] * 5, "reuters", host="fast", **other)
    found = only_block(facts(tmp_path, records)).overall()
    assert found.left_out == ["Reuters"]


def test_less_than_two_common_workloads_have_no_overall_speed(make: Maker, tmp_path: Path) -> None:
    records = fleet(make, {"slow": 6.0}, ["mnist_1d", "imdb"]) + fleet(make, {"fast": 2.0}, ["imdb"])
    known = facts(tmp_path, records)
    found = only_block(known).overall()
    assert found.answer is None
    assert "MNIST Digits 1D" in found.said
    ranking, speeds = answer_tables.tables(only_block(known), known)
    assert [row.key for row in ranking.rows] == ["MNIST Digits 1D", "IMDB"]
    assert "Overall" not in [each.text for each in speeds.headings]


def test_published_hosts_are_in_the_overall_speed_where_they_have_all_workloads(
    make: Maker, tmp_path: Path
) -> None:
    records = [
        run
        for host, speed in (("fast", 1.0), ("slow", 3.0))
        for run in make.suite(5, profile="paper", host=host, speed=speed)
    ]
    known = facts(tmp_path, records)
    block = only_block(known)
    speeds = {block.names[place]: each for place, each in block.overall().speeds.items()}
    assert speeds["slow"].shown == "1"
    # Frodo ran out of memory in IMDB.
    assert speeds[HOSTS_OF_REPORT[2]].value is None
    assert speeds[HOSTS_OF_REPORT[0]].value is not None
    [against] = answer.blocks(known, HOSTS_OF_REPORT[2])
    assert against.overall().left_out == ["IMDB"]


def test_only_what_the_interval_shows_is_called_the_fastest(make: Maker, tmp_path: Path) -> None:
    records = timed(make, [1.0, 1.1, 0.9, 1.05, 0.95], host="one")
    records += timed(make, [1.02, 1.12, 0.92, 1.07, 0.97], host="two")
    records += timed(make, [9.0, 9.1, 8.9, 9.05, 8.95], host="far")
    [found] = only_block(facts(tmp_path, records)).answers()
    assert (found.host, found.is_shown) == ("one", False)
    [remark] = found.remarks
    assert (remark.code, remark.text.split()[-1]) == ("not-told-apart", "two")


@pytest.mark.parametrize("disturbed", ["fast", "slow"])
def test_nothing_disturbed_is_called_the_fastest(make: Maker, tmp_path: Path, disturbed: str) -> None:
    records = fleet(make, {"slow": 6.0, "fast": 2.0}, ["mnist_1d"])
    records[0 if disturbed == "slow" else -1]["telemetry"] = {"is_disturbed": True, "disturbed": ["load"]}
    [found] = only_block(facts(tmp_path, records)).answers()
    assert (found.host, found.is_shown) == ("fast", False)
    [remark] = found.remarks
    assert (remark.code, remark.text.split()[-1]) == ("run-disturbed", disturbed)


@pytest.mark.parametrize("repeats", [3, 4])
def test_too_few_repeats_are_said_once_and_show_nothing(make: Maker, tmp_path: Path, repeats: int) -> None:
    records = [
        run
        for host, seconds in (("fast", 1.0), ("slow", 9.0))
        for workload in ("mnist_1d", "imdb")
        for run in timed(make, [seconds] * repeats, workload, host=host)
    ]
    known = facts(tmp_path, records)
    block = only_block(known)
    assert not any(each.is_shown or each.remarks for each in block.answers())
    ranking = answer_tables.tables(block, known)[0]
    assert [each.code for each in ranking.notices].count("too-few-repeats") == 1


def test_the_only_host_with_a_workload_is_not_called_the_fastest(make: Maker, tmp_path: Path) -> None:
    records = fleet(make, {"slow": 6.0, "fast": 2.0}, ["mnist_1d"]) + fleet(make, {"slow": 1.0}, ["imdb"])
    found = only_block(facts(tmp_path, records)).answers()[1]
    assert (found.host, found.is_shown, [each.code for each in found.remarks]) == (
        "slow",
        False,
        ["no-rival"],
    )


def test_accuracy_and_energy_stand_beside_the_speed(make: Maker, tmp_path: Path) -> None:
    records = fleet(make, {"slow": 6.0, "fast": 2.0}, ["mnist_1d"])
    for each in records:
        each["telemetry"] = {"phases": {"train": {"energy": {"total_j": 40.0}}}}
    known = facts(tmp_path, records)
    ranking, speeds = answer_tables.tables(only_block(known), known)
    assert {row.cells[0].detail for row in speeds.rows} == {"98.0 %, 40 J"}  # not prose
    assert ranking.headings[-1].text == "Energy of a training"  # not prose


# Names


@pytest.mark.parametrize("name", ["Frodo", "frodo"])
def test_a_published_host_is_told_apart_from_a_measured_one_of_its_name(
    make: Maker, tmp_path: Path, name: str
) -> None:
    known = facts(tmp_path, make.suite(5, profile="paper", host=name))
    assert [known.published_name(each) for each in known.published.hosts] == [
        "Gandalf",
        "Bilbo",
        "Frodo (2019 report)",
        "Boromir",
    ]
    block = only_block(known)
    assert block.names[0] == name
    assert len(set(block.names)) == 5
    [against] = answer.blocks(known, name)
    assert against.names[against.baseline] == name


# The same numbers everywhere


def test_the_terminal_ends_with_the_answer(make: Maker, tmp_path: Path) -> None:
    loaded = load([write_records(tmp_path / "records.jsonl", make.suite(5))])
    known = facts_of(loaded)
    shown = answer_tables.tables(only_block(known), known)
    said = terminal.render(summarise(loaded, known), [], 100, shown)
    row = next(line for line in said.splitlines() if line.startswith("MNIST Digits 1D"))
    runs = [each for each in loaded.runs if each["workload"] == "mnist_1d"]
    expected = median(12800 / each["times"]["epochs_s"][1] for each in runs)
    assert float(row.split()[3]) == pytest.approx(expected, abs=0.5)
