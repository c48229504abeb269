"""What the supply can feed: the filter that decides, look.sh on trees like sysfs, the script that holds the clocks."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

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
    return dict(yaml.safe_load((root / "files/jetson_boards.yml").read_text()))


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
    for part in ("J48", "J25", "2 A at most", "shuts down in the middle of a run", SENTENCE, "about 4.0 A"):
        assert part in problem
    assert decide("present 5W", supply="micro_usb", mode="MAXN", override=SENTENCE)["problems"] == []
    (wrong,) = decide("present 5W", supply="micro_usb", mode="MAXN", override="yes")["problems"]
    assert "'yes', which is not that sentence" in wrong


def test_a_supply_too_weak_for_the_mode_at_the_barrel_jack_is_refused_with_its_own_remedy(
    decide: Callable[..., dict[str, Any]],
) -> None:
    (problem,) = decide("present 5W", amperes=2.5)["problems"]
    assert "at least 4.0 A" in problem
    assert "J48" not in problem
    sentence = "I know that MAXN on the barrel jack shuts the board down"
    assert decide("present 5W", amperes=2.5, override=sentence)["problems"] == []


def test_an_unknown_mode_is_answered_by_the_boards_own(decide: Callable[..., dict[str, Any]]) -> None:
    (problem,) = decide("present 5W", mode="10W")["problems"]
    assert "no power mode '10W', it has: MAXN, 5W" in problem


def test_another_voltage_on_a_nano_is_refused(decide: Callable[..., dict[str, Any]]) -> None:
    (problem,) = decide("present 5W", volts=19.0)["problems"]
    assert "takes 5 V" in problem


def test_over_the_budget_every_way_out_is_named(decide: Callable[..., dict[str, Any]]) -> None:
    found = decide("present MAXN", "usb 1-2.1 Canvio Basics", "usb 1-2.2 0bda:8153")
    assert (found["needed_w"], found["supply_w"]) == (29.5, 20.0)
    (warning,) = found["warnings"]
    assert "mode MAXN 4.0 A + 2 USB devices 1.8 A + fan 0.1 A = 5.9 A" in warning
    for way in ("5.9 A or more", "jetson_power_usb_fed_elsewhere", "jetson_power_mode to 5W"):
        assert way in warning
    assert decide("present MAXN", "usb 1-2.1 x", amperes=5.0)["warnings"] == []
    assert (
        decide("present MAXN", "usb 1-2.1 x", fan=False, usb_fed_elsewhere=1, amperes=4.0)["warnings"] == []
    )


def test_a_weaker_supply_on_micro_usb_is_told_of_the_jumper(decide: Callable[..., dict[str, Any]]) -> None:
    (warning,) = decide("present 5W", "usb 1 a", "usb 2 b", supply="micro_usb")["warnings"]
    assert "a jumper on J48" in warning


def test_the_report_carries_the_jumper_on_boards_that_have_it(decide: Callable[..., dict[str, Any]]) -> None:
    def text(**declared: Any) -> str:
        return " ".join(" ".join(decide("present 5W", mode="5W", **declared)["report"]).split())

    assert "J48 taken as fitted" in text()
    assert "fit a jumper on J48" in text(supply="micro_usb")
    other = [line.replace("3448-0000", "3448-0003") for line in NANO]
    assert "J48 taken" not in text(lines=other)


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
    told = "\n".join(found["warnings"])
    assert (
        "2 over-current events since boot, the last 99 s after boot (soctherm: OC ALARM 0x00000001)" in told
    )
    assert "throttled 1 time since boot" in told
    assert "VDD_IN: over its limit of 5000 mA (critical)" in told
    assert "cpu-balanced at 2 of 15" in told
    assert len(found["warnings"]) == 4
    assert "3 over-current" in "".join(decide("present MAXN", "counted 3 oc1", amperes=6.0)["warnings"])


def test_boards_that_nobody_knows_are_left_in_their_mode(decide: Callable[..., dict[str, Any]]) -> None:
    orin = ["tool nvpmodel /usr/sbin/nvpmodel", "mode 0 15W", "mode 1 7W", "present 15W"]
    found = decide(lines=orin, volts=19.0, amperes=2.37, l4t="36.4.3", board="Orin Nano")
    assert (found["wanted"], found["change"], found["problems"]) == ("", False, [])
    assert "mode 15W 15.0 W + fan 0.5 W = 15.5 W of 45.0 W" in " ".join(" ".join(found["report"]).split())
    assert "JetPack 6.2" in "\n".join(found["report"])
    (unknown,) = decide(lines=["tool nvpmodel x", "mode 0 MAXN_SUPER", "present MAXN_SUPER"])["warnings"]
    assert "files/jetson_boards.yml" in unknown


def test_without_nvpmodel_nothing_is_set_and_that_is_said(decide: Callable[..., dict[str, Any]]) -> None:
    found = decide(lines=["compatible nvidia,p3449-0000-b00+p3448-0002-b00"])
    assert (found["change"], found["problems"]) == (False, [])
    assert "there is no nvpmodel" in found["warnings"][0]
    assert decide(lines=[], mode="MAXN")["problems"]
    (broken,) = decide(lines=["tool nvpmodel x", "error NVPM ERROR: Error opening config file"])["problems"]
    assert "NVPM ERROR" in broken


def test_a_mode_that_waits_for_a_reboot_is_a_warning(decide: Callable[..., dict[str, Any]]) -> None:
    found = decide("present 5W", amperes=6.0, pending=True)
    assert "jetson_power_reboot=true" in found["warnings"][0]


def test_lines_of_another_kind_are_passed_over(decide: Callable[..., dict[str, Any]]) -> None:
    noise = ["", "usb", "rail x y z", "zone", "mode", "cooling 1", "over_current now", "tool", "alarm crit"]
    assert decide(*noise, "present MAXN", amperes=6.0)["problems"] == []


@pytest.mark.parametrize(
    ("l4t", "jetpack"),
    [
        ("32.7.1", "4.6.1"),
        ("32.1.0", "4.2"),
        ("32.5.0", "4.5"),
        ("32.7.9", ""),
        ("36.4.3", "6.2"),
        (None, ""),
    ],
)
def test_jetpack_is_told_by_the_release(
    module: ModuleType, boards: dict[str, Any], l4t: str | None, jetpack: str
) -> None:
    assert module.jetpack(l4t, boards) == jetpack


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({}, None),
        ({"supply": "barrel_jack", "mode": "MAXN"}, None),
        ({"mode": "5W"}, None),
        ({"mode": "MAXN"}, "fit a jumper on J48"),
        ({"mode": "MAXN", "override": SENTENCE}, None),
        ({"mode": "MAXN", "override": SENTENCE + "."}, None),
        ({"mode": "15W"}, "draws about 3.0 A"),
        ({"amperes": 4.0}, "2 A at most"),
        ({"volts": 19.0}, "micro-USB has 5 V"),
        ({"supply": "barrel_jack", "mode": "MAXN", "amperes": 1.0}, "at least 2.0 A"),
        ({"supply": "usb_c"}, None),
        ({"supply": None}, None),
    ],
)
def test_what_cannot_be_is_refused_before_any_host_is_touched(
    declared_problems: Callable[..., list[str]], declared: dict[str, Any], words: str | None
) -> None:
    problems = declared_problems(**declared)
    assert len(problems) == (0 if words is None else 1)
    if words is not None:
        assert words in problems[0]


def test_every_fact_of_a_board_is_whole(boards: dict[str, Any]) -> None:
    modes = {mode for module in boards["modules"].values() for mode in module["modes"]}
    for supply in boards["supplies"].values():
        assert supply["mode"] in modes
    assert all(isinstance(release, str) for pair in boards["jetpack"].items() for release in pair)


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
    assert [line for line in found if line.startswith("usb")] == ["usb 1-2.1 Canvio Basics"]
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
    assert "alarm crit POM_5V_IN: 5100 mA, over its limit of 5000 mA" in found
    assert "alarm warn POM_5V_IN: 5100 mA, over its limit of 4000 mA" in found
    assert [line for line in found if line.startswith("cooling")] == ["cooling 3 15 cpu-balanced"]
    sysfs = tree("jetpack5")
    (sysfs / "class/hwmon/hwmon2/curr1_crit_alarm").write_text("1\n")
    (sysfs / "class/hwmon/hwmon3/oc1_event_cnt").write_text("4\n")
    found = look(root, sysfs, tmp_path)
    assert "alarm crit VDD_IN: over its limit of 5000 mA" in found
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
        "over_current 12.500000 soctherm: OC ALARM 0x00000001",
        "over_current 9.250000 soctherm: OC ALARM 0x00000001",
        "throttle 44.000000 thermal thermal_zone1: throttling the CPU",
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
    assert "Please run the script after 30 Seconds" in told.stderr
    (clocks.folder / "bin/jetson_clocks").unlink()
    clocks.notes.unlink()
    assert clocks.call("hold").returncode == 0
