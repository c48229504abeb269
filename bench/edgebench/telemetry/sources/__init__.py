"""What this host can tell while a benchmark runs, found by looking: a module for each source."""

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


def find(tree, root_pid=None, meters=()):
    """Return (list of Source, {name: why it is absent}).

    tree: ``tree.Tree``. root_pid: the benchmark's first process, whose own use
    of the CPU is told apart from others'. meters: commands of external meters.
    """
    found, absent = [], {}
    finders = [(module.NAME, module.find, (tree,)) for module in _MODULES]
    finders.append((cpu.NAME, cpu.find, (tree, root_pid)))
    finders += [("meter " + command, meter.find, (command,)) for command in meters]
    for name, look, arguments in finders:
        try:
            source = look(*arguments)
        except AbsentError as error:
            absent[name] = str(error)
            continue
        started = time.monotonic()
        source.read()
        took_s = time.monotonic() - started
        if took_s > _SLOWEST_S and not source.every_s and _took_again(source) > _SLOWEST_S:
            source.close()
            absent[name] = "one reading takes {:.2f} s, which would disturb a benchmark".format(took_s)
        else:
            found.append(source)
    return _named_apart(found), absent


def _took_again(source):
    # A busy host can be slow once.
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
