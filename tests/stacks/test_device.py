"""A run that must use a GPU and finds none ends before any work."""

from pathlib import Path

import pytest

from tests.messages import codes
from tests.stacks import environments
from tests.stacks.conftest import run_edgebench, stack_python

pytestmark = [pytest.mark.today, environments.needed(environments.TODAY)]


@pytest.mark.parametrize("command", ["run", "explain"])
def test_without_a_gpu_nothing_runs(zipapp: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / "tested.jsonl"
    arguments = (
        command,
        "--device",
        "gpu",
        "-w",
        "mnist_1d",
        "--data",
        "synthetic",
        "--offline",
        "--out",
        out,
    )
    # Hidden, where this machine has one.
    done = run_edgebench(
        stack_python(environments.TODAY), zipapp, tmp_path, *arguments, CUDA_VISIBLE_DEVICES="-1"
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert codes(done.stderr) == ["gpu-not-seen"]
    assert "--device cpu" in done.stderr
    assert not out.exists() or out.read_text() == ""
