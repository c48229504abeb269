"""What the page shows beside the tables of the reports: rooflines, drift, accuracies, conditions, baselines."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from edgebench.roofline import survey as runner_survey
from edgebench.roofline.layers import Layer
from edgebench_report import answer, beside, certainty, cli, conditions, roofline
from edgebench_report.build import build, facts_of
from edgebench_report.load import load
from edgebench_report.tables import Facts

from tests.messages import codes
from tests.unit.report.conftest import HOSTILE, Maker, marked, write_records

PEAKS = {
    "gemm": [
        {"precision": "float32", "threads": 2, "gflop_per_s": 80.0, "library": "numpy", "device": "cpu"}
    ],
    "bandwidth": [{"threads": 2, "triad_gb_per_s": 10.0}],
}


def a_survey(**changes: Any) -> dict[str, Any]:
    """What the runner's own code makes of one dense layer that was timed at 1 ms."""
    values: dict[str, Any] = dict.fromkeys(Layer._fields, 0)
    values.update(
        name="dense", kind="Dense", output_shape=(64,), parameters=65536, maccs=65536, output_values=64
    )
    told = {"title": "Network", "batch": 32, "input_shape": [1024], "layers": [values]}
    for each in ("inputs", "input_shapes", "input_values"):
        if each in values:
            values[each] = 1024
    told["times"] = {"inference": {"1": {"median_us": 1000.0}, "32": {"median_us": 1000.0}}, "training": {}}
    network = runner_survey._network(told, "float32", PEAKS, "cpu", 2)
    found = {
        "survey": "roofline",
        "schema": 1,
        "precision": "float32",
        "threads": 2,
        "networks": {"n": network},
    }
    return {**found, "framework": {"tensorflow": "2.21.0"}, **changes}


def surveyed(folder: Path, content: object, make: Maker) -> Path:
    write_records(folder / "edge-01.jsonl", [make.run()])
    (folder / "edge-01.roofline.json").write_text(json.dumps(content), "utf-8")
    return folder


def test_a_survey_of_the_runner_becomes_a_roofline(make: Maker, tmp_path: Path) -> None:
    made = a_survey()
    built = build([surveyed(tmp_path / "r", made, make)], tmp_path / "report")
    surveys, problems = roofline.load([tmp_path / "r"])
    assert problems == built.loaded.problems == []
    runs = made["networks"]["n"]["runs"]
    assert len(surveys[0].marks) == 2
    for mark, run in zip(surveys[0].marks, runs, strict=True):
        assert mark.flop_per_byte == run["total"]["flop_per_byte"]
        assert mark.gflop_per_s == pytest.approx(run["total"]["flop"] / 1e6)
        assert mark.roof_gflop_per_s == pytest.approx(
            min(run["peak"]["gflop_per_s"], run["peak"]["gb_per_s"] * mark.flop_per_byte)
        )
    page = built.page.read_text("utf-8")
    assert re.search(r'<h3 id="chart-roofline_1">[^<]*edge-01</h3>', page)
    assert 'id="table_8_roofline"' in page
    assert (tmp_path / "report/plots/roofline_1.png").exists()
    assert (tmp_path / "report/plots/roofline_1.svg").exists()


def test_what_is_no_survey_is_named_and_left_out(make: Maker, tmp_path: Path) -> None:
    broken = {
        "list": [],
        "schema": {"survey": "roofline", "schema": 9},
        "runs": {"survey": "roofline", "schema": 1, "networks": {HOSTILE: {"runs": [7, {"total": 1}]}}},
        "numbers": {"survey": "roofline", "schema": 1, "networks": {"n": {"runs": [{"batch": 1, "gflop_per_s": 1e400,
         "total": {"flop_per_byte": -1}, "peak": {"gflop_per_s": "x", "gb_per_s": True}}]}}},
    }  # fmt: skip
    write_records(tmp_path / "r" / "edge-01.jsonl", [make.run()])
    for name, content in broken.items():
        (tmp_path / "r" / f"{name}.roofline.json").write_text(json.dumps(content), "utf-8")
    built = build([tmp_path / "r"], tmp_path / "report")
    problems = {Path(each.where).name.partition(".")[0]: each for each in built.loaded.problems}
    assert {name: each.code for name, each in problems.items()} == {
        "list": "survey-invalid",
        "schema": "survey-invalid",
        "runs": "survey-empty",
        "numbers": "survey-empty",
    }
    assert all("edgebench roofline --json" in each.remedy for each in problems.values())
    assert "chart-roofline" not in built.page.read_text("utf-8")


def test_hostile_words_of_a_survey_are_text(make: Maker, tmp_path: Path) -> None:
    made = a_survey(precision=HOSTILE)
    made["networks"]["n"]["title"] = HOSTILE
    page = build([surveyed(tmp_path / "r", made, make)], tmp_path / "report").page.read_text("utf-8")
    assert "<script>alert" not in page


def facts(tmp_path: Path, records: list[Any]) -> Facts:
    return facts_of(load([write_records(tmp_path / "records.jsonl", records)]))


def timed(make: Maker, times: list[float], **changes: Any) -> list[Any]:
    return [make.run(repeat=n, times={"train_s": each}, **changes) for n, each in enumerate(times, 1)]


def test_drift_is_found_and_told(make: Maker, tmp_path: Path) -> None:
    rising = [10.0, 10.2, 10.4, 10.6, 10.8, 11.0]
    flat = [10.0, 10.3, 9.9, 10.2, 10.1, 10.0]
    records = [*timed(make, rising, host="hot"), *timed(make, flat, host="cool")]
    records += timed(make, [10.0, 11.0, 12.0], host="few")
    table, examined = certainty.drifts(facts(tmp_path, records))
    assert table is not None
    assert [row.section.split(" · ")[0] for row in table.rows] == ["hot"]
    assert table.rows[0].cells[1].text == "+9.1"
    assert examined == certainty.Examined(measurements=2, drifted=1, outliers=0)
    assert re.findall(r"\d+", examined.said) == ["1", "2", "5", "0", "0"]
    built = build([tmp_path / "records.jsonl"], tmp_path / "report")
    assert [each.value for each in built.summary.facts if each.code == "drift"] == [examined.said]
    [drift] = marked(built.page.read_text("utf-8"))["drift-found"]
    assert "+9.1 %" in drift


def test_repeats_are_taken_in_the_order_of_time(make: Maker, tmp_path: Path) -> None:
    records = timed(make, [15.0, 14.0, 13.0, 12.0, 11.0])
    for each in records:
        each["started_utc"] = f"2026-05-04T08:{10 - each['repeat']:02d}:00Z"
        each["finished_utc"] = "2026-05-04T09:00:00Z"
    found = certainty.trend(next(iter(facts(tmp_path, records).columns[0].groups.values())))
    assert found.times_s == sorted(found.times_s)
    assert found.drift is not None
    assert found.drift.slope > 0


def test_outliers_are_named_and_kept(make: Maker, tmp_path: Path) -> None:
    table, examined = certainty.drifts(facts(tmp_path, timed(make, [10.0, 10.1, 30.0, 9.9, 10.0, 10.05])))
    assert table is not None
    assert table.rows[0].cells[0].text == "6"
    assert re.findall(r"[\d.]+", table.rows[0].cells[4].text) == ["3", "30.5"]
    assert examined == certainty.Examined(measurements=1, drifted=0, outliers=1)


def test_without_drift_there_is_no_table_but_the_words(make: Maker, tmp_path: Path) -> None:
    table, examined = certainty.drifts(facts(tmp_path, timed(make, [10.0, 10.3, 9.9, 10.2, 10.1])))
    assert table is None
    assert examined == certainty.Examined(measurements=1, drifted=0, outliers=0)
    assert certainty.drifts(facts(tmp_path, timed(make, [10.0, 10.3]))) == (None, None)


def test_an_accuracy_is_lower_only_where_its_interval_says_so(make: Maker, tmp_path: Path) -> None:
    # Of 2,000 test samples: 98 against 97.9 % is nothing, against 90 % is something.
    records = [
        each
        for host, accuracy in (("best", 0.98), ("near", 0.979), ("far", 0.90))
        for each in timed(make, [1.0] * 5, host=host, quality={"value": accuracy})
    ]
    table = certainty.accuracies(answer.blocks(facts(tmp_path, records)))
    assert table is not None
    highest, _, interval, lower, same = (cell.text for cell in table.rows[0].cells)
    assert highest == "best"
    assert interval == "97.3 to 98.5"
    assert lower.split()[0] == "far"
    low, high = map(float, re.findall(r"[\d.]+", lower))
    assert 6 < low < 8 < high < 10
    assert same == "near"


def test_conditions_are_those_of_telemetry_and_host(make: Maker, tmp_path: Path) -> None:
    told = {
        "quantities": {
            "temperature.CPU": {"kind": "gauge", "unit": "celsius", "max": 71.6},
            "temperature.GPU": {"kind": "gauge", "unit": "celsius", "max": 60.0},
            "clock_max.policy0": {"kind": "gauge", "unit": "megahertz", "min": 918.0},
            "governor.policy0": {"kind": "text", "values": ["performance", HOSTILE]},
        },
        "phases": {"train": {"energy": {"mean_w": 6.54}}},
        "is_disturbed": True,
    }
    host = make.host(facts={"board": {"model": None, "power_mode": "MAXN"}})
    records = [host, make.run(schema=2, telemetry=told), make.run(repeat=2), make.run(host="bare")]
    table = conditions.table(facts(tmp_path, records))
    assert table is not None
    rows = {row.name.split(" · ")[0]: [cell.text for cell in row.cells] for row in table.rows}
    assert rows["edge-01"][0].startswith("performance; ")
    assert rows["edge-01"][1:-1] == ["MAXN", "2", "72", "918", "6.5"]
    assert re.findall(r"\d+", rows["edge-01"][-1]) == ["1", "1"]
    assert rows["bare"] == ["-", "-", "2", "-", "-", "-", "-"]
    bare = next(row for row in table.rows if row.name.startswith("bare"))
    assert [table.note(mark).code for cell in bare.cells for mark in cell.marks] == [
        "governor-unknown",
        "power-mode-unreported",
        *["telemetry-missing"] * 4,
    ]
    assert (
        "<script>"
        not in build([tmp_path / "records.jsonl"], tmp_path / "o")
        .page.read_text()
        .split('id="table_1b_conditions"')[1][:9000]
    )


def test_against_published_shows_this_fleet_beside_the_four_hosts(make: Maker, tmp_path: Path) -> None:
    fast, slow = (
        make.suite(3, profile="paper", host=host, speed=speed)
        for host, speed in (("fast", 1.0), ("slow", 3.0))
    )
    two = write_records(tmp_path / "r.jsonl", [*fast, *slow])
    built = build([two], tmp_path / "report", against="published")
    table = next(each for each in built.tables if each.slug == "table_0_beside_published")
    assert [row.name.split(" · ")[0] for row in table.rows] == [
        "fast", "slow", *(f"{each} (2019 report)" for each in ("Gandalf", "Bilbo", "Frodo", "Boromir")),
    ]  # fmt: skip
    assert [heading.text for heading in table.headings] == [
        "vs Gandalf",
        "vs Bilbo",
        "vs Frodo",
        "vs Boromir",
    ]
    page = built.page.read_text("utf-8")
    known = facts_of(load([two]))
    [block] = answer.blocks(known, "published")
    baseline = block.names[block.baseline]
    assert baseline.split()[0] in [each["name"] for each in known.published.hosts]
    assert f'<strong class="name">{baseline}</strong>' in page

    ratios = []
    for workload in known.published.workloads:
        theirs = known.published.measured(workload, "train_s", known.published.hosts[0]["id"])
        own = known.statistics[0, workload, "train_total_s"].median
        ratios += [theirs / own] if theirs else []
    mean = table.rows[0].cells[0].statistic
    assert mean is not None
    assert mean.count == len(ratios) > 5
    assert mean.median == pytest.approx(math.prod(ratios) ** (1 / len(ratios)))
    assert beside.table(known).rows[2].cells[0].text == "1.00"


def test_against_a_host_makes_it_the_baseline(make: Maker, tmp_path: Path) -> None:
    records = [*timed(make, [1.0] * 5, host="fast"), *timed(make, [3.0] * 5, host="slow")]
    path = write_records(tmp_path / "r.jsonl", records)
    page = build([path], tmp_path / "report", against="fast").page.read_text("utf-8")
    assert '<strong class="name">fast</strong>' in page
    assert (tmp_path / "report/plots/speed.svg").read_text("utf-8").count("fast") > 0


@pytest.mark.parametrize(
    ("profile", "against", "code", "remedy"),
    [
        ("quick", "published", "published-not-comparable", "edgebench run --profile paper"),
        ("paper", "nobody", "baseline-unknown", "Bilbo (2019 report), "),
    ],
)
def test_what_cannot_be_compared_with_is_exit_code_2(
    make: Maker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    profile: str,
    against: str,
    code: str,
    remedy: str,
) -> None:
    path = write_records(tmp_path / "r.jsonl", make.suite(1, profile=profile))
    out = tmp_path / "report"
    assert cli.main(["build", str(path), "--out", str(out), "--against", against]) == 2
    err = capsys.readouterr().err
    assert codes(err) == [code]
    assert f"--against {against}" in err
    assert remedy in err
    assert not out.exists()
