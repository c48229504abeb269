"""The script that runs a benchmark apart from the connection, with a short program in the launcher's place."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home(root: Path, tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    shutil.copy(root / "roles/runner/files/edgebench-detached", tmp_path / "bin/edgebench-detached")
    launcher = tmp_path / "bin/edgebench"
    launcher.write_text('#!/bin/sh\necho "arguments: $*"\nexec sh -c "$2"\n')
    launcher.chmod(0o755)
    (tmp_path / "bin/edgebench-detached").chmod(0o755)
    return tmp_path


@pytest.fixture
def script(home: Path) -> Iterator[Callable[..., str]]:
    runs = []

    def call(action: str, run_id: str, *arguments: str) -> str:
        runs.append(run_id)
        command = [str(home / "bin/edgebench-detached"), action, "nano", run_id, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return done.stdout

    yield call
    for run_id in set(runs):
        call("stop", run_id)


def ended(script: Callable[..., str], run_id: str) -> str:
    """Wait for the end and return the state."""
    for _ in range(100):
        state = script("poll", run_id, "0").split()[0]
        if state != "running":
            return state
        time.sleep(0.1)
    pytest.fail("still running after 10 s")


def test_exit_code_and_progress(script: Callable[..., str]) -> None:
    assert script("start", "r1", "60", "run", "echo one; echo two >&2; exit 3") == "started\n"
    assert ended(script, "r1") == "exit-3"
    text = "arguments: run echo one; echo two >&2; exit 3\none\ntwo\n"
    assert script("poll", "r1", "0") == f"exit-3 {len(text)}\n{text}"
    assert script("poll", "r1", str(len(text) - 4)) == f"exit-3 {len(text)}\ntwo\n"
    assert script("poll", "r1", str(len(text))) == f"exit-3 {len(text)}\n"


def test_one_run_at_a_time(script: Callable[..., str]) -> None:
    assert script("start", "r1", "60", "run", "sleep 30") == "started\n"
    assert script("start", "r1", "60", "run", "echo never") == "attached\n"
    assert script("start", "r2", "60", "run", "echo never") == "busy r1\n"
    assert script("poll", "r1", "0").startswith("running ")
    assert script("poll", "r2", "0") == "none 0\n"
    script("stop", "r1")
    assert ended(script, "r1") == "exit-143"
    assert script("start", "r2", "60", "run", "true") == "started\n"
    assert ended(script, "r2") == "exit-0"


def test_a_run_that_was_killed_is_lost_and_can_be_started_again(
    script: Callable[..., str], home: Path
) -> None:
    script("start", "r1", "60", "run", "sleep 30")
    session = (home / "results/r1/nano.pid").read_text().strip()
    subprocess.run(["pkill", "-KILL", "-s", session], check=True)
    assert ended(script, "r1") == "lost"
    assert script("start", "r1", "60", "run", "true") == "started\n"
    assert ended(script, "r1") == "exit-0"


def test_the_limit_of_the_whole(script: Callable[..., str]) -> None:
    script("start", "r1", "1", "run", "sleep 30")
    assert ended(script, "r1") == "exit-124"


def test_it_is_in_a_session_of_its_own(script: Callable[..., str], home: Path) -> None:
    script("start", "r1", "60", "run", "sleep 30")
    pid = int((home / "results/r1/nano.pid").read_text())
    session = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[3])
    assert session == pid


def test_an_unknown_action_is_refused(home: Path) -> None:
    done = subprocess.run(
        [home / "bin/edgebench-detached", "go", "nano", "r1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "unknown action go" in done.stderr
