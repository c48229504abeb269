"""Counters that wrap around or begin anew, made into increases."""

# No rail of a machine that this program measures draws more; a difference that would need it is no wrap, but a reset.
MOST_WATTS = 2000.0


def increase(values):
    """Return (how much a counter of events rose, how often it began anew), (None, 0) for fewer than two values.

    values: in order of time, None where unknown. After a reset at least what
    is counted now has happened.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None, 0
    total, resets = 0, 0
    for earlier, later in zip(known, known[1:]):
        if later >= earlier:
            total += later - earlier
        else:
            total += later
            resets += 1
    return total, resets


def energy_steps(points, highest_j=None):
    """Return [(from_s, to_s, joules)] for the readings of an energy counter; what is not certain is left out.

    points: [(seconds, joules)] in order of time. highest_j: the value after
    which the counter begins at 0 again, None where it never does. Left out are
    steps over a reset, and steps so long that the counter could have gone
    round unseen.
    """
    steps = []
    for (from_s, earlier), (to_s, later) in zip(points, points[1:]):
        taken_s = to_s - from_s
        if taken_s <= 0 or (highest_j and taken_s * MOST_WATTS > highest_j):
            continue
        joules = later - earlier
        if joules < 0 and highest_j:
            joules += highest_j
        if 0 <= joules <= taken_s * MOST_WATTS:
            steps.append((from_s, to_s, joules))
    return steps


def power_steps(points, longest_s):
    """Return [(from_s, to_s, joules)] for readings of power, by the trapezoid between two of them.

    points: [(seconds, watts)] in order of time. longest_s: readings further
    apart tell nothing of what was between them.
    """
    steps = []
    for (from_s, earlier), (to_s, later) in zip(points, points[1:]):
        if 0 < to_s - from_s <= longest_s:
            steps.append((from_s, to_s, (earlier + later) / 2.0 * (to_s - from_s)))
    return steps


def within(steps, start_s, end_s):
    """Return (joules, seconds covered) of the steps between two moments, cut steps by their share."""
    joules, covered_s = 0.0, 0.0
    for from_s, to_s, step_j in steps:
        shared_s = min(to_s, end_s) - max(from_s, start_s)
        if shared_s > 0:
            joules += step_j * shared_s / (to_s - from_s)
            covered_s += shared_s
    return joules, covered_s
