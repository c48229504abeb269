"""The script that runs a benchmark apart from the connection, with a short program in the launcher's place."""

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.messages import codes


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

    def call(action: str, run_id: str, *arguments: str, boots: str = "0") -> str:
        runs.append(run_id)
        words = list(arguments)
        if action == "start":
            words[1:1] = [boots, "anna on desk, today"]
        command = [str(home / "bin/edgebench-detached"), action, "nano", run_id, *words]
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


def members(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def cut_off(script: Callable[..., str], home: Path) -> str:
    """Kill all of the run r1, what was just being started as well, and return its state."""
    session = int((home / "results/r1/nano.pid").read_text())
    for _ in range(100):
        for pid in members(session):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        state = script("poll", "r1", "0").split()[0]
        if state != "running":
            return state
        time.sleep(0.05)
    pytest.fail("still running after 5 s")


def test_exit_code_and_progress(script: Callable[..., str]) -> None:
    assert script("start", "r1", "60", "run", "echo one; echo two >&2; exit 3") == "started\n"  # not prose
    assert ended(script, "r1") == "exit-3"
    text = "arguments: run echo one; echo two >&2; exit 3\none\ntwo\n"
    assert script("poll", "r1", "0") == f"exit-3 {len(text)}\n{text}"
    assert script("poll", "r1", str(len(text) - 4)) == f"exit-3 {len(text)}\ntwo\n"
    assert script("poll", "r1", str(len(text))) == f"exit-3 {len(text)}\n"


def test_one_run_at_a_time(script: Callable[..., str]) -> None:
    assert script("start", "r1", "60", "run", "sleep 30") == "started\n"
    assert script("start", "r1", "60", "run", "echo never") == "attached anna on desk, today\n"  # not prose
    assert script("start", "r2", "60", "run", "echo never") == "busy r1 anna on desk, today\n"  # not prose
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
    assert cut_off(script, home) == "lost"
    assert script("start", "r1", "60", "run", "true") == "started\n"
    assert ended(script, "r1") == "exit-0"


def test_the_limit_of_the_whole(script: Callable[..., str]) -> None:
    script("start", "r1", "1", "run", "sleep 30")
    assert ended(script, "r1") == "exit-124"


def test_a_program_that_is_killed_is_not_taken_for_one_at_its_limit(script: Callable[..., str]) -> None:
    script("start", "r1", "60", "run", "kill -KILL $$")
    assert ended(script, "r1") == "exit-137"


def test_what_an_earlier_boot_left_is_taken_up_as_often_as_allowed(
    script: Callable[..., str], home: Path
) -> None:
    note = home / "nano.resume"

    def go_down() -> None:
        assert cut_off(script, home) == "lost"
        # As the next boot finds it.
        lines = note.read_text().splitlines()
        note.write_text("\n".join([*lines[:2], "another-boot", *lines[3:]]) + "\n")
        assert script("poll", "r1", "0").startswith("resuming ")

    def boot(state: str, end: str) -> None:
        command = [str(home / "bin/edgebench-detached"), "resume", "nano"]
        with (home / "unit.log").open("wb") as log:
            units.append(subprocess.Popen(command, stdout=log, stderr=log))
        told = ""
        for _ in range(100):
            told = script("poll", "r1", "0")
            if told.startswith(f"{state} ") and told.endswith(f"{end}\n"):
                return
            time.sleep(0.1)
        pytest.fail(told)

    units: list[subprocess.Popen[bytes]] = []
    # Words with spaces and quotes come back as they were.
    script("start", "r1", "60", "run", "sleep 30", "it's a word", boots="2")
    assert note.read_text().splitlines()[:2] == ["r1", "2"]
    for left in (1, 0):
        go_down()
        boot("running", f"{left} time(s) more [run-resumed]\narguments: run sleep 30 it's a word")
    go_down()
    boot("lost", "bench.yml [run-not-resumed]")
    assert not note.exists()
    assert [unit.wait(10) for unit in units] == [0, 0, 0]


@pytest.mark.parametrize("value", ["2", "it's\ntwo lines", ""])
def test_a_run_is_taken_up_with_the_variables_it_was_started_with(
    script: Callable[..., str], home: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    # Of the script itself.
    monkeypatch.setenv("run", "r9")
    shown = f'printf "%s" "$OMP_NUM_THREADS" > {home}/shown; sleep 30'
    script("start", "r1", "60", "run", shown, boots="2")
    assert cut_off(script, home) == "lost"
    kept = home / "nano.resume.environment"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    (home / "shown").unlink(missing_ok=True)
    note = home / "nano.resume"
    lines = note.read_text().splitlines()
    note.write_text("\n".join([*lines[:2], "another-boot", *lines[3:]]) + "\n")
    command = [str(home / "bin/edgebench-detached"), "resume", "nano"]
    unit = subprocess.Popen(command, env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "7"})
    for _ in range(100):
        if (home / "shown").exists():
            break
        time.sleep(0.1)
    assert (home / "shown").read_text() == value
    script("stop", "r1")
    assert unit.wait(10) == 0
    assert not kept.exists()


@pytest.mark.parametrize("command", ["true", "exit 1", "kill -KILL $$"])
def test_a_run_that_has_ended_is_not_taken_up(script: Callable[..., str], home: Path, command: str) -> None:
    script("start", "r1", "60", "run", command, boots="3")
    assert ended(script, "r1").startswith("exit-")
    deadline = time.monotonic() + 5
    while (home / "nano.resume").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not (home / "nano.resume").exists()


def test_a_run_that_is_stopped_is_not_taken_up(script: Callable[..., str], home: Path) -> None:
    script("start", "r1", "60", "run", "sleep 30", boots="3")
    script("stop", "r1")
    assert ended(script, "r1") == "exit-143"
    assert not (home / "nano.resume").exists()


def test_a_playbook_follows_a_run_over_a_reboot(
    script: Callable[..., str], home: Path, root: Path, tmp_path: Path
) -> None:
    words = {"home": str(home), "run_id": "r1", "limit_s": 60, "poll_s": 1, "boots": 1}
    # Again, it ends by itself.
    arguments = ["run", f"test -e {tmp_path}/again && exit 0; touch {tmp_path}/again; sleep 30"]
    log = tmp_path / "play.log"
    with log.open("wb") as stream:
        play = subprocess.Popen(
            [
                *(Path(sys.executable).with_name("ansible"), "-i", "nano,", "nano", "-c", "local"),
                *(
                    "-v",
                    "-m",
                    "edgebench.edge.edgebench_run",
                    "-a",
                    json.dumps({**words, "arguments": arguments}),
                ),
            ],
            cwd=root,
            env={
                **os.environ,
                "ANSIBLE_CACHE_PLUGIN": "memory",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            },
            stdout=stream,
            stderr=stream,
        )

    def wait_for(what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not what():
            assert time.monotonic() < deadline, log.read_text()
            assert play.poll() is None, log.read_text()
            time.sleep(0.1)

    wait_for((tmp_path / "again").exists)
    # As after a power cut: of another boot, and nothing of the run is left.
    note = home / "nano.resume"
    lines = note.read_text().splitlines()
    note.write_text("\n".join([*lines[:2], "another-boot", *lines[3:]]) + "\n")
    assert cut_off(script, home) == "resuming"
    wait_for(lambda: "host-rebooting" in codes(log.read_text()))
    subprocess.run([home / "bin/edgebench-detached", "resume", "nano"], check=True, timeout=30)
    assert play.wait(60) == 0, log.read_text()
    told = [codes(line) for line in log.read_text().splitlines() if line.startswith("nano | ")]
    assert [each for each in told if each] == [["run-started"], ["host-rebooting"], ["run-resumed"]]
    assert "exit_code: 0" in log.read_text()


def test_a_playbook_shows_every_line_of_the_progress_once(
    plugin: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = plugin("action/edgebench_run")
    logs = ["one\ntw", "one\ntwo\n", "one\ntwo\n", "one\ntwo\nthree"]

    def poll(_: Any, words: list[str]) -> str:
        log = logs.pop(0)
        state = "running" if logs else "exit-0"
        return f"{state} {len(log)}\n{log[int(words[-1]) :]}"

    shown: list[str] = []
    monkeypatch.setattr(run.ActionModule, "_ask", poll)
    monkeypatch.setattr(run.ActionModule, "_say", lambda _, line: shown.append(line))
    action = object.__new__(run.ActionModule)
    vars(action).update(_host="nano", _run_id="r1", _shown=0, _partial="", _lines=[])
    assert action._follow(0) == "exit-0"
    assert shown == ["one", "two", "three"]


@pytest.mark.parametrize("hosts", [1, 20])
def test_of_many_hosts_each_shows_fewer_lines_without_news(
    plugin: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, hosts: int
) -> None:
    run = plugin("action/edgebench_run")
    now = 0.0
    monkeypatch.setattr(run.time, "monotonic", lambda: now)
    shown: list[str] = []
    monkeypatch.setattr(run.ActionModule, "_say", lambda _, line: shown.append(line))
    action = object.__new__(run.ActionModule)
    vars(action).update(_partial="", _lines=[], _hosts=hosts)
    for number in range(60):
        now += 9.5
        action._show(f"… [1/3] training, {number}\n")
        if number == 30:
            action._show("[1/3] ok\n")
    assert "[1/3] ok" in shown
    assert len(shown) == (61 if hosts == 1 else 4)
    # The end of a failed run is no line without news.
    assert action._lines == ["[1/3] ok"]


def test_a_note_that_somebody_took_is_no_error(script: Callable[..., str], home: Path) -> None:
    script("start", "r1", "60", "run", "sleep 30")
    # A run is under way, so there is nothing to take up; and none is noted.
    subprocess.run([home / "bin/edgebench-detached", "resume", "nano"], check=True, timeout=30)
    assert script("poll", "r1", "0").startswith("running ")
    script("stop", "r1")
    assert ended(script, "r1") == "exit-143"
    subprocess.run([home / "bin/edgebench-detached", "resume", "nano"], check=True, timeout=30)
    assert script("poll", "r1", "0").startswith("exit-143 ")


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
    assert codes(done.stderr) == ["action-unknown"]
    assert " go;" in done.stderr


@pytest.mark.parametrize("tools", ["all", "without procps"])
def test_stop_ends_all_processes_of_a_run(home: Path, script: Callable[..., str], tools: str) -> None:
    # A child that ignores the signal, with a name that reads like the kernel's own fields.
    odd = home / "a) S 1 1 (b"
    odd.symlink_to(shutil.which("sleep") or "")
    script("start", "r1", "60", "run", f"trap '' TERM; '{odd}' 40 & sleep 41; wait")
    session = int((home / "results/r1/nano.pid").read_text())
    deadline = time.monotonic() + 10
    while not any(b"40" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in members(session)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    path = os.environ["PATH"]
    if tools != "all":
        path = str(home / "few")
        Path(path).mkdir()
        for name in ("sh", "cat", "dirname", "flock", "head", "mv", "rm", "sleep", "sync", "true", "xargs"):
            Path(path, name).symlink_to(shutil.which(name) or "")
    command = [str(home / "bin/edgebench-detached"), "stop", "nano", "r1"]
    done = subprocess.run(
        command, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert members(session) == []
