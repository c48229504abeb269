"""Copies of what the kernels of boards show in sysfs and procfs, as far as telemetry reads it."""

from pathlib import Path


def put(root: Path, name: str, value: object) -> Path:
    """Write one file below ``root`` as the kernel would show it, with a line end."""
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")
    return path


def proc(root: Path, total_kb: int = 4_000_000, cores: int = 4) -> None:
    """Memory, load and pressure; the numbers of /proc/stat are ticks of 10 ms."""
    put(
        root,
        "proc/meminfo",
        f"MemTotal:       {total_kb} kB\nMemFree:        100 kB\nMemAvailable:   {total_kb // 2} kB\n"
        "SwapTotal:      1000 kB\nSwapFree:       400 kB",
    )
    put(root, "proc/vmstat", "nr_free_pages 5\npswpin 10\npswpout 20\noom_kill 1")
    lines = ["cpu  1000 100 300 8000 500 10 20 70 40 0"]
    lines += [f"cpu{n} 250 25 75 2000 125 2 5 17 10 0" for n in range(cores)]
    put(root, "proc/stat", "\n".join([*lines, "intr 1 2 3", "ctxt 5"]))
    for name in ("cpu", "memory", "io"):
        lines = [f"{kind} avg10=0.00 avg60=0.00 avg300=0.00 total=2500000" for kind in ("some", "full")]
        put(root, f"proc/pressure/{name}", "\n".join(lines))


def process(
    root: Path, pid: int, parent: int, start: int, ticks: tuple[int, int, int, int], name: str = "x"
) -> None:
    """One process: ticks are utime, stime, cutime, cstime."""
    fields = [f"{pid} ({name}) S {parent}", *["0"] * 9, *map(str, ticks), *["0"] * 4, str(start), "0 0"]
    put(root, f"proc/{pid}/stat", " ".join(fields))


def _zones(root: Path, zones: dict[str, int]) -> None:
    for n, (name, millidegrees) in enumerate(zones.items()):
        put(root, f"sys/class/thermal/thermal_zone{n}/type", name)
        put(root, f"sys/class/thermal/thermal_zone{n}/temp", millidegrees)


def _policies(root: Path, numbers: tuple[int, ...], top_khz: int, governor: str) -> None:
    for n in numbers:
        policy = f"sys/devices/system/cpu/cpufreq/policy{n}"
        put(root, f"{policy}/scaling_cur_freq", top_khz // 2)
        put(root, f"{policy}/scaling_min_freq", 102000)
        put(root, f"{policy}/scaling_max_freq", top_khz)
        put(root, f"{policy}/scaling_governor", governor)
        put(root, f"{policy}/affected_cpus", n)


def jetson_jetpack4(root: Path) -> Path:
    """A Jetson Nano with L4T 32: INA3221 over IIO, its load in per mille."""
    proc(root)
    _zones(root, {"AO-therm": 41000, "CPU-therm": 33500, "GPU-therm": 32500, "PMIC-Die": 100000})
    _policies(root, (0, 1, 2, 3), 1479000, "schedutil")
    put(root, "sys/devices/gpu.0/load", 345)
    put(root, "sys/class/devfreq/57000000.gpu/cur_freq", 921600000)
    chip = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    for n, (rail, milliwatts) in enumerate((("POM_5V_IN", 3456), ("POM_5V_GPU", 120), ("POM_5V_CPU", 1980))):
        put(root, f"{chip}/rail_name_{n}", rail)
        put(root, f"{chip}/in_power{n}_input", milliwatts)
        put(root, f"{chip}/in_voltage{n}_input", 5008)
        put(root, f"{chip}/in_current{n}_input", milliwatts // 5)
        put(root, f"{chip}/warn_current_limit_{n}", 4000)
        put(root, f"{chip}/crit_current_limit_{n}", 5000)
    for n, (kind, state) in enumerate((("pwm-fan", 3), ("tegra-heavy", 0), ("cpu-balanced", 0))):
        put(root, f"sys/class/thermal/cooling_device{n}/type", kind)
        put(root, f"sys/class/thermal/cooling_device{n}/cur_state", state)
    return root


def jetson_jetpack5(root: Path) -> Path:
    """An Orin Nano with L4T 35: INA3221 and over-current events over hwmon."""
    proc(root)
    _zones(root, {"cpu-thermal": 47031, "gpu-thermal": 46500, "soc0-thermal": 45031})
    _policies(root, (0, 4), 1510400, "schedutil")
    put(root, "sys/devices/platform/17000000.gpu/load", 912)
    put(root, "sys/class/devfreq/17000000.gpu/cur_freq", 624750000)
    # The thermal core shows its zones as monitors once more.
    put(root, "sys/class/hwmon/hwmon0/name", "cpu_thermal")
    put(root, "sys/class/hwmon/hwmon0/temp1_input", 47031)
    chip = "sys/class/hwmon/hwmon1"
    put(root, f"{chip}/name", "ina3221")
    rails = (("VDD_IN", 5000, 1200), ("VDD_CPU_GPU_CV", 5000, 400), ("VDD_SOC", 4992, 300))
    for n, (rail, millivolts, milliamperes) in enumerate(rails, 1):
        put(root, f"{chip}/in{n}_label", rail)
        put(root, f"{chip}/in{n}_input", millivolts)
        put(root, f"{chip}/curr{n}_input", milliamperes)
        put(root, f"{chip}/curr{n}_crit_alarm", 0)
        put(root, f"{chip}/curr{n}_max_alarm", 0)
    put(root, f"{chip}/in7_label", "sum of shunt voltages")
    put(root, f"{chip}/in7_input", 9)
    put(root, "sys/class/hwmon/hwmon2/name", "soctherm_oc")
    for n, count in ((1, 0), (2, 15), (3, 37)):
        put(root, f"sys/class/hwmon/hwmon2/oc{n}_event_cnt", count)
    return root


def raspberry_pi(root: Path, mask: str | None = "50000") -> Path:
    """A Raspberry Pi 4; mask None is a kernel without the foundation's file."""
    proc(root)
    _zones(root, {"cpu-thermal": 61342})
    _policies(root, (0,), 1500000, "ondemand")
    put(root, "sys/class/hwmon/hwmon0/name", "cpu_thermal")
    put(root, "sys/class/hwmon/hwmon0/temp1_input", 61342)
    put(root, "sys/class/hwmon/hwmon1/name", "rpi_volt")
    put(root, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", 0)
    if mask is not None:
        put(root, "sys/devices/platform/soc/soc:firmware/get_throttled", mask)
    return root


RAPL_RANGE_UJ = 262143328850


def x86_rapl(root: Path) -> Path:
    """A laptop with two cores of two threads, RAPL with a part of the package, a battery."""
    proc(root)
    _zones(root, {"acpitz": 27800, "x86_pkg_temp": 52000})
    _policies(root, (0, 1, 2, 3), 3400000, "performance")
    put(root, "sys/class/hwmon/hwmon0/name", "coretemp")
    for n, (label, temperature) in enumerate(
        (("Package id 0", 52000), ("Core 0", 50000), ("Core 1", 51000)), 1
    ):
        put(root, f"sys/class/hwmon/hwmon0/temp{n}_label", label)
        put(root, f"sys/class/hwmon/hwmon0/temp{n}_input", temperature)
    for n in range(4):
        cpu = f"sys/devices/system/cpu/cpu{n}"
        put(root, f"{cpu}/topology/physical_package_id", 0)
        put(root, f"{cpu}/topology/core_id", n // 2)
        # Both threads of a core count its events, all CPUs the package's.
        put(root, f"{cpu}/thermal_throttle/core_throttle_count", 10 * (n // 2))
        put(root, f"{cpu}/thermal_throttle/package_throttle_count", 7)
        put(root, f"{cpu}/thermal_throttle/package_throttle_total_time_ms", 1250)
    for zone, name, energy in (
        ("intel-rapl:0", "package-0", 262143000000),
        ("intel-rapl:0:0", "core", 5000000),
        ("intel-rapl:0:1", "dram", 9000000),
    ):
        put(root, f"sys/class/powercap/{zone}/name", name)
        put(root, f"sys/class/powercap/{zone}/energy_uj", energy)
        put(root, f"sys/class/powercap/{zone}/max_energy_range_uj", RAPL_RANGE_UJ)
    supply = "sys/class/power_supply/BAT0"
    for name, value in (
        ("type", "Battery"),
        ("status", "Discharging"),
        ("voltage_now", 12_000_000),
        ("current_now", -1_500_000),
    ):
        put(root, f"{supply}/{name}", value)
    put(root, "sys/class/power_supply/AC/type", "Mains")
    return root
