"""Fixtures that tests of all kinds share."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# A machine with other work on it is slow, which no property is about.
hypothesis.settings.register_profile("edgebench", deadline=None)
hypothesis.settings.load_profile("edgebench")


def lacking(what: str) -> NoReturn:
    """Skip the test for want of ``what`` and keep that for the last line of `make test`; with CI=true, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    if "EDGEBENCH_SKIPPED" in os.environ:
        with Path(os.environ["EDGEBENCH_SKIPPED"]).open("a") as skipped:
            skipped.write(f"{what}\n")
    pytest.skip(what)


def hear_signals() -> None:
    """Let a process that a test starts (``preexec_fn``) be ended by signals, whatever its caller ignores."""
    # Who runs the tests in the background or by nohup has these ignored, and what is ignored is inherited.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def lack() -> Callable[[str], NoReturn]:
    """The function to call with "NAME not found: what to do" when the machine lacks what a test needs."""
    return lacking


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner as hosts get it, built from this checkout."""
    out = tmp_path_factory.mktemp("zipapp") / "edgebench.pyz"
    subprocess.run(
        [sys.executable, str(REPOSITORY / "bench" / "build_zipapp.py"), "--out", str(out)], check=True
    )
    return out


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data for tests: EDGEBENCH_DATA_DIR, else shared/data beside the checkout."""
    named = os.environ.get("EDGEBENCH_DATA_DIR")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        lacking(f"data for tests not found: {folder} is no directory; name one by EDGEBENCH_DATA_DIR")
    return folder.resolve()
