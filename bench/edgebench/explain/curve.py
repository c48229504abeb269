"""Fits the time of a step over the size of its batch: what every step takes, and what every sample adds.

Three forms, the simplest that fits: a line; a line that begins where the device
is full, level before (a GPU computes 8 samples in the time of one); two lines
that meet, where a cache or a second thread changes the cost of a sample. Errors
count relative to the time, so that the small batches, which tell the overhead,
weigh as much as the large ones.
"""

from collections import namedtuple

from edgebench.errors import EdgebenchError

HOLDS_WITHIN = 0.15
_GOOD = 0.05
_LEAST_POINTS = 3

Curve = namedtuple("Curve", "form overhead_s per_sample_s knee_batch beyond_s_per_sample worst_residual")
Curve.__doc__ = """The time of a step over its batch.

form: "linear", "saturating" or "two lines". overhead_s: what a step takes
whatever its batch. per_sample_s: what each sample adds, up to the knee where
there is one (0 for "saturating"). knee_batch: where the second line begins,
None for "linear". beyond_s_per_sample: what a sample adds beyond the knee, None
likewise. worst_residual: the largest |fitted / measured - 1| of the points.
"""


def fit(points):
    """Return the Curve of ``points``, [(batch, seconds)] of different batches.

    The more complicated forms are taken only where the line is off by more than
    5 % somewhere and they halve its worst residual. Raises EdgebenchError for
    fewer than three points, or times that are not above 0.
    """
    points = sorted((float(batch), float(seconds)) for batch, seconds in points)
    if len({batch for batch, _ in points}) < _LEAST_POINTS or min(seconds for _, seconds in points) <= 0:
        raise EdgebenchError(
            "The fit needs times above 0 of at least {} batch sizes, not {!r}".format(_LEAST_POINTS, points),
            "points-unfittable",
        )
    line = _judged(_linear(points), points)
    if line.worst_residual <= _GOOD:
        return line
    others = [_judged(each, points) for each in _saturating(points) + _two_lines(points)]
    best = min(others, key=lambda curve: curve.worst_residual) if others else line
    return best if best.worst_residual < line.worst_residual / 2 else line


def at(curve, batch):
    """Return the seconds of a step of ``batch`` samples."""
    if curve.knee_batch is None or batch <= curve.knee_batch:
        return curve.overhead_s + curve.per_sample_s * batch
    knee_s = curve.overhead_s + curve.per_sample_s * curve.knee_batch
    return knee_s + curve.beyond_s_per_sample * (batch - curve.knee_batch)


def holds(curve):
    """Return whether the curve goes through its points within 15 %."""
    return curve.worst_residual <= HOLDS_WITHIN


def _judged(curve, points):
    worst = max(abs(at(curve, batch) / seconds - 1) for batch, seconds in points)
    return curve._replace(worst_residual=worst)


def _linear(points):
    overhead_s, per_sample_s = _line(points)
    return Curve("linear", overhead_s, per_sample_s, None, None, None)


def _line(points, is_first=True):
    """Return (intercept, slope) by least squares of relative errors, neither below 0.

    is_first: whether the line begins at no samples; one that begins later may
    point below 0 there.
    """
    weights = [1 / seconds**2 for _, seconds in points]
    total = sum(weights)
    mean_b = sum(w * b for w, (b, _) in zip(weights, points)) / total
    mean_s = sum(w * s for w, (_, s) in zip(weights, points)) / total
    across = sum(w * (b - mean_b) * (s - mean_s) for w, (b, s) in zip(weights, points))
    along = sum(w * (b - mean_b) ** 2 for w, (b, _) in zip(weights, points))
    slope = across / along
    intercept = mean_s - slope * mean_b
    if slope < 0:
        return mean_s, 0.0
    if intercept < 0 and is_first:
        through_zero = sum(w * b * s for w, (b, s) in zip(weights, points))
        return 0.0, through_zero / sum(w * b * b for w, (b, _) in zip(weights, points))
    return intercept, slope


def _saturating(points):
    """Return a Curve for each number of first points that may be level; two have to be left for the line."""
    found = []
    for level in range(2, len(points) - 1):
        weights = [1 / seconds**2 for _, seconds in points[:level]]
        floor_s = sum(w * s for w, (_, s) in zip(weights, points)) / sum(weights)
        intercept, slope = _line(points[level:], is_first=False)
        if slope > 0:
            knee = (floor_s - intercept) / slope
            if points[0][0] <= knee <= points[level][0]:
                found.append(Curve("saturating", floor_s, 0.0, knee, slope, None))
    return found


def _two_lines(points):
    """Return a Curve for each way to give either line two points or more, of five at least."""
    if len(points) < _LEAST_POINTS + 2:
        return []
    found = []
    for count in range(2, len(points) - 1):
        intercept, slope = _line(points[:count])
        beyond_intercept, beyond = _line(points[count:], is_first=False)
        if slope == beyond:
            continue
        knee = (beyond_intercept - intercept) / (slope - beyond)
        if points[count - 1][0] <= knee <= points[count][0]:
            found.append(Curve("two lines", intercept, slope, knee, beyond, None))
    return found
