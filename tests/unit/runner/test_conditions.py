"""Whether a host is fit to be measured, from copies of boards' sysfs, and what --strict makes of it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench import conditions, strictness
from edgebench.errors import UsageError
from edgebench.telemetry import series, sources
from edgebench.telemetry.sampler import Sampler
from edgebench.telemetry.tree import Tree

from tests.messages import codes
from tests.unit.runner import sysfs
from tests.unit.runner.builders import run_record

GIB = 2**30


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    sizes = {"total_bytes": 4 * GIB, "available_bytes": 3 * GIB, "swap_total_bytes": 0}
    monkeypatch.setattr("edgebench.host.memory", lambda: sizes)
    return sizes


def looked(root: Path, folder: Path, *steps: dict[str, Any]) -> dict[str, conditions.Condition]:
    """Return what a look at a tree finds, by name; steps: what changes in it from second to second."""
    found, absent = sources.find(Tree(str(root)))
    taker = Sampler(found, 1.0)
    path = folder / "look.jsonl"
    writer = series.Writer(str(path))
    writer.header(1.0, 0.0, 0.0, found, absent)
    for second, step in enumerate([{}, *steps, {}, {}]):
        for name, value in step.items():
            sysfs.put(root, name, value)
        writer.sample(taker.sample()._replace(monotonic_s=float(second), utc_s=float(second)), 1.0)
    taker.close()
    writer.end(None, 1)
    told, names = conditions.look(str(path), str(folder))
    assert names is not None
    assert "thermal zones" in names["sources"]
    assert all(each.remedy for each in conditions.unmet(told))
    return {each.name: each for each in told}


def test_a_host_in_order(tmp_path: Path) -> None:
    root = sysfs.jetson_jetpack4(tmp_path / "root")
    for number in range(4):
        sysfs.put(root, f"sys/devices/system/cpu/cpufreq/policy{number}/scaling_governor", "performance")
    told = looked(root, tmp_path)
    assert not conditions.unmet(told.values())
    assert re.search(r"\btemperature\.AO-therm\b.*\b41\b", told["temperature"].said)
    assert {"memory_available", "disk_free", "governor"} <= set(told)


def test_a_hot_host_with_another_governor(tmp_path: Path, memory: dict[str, int]) -> None:
    memory["available_bytes"] = GIB // 2
    root = sysfs.jetson_jetpack4(tmp_path / "root")
    told = looked(root, tmp_path, {"sys/class/thermal/thermal_zone1/temp": 71000})
    wrong = {each.name: each.is_passing for each in conditions.unmet(told.values())}
    assert wrong == {"temperature": True, "governor": False, "memory_available": True}
    assert "schedutil" in told["governor"].said


def test_a_host_with_too_weak_a_supply_or_on_battery(tmp_path: Path) -> None:
    mask = "sys/devices/platform/soc/soc:firmware/get_throttled"
    pi = looked(sysfs.raspberry_pi(tmp_path / "pi", "0"), tmp_path, {mask: "50005"})
    assert not pi["under-voltage"].is_met
    assert pi["under-voltage"].remedy == conditions._REMEDIES["under-voltage"]
    (tmp_path / "look.jsonl").unlink()
    laptop = looked(sysfs.x86_rapl(tmp_path / "laptop"), tmp_path)
    assert not laptop["battery"].is_met
    assert not laptop["battery"].is_passing


def test_without_telemetry_memory_and_disk_are_looked_at(tmp_path: Path) -> None:
    told, names = conditions.look("", str(tmp_path))
    assert names is None
    assert [each.name for each in told] == ["memory_available", "disk_free"]


def test_a_host_of_which_nothing_is_known_is_not_taken_for_calm(tmp_path: Path) -> None:
    told, names = conditions.look(str(tmp_path / "look.jsonl"), str(tmp_path))
    assert names is None
    assert [each.name for each in conditions.unmet(told)] == ["telemetry"]


def condition(name: str, is_passing: bool) -> conditions.Condition:
    return conditions.Condition(name, False, is_passing, f"{name}-found", "mend-it")


class Time:
    """A clock that only sleeping and looking move, and a host that is calm after a while."""

    def __init__(self, calm_after_s: float) -> None:
        self.now_s = 0.0
        self.calm_after_s = calm_after_s
        self.said: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def look(self) -> list[conditions.Condition]:
        self.now_s += conditions.LOOK_S
        return [] if self.now_s >= self.calm_after_s else [condition("load", is_passing=True)]

    def strictness(self) -> strictness.Strictness:
        return strictness.Strictness(True, lambda: self.now_s, self.sleep)


def disturbed(*kinds: str, status: str = "ok") -> dict[str, Any]:
    record: dict[str, Any] = run_record(status=status, telemetry={"disturbed": list(kinds)})
    return record


def test_strict_repeats_what_was_disturbed_three_times_in_all() -> None:
    strict = Time(0).strictness()
    assert strict.wants_another([disturbed("load")])
    assert strict.wants_another([disturbed("load")] * 2)
    assert not strict.wants_another([disturbed("load")] * 3)
    assert not strict.wants_another([disturbed("load"), disturbed()])
    # Its failure is told; --retry repeats it.
    assert not strict.wants_another([disturbed("load", status="oom")])
    assert not strictness.Strictness(False).wants_another([disturbed("load")])


def test_strict_waits_until_the_host_is_calm() -> None:
    time = Time(60)
    assert time.strictness().is_calm(disturbed("load"), time.look, time.said.append)
    assert 60 <= time.now_s < 70
    assert re.search(r"\b300 s\b.*\bload-found\b", time.said[0])


def test_strict_lets_a_hot_host_cool_even_where_it_says_it_is_well() -> None:
    time = Time(0)
    assert time.strictness().is_calm(disturbed("throttled"), time.look, time.said.append)
    assert time.now_s >= strictness.COOL_S


def test_strict_gives_up_a_host_that_does_not_calm_down() -> None:
    time = Time(1e9)
    assert not time.strictness().is_calm(disturbed("load"), time.look, time.said.append)
    assert strictness.WAIT_S <= time.now_s <= strictness.WAIT_S + 10
    assert codes(time.said[-1]) == ["host-not-calm"]
    assert "load-found" in time.said[-1]


def test_strict_takes_an_hour_more_at_most() -> None:
    time = Time(0)
    strict = time.strictness()
    long = disturbed("load")
    long["times"]["wall_s"] = 1900.0
    assert strict.is_calm(long, time.look, time.said.append)
    assert strict.wants_another([long])
    assert strict.is_calm(long, time.look, time.said.append)
    assert not strict.wants_another([long])


def test_strict_refuses_with_what_to_do() -> None:
    time = Time(1e9)
    found = [condition("governor", is_passing=False)]
    assert time.strictness().settled(found, time.look, time.said.append) == found
    assert time.now_s == 0
    with pytest.raises(UsageError, match=r"\bgovernor-found\b.*\bmend-it\b.* --strict\b") as caught:
        strictness.refuse(found)
    assert caught.value.code == "host-not-ready"
    strictness.refuse([])


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A suite of one training whose attempts end as told, and a host that is calm at every look."""
    from edgebench import progress
    from edgebench import suite as suites

    def make(strict: bool, attempts: list[list[str]]) -> Any:
        values = dict.fromkeys(suites.Settings._fields)
        values.update(
            workloads=["mnist_1d"],
            profile="quick",
            repeats=1,
            data_mode="auto",
            device="auto",
            input_mode="auto",
            precision="float32",
            seed=0,
            run_id="r1",
            host="frodo",
            out=str(tmp_path / "frodo.jsonl"),
            resume=True,
            strict=strict,
            meters=[],
        )
        made = suites.Suite(suites.Settings(**values), progress.Silent(None))
        monkeypatch.setattr(made, "_stage_data", dict)
        monkeypatch.setattr(made, "_look", lambda work: (({}, suites.End("ok", None, None)), [], None))

        def one(task: Any, attempt: int, *_: Any) -> dict[str, Any]:
            made.display.start(task)
            kinds = attempts.pop(0)
            template: dict[str, Any] = task.template(made.session, attempt)
            record = {
                **run_record(schema=2),
                **{name: template[name] for name in ("run_id", "session", "host")},
            }
            record.update(attempt=attempt, threads={"intra": None, "inter": None})
            record.update(telemetry={"disturbed": kinds, "warnings": kinds})
            return record

        monkeypatch.setattr(made, "_one", one)
        return made

    return make


@pytest.mark.parametrize(
    ("strict", "ends", "recorded"),
    [
        (False, [["load"]], 1),
        (True, [["load"], ["load"], []], 3),
        (True, [["load"], ["load"], ["load"]], 3),
        (True, [[]], 1),
    ],
)
def test_every_attempt_of_a_strict_suite_is_a_record(
    suite: Callable[..., Any], tmp_path: Path, strict: bool, ends: list[list[str]], recorded: int
) -> None:
    last = ends[-1]
    made = suite(strict, ends)
    made._strictness._sleep = lambda seconds: None
    (result,) = made.run()
    assert not ends
    assert (result["attempt"], result["telemetry"]["disturbed"]) == (recorded, last)
    lines = (tmp_path / "frodo.jsonl").read_text().splitlines()
    assert len(lines) == 1 + recorded


def test_a_strict_suite_that_was_killed_goes_on_with_the_next_attempt(
    suite: Callable[..., Any], tmp_path: Path
) -> None:
    suite(False, [["load"]]).run()
    (result,) = suite(False, []).run()
    assert result["attempt"] == 1
    again = suite(True, [[]])
    again._strictness._sleep = lambda seconds: None
    (result,) = again.run()
    assert result["attempt"] == 2


def test_a_retry_repeats_a_run_until_it_succeeds(
    suite: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(status: str) -> tuple[int, str]:
        made = suite(False, [[]])
        made.settings = made.settings._replace(retry=True)
        one = made._one
        changes = {"status": status, "reason": None if status == "ok" else "too slow"}
        monkeypatch.setattr(made, "_one", lambda *words: {**one(*words), **changes})
        (result,) = made.run()
        return result["attempt"], result["status"]

    assert run("timeout") == (1, "timeout")
    assert run("ok") == (2, "ok")
    # Nothing is left to retry.
    assert run("timeout") == (2, "ok")
