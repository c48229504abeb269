"""A part of a series between two moments, such as the training."""

import bisect
from collections import OrderedDict

from edgebench.telemetry import counters
from edgebench.telemetry.quantity import COUNTER, FLAG, JOULE, LATCH

# In units of the interval: readings further apart are a gap.
GAP_INTERVALS = 3.0
# Of a window's time that the rail's readings must cover, and readings that must lie in it, for its energy to be told.
LEAST_COVERAGE = 0.95
LEAST_SAMPLES = 3


def distinct(values):
    """Return the values in the order in which each came first."""
    return list(OrderedDict.fromkeys(values))


class Window:
    """The samples of ``series`` from start_s to end_s, monotonic seconds."""

    def __init__(self, series, start_s, end_s):
        self.series = series
        self.start_s = start_s
        self.end_s = end_s
        times = [sample.monotonic_s for sample in series.samples]
        first, last = bisect.bisect_left(times, start_s), bisect.bisect_right(times, end_s)
        self.inside = series.samples[first:last]
        # Counters need what was before and what came after, or they miss the ends.
        is_before = first > 0 and (first == len(times) or times[first] > start_s)
        is_after = last < len(times) and (last == 0 or times[last - 1] < end_s)
        self.around = series.samples[first - int(is_before) : last + int(is_after)]

    @property
    def duration_s(self):
        """Seconds between start and end."""
        return self.end_s - self.start_s

    def index(self, name):
        """Return the column of a quantity, None where the series has none."""
        for index, quantity in enumerate(self.series.quantities):
            if quantity.name == name:
                return index
        return None

    def numbers(self, index):
        """Return the known values of a column in the window, or around it where there are none in it."""
        samples = self.inside or self.around
        return [each.values[index] for each in samples if isinstance(each.values[index], (int, float))]

    def points(self, index):
        """Return [(seconds, value)] of a column in the window and on both sides of it."""
        return [
            (each.monotonic_s, each.values[index])
            for each in self.around
            if isinstance(each.values[index], (int, float))
        ]

    def increase(self, name):
        """Return how much a counter rose, None where it is not known."""
        index = self.index(name)
        return None if index is None else counters.increase([value for _, value in self.points(index)])[0]

    def rails(self):
        """Return {rail: {"energy_j", "mean_w", "coverage", "covers", "rank"}}; None where too little is known."""
        told = {}
        for index, quantity in enumerate(self.series.quantities):
            name = quantity.detail.get("rail")
            if not isinstance(name, str):
                continue
            points = self.points(index)
            if quantity.kind == COUNTER and quantity.unit == JOULE:
                highest = quantity.detail.get("range")
                steps = counters.energy_steps(points, highest if isinstance(highest, (int, float)) else None)
            else:
                steps = counters.power_steps(points, GAP_INTERVALS * self._interval_s())
            joules, covered_s = counters.within(steps, self.start_s, self.end_s)
            is_known = (
                self.duration_s > 0
                and covered_s >= LEAST_COVERAGE * self.duration_s
                and sum(self.start_s <= each[0] <= self.end_s for each in points) >= LEAST_SAMPLES
            )
            mean_w = joules / covered_s if covered_s else None
            told[name] = {
                # What is not covered drew what the rest did.
                "energy_j": mean_w * self.duration_s if is_known and mean_w is not None else None,
                "mean_w": mean_w if is_known else None,
                "coverage": covered_s / self.duration_s if self.duration_s > 0 else 0.0,
                "covers": quantity.detail.get("covers", "part"),
                "rank": quantity.detail.get("rank", 0),
            }
        return told

    def events(self):
        """Return [{"name", "event", "count", "samples"}] of what flags, latches and counters of events tell.

        count: how often it came; samples: in how many it was seen, None for counters.
        """
        found = []
        for index, quantity in enumerate(self.series.quantities):
            event = quantity.detail.get("event")
            if not isinstance(event, str):
                continue
            values = [value for _, value in self.points(index)]
            if quantity.kind == COUNTER:
                count, samples = counters.increase(values)[0] or 0, None
            elif quantity.kind in (FLAG, LATCH):
                rises = sum(1 for earlier, later in zip(values, values[1:]) if later and not earlier)
                # A latch that was set before tells of another time.
                is_from_start = quantity.kind == FLAG and bool(values) and bool(values[0])
                count, samples = rises + int(is_from_start), sum(1 for value in values if value)
            else:
                continue
            if count:
                found.append({"name": quantity.name, "event": event, "count": count, "samples": samples})
        return found

    def shares(self):
        """Return the shares of all CPU time: {"busy", "benchmark", "others", "steal"}; None where not known."""
        total = self.increase("cpu.total")
        told = dict.fromkeys(("busy", "benchmark", "others", "steal"))
        if not total:
            return told
        busy, benchmark, steal = (self.increase("cpu." + name) for name in ("busy", "benchmark", "steal"))
        told["busy"] = None if busy is None else busy / total
        told["benchmark"] = None if benchmark is None else benchmark / total
        told["steal"] = None if steal is None else steal / total
        if busy is not None and benchmark is not None:
            # Ticks are counted in hundredths of a second, here and there differently.
            told["others"] = max(0.0, busy - benchmark) / total
        return told

    def gaps(self):
        """Return [(from_s, to_s)] between samples too far apart."""
        return [
            (earlier.monotonic_s, later.monotonic_s)
            for earlier, later in zip(self.around, self.around[1:])
            if later.monotonic_s - earlier.monotonic_s
            > GAP_INTERVALS * max(earlier.interval_s, later.interval_s)
        ]

    def _interval_s(self):
        return max([each.interval_s for each in self.around] or [1.0])
