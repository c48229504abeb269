"""Ctrl-C at random moments of `make bench`, on a real terminal."""

from pathlib import Path

import pytest

from tests import interrupts


@pytest.mark.interaction
def test_ctrl_c_while_benchmarking(provisioned: Path, tmp_path: Path) -> None:
    # With what this machine has been provisioned with, so that the moments are of a benchmark.
    def prepare(checkout: Path) -> None:
        (checkout / ".edgebench").mkdir()
        (checkout / ".edgebench/venv").symlink_to(provisioned / "venv")

    problems = interrupts.run(
        tmp_path, 2, seed=0, without_procps=True, longest_s=90, prepare=prepare, undone=((),)
    )
    assert problems == []


@pytest.mark.interaction
@pytest.mark.parametrize("without_procps", [True, False])
def test_ctrl_c_at_any_moment(tmp_path: Path, *, without_procps: bool) -> None:
    assert interrupts.run(tmp_path, 5, seed=2, without_procps=without_procps) == []
