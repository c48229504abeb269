"""What in a window makes its times doubtful, by kind and in words; the thresholds."""

from edgebench.telemetry.quantity import LATCH, OVER_CURRENT, THROTTLED, UNDER_VOLTAGE
from edgebench.telemetry.window import distinct

LOAD = "load"
STEAL = "steal"
MEMORY = "memory"
CLOCK = "clock"
BATTERY = "battery"
UNSEEN = "unseen"
KINDS = (THROTTLED, UNDER_VOLTAGE, OVER_CURRENT, LOAD, STEAL, MEMORY, CLOCK, BATTERY, UNSEEN)

# Of all CPU time. Below it is what a system does by itself.
OTHERS_SHARE = 0.10
# Where more was idle all the time, others worked beside the benchmark, not in its place.
IDLE_CORES = 1.0
STEAL_SHARE = 0.05
# Of the time: tasks waiting for memory all at once.
MEMORY_STALL_SHARE = 0.05
SWAPPED_BYTES = 64 << 20
# Of the memory there is.
MEMORY_LEFT_SHARE = 0.05
# Of the time without samples; a sampler that does not get to run says that the host was overloaded.
GAP_SHARE = 0.05
# Shorter windows hold too few ticks of CPU time to judge by.
LEAST_JUDGED_S = 1.0

_EVENTS = (
    (UNDER_VOLTAGE, "under-voltage seen"),
    (OVER_CURRENT, "over-current seen"),
    (THROTTLED, "throttled"),
)


def disturbances(window):
    """Return [(kind of KINDS, sentence)] of what makes the window's times doubtful; none for an undisturbed one."""
    found = []
    events = window.events()
    for kind, words in _EVENTS:
        of_kind = [_told(each) for each in events if each["event"] == kind]
        if of_kind:
            found.append((kind, "{}: {}".format(words, ", ".join(of_kind))))
    found += _by_others(window)
    found += [(MEMORY, sentence) for sentence in _by_memory(window)]
    found += _by_settings(window)
    lost_s = sum(min(to_s, window.end_s) - max(from_s, window.start_s) for from_s, to_s in window.gaps())
    if window.duration_s > 0 and lost_s > GAP_SHARE * window.duration_s:
        found.append((UNSEEN, "no telemetry for {} of the time".format(percent(lost_s / window.duration_s))))
    return found


def unknown(window):
    """Return {kind: why} of the events of which nothing says whether they happened in the window.

    Throttling of the CPU is looked for on every host, the others if the host
    has columns for them.
    """
    seen = {each["event"] for each in window.events()}
    found = {}
    for kind, _ in _EVENTS:
        columns = [
            (index, quantity)
            for index, quantity in enumerate(window.series.quantities)
            if quantity.detail.get("event") == kind
            and quantity.kind != LATCH
            and not quantity.name.startswith("gpu")
        ]
        silent = [quantity for index, quantity in columns if not window.points(index)]
        if kind in seen:
            continue
        if silent:
            why = "no reading of {} in this phase".format(", ".join(each.name for each in silent))
            found[kind] = silent[0].detail.get("unknown", why)
        elif kind == THROTTLED and not columns:
            found[kind] = "no source on this host reports whether the CPU is throttled"
    return found


def notes(window):
    """Return the sentences worth telling that disturb no time."""
    said = []
    for index, quantity in enumerate(window.series.quantities):
        values = window.numbers(index)
        if quantity.kind == "latch" and values and values[0]:
            said.append("{} was set before the run".format(quantity.name))
    return said


def percent(share):
    """Return ``23 %``, with a digit more below 10."""
    return "{:.0f} %".format(100 * share) if share >= 0.095 else "{:.1f} %".format(100 * share)


def _told(event):
    if event["samples"] is None:
        return "{} rose by {:g}".format(event["name"], event["count"])
    return "{} in {} sample{}".format(event["name"], event["samples"], "" if event["samples"] == 1 else "s")


def _by_others(window):
    shares = window.shares()
    if window.duration_s < LEAST_JUDGED_S:
        return
    steal = shares["steal"] or 0.0
    is_by_others = shares["others"] is not None and shares["others"] > OTHERS_SHARE
    if is_by_others and (1.0 - shares["busy"] - steal) * _cores(window) < IDLE_CORES:
        yield LOAD, "other processes used {} of the CPU".format(percent(shares["others"]))
    if steal > STEAL_SHARE:
        yield STEAL, "other guests of this machine's host took {} of the CPU".format(percent(steal))


def _cores(window):
    index = window.index("cpu.total")
    cores = None if index is None else window.series.quantities[index].detail.get("cores")
    return cores if isinstance(cores, (int, float)) and cores >= 1 else 1


def _by_memory(window):
    swapped = [window.increase("memory.swapped_" + way) or 0 for way in ("in", "out")]
    if sum(swapped) > SWAPPED_BYTES:
        yield "swapped {:.0f} MiB in and {:.0f} MiB out".format(*(each / 2.0**20 for each in swapped))
    stalled_s = window.increase("pressure.memory.full")
    if stalled_s is not None and window.duration_s > 0 and stalled_s > MEMORY_STALL_SHARE * window.duration_s:
        yield "all tasks waited for memory for {} of the time".format(percent(stalled_s / window.duration_s))
    index = window.index("memory.available")
    if index is not None:
        total = window.series.quantities[index].detail.get("total")
        left = window.numbers(index)
        if left and isinstance(total, (int, float)) and total > 0 and min(left) < MEMORY_LEFT_SHARE * total:
            yield "low memory: {:.0f} MiB were left".format(min(left) / 2.0**20)
    killed = window.increase("memory.oom_kills")
    if killed:
        yield "the kernel killed {:g} process{} for lack of memory".format(
            killed, "" if killed == 1 else "es"
        )


def _by_settings(window):
    for index, quantity in enumerate(window.series.quantities):
        if quantity.name.startswith("clock_max."):
            values = window.numbers(index)
            if values and min(values) < max(values):
                yield (
                    CLOCK,
                    "the highest clock allowed ({}) was between {:g} and {:g} MHz".format(
                        quantity.name, min(values), max(values)
                    ),
                )
        elif quantity.name.startswith("governor."):
            names = [each.values[index] for each in window.inside if isinstance(each.values[index], str)]
            if len(set(names)) > 1:
                yield CLOCK, "the governor changed ({}: {})".format(quantity.name, ", ".join(distinct(names)))
        elif quantity.name.startswith("on_battery."):
            values = window.numbers(index)
            if any(values):
                yield BATTERY, "ran on battery ({})".format(quantity.name)
