"""`edgebench run -w kws`: real engines, real models, five windows each; retried, gone on with, refused."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.stacks import environments
from tests.stacks.conftest import stack_python

STACK = environments.TODAY
INT8 = ["--engines", "litert", "--models", "reference_int8"]


class Runner:
    """Calls of ``edgebench run -w kws`` that share one run id and one records file."""

    def __init__(self, zipapp: Path, folder: Path, data_dir: Path | None, python: Path | None = None) -> None:
        self.out = folder / "host.jsonl"
        self._command = [str(python or stack_python(STACK)), str(zipapp), "run", "--run-id", "kws", "--host"]
        self._command += ["tested", "--progress", "plain", "--offline", "--out", str(self.out)]
        self._command += ["--data-dir", str(data_dir)] if data_dir else []
        self._environment = {**os.environ, "EDGEBENCH_HOME": str(folder)}
        self._environment.pop("EDGEBENCH_DATA_DIR", None)

    def run(self, *arguments: str, workloads: tuple[str, ...] = ("kws",)) -> tuple[int, str]:
        done = subprocess.run(
            [*self._command, "-w", *workloads, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout + done.stderr

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()] if self.out.exists() else []

    @property
    def inferences(self) -> list[dict[str, Any]]:
        return [each for each in self.records if each["record"] == "inference"]


@pytest.fixture
def runner(zipapp: Path, tmp_path: Path, data_dir: Path) -> Runner:
    return Runner(zipapp, tmp_path, data_dir)


@pytest.mark.today
def test_an_inference_beside_a_training_has_windows_latency_and_accuracy(
    runner: Runner, repository: Path
) -> None:
    both = ("mnist_1d", "kws")
    code, output = runner.run(*INT8, "--repeats", "1", "--data", "auto", workloads=both)
    assert code == 0, output
    assert [each["record"] for each in runner.records] == ["host", "run", "inference"]
    schema = json.loads((repository / "bench" / "edgebench" / "record.schema.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for each in runner.records for error in validator.iter_errors(each)] == []
    host, _, record = runner.records
    assert host["facts"]["engines"] == {"tensorflow": True, "litert": True, "onnxruntime": True}
    assert (record["engine"]["library"], record["model"]["parameters"]) == ("ai-edge-litert", 24908)
    windows = [each["wall_s"] for each in record["windows"]]
    assert len(windows) == 5
    assert min(windows) >= 0.5
    assert record["valid_windows"] is False
    percentiles = record["latency"]["percentiles_us"]
    assert percentiles == sorted(percentiles)
    assert record["latency"]["samples"] == sum(each["inferences"] for each in record["windows"])
    assert (record["quality"]["value"], record["quality"]["samples"]) == (0.902, 1000)
    assert record["threads"] == {"intra": 1, "inter": 1}
    assert "top-1 90.2 %" in output


@pytest.mark.today
def test_what_is_recorded_is_kept_and_more_threads_are_more_measurements(runner: Runner) -> None:
    assert runner.run(*INT8)[0] == 0
    before = runner.out.read_bytes()
    code, output = runner.run(*INT8)
    assert (code, runner.out.read_bytes()) == (0, before)
    assert re.search(r"\b0 runs\b.*\b1\b", output)
    code, output = runner.run(*INT8, "--engine-threads", "1", "2")
    assert code == 0, output
    assert re.search(r"\b1 run\b.*\b1\b", output)
    assert [each["threads"]["intra"] for each in runner.inferences] == [1, 2]


@pytest.mark.today
def test_a_timeout_is_a_record_and_can_be_retried(runner: Runner) -> None:
    code, output = runner.run(*INT8, "--time-limit", "2")
    assert (code, runner.inferences[0]["status"]) == (1, "timeout"), output
    assert runner.inferences[0]["throughput_per_s"] is None
    assert re.search(r"\b2 s\b", runner.inferences[0]["missing"]["throughput_per_s"])
    code, output = runner.run(*INT8, "--retry")
    assert code == 0, output
    assert [(each["attempt"], each["status"]) for each in runner.inferences] == [(1, "timeout"), (2, "ok")]


@pytest.mark.today
def test_a_model_that_is_another_by_now_is_not_gone_on_with(
    zipapp: Path, tmp_path: Path, data_dir: Path
) -> None:
    # Without the set of reference models there is the network of random weights, by TensorFlow alone.
    without = Runner(zipapp, tmp_path, None)
    code, output = without.run("--engines", "tensorflow", "--models", "random")
    assert code == 0, output
    record = without.inferences[0]
    assert (record["model"]["weights"], record["quality"]["value"]) == ("random", None)
    assert "random" in record["missing"]["quality.value"]
    without.out.write_text(without.out.read_text().replace('"weights": "random"', '"weights": "trained"'))
    code, output = without.run("--engines", "tensorflow", "--models", "random")
    assert code == 2
    assert "[settings-differ]" in output
    assert re.search(r"\bweights of random\b.*\btrained\b.*\brandom\b", output)


@pytest.mark.today
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--engines", "tflite"), r"'tflite'.*\[engine-unknown\]"),
        (("--models", "nope"), r"'nope'.*\[model-unknown\]"),
        (("--engine-threads", "0"), r"\[number-too-small\]"),
        (
            ("--engines", "litert", "--models", "reference_saved_model"),
            r"litert.*reference_saved_model.*\[engines-read-no-model\]",
        ),
    ],
)
def test_wrong_usage_is_told_and_records_nothing(
    runner: Runner, arguments: tuple[str, ...], told: str
) -> None:
    code, output = runner.run(*arguments)
    assert code == 2, output
    assert re.search(told, output), output
    assert runner.records == []


@pytest.mark.stacks
@environments.needed("py36-tf1.5.0")
def test_an_engine_that_is_asked_for_and_not_installed_is_a_record(
    zipapp: Path, tmp_path: Path, data_dir: Path
) -> None:
    old = Runner(zipapp, tmp_path, data_dir, stack_python("py36-tf1.5.0"))
    code, output = old.run(*INT8)
    assert code == 1, output
    assert (old.inferences[0]["status"], old.inferences[0]["windows"]) == ("unsupported", [])
    assert re.search(r"\).*ai-edge-litert", old.inferences[0]["reason"])


@pytest.mark.stacks
@environments.needed("py36-tf1.5.0")
def test_what_an_old_host_cannot_do_is_told_and_no_failure(
    zipapp: Path, tmp_path: Path, data_dir: Path
) -> None:
    old = Runner(zipapp, tmp_path, data_dir, stack_python("py36-tf1.5.0"))
    code, output = old.run()
    told = {(each["engine"]["name"], each["model"]["id"]): each["status"] for each in old.inferences}
    assert told["tensorflow", "float32"] == "ok", output
    assert set(told.values()) == {"ok", "unsupported"}
    assert code == 0, output
    assert "not supported here" in output
    assert old.records[0]["facts"]["engines"]["onnxruntime"] is False
    assert "left out: onnxruntime" in output
