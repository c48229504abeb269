"""What a user has set for Keras and the libraries: what is recorded is what ran."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench_report import aggregate

from tests.messages import codes
from tests.stacks import environments
from tests.stacks.conftest import stack_python

pytestmark = [pytest.mark.today, environments.needed(environments.TODAY)]

Record = dict[str, Any]
KERAS_JSON = {"floatx": "float64", "epsilon": 0.01, "backend": "jax", "image_data_format": "channels_first"}
_INHERITED = ("PATH", "LANG", "TMPDIR", "OPENBLAS_CORETYPE")


@pytest.fixture(scope="module")
def start(zipapp: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that trains one network in a home, under variables of the environment."""

    def start(folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
        # Images, one thread for the same sums in the same order.
        return subprocess.run(
            [
                *(stack_python(environments.TODAY), zipapp, "run", "-w", "mnist_2d", "--repeats", "1"),
                *("--data", "synthetic", "--threads", "1", "--offline", "--progress", "plain"),
                *("--host", "tested", "--run-id", folder.name, "--out", folder / "tested.jsonl"),
            ],
            env={
                **{name: os.environ[name] for name in _INHERITED if name in os.environ},
                "HOME": str(folder),
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )

    return start


@pytest.fixture(scope="module")
def run(
    start: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[Record, str]]:
    """A function that trains in a new home, with its keras.json; it returns the record and the output."""

    def train(keras_json: dict[str, Any] | None = None, **variables: str) -> tuple[Record, str]:
        folder = tmp_path_factory.mktemp("environment")
        if keras_json:
            (folder / ".keras").mkdir()
            (folder / ".keras/keras.json").write_text(json.dumps(keras_json))
        done = start(folder, **variables)
        assert done.returncode == 0, done.stdout
        records = [json.loads(line) for line in (folder / "tested.jsonl").read_text().splitlines()]
        return records[-1], done.stdout

    return train


@pytest.fixture(scope="module")
def plain(run: Callable[..., tuple[Record, str]]) -> Record:
    record, output = run()
    assert "keras-setting-ignored" not in codes(output)
    return record


@pytest.mark.parametrize(
    ("keras_json", "variables", "named"),
    [
        (KERAS_JSON, {}, [f"{name}={value}" for name, value in KERAS_JSON.items()]),
        (
            {**KERAS_JSON, "backend": "numpy"},
            {"KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "1", "TF_USE_LEGACY_KERAS": "1"},
            ["KERAS_BACKEND=torch", "KERAS_MAX_EPOCHS=1", "TF_USE_LEGACY_KERAS=1", "floatx=float64"],
        ),
    ],
)
def test_keras_computes_the_same_whatever_it_is_told(
    run: Callable[..., tuple[Record, str]],
    plain: Record,
    keras_json: dict[str, Any] | None,
    variables: dict[str, str],
    named: list[str],
) -> None:
    record, output = run(keras_json, **variables)
    assert record["status"] == "ok"
    for name in ("framework", "precision", "sizes", "environment", "device", "threads"):
        assert record[name] == plain[name], name
    # In float64, with other images or another epsilon they would not be these.
    assert record["quality"]["epoch_losses"] == pytest.approx(plain["quality"]["epoch_losses"], rel=1e-5)
    assert codes(output) == ["keras-setting-ignored"]
    assert all(each in output for each in named)


def test_what_the_libraries_read_is_recorded_stands_apart_and_is_kept(
    start: Callable[..., "subprocess.CompletedProcess[str]"], plain: Record, tmp_path: Path
) -> None:
    variables = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_enable_fast_math=false"}
    done, out = start(tmp_path, **variables), tmp_path / "tested.jsonl"
    assert done.returncode == 0, done.stdout
    before = out.read_bytes()
    record = json.loads(before.splitlines()[-1])
    assert record["environment"] == {**plain["environment"], **variables}
    columns = aggregate.columns([plain, record], ["mnist_2d"])
    assert [len(each.groups["mnist_2d"].runs) for each in columns] == [1, 1]

    resumed = start(tmp_path, **{**variables, "OMP_NUM_THREADS": "2"})
    assert (resumed.returncode, codes(resumed.stdout)) == (2, ["settings-differ"])
    assert "OMP_NUM_THREADS was 1, now 2" in resumed.stdout  # not prose
    assert out.read_bytes() == before
