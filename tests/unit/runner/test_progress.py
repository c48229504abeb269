"""What displays show of a suite and of other steps, by a clock that the test moves."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from edgebench import pacing, progress


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


class Shown:
    """A plain display and the lines it wrote."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.display = progress.Plain(self._stream)

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()


@pytest.fixture
def shown(clock: Clock) -> Shown:
    return Shown()


def steps(*guesses_s: float | None, scales: bool = True) -> list[progress.Step]:
    return [progress.Step(f"s{number}", None, each, scales) for number, each in enumerate(guesses_s)]


def take(shown: Shown, clock: Clock, step: progress.Step, seconds: float) -> None:
    shown.display.start(step)
    for _ in range(int(2 * seconds)):
        clock.now += 0.5
        shown.display.tick()
    shown.display.end(f"{step.label}: ok")


def test_the_length_is_announced_at_once(shown: Shown) -> None:
    shown.display.plan(steps(60, 70.0), kept=3)
    assert shown.lines == ["2 runs to do, 3 already recorded and kept, about 2:10 min"]  # not prose


def test_without_a_guess_no_time_is_shown(shown: Shown, clock: Clock) -> None:
    unknown = steps(None, None)
    shown.display.plan(unknown, noun="step")
    take(shown, clock, unknown[0], 4)
    assert shown.lines == ["2 steps to do", "[1/2] s0: ok"]  # not prose


def test_guesses_scale_with_what_was_measured(shown: Shown, clock: Clock) -> None:
    slow = steps(10, 20, 30)
    fixed = progress.Step("fixed", guess_s=5)
    shown.display.plan([*slow, fixed])
    take(shown, clock, slow[0], 30)
    assert shown.display.left_s() == pytest.approx(3 * 20 + 3 * 30 + 5)
    take(shown, clock, slow[1], 60)
    assert shown.display.left_s() == pytest.approx(3 * 30 + 5)


def test_steps_of_one_pace_take_what_the_others_took(shown: Shown, clock: Clock) -> None:
    alike = [progress.Step(f"s{number}", "pace", 1) for number in range(4)]
    shown.display.plan(alike)
    take(shown, clock, alike[0], 10)
    take(shown, clock, alike[1], 20)
    assert shown.lines[-1] == "[2/4] s1: ok; about 30 s left"  # not prose


def test_a_log_gets_a_line_every_ten_seconds_with_the_time_left(shown: Shown, clock: Clock) -> None:
    (step,) = steps(100)
    shown.display.plan([step])
    take(shown, clock, step, 60)
    beats = [line for line in shown.lines if line.startswith(progress.STILL)]
    assert len(beats) == 6
    assert beats[0] == "… [1/1] s0, 9 s; about 1:31 min left"  # not prose
    assert not any("\r" in line for line in shown.lines)


def test_epochs_tell_the_time_left_of_what_was_never_timed(shown: Shown, clock: Clock) -> None:
    (step,) = steps(1)
    shown.display.plan([step])
    shown.display.start(step)
    shown.display.phase("train")
    clock.now += 100
    shown.display.epoch(1, 5)
    assert shown.display.left_s() == pytest.approx(400)
    shown.display.tick()
    assert (
        shown.lines[-1] == "… [1/1] s0: training, epoch 1/5 done, 1:40 min; about 6:40 min left"  # not prose
    )  # not prose


def test_a_search_tells_candidates_and_counts_until_it_has_ended(shown: Shown, clock: Clock) -> None:
    (step,) = steps(50)
    search = progress.Step("s0: search", guess_s=120)
    shown.display.plan([step], asides=[search])
    assert shown.display.left_s() == 170
    shown.display.aside(search)
    shown.display.phase("tune")
    shown.display.epoch(3, 8)
    shown.display.expect(40)
    clock.now += 10
    shown.display.tick()
    assert (
        shown.lines[-1] == "… s0: search: trying, setting 3/8 done, 10 s; about 1:20 min left"  # not prose
    )
    shown.display.end("s0: found")
    assert shown.lines[-1] == "s0: found"
    assert shown.display.left_s() == 50


def test_what_cannot_tick_is_shown_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_HEARTBEAT_S", 0.1)
    monkeypatch.setattr(progress, "_TICK_S", 0.05)
    shown = Shown()
    with shown.display.during("reading", 30):
        while len(shown.lines) < 3:
            pass
    assert shown.lines[0] == "reading, about 30 s"  # not prose
    assert shown.lines[1].startswith("… reading, 0 s; about ")  # not prose


def test_amounts_tell_how_much_and_the_time_left(clock: Clock) -> None:
    lines: list[str] = []
    amount = progress.Amount(lines.append, "a.zip", 40_000_000)
    for _ in range(40):
        clock.now += 1
        amount.add(1_000_000)
    assert lines[0] == "… a.zip: 9 of 40 MB; about 31 s left"  # not prose
    assert len(lines) == 4


def training(workload: str, profile: str) -> Any:
    return SimpleNamespace(
        kind="run", workload=workload, pace=workload, profile=profile, guess_s=None, scales=True
    )


@pytest.mark.parametrize(
    ("profile", "least", "most"), [("quick", 5, 20), ("paper", 290, 320), ("tuned", 290, 320)]
)
def test_trainings_are_guessed_by_the_import_and_the_published_time(
    profile: str, least: float, most: float
) -> None:
    task = training("mnist_2d", profile)
    pacing.guess([task], [], 4.0)
    assert least <= task.guess_s <= most


def test_records_of_the_run_are_better_than_guesses() -> None:
    task = training("imdb", "quick")
    known = [{"record": "run", "workload": "imdb", "times": {"wall_s": each}} for each in (10.0, 20.0)]
    pacing.guess([task], [{"record": "host"}, *known], None)
    assert task.guess_s == 15
