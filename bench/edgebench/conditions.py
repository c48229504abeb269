"""Whether a host is fit to be measured: looked at before a suite, and before a disturbed run is repeated.

What is wrong is either passing (load, heat), so that waiting helps, or lasting
(a governor, a full disk), so that somebody has to act.
"""

import os
from collections import namedtuple

from edgebench import host
from edgebench.errors import RecordError
from edgebench.telemetry import judge, series
from edgebench.telemetry.window import Window

Condition = namedtuple("Condition", "name is_met is_passing said remedy")
Condition.__doc__ = """One thing that was looked at.

is_met: whether it is as it should be. is_passing: whether waiting may help.
said: what was found. remedy: what to do, None where it is met.
"""

# Boards slow down from 80 degrees Celsius (Raspberry Pi 4) to 100; what begins close to that will.
HOT_CELSIUS = 70.0
# Of the memory there is: with less the larger workloads stream what others have in memory.
MEMORY_SHARE = 0.2
# Records, series and logs of a suite take less, by far.
DISK_BYTES = 256 << 20
# Of looking, for the shares of CPU time to mean something.
LOOK_S = 3.0

_REMEDIES = {
    judge.THROTTLED: "let it cool down, improve its cooling",
    judge.UNDER_VOLTAGE: "use a stronger power supply and a shorter cable",
    judge.OVER_CURRENT: "use a stronger power supply, or a lower power mode",
    judge.LOAD: "end what else runs there (headless hosts are measured best)",
    judge.STEAL: "use a host of its own, or a time when its neighbours rest",
    judge.MEMORY: "end what else takes memory there",
    judge.BATTERY: "plug it in",
}
_PASSING = (judge.THROTTLED, judge.UNDER_VOLTAGE, judge.OVER_CURRENT, judge.LOAD, judge.STEAL, judge.MEMORY)


def look(path, folder):
    """Return (list of Condition, {"sources", "absent"} or None).

    path: of a series that was just taken, empty for none. folder: where records
    are written.
    """
    found = [_memory(host.memory()), _disk(folder), _power_mode(host.board())]
    try:
        read = series.read(path) if path else None
    except (OSError, RecordError):
        read = None
    if read is None or not read.samples:
        if path:
            said = "no telemetry, so the load of this host is unknown"
            found.append(
                Condition("telemetry", False, True, said, "for the reason, run: edgebench telemetry")
            )
        return [each for each in found if each], None
    window = Window(read, read.samples[0].monotonic_s, read.samples[-1].monotonic_s)
    found += [_temperature(window), _governor(window)]
    wrong = dict(judge.disturbances(window))
    for kind in sorted(_REMEDIES):
        # Of what is not there, nobody can say that it is well.
        if kind in wrong:
            found.append(Condition(kind, False, kind in _PASSING, wrong[kind], _REMEDIES[kind]))
    if judge.LOAD not in wrong and window.shares()["others"] is not None:
        share = judge.percent(window.shares()["others"])
        found.append(
            Condition(judge.LOAD, True, True, "other processes use {} of the CPU".format(share), None)
        )
    sources = {"sources": read.header.get("sources", []), "absent": read.header.get("absent", {})}
    return [each for each in found if each], sources


def as_json(conditions):
    """Return conditions as the host's record holds them."""
    return [{"name": each.name, "is_met": each.is_met, "said": each.said} for each in conditions]


def unmet(conditions):
    """Return those that are not as they should be."""
    return [each for each in conditions if not each.is_met]


def _memory(memory):
    total, available = memory.get("total_bytes"), memory.get("available_bytes")
    if not total or available is None:
        return None
    said = "{:.0f} of {:.0f} MiB of memory are available".format(available / 2.0**20, total / 2.0**20)
    is_met = available >= MEMORY_SHARE * total
    return Condition("memory_available", is_met, True, said, None if is_met else _REMEDIES[judge.MEMORY])


def _disk(folder):
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    free = found.f_bavail * found.f_frsize
    said = "{:.0f} MiB are free for records ({})".format(free / 2.0**20, folder)
    is_met = free >= DISK_BYTES
    return Condition(
        "disk_free", is_met, False, said, None if is_met else "make room, or write elsewhere by --out"
    )


def _power_mode(board):
    # Somebody chose it, by nvpmodel or the role jetson_power: it is told, not judged.
    mode = board["power_mode"]
    return mode and Condition("power_mode", True, False, "the power mode is {}".format(mode), None)


def _temperature(window):
    hottest = None
    for index, quantity in enumerate(window.series.quantities):
        if quantity.name.startswith("temperature."):
            for value in window.numbers(index)[-1:]:
                hottest = max(hottest or (value, quantity.name), (value, quantity.name))
    if hottest is None:
        return None
    said = "{} is {:.0f} degrees Celsius".format(hottest[1], hottest[0])
    is_met = hottest[0] < HOT_CELSIUS
    return Condition("temperature", is_met, True, said, None if is_met else _REMEDIES[judge.THROTTLED])


def _governor(window):
    governors = {}
    for index, quantity in enumerate(window.series.quantities):
        if quantity.name.startswith("governor."):
            values = [each.values[index] for each in window.inside if isinstance(each.values[index], str)]
            if values:
                governors[quantity.name.partition(".")[2]] = values[-1]
    if not governors:
        return None
    others = sorted({each for each in governors.values() if each != "performance"})
    said = "the CPU's governor is {}".format(", ".join(others or ["performance"]))
    # Hosts under Ansible are held by the role performance_mode while they are measured.
    remedy = (
        "set the governor performance (cpupower frequency-set -g performance, or the role performance_mode)"
    )
    return Condition("governor", not others, False, said, remedy if others else None)
