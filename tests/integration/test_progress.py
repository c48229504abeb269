"""What `make bench | tee log` shows: never silent for long, and a time left that is about right."""

import os
import re
from pathlib import Path

import pytest

from tests import interrupts
from tests.terminal import Line, Program

# Nothing may take longer without a line.
MOST_SILENT_S = 15.0
LEFT = re.compile(r"about (?:(\d+):)?(\d+) (s|min|h) left")
FINISHED = re.compile(r"\| \[(\d+)/(\d+)\] .*: ok ")
PLANNED = re.compile(r"\| (\d+) runs? to do, about ")


def left_s(text: str) -> float | None:
    """Return the time left that a line shows, in seconds."""
    found = LEFT.search(text)
    if found is None:
        return None
    major, minor, unit = found.groups()
    return int(minor) + 60 * int(major or 0) if unit != "h" else 60 * int(minor) + 3600 * int(major or 0)


def check_time_left(lines: list[Line], in_a_round: int) -> None:
    """Check the time left from the second round on, and that it is about right at half-time."""
    begun = next(line.at_s for line in lines if PLANNED.search(line.text))
    finished = [
        (line.at_s, int(found[1]), line.text) for line in lines if (found := FINISHED.search(line.text))
    ]
    ended, total, _ = finished[-1]
    assert [number for _, number, _ in finished] == list(range(1, total + 1))
    without = [text for _, number, text in finished if in_a_round <= number < total and left_s(text) is None]
    assert without == []
    half_time = (begun + ended) / 2
    shown = [(line.at_s, shown_s) for line in lines if (shown_s := left_s(line.text)) is not None]
    at_s, shown_s = [each for each in shown if each[0] <= half_time][-1]
    really_s = ended - at_s
    print(f"at half-time {shown_s} s left are shown, {really_s:.0f} s they are")
    # A line is whole seconds, and a machine that does other things does them unevenly.
    assert really_s / 1.5 - 3 <= shown_s <= really_s * 1.5 + 3


def bench(checkout: Path, arguments: str, **variables: str) -> Program:
    """Run `make bench` into a pipe to its end, and return it."""
    program = Program(
        ["make", "bench", f"ANSIBLE_ARGS={arguments}"],
        checkout,
        {**interrupts.environment(os.environ["PATH"]), **variables},
        on_terminal=False,
    )
    try:
        assert program.wait(1800) == 0, program.text
    finally:
        program.end()
    print("the longest gaps:", *program.gaps()[:5], sep="\n")
    assert program.gaps()[0][0] < MOST_SILENT_S
    assert "\r" not in program.text
    return program


@pytest.mark.interaction
def test_few_workloads(provisioned: Path, tmp_path: Path) -> None:
    checkout = interrupts.copy_of_checkout(tmp_path)
    (checkout / ".edgebench").mkdir()
    (checkout / ".edgebench/venv").symlink_to(provisioned / "venv")
    check_time_left(bench(checkout, interrupts.QUICK).lines, in_a_round=2)


@pytest.mark.interaction
def test_from_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    checkout = interrupts.copy_of_checkout(tmp_path)
    check_time_left(bench(checkout, "", XDG_CACHE_HOME=str(tmp_path / "cache")).lines, in_a_round=8)
