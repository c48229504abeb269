"""What is known of NVIDIA's boards: modules, supplies and releases; what of their log and sysfs is throttling."""

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests import cooling_devices, needs
from tests.messages import codes

NANO = [
    "compatible nvidia,p3449-0000-b00+p3448-0000-b00",
    "tool nvpmodel /usr/sbin/nvpmodel",
    "mode 0 MAXN",
    "mode 1 5W",
]
ORIN = [
    "compatible nvidia,p3768-0000+p3767-0005",
    "compatible nvidia,p3767-0005",
    "compatible nvidia,tegra234",
]
UNKNOWN = ["compatible nvidia,p5000-0000+p4999-0008"]
TX2_MODES = ["MAXQ", "MAXP_CORE_ALL", "MAXP_CORE_ARM", "MAXP_CORE_DENVER"]
MODES = ["tool nvpmodel /usr/sbin/nvpmodel", "mode 0 15W", "mode 1 25W", "mode 2 MAXN_SUPER", "mode 3 MAXN"]

Decide = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def power(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("filter/edgebench_jetson_power")


@pytest.fixture(scope="module")
def table(root: Path) -> dict[str, Any]:
    names = ("jetson_boards", "l4t_releases")
    return {
        key: value
        for name in names
        for key, value in yaml.safe_load((root / f"files/{name}.yml").read_text()).items()
    }


@pytest.fixture
def decide(power: ModuleType, table: dict[str, Any]) -> Decide:
    """The function that decides for a board of these lines, at its jack unless declared otherwise."""

    def call(*lines: str, boards: dict[str, Any] | None = None, **declared: Any) -> dict[str, Any]:
        asked = {
            "host": "board",
            "supply": "barrel_jack",
            "volts": None,
            "amperes": None,
            "mode": "",
            "override": "",
            "usb_fed_elsewhere": 0,
            "fan": True,
            "l4t": "36.5.0",
            "board": None,
            **declared,
        }
        found: dict[str, Any] = power.power(lines, asked, boards or table)
        return found

    return call


def report(found: dict[str, Any]) -> str:
    return " ".join(" ".join(found["report"]).split())


def row(found: dict[str, Any], name: str) -> str:
    """Return a row of the report, as one line."""
    lines = iter(found["report"])
    shown = [next(line for line in lines if line.startswith(f"  {name} "))]
    shown += itertools.takewhile(lambda line: line.startswith(" " * 13), lines)
    return " ".join(" ".join(shown).split()).removeprefix(f"{name} ")


# Modules


@pytest.mark.parametrize(
    ("compatible", "number", "name"),
    [
        (["nvidia,p3449-0000-b00+p3448-0000-b00", "nvidia,jetson-nano"], "p3448-0000", "Jetson Nano, 4 GB, SD card"),
        (["nvidia,p3449-0000-a02+p3448-0001-a02"], "p3448-0001", "Jetson Nano"),
        (["nvidia,p3542-0000+p3448-0003"], "p3448-0003", "Jetson Nano, 2 GB"),
        (["nvidia,p3768-0000+p3767-0005", "nvidia,p3767-0005"], "p3767-0005", "Jetson Orin Nano, 8 GB, developer kit"),
        (["nvidia,p3509-0000+p3767-0000", "nvidia,p3767-0000"], "p3767-0000", "Jetson Orin NX, 16 GB"),
        (["nvidia,p3737-0000+p3701-0005", "nvidia,tegra234"], "p3701-0005", "Jetson AGX Orin, 64 GB"),
        (["nvidia,p3737-0000+p3701-0000", "nvidia,tegra234"], "p3701-0000", "Jetson AGX Orin"),
        (["nvidia,p3509-0000+p3668-0001", "nvidia,tegra194"], "p3668-0001", "Jetson Xavier NX"),
        (["nvidia,p3509-0000+p3636-0001"], "p3636-0001", "Jetson TX2 NX"),
        (["nvidia,p2972-0000", "nvidia,tegra194"], "p2972-0000", "Jetson AGX Xavier"),
        (["nvidia,p2597-0000+p3310-1000", "nvidia,quill"], "p3310-1000", "Jetson TX2"),
        (["nvidia,p2371-2180-devkit", "nvidia,jetson-tx1"], "p2371-2180", "Jetson TX1"),
        (["nvidia,p3971-0089+p3834-0008", "nvidia,tegra264"], "p3834-0008", "Jetson AGX Thor"),
        (["nvidia,p5000-0000+p4999-0008"], "p4999-0008", "p4999-0008"),
    ],
)  # fmt: skip
def test_a_module_is_told_by_its_part_number(
    power: ModuleType, table: dict[str, Any], compatible: list[str], number: str, name: str
) -> None:
    found = power.module_of(compatible, table)
    assert (found.number, found.name) == (number, name)


@pytest.mark.parametrize("lines", [ORIN, UNKNOWN, []])
def test_no_fact_of_the_nano_is_told_of_another_board(decide: Decide, lines: list[str]) -> None:
    found = decide(*lines, *MODES, "present 15W", "over_current 9.5 x")
    assert (found["problems"], found["wanted"], found["change"]) == ([], "", False)
    told = " ".join([*found["report"], *found["warnings"]])
    for part in ("J48", "5 V,", "Nano, 4 GB", "4 A"):
        assert part not in told


def test_the_table_holds_only_what_holds_for_each_module(power: ModuleType, table: dict[str, Any]) -> None:
    for name in table["modules"]:
        module = power.description(name, table)
        assert module["name"], name
        assert module["chip"] in table["chips"], name
        assert set(module.get("watts", {})) <= {"MAXN", "MAXN_SUPER", *TX2_MODES}, name
        assert set(module.get("supplies", {})) <= set(table["supplies"]), name
        for socket in module.get("supplies", {}).values():
            assert "mode" not in socket or socket["mode"] in module["modes"], name
        # J48, 5 V and these modes are the Nano's.
        if not name.startswith("p3448"):
            assert not {"j48", "modes"} & set(module), name
            assert module.get("volts") != table["volts_5"], name


def test_a_new_release_and_a_new_module_are_one_edit_each(
    power: ModuleType, table: dict[str, Any], decide: Decide
) -> None:
    invented = {
        "name": "Jetson Invented",
        "chip": "tegra264",
        "fan": False,
        "volts": [20, 48],
        "supplies": {"barrel_jack": {"volts": 48.0}},
        "watts": {"MAXN": 200},
    }
    more = {
        **table,
        "jetpack": {**table["jetpack"], "41": {"41.1": "8.0"}},
        "modules": {**table["modules"], "p4999": invented},
    }
    assert power.jetpack("41.1.0", more) == "8.0"
    found = decide(*UNKNOWN, *MODES, "present 15W", boards=more, l4t="41.1.0")
    assert (found["problems"], found["supply_w"]) == ([], None)
    for part in ("p4999-0008 (Jetson Invented)", "L4T 41.1.0 (JetPack 8.0)", "48 V (assumed)", "UEFI"):
        assert part in report(found)
    assert row(found, "fan").startswith("counted")
    weak = decide(*UNKNOWN, *MODES, "present 15W", mode="MAXN", volts=48.0, amperes=4.0, boards=more)
    assert codes("\n".join(weak["problems"])) == ["supply-too-weak"]
    assert "200.0 W" in weak["problems"][0]


@pytest.mark.parametrize(
    ("compatible", "mode", "watts"),
    [
        ("nvidia,p2597-0000+p3310-1000", "MAXQ", 7.5),
        ("nvidia,p2597-0000+p3310-1000", "MAXP_CORE_ARM", 15),
        ("nvidia,p2597-0000+p3310-1000", "MAXN", None),
        ("nvidia,p3509-0000+p3668-0001", "MODE_20W_6CORE", 20),
        ("nvidia,p3768-0000+p3767-0000", "MAXN_SUPER", 40),
        ("nvidia,p3768-0000+p3767-0005", "MAXN_SUPER", None),
        ("nvidia,p3737-0000+p3701-0005", "MAXN", 60),
        ("nvidia,p3971-0089+p3834-0008", "MAXN", 130),
        ("nvidia,p3449-0000-b00+p3448-0000-b00", "MAXN", 20),
    ],
)
def test_the_watts_of_a_mode_are_those_of_its_module(
    power: ModuleType, table: dict[str, Any], compatible: str, mode: str, watts: float | None
) -> None:
    module = power.module_of([compatible], table)
    assert power.mode_watts(mode, module.known) == watts


# Series of L4T that boards with a chip run.
SERIES = {
    "tegra210": ["32"],
    "tegra186": ["32"],
    "tegra194": ["32", "34", "35"],
    "tegra234": ["34", "35", "36", "39"],
    "tegra264": ["38", "39"],
}


def test_the_boot_loaders_are_those_that_the_role_for_the_usb_disk_knows(
    power: ModuleType, table: dict[str, Any], plugin: Callable[[str], ModuleType]
) -> None:
    """What a report tells of root on USB is what the role then does."""
    rules = plugin("module_utils/edgebench_usb_root")
    assert table["loaders"].keys() == rules.LOADERS.keys()
    assert {key: each["name"] for key, each in table["loaders"].items()} == rules.LOADERS
    for number in table["modules"]:
        known = power.description(number, table)
        for series in SERIES[known["chip"]]:
            for release in table["jetpack"][series]:
                loader = power.loader(release, power.Module(number, known), table)
                assert loader == rules.loader_of(release, f"nvidia,{known['chip']}", False), (number, release)
                path, problem, _ = rules.boot_path(release, True, False, loader)
                ways = table["loaders"][loader]["usb_root"]
                assert (path in ways) if path else ways == ["flash"], (number, release, problem)


def test_a_chip_before_its_first_series_and_an_unknown_one_have_no_loader(
    power: ModuleType, table: dict[str, Any]
) -> None:
    thor = power.module_of(["nvidia,p3971-0089+p3834-0008"], table)
    assert power.loader("36.4", thor, table) == ""
    assert power.loader("40.1", thor, table) == "uefi"
    for l4t in ("32.7.1", None, "nonsense"):
        assert power.loader(l4t, power.Module("p4999", {}), table) == ""
        assert power.loader(None, thor, table) == ""


# Supplies


@pytest.mark.parametrize(
    ("lines", "declared", "assumed", "unset"),
    [
        (NANO, {"volts": 5.0, "amperes": 4.0}, [], set()),
        # A Nano takes one voltage.
        (NANO, {"amperes": 4.0}, [], set()),
        (NANO, {}, ["4 A (assumed)"], {"jetson_power_supply_a"}),
        (NANO, {"volts": 5.1}, ["4 A (assumed)"], {"jetson_power_supply_a"}),
        (NANO, {"supply": "micro_usb"}, ["2 A (assumed)"], {"jetson_power_supply_a"}),
        (ORIN, {"volts": 19.0, "amperes": 2.4}, [], set()),
        (ORIN, {"amperes": 2.4}, ["19 V (assumed)"], {"jetson_power_supply_v"}),
        (ORIN, {}, ["19 V (assumed)"], {"jetson_power_supply_v", "jetson_power_supply_a"}),
        (ORIN, {"volts": 12.0}, [], {"jetson_power_supply_a"}),
        (UNKNOWN, {}, [], {"jetson_power_supply_v", "jetson_power_supply_a"}),
    ],
)
def test_an_assumed_supply_is_not_called_declared(
    decide: Decide, lines: list[str], declared: dict[str, Any], assumed: list[str], unset: set[str]
) -> None:
    told = row(decide(*lines, "present 5W", **declared), "supply")
    assert {each for each in ("jetson_power_supply_v", "jetson_power_supply_a") if each in told} == unset
    assert told.count("(assumed)") == len(assumed)
    for each in assumed:
        assert each in told
    assert ("J48" in told) is (lines is NANO and declared.get("supply") != "micro_usb")


@pytest.mark.parametrize(
    ("lines", "declared", "code", "parts"),
    [
        (["compatible nvidia,p3449-0000-a02+p3448-0001-a02"], {"volts": 19.0}, "supply-voltage-wrong", ["Nano", "5 V"]),
        (["compatible nvidia,p3542-0000+p3448-0003"], {"volts": 19.0}, "supply-voltage-wrong", ["2 GB", "5 V"]),
        (ORIN, {"volts": 5.0}, "supply-voltage-wrong", ["Orin Nano", "9 to 20 V"]),
        (ORIN, {"volts": 24.0}, "supply-voltage-wrong", ["jetson_power_supply_v is 24", "9 to 20 V"]),
        (ORIN, {"supply": "micro_usb"}, "supply-socket-wrong", ["Orin Nano", "barrel_jack"]),
        (["compatible nvidia,p3542-0000+p3448-0003"], {"supply": "micro_usb"}, "supply-socket-wrong", ["USB-C"]),
        ([], {"supply": "micro_usb", "volts": 19.0}, "supply-voltage-wrong", ["19", "5 V"]),
        (UNKNOWN, {"supply": "micro_usb", "volts": 19.0, "mode": "MAXN"}, "supply-voltage-wrong", ["19", "5 V"]),
    ],
)  # fmt: skip
def test_a_supply_that_a_board_cannot_have_is_refused(
    decide: Decide, lines: list[str], declared: dict[str, Any], code: str, parts: list[str]
) -> None:
    (problem,) = decide(*lines, *MODES, "present 15W", **declared)["problems"]
    assert codes(problem) == [code]
    for part in parts:
        assert part in problem


@pytest.mark.parametrize(
    ("declared", "early", "late"),
    [
        ({"supply": "micro_usb", "mode": "MAXN"}, ["supply-too-weak"], ["supply-too-weak"]),
        # An Orin may be fed so, a Nano may not: that is known once the board was looked at.
        ({"mode": "MAXN", "amperes": 1.0}, [], ["supply-too-weak"]),
        ({"mode": "MAXN", "amperes": 1.0, "volts": 5.0}, ["supply-too-weak"], ["supply-too-weak"]),
        ({"mode": "MAXN", "amperes": 4.0}, [], []),
    ],
)
def test_without_volts_what_cannot_be_is_refused_as_early_as_it_is_known(
    power: ModuleType,
    table: dict[str, Any],
    decide: Decide,
    declared: dict[str, Any],
    early: list[str],
    late: list[str],
) -> None:
    asked = {"host": "h", "supply": "barrel_jack", "volts": None, "amperes": None, "override": "", **declared}
    assert codes("\n".join(power.declared_problems(asked, table))) == early
    assert codes("\n".join(decide(*NANO, "present 5W", **declared)["problems"])) == late


def test_a_budget_is_judged_only_if_the_supply_is_known(decide: Decide) -> None:
    usb = [f"usb 1-{n} disk" for n in range(6)]
    assert decide(*ORIN, *MODES, "present 25W", *usb)["warnings"] == []
    (warning,) = decide(*ORIN, *MODES, "present 25W", *usb, amperes=2.37)["warnings"]
    assert codes(warning) == ["power-budget-exceeded"]
    assert "J48" not in warning


# Releases


@pytest.mark.parametrize(
    ("l4t", "jetpack"),
    [
        ("32.1.0", "4.2"),
        ("32.2.1", "4.2.2"),
        ("32.2.3", "4.2.3"),
        ("32.4.4", "4.4.1"),
        ("32.5.1", "4.5.1"),
        ("34.1.0", "5.0 DP"),
        ("35.1.0", "5.0.2"),
        ("35.6.1", "5.1.5"),
        ("36.2.0", "6.0 DP"),
        ("36.3.0", "6.0"),
        ("36.4.4", "6.2.1"),
        ("36.4.7", "6.2.1"),
        ("36.5.0", "6.2.2"),
        ("38.4.0", "7.1"),
        ("39.2.0", "7.2"),
        ("40.1", ""),
        ("nonsense", ""),
    ],
)
def test_releases_of_every_series_are_known(
    power: ModuleType, table: dict[str, Any], l4t: str, jetpack: str
) -> None:
    assert power.jetpack(l4t, table) == jetpack


@pytest.mark.parametrize(
    ("l4t", "nearest"),
    [
        ("32.7.9", "4.6.6 or later"),
        ("32.10", "4.6.6 or later"),
        ("35.2.2", "5.1 or later"),
        ("36.4.5", "6.2.1 or later"),
        ("36.0.0", "before 6.0 DP"),
        ("39.9.9", "7.2 or later"),
    ],
)
def test_a_release_that_is_not_listed_is_matched_to_its_series_and_reported(
    power: ModuleType, table: dict[str, Any], decide: Decide, l4t: str, nearest: str
) -> None:
    told = power.jetpack(l4t, table)
    assert told.startswith(nearest)
    assert f"L4T {l4t} " in told
    assert "files/l4t_releases.yml" in told
    assert nearest in report(decide(*NANO, "present MAXN", l4t=l4t))


def test_the_releases_are_texts_of_their_series(table: dict[str, Any]) -> None:
    for series, releases in table["jetpack"].items():
        assert all(isinstance(each, str) for pair in releases.items() for each in pair)
        assert {release.split(".")[0] for release in releases} == {series}


# Throttling


def test_only_cooling_that_slows_the_board_is_throttling(decide: Decide) -> None:
    lines = [f"cooling 1 3 {kind}" for kind in cooling_devices.SLOWS_NOTHING]
    assert decide(*NANO, "present MAXN", *lines, amperes=6.0)["warnings"] == []
    slow = [f"cooling 1 3 {kind}" for kind in cooling_devices.SLOWS]
    (warning,) = decide(*NANO, "present MAXN", *lines, *slow, amperes=6.0)["warnings"]
    assert codes(warning) == ["throttled-now"]
    assert [kind for kind in cooling_devices.SLOWS if f"{kind} at 1" not in warning] == []


def look(root: Path, folder: Path, sysfs: Path | None = None, **logs: list[str]) -> list[str]:
    """Return the lines of look.sh with these logs, by the program that shows them."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("dmesg", "journalctl"):
        text = "\n".join(logs.get(name, []))
        (programs / name).write_text(f"#!/bin/sh\ncat << 'END'\n{text}\nEND\n")
        (programs / name).chmod(0o755)
    script = (root / "roles/jetson_power/files/look.sh").read_text()
    done = subprocess.run(
        ["/bin/sh", "-s", sysfs or folder, folder, folder / "lock"],
        input=script.replace("PATH=/usr/local/sbin", f"PATH={programs}:/usr/local/sbin"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def events(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("throttle")]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [
                "[  612.100000] mcpu-throttle-alert cooling state: 0 -> 1",
                "[  613.200000] bcpu-throttle-alert cooling state: 0 -> 1",
            ],
            ["612.100000 mcpu-throttle-alert", "613.200000 bcpu-throttle-alert"],
        ),
        (
            ["[   88.120345] thermal thermal_zone8: gpu-throttle-alert cooling state: 0 -> 2"],
            ["88.120345 gpu-throttle-alert"],
        ),
        (["[   88.5] soc012-throttle-alert cooling state: 0 -> 1"] * 3, ["88.5 soc012-throttle-alert"]),
        (["[   88.1][  T123] cv0-throttle-alert cooling state: 0 -> 1"], ["88.1 cv0-throttle-alert"]),
        # A fall, a step further, an alert that slows nothing, and what a kernel says at its start.
        (["[   90.1] cpu-throttle-alert cooling state: 1 -> 0"], []),
        (["[   90.1] cpu-throttle-alert cooling state: 1 -> 2"], []),
        (["[   90.1] hot-surface-alert cooling state: 0 -> 1"], []),
        (["[    6.4] thermal-trip-event cpu-throttle-alert: cooling device registered."], []),
    ],
)
def test_throttle_alerts_are_counted(
    root: Path, tmp_path: Path, lines: list[str], expected: list[str]
) -> None:
    journal = [line.replace("] ", "] orin kernel: ", 1) for line in lines]
    for logs in ({"dmesg": lines}, {"journalctl": journal}, {"dmesg": lines, "journalctl": journal}):
        found = sorted(events(look(root, tmp_path, None, **logs)))
        assert [" ".join(line.split()[1:3]) for line in found] == expected


def test_throttle_alerts_are_reported(root: Path, tmp_path: Path, decide: Decide) -> None:
    lines = [f"[ {at}.5] cpu-throttle-alert cooling state: 0 -> 1" for at in (7, 70)]
    found = decide(*ORIN, *MODES, "present 15W", *events(look(root, tmp_path, dmesg=lines)))
    assert row(found, "since boot").endswith(" 2 throttle events")
    (warning,) = found["warnings"]
    assert codes(warning) == ["throttle-events"]
    assert " 70 s " in warning


@pytest.mark.needs("cases")
def test_the_cases_from_the_field(root: Path, tmp_path: Path, decide: Decide) -> None:
    cases = needs.cases_folder()
    lines = (cases / "jetson-throttle-alert-log/dmesg.txt").read_text().splitlines()
    assert len(events(look(root, tmp_path, dmesg=lines))) == 2
    found = look(root, tmp_path, cases / "orin-hot-surface/sys")
    assert len([line for line in found if line.startswith("cooling")]) == 4
    assert decide(*ORIN, *MODES, *found, "present 15W")["warnings"] == []
