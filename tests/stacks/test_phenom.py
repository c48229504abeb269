"""The CPU of the report's oldest host, an AMD Phenom, emulated: who trains on it, and what the others say."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.stacks import environments
from tests.stacks.conftest import Started

STACKS = ("py36-tf1.5.0", "py36-tf1.13.2", "py37-tf1.15.5", "py39-tf2.15.1")
pytestmark = [pytest.mark.phenom, environments.needed(*STACKS)]


def test_tensorflow_1_5_0_trains(phenom_training: Started) -> None:
    suite = phenom_training.end()
    assert suite.exit_code == 0, suite.output
    assert {name: run["status"] for name, run in suite.runs.items()} == {
        "mnist_1d": "ok",
        "imdb_embedded": "ok",
    }
    assert suite.runs["mnist_1d"]["framework"]["version"] == "1.5.0"
    assert suite.runs["mnist_1d"]["quality"]["value"] > 0.85
    assert all(run["times"]["train_s"] > 0 for run in suite.runs.values())


@pytest.mark.parametrize(
    ("stack", "died_of"),
    [
        ("py36-tf1.13.2", "SIGABRT"),
        ("py37-tf1.15.5", "SIGILL"),
        ("py39-tf2.15.1", "SIGILL"),
        # Here NumPy 2.4 is the first that this CPU cannot run.
        ("py311-tf2.21.0", "SIGILL"),
    ],
)
def test_newer_stacks_are_unsupported(
    stack: str, died_of: str, phenom: str, start: Callable[..., Started], repository: Path
) -> None:
    suite = start(stack, ["-w", "mnist_1d", "weather", "--data", "synthetic"], prefix=phenom).end()
    assert suite.exit_code == 1, suite.output
    # The suite went on to the next workload after the first had died.
    assert {name: run["status"] for name, run in suite.runs.items()} == {
        "mnist_1d": "unsupported",
        "weather": "unsupported",
    }
    schema = json.loads((repository / "bench" / "edgebench" / "record.schema.json").read_text())
    for run in suite.runs.values():
        jsonschema.validate(run, schema)
        assert died_of in run["reason"]
        assert run["quality"]["value"] is None
        assert run["missing"]["quality.value"]
