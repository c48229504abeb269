"""Statistics: what the intervals promise is held against simulation, and against what must not matter."""

import itertools
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from edgebench_report import statistics as st
from hypothesis import given, settings
from hypothesis import strategies as some

Draw = Callable[[np.random.Generator, int], "np.ndarray[tuple[int], np.dtype[np.float64]]"]

DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda chance, count: chance.normal(10, 0.3, count), 10.0),
    "lognormal": (lambda chance, count: chance.lognormal(0, 0.3, count), 1.0),
    "skewed": (lambda chance, count: 1 + chance.exponential(0.1, count), 1 + 0.1 * math.log(2)),
}
# Other work on the machine must not fail a test.
UNHURRIED = settings(deadline=None)
positive = some.lists(some.floats(0.001, 1e6), min_size=2, max_size=30)
numbers = some.lists(some.floats(-1e6, 1e6), min_size=2, max_size=30)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize(("count", "at_least"), [(3, 0.72), (5, 0.905), (6, 0.91), (10, 0.905), (25, 0.91)])
def test_the_interval_of_a_median_covers_the_true_one(distribution: str, count: int, at_least: float) -> None:
    draw, true = DISTRIBUTIONS[distribution]
    chance = np.random.default_rng(7)

    covered = [st.median_interval(draw(chance, count)).holds(true) for _ in range(500)]

    assert at_least <= np.mean(covered) <= 0.99
    assert np.mean(covered) <= st.median_interval(draw(chance, count)).coverage + 0.05


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("counts", [(5, 5), (5, 10), (10, 10), (20, 7)])
def test_equal_samples_are_called_different_at_most_once_in_twenty(
    distribution: str, counts: tuple[int, int]
) -> None:
    draw, _ = DISTRIBUTIONS[distribution]
    chance = np.random.default_rng(11)

    told = [st.difference(draw(chance, counts[0]), draw(chance, counts[1])).told for _ in range(500)]

    assert 0.01 <= np.mean(told) <= 0.06


def test_a_real_difference_is_told_with_its_direction_and_size() -> None:
    chance = np.random.default_rng(3)
    slow = chance.normal(11, 0.2, 5)
    fast = chance.normal(10, 0.2, 5)

    found = st.difference(slow, fast)

    assert found.verdict == "greater"
    assert found.interval.holds(1.1)
    assert st.difference(fast, slow).verdict == "less"


def test_three_repeats_can_tell_no_difference_however_far_apart() -> None:
    found = st.difference([1.0, 1.1, 1.2], [9.0, 9.1, 9.2])

    assert (found.verdict, found.told, found.needed) == ("too few", False, 5)
    assert found.interval.high < 1


@pytest.mark.parametrize(("confidence", "needed"), [(0.8, 3), (0.9, 4), (0.95, 5), (0.99, 8)])
def test_more_confidence_needs_more_values(confidence: float, needed: int) -> None:
    assert st.fewest(confidence) == needed


@UNHURRIED
@given(positive, positive)
def test_the_ratio_the_other_way_round_has_the_reciprocal_interval(
    first: list[float], second: list[float]
) -> None:
    there, back = st.ratio_interval(first, second), st.ratio_interval(second, first)

    assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low))


@UNHURRIED
@given(positive, some.randoms(use_true_random=False), some.floats(0.01, 100))
def test_order_and_unit_do_not_matter(values: list[float], chance: object, unit: float) -> None:
    shuffled = list(values)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    plain, scaled = st.median_interval(values), st.median_interval([each * unit for each in shuffled])

    assert (scaled.low, scaled.high) == pytest.approx((plain.low * unit, plain.high * unit))
    other = [1.0, 2.0, 4.0]
    ratio = st.ratio_interval([each * unit for each in shuffled], [each * unit for each in other])
    plain_ratio = st.ratio_interval(values, other)
    assert (ratio.low, ratio.high) == pytest.approx((plain_ratio.low, plain_ratio.high))


@UNHURRIED
@given(numbers)
def test_a_description_keeps_every_value_and_its_parts_are_in_order(values: list[float]) -> None:
    found = st.describe(values)

    assert list(found.values) == values
    assert found.count == len(values)
    assert found.median == pytest.approx(float(np.median(values)))
    tolerance = 1e-9 * max(1.0, *(abs(each) for each in values))
    parts = [found.low, found.lower_quartile, found.median, found.upper_quartile, found.high]
    assert all(low <= high + tolerance for low, high in itertools.pairwise(parts))
    assert found.interval is not None
    assert found.low - tolerance <= found.interval.low <= found.interval.high <= found.high + tolerance


def test_one_value_has_no_interval() -> None:
    found = st.describe([3.0])

    assert (found.median, found.interval, found.outliers, found.interquartile_range) == (3.0, None, (), 0.0)


def test_the_short_way_to_resampled_medians_is_the_long_one() -> None:
    for values in (np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])):
        chance = np.random.default_rng(5)
        long_way = np.median(values[chance.integers(0, len(values), (20000, len(values)))], axis=1)
        short_way = st._resampled_medians(values, np.random.default_rng(6))

        for each in np.unique(long_way):
            assert np.mean(short_way <= each) == pytest.approx(np.mean(long_way <= each), abs=0.02)


def test_seeds_are_heeded_and_results_repeatable() -> None:
    values = list(np.random.default_rng(1).normal(10, 1, 40))

    assert st.median_interval(values) == st.median_interval(values)
    assert len({st.median_interval(values, seed=each) for each in range(30)}) > 1


@pytest.mark.parametrize(
    ("values", "marked"),
    [
        ([10.0, 10.1, 9.9, 10.05, 19.0], (4,)),
        ([10.0, 10.1, 9.9, 10.05, 10.2], ()),
        ([5.0, 5.0, 5.0, 5.0, 5.0], ()),
        ([5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 9.0], (7,)),
        ([1.0, 1.0, 100.0], ()),
    ],
)
def test_outliers_are_marked(values: list[float], marked: tuple[int, ...]) -> None:
    assert st.outliers(values) == marked
    assert len(st.describe(values).values) == len(values)


@pytest.mark.parametrize(("count", "at_most"), [(5, 0.05), (10, 0.02), (30, 0.005), (200, 0.002)])
def test_few_normal_values_are_marked_as_outliers(count: int, at_most: float) -> None:
    chance = np.random.default_rng(2)

    assert np.mean([len(st.outliers(chance.normal(size=count))) / count for _ in range(3000)]) <= at_most


def test_drift_of_a_series_that_warms_up() -> None:
    found = st.drift([10.0, 10.2, 10.3, 10.5, 10.6])

    assert found.found
    assert found.p_value == pytest.approx(2 / math.factorial(5))
    assert found.tau == 1
    assert found.slope == pytest.approx(0.15, abs=0.01)
    assert found.relative_change == pytest.approx(0.06, abs=0.005)


def test_the_exact_probability_is_that_of_all_orders() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0]

    def score(order: tuple[float, ...]) -> int:
        return sum((b > a) - (b < a) for a, b in itertools.combinations(order, 2))

    scores = [score(each) for each in itertools.permutations(values)]
    for order in ([2.0, 1.0, 4.0, 8.0, 16.0], [1.0, 8.0, 2.0, 16.0, 4.0], [16.0, 8.0, 4.0, 2.0, 1.0]):
        as_far = np.mean([abs(each) >= abs(score(tuple(order))) for each in scores])
        assert st.drift(order).p_value == pytest.approx(as_far)


def test_ties_count_as_no_trend() -> None:
    assert st.drift([5.0] * 8).p_value == 1.0
    assert st.drift([5.0] * 8).relative_change == 0.0
    # The textbook formula with one pair of ties, S = 20 less 1 for continuity.
    tied = [1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    variance = (7 * 6 * 19 - 2 * 1 * 9) / 18
    assert st.drift(tied).p_value == pytest.approx(math.erfc(19 / math.sqrt(variance) / math.sqrt(2)))


@pytest.mark.parametrize("count", [5, 8, 30, 60])
def test_drift_is_found_in_noise_no_more_often_than_it_may(count: int) -> None:
    chance = np.random.default_rng(4)

    assert np.mean([st.drift(chance.normal(10, 1, count)).found for _ in range(2000)]) <= 0.065


@UNHURRIED
@given(some.lists(some.integers(-1000, 1000), min_size=2, max_size=25))
def test_a_series_backwards_drifts_the_other_way(values: list[int]) -> None:
    there, back = st.drift(values), st.drift(values[::-1])

    assert (there.slope, there.tau, there.p_value) == pytest.approx((-back.slope, -back.tau, back.p_value))


def test_steps_in_time_change_the_slope_not_the_test() -> None:
    values = [1.0, 2.0, 3.0, 5.0]
    hourly = st.drift(values, [0.0, 3600.0, 7200.0, 10800.0])

    assert hourly.p_value == st.drift(values).p_value
    assert hourly.relative_change == pytest.approx(st.drift(values).relative_change)
    with pytest.raises(st.SampleError) as caught:
        st.drift(values, [0.0, 1.0, 1.0, 2.0])
    assert caught.value.code == "steps-not-rising"


@pytest.mark.parametrize(
    ("correct", "samples", "low", "high"),
    # From Newcombe, Statistics in Medicine 17 (1998) 857, table I, score method without continuity correction.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(correct: int, samples: int, low: float, high: float) -> None:
    found = st.wilson(correct, samples)

    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_wilson_covers(share: float) -> None:
    chance = np.random.default_rng(9)

    covered = np.mean(
        [st.wilson(int(each), 1000).holds(share) for each in chance.binomial(1000, share, 3000)]
    )

    assert 0.93 <= covered <= 0.97


def test_the_difference_of_two_accuracies_as_published() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10: 56/70 less 48/80.
    found = st.accuracy_difference(56 / 70, 70, 48 / 80, 80)

    assert found.told
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_two_mnist_accuracies_a_tenth_of_a_percent_apart_are_not_told_apart() -> None:
    assert not st.accuracy_difference(0.980, 10000, 0.979, 10000).told


@UNHURRIED
@given(some.integers(1, 2000), some.floats(0, 1))
def test_intervals_of_accuracies_hold_them_and_stay_ratios(samples: int, share: float) -> None:
    found = st.wilson(share * samples, samples)

    assert 0 <= found.low <= share + 1e-9
    assert share - 1e-9 <= found.high <= 1


@pytest.mark.parametrize(
    ("call", "code", "numbers"),
    [
        (lambda: st.describe([]), "values-too-few", ["1", "0"]),
        (lambda: st.describe([1.0, math.nan]), "value-not-finite", ["nan"]),
        (lambda: st.median_interval([1.0]), "values-too-few", ["2", "1"]),
        (lambda: st.ratio_interval([1.0, 0.0], [1.0, 2.0]), "values-not-positive", ["0"]),
        (lambda: st.median_interval([1.0, 2.0], confidence=95), "confidence-out-of-range", ["0", "1", "95"]),
        (lambda: st.wilson(11, 10), "accuracy-out-of-range", ["11", "10"]),
        (lambda: st.wilson(0, 0), "accuracy-out-of-range", ["0", "0"]),
    ],
)
def test_what_cannot_be_computed_is_said(call: Callable[[], object], code: str, numbers: list[str]) -> None:
    with pytest.raises(st.SampleError) as caught:
        call()
    assert caught.value.code == code
    assert re.findall(r"\bnan\b|\d+", str(caught.value)) == numbers
