"""The host's script that holds the governor, against a tree like that of sysfs and real locks."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.messages import codes

WAIT_LIMIT_S = 20


class Board:
    """A host: cpufreq policies, a lock, and the steps of the systemd unit."""

    def __init__(self, script: Path, folder: Path) -> None:
        self.script, self.folder = script, folder
        self.sysfs = folder / "sys"
        self.policies = self.sysfs / "devices/system/cpu/cpufreq"
        self.notes, self.mark = folder / "notes", folder / "mark"
        self.lock = folder / "home of it" / "board.lock"
        self.lock.parent.mkdir()
        self.runs: list[subprocess.Popen[str]] = []

    def policy(self, name: str, governor: str, offered: str = "performance powersave ondemand") -> Path:
        """Add a policy; return its file of the governor."""
        folder = self.policies / name
        folder.mkdir(parents=True)
        (folder / "scaling_available_governors").write_text(offered + "\n")
        (folder / "scaling_governor").write_text(governor + "\n")
        return folder / "scaling_governor"

    def governors(self) -> list[str]:
        """Return the governors, in the order of the policies' names."""
        return [path.read_text().strip() for path in sorted(self.policies.glob("*/scaling_governor"))]

    def call(self, action: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        command = ["/bin/sh", str(self.script), action, *map(str, arguments)]
        if os.getuid() == 0:
            # Root without its powers, so that a file that is not to be written cannot be.
            command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_LIMIT_S,
        )

    def set(self, governor: str = "performance") -> "subprocess.CompletedProcess[str]":
        return self.call("set", self.notes, self.sysfs, governor)

    def look(self) -> "subprocess.CompletedProcess[str]":
        return self.call("look", self.mark, self.lock)

    def restore(self) -> "subprocess.CompletedProcess[str]":
        return self.call("restore", self.notes, self.sysfs)

    def wait(self, grace_s: int) -> "subprocess.Popen[str]":
        """Begin to wait for a run."""
        return self._start(["/bin/sh", self.script, "wait", self.mark, self.lock, str(grace_s)])

    def run(self) -> "subprocess.Popen[str]":
        """Begin a run, as bin/edgebench-detached does: take the lock, then note the name by a rename."""
        script = 'exec 9>> "$1"; flock -n 9 || exit 3; echo run > "$1.run.new"; mv "$1.run.new" "$1.run"; exec sleep 60'
        before = self.noted()
        process = self._start(["/bin/sh", "-c", script, "run", self.lock])
        until(lambda: self.noted() != before)
        return process

    def noted(self) -> object:
        try:
            found = self.lock.with_name(self.lock.name + ".run").stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _start(self, command: list[object]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.runs.append(process)
        return process


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + WAIT_LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.fixture
def board(root: Path, tmp_path: Path) -> Iterator[Board]:
    made = Board(root / "roles/performance_mode/files/edgebench-performance", tmp_path)
    yield made
    for process in made.runs:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_sets_every_policy_and_puts_each_ones_own_back(board: Board) -> None:
    board.policy("policy0", "ondemand")
    board.policy("policy1", "performance")
    board.policy("policy4", "powersave")
    assert board.set().returncode == 0
    assert board.governors() == ["performance"] * 3
    assert board.restore().returncode == 0
    assert board.governors() == ["ondemand", "performance", "powersave"]
    assert not board.notes.exists()


def test_a_second_start_does_not_take_its_own_governor_for_the_old_one(board: Board) -> None:
    board.policy("policy0", "ondemand")
    board.set()
    board.policy("policy1", "powersave")
    board.set()
    assert board.governors() == ["performance"] * 2
    board.restore()
    assert board.governors() == ["ondemand", "powersave"]


def test_another_governor_than_before_still_goes_back_to_the_first(board: Board) -> None:
    board.policy("policy0", "ondemand")
    board.set()
    board.set("powersave")
    assert board.governors() == ["powersave"]
    board.restore()
    assert board.governors() == ["ondemand"]


def test_restoring_twice_or_without_a_start_does_nothing(board: Board) -> None:
    governor = board.policy("policy0", "ondemand")
    assert board.restore().returncode == 0
    board.set()
    board.restore()
    governor.write_text("powersave\n")
    assert board.restore().returncode == 0
    assert board.governors() == ["powersave"]


@pytest.mark.parametrize("tree", [False, True])
def test_no_cpufreq_is_said_and_no_failure(board: Board, tree: bool) -> None:
    if tree:
        board.policies.mkdir(parents=True)
    told = board.set()
    assert told.returncode == 0
    assert codes(told.stderr) == ["cpufreq-missing"]
    assert board.restore().returncode == 0


def test_a_governor_that_cannot_be_written_is_said_with_what_is_offered_and_the_rest_is_set(
    board: Board,
) -> None:
    board.policy("policy0", "userspace", offered="userspace ondemand").chmod(0o444)
    board.policy("policy1", "ondemand")
    told = board.set()
    assert told.returncode == 0
    assert codes(told.stderr) == ["governor-not-set"]
    for part in ("policy0: ", " to performance,", " is userspace;", " userspace ondemand "):
        assert part in told.stderr
    assert board.governors() == ["userspace", "performance"]
    assert board.restore().returncode == 0
    assert board.governors() == ["userspace", "ondemand"]


def test_what_cannot_be_put_back_is_said_and_kept_for_the_next_time(board: Board) -> None:
    stuck = board.policy("policy0", "ondemand")
    board.policy("policy1", "powersave")
    board.set()
    stuck.chmod(0o444)
    told = board.restore()
    assert told.returncode == 1
    assert codes(told.stderr) == ["governor-not-set"]
    for part in ("policy0: ", " to ondemand,", " is performance;"):
        assert part in told.stderr
    assert board.governors() == ["performance", "powersave"]
    stuck.chmod(0o644)
    board.set()
    assert board.restore().returncode == 0
    assert board.governors() == ["ondemand", "powersave"]


def test_a_policy_that_vanishes_does_not_keep_the_others_from_going_back(board: Board) -> None:
    board.policy("policy0", "ondemand")
    board.policy("policy1", "powersave")
    board.set()
    shutil.rmtree(board.policies / "policy0")
    told = board.restore()
    assert told.returncode == 0
    assert codes(told.stderr) == ["policy-gone"]
    assert "policy0 " in told.stderr
    assert board.governors() == ["powersave"]
    assert not board.notes.exists()


def test_waits_for_the_run_to_begin_and_to_end(board: Board) -> None:
    assert board.look().returncode == 0
    waiting = board.wait(grace_s=WAIT_LIMIT_S)
    run = board.run()
    time.sleep(1.5)
    assert waiting.poll() is None
    os.killpg(run.pid, signal.SIGKILL)
    assert waiting.wait(WAIT_LIMIT_S) == 0


def test_a_run_that_is_under_way_needs_no_new_beginning(board: Board) -> None:
    run = board.run()
    board.look()
    waiting = board.wait(grace_s=1)
    time.sleep(2)
    assert waiting.poll() is None
    os.killpg(run.pid, signal.SIGTERM)
    assert waiting.wait(WAIT_LIMIT_S) == 0


def test_the_run_before_is_not_taken_for_the_one_that_is_waited_for(board: Board) -> None:
    earlier = board.run()
    os.killpg(earlier.pid, signal.SIGKILL)
    earlier.wait()
    board.look()
    waiting = board.wait(grace_s=WAIT_LIMIT_S)
    time.sleep(1.5)
    assert waiting.poll() is None
    run = board.run()
    time.sleep(1.5)
    assert waiting.poll() is None
    os.killpg(run.pid, signal.SIGKILL)
    assert waiting.wait(WAIT_LIMIT_S) == 0


def test_gives_up_when_the_grace_time_is_over(board: Board) -> None:
    board.look()
    began = time.monotonic()
    waiting = board.wait(grace_s=1)
    assert waiting.wait(WAIT_LIMIT_S) == 0
    assert time.monotonic() - began >= 1
    assert waiting.stderr is not None
    text = waiting.stderr.read()
    assert codes(text) == ["run-not-started"]
    assert " 1 s " in text
    # A lock that root had made could not be taken by the run's own user.
    assert not board.lock.exists()


def test_a_run_finds_its_lock_free_while_it_is_waited_for(board: Board) -> None:
    """Trying the lock to see whether a run holds it would now and then turn that run away."""
    board.look()
    waiting = board.wait(grace_s=WAIT_LIMIT_S)
    for _ in range(100):
        board.lock.touch()
        assert subprocess.run(["flock", "-n", board.lock, "true"], check=False).returncode == 0
    assert waiting.poll() is None


def test_a_killed_waiter_leaves_the_notes_that_the_stop_needs(board: Board) -> None:
    board.policy("policy0", "ondemand")
    board.set()
    board.look()
    waiting = board.wait(grace_s=WAIT_LIMIT_S)
    os.killpg(waiting.pid, signal.SIGKILL)
    waiting.wait()
    assert board.governors() == ["performance"]
    assert board.restore().returncode == 0
    assert board.governors() == ["ondemand"]


def test_an_unknown_action_is_refused_with_the_known_ones(board: Board) -> None:
    told = board.call("hold")
    assert told.returncode == 2
    assert codes(told.stderr) == ["action-unknown"]
    assert "'hold'" in told.stderr
    for known in ("set", "look", "wait", "restore"):
        assert f" {known}" in told.stderr.partition("expected")[2]


@pytest.mark.parametrize("name", ["service.j2", "path.j2"])
def test_the_units_name_the_script_and_its_actions(root: Path, name: str) -> None:
    """Every action that a unit calls is one of the script; root's steps have the plus sign."""
    text = (root / f"roles/performance_mode/templates/edgebench-performance.{name}").read_text()
    steps = {
        line.split("}} ", 1)[1].split()[0]: line.split("=", 1)[1].startswith("+")
        for line in text.splitlines()
        if line.startswith("Exec")
    }
    assert steps == (
        {"set": True, "look": False, "wait": False, "restore": True} if name == "service.j2" else {}
    )
