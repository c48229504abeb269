"""What repeats of one measurement say, and how sure it is: medians, intervals, differences, drift.

Pure functions on numbers. Nothing is ever dropped: outliers are marked, and every result rests on all
values. What is too few to be told is told as such.

Why the percentile bootstrap, and not BCa: BCa estimates its acceleration by the jackknife, and the
jackknife is inconsistent for the median, which is no smooth function of the data (Efron, The Jackknife,
the Bootstrap and Other Resampling Plans, 1982, section 3.4; Shao & Wu, Annals of Statistics 17, 1989). The
percentile interval of a median is in essence the distribution-free interval of order statistics (Efron,
Annals of Statistics 7, 1979), follows every monotone change of scale, and so gives the ratio a/b and the
ratio b/a the same interval. What it cannot do with few values no interval can: of n values, the range
itself misses the true median with probability 2^(1-n).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
RESAMPLES = 9999
SEED = 20190802
OUTLIER_RULE = "modified z-score above 3.5 (Iglewicz & Hoaglin 1993)"
DRIFT_TEST = "Mann-Kendall trend test, slope by Theil-Sen"

_OUTLYING = 3.5
_FEWEST_FOR_OUTLIERS = 5
_EXACT_UP_TO = 50
# Makes the median absolute deviation of so few normal values unbiased (Croux & Rousseeuw 1992).
_SMALL_SAMPLE = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}

Array = npt.NDArray[np.float64]
Values = Sequence[float] | Array


class SampleError(ValueError):
    """Values that nothing can be computed from; ``code`` identifies what is wrong ("values-too-few")."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Interval:
    """A range for an unknown true value.

    ``confidence`` is what was asked for, ``coverage`` what so few values can give at the most.
    """

    low: float
    high: float
    confidence: float
    coverage: float

    def holds(self, value: float) -> bool:
        """Say whether ``value`` is in the interval, its ends included."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Description:
    """What there is of one quantity, in its unit: all ``values`` in the order given, and what they show.

    ``outliers`` are the positions in ``values`` that OUTLIER_RULE marks. ``interval`` is of the median, None of a
    single value.
    """

    values: tuple[float, ...]
    count: int
    median: float
    lower_quartile: float
    upper_quartile: float
    low: float
    high: float
    interval: Interval | None
    outliers: tuple[int, ...]

    @property
    def interquartile_range(self) -> float:
        """The width of the middle half, in the unit of the values."""
        return self.upper_quartile - self.lower_quartile


@dataclass(frozen=True)
class Difference:
    """One sample against another: the ratio of their medians, and whether that is a difference.

    ``verdict`` is "greater" or "less" (the first sample's median, and the interval of the ratio excludes 1),
    "none" (the interval holds 1: none could be told, which does not prove equality), or "too few" (no interval
    of so few values can be trusted; ``needed`` of each would do).
    """

    ratio: float
    interval: Interval
    verdict: str
    needed: int

    @property
    def told(self) -> bool:
        """Whether there is a difference."""
        return self.verdict in ("greater", "less")


@dataclass(frozen=True)
class Drift:
    """A trend over the repeats, by DRIFT_TEST.

    ``slope`` is in units of the values a step, ``relative_change`` what the slope makes of the whole series, as a
    ratio of its median (0.03: 3 % up from the first to the last), ``tau`` Kendall's, ``p_value`` two-sided.
    """

    slope: float
    relative_change: float
    tau: float
    p_value: float
    found: bool


@dataclass(frozen=True)
class Proportions:
    """Two accuracies, first minus second, with the interval of that; ``told`` where it excludes 0."""

    difference: float
    interval: Interval
    told: bool


def describe(values: Values, confidence: float = CONFIDENCE, seed: int = SEED) -> Description:
    """Summarise ``values`` (any unit, at least one).

    Quartiles are the median-unbiased ones, number 8 of Hyndman & Fan (The American Statistician 50, 1996).
    Raises ValueError for no values, or for one that is no finite number.
    """
    checked = _checked(values)
    lower, median, upper = np.quantile(checked, [0.25, 0.5, 0.75], method="median_unbiased")
    return Description(
        values=tuple(float(each) for each in checked),
        count=len(checked),
        median=float(median),
        lower_quartile=float(lower),
        upper_quartile=float(upper),
        low=float(checked.min()),
        high=float(checked.max()),
        interval=median_interval(checked, confidence, seed) if len(checked) > 1 else None,
        outliers=outliers(checked),
    )


def median_interval(values: Values, confidence: float = CONFIDENCE, seed: int = SEED) -> Interval:
    """Return the percentile bootstrap interval of the median of ``values``, at least two of them.

    The same values in any order give the same interval. Raises ValueError as ``describe`` does.
    """
    ordered = np.sort(_checked(values, fewest=2))
    medians = _resampled_medians(ordered, _generator(seed, 0))
    low, high = np.quantile(medians, _tails(confidence))
    return Interval(float(low), float(high), confidence, _coverage(confidence, len(ordered)))


def ratio_interval(
    first: Values, second: Values, confidence: float = CONFIDENCE, seed: int = SEED
) -> Interval:
    """Return the percentile bootstrap interval of median(first) / median(second), resampled independently.

    Exchanging the two gives the reciprocal interval. Raises ValueError unless each has two positive values.
    """
    ordered = [np.sort(_checked(each, fewest=2)) for each in (first, second)]
    if min(float(each[0]) for each in ordered) <= 0:
        worst = min(float(each[0]) for each in ordered)
        raise SampleError(f"a ratio of medians needs positive values, got {worst:g}", "values-not-positive")
    # The draws go with the samples and not with their places, so that both directions agree exactly.
    exchanged = ordered[1].tolist() < ordered[0].tolist()
    if exchanged:
        ordered.reverse()
    logs = [np.log(_resampled_medians(each, _generator(seed, place))) for place, each in enumerate(ordered)]
    low, high = (float(each) for each in np.quantile(logs[0] - logs[1], _tails(confidence)))
    if exchanged:
        low, high = -high, -low
    if ordered[0].tolist() == ordered[1].tolist():
        low, high = min(low, -high), max(high, -low)
    return Interval(
        math.exp(low), math.exp(high), confidence, min(_coverage(confidence, len(each)) for each in ordered)
    )


def difference(first: Values, second: Values, confidence: float = CONFIDENCE, seed: int = SEED) -> Difference:
    """Compare the medians of two samples of positive values, at least two each.

    A difference is called one only where the interval of the ratio excludes 1 and each sample has
    ``fewest(confidence)`` values. Raises ValueError as ``ratio_interval`` does.
    """
    interval = ratio_interval(first, second, confidence, seed)
    needed = fewest(confidence)
    ratio = float(np.median(first) / np.median(second))
    if min(len(first), len(second)) < needed:
        verdict = "too few"
    elif interval.low > 1:
        verdict = "greater"
    elif interval.high < 1:
        verdict = "less"
    else:
        verdict = "none"
    return Difference(ratio, interval, verdict, needed)


def fewest(confidence: float = CONFIDENCE) -> int:
    """Return how many values a sample needs before its interval may carry a verdict: 5 at 95 %.

    The widest interval of n values misses the true median with probability 2^(1-n); that may exceed what was
    allowed by a quarter, which takes in the five repeats of the 2019 report. Raises ValueError unless the
    confidence is between 0 and 1.
    """
    allowed = 1.25 * 2 * _tails(confidence)[0]
    return 1 + math.ceil(-math.log2(allowed) - 1e-9)


def outliers(values: Values) -> tuple[int, ...]:
    """Return the positions of values that OUTLIER_RULE marks; none among fewer than five values.

    The distance from the median in units of the median absolute deviation, scaled to the standard deviation of
    normal values, with the correction for few of them; where more than half are equal, in units of the mean
    absolute deviation, as Iglewicz & Hoaglin (How to Detect and Handle Outliers, 1993) have it.
    """
    checked = _checked(values)
    count = len(checked)
    if count < _FEWEST_FOR_OUTLIERS:
        return ()
    distances = np.abs(checked - np.median(checked))
    scale = 1.4826 * float(np.median(distances)) * _SMALL_SAMPLE.get(count, count / (count - 0.8))
    if scale == 0:
        scale = math.sqrt(math.pi / 2) * float(np.mean(distances))
    if scale == 0:
        return ()
    return tuple(int(each) for each in np.flatnonzero(distances > _OUTLYING * scale))


def drift(values: Values, steps: Values | None = None, alpha: float = 0.05) -> Drift:
    """Look for a monotone trend in ``values``, in the order they were measured, at least two.

    ``steps`` are the places of the values in time, rising; by default 0, 1, 2 …. The test is Mann's (Econometrica
    13, 1945) by Kendall's exact distribution, or with ties by the normal approximation with their correction; the
    slope is Sen's (Journal of the American Statistical Association 63, 1968). Fewer than five values can show no
    trend at 5 %. Who tests many series finds a trend in ``alpha`` of those that have none. Raises ValueError as
    ``describe`` does, or for steps that do not rise.
    """
    checked = _checked(values, fewest=2)
    places = np.arange(len(checked), dtype=np.float64) if steps is None else _checked(steps)
    if len(places) != len(checked) or np.any(np.diff(places) <= 0):
        raise SampleError("expected rising steps, one for each value", "steps-not-rising")
    later, earlier = np.tril_indices(len(checked), -1)
    rises = checked[later] - checked[earlier]
    score = int(np.sign(rises).sum())
    slope = float(np.median(rises / (places[later] - places[earlier])))
    p_value = _kendall_p(score, checked)
    middle = abs(float(np.median(checked)))
    change = slope * float(places[-1] - places[0])
    return Drift(
        slope=slope,
        relative_change=change / middle if middle else math.copysign(math.inf, change) if change else 0.0,
        tau=score / len(rises),
        p_value=p_value,
        found=p_value <= alpha,
    )


def wilson(correct: float, samples: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the score interval of an accuracy: ``correct`` of ``samples`` test samples, as ratios 0..1.

    Wilson (Journal of the American Statistical Association 22, 1927); Brown, Cai & DasGupta (Statistical Science
    16, 2001) recommend it. ``correct`` may be a fraction, as a median of repeats is. It says how far another test
    set of this size could give another accuracy; more repeats of the training do not narrow it. Raises
    ValueError unless 0 <= correct <= samples and samples > 0.
    """
    if samples <= 0 or not 0 <= correct <= samples:
        raise SampleError(f"{correct} of {samples} samples is not an accuracy", "accuracy-out-of-range")
    z = NormalDist().inv_cdf(_tails(confidence)[1])
    share = correct / samples
    middle = (share + z * z / (2 * samples)) / (1 + z * z / samples)
    reach = z / (1 + z * z / samples) * math.sqrt(share * (1 - share) / samples + (z / (2 * samples)) ** 2)
    low = 0.0 if correct == 0 else max(0.0, middle - reach)
    high = 1.0 if correct == samples else min(1.0, middle + reach)
    return Interval(low, high, confidence, confidence)


def accuracy_difference(
    first: float, first_samples: int, second: float, second_samples: int, confidence: float = CONFIDENCE
) -> Proportions:
    """Compare two accuracies (ratios 0..1) by the number of test samples of each.

    The interval is the hybrid score interval, method 10 of Newcombe (Statistics in Medicine 17, 1998), for
    independent test sets. On the same test set it is wider than need be: a difference that it tells is one.
    Raises ValueError as ``wilson`` does.
    """
    one = wilson(first * first_samples, first_samples, confidence)
    other = wilson(second * second_samples, second_samples, confidence)
    gap = first - second
    interval = Interval(
        gap - math.hypot(first - one.low, other.high - second),
        gap + math.hypot(one.high - first, second - other.low),
        confidence,
        confidence,
    )
    return Proportions(gap, interval, not interval.holds(0.0))


def _checked(values: Values, fewest: int = 1) -> Array:
    checked = np.asarray(values, dtype=np.float64)
    if checked.ndim != 1 or len(checked) < fewest:
        said = f"expected {fewest} or more values in one row, got shape {checked.shape}"
        raise SampleError(said, "values-too-few")
    if not np.all(np.isfinite(checked)):
        said = f"not a finite number: {checked[~np.isfinite(checked)][0]}; leave missing values out"
        raise SampleError(said, "value-not-finite")
    return checked


def _tails(confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise SampleError(
            f"expected a confidence between 0 and 1, got {confidence}", "confidence-out-of-range"
        )
    return (1 - confidence) / 2, (1 + confidence) / 2


def _coverage(confidence: float, count: int) -> float:
    return min(confidence, 1 - 2.0 ** (1 - count))


def _generator(seed: int, place: int) -> np.random.Generator:
    return np.random.default_rng([seed, place])


def _resampled_medians(ordered: Array, generator: np.random.Generator) -> Array:
    """Draw medians of resamples of ``ordered`` (sorted), without drawing the resamples.

    An index drawn with replacement is floor(n U), U uniform; so the median of a resample stands at floor(n V),
    V the middle one of n ordered uniforms, which follows a beta distribution. With an even n the next one
    above is the least of the n/2 that remain.
    """
    count = len(ordered)
    below = (count + 1) // 2
    middle = generator.beta(below, count + 1 - below, RESAMPLES)
    lower = ordered[_places(middle, count)]
    if count % 2:
        return lower
    following = middle + (1 - middle) * generator.beta(1, count - below, RESAMPLES)
    upper = ordered[_places(following, count)]
    # Not (lower + upper) / 2, which may round to a value outside of the two.
    return np.asarray(lower + (upper - lower) / 2)


def _places(uniforms: Array, count: int) -> npt.NDArray[np.intp]:
    return np.minimum((uniforms * count).astype(np.intp), count - 1)


def _kendall_p(score: int, values: Array) -> float:
    """Return the two-sided probability of a Kendall score as far from 0 when there is no trend."""
    count = len(values)
    ties = np.unique(values, return_counts=True)[1]
    if ties.max() == 1 and count <= _EXACT_UP_TO:
        return _exact_kendall_p(abs(score), count)
    terms = ties * (ties - 1) * (2 * ties + 5)
    variance = (count * (count - 1) * (2 * count + 5) - float(terms.sum())) / 18
    if variance <= 0 or score == 0:
        return 1.0
    return 2 * NormalDist().cdf(-(abs(score) - 1) / math.sqrt(variance))


def _exact_kendall_p(score: int, count: int) -> float:
    # Shares of the permutations by their number of inversions, grown value by value; the score is the number of
    # pairs less twice that of the inversions.
    shares = np.ones(1)
    for size in range(2, count + 1):
        shares = np.convolve(shares, np.full(size, 1 / size))
    pairs = count * (count - 1) // 2
    inversions = (pairs - score) // 2
    return min(1.0, 2 * float(shares[: inversions + 1].sum())) if score else 1.0
