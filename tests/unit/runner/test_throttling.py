"""Throttling of boards: sysfs of every form, real commands in vcgencmd's place, and "unknown" if nothing answers."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench.telemetry import series, sources, summary
from edgebench.telemetry.quantity import quantity
from edgebench.telemetry.sampler import Sampler
from edgebench.telemetry.sources import cooling, raspberry_pi
from edgebench.telemetry.sources.source import AbsentError
from edgebench.telemetry.tree import Tree

from tests import cooling_devices as cooling_kinds
from tests import needs
from tests.unit.runner import sysfs

FLAGS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")
CLEAR: dict[str, int | None] = dict.fromkeys(FLAGS, 0)
UNKNOWN: dict[str, int | None] = dict.fromkeys(FLAGS)

Program = Callable[[str], tuple[str, ...]]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The function that puts a script in vcgencmd's place and returns its command."""

    def make(script: str) -> tuple[str, ...]:
        path = tmp_path / "vcgencmd"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return (str(path), "get_throttled")

    return make


def pi(root: Path, mask: str, *, alarm: str | None = "0", firmware: str = "soc/soc:firmware") -> Path:
    """Return the sysfs of a Raspberry Pi with the foundation's kernel; alarm None is a kernel without rpi_volt."""
    sysfs.put(root, f"sys/devices/platform/{firmware}/get_throttled", mask)
    if alarm is not None:
        sysfs.put(root, "sys/class/hwmon/hwmon2/name", "rpi_volt")
        sysfs.put(root, "sys/class/hwmon/hwmon2/in0_lcrit_alarm", alarm)
    return root


def flags(root: Path, command: tuple[str, ...] | None = None, suffix: str = "") -> dict[str, Any]:
    """Return the present state as the source tells it, by the names of FLAGS; suffix "_has_been": the past one."""
    source = raspberry_pi.find(Tree(str(root)), command)
    values = dict(zip((each.name for each in source.quantities), source.read(), strict=True))
    source.close()
    return {name: values[f"raspberry_pi.{name}{suffix}"] for name in FLAGS}


def told(root: Path) -> dict[str, Any]:
    """Return the telemetry of a record: two samples of a tree, no commands."""
    found, absent = sources.find(Tree(str(root)))
    taken = Sampler(found, 1.0)
    samples = [taken.sample()._replace(monotonic_s=float(at), utc_s=float(at)) for at in range(2)]
    taken.close()
    header = {"telemetry": 1, "interval_s": 1.0, "sources": [each.name for each in found], "absent": absent}
    columns = [each for source in found for each in source.quantities]
    telemetry, _ = summary.summarise(series.Series(header, columns, samples, {"end": None}, False, 0))
    assert isinstance(telemetry, dict)
    return telemetry


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("0", CLEAR),
        ("50005", {**CLEAR, "under_voltage": 1, "throttled": 1}),
        ("0x50000", CLEAR),
        ("4", {**CLEAR, "throttled": 1}),
        ("e000e", {**dict.fromkeys(FLAGS, 1), "under_voltage": 0}),
        ("80008", {**CLEAR, "soft_temperature_limit": 1}),
    ],
)
def test_the_mask_is_read_bit_by_bit(tmp_path: Path, mask: str, expected: dict[str, int]) -> None:
    assert flags(pi(tmp_path, mask)) == expected


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("f", CLEAR),
        ("50005", {**CLEAR, "under_voltage": 1, "throttled": 1}),
        ("80000", {**CLEAR, "soft_temperature_limit": 1}),
    ],
)
def test_what_has_been_is_read_bit_by_bit(tmp_path: Path, mask: str, expected: dict[str, int]) -> None:
    assert flags(pi(tmp_path, mask), suffix="_has_been") == expected


@pytest.mark.parametrize(
    "firmware",
    [
        "soc/soc:firmware",
        "soc@107c000000/soc@107c000000:firmware",
        "soc/soc@107c000000:firmware",
        "soc@0/soc@0:firmware",
        "soc:firmware",
        "soc@107c000000:firmware",
    ],
)
def test_the_mask_is_found_wherever_the_board_has_its_firmware(tmp_path: Path, firmware: str) -> None:
    assert flags(pi(tmp_path, "e000e", firmware=firmware))["throttled"] == 1


def test_the_mask_is_found_by_its_driver_below_a_folder_of_another_name(tmp_path: Path) -> None:
    pi(tmp_path, "e000e", firmware="axi/axi:rp1-fw")
    driver = tmp_path / "sys/bus/platform/drivers/raspberrypi-firmware"
    driver.mkdir(parents=True)
    (driver / "axi:rp1-fw").symlink_to(tmp_path / "sys/devices/platform/axi/axi:rp1-fw")
    assert flags(tmp_path)["throttled"] == 1


def test_a_throttled_pi_5_is_disturbed(tmp_path: Path) -> None:
    telemetry = told(pi(tmp_path, "e000e", firmware="soc@107c000000/soc@107c000000:firmware"))
    assert telemetry["disturbed"] == ["throttled"]
    assert telemetry["unknown"] == {}
    events = {each["name"] for each in telemetry["phases"]["run"]["events"]}
    assert events == {f"raspberry_pi.{name}" for name in FLAGS[1:]}


def test_a_mask_that_is_kept_up_costs_no_process(tmp_path: Path, program: Program) -> None:
    pi(tmp_path, "4")
    source = raspberry_pi.find(Tree(str(tmp_path)), program(f"touch {tmp_path}/asked; echo throttled=0x0"))
    assert source.every_s == 0
    assert not (tmp_path / "asked").exists()
    source.close()


@pytest.mark.parametrize("mask", ["0", "0x0", "4"])
def test_without_the_monitor_vcgencmd_is_asked_in_place_of_the_mask(
    tmp_path: Path, program: Program, mask: str
) -> None:
    root = pi(tmp_path, mask, alarm=None)
    assert flags(root, program("echo throttled=0x80008")) == {**CLEAR, "soft_temperature_limit": 1}
    assert raspberry_pi.find(Tree(str(root)), program("echo throttled=0x80008")).every_s >= 5


def test_a_mask_that_is_stuck_beside_a_monitor_is_found_out(tmp_path: Path, program: Program) -> None:
    root = pi(tmp_path, "0")
    assert flags(root, program("echo throttled=0x80008"))["soft_temperature_limit"] == 1
    assert flags(root, program("echo throttled=0x0")) == CLEAR


def test_without_a_mask_vcgencmd_is_asked_whether_there_is_a_monitor_or_not(
    tmp_path: Path, program: Program
) -> None:
    sysfs.put(tmp_path, "proc/device-tree/compatible", "raspberrypi,4-model-b\0brcm,bcm2711\0")
    assert flags(tmp_path, program("echo throttled=0x50005"))["under_voltage"] == 1
    sysfs.put(tmp_path, "sys/class/hwmon/hwmon1/name", "rpi_volt")
    sysfs.put(tmp_path, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", 0)
    assert flags(tmp_path, program("echo throttled=0x50005"))["throttled"] == 1


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo VCHI initialization failed; exit 255", "video"),
        ("echo 'error=1 error_msg=\"Command not registered\"'", "Command not registered"),
        ("exec sleep 60", "2 s"),
        ("exit 1", "1"),
    ],
)
def test_a_vcgencmd_that_fails_leaves_throttling_unknown(
    tmp_path: Path, program: Program, script: str, reason: str
) -> None:
    root = pi(tmp_path, "0", alarm=None)
    assert flags(root, program(script)) == UNKNOWN
    (column, *_) = raspberry_pi.find(Tree(str(root)), program(script)).quantities
    assert reason in column.detail["unknown"]
    assert "rpi_volt" in column.detail["unknown"]


def test_a_missing_vcgencmd_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("vcgencmd") is None
    asked = raspberry_pi._Vcgencmd(Tree("/"), None)
    assert asked.text() is None
    assert "apt install raspi-utils" in str(asked.reason)


def test_vcgencmd_that_goes_silent_is_unknown_from_then_on(tmp_path: Path, program: Program) -> None:
    source = raspberry_pi.find(Tree(str(pi(tmp_path, "0", alarm=None))), program("echo throttled=0x4"))
    assert source.read()[2] == 1
    program("exit 255")
    assert set(source.read()) == {None}


def test_a_stuck_mask_and_nothing_else_is_unknown_rather_than_not_throttled(tmp_path: Path) -> None:
    telemetry = told(pi(tmp_path, "0", alarm=None))
    assert telemetry["disturbed"] == []
    assert set(telemetry["unknown"]) == {"throttled", "under-voltage"}
    assert "rpi_volt" in telemetry["unknown"]["throttled"]


def test_what_a_mask_that_is_not_kept_up_says_has_been_so(tmp_path: Path) -> None:
    root = pi(tmp_path, "80008", alarm=None)
    assert flags(root) == {**UNKNOWN, "soft_temperature_limit": 1}
    telemetry = told(root)
    assert telemetry["disturbed"] == ["throttled"]
    assert set(telemetry["unknown"]) == {"under-voltage"}


@pytest.mark.parametrize("broken", ["", "garbage", "-1"])
def test_nonsense_in_the_mask_is_unknown(tmp_path: Path, broken: str) -> None:
    telemetry = told(pi(tmp_path, broken))
    assert set(telemetry["unknown"]) == {"throttled", "under-voltage"}
    assert telemetry["disturbed"] == []


def test_the_monitor_alone_leaves_throttling_unknown(tmp_path: Path) -> None:
    telemetry = told(sysfs.raspberry_pi(tmp_path, mask=None))
    assert "throttled" in telemetry["unknown"]
    sysfs.put(tmp_path, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", 1)
    telemetry = told(tmp_path)
    assert telemetry["disturbed"] == ["under-voltage"]
    assert "under-voltage" not in telemetry["unknown"]


def test_another_cooling_device_of_a_pi_does_not_make_its_throttling_known(tmp_path: Path) -> None:
    pi(tmp_path, "0", alarm=None)
    cooling_devices(tmp_path, {"thermal-cpufreq-0": "0"})
    assert "throttled" in told(tmp_path)["unknown"]


def test_another_board_is_no_pi(tmp_path: Path) -> None:
    with pytest.raises(AbsentError, match=r"\bRaspberry Pi\b"):
        raspberry_pi.find(Tree(str(sysfs.jetson_jetpack4(tmp_path))))


@pytest.mark.parametrize(
    ("make", "is_known"),
    [(sysfs.jetson_jetpack4, True), (sysfs.x86_rapl, True), (sysfs.raspberry_pi, True), (sysfs.proc, False)],
)
def test_whether_throttling_is_known(tmp_path: Path, make: Callable[[Path], object], is_known: bool) -> None:
    make(tmp_path)
    assert ("throttled" not in told(tmp_path)["unknown"]) is is_known


def test_a_gpu_that_tells_of_itself_does_not_tell_of_the_cpu() -> None:
    column = quantity("gpu0.throttled", "flag", "ratio", event="throttled")
    samples = [series.Sample(float(at), float(at), 0.0, 1.0, [0]) for at in range(3)]
    header = {"telemetry": 1, "interval_s": 1.0, "sources": [], "absent": {}}
    telemetry, _ = summary.summarise(series.Series(header, [column], samples, {"end": None}, False, 0))
    assert telemetry is not None
    assert set(telemetry["unknown"]) == {"throttled"}


def test_a_phase_without_a_reading_is_unknown() -> None:
    column = quantity("raspberry_pi.throttled", "flag", "ratio", event="throttled")
    samples = [
        series.Sample(float(at), float(at), 0.0, 1.0, [0 if at % 5 == 0 else None]) for at in range(11)
    ]
    read = series.Series({"interval_s": 1.0}, [column], samples, {"end": None}, False, 0)
    for phase, is_known in (((0.5, 5.5), True), ((6.5, 8.5), False)):
        telemetry, _ = summary.summarise(read, {"train": phase}, "train")
        assert telemetry is not None
        assert ("throttled" not in telemetry["unknown"]) is is_known


def cooling_devices(root: Path, states: dict[str, str]) -> Path:
    for number, (kind, state) in enumerate(states.items()):
        sysfs.put(root, f"sys/class/thermal/cooling_device{number}/type", kind)
        sysfs.put(root, f"sys/class/thermal/cooling_device{number}/cur_state", state)
    return root


def test_alerts_fans_and_wifi_do_not_throttle_an_orin(tmp_path: Path) -> None:
    others = {"pwm-fan": "3", "hot-surface-alert": "1", "ath10k_thermal": "1", "mt7925_phy0": "2"}
    telemetry = told(cooling_devices(tmp_path, {**others, "cpu-throttle-alert": "0"}))
    assert (telemetry["disturbed"], telemetry["unknown"]) == ([], {})
    assert not [name for name in telemetry["quantities"] if any(each in name for each in others)]
    telemetry = told(cooling_devices(tmp_path, {**others, "gpu-throttle-alert": "1"}))
    assert telemetry["disturbed"] == ["throttled"]


def test_idle_injection_that_rests_says_minus_one(tmp_path: Path) -> None:
    assert told(cooling_devices(tmp_path, {"intel_powerclamp": "-1"}))["disturbed"] == []
    assert told(cooling_devices(tmp_path, {"intel_powerclamp": "25"}))["disturbed"] == ["throttled"]


@pytest.mark.parametrize(
    ("kinds", "expected"), [(cooling_kinds.SLOWS, True), (cooling_kinds.SLOWS_NOTHING, False)]
)
def test_only_known_kinds_slow_a_processor(kinds: list[str], expected: bool) -> None:
    assert {kind for kind in kinds if cooling.slows(kind) is not expected} == set()


@pytest.mark.needs("cases")
def test_the_cases_from_the_field(tmp_path: Path, program: Program) -> None:
    cases = needs.cases_folder()
    pi5 = told(cases / "pi5-throttled")
    assert pi5["disturbed"] == ["throttled"]
    assert flags(cases / "pi5-throttled") == {**dict.fromkeys(FLAGS, 1), "under_voltage": 0}
    stuck = cases / "pi-mask-stuck"
    assert flags(stuck, program("echo throttled=0x80008")) == {**CLEAR, "soft_temperature_limit": 1}
    assert "throttled" in told(stuck)["unknown"]
    orin = told(cases / "orin-hot-surface")
    assert (orin["disturbed"], orin["unknown"]) == ([], {})
