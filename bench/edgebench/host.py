"""What this host is: CPU, memory, operating system, board. Reads files of the kernel; nothing needs root.

What the host does not tell is None; ``reasons`` says why, as records need.
Sources: proc(5), the kernel's documentation of sysfs cpufreq, cacheinfo and
DMI, os-release(5), and L4T's /etc/nv_tegra_release.
"""

import glob
import os
import platform
import re
import struct
import subprocess

from edgebench import host_texts

_CPU = "/sys/devices/system/cpu/cpu0/"
_GOVERNORS = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"
# What switches turbo clocks off, and how it reads then (the kernel's documentation of cpufreq and intel_pstate).
_NO_BOOST = {
    "/sys/devices/system/cpu/cpufreq/boost": "0",
    "/sys/devices/system/cpu/intel_pstate/no_turbo": "1",
}


def facts():
    """Return the host's facts as the record schema wants them, without framework and devices."""
    return {"cpu": cpu(), "memory": memory(), "os": operating_system(), "board": board()}


def reasons():
    """Return {dotted path: why it can be null} for the facts of ``facts``."""
    no_scaling = "this kernel offers no frequency scaling (no cpufreq in sysfs)"
    return {
        "facts.cpu.governor": no_scaling,
        "facts.cpu.clock_min_mhz": no_scaling,
        "facts.cpu.clock_max_mhz": no_scaling,
        "facts.cpu.clock_current_mhz": no_scaling,
        "facts.cpu.vendor": "the CPU does not name its vendor",
        "facts.cpu.model": "neither /proc/cpuinfo nor the device tree names the CPU",
        "facts.os.version": "os-release has no VERSION_ID, as in rolling and unreleased distributions",
        "facts.board.model": "neither a device tree nor DMI names the board",
        "facts.board.l4t": "not a Jetson (no /etc/nv_tegra_release)",
        "facts.board.power_mode": "nvpmodel is missing or reports no power mode",
    }


def cpu():
    """Return the CPU's facts: caches in bytes, clocks in MHz."""
    text = _text("/proc/cpuinfo")
    info, flags, _ = host_texts.cpuinfo(text)
    model = host_texts.cpu_model(text, _text("/proc/device-tree/compatible"))
    current_khz = _number(_CPU + "cpufreq/scaling_cur_freq")
    return {
        "model": model or _by_py_cpuinfo("brand_raw"),
        "vendor": info.get("vendor_id"),
        "architecture": host_texts.architecture(platform.machine(), struct.calcsize("P") * 8),
        "flags": flags or sorted(_by_py_cpuinfo("flags") or []),
        "cores_physical": _cores_physical(),
        "cores_logical": os.cpu_count(),
        "caches_bytes": _caches(),
        "governor": _governor(),
        "clock_min_mhz": _khz_to_mhz(_number(_CPU + "cpufreq/cpuinfo_min_freq")),
        "clock_max_mhz": _khz_to_mhz(_number(_CPU + "cpufreq/cpuinfo_max_freq")),
        "clock_current_mhz": _khz_to_mhz(current_khz)
        or (float(info["cpu MHz"]) if "cpu MHz" in info else None),
    }


def clocks():
    """Return (boost, governor, power mode), the settings of the host's clocks.

    "off" where turbo clocks are switched off, else None; the governors of the
    CPUs, joined by commas, None without cpufreq; the name of nvpmodel's mode on a
    Jetson, else None.
    """
    boost = "off" if any(_text(path) == off for path, off in _NO_BOOST.items()) else None
    return boost, _governor(), _power_mode() if l4t_release() else None


def _governor():
    return host_texts.governors(map(_text, glob.glob(_GOVERNORS)))


def _by_py_cpuinfo(field):
    try:
        import cpuinfo
    except ImportError:
        return None
    return cpuinfo.get_cpu_info().get(field)


def _cores_physical():
    pairs = set()
    package = None
    for line in (_text("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "physical id":
            package = value.strip()
        elif name.strip() == "core id":
            pairs.add((package, value.strip()))
    if pairs:
        return len(pairs)
    try:
        import psutil
    except ImportError:
        return os.cpu_count()
    return psutil.cpu_count(logical=False) or os.cpu_count()


def _caches():
    sizes = {}
    for index in range(8):
        folder = "{}cache/index{}/".format(_CPU, index)
        level, kind, size = (_text(folder + name) for name in ("level", "type", "size"))
        if level and size:
            letter = {"Data": "d", "Instruction": "i"}.get(kind, "")
            sizes["L{}{}".format(level, letter)] = _size_bytes(size)
    return sizes


def _size_bytes(text):
    match = re.match(r"(\d+)([KMG]?)$", text)
    return int(match.group(1)) * 1024 ** " KMG".index(match.group(2) or " ") if match else None


def memory():
    """Return the memory's sizes in bytes."""
    fields = {}
    for line in (_text("/proc/meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0]) * 1024
    if fields:
        return {
            "total_bytes": fields.get("MemTotal"),
            "available_bytes": fields.get("MemAvailable"),
            "swap_total_bytes": fields.get("SwapTotal"),
        }
    try:
        import psutil
    except ImportError:
        return {"total_bytes": None, "available_bytes": None, "swap_total_bytes": None}
    virtual = psutil.virtual_memory()
    return {
        "total_bytes": virtual.total,
        "available_bytes": virtual.available,
        "swap_total_bytes": psutil.swap_memory().total,
    }


def operating_system():
    """Return the names and versions of the operating system and its kernel."""
    fields = host_texts.os_release(_text("/etc/os-release") or _text("/usr/lib/os-release"))
    return {
        "name": fields.get("NAME") or platform.system(),
        "version": fields.get("VERSION_ID") or None,
        "kernel": platform.release(),
    }


def name_of(system):
    """Return the name of an ``operating_system``, with its version if it has one."""
    return " ".join(each for each in (system["name"], system["version"]) if each)


def board():
    """Return the board's model and, on a Jetson, the release of L4T and the name of nvpmodel's power mode."""
    model = host_texts.board_model(_text("/proc/device-tree/model"), _text("/proc/cpuinfo"))
    if model is None:
        dmi = [_text("/sys/class/dmi/id/" + name) for name in ("sys_vendor", "product_name")]
        model = " ".join(part for part in dmi if part) or None
    release = l4t_release()
    return {"model": model, "l4t": release, "power_mode": _power_mode() if release else None}


def l4t_release():
    """Return the release of NVIDIA's Linux for Tegra, such as "32.7.1"; None on other hosts."""
    return host_texts.l4t_release(_text("/etc/nv_tegra_release"))


def _power_mode():
    """Return what ``nvpmodel -q``, which needs no root, says after ``NV Power Mode:``."""
    try:
        said = subprocess.check_output(
            ["nvpmodel", "-q"], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"NV Power Mode: *(\S+)", said.decode("utf-8", "replace"))
    return found.group(1) if found else None


def _text(path):
    try:
        with open(path, errors="replace") as handle:
            return handle.read().strip("\0 \n\t") or None
    except (IOError, OSError):
        return None


def _number(path):
    text = _text(path)
    return int(text) if text and text.isdigit() else None


def _khz_to_mhz(khz):
    return None if khz is None else khz / 1000.0
