"""How often x86 CPUs slowed themselves down for heat.

/sys/devices/system/cpu/cpu*/thermal_throttle/{core,package}_throttle_count and,
from Linux 5.5, *_throttle_total_time_ms, all since boot; every CPU of a package
counts the package's (arch/x86/kernel/cpu/mce/therm_throt.c of the kernel).
"""

import os

from edgebench.telemetry.quantity import COUNT, COUNTER, SECOND, THROTTLED, quantity
from edgebench.telemetry.sources.source import AbsentError, Source
from edgebench.telemetry.tree import Channel, read_text

NAME = "x86 throttle counters"

_COLUMNS = (
    ("x86.core_throttle", "core_throttle_count", COUNT, 1, THROTTLED),
    ("x86.package_throttle", "package_throttle_count", COUNT, 1, THROTTLED),
    ("x86.core_throttle_time", "core_throttle_total_time_ms", SECOND, 1000.0, None),
    ("x86.package_throttle_time", "package_throttle_total_time_ms", SECOND, 1000.0, None),
)


def find(tree):
    """Return the Source: sums over cores and over packages; raises AbsentError."""
    folders = tree.glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle")
    if not folders:
        raise AbsentError("the CPUs count no throttling (no thermal_throttle in sysfs: not x86, or a guest)")
    cores, packages = {}, {}  # type: ignore[var-annotated]
    for folder in folders:
        topology = os.path.join(os.path.dirname(folder), "topology")
        package = read_text(os.path.join(topology, "physical_package_id")) or "0"
        core = read_text(os.path.join(topology, "core_id")) or folder
        cores.setdefault((package, core), folder)
        packages.setdefault(package, folder)
    columns = []
    for name, file, unit, divisor, event in _COLUMNS:
        asked = cores if file.startswith("core") else packages
        channels = [Channel(os.path.join(folder, file)) for folder in asked.values()]
        channels = [channel for channel in channels if channel.text() is not None]
        if channels:
            detail = {"event": event} if event else {}
            columns.append((quantity(name, COUNTER, unit, **detail), channels, divisor))
    if not columns:
        raise AbsentError("the CPUs' throttle counters cannot be read")

    def read():
        return [_total(channels, divisor) for _, channels, divisor in columns]

    def close():
        for _, channels, _ in columns:
            for channel in channels:
                channel.close()

    return Source(NAME, [column for column, _, _ in columns], read, 0, close)


def _total(channels, divisor):
    total = 0
    for channel in channels:
        text = channel.text()
        if text is None or not text.isdigit():
            return None
        total += int(text)
    return total / divisor if divisor != 1 else total
