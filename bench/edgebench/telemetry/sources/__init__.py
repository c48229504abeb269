"""What this host can tell while a benchmark runs, found by looking: a module for each source."""

import functools
import time

from edgebench.telemetry.sources import (
    cooling,
    cpu,
    cpufreq,
    gpu,
    hwmon_power,
    hwmon_temperature,
    ina3221,
    jetson_over_current,
    memory,
    meter,
    nvml,
    power_supply,
    pressure,
    rapl,
    raspberry_pi,
    raspberry_pi_voltage,
    thermal,
    x86_throttle,
)
from edgebench.telemetry.sources.source import AbsentError

_MODULES = (
    thermal,
    hwmon_temperature,
    cpufreq,
    cooling,
    x86_throttle,
    raspberry_pi,
    raspberry_pi_voltage,
    jetson_over_current,
    ina3221,
    rapl,
    hwmon_power,
    power_supply,
    gpu,
    nvml,
    memory,
    pressure,
)
# A sample must not take long from the benchmark; some sensors hang on slow buses.
_SLOWEST_S = 0.1
# What the kernel tells without asking a device is slow only where the host is overloaded, and then it is wanted most.
_NEVER_SLOW = (cpu.NAME, memory.NAME, pressure.NAME)


def find(tree, root_pid=None, meters=()):
    """Return (list of Source, {name: why it is absent}).

    tree: ``tree.Tree``. root_pid: the benchmark's first process, whose own use
    of the CPU is told apart from others'. meters: commands of external meters.
    """
    found, absent = [], {}
    finders = [(module.NAME, functools.partial(module.find, tree)) for module in _MODULES]
    finders.append((cpu.NAME, functools.partial(cpu.find, tree, root_pid)))
    looks_at_meters = [functools.partial(meter.find, command) for command in meters]
    finders += [("meter " + command, look) for command, look in zip(meters, looks_at_meters)]
    for name, look in finders:
        try:
            source = look()
        except AbsentError as error:
            absent[name] = str(error)
            continue
        # A meter has its own pace, and what it has said so far belongs to the first sample.
        # A busy host can be slow once.
        is_trusted = look in looks_at_meters or source.every_s or name in _NEVER_SLOW
        took_s = 0.0 if is_trusted else min(_took_s(source), _took_s(source))
        if took_s > _SLOWEST_S:
            source.close()
            absent[name] = "one reading takes {:.2f} s, which would disturb a benchmark".format(took_s)
        else:
            found.append(source)
    return _named_apart(found), absent


def _took_s(source):
    started = time.monotonic()
    source.read()
    return time.monotonic() - started


def _named_apart(found):
    """Return the sources with a number added to each name that had been there before."""
    seen = {}  # type: ignore[var-annotated]
    apart = []
    for source in found:
        quantities = []
        for each in source.quantities:
            seen[each.name] = seen.get(each.name, 0) + 1
            if seen[each.name] > 1:
                number = "#{}".format(seen[each.name])
                detail = (
                    dict(each.detail, rail=each.detail["rail"] + number)
                    if "rail" in each.detail
                    else each.detail
                )
                each = each._replace(name=each.name + number, detail=detail)
            quantities.append(each)
        apart.append(source._replace(quantities=quantities))
    return apart
