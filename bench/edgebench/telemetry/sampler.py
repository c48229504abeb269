"""The process that samples: asks all sources at an interval and writes the series, until its standard input ends.

It reads one line of JSON, ``{"path": …, "interval_s": …, "pid": …, "meters":
[…], "root": …}``, answers ``ready`` once the first sample is on the disk, or
one line that says why there is none, and ends when whoever started it closes
its standard input or dies. It imports nothing but the standard library, runs at
low priority and measures itself: each sample holds the CPU seconds it has used.
"""

import gc
import json
import os
import select
import sys
import time

from edgebench import memory
from edgebench.telemetry import series, sources
from edgebench.telemetry.tree import Tree

INTERVAL_S = 1.0
NICENESS = 10
# Of one core; a board that needs more for a sample is asked less often.
BUDGET = 0.005
LONGEST_INTERVAL_S = 10.0
_SMOOTHING = 0.2
# Between reading the two clocks nothing else may happen, or they seem to jump.
_CLOCKS_APART_S = 0.002
_CLOCK_TRIES = 5


class Sampler:
    """Takes samples of ``found`` (list of sources.Source); the first costs most and is left out of the budget."""

    def __init__(self, found, interval_s):
        self.found = found
        self.usual_interval_s = interval_s
        self.interval_s = interval_s
        self._due_s = [0.0] * len(found)
        self._cost_s = None

    def sample(self):
        """Return a series.Sample of now."""
        began_s = time.process_time()
        monotonic_s, utc_s = clocks()
        values = []
        for index, source in enumerate(self.found):
            if monotonic_s >= self._due_s[index]:
                self._due_s[index] = monotonic_s + source.every_s
                values += source.read()
            else:
                values += [None] * len(source.quantities)
        interval_s = self.interval_s
        cpu_s = time.process_time()
        self._adapt(cpu_s - began_s)
        return series.Sample(monotonic_s, utc_s, cpu_s, interval_s, values)

    def close(self):
        """Close all sources."""
        for source in self.found:
            source.close()

    def _adapt(self, cost_s):
        if self._cost_s is None:
            self._cost_s = 0.0
            return
        self._cost_s += _SMOOTHING * (cost_s - self._cost_s)
        self.interval_s = min(max(self.usual_interval_s, self._cost_s / BUDGET), LONGEST_INTERVAL_S)
        if self.interval_s <= self.usual_interval_s:
            self.interval_s = self.usual_interval_s


def clocks():
    """Return (monotonic seconds, seconds since 1970) of one moment."""
    for _ in range(_CLOCK_TRIES):
        before_s, utc_s, after_s = time.monotonic(), time.time(), time.monotonic()
        if after_s - before_s < _CLOCKS_APART_S:
            break
    return before_s, utc_s


def main():
    """Do the job on standard input; the exit code is 0 also where there was nothing to do, and the answer says so."""
    job = json.loads(sys.stdin.readline())
    try:
        os.nice(NICENESS)
    except OSError:
        pass
    try:
        writer = series.Writer(job["path"])
    except OSError as error:
        _answer("the series cannot be written: {}".format(error))
        return 0
    found, absent = sources.find(Tree(job.get("root") or "/"), job.get("pid"), job.get("meters") or ())
    sampler = Sampler(found, job.get("interval_s") or INTERVAL_S)
    # Nothing here makes cycles, and a collection would come at some benchmark's cost.
    gc.disable()
    reason = None
    try:
        monotonic_s, utc_s = clocks()
        writer.header(sampler.usual_interval_s, monotonic_s, utc_s, found, absent)
        writer.sample(sampler.sample(), sampler.usual_interval_s)
        _answer("ready")
        _until_told(sampler, writer)
        writer.sample(sampler.sample(), sampler.usual_interval_s)
    except Exception as error:  # noqa: BLE001 - whatever it is, the benchmark goes on and the series says it
        reason = "{}: {}".format(type(error).__name__, error)
    sampler.close()
    writer.end(reason, memory.peak_bytes())
    return 0


def _until_told(sampler, writer):
    next_s = time.monotonic() + sampler.interval_s
    while True:
        left_s = next_s - time.monotonic()
        if left_s > 0:
            if select.select([0], [], [], left_s)[0] and not os.read(0, 4096):
                return
            continue
        sample = sampler.sample()
        writer.sample(sample, sampler.usual_interval_s)
        # What was missed is missed: catching up would only make a busy host busier.
        missed = (time.monotonic() - next_s) // sampler.interval_s
        next_s += (missed + 1) * sampler.interval_s


def _answer(text):
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main())
