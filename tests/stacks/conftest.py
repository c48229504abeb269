"""Real suites of the real zipapp on real frameworks."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.stacks import environments

# Time enough on a machine that does other things as well; a suite that hangs must not hang CI.
_SUITE_LIMIT_S = 2700
_COMMAND_LIMIT_S = 1500
_EMULATOR = "qemu-x86_64-static"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what the emulator takes minutes for, so that it is not what is waited for in the end."""
    items.sort(key=lambda item: item.path.name != "test_phenom.py")


@dataclass(frozen=True)
class Suite:
    """What a call of ``edgebench run`` left behind."""

    exit_code: int
    output: str
    out: Path

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()] if self.out.exists() else []

    @cached_property
    def runs(self) -> dict[str, dict[str, Any]]:
        """Run records by workload."""
        return {record["workload"]: record for record in self.records if record["record"] == "run"}


class Started:
    """A suite on its way in a process group of its own."""

    def __init__(
        self, python: Path, zipapp: Path, folder: Path, arguments: list[str], prefix: str = ""
    ) -> None:
        self._out = folder / "host.jsonl"
        self._log = folder / "output.txt"
        command: list[str | Path] = [
            python,
            zipapp,
            "run",
            "--profile",
            "quick",
            "--repeats",
            "1",
            "--run-id",
            "stacks",
        ]
        command += ["--host", "tested", "--out", self._out, "--offline", "--progress", "plain", *arguments]
        # Set on some machines, it names the real CPU and not the emulated one.
        dropped = {"OPENBLAS_CORETYPE"} if prefix else set()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **{name: value for name, value in os.environ.items() if name not in dropped},
                    "EDGEBENCH_HOME": str(folder),
                    "EDGEBENCH_WORKER_PREFIX": prefix,
                },
                start_new_session=True,
            )

    def end(self) -> Suite:
        """Wait for the suite to end."""
        exit_code = self._process.wait(_SUITE_LIMIT_S)
        return Suite(exit_code, self._log.read_text(), self._out)

    def stop(self) -> None:
        """Kill what still runs; the worker ends with its parent."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def stack_python(name: str) -> Path:
    """Return the interpreter that has the stack ``name``."""
    return environments.python(environments.load(name))


def run_edgebench(
    python: Path, zipapp: Path, home: Path, *arguments: str | Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the runner to its end, with nothing of EDGEBENCH_* and OPENBLAS_* inherited."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("EDGEBENCH_", "OPENBLAS_"))
    }
    return subprocess.run(
        [python, zipapp, *arguments],
        env={**inherited, "EDGEBENCH_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=_COMMAND_LIMIT_S,
    )


@pytest.fixture(scope="session")
def converted(zipapp: Path, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with the inputs, the reference models and today's stack's conversions of them."""
    mirror = tmp_path_factory.mktemp("mirror")
    for name in ("kws01", "models"):
        (mirror / name).symlink_to(data_dir / name)
    out = mirror / "kws_converted"
    done = run_edgebench(
        stack_python(environments.TODAY),
        zipapp,
        mirror,
        "kws",
        "convert",
        "--data-dir",
        mirror,
        "--out",
        out,
        "--offline",
    )
    assert done.returncode == 0, done.stderr
    return mirror


@pytest.fixture(scope="session")
def engines_python() -> Path:
    """The interpreter of the venv that the engines get beside an old TensorFlow."""
    stack = environments.Stack(
        name="engines-py39",
        pythons=("3.11", "3.10", "3.9"),
        architectures=("x86_64",),
        lock=environments.REPOSITORY / "requirements" / "engines-py39.txt",
        bootstrap=None,
    )
    return environments.python(stack)


@pytest.fixture(scope="session")
def start(zipapp: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Started]]:
    """What starts a suite: called with a stack, arguments and a command to run workers by, it gives a Started."""
    started = []

    def begin(stack: str, arguments: list[str], prefix: str = "") -> Started:
        folder = tmp_path_factory.mktemp(stack)
        started.append(Started(stack_python(stack), zipapp, folder, arguments, prefix))
        return started[-1]

    yield begin
    for each in started:
        each.stop()


@pytest.fixture(scope="session")
def phenom() -> str:
    """The command that runs a program as on an AMD Phenom, which has neither SSE4.1 nor AVX."""
    return f"{_EMULATOR} -cpu phenom"


@pytest.fixture(scope="session")
def phenom_training(phenom: str, start: Callable[..., Started]) -> Started:
    """TensorFlow 1.5.0 training two workloads on the emulated Phenom."""
    # One thread, for the other core has tests of its own.
    arguments = [
        "-w",
        "mnist_1d",
        "imdb_embedded",
        "--data",
        "synthetic",
        "--threads",
        "1",
        "--time-limit",
        "2400",
    ]
    return start("py36-tf1.5.0", arguments, prefix=phenom)
