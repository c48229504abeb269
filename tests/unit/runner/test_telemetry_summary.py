"""What a record holds of a series: energy of phases, events, others' load, jumps and gaps, and the words for them."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from edgebench import records
from edgebench.telemetry import series, sources, summary
from edgebench.telemetry.quantity import Quantity, quantity, rail
from edgebench.telemetry.sampler import Sampler
from edgebench.telemetry.tree import Tree

from tests.unit.runner import sysfs

START_S, START_UTC_S = 100.0, 1.7e9


def made(
    columns: list[tuple[Quantity, list[Any]]], times: list[float] | None = None, jump_at: int | None = None
) -> series.Series:
    """Return a series of these columns, a second apart unless told."""
    count = len(columns[0][1])
    moments = [START_S + at for at in (times or range(count))]
    samples = []
    for index, moment in enumerate(moments):
        jumped = 3600.0 if jump_at is not None and index >= jump_at else 0.0
        utc_s = START_UTC_S + moment - START_S + jumped
        samples.append(
            series.Sample(moment, utc_s, 0.001 * index, 1.0, [column[index] for _, column in columns])
        )
    header = {"telemetry": 1, "interval_s": 1.0, "sources": ["x"], "absent": {}}
    end = {"end": None, "lost": 0, "peak_bytes": 5}
    return series.Series(header, [each for each, _ in columns], samples, end, False, 0)


def judged(read: series.Series, **options: Any) -> dict[str, Any]:
    """Return the telemetry, after checking that every null of it is explained, as records need."""
    telemetry, missing = summary.summarise(read, **options)
    record = {"telemetry": telemetry, "missing": missing}
    records.explain_missing(record, "UNEXPLAINED")
    assert "UNEXPLAINED" not in record["missing"].values()
    assert isinstance(telemetry, dict)
    return telemetry


# A quantity's name, or a number with its sign and unit.
_VALUE = re.compile(r"[A-Za-z]\w*\.[\w.-]*\w|[+-]?\d+(?:\.\d+)?(?: (?:%|MiB|MHz|s\b))?")


def values(sentences: Iterable[str]) -> list[list[str]]:
    """Return the names of quantities and the numbers in each sentence."""
    return [_VALUE.findall(each) for each in sentences]


def cpu_columns(
    busy: float, benchmark: float, steal: float, count: int = 11, **detail: Any
) -> list[tuple[Quantity, list[Any]]]:
    """Two cores; shares of the time of both."""
    shares = (("total", 1.0), ("busy", busy), ("steal", steal), ("benchmark", benchmark))
    return [
        (quantity("cpu." + name, "counter", "second", **detail), [2.0 * n * share for n in range(count)])
        for name, share in shares
    ]


def test_energy_of_phases_by_counter_over_a_wrap() -> None:
    # 20 W for five seconds, then 40 W; the counter begins anew on the way.
    true_j = [20.0 * min(n, 5) + 40.0 * max(n - 5, 0) for n in range(11)]
    column = [(262000.0 + joules) % 262143.0 for joules in true_j]
    read = made([(rail("package-0", "joule", "cpu", range=262143.0), column)])
    phases = {"data": (START_S, START_S + 5), "train": (START_S + 5, START_S + 10)}
    told = judged(read, phases=phases)["phases"]
    assert told["data"]["energy"]["total_j"] == pytest.approx(100.0)
    assert told["train"]["energy"]["total_j"] == pytest.approx(200.0)
    assert told["run"]["energy"]["total_j"] == pytest.approx(300.0)
    assert told["train"]["energy"]["mean_w"] == pytest.approx(40.0)
    assert told["train"]["energy"]["total_covers"] == "cpu"


def test_board_rail_stands_for_all_and_its_parts_do_not_add() -> None:
    told = judged(
        made(
            [
                (rail("POM_5V_IN", "watt", "board", 2), [3.0, 5.0, 4.0, 4.0]),
                (rail("POM_5V_CPU", "watt", "part"), [1.0] * 4),
            ]
        )
    )["phases"]["run"]["energy"]
    assert told["total_rails"] == ["POM_5V_IN"]
    assert told["total_j"] == pytest.approx(4.0 + 4.5 + 4.0)
    assert told["rails"]["POM_5V_CPU"]["energy_j"] == pytest.approx(3.0)


def test_external_meter_is_believed_before_the_boards_own() -> None:
    told = judged(
        made(
            [(rail("VDD_IN", "watt", "board", 2), [3.0] * 4), (rail("meter", "watt", "board", 10), [4.0] * 4)]
        )
    )["phases"]["run"]["energy"]
    assert (told["total_rails"], told["total_j"]) == (["meter"], pytest.approx(12.0))


def test_packages_memory_and_gpu_add_up() -> None:
    told = judged(
        made(
            [
                (rail("package-0", "joule", "cpu"), [0.0, 10.0, 20.0]),
                (rail("package-0/core", "joule", "part"), [0.0, 9.0, 18.0]),
                (rail("package-0/dram", "joule", "memory"), [0.0, 1.0, 2.0]),
                (rail("gpu0", "watt", "gpu"), [100.0] * 3),
            ]
        )
    )["phases"]["run"]["energy"]
    assert told["total_covers"] == "cpu+gpu+memory"
    assert told["total_j"] == pytest.approx(222.0)


def test_parts_alone_are_not_added() -> None:
    _, missing = summary.summarise(made([(rail("VDD_GPU_SOC", "watt", "part"), [1.0] * 4)]))
    assert "VDD_GPU_SOC" in missing["telemetry.phases.run.energy.total_j"]


def test_phase_too_short_for_its_samples_has_no_energy() -> None:
    read = made([(rail("meter", "watt", "board", 10), [4.0] * 6)])
    told = judged(read, phases={"train": (START_S + 1.2, START_S + 2.1)})
    assert told["phases"]["train"]["energy"]["total_j"] is None
    assert told["phases"]["run"]["energy"]["total_j"] == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("busy", "benchmark", "steal", "kind", "share"),
    [
        (0.95, 0.72, 0.0, "load", "23 %"),
        (0.95, 0.90, 0.0, None, None),
        (0.80, 0.80, 0.07, "steal", "7.0 %"),
        # Ticks may count a little more for the processes than for the host.
        (0.90, 0.91, 0.0, None, None),
    ],
)
def test_load_by_others(
    busy: float, benchmark: float, steal: float, kind: str | None, share: str | None
) -> None:
    told = judged(made(cpu_columns(busy, benchmark, steal)))
    assert values(told["warnings"]) == ([[share]] if kind else [])
    assert told["is_disturbed"] == (kind is not None)
    assert told["disturbed"] == ([kind] if kind else [])


@pytest.mark.parametrize(("busy", "is_disturbed"), [(0.60, False), (0.90, True)])
def test_others_beside_whom_a_core_was_idle_took_nothing_away(busy: float, is_disturbed: bool) -> None:
    """Of eight cores three were idle, then less than one; others had more than one."""
    told = judged(made(cpu_columns(busy, busy - 0.15, 0.0, cores=8)))
    assert told["disturbed"] == (["load"] if is_disturbed else [])


def test_only_the_judged_phase_disturbs() -> None:
    columns = cpu_columns(0.5, 0.5, 0.0, count=21)
    # Others work for the first ten seconds.
    columns[1] = (columns[1][0], [2.0 * n if n <= 10 else 20.0 + (n - 10) for n in range(21)])
    read = made(columns)
    phases = {"data": (START_S, START_S + 10), "train": (START_S + 10, START_S + 20)}
    assert judged(read, phases=phases, judged="train")["warnings"] == []
    for told, share in (
        (judged(read, phases=phases, judged="data"), "50 %"),
        (judged(read), "25 %"),
    ):
        assert (told["disturbed"], values(told["warnings"])) == (["load"], [[share]])


def test_events_in_words() -> None:
    told = judged(
        made(
            [
                (quantity("x86.core_throttle", "counter", "count", event="throttled"), [5, 5, 7, 8]),
                (
                    quantity("raspberry_pi.under_voltage", "flag", "ratio", event="under-voltage"),
                    [0, 1, 1, 0],
                ),
                (quantity("over_current.oc3", "counter", "count", event="over-current"), [9, 9, 9, 9]),
                (
                    quantity("raspberry_pi.throttled_has_been", "latch", "ratio", event="throttled"),
                    [1, 1, 1, 1],
                ),
            ]
        )
    )
    assert told["disturbed"] == ["under-voltage", "throttled"]
    assert values(told["warnings"]) == [["raspberry_pi.under_voltage", "2"], ["x86.core_throttle", "3"]]
    assert values(told["notes"]) == [["raspberry_pi.throttled_has_been"]]
    assert told["phases"]["run"]["events"][0] == {
        "name": "x86.core_throttle",
        "event": "throttled",
        "count": 3,
    }


def test_latch_set_between_two_samples_is_seen() -> None:
    latch = quantity("raspberry_pi.under_voltage_has_been", "latch", "ratio", event="under-voltage")
    told = judged(made([(latch, [0, 0, 1])]))
    assert told["disturbed"] == ["under-voltage"]
    assert values(told["warnings"])[0][0] == "raspberry_pi.under_voltage_has_been"


def test_event_before_the_phase_does_not_count_in_it() -> None:
    column = (quantity("x86.core_throttle", "counter", "count", event="throttled"), [0, 3, 3, 3, 3, 3])
    told = judged(made([column]), phases={"train": (START_S + 2, START_S + 5)}, judged="train")
    assert told["warnings"] == []
    assert judged(made([column]))["is_disturbed"]


def test_clock_jump_is_noted_and_disturbs_nothing() -> None:
    told = judged(made([(quantity("temperature.x", "gauge", "celsius"), [40.0] * 6)], jump_at=3))
    assert told["clock_jumps"] == [{"at_s": 3.0, "jump_s": 3600.0}]
    assert values(told["notes"]) == [["+3600.0 s"]]
    assert not told["is_disturbed"]


def test_gaps() -> None:
    column = (quantity("temperature.x", "gauge", "celsius"), [40.0] * 5)
    told = judged(made([column], times=[0.0, 1.0, 2.0, 12.0, 13.0]))
    assert told["gaps"] == {"count": 1, "total_s": 10.0, "longest_s": 10.0}
    assert told["disturbed"] == ["unseen"]
    assert values(told["warnings"]) == [["77 %"]]


def test_statistics_of_gauges_and_texts() -> None:
    told = judged(
        made(
            [
                (quantity("temperature.x", "gauge", "celsius"), [40.0, None, 44.0, 90.0]),
                (
                    quantity("governor.policy0", "text", None),
                    ["ondemand", "performance", "performance", None],
                ),
                (quantity("temperature.never", "gauge", "celsius"), [None] * 4),
            ]
        )
    )["quantities"]
    assert told["temperature.x"] == {
        "kind": "gauge",
        "unit": "celsius",
        "samples": 3,
        "min": 40.0,
        "median": 44.0,
        "mean": 58.0,
        "max": 90.0,
    }
    assert told["governor.policy0"]["values"] == ["ondemand", "performance"]
    assert "temperature.never" not in told


def test_memory_clock_governor_battery() -> None:
    told = judged(
        made(
            [
                (
                    quantity("memory.available", "gauge", "byte", total=1000 << 20),
                    [500 << 20, 20 << 20, 500 << 20],
                ),
                (quantity("memory.swapped_in", "counter", "byte"), [0, 0, 100 << 20]),
                (quantity("memory.oom_kills", "counter", "count"), [3, 3, 4]),
                (quantity("pressure.memory.full", "counter", "second"), [1.0, 1.5, 1.6]),
                (quantity("clock_max.policy0", "gauge", "megahertz"), [1500.0, 600.0, 1500.0]),
                (quantity("governor.policy0", "text", None), ["performance", "powersave", "performance"]),
                (quantity("on_battery.BAT0", "flag", "ratio"), [0, 1, 1]),
            ]
        )
    )
    assert told["disturbed"] == ["memory", "clock", "battery"]
    assert values(told["warnings"]) == [
        ["100 MiB", "0 MiB"],
        ["30 %"],
        ["20 MiB"],
        ["1"],
        ["clock_max.policy0", "600", "1500 MHz"],
        ["governor.policy0"],
        ["on_battery.BAT0"],
    ]
    assert "performance, powersave" in told["warnings"][5]


class TestTrees:
    """From a board's sysfs that changes between samples to what the record says."""

    def sampled(self, root: Path, steps: list[dict[str, Any]], path: Path) -> dict[str, Any]:
        """Sample ``root`` at pretended seconds, after each step's files are written; return the telemetry."""
        found, absent = sources.find(Tree(str(root)))
        taker = Sampler(found, 1.0)
        writer = series.Writer(str(path))
        writer.header(1.0, START_S, START_UTC_S, found, absent)
        for second, step in enumerate(steps):
            for name, value in step.items():
                sysfs.put(root, name, value)
            sample = taker.sample()
            writer.sample(
                sample._replace(monotonic_s=START_S + second, utc_s=START_UTC_S + second, interval_s=1.0), 1.0
            )
        taker.close()
        writer.end(None, 1)
        return judged(series.read(str(path)))

    def test_rapl_wraps(self, tmp_path: Path) -> None:
        root = sysfs.x86_rapl(tmp_path)
        energy = "sys/class/powercap/intel-rapl:0/energy_uj"
        readings = [262_143_000_000, 262_143_300_000, 14_671_150, 29_671_150]
        told = self.sampled(root, [{energy: value} for value in readings], tmp_path / "series.jsonl")
        package = told["phases"]["run"]["energy"]["rails"]["package-0"]
        # 0.3 J, then 15 J of which 0.02885 J lie before the end of the range, then 15 J.
        assert package["energy_j"] == pytest.approx(0.3 + (0.02885 + 14.67115) + 15.0, abs=1e-6)
        assert package["coverage"] == 1.0

    def test_rapl_that_starts_anew_is_unknown_not_huge(self, tmp_path: Path) -> None:
        root = sysfs.x86_rapl(tmp_path)
        energy = "sys/class/powercap/intel-rapl:0/energy_uj"
        readings = [100_000_000_000, 100_010_000_000, 5_000_000, 15_000_000]
        told = self.sampled(root, [{energy: value} for value in readings], tmp_path / "series.jsonl")
        assert told["phases"]["run"]["energy"]["rails"]["package-0"]["energy_j"] is None

    def test_nano(self, tmp_path: Path) -> None:
        root = sysfs.jetson_jetpack4(tmp_path)
        power = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power0_input"
        cooling = "sys/class/thermal/cooling_device1/cur_state"
        steps = [{power: 2000, cooling: 0}, {power: 6000, cooling: 1}, {power: 6000, cooling: 0}]
        told = self.sampled(root, steps, tmp_path / "series.jsonl")
        assert told["phases"]["run"]["energy"]["total_j"] == pytest.approx(10.0)
        assert told["disturbed"] == ["throttled"]
        assert values(told["warnings"]) == [["cooling.tegra-heavy.1", "1"]]
        assert told["quantities"]["power.POM_5V_IN"]["max"] == 6.0

    def test_orin(self, tmp_path: Path) -> None:
        root = sysfs.jetson_jetpack5(tmp_path)
        steps = [
            {"sys/class/hwmon/hwmon2/oc1_event_cnt": 0, "sys/class/hwmon/hwmon2/oc3_event_cnt": 37},
            {"sys/class/hwmon/hwmon2/oc1_event_cnt": 2, "sys/class/hwmon/hwmon2/oc3_event_cnt": 40},
            {"sys/class/hwmon/hwmon1/curr1_crit_alarm": 1},
        ]
        told = self.sampled(root, steps, tmp_path / "series.jsonl")
        assert told["disturbed"] == ["under-voltage", "over-current"]
        assert values(told["warnings"]) == [
            ["over_current.oc1", "2"],
            ["over_current.oc3", "3", "over_current.VDD_IN.crit", "1"],
        ]
        assert told["phases"]["run"]["energy"]["total_j"] == pytest.approx(12.0)

    def test_pi(self, tmp_path: Path) -> None:
        root = sysfs.raspberry_pi(tmp_path, "0")
        mask = "sys/devices/platform/soc/soc:firmware/get_throttled"
        steps = [{mask: "0"}, {mask: "50005"}, {mask: "50000"}]
        told = self.sampled(root, steps, tmp_path / "series.jsonl")
        assert told["disturbed"] == ["under-voltage", "throttled"]
        assert len(told["warnings"]) == 2
        assert told["phases"]["run"]["energy"]["total_j"] is None


def test_too_few_samples() -> None:
    telemetry, missing = summary.summarise(made([(quantity("x", "gauge", "celsius"), [1.0])]))
    assert telemetry is None
    assert list(missing) == ["telemetry"]
    assert values(missing.values()) == [["1", "2"]]


def test_file_that_is_not_there() -> None:
    telemetry, missing = summary.of_file("/nowhere/series.jsonl")
    assert telemetry is None
    assert "/nowhere/series.jsonl" in missing["telemetry"]
