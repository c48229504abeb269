"""What the supply can feed: the filter that decides, look.sh on trees like sysfs, the script that holds the clocks."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.messages import codes

NANO = [
    "compatible nvidia,p3449-0000-b00+p3448-0000-b00",
    "tool nvpmodel /usr/sbin/nvpmodel",
    "tool jetson_clocks /usr/bin/jetson_clocks",
    "mode 0 MAXN",
    "mode 1 5W",
]
SENTENCE = "I know that MAXN on micro-USB shuts the board down"


@pytest.fixture(scope="module")
def module(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("filter/edgebench_jetson_power")


@pytest.fixture(scope="module")
def boards(root: Path) -> dict[str, Any]:
    names = ("jetson_boards", "l4t_releases")
    return {
        key: value
        for name in names
        for key, value in yaml.safe_load((root / f"files/{name}.yml").read_text()).items()
    }


@pytest.fixture
def decide(module: ModuleType, boards: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """The function that decides for a Nano on the barrel jack, or for what is said otherwise."""

    def call(*more: str, lines: list[str] | None = None, **declared: Any) -> dict[str, Any]:
        asked = {
            "host": "Boromir",
            "supply": "barrel_jack",
            "volts": 5.0,
            "amperes": None,
            "mode": "",
            "override": "",
            "usb_fed_elsewhere": 0,
            "fan": True,
            "l4t": "32.7.1",
            "board": None,
            **declared,
        }
        found: dict[str, Any] = module.power([*(NANO if lines is None else lines), *more], asked, boards)
        return found

    return call


@pytest.fixture
def declared_problems(module: ModuleType, boards: dict[str, Any]) -> Callable[..., list[str]]:
    def call(**declared: Any) -> list[str]:
        asked = {
            "host": "h",
            "supply": "micro_usb",
            "volts": 5.0,
            "amperes": None,
            "mode": "",
            "override": "",
        }
        problems: list[str] = module.declared_problems({**asked, **declared}, boards)
        return problems

    return call


@pytest.mark.parametrize(
    ("supply", "present", "wanted", "change"),
    [
        ("barrel_jack", "MAXN", "MAXN", False),
        ("barrel_jack", "5W", "MAXN", True),
        ("micro_usb", "5W", "5W", False),
        ("micro_usb", "MAXN", "5W", True),
    ],
)
def test_the_supply_decides_on_the_mode(
    decide: Callable[..., dict[str, Any]], supply: str, present: str, wanted: str, change: bool
) -> None:
    found = decide(f"present {present}", supply=supply)
    assert (found["wanted"], found["change"], found["problems"]) == (wanted, change, [])
    assert found["id"] == ["MAXN", "5W"].index(wanted)


def test_maxn_on_micro_usb_is_refused_with_the_jumper_and_the_sentence(
    decide: Callable[..., dict[str, Any]],
) -> None:
    (problem,) = decide("present 5W", supply="micro_usb", mode="MAXN")["problems"]
    assert codes(problem) == ["supply-too-weak"]
    for part in ("J48", "J25", "2 A", "4.0 A", "jetson_power_supply: barrel_jack", f'"{SENTENCE}"'):
        assert part in problem
    assert decide("present 5W", supply="micro_usb", mode="MAXN", override=SENTENCE)["problems"] == []
    (wrong,) = decide("present 5W", supply="micro_usb", mode="MAXN", override="yes")["problems"]
    assert codes(wrong) == ["supply-too-weak"]
    # Three lines of a terminal; the sentence is only for those who have tried to write it.
    for text, told in ((problem, "jetson_power_supply: barrel_jack"), (wrong, f'"{SENTENCE}"')):
        first = text.splitlines()[0]
        assert len(first) < 360
        assert told in first
        assert first.endswith(" [supply-too-weak]")
    assert "'yes'" in wrong


def test_a_supply_too_weak_for_the_mode_at_the_barrel_jack_is_refused_with_its_own_remedy(
    decide: Callable[..., dict[str, Any]],
) -> None:
    (problem,) = decide("present 5W", amperes=2.5)["problems"]
    assert codes(problem) == ["supply-too-weak"]
    for part in ("4.0 A", "2.5 A", "jetson_power_supply_a", "jetson_power_mode"):
        assert part in problem
    assert "J48" not in problem
    sentence = "I know that MAXN on the barrel jack shuts the board down"
    assert decide("present 5W", amperes=2.5, override=sentence)["problems"] == []


def test_an_unknown_mode_is_answered_by_the_boards_own(decide: Callable[..., dict[str, Any]]) -> None:
    (problem,) = decide("present 5W", mode="10W")["problems"]
    assert codes(problem) == ["power-mode-unknown"]
    assert "jetson_power_mode is '10W'" in problem
    assert "MAXN, 5W" in problem


def test_another_voltage_on_a_nano_is_refused(decide: Callable[..., dict[str, Any]]) -> None:
    (problem,) = decide("present 5W", volts=19.0)["problems"]
    assert codes(problem) == ["supply-voltage-wrong"]
    assert "jetson_power_supply_v is 19" in problem
    assert "Jetson Nano" in problem
    assert "5 V" in problem


def test_over_the_budget_every_way_out_is_named(decide: Callable[..., dict[str, Any]]) -> None:
    found = decide("present MAXN", "usb 1-2.1 Canvio Basics", "usb 1-2.2 0bda:8153")
    assert (found["needed_w"], found["supply_w"]) == (29.5, 20.0)
    (warning,) = found["warnings"]
    assert codes(warning) == ["power-budget-exceeded"]
    for part in ("MAXN 4.0 A", "2 USB devices", "1.8 A", "fan 0.1 A", "= 5.9 A"):
        assert part in warning
    for way in ("jetson_power_supply_a", "jetson_power_usb_fed_elsewhere", "jetson_power_mode to 5W"):
        assert way in warning
    assert decide("present MAXN", "usb 1-2.1 x", amperes=5.0)["warnings"] == []
    assert (
        decide("present MAXN", "usb 1-2.1 x", fan=False, usb_fed_elsewhere=1, amperes=4.0)["warnings"] == []
    )


def test_a_weaker_supply_on_micro_usb_is_told_of_the_jumper(decide: Callable[..., dict[str, Any]]) -> None:
    (warning,) = decide("present 5W", "usb 1 a", "usb 2 b", supply="micro_usb")["warnings"]
    assert codes(warning) == ["power-budget-exceeded"]
    assert "J48" in warning


def test_the_report_carries_the_jumper_on_boards_that_have_it(decide: Callable[..., dict[str, Any]]) -> None:
    def row(**declared: Any) -> str:
        """Return the report from its line on J48 to that on the mode, as one line."""
        report = " ".join(" ".join(decide("present 5W", mode="5W", **declared)["report"]).split())
        return report.partition(" J48 ")[2].partition(" mode 5W")[0]

    advice = "jetson_power_supply: barrel_jack"
    assert row()
    assert advice not in row()
    assert advice in row(supply="micro_usb")
    other = [line.replace("3448-0000", "3448-0003") for line in NANO]
    assert row(lines=other) == ""


def test_what_happened_since_boot_is_said(decide: Callable[..., dict[str, Any]]) -> None:
    found = decide(
        "present MAXN",
        "over_current 99.000001 soctherm: OC ALARM 0x00000001",
        "over_current 12.500000 soctherm: OC ALARM 0x00000001",
        "throttle 44.1 thermal zone1 throttling",
        "alarm crit VDD_IN: over its limit of 5000 mA",
        "cooling 2 15 cpu-balanced",
        amperes=6.0,
    )
    events, alarm, throttled, cooling = found["warnings"]
    assert codes("\n".join(found["warnings"])) == [
        "over-current-events",
        "over-current-now",
        "throttle-events",
        "throttled-now",
    ]
    for part in ("2 over-current events", "99 s", "(soctherm: OC ALARM 0x00000001)"):
        assert part in events
    assert "VDD_IN" in alarm
    assert "5000 mA (critical)" in alarm
    for part in ("1 time ", "44 s", "thermal zone1 throttling"):
        assert part in throttled
    assert "cpu-balanced at 2" in cooling
    (counted,) = decide("present MAXN", "counted 3 oc1", amperes=6.0)["warnings"]
    assert codes(counted) == ["over-current-events"]
    assert "3 over-current" in counted


def test_boards_that_nobody_knows_are_left_in_their_mode(decide: Callable[..., dict[str, Any]]) -> None:
    orin = ["tool nvpmodel /usr/sbin/nvpmodel", "mode 0 15W", "mode 1 7W", "present 15W"]
    found = decide(lines=orin, volts=19.0, amperes=2.37, l4t="36.4.3", board="Orin Nano")
    assert (found["wanted"], found["change"], found["problems"]) == ("", False, [])
    report = " ".join(" ".join(found["report"]).split())
    for part in ("15W 15.0 W", "fan 0.5 W", "= 15.5 W", "45.0 W"):
        assert part in report
    assert "JetPack 6.2" in "\n".join(found["report"])
    (unknown,) = decide(lines=["tool nvpmodel x", "mode 0 MAXN_SUPER", "present MAXN_SUPER"])["warnings"]
    assert codes(unknown) == ["power-draw-unknown"]
    assert "MAXN_SUPER" in unknown
    assert "files/jetson_boards.yml" in unknown


def test_without_nvpmodel_nothing_is_set_and_that_is_said(decide: Callable[..., dict[str, Any]]) -> None:
    found = decide(lines=["compatible nvidia,p3449-0000-b00+p3448-0002-b00"])
    assert (found["change"], found["problems"]) == (False, [])
    assert codes(found["warnings"][0]) == ["nvpmodel-missing"]
    (problem,) = decide(lines=[], mode="MAXN")["problems"]
    assert codes(problem) == ["nvpmodel-missing"]
    assert "'MAXN'" in problem
    (broken,) = decide(lines=["tool nvpmodel x", "error NVPM ERROR: Error opening config file"])["problems"]
    assert codes(broken) == ["power-modes-unreadable"]
    assert "NVPM ERROR" in broken


def test_a_mode_that_waits_for_a_reboot_is_a_warning(decide: Callable[..., dict[str, Any]]) -> None:
    found = decide("present 5W", amperes=6.0, pending=True)
    assert codes(found["warnings"][0]) == ["power-mode-needs-reboot"]
    assert "jetson_power_reboot=true" in found["warnings"][0]


def test_lines_of_another_kind_are_passed_over(decide: Callable[..., dict[str, Any]]) -> None:
    noise = ["", "usb", "rail x y z", "zone", "mode", "cooling 1", "over_current now", "tool", "alarm crit"]
    assert decide(*noise, "present MAXN", amperes=6.0)["problems"] == []


@pytest.mark.parametrize(
    ("declared", "code", "parts"),
    [
        ({}, None, []),
        ({"supply": "barrel_jack", "mode": "MAXN"}, None, []),
        ({"mode": "5W"}, None, []),
        ({"mode": "MAXN"}, "supply-too-weak", ["MAXN", "J48"]),
        ({"mode": "MAXN", "override": SENTENCE}, None, []),
        ({"mode": "MAXN", "override": SENTENCE + "."}, None, []),
        ({"mode": "15W"}, "supply-too-weak", ["15W", "3.0 A"]),
        ({"amperes": 4.0}, "supply-current-wrong", ["jetson_power_supply_a is 4", "2 A"]),
        ({"volts": 19.0}, "supply-voltage-wrong", ["jetson_power_supply_v is 19", "5 V"]),
        ({"supply": "barrel_jack", "mode": "MAXN", "amperes": 1.0}, "supply-too-weak", ["MAXN", "2.0 A"]),
        ({"supply": "usb_c"}, None, []),
        ({"supply": None}, None, []),
    ],
)
def test_what_cannot_be_is_refused_before_any_host_is_touched(
    declared_problems: Callable[..., list[str]], declared: dict[str, Any], code: str | None, parts: list[str]
) -> None:
    problems = declared_problems(**declared)
    assert [codes(problem) for problem in problems] == ([[code]] if code else [])
    for part in parts:
        assert part in problems[0]


# look.sh


@pytest.fixture
def tree(root: Path, tmp_path: Path) -> Callable[..., Path]:
    """The function that makes a tree like a board's sysfs, as tests/l4t makes it on a host."""

    def make(kernel: str = "jetpack4", fan: str = "yes") -> Path:
        sysfs = tmp_path / "sys"
        settings = tmp_path / "l4t.conf"
        settings.write_text(f"sysfs={sysfs}\nkernel={kernel}\nfan={fan}\n")
        subprocess.run(
            ["/bin/sh", root / "tests/l4t/l4t-kernel", "make"],
            env={"PATH": "/usr/bin:/bin", "L4T_FAKES_CONF": str(settings)},
            check=True,
        )
        return sysfs

    return make


def look(root: Path, sysfs: Path, folder: Path) -> list[str]:
    (folder / "compatible").write_bytes(b"nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,tegra210\0")
    script = (root / "roles/jetson_power/files/look.sh").read_text()
    done = subprocess.run(
        ["/bin/sh", "-s", sysfs, folder, folder / "lock"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    # Of the machine that the tests run on.
    return [line for line in done.stdout.splitlines() if not line.startswith(("throttle", "tool"))]


@pytest.mark.parametrize("kernel", ["jetpack4", "jetpack5"])
def test_a_board_at_rest_is_read_without_alarms(
    root: Path, tmp_path: Path, tree: Callable[..., Path], kernel: str
) -> None:
    found = look(root, tree(kernel), tmp_path)
    assert "compatible nvidia,p3449-0000-b00+p3448-0000-b00" in found
    assert [line for line in found if line.startswith("usb")] == ["usb 1-2.1 Canvio Basics"]  # not prose
    assert len([line for line in found if line.startswith("rail")]) == 3
    assert not [line for line in found if line.startswith(("alarm", "cooling", "counted", "benchmark"))]
    assert not [line for line in found if "PMIC" in line]
    assert "zone 34000 AO-therm" in found


def test_alarms_are_found_in_both_places(root: Path, tmp_path: Path, tree: Callable[..., Path]) -> None:
    sysfs = tree("jetpack4")
    (sysfs / "bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_current0_input").write_text("5100\n")
    (sysfs / "class/thermal/cooling_device2/cur_state").write_text("3\n")
    (sysfs / "class/thermal/cooling_device0/cur_state").write_text("9\n")
    found = look(root, sysfs, tmp_path)
    assert "alarm crit POM_5V_IN: 5100 mA, over its limit of 5000 mA" in found  # not prose
    assert "alarm warn POM_5V_IN: 5100 mA, over its limit of 4000 mA" in found  # not prose
    cooling = [line for line in found if line.startswith("cooling")]
    assert cooling == ["cooling 9 10 pwm-fan", "cooling 3 15 cpu-balanced"]  # not prose
    sysfs = tree("jetpack5")
    (sysfs / "class/hwmon/hwmon2/curr1_crit_alarm").write_text("1\n")
    (sysfs / "class/hwmon/hwmon3/oc1_event_cnt").write_text("4\n")
    found = look(root, sysfs, tmp_path)
    assert "alarm crit VDD_IN: over its limit of 5000 mA" in found  # not prose
    assert "counted 4 oc1" in found


def test_events_are_taken_from_both_logs_and_each_counts_once(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    logs = {
        "dmesg": [
            "[    1.000001] tegra_soctherm: throttrip: cpu: will throttle when cpu reaches 102500 mC",
            "[   12.500000] soctherm: OC ALARM 0x00000001",
            "[   44.000000] thermal thermal_zone1: throttling the CPU",
        ],
        "journalctl": [
            "[   12.500000] boromir kernel: soctherm: OC ALARM 0x00000001",
            "[    9.250000] boromir kernel: soctherm: OC ALARM 0x00000001",
            "[   44.000000] boromir kernel: thermal thermal_zone1: throttling the CPU",
        ],
    }
    for name, lines in logs.items():
        (folder / name).write_text("#!/bin/sh\ncat << END\n" + "\n".join(lines) + "\nEND\n")
        (folder / name).chmod(0o755)
    script = (root / "roles/jetson_power/files/look.sh").read_text()
    done = subprocess.run(
        ["/bin/sh", "-s", tmp_path, tmp_path, tmp_path / "lock"],
        input=script.replace("PATH=/usr/local/sbin", f"PATH={folder}:/usr/local/sbin"),
        capture_output=True,
        text=True,
        check=False,
    )
    events = [line for line in done.stdout.splitlines() if line.startswith(("over_current", "throttle"))]
    assert sorted(events) == [
        "over_current 12.500000 soctherm: OC ALARM 0x00000001",  # not prose
        "over_current 9.250000 soctherm: OC ALARM 0x00000001",  # not prose
        "throttle 44.000000 thermal thermal_zone1: throttling the CPU",  # not prose
    ]


def test_a_bare_host_is_read_without_complaint(root: Path, tmp_path: Path) -> None:
    assert look(root, tmp_path / "nothing", tmp_path)


# edgebench-jetson-clocks

CLOCKS = """#!/bin/sh
echo "$@" >> %(folder)s/calls
case $1 in
    --store)
        if [ -e "$2" ]; then echo "File $2 already exists."; exit 1; fi
        { echo "%(folder)s/min_freq:$(cat %(folder)s/min_freq)"; echo %(folder)s/scaling_governor:old
        echo /sys/devices/pwm-fan/target_pwm:0; } > "$2" ;;
    --restore) while IFS=: read -r file value; do echo "$value" > "$file"; done < "$2" ;;
    '') if [ -e %(folder)s/refuse ]; then echo 'Error: Please run the script after 30 Seconds'; exit 1; fi
        echo high > %(folder)s/min_freq ;;
esac
"""


class Clocks:
    def __init__(self, script: Path, folder: Path) -> None:
        self.script, self.folder, self.notes = script, folder, folder / "notes"
        (folder / "bin").mkdir()
        (folder / "bin/jetson_clocks").write_text(CLOCKS % {"folder": folder})
        (folder / "bin/jetson_clocks").chmod(0o755)
        (folder / "min_freq").write_text("low\n")

    def call(self, action: str) -> "subprocess.CompletedProcess[str]":
        # The script has a PATH of its own, for a unit's is not to be relied on.
        text = self.script.read_text().replace(
            "PATH=/usr/local/sbin", f"PATH={self.folder}/bin:/usr/local/sbin"
        )
        return subprocess.run(
            ["/bin/sh", "-s", action, self.notes], input=text, capture_output=True, text=True, check=False
        )

    @property
    def speed(self) -> str:
        return (self.folder / "min_freq").read_text().strip()


@pytest.fixture
def clocks(root: Path, tmp_path: Path) -> Clocks:
    return Clocks(root / "roles/jetson_power/files/edgebench-jetson-clocks", tmp_path)


def test_clocks_are_raised_and_set_back_without_governor_and_fan(clocks: Clocks) -> None:
    assert clocks.call("hold").returncode == 0
    assert clocks.speed == "high"
    assert clocks.notes.read_text() == f"{clocks.folder}/min_freq:low\n"
    assert clocks.call("restore").returncode == 0
    assert clocks.speed == "low"
    assert not clocks.notes.exists()


def test_a_second_hold_does_not_take_its_own_clocks_for_the_old_ones(clocks: Clocks) -> None:
    clocks.call("hold")
    clocks.call("hold")
    clocks.call("restore")
    assert clocks.speed == "low"


def test_restoring_twice_or_without_a_hold_does_nothing(clocks: Clocks) -> None:
    assert clocks.call("restore").returncode == 0
    clocks.call("hold")
    clocks.call("restore")
    (clocks.folder / "min_freq").write_text("other\n")
    assert clocks.call("restore").returncode == 0
    assert clocks.speed == "other"


def test_a_tool_that_refuses_holds_nothing_up_and_is_quoted(clocks: Clocks) -> None:
    (clocks.folder / "refuse").touch()
    told = clocks.call("hold")
    assert told.returncode == 0
    assert codes(told.stderr) == ["jetson-clocks-failed"]
    assert "Please run the script after 30 Seconds" in told.stderr  # not prose
    (clocks.folder / "bin/jetson_clocks").unlink()
    clocks.notes.unlink()
    assert clocks.call("hold").returncode == 0
