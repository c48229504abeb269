"""Windows of inferences on the real clock."""

import gc
import time
from types import SimpleNamespace

import numpy
import pytest
from edgebench.kws import timing
from edgebench.kws.timing import Window


class Engine:
    """Takes ``inference_s`` for an inference, the first ``slow`` of them ten times as long."""

    def __init__(self, inference_s: float, slow: int = 0) -> None:
        self.inference_s = inference_s
        self.slow = slow
        self.count = 0
        self.collected_during = False

    def invoke(self) -> None:
        self.count += 1
        self.collected_during |= gc.isenabled() and self.count > 1000
        until = time.perf_counter() + self.inference_s * (10 if self.count <= self.slow else 1)
        while time.perf_counter() < until:
            pass


def test_each_window_lasts_and_its_latencies_fill_it() -> None:
    engine = Engine(0.0002)
    measured = timing.measure(engine, 3, 0.2)
    assert len(measured.windows) == 3
    assert all(each.wall_s >= 0.2 for each in measured.windows)
    assert measured.samples == sum(each.inferences for each in measured.windows)
    # Nothing but inferences lies between the first and the last reading of the clock.
    total_s = sum(each.wall_s for each in measured.windows)
    assert measured.mean_us * measured.samples == pytest.approx(total_s * 1e6, rel=1e-6)
    percentiles = measured.percentiles_us
    assert len(percentiles) == 101
    assert percentiles == sorted(percentiles)
    assert percentiles[0] >= 200
    assert measured.jitter_us >= 0


def test_a_faster_machine_gets_more_inferences(monkeypatch: pytest.MonkeyPatch) -> None:
    def calibrated(inference_s: float) -> int:
        # On a clock of its own: on the real one, a busy machine looks slow.
        times = [0.0]
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: times[-1]))
        count: int = timing.calibrated(lambda: times.append(times[-1] + inference_s), 0.5, 10)
        return count

    slow, fast = calibrated(0.004), calibrated(0.0004)
    assert fast == pytest.approx(10 * slow, rel=0.5)
    assert slow == pytest.approx(0.5 / 0.004, rel=0.5)


def test_a_slow_engine_does_the_least_number_of_inferences() -> None:
    measured = timing.measure(Engine(0.01), 1, 0.02, min_inferences=10, warmup=0)
    assert measured.windows[0].inferences >= 10


def test_a_window_that_was_calibrated_too_short_is_carried_on() -> None:
    engine = Engine(0.0001)
    # As calibrated by a machine that was ten times as slow, and then even slower than it aimed at.
    window, latencies_s = timing._window(engine.invoke, 20, 0.05)
    assert window.wall_s >= 0.05
    assert window.inferences == len(latencies_s) == engine.count > 20
    assert latencies_s.min() >= 0.0001
    assert latencies_s.sum() == pytest.approx(window.wall_s)


def test_warm_up_comes_before_what_is_counted() -> None:
    engine = Engine(0.0005, slow=7)
    measured = timing.measure(engine, 1, 0.1, warmup=7)
    assert measured.percentiles_us[50] < 2500
    assert measured.warmup_s >= 7 * 0.005


def test_nothing_is_collected_within_a_window_and_again_afterwards() -> None:
    engine = Engine(0.0)
    seen = []
    timing._window(lambda: seen.append(gc.isenabled()), 5, 0.0)
    assert seen == [False] * 5
    assert gc.isenabled()
    assert not engine.collected_during


def test_windows_are_told_before_and_after_each() -> None:
    told: list[int] = []
    timing.measure(Engine(0.0001), 3, 0.01, on_window=told.append)
    assert told == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([Window(10, 10.0)] * 5, True),
        ([Window(10, 10.0), Window(9, 11.0)], False),
        ([Window(1000, 9.99)], False),
        ([], False),
    ],
)
def test_valid_windows_are_ten_seconds_and_ten_inferences(windows: list[Window], expected: bool) -> None:
    assert timing.valid(windows) is expected


def test_percentiles_agree_with_the_latencies(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a clock of its own, which only inferences move.
    random = numpy.random.RandomState(3)
    now_s, took_us = [0.0], []
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: now_s[0]))

    def invoke() -> None:
        took_us.append(random.uniform(100, 1000))
        now_s[0] += took_us[-1] / 1e6

    measured = timing.measure(SimpleNamespace(invoke=invoke), 2, 0.3)
    own = numpy.percentile(took_us[-measured.samples :], range(101))
    assert measured.percentiles_us == pytest.approx(list(own))
    assert measured.mean_us == pytest.approx(numpy.mean(took_us[-measured.samples :]))
