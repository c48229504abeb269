"""What goes wrong on real hosts: killed runners, no memory, time limits, damaged files. Nothing recorded is lost."""

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import hear_signals
from tests.messages import codes
from tests.stacks import environments
from tests.stacks.conftest import stack_python

# The oldest stack, which loads fastest, and today's.
OLDEST = "py36-tf1.5.0"
on_oldest = pytest.mark.parametrize("runner", environments.params(OLDEST), indirect=True)
on_both = pytest.mark.parametrize("runner", environments.params(OLDEST, environments.TODAY), indirect=True)
# Enough for IMDB's rows when they are streamed, not when they are dense.
LITTLE_MIB = {OLDEST: 400, environments.TODAY: 1000}
SMALL = ["mnist_1d", "imdb_embedded"]
MIB = 2**20


class Runner:
    """Calls of ``edgebench run`` that share one run id and one records file."""

    def __init__(self, stack: str, zipapp: Path, folder: Path) -> None:
        self.stack = environments.load(stack)
        self.out = folder / "host.jsonl"
        self._command = [
            str(stack_python(stack)),
            str(zipapp),
            "run",
            "--run-id",
            "faults",
            "--host",
            "tested",
        ]
        self._command += ["--data", "synthetic", "--progress", "plain", "--out", str(self.out)]
        self._environment = dict(os.environ, EDGEBENCH_HOME=str(folder))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*self._command, *arguments],
            env=self._environment,
            stdout=pipe,
            stderr=pipe,
            text=True,
            **{"preexec_fn": hear_signals, **options},
        )

    def run(self, *arguments: str, **options: Any) -> tuple[int, str]:
        process = self.start(*arguments, **options)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output + errors

    @property
    def runs(self) -> list[dict[str, Any]]:
        lines = self.out.read_text().splitlines() if self.out.exists() else []
        return [record for record in map(json.loads, lines) if record["record"] == "run"]

    def wait_for_runs(self, count: int) -> None:
        deadline = time.monotonic() + 120
        while len(self.runs) < count:
            assert time.monotonic() < deadline, "the suite made no progress"
            time.sleep(0.05)


@pytest.fixture
def runner(request: pytest.FixtureRequest, zipapp: Path, tmp_path: Path) -> Runner:
    """The runner on the stack that `on_oldest` or `on_both` names."""
    return Runner(request.param, zipapp, tmp_path)


def _killed_in_the_middle(runner: Runner, number: signal.Signals) -> tuple[int, str, bytes]:
    process = runner.start("-w", *SMALL, "--repeats", "3")
    runner.wait_for_runs(2)
    # Somewhere in the third run, whose worker must go as well.
    time.sleep(0.7)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert workers, "the third run was not under way"
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    deadline = time.monotonic() + 10
    while any(Path("/proc", worker).exists() for worker in workers):
        assert time.monotonic() < deadline, "a worker outlived its suite"
        time.sleep(0.05)
    return process.returncode, output + errors, runner.out.read_bytes()


@on_both
def test_a_runner_killed_by_sigkill_goes_on_where_it_stopped(runner: Runner) -> None:
    code, _, before = _killed_in_the_middle(runner, signal.SIGKILL)
    assert code == -signal.SIGKILL
    runner.out.write_bytes(before + b'{"torn')
    code, output = runner.run("-w", *SMALL, "--repeats", "3")
    assert code == 0, output
    # Four of the six runs are pending, two are recorded.
    assert re.search(r"^4 \D+ 2 \D+", output, re.MULTILINE), output  # not prose
    assert runner.out.read_bytes().startswith(before)
    done = sorted((each["workload"], each["repeat"], each["attempt"]) for each in runner.runs)
    assert done == sorted((name, repeat, 1) for name in SMALL for repeat in (1, 2, 3))
    assert runner.run("-w", *SMALL, "--repeats", "3")[0] == 0
    assert len(runner.runs) == 6
    # Each has its series; that of the killed run, which has no record, is kept beside.
    folder = runner.out.with_suffix(".telemetry")
    for each in runner.runs:
        told = each["telemetry"]
        assert told["judged"] == "train"
        assert told["phases"]["train"]["duration_s"] == pytest.approx(each["times"]["train_s"])
        content = (folder / told["series"]["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == told["series"]["sha256"]
    names = {path.name for path in folder.iterdir()}
    assert names >= {f"{name}.{repeat}.1.jsonl" for name in SMALL for repeat in (1, 2, 3)}
    assert len(names) <= 7


@on_both
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_runner_says_how_to_go_on(runner: Runner, number: signal.Signals) -> None:
    code, output, before = _killed_in_the_middle(runner, number)
    assert code == 130
    assert codes(output) == ["run-interrupted"]
    assert "--run-id faults" in output
    assert before.endswith(b"\n")
    assert len(runner.runs) == 2


@on_oldest
def test_repeats_are_interleaved_in_a_shifting_order(runner: Runner) -> None:
    assert runner.run("-w", *SMALL, "--repeats", "2", "--no-telemetry")[0] == 0
    assert all("--no-telemetry" in each["missing"]["telemetry"] for each in runner.runs)
    assert [(each["workload"], each["repeat"]) for each in runner.runs] == [
        ("mnist_1d", 1),
        ("imdb_embedded", 1),
        ("imdb_embedded", 2),
        ("mnist_1d", 2),
    ]
    assert [each["seed"] for each in runner.runs] == [1, 1, 2, 2]


@pytest.fixture
def memory_group(runner: Runner) -> Iterator[Path]:
    """A control group with little memory for the stack and no swap."""
    version_2 = Path("/sys/fs/cgroup/cgroup.controllers")
    root = Path("/sys/fs/cgroup") if version_2.exists() else Path("/sys/fs/cgroup/memory")
    group = root / f"edgebench-test-{os.getpid()}"
    group.mkdir()
    limit = group / ("memory.max" if version_2.exists() else "memory.limit_in_bytes")
    limit.write_text(str(LITTLE_MIB[runner.stack.name] * MIB))
    yield group
    for task in group.joinpath("cgroup.procs").read_text().split():
        os.kill(int(task), signal.SIGKILL)
    time.sleep(0.2)
    group.rmdir()


@on_both
def test_a_run_the_kernel_kills_for_memory_is_recorded_as_oom_and_the_suite_goes_on(
    runner: Runner, memory_group: Path
) -> None:
    def enter() -> None:
        (memory_group / "cgroup.procs").write_text(str(os.getpid()))

    code, output = runner.run(
        "-w", "imdb", "imdb_embedded", "--repeats", "1", "--input", "dense_float32", preexec_fn=enter
    )
    told = {each["workload"]: each for each in runner.runs}
    assert (code, told["imdb"]["status"], told["imdb_embedded"]["status"]) == (1, "oom", "ok"), output
    assert re.search(r"\bSIGKILL, oom_kill [1-9]", told["imdb"]["reason"])
    assert told["imdb"]["framework"]["version"] == runner.stack.tensorflow
    assert told["imdb"]["times"]["train_s"] is None
    assert "oom" in told["imdb"]["missing"]["times.train_s"]


@on_oldest
def test_the_same_little_memory_is_enough_when_the_rows_are_streamed(
    runner: Runner, memory_group: Path
) -> None:
    def enter() -> None:
        (memory_group / "cgroup.procs").write_text(str(os.getpid()))

    code, output = runner.run("-w", "imdb", "--repeats", "1", preexec_fn=enter)
    assert code == 0, output
    assert runner.runs[0]["data"]["input"] == "streamed"


@on_oldest
def test_an_address_space_limit_is_recorded_as_oom_too(runner: Runner) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1100 * MIB, 1100 * MIB))

    code, output = runner.run(
        "-w", "imdb", "imdb_embedded", "--repeats", "1", "--input", "dense_float32", preexec_fn=limit
    )
    told = {each["workload"]: each["status"] for each in runner.runs}
    assert (code, told) == (1, {"imdb": "oom", "imdb_embedded": "ok"}), output


@on_both
def test_a_run_past_its_limit_is_a_timeout_and_can_be_retried(runner: Runner) -> None:
    code, output = runner.run("-w", "mnist_2d", "--repeats", "1", "--time-limit", "2")
    assert (code, runner.runs[0]["status"]) == (1, "timeout"), output
    assert re.search(r"\b2 s\b", runner.runs[0]["reason"])
    assert "--retry" in output
    assert runner.run("-w", "mnist_2d", "--repeats", "1")[0] == 1
    assert len(runner.runs) == 1
    code, output = runner.run("-w", "mnist_2d", "--repeats", "1", "--retry")
    assert code == 0, output
    assert [(each["attempt"], each["status"]) for each in runner.runs] == [(1, "timeout"), (2, "ok")]


@on_oldest
def test_a_known_run_id_is_refused_without_resume(runner: Runner) -> None:
    assert runner.run("-w", "imdb_embedded", "--repeats", "1")[0] == 0
    code, output = runner.run("-w", "imdb_embedded", "--repeats", "1", "--no-resume")
    assert code == 2
    assert codes(output) == ["run-already-recorded"]
    assert "--run-id" in output
    assert len(runner.runs) == 1


@on_oldest
def test_a_run_is_not_continued_under_other_settings(runner: Runner) -> None:
    assert runner.run("-w", "imdb_embedded", "--repeats", "1")[0] == 0
    before = runner.out.read_bytes()
    code, output = runner.run("-w", "imdb_embedded", "--repeats", "2", "--threads", "1")
    assert code == 2
    assert codes(output) == ["settings-differ"]
    assert re.search(r"\bthreads\b\D+\bNone\b\D+\b1\b", output)
    assert runner.out.read_bytes() == before


@on_oldest
def test_a_hang_up_that_is_ignored_stays_ignored(runner: Runner) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = runner.start("-w", "imdb_embedded", "--repeats", "2", preexec_fn=ignore)
    runner.wait_for_runs(1)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=120) == 0
    assert len(runner.runs) == 2
