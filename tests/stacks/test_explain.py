"""``edgebench explain`` on real frameworks, old and new, and what it says of the 2019 report."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.stacks import environments
from tests.stacks.conftest import stack_python

pytestmark = [pytest.mark.stacks, environments.needed("py36-tf1.5.0")]

STACKS = ("py36-tf1.5.0", "py311-tf2.21.0")
# That arithmetic is right, not that this machine is fast or quiet, is what is tested.
PEAKS = {
    "gemm": [{"precision": "float32", "threads": 1, "gflop_per_s": 100.0}],
    "bandwidth": [{"threads": 1, "triad_gb_per_s": 10.0}],
}


@cache
def explained(zipapp: Path, stack: str, folder: Path) -> tuple[str, list[dict[str, Any]]]:
    peaks = folder / "peaks.json"
    peaks.write_text(json.dumps(PEAKS))
    out = folder / f"{stack}.jsonl"
    command: list[str | Path] = [stack_python(stack), zipapp, "explain", "-w", "imdb_embedded", "--offline"]
    command += ["--data", "synthetic", "--budget", "0", "--peaks", peaks, "--run-id", "stacks", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    return done.stdout, [json.loads(line) for line in out.read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explain")


@pytest.mark.parametrize("stack", STACKS)
def test_an_explanation_is_a_record(zipapp: Path, stack: str, folder: Path, repository: Path) -> None:
    schema = json.loads((repository / "bench/edgebench/record.schema.json").read_text())
    printed, records = explained(zipapp, stack, folder)
    assert [each["record"] for each in records] == ["host", "explanation"]
    for each in records:
        jsonschema.Draft7Validator(schema).validate(each)
    record = records[1]
    assert (record["workload"], record["status"], record["sizes"]) == (
        "imdb_embedded",
        "ok",
        {"batch": 32, "parameters": 80401},
    )
    assert record["framework"]["version"] == stack.partition("-tf")[2]
    assert "imdb_embedded" in printed


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_told_follows_from_the_samples(zipapp: Path, stack: str, folder: Path) -> None:
    record = explained(zipapp, stack, folder)[1][1]
    measured, parts = record["measured"], record["parts"]
    assert [each["batch"] for each in measured["sweep"]] == [4, 8, 16, 24, 32, 48, 64, 96, 128]
    assert [each["batch"] for each in measured["sweep"] if each["check"]] == [24, 48, 96]
    assert all(value > 0 for each in measured["sweep"] for value in each["samples_s"] + each["cpu_samples_s"])
    assert sum(parts.values()) == pytest.approx(2 * parts["sum_s"])
    assert all(parts[name] >= 0 for name in parts if name != "below_peak_s")
    # 400 products for the one output, forward and for the weights' gradient; the lookup computes nothing. Then the
    # gradient of the 400 inputs.
    assert record["counts"]["flop"] == 2 * 400 * 32 * 3
    training = record["training"]
    epochs_s = training["epochs"] * (training["turn_s"] + training["steps"] * parts["sum_s"])
    assert training["explained_s"] == pytest.approx(training["start_s"] + epochs_s + training["end_s"])
    # So small a network that a step takes about as long whatever its batch: 32 times the samples, on any machine.
    times = {each["batch"]: min(each["samples_s"]) for each in measured["sweep"]}
    assert times[128] < 16 * times[4]


def test_the_published_hosts_are_explained_as_documented(zipapp: Path, repository: Path) -> None:
    command: list[str | Path] = [stack_python("py311-tf2.21.0"), zipapp, "explain", "--like", "2019"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout in (repository / "docs/explain.md").read_text()
