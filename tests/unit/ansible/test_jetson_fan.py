"""How the fan does: the filter that says it, and the daemon on trees like sysfs, with a fan that turns or does not."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.messages import codes

CURVE = [{"temp_c": 35, "percent": 30}, {"temp_c": 60, "percent": 100}]
WAIT_LIMIT_S = 60


@pytest.fixture(scope="module")
def module(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("filter/edgebench_jetson_fan")


def declared(**other: Any) -> dict[str, Any]:
    return {
        "host": "Boromir",
        "mode": "curve",
        "fitted": True,
        "curve": CURVE,
        "profile": "",
        "hot_c": 80,
        **other,
    }


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({}, None),
        ({"curve": [{"temp_c": 60, "percent": 100}]}, None),
        ({"curve": [{"temp_c": 40, "percent": 50}, {"temp_c": 60, "percent": 50}]}, None),
        ({"curve": []}, "fan-curve-empty"),
        ({"curve": list(reversed(CURVE))}, "fan-curve-unsorted"),
        ({"curve": [CURVE[0], CURVE[0]]}, "fan-curve-unsorted"),
        ({"curve": [{"temp_c": 30, "percent": 90}, {"temp_c": 60, "percent": 50}]}, "fan-curve-falls"),
        ({"curve": [{"temp_c": 101, "percent": 90}]}, "fan-curve-out-of-range"),
        ({"curve": [{"temp_c": 50, "percent": -1}]}, "fan-curve-out-of-range"),
        ({"curve": "high"}, None),
        ({"profile": "cool"}, "fan-profile-unused"),
        ({"profile": "cool", "mode": "vendor"}, None),
    ],
)
def test_what_cannot_be_is_refused(module: ModuleType, other: dict[str, Any], code: str | None) -> None:
    problems = module.declared_problems(declared(**other))
    assert [codes(problem) for problem in problems] == ([[code]] if code else [])


def test_the_refused_value_and_the_remedy_are_named(module: ModuleType) -> None:
    (curve,) = module.declared_problems(declared(curve=[CURVE[1], CURVE[0]]))
    assert "100 % at 60 °C, 30 % at 35 °C" in curve  # not prose
    (profile,) = module.declared_problems(declared(profile="cool"))
    for part in ("'cool'", "'curve'", "jetson_fan_mode to vendor"):
        assert part in profile


WELL = [
    "control pwm-fan",
    "set 77",
    "turns 1500",
    "zone 34000 CPU-therm",
    "unit active",
    "daemon status ok",
    "daemon percent 30",
    "daemon rpm 1500",
    "daemon tried 5000",
]


def told(module: ModuleType, *lines: str, **other: Any) -> str:
    return "\n".join(module.fan(lines, declared(**other))["warnings"])


def test_a_fan_that_is_well_gives_no_warning(module: ModuleType) -> None:
    found = module.fan(WELL, declared())
    assert (found["percent"], found["rpm"], found["temp_c"], found["warnings"]) == (30, 1500, 34, [])
    assert "edgebench-fan.service (curve)" in "\n".join(found["report"])


def test_what_is_wrong_is_said(module: ModuleType) -> None:
    stalled = [*WELL[:5], "daemon status stalled", "daemon percent 100", "daemon rpm 0", "daemon tried 0"]
    none, hot = "zone 34000 CPU-therm", "zone 84000 GPU-therm"
    control, ok = "control hwmon", "daemon status ok"
    cases: list[tuple[list[str], dict[str, Any], str, str]] = [
        (stalled, {}, "fan-stalled", "J15"),
        ([none, "unit inactive"], {}, "fan-control-missing", "jetson_fan_fitted: false"),
        (
            [*WELL[:3], "unit active", "daemon status blind", "daemon rpm 9"],
            {},
            "temperature-unreadable",
            "/sys/class/thermal",
        ),
        ([*WELL, "daemon status hot", hot], {}, "hot-at-full-speed", "84 °C"),
        (["unit inactive", "zone 85000 GPU-therm"], {"fitted": False}, "hot-without-fan", "85 °C"),
        ([*WELL[:2], "unit failed"], {}, "fan-unit-failed", "journalctl -u edgebench-fan"),
        ([control, "unit active", ok, "daemon rpm none"], {}, "tachometer-missing", ""),
        (
            [control, "vendor inactive enabled", "unit inactive"],
            {"mode": "vendor"},
            "fan-service-stopped",
            "enable --now nvfancontrol",
        ),
    ]
    for lines, other, code, part in cases:
        warnings = told(module, *lines, **other)
        assert codes(warnings) == [code]
        assert part in warnings
    assert told(module, none, "unit inactive", fitted=False) == ""


def test_a_profile_must_be_one_of_the_vendors(module: ModuleType) -> None:
    lines = [
        "control hwmon",
        "vendor active enabled",
        "profile quiet",
        "profile cool",
        "default_profile quiet",
    ]
    assert module.fan(lines, declared(mode="vendor", profile="cool"))["problems"] == []
    (problem,) = module.fan(lines, declared(mode="vendor", profile="loud"))["problems"]
    assert codes(problem) == ["fan-profile-unknown"]
    assert "'loud'" in problem
    assert "quiet, cool" in problem
    (none,) = module.fan(WELL, declared(mode="vendor", profile="cool"))["problems"]
    assert codes(none) == ["fan-service-missing"]
    assert "nvfancontrol" in none


# The daemon


class Board:
    """A board's fan, turned by tests/l4t as a kernel does, and the daemon."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.sysfs, self.state = folder / "sys", folder / "state"
        self.state.mkdir()
        self.stuck = folder / "stuck"
        self.started: list[subprocess.Popen[str]] = []

    def make(self, kernel: str, fan: str = "yes") -> None:
        settings = self.folder / "l4t.conf"
        settings.write_text(f"sysfs={self.sysfs}\nkernel={kernel}\nfan={fan}\n")
        # Faster than a second, and stuck by a file of the test's own.
        script = self.folder / "l4t-kernel"
        text = (self.root / "tests/l4t/l4t-kernel").read_text()
        script.write_text(text.replace("sleep 1", "sleep 0.05").replace("/run/l4t/stuck", str(self.stuck)))
        environment = {"PATH": "/usr/bin:/bin", "L4T_FAKES_CONF": str(settings)}
        subprocess.run(["/bin/sh", script, "make"], env=environment, check=True)
        self.start(["/bin/sh", str(script), "run"], environment)

    def start(self, command: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *points: str, hysteresis: int = 3, hot: int = 80) -> "subprocess.Popen[str]":
        script = self.root / "roles/jetson_fan/files/edgebench-fan"
        numbers = [str(hysteresis), str(hot), *points]
        return self.start(
            ["/bin/sh", str(script), "run", str(self.sysfs), str(self.state), *numbers],
            {"PATH": "/usr/bin:/bin", "EDGEBENCH_FAN_POLL_S": "0.1", "EDGEBENCH_FAN_TRY_S": "0.6"},
        )

    def release(self) -> None:
        script = self.root / "roles/jetson_fan/files/edgebench-fan"
        subprocess.run(["/bin/sh", script, "release", self.sysfs, self.state], check=True)

    def heat(self, degrees: int) -> None:
        (self.sysfs / "class/thermal/thermal_zone1/temp").write_text(f"{degrees}000\n")

    def noted(self) -> dict[str, str]:
        try:
            lines = (self.state / "state").read_text().splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split(" ", 1) for line in lines)

    def until(self, **wanted: str) -> None:
        limit = time.monotonic() + WAIT_LIMIT_S
        while not wanted.items() <= self.noted().items():
            assert time.monotonic() < limit, self.noted()
            time.sleep(0.05)


@pytest.fixture
def board(root: Path, tmp_path: Path) -> Iterator[Board]:
    made = Board(root, tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.mark.parametrize(
    ("kernel", "speed"),
    [("jetpack4", "devices/pwm-fan/target_pwm"), ("jetpack5", "class/hwmon/hwmon0/pwm1")],
)
def test_the_fan_follows_the_curve_and_is_slow_to_slow_down(board: Board, kernel: str, speed: str) -> None:
    board.make(kernel)
    board.run("35:30", "60:100")
    board.until(status="ok", percent="30", tried="5000")
    assert (board.sysfs / speed).read_text() == "77\n"
    board.heat(60)
    board.until(percent="100", temp="60")
    board.heat(58)
    board.until(percent="100", temp="58")
    # 48 and the hysteresis: 30 + 70 · 16/25.
    board.heat(48)
    board.until(percent="74")
    # Others that set a speed are overruled.
    (board.sysfs / speed).write_text("0\n")
    limit = time.monotonic() + WAIT_LIMIT_S
    while (board.sysfs / speed).read_text() != "189\n":
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_a_fixed_speed_gives_way_to_heat(board: Board) -> None:
    board.make("jetpack4")
    board.run("0:40", hot=70)
    board.until(status="ok", percent="40")
    board.heat(71)
    board.until(status="hot", percent="100")


def test_a_fan_that_does_not_turn_is_said_and_recovers(board: Board) -> None:
    board.make("jetpack4", fan="yes")
    daemon = board.run("0:50")
    board.until(status="ok", percent="50")
    board.stuck.touch()
    board.until(status="stalled", percent="100", rpm="0")
    board.stuck.unlink()
    board.until(status="ok", percent="50")
    os.killpg(daemon.pid, signal.SIGTERM)
    assert "fan-stalled" in codes(daemon.communicate()[1])


def test_a_missing_fan_is_found_at_the_start(board: Board) -> None:
    board.make("jetpack4", fan="stuck")
    board.run("0:10")
    board.until(status="stalled", tried="0")


def test_without_a_temperature_the_fan_is_at_full_speed(board: Board) -> None:
    board.make("jetpack5")
    for zone in (board.sysfs / "class/thermal").glob("thermal_zone*"):
        (zone / "temp").write_text("\n")
    board.run("35:30", "60:100")
    board.until(status="blind", percent="100", temp="none")


def test_a_board_without_fan_control_is_told_so(board: Board) -> None:
    board.make("jetpack4", fan="no")
    daemon = board.run("0:50")
    assert daemon.wait(WAIT_LIMIT_S) == 3
    assert codes(daemon.communicate()[1]) == ["fan-control-missing"]


def test_the_fan_is_given_back(board: Board) -> None:
    board.make("jetpack4")
    control = board.sysfs / "devices/pwm-fan/temp_control"
    first = board.run("0:50")
    board.until(percent="50")
    assert control.read_text() == "0\n"
    # A crash, and a second start that must not take the first one's settings for those before.
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    (board.state / "state").unlink()
    second = board.run("0:60")
    board.until(percent="60")
    os.killpg(second.pid, signal.SIGKILL)
    second.communicate()
    board.release()
    assert control.read_text() == "1\n"


def test_the_fan_is_fast_until_the_vendors_service_has_it(board: Board) -> None:
    board.make("jetpack5")
    daemon = board.run("0:50")
    board.until(percent="50")
    os.killpg(daemon.pid, signal.SIGKILL)
    daemon.communicate()
    board.release()
    assert (board.sysfs / "class/hwmon/hwmon0/pwm1").read_text() == "255\n"
    assert (board.sysfs / "class/hwmon/hwmon0/pwm1_enable").read_text() == "0\n"
