"""Times inferences as MLPerf Tiny does: windows of at least 10 s of wall clock and at least 10 inferences each.

How many inferences fill a window is found out first, so that a fast machine
takes more of them. Only the engine's ``invoke`` lies between two readings of
the clock; memory for the readings is there before, and nothing is printed,
written or collected meanwhile.

Source: mlcommons/tiny, rules of the closed division (performance mode).
"""

import gc
import math
import time
from array import array
from collections import namedtuple

import numpy

VALID_WINDOW_S = 10.0
VALID_INFERENCES = 10
WARMUP = 10

Window = namedtuple("Window", "inferences wall_s")
Window.__doc__ = (
    """One window: how many inferences, and the seconds from the start of the first to the end of the last."""
)

Measured = namedtuple("Measured", "windows percentiles_us mean_us jitter_us samples warmup_s")
Measured.__doc__ = """windows: of Window; percentiles_us: the 0th to the 100th of all latencies, 101 values; mean_us,
jitter_us: their mean and standard deviation; samples: how many there were; warmup_s: what came before the windows."""

# A window that turns out too short is carried on; this much more is aimed at, so that few are.
_MARGIN = 1.03
# A guess from a shorter trial would rest on too few ticks of the clock.
_TRIAL_S = 0.5


def measure(engine, windows, window_s, min_inferences=VALID_INFERENCES, warmup=WARMUP, on_window=None):
    """Return the Measured of an Engine whose input is set.

    windows: how many, 1 or more. window_s, min_inferences: what each window
    reaches at least. warmup: inferences before anything is timed. on_window:
    called with the number of finished windows, before and after each.
    """
    invoke, clock = engine.invoke, time.perf_counter
    started = clock()
    for _ in range(warmup):
        invoke()
    aimed_at = calibrated(invoke, window_s, min_inferences)
    warmup_s = clock() - started
    on_window = on_window or (lambda done: None)
    on_window(0)
    done, latencies = [], []
    for number in range(windows):
        window, latencies_s = _window(invoke, aimed_at, window_s)
        done.append(window)
        latencies.append(latencies_s)
        aimed_at = max(aimed_at, window.inferences)
        on_window(number + 1)
    microseconds = numpy.concatenate(latencies) * 1e6
    return Measured(
        windows=done,
        percentiles_us=[float(each) for each in numpy.percentile(microseconds, range(101))],
        mean_us=float(microseconds.mean()),
        jitter_us=float(microseconds.std()),
        samples=len(microseconds),
        warmup_s=warmup_s,
    )


def calibrated(invoke, window_s, min_inferences):
    """Return how many inferences fill ``window_s`` seconds on this machine, ``min_inferences`` at least."""
    count, clock = 1, time.perf_counter
    trial_s = min(_TRIAL_S, window_s / 4.0)
    while True:
        started = clock()
        for _ in range(count):
            invoke()
        wall_s = clock() - started
        if wall_s >= trial_s:
            return max(min_inferences, math.ceil(_MARGIN * count * window_s / wall_s))
        count *= 2


def valid(windows):
    """Return whether all windows are long enough to count for MLPerf Tiny, and there is one."""
    return bool(windows) and all(
        each.wall_s >= VALID_WINDOW_S and each.inferences >= VALID_INFERENCES for each in windows
    )


def _window(invoke, count, window_s):
    """Return a Window of ``count`` inferences, carried on until it has lasted ``window_s``; and its latencies."""
    clock = time.perf_counter
    # Room for carrying on, where the machine has become up to twice as fast since it was calibrated.
    stamps = array("d", bytes(8 * (2 * count + 1)))
    collecting = gc.isenabled()
    gc.disable()
    try:
        first, last = 0, count
        stamps[0] = clock()
        while True:
            for index in range(first + 1, last + 1):
                invoke()
                stamps[index] = clock()
            wall_s = stamps[last] - stamps[0]
            if wall_s >= window_s:
                break
            first = last
            more = int(last * (window_s / wall_s - 1)) + 1
            last += more
            if last >= len(stamps):
                stamps.extend(array("d", bytes(8 * more)))
    finally:
        if collecting:
            gc.enable()
    return Window(last, wall_s), numpy.diff(numpy.frombuffer(stamps, numpy.float64)[: last + 1])
