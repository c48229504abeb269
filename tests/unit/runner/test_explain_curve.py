"""The fit of a step's time over its batch: what it finds in made-up times, and when it says that it does not hold."""

import random

import pytest
from edgebench.errors import EdgebenchError
from edgebench.explain import curve
from hypothesis import given
from hypothesis import strategies as st

SIZES = (16, 32, 64, 128, 256, 512)


@given(overhead_us=st.floats(0, 1e5), sample_us=st.floats(0.01, 1e4))
def test_a_line_is_found_again(overhead_us: float, sample_us: float) -> None:
    found = curve.fit([(size, overhead_us + sample_us * size) for size in SIZES])
    assert found.form == "linear"
    assert found.overhead_s == pytest.approx(overhead_us, rel=1e-6, abs=1e-6 * sample_us * SIZES[-1])
    assert found.per_sample_s == pytest.approx(sample_us, rel=1e-6, abs=1e-6 * overhead_us)
    assert curve.holds(found)
    assert curve.at(found, 384) == pytest.approx(overhead_us + 384 * sample_us, rel=1e-6)


def test_noise_of_a_few_percent_leaves_a_line_a_line() -> None:
    noise = random.Random(3)
    for _ in range(200):
        points = [(size, (2e-3 + 2e-5 * size) * noise.uniform(0.97, 1.03)) for size in SIZES]
        found = curve.fit(points)
        assert found.form == "linear"
        assert found.overhead_s == pytest.approx(2e-3, rel=0.1)
        assert curve.at(found, 192) == pytest.approx(2e-3 + 2e-5 * 192, rel=0.05)


def test_a_device_that_fills_up_is_level_first() -> None:
    def seconds(size: int) -> float:
        return max(1e-3, 1e-5 * size)

    found = curve.fit([(size, seconds(size)) for size in SIZES])
    assert found.form == "saturating"
    assert found.overhead_s == pytest.approx(1e-3)
    assert found.knee_batch == pytest.approx(100)
    assert found.beyond_s_per_sample == pytest.approx(1e-5)
    for size in (24, 90, 110, 400, 1000):
        assert curve.at(found, size) == pytest.approx(seconds(size))


@pytest.mark.parametrize("beyond", [5e-6, 8e-5])
def test_two_lines_meet_where_the_cost_of_a_sample_changes(beyond: float) -> None:
    def seconds(size: int) -> float:
        return 1e-3 + 2e-5 * min(size, 100) + beyond * max(0, size - 100)

    found = curve.fit([(size, seconds(size)) for size in SIZES])
    assert found.form == "two lines"
    assert found.overhead_s == pytest.approx(1e-3, rel=0.01)
    assert found.per_sample_s == pytest.approx(2e-5, rel=0.01)
    assert found.knee_batch == pytest.approx(100, rel=0.02)
    assert curve.at(found, 384) == pytest.approx(seconds(384), rel=0.01)


def test_times_that_follow_nothing_do_not_hold() -> None:
    noise = random.Random(5)
    held = 0
    for _ in range(100):
        points = [(size, noise.uniform(1e-3, 9e-3)) for size in SIZES]
        found = curve.fit(points)
        worst = max(abs(curve.at(found, size) / seconds - 1) for size, seconds in points)
        assert found.worst_residual == pytest.approx(worst)
        held += curve.holds(found)
    assert held <= 3


def test_neither_overhead_nor_the_cost_of_a_sample_is_below_0() -> None:
    falling = curve.fit([(1, 4.0), (2, 3.9), (4, 4.1), (8, 3.6)])
    assert (falling.form, falling.per_sample_s) == ("linear", 0.0)
    assert falling.overhead_s == pytest.approx(3.9, rel=0.02)
    growing = curve.fit([(10, 0.9), (20, 2.0), (40, 4.1), (80, 8.2)])
    assert (growing.form, growing.overhead_s) == ("linear", 0.0)
    assert growing.per_sample_s == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    "points", [[], [(1, 1.0), (2, 2.0)], [(1, 1.0), (1, 1.1), (2, 2.0)], [(1, 1.0), (2, 0.0), (4, 2.0)]]
)
def test_too_little_to_fit_is_said(points: list[tuple[int, float]]) -> None:
    with pytest.raises(EdgebenchError, match=r"\b3\b") as caught:
        curve.fit(points)
    assert caught.value.code == "points-unfittable"
