"""Telemetry's sources on copies of boards' sysfs, on a library built here, on real commands and on this host."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import pytest
from edgebench.telemetry import sources
from edgebench.telemetry.quantity import clean
from edgebench.telemetry.sources import cpu, meter, nvml
from edgebench.telemetry.sources.source import AbsentError
from edgebench.telemetry.tree import Channel, Tree

from tests.unit.runner import sysfs


def look(root: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values by quantity, and the reasons of what is absent."""
    found, absent = sources.find(Tree(str(root)))
    values: dict[str, Any] = {}
    for source in found:
        values.update(zip((each.name for each in source.quantities), source.read(), strict=True))
        source.close()
    return values, absent


def quantities(root: Path) -> dict[str, Any]:
    found, _ = sources.find(Tree(str(root)))
    return {each.name: each for source in found for each in source.quantities}


def test_jetpack4(tmp_path: Path) -> None:
    values, absent = look(sysfs.jetson_jetpack4(tmp_path))
    assert values["power.POM_5V_IN"] == 3.456
    assert values["power.POM_5V_CPU"] == 1.98
    assert values["temperature.CPU-therm"] == 33.5
    assert "temperature.PMIC-Die" not in values
    assert values["gpu.load"] == 0.345
    assert values["clock.57000000.gpu"] == 921.6
    assert (values["clock.policy3"], values["clock_max.policy3"]) == (739.5, 1479.0)
    assert values["governor.policy0"] == "schedutil"
    assert values["cooling.tegra-heavy.1"] == 0
    assert not any("fan" in name for name in values)
    assert values["over_current.POM_5V_IN.crit"] == 0
    assert "/sys/class/powercap/intel-rapl:*" in absent["RAPL"]
    assert set(absent) == {
        "hardware monitors' temperatures",
        "x86 throttle counters",
        "Raspberry Pi firmware",
        "Raspberry Pi voltage",
        "RAPL",
        "hardware monitors' power",
        "batteries",
        "NVIDIA GPU",
    }


def test_jetpack4_without_the_power_file_multiplies(tmp_path: Path) -> None:
    sysfs.jetson_jetpack4(tmp_path)
    chip = tmp_path / "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    (chip / "in_power0_input").unlink()
    (chip / "in_current0_input").write_text("1000\n")
    assert look(tmp_path)[0]["power.POM_5V_IN"] == pytest.approx(5.008)


def test_jetpack4_over_its_limit(tmp_path: Path) -> None:
    sysfs.jetson_jetpack4(tmp_path)
    sysfs.put(tmp_path, "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_current0_input", 4001)
    values, _ = look(tmp_path)
    assert (values["over_current.POM_5V_IN.warn"], values["over_current.POM_5V_IN.crit"]) == (1, 0)


def test_jetpack5(tmp_path: Path) -> None:
    values, absent = look(sysfs.jetson_jetpack5(tmp_path))
    assert values["power.VDD_IN"] == pytest.approx(6.0)
    assert values["power.VDD_SOC"] == pytest.approx(4.992 * 0.3)
    assert len([name for name in values if name.startswith("power.")]) == 3
    assert values["gpu.load"] == 0.912
    assert [values[f"over_current.oc{n}"] for n in (1, 2, 3)] == [0, 15, 37]
    assert quantities(tmp_path)["over_current.oc1"].detail["event"] == "under-voltage"
    assert quantities(tmp_path)["over_current.oc3"].detail["event"] == "over-current"
    assert quantities(tmp_path)["power.VDD_IN"].detail["covers"] == "board"
    # The thermal zone once more.
    assert "temperature.cpu_thermal.temp1" not in values
    assert "hardware monitors' temperatures" in absent


def test_x86(tmp_path: Path) -> None:
    values, absent = look(sysfs.x86_rapl(tmp_path))
    assert values["energy.package-0"] == pytest.approx(262143.0)
    assert values["energy.package-0/dram"] == pytest.approx(9.0)
    # Two cores of two threads count 0 and 10; four CPUs show one package.
    assert values["x86.core_throttle"] == 10
    assert values["x86.package_throttle"] == 7
    assert values["x86.package_throttle_time"] == 1.25
    assert values["temperature.coretemp.Package id 0"] == 52.0
    assert values["power.BAT0"] == pytest.approx(18.0)
    assert values["on_battery.BAT0"] == 1
    found = quantities(tmp_path)
    assert found["energy.package-0"].detail == {
        "rail": "package-0",
        "covers": "cpu",
        "rank": 1,
        "range": sysfs.RAPL_RANGE_UJ / 1e6,
    }
    assert found["energy.package-0/core"].detail["covers"] == "part"
    assert "INA3221 power rails" in absent


def test_battery_that_is_charged_tells_no_power(tmp_path: Path) -> None:
    sysfs.x86_rapl(tmp_path)
    sysfs.put(tmp_path, "sys/class/power_supply/BAT0/status", "Charging")
    values, _ = look(tmp_path)
    assert (values["on_battery.BAT0"], values["power.BAT0"]) == (0, None)


@pytest.mark.needs("root")
def test_rapl_for_root_only_is_named_so() -> None:
    # Not in pytest's folder, which only root may enter.
    with tempfile.TemporaryDirectory() as folder:
        root = sysfs.x86_rapl(Path(folder))
        root.chmod(0o755)
        for path in root.glob("sys/class/powercap/*/energy_uj"):
            path.chmod(0o400)
        code = (
            "import os, sys; sys.path.insert(0, sys.argv[1]);"
            "from edgebench.telemetry import sources; from edgebench.telemetry.tree import Tree;"
            "os.setuid(65534); print(sources.find(Tree(sys.argv[2]))[1]['RAPL'])"
        )
        bench = str(Path(sources.__file__).resolve().parents[3])
        told = subprocess.run(
            [sys.executable, "-c", code, bench, str(root)], capture_output=True, text=True, check=True
        )
    assert re.search(r"\benergy_uj\b.*\broot\b", told.stdout)


def test_memory_and_pressure_and_cpu(tmp_path: Path) -> None:
    sysfs.proc(tmp_path)
    values, _ = look(tmp_path)
    page = os.sysconf("SC_PAGE_SIZE")
    assert values["memory.available"] == 2_000_000 * 1024
    assert values["memory.swap_used"] == 600 * 1024
    assert (values["memory.swapped_in"], values["memory.swapped_out"]) == (10 * page, 20 * page)
    assert values["memory.oom_kills"] == 1
    assert values["pressure.memory.full"] == 2.5
    # user, nice, system; guests' time is contained in users'.
    assert values["cpu.busy"] == pytest.approx(14.0)
    assert values["cpu.total"] == pytest.approx(100.0)
    assert values["cpu.steal"] == pytest.approx(0.7)


def test_empty_host_names_every_absent_source(tmp_path: Path) -> None:
    values, absent = look(tmp_path)
    assert values == {}
    assert len(absent) == 17
    assert all(absent.values())


@pytest.mark.parametrize("content", ["", "garbage", "-", "12 13", "\0"])
def test_nonsense_in_a_file_leaves_that_quantity_out(tmp_path: Path, content: str) -> None:
    sysfs.jetson_jetpack4(tmp_path)
    sysfs.put(tmp_path, "sys/class/thermal/thermal_zone1/temp", content)
    sysfs.put(tmp_path, "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power2_input", content)
    sysfs.put(tmp_path, "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_current2_input", content)
    values, _ = look(tmp_path)
    assert "temperature.CPU-therm" not in values
    assert "power.POM_5V_CPU" not in values
    assert values["power.POM_5V_IN"] == 3.456


def test_value_that_goes_away_is_none_and_comes_back(tmp_path: Path) -> None:
    path = sysfs.put(tmp_path, "sys/class/thermal/thermal_zone0/temp", 20000)
    sysfs.put(tmp_path, "sys/class/thermal/thermal_zone0/type", "cpu")
    found, _ = sources.find(Tree(str(tmp_path)))
    path.write_text("30000\n")
    assert found[0].read() == [30.0]
    path.write_text("")
    assert found[0].read() == [None]
    path.write_text("-5000\n")
    assert found[0].read() == [-5.0]


def test_same_names_are_told_apart(tmp_path: Path) -> None:
    for n in (0, 1):
        sysfs.put(tmp_path, f"sys/class/thermal/thermal_zone{n}/type", "acpitz")
        sysfs.put(tmp_path, f"sys/class/thermal/thermal_zone{n}/temp", 20000 + 1000 * n)
    values, _ = look(tmp_path)
    assert (values["temperature.acpitz"], values["temperature.acpitz#2"]) == (20.0, 21.0)


def test_names_are_made_printable() -> None:
    assert clean(" VDD\x1b[31m<b>é ") == "VDD__31m_b__"
    assert len(clean("x" * 500)) == 64


def test_slow_source_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sysfs.jetson_jetpack4(tmp_path)
    monkeypatch.setattr(sources, "_SLOWEST_S", 0.0)
    values, absent = look(tmp_path)
    assert re.search(r"\b0\.\d\d s\b", absent["thermal zones"])
    # An overloaded host is slow to answer, and its load has to be known.
    assert {each.partition(".")[0] for each in values} == {"memory", "pressure", "cpu"}


def test_channel_opens_its_file_once() -> None:
    channel = Channel("/proc/uptime")
    first = channel.text()
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        assert channel.text() is not None
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert first is not None
    channel.close()


class TestFamily:
    """CPU time of a process tree, from fake procfs trees and from real processes."""

    def test_sums_what_is_alive_and_what_was_waited_for(self, tmp_path: Path) -> None:
        sysfs.process(tmp_path, 10, 1, 100, (100, 50, 30, 20))
        sysfs.process(tmp_path, 11, 10, 101, (200, 0, 0, 0), name="a) b (c")
        sysfs.process(tmp_path, 12, 1, 90, (9999, 0, 0, 0))
        family = cpu.Family(str(tmp_path / "proc"), 10, lambda: 0.0)
        assert family.cpu_s() == pytest.approx(4.0)

    def test_child_that_ended_is_counted_once(self, tmp_path: Path) -> None:
        sysfs.process(tmp_path, 10, 1, 100, (100, 0, 0, 0))
        sysfs.process(tmp_path, 11, 10, 101, (200, 0, 0, 0))
        family = cpu.Family(str(tmp_path / "proc"), 10, lambda: 0.0)
        assert family.cpu_s() == pytest.approx(3.0)
        shutil.rmtree(tmp_path / "proc/11")
        sysfs.process(tmp_path, 10, 1, 100, (110, 0, 210, 0))
        assert family.cpu_s() == pytest.approx(3.2)

    def test_pid_used_again_is_somebody_else(self, tmp_path: Path) -> None:
        sysfs.process(tmp_path, 10, 1, 100, (100, 0, 0, 0))
        sysfs.process(tmp_path, 11, 10, 101, (200, 0, 0, 0))
        family = cpu.Family(str(tmp_path / "proc"), 10, lambda: 0.0)
        assert family.cpu_s() == pytest.approx(3.0)
        sysfs.process(tmp_path, 10, 1, 100, (100, 0, 200, 0))
        sysfs.process(tmp_path, 11, 1, 999, (7777, 0, 0, 0))
        assert family.cpu_s() == pytest.approx(3.0)

    def test_orphans_stay_members_and_nothing_is_lost(self, tmp_path: Path) -> None:
        sysfs.process(tmp_path, 10, 1, 100, (100, 0, 0, 0))
        sysfs.process(tmp_path, 11, 10, 101, (200, 0, 0, 0))
        family = cpu.Family(str(tmp_path / "proc"), 10, lambda: 0.0)
        family.cpu_s()
        shutil.rmtree(tmp_path / "proc/10")
        sysfs.process(tmp_path, 11, 1, 101, (300, 0, 0, 0))
        assert family.cpu_s() == pytest.approx(4.0)

    def test_counts_real_children_while_they_run_and_after(self) -> None:
        family = cpu.Family("/proc", os.getpid(), lambda: 0.0)
        before = family.cpu_s()
        burn = "import time\nwhile time.process_time() < 0.5: pass"
        with subprocess.Popen([sys.executable, "-c", burn]):
            pass
        assert 0.4 < family.cpu_s() - before < 5


def test_real_host_tells_memory_and_cpu() -> None:
    found, absent = sources.find(Tree(), os.getpid())
    names = {each.name for source in found for each in source.quantities}
    assert {"memory.available", "cpu.total", "cpu.benchmark"} <= names
    assert all(len(source.read()) == len(source.quantities) for source in found)
    assert len(found) + len(absent) == 17


class TestMeter:
    """External meters: real commands."""

    def test_power_is_averaged_and_energy_the_last(self) -> None:
        script = (
            "import sys; print('hello'); print('[1]'); print('{\"power_w\": \"x\"}');"
            'print(\'{"power_w": 2}\\n{"power_w": 4}\\n{"name": "usb", "energy_j": 7, "range_j": 100}\', flush=True);'
            "sys.stdin.read()"
        )
        source = meter.find(f'"{sys.executable}" -c {_quoted(script)}')
        assert [each.name for each in source.quantities] == ["power.meter", "energy.usb"]
        assert source.quantities[1].detail["range"] == 100
        assert source.quantities[0].detail["covers"] == "board"
        assert source.read() == [3.0, 7.0]
        # A power holds for a moment, a count does not.
        assert source.read() == [3.0, None]
        source.close()

    @pytest.mark.parametrize("command", ["/nowhere/meter", "sh -c 'echo volts: 5; sleep 9'", "true", "'", ""])
    def test_what_is_no_meter_is_named(self, command: str) -> None:
        with pytest.raises(AbsentError, match=re.escape(repr(command))):
            meter.find(command, limit_s=0.5)

    def test_command_that_does_not_end_by_itself_is_ended(self) -> None:
        before = children()
        source = meter.find('sh -c \'trap "" TERM; while :; do echo "{\\"power_w\\": 1}"; sleep 0.1; done\'')
        [child] = children() - before
        source.close()
        assert child not in children()


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


_FAKE_NVML = """
    #include <string.h>
    typedef struct { unsigned gpu, memory; } util_t;
    typedef struct { unsigned long long total, free, used; } mem_t;
    static unsigned long long energy_mj = 5000;
    int nvmlInit_v2(void) { return 0; }
    int nvmlShutdown(void) { return 0; }
    int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
    int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = (void *)(0x7f0000000000UL + i); return 0; }
    static int second(void *d) { return ((unsigned long)d & 1) != 0; }
    int nvmlDeviceGetUtilizationRates(void *d, util_t *u)
        { if (second(d)) return 3; u->gpu = 87; u->memory = 3; return 0; }
    int nvmlDeviceGetMemoryInfo(void *d, mem_t *m) { m->total = 100; m->free = 40; m->used = 60; return 0; }
    int nvmlDeviceGetTotalEnergyConsumption(void *d, unsigned long long *e)
        { if (second(d)) return 3; energy_mj += 250; *e = energy_mj; return 0; }
    int nvmlDeviceGetPowerUsage(void *d, unsigned *p) { *p = 125500; return 0; }
    int nvmlDeviceGetTemperature(void *d, unsigned sensor, unsigned *t) { *t = 61 + sensor; return 0; }
    int nvmlDeviceGetClockInfo(void *d, unsigned kind, unsigned *c) { *c = kind == 1 ? 1410 : 0; return 0; }
    int nvmlDeviceGetCurrentClocksThrottleReasons(void *d, unsigned long long *r)
        { *r = second(d) ? 0x40 : 0x4; return 0; }
"""


@pytest.mark.needs("cc")
def test_nvml_by_a_library_of_its_interface(tmp_path: Path) -> None:
    source_path, library = tmp_path / "nvml.c", tmp_path / "libnvidia-ml.so.1"
    source_path.write_text(textwrap.dedent(_FAKE_NVML))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source_path)], check=True)
    source = nvml.find(Tree(), ctypes.CDLL(str(library)))
    values = dict(zip((each.name for each in source.quantities), source.read(), strict=True))
    assert values["gpu0.load"] == 0.87
    assert values["temperature.gpu0"] == 61
    assert values["clock.gpu0"] == 1410
    assert values["gpu0.memory_used"] == 60
    # A software power cap is how the GPU is meant to run; a thermal slowdown is not.
    assert (values["gpu0.throttled"], values["gpu1.throttled"]) == (0, 1)
    assert 5.0 < values["energy.gpu0"] < 7.0
    assert values["power.gpu1"] == 125.5
    assert "gpu1.load" not in values
    source.close()
