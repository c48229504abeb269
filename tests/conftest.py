"""Fixtures that tests of all kinds share."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs, properties

REPOSITORY = Path(__file__).resolve().parent.parent

properties.load()
# Set on some machines, it would hide output that is shown late.
os.environ.pop("PYTHONUNBUFFERED", None)
# Programs such as sfdisk, which an ordinary user has outside of PATH.
os.environ["PATH"] += os.pathsep + needs.SYSTEM_PATHS


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose needs are not met, before its fixtures are set up."""
    needs.check(item)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Log the time of each phase of a test, and why it was skipped, for the summary of `make test`."""
    log = os.environ.get("EDGEBENCH_TEST_LOG")
    # With xdist, the controller gets the reports of all workers.
    if log and "PYTEST_XDIST_WORKER" not in os.environ:
        reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else None
        line = {
            "test": report.nodeid,
            "seconds": round(report.duration, 3),
            "failed": report.failed,
            "skipped": reason,
        }
        with Path(log, "tests.jsonl").open("a") as handle:
            handle.write(json.dumps(line) + "\n")


def hear_signals() -> None:
    """Let a process that a test starts (``preexec_fn``) be ended by signals, whatever its caller ignores."""
    # Who runs the tests in the background or by nohup has these ignored, and what is ignored is inherited.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


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
    return needs.data_folder().resolve()
