"""All eight workloads, quick, on every generation of the framework that edgebench installs."""

import hashlib
import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests import needs
from tests.stacks import environments
from tests.stacks.conftest import Started, Suite, stack_python

STACKS = ["py36-tf1.5.0", "py36-tf1.13.2", "py37-tf1.15.5", "py39-tf2.15.1", "py311-tf2.21.0"]

# As published in the report of 2019.
PARAMETERS = {
    "mnist_1d": 407050,
    "imdb": 160305,
    "reuters": 647214,
    "mnist_2d": 93322,
    "dogs_vs_cats": 3453121,
    "imdb_embedded": 80401,
    "weather": 5217,
    "weather_conv": 14817,
}

# Well below what the quick profile reaches on every stack, well above chance: a wrong learning rate, loss or
# order of samples does not get there.
LEARNT = {"mnist_1d": 0.85, "imdb": 0.75, "mnist_2d": 0.6}


@pytest.fixture(scope="module", params=environments.params(*STACKS))
def stack(request: pytest.FixtureRequest) -> environments.Stack:
    """Each stack in turn, so that one suite serves all the tests of it."""
    return environments.load(request.param)


@pytest.fixture(scope="module")
def suite(stack: environments.Stack, start: Callable[..., Started]) -> Suite:
    """One quick suite of all workloads on the stack, on real data if the test data has it."""
    folder = needs.data_folder()
    data = ["--data-dir", str(folder)] if folder.is_dir() else []
    # Keyword spotting has tests of its own.
    return start(stack.name, [*data, "-w", *PARAMETERS]).end()


def test_all_runs_are_ok(suite: Suite) -> None:
    statuses = {name: (run["status"], run["reason"]) for name, run in suite.runs.items()}
    assert statuses == dict.fromkeys(PARAMETERS, ("ok", None)), suite.output
    assert suite.exit_code == 0, suite.output


def test_records_keep_to_the_schema(suite: Suite, repository: Path) -> None:
    schema = json.loads((repository / "bench" / "edgebench" / "record.schema.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    errors = [error for record in suite.records for error in validator.iter_errors(record)]
    assert [f"{error.json_path}: {error.message}" for error in errors] == []
    assert [record["record"] for record in suite.records] == ["host"] + ["run"] * len(PARAMETERS)


def test_networks_have_the_published_parameter_counts(suite: Suite) -> None:
    assert {name: run["sizes"]["parameters"] for name, run in suite.runs.items()} == PARAMETERS


def test_records_name_the_locked_versions(suite: Suite, stack: environments.Stack) -> None:
    locked = stack.locked
    for run in suite.runs.values():
        told = run["framework"]
        assert (told["version"], told["keras"], told["numpy"]) == (
            stack.tensorflow,
            locked["keras"],
            locked["numpy"],
        )
        assert told["python"].rpartition(".")[0] in stack.pythons


def test_times_are_whole_and_finite(suite: Suite) -> None:
    for name, run in suite.runs.items():
        times = run["times"]
        parts = [times[part] for part in ("import_s", "data_s", "build_s", "train_s", "test_s")]
        assert all(math.isfinite(part) and part > 0 for part in parts), (name, times)
        assert sum(parts) <= times["wall_s"], (name, times)
        assert len(times["epochs_s"]) == run["sizes"]["epochs"], (name, times)
        assert 0.5 * times["train_s"] <= sum(times["epochs_s"]) <= times["train_s"], (name, times)


def test_networks_learn(suite: Suite) -> None:
    reached = {name: suite.runs[name]["quality"]["value"] for name in LEARNT}
    assert all(reached[name] >= least for name, least in LEARNT.items()), reached
    for name, run in suite.runs.items():
        losses = run["quality"]["epoch_losses"]
        assert len(losses) == run["sizes"]["epochs"], name
        assert all(math.isfinite(loss) for loss in losses), (name, losses)


@pytest.mark.needs("data")
def test_weather_rests_on_real_rows(suite: Suite) -> None:
    for name in ("weather", "weather_conv"):
        data, quality = suite.runs[name]["data"], suite.runs[name]["quality"]
        assert (data["source"], data["synthetic"]) == ("directory", False), (name, data)
        # Half a year's mean hardly misses tomorrow's temperature by more than this.
        assert 0 < quality["mae_celsius"] < 20, (name, quality)


def test_records_name_the_program_that_made_them(suite: Suite, zipapp: Path) -> None:
    sha256 = hashlib.sha256(zipapp.read_bytes()).hexdigest()
    assert {record["runner"]["sha256"] for record in suite.records} == {sha256}


def test_list_tells_the_published_figures(stack: environments.Stack, zipapp: Path) -> None:
    told = subprocess.run(
        [stack_python(stack.name), zipapp, "list", "--json"], capture_output=True, text=True, check=True
    )
    listed = json.loads(told.stdout)
    assert {each["name"]: each["parameters"] for each in listed} == {**PARAMETERS, "kws": 24908}
