"""The programs of tests/fresh: what failed in a guest is named again at the end, and in the summary of `make test`."""

from pathlib import Path

import pytest

from lab.errors import LabError
from tests import tiers
from tests.fresh.__main__ import problem
from tests.fresh.guest import Result
from tests.fresh.program import Outcome, execute


def result(exit_code: int, *lines: str) -> Result:
    return Result(exit_code, 12.0, list(lines), 1)


def test_the_failed_tests_of_a_guest_are_named() -> None:
    lines = ["noise", "failed: 2 tests", "  tests/a.py::one", "  tests/b.py::two", "", "parts:", "  unit 3 s"]
    assert problem(result(1, *lines), None).split("\n    ") == [
        "exit code 1",
        "tests/a.py::one",
        "tests/b.py::two",
    ]


def test_without_a_summary_the_last_lines_are_repeated() -> None:
    found = problem(result(2, *map(str, range(30))), None)
    assert [line.strip() for line in found.splitlines()][1:] == list(map(str, range(18, 30)))


def test_a_limit_is_kept() -> None:
    assert problem(result(0), 12.0) == problem(result(0), None) == ""
    assert "11 s" in problem(result(0), 11.0)


def test_a_failure_is_in_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEBENCH_TEST_LOG", str(tmp_path))
    monkeypatch.setattr(tiers, "LOG", tmp_path)
    assert execute(None, lambda: [Outcome("good", 1.0, ""), Outcome("bad", 2.0, "disk is full")]) == 1
    assert "disk is full" in capsys.readouterr().out
    found = tiers.summary([("part", 3.0, "FAILED: A step")])
    assert [line.split()[0] for line in found.splitlines() if "disk is full" in line] == ["bad:"]
    assert found.splitlines()[-2].endswith("FAILED: A step")


@pytest.mark.parametrize(
    ("error", "code"), [(LabError("no mount", "mount-failed"), 1), (KeyboardInterrupt(), 1)]
)
def test_trials_that_end_early(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    def trials() -> list[Outcome]:
        raise error

    assert execute(None, trials) == code
    assert "edgebench: " in capsys.readouterr().err
    assert execute("not here [some-code]", trials) == 2
