"""Series of the real sampler, and of hosts that mean harm, become timelines of bounded size."""

import json
import math
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from edgebench.telemetry import summary
from edgebench.telemetry.sampling import Sampling
from edgebench_report import curves, timeline
from edgebench_report.build import build, facts_of
from edgebench_report.load import load
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.report.conftest import HOSTILE, Maker, write_records
from tests.unit.runner import sysfs


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Any]]:
    """A series that the real sampler took of a board that becomes hot, and what the record of its run holds."""
    folder = tmp_path_factory.mktemp("board")
    root = sysfs.jetson_jetpack4(folder / "root")
    path = folder / "mnist_1d.1.1.jsonl"
    with Sampling(str(path), 0.05, root=str(root)):
        for step in range(10):
            sysfs.put(root, "sys/class/thermal/thermal_zone1/temp", 40000 + 3000 * step)
            time.sleep(0.06)
    told, _ = summary.of_file(str(path))
    return path.read_bytes(), told


def recorded(make: Maker, folder: Path, content: bytes, told: Any, name: str = "mnist_1d.1.1.jsonl") -> Path:
    """Records of one host, the first run with a series."""
    told = {**told, "series": {**told.get("series", {}), "file": name}}
    runs = [make.host(), make.run(schema=2, telemetry=told), make.run("imdb"), make.run(repeat=2)]
    write_records(folder / "edge-01.jsonl", runs)
    (folder / "edge-01.telemetry").mkdir()
    (folder / "edge-01.telemetry" / "mnist_1d.1.1.jsonl").write_bytes(content)
    return folder


def drawn(folder: Path) -> timeline.Timelines:
    loaded = load([folder])
    assert loaded.problems == []
    return timeline.draw(loaded, facts_of(loaded))


def test_a_real_series_is_drawn_and_no_record(
    make: Maker, tmp_path: Path, sampled: tuple[bytes, dict[str, Any]]
) -> None:
    built = build([recorded(make, tmp_path / "r", *sampled)], tmp_path / "report")
    assert built.loaded.problems == []
    page = built.page.read_text("utf-8")
    section = page[page.index('<section id="timelines">') : page.index('<section id="tables">')]
    title = re.search(r'<h3 id="chart-timeline_1">(.*?)</h3>', section)
    assert title is not None
    assert re.findall(r"edge-01|\br1\b", title[1]) == ["edge-01", "r1"]
    for said in (
        "Temperature [°C]",
        "Clock [MHz]",
        "Power [W]",
        "POM_5V_IN",
        "CPU-therm",
    ):
        assert said in section
    for ending in ("svg", "png"):
        assert (built.page.parent / "plots" / f"timeline_1.{ending}").stat().st_size > 5_000


def test_the_values_drawn_are_those_of_the_series(
    make: Maker, tmp_path: Path, sampled: tuple[bytes, dict[str, Any]]
) -> None:
    lines = [json.loads(line) for line in sampled[0].splitlines()]
    names = [each[0] for each in lines[0]["quantities"]]
    place = names.index("temperature.CPU-therm")
    # A reading may come while the test writes the file: it has no value then.
    taken = [each["v"][place] for each in lines[1:] if "v" in each and each["v"][place] is not None]
    loaded = load([recorded(make, tmp_path / "r", *sampled)])
    session = timeline._sessions(loaded, [])[0]
    assert [value for _, value in session.runs[0].lines[0, "CPU-therm"]] == taken
    assert taken[-1] > taken[0]


def test_joules_become_watts(make: Maker, tmp_path: Path) -> None:
    energies = [95.0, 98.0, 1.0, 5.0]
    content = series(
        [["energy.package", "counter", "joule", {"rail": "package", "range": 100.0}]],
        [[each] for each in energies],
    )
    loaded = load([recorded(make, tmp_path / "r", content, {})])
    run = timeline._sessions(loaded, [])[0].runs[0]
    assert [watts for _, watts in run.lines[2, "package"]] == [3.0, 3.0, 4.0]


def series(quantities: list[Any], values: list[list[Any]], **header: Any) -> bytes:
    """A series in the sampler's form, a second between samples."""
    first = {"telemetry": 1, "interval_s": 1.0, "monotonic_s": 10.0, "utc_s": 1e9, "quantities": quantities}
    lines = [{**first, "sources": [], "absent": {}, **header}]
    lines += [{"t": 10.0 + n, "u": 1e9 + n, "c": 0.0, "v": each} for n, each in enumerate(values)]
    return "".join(json.dumps(each) + "\n" for each in lines).encode()


def test_a_long_series_has_a_bounded_size_and_keeps_its_peak(make: Maker, tmp_path: Path) -> None:
    names = [f"temperature.zone{n}" for n in range(40)]
    values = [[50.0 + math.sin(n / 50)] * 40 for n in range(5000)]
    values[2345][7] = 99.0
    content = series([[each, "gauge", "celsius", {}] for each in names], values)
    chart = drawn(recorded(make, tmp_path / "r", content, {})).charts[0]
    assert len(chart.inline) < 30_000
    assert "zone7" in chart.inline
    assert chart.inline.count('class="w"') == 4


def test_a_line_of_very_many_runs_has_a_bounded_number_of_points() -> None:
    parts = [[(3.0 * run, float(run)), (3.0 * run + 2, 50.0), (3.0 * run + 2.5, -9.0)] for run in range(80)]
    ends = (0.0, 240.0)
    few = timeline._thinned(parts, ends, 41)
    assert len(few) == 1
    assert len(few[0]) <= 2 * 42
    assert {min(each[1] for each in few[0]), max(each[1] for each in few[0])} == {-9.0, 79.0}
    apart = timeline._thinned(parts[:20], ends, 41)
    assert len(apart) == 20


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(-50, 150)), min_size=1, max_size=400).map(sorted),
    st.integers(5, 40),
)
def test_thinning_keeps_extremes_and_order(points: list[curves.Point], buckets: int) -> None:
    kept = curves.thinned(points, (0.0, 100.0), buckets)
    assert set(kept) <= set(points)
    assert kept == sorted(kept, key=lambda each: each[0])
    assert max(each[1] for each in kept) == max(each[1] for each in points)
    assert min(each[1] for each in kept) == min(each[1] for each in points)
    assert len(kept) <= 2 * (buckets + 1)


def test_what_is_hostile_is_shown_as_text_or_named(make: Maker, tmp_path: Path) -> None:
    quantities = [
        [f"temperature.{HOSTILE}", "gauge", "celsius", {}],
        ["clock.x", "gauge", "megahertz", {}],
        ["power.y", "gauge", "watt", {"rail": "y"}],
    ]
    values: list[list[Any]] = [
        [40.0, 1e299, "<b>"],
        [1e200, -1e290, None],
        [41.0, 5.0, True],
        [-1e9, 7.0, 1.0],
    ]
    content = series(quantities, values) + b'{"t": 1e300, "u": -1e299, "c": 0, "v": [1, 1, 1]}\nnonsense\n{"t'
    built = build([recorded(make, tmp_path / "r", content, {})], tmp_path / "report")
    page = built.page.read_text("utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert 'id="chart-timeline_1"' in page


@pytest.mark.parametrize("name", ["../edge-01.jsonl", "/etc/passwd", "a/b.jsonl", ".jsonl", "x", "", 7, None])
def test_a_record_can_name_no_other_file(make: Maker, tmp_path: Path, name: Any) -> None:
    runs = [make.run(schema=2, telemetry={"series": {"file": name}}), make.run(repeat=2)]
    (tmp_path / "r" / "edge-01.telemetry").mkdir(parents=True)
    write_records(tmp_path / "r" / "edge-01.jsonl", runs)
    loaded = load([tmp_path / "r"])
    # What the schema refuses is no record; what it lets through must do no harm either.
    loaded.runs.append(runs[0])
    loaded.origin[id(runs[0])] = str(tmp_path / "r" / "edge-01.jsonl") + ":1"
    assert timeline.draw(loaded, facts_of(loaded)) == timeline.Timelines([], [])


def test_another_series_than_the_records_is_named_and_left_out(
    make: Maker, tmp_path: Path, sampled: tuple[bytes, dict[str, Any]]
) -> None:
    content, told = sampled
    found = drawn(recorded(make, tmp_path / "r", content + b"\n", told))
    assert found.charts == []
    assert [each.code for each in found.problems] == ["series-hash-differs"]
    assert "edge-01.telemetry/mnist_1d.1.1.jsonl" in found.problems[0].text


def test_a_link_is_not_followed(make: Maker, tmp_path: Path, sampled: tuple[bytes, dict[str, Any]]) -> None:
    folder = recorded(make, tmp_path / "r", sampled[0], {}, "link.jsonl")
    os.symlink("mnist_1d.1.1.jsonl", folder / "edge-01.telemetry" / "link.jsonl")
    found = drawn(folder)
    assert found.charts == []
    assert [each.code for each in found.problems] == ["series-not-regular"]
    assert "edge-01.telemetry/link.jsonl" in found.problems[0].text


def test_what_is_no_series_is_named_in_the_warnings(make: Maker, tmp_path: Path) -> None:
    built = build([recorded(make, tmp_path / "r", b"GIF89a\n", {})], tmp_path / "report")
    [warning] = [each for each in built.summary.warnings if each.code == "series-unknown"]
    assert "edge-01.telemetry/mnist_1d.1.1.jsonl" in warning.text
