"""Counters that wrap or reset: what is reconstructed of them, for any course of events."""

import pytest
from edgebench.telemetry import counters
from hypothesis import example, given
from hypothesis import strategies as st

RANGE_J = 262143.32885
MICRO = 1e-6

# (seconds, watts) of successive intervals, as a machine would draw.
courses = st.lists(
    st.tuples(st.floats(0.2, 5.0), st.floats(0.0, 400.0)),
    min_size=1,
    max_size=60,
)


def readings(
    course: list[tuple[float, float]], start_j: float, range_j: float
) -> tuple[list[tuple[float, float]], float]:
    """Return the readings of a counter that goes round at ``range_j``, and the true energy."""
    now_s, total_j = 100.0, 0.0
    points = [(now_s, start_j % range_j)]
    for taken_s, watts in course:
        now_s += taken_s
        total_j += taken_s * watts
        points.append((now_s, (start_j + total_j) % range_j))
    return points, total_j


@given(courses, st.floats(0, RANGE_J - 1))
@example([(1.0, 400.0)], RANGE_J - 1)
def test_energy_over_wraps_is_the_true_one(course: list[tuple[float, float]], start_j: float) -> None:
    points, true_j = readings(course, start_j, RANGE_J)
    steps = counters.energy_steps(points, RANGE_J)
    assert len(steps) == len(course)
    assert sum(joules for _, _, joules in steps) == pytest.approx(true_j, abs=1e-4)


@given(courses, st.floats(20_000, RANGE_J), st.integers(0, 60))
def test_reset_is_left_out_and_invents_no_energy(
    course: list[tuple[float, float]], start_j: float, at: int
) -> None:
    points, true_j = readings(course, 0.0, 1e12)
    at = min(at, len(course))
    # A driver loaded anew counts from 0; far from the range, so that a wrap would need impossible power.
    points = [
        (now, value + start_j / 4 if index < at else value) for index, (now, value) in enumerate(points)
    ]
    steps = counters.energy_steps(points, 1e12)
    assert sum(joules for _, _, joules in steps) <= true_j + 1e-4
    assert len(course) - 1 <= len(steps) <= len(course)


def test_wrap_of_a_real_counter() -> None:
    points = [(0.0, 262143.0), (1.0, 10.0)]
    ((_, _, joules),) = counters.energy_steps(points, RANGE_J)
    assert joules == pytest.approx(10.32885)


def test_step_in_which_the_counter_could_have_gone_round_is_not_believed() -> None:
    assert counters.energy_steps([(0.0, 1.0), (500.0, 2.0)], RANGE_J) == []
    assert len(counters.energy_steps([(0.0, 1.0), (500.0, 2.0)])) == 1


@given(st.lists(st.integers(0, 5), max_size=50))
def test_events_that_only_rise_are_counted(rises: list[int]) -> None:
    values = [10]
    for rise in rises:
        values.append(values[-1] + rise)
    expected = (sum(rises), 0) if rises else (None, 0)
    assert counters.increase(values) == expected


@given(st.lists(st.one_of(st.none(), st.integers(0, 100)), max_size=50))
def test_events_never_go_down_whatever_the_counter_does(values: list[int | None]) -> None:
    rose, resets = counters.increase(values)
    known = [value for value in values if value is not None]
    if len(known) < 2:
        assert rose is None
    else:
        assert rose >= max(0, known[-1] - known[0])
        assert rose <= sum(known[1:])
        assert resets <= len(known) - 1


@given(courses, st.floats(0, 1), st.floats(0, 1))
def test_parts_of_a_window_add_up(course: list[tuple[float, float]], one: float, other: float) -> None:
    points, true_j = readings(course, 0.0, 1e12)
    steps = counters.energy_steps(points)
    start_s, end_s = points[0][0], points[-1][0]
    first, second = sorted((start_s + one * (end_s - start_s), start_s + other * (end_s - start_s)))
    parts = [counters.within(steps, *each) for each in ((start_s, first), (first, second), (second, end_s))]
    assert sum(joules for joules, _ in parts) == pytest.approx(true_j, abs=1e-6)
    assert sum(covered for _, covered in parts) == pytest.approx(end_s - start_s)
    assert all(0 <= joules <= true_j + 1e-6 for joules, _ in parts)


@given(st.floats(0.1, 50), st.integers(2, 40))
def test_constant_power_is_power_times_time(watts: float, count: int) -> None:
    points = [(float(n), watts) for n in range(count)]
    steps = counters.power_steps(points, 3.0)
    joules, covered_s = counters.within(steps, 0.0, count - 1.0)
    assert joules == pytest.approx(watts * (count - 1))
    assert covered_s == pytest.approx(count - 1)


def test_power_over_a_gap_is_unknown() -> None:
    steps = counters.power_steps([(0.0, 5.0), (1.0, 5.0), (9.0, 5.0), (10.0, 5.0)], 3.0)
    assert counters.within(steps, 0.0, 10.0) == (10.0, 2.0)
