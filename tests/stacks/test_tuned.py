"""The tuned profile on real frameworks: the same training under settings that were searched for here."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.stacks import environments
from tests.stacks.conftest import Started, Suite

pytestmark = [pytest.mark.stacks, environments.needed("py36-tf1.5.0")]

# The published sizes of Reuters, the shortest training; a search of seconds tries the first settings alone.
_ARGUMENTS = ["-w", "reuters", "--data", "synthetic", "--search-limit", "8"]


@pytest.fixture(scope="module")
def tuned(start: Callable[..., Started]) -> Suite:
    """Two repeats of the tuned profile on today's stack."""
    return start(environments.TODAY, [*_ARGUMENTS, "--profile", "tuned", "--repeats", "2"]).end()


def _runs(suite: Suite) -> list[dict[str, Any]]:
    return [record for record in suite.records if record["record"] == "run"]


def test_the_search_is_recorded_setting_by_setting(tuned: Suite, repository: Path) -> None:
    schema = json.loads((repository / "bench" / "edgebench" / "record.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(_runs(tuned)[0])
    run = _runs(tuned)[0]
    tuning = run["tuning"]
    verdicts = [each["verdict"] for each in tuning["tried"]]
    assert verdicts[0] == "default", tuned.output
    assert len(verdicts) > 1, tuning
    assert all(each["samples_per_s"] > 0 for each in tuning["tried"] if each["verdict"] != "refused")
    assert run["times"]["search_s"] == tuning["search_s"] > 0
    assert "cudnn_gru" in tuning["unavailable"]
    # The search is a process of its own: nothing of it is in the times of the run.
    parts = ("import_s", "data_s", "build_s", "train_s", "test_s")
    assert sum(run["times"][part] for part in parts) <= run["times"]["wall_s"]
    assert (run["times"]["train_s"] > 0, run["status"]) == (True, "ok")


def test_the_second_repeat_takes_the_settings_of_the_first(tuned: Suite) -> None:
    first, second = _runs(tuned)
    assert second["tuning"]["settings"] == first["tuning"]["settings"]
    assert second["tuning"]["from"] == {"session": first["session"], "repeat": 1, "attempt": 1}
    assert "search_s" not in second["times"]


def test_the_training_is_the_same_one(tuned: Suite, start: Callable[..., Started]) -> None:
    paper = start(environments.TODAY, [*_ARGUMENTS, "--profile", "paper"]).end()
    [own] = _runs(paper)
    other = _runs(tuned)[0]
    assert "tuning" not in own
    for name in ("sizes", "seed", "precision", "options", "threads"):
        assert own[name] == other[name], name
    # 2,246 test samples: two standard errors of a difference are about 0.03.
    assert abs(own["quality"]["value"] - other["quality"]["value"]) < 0.03
    losses = zip(own["quality"]["epoch_losses"], other["quality"]["epoch_losses"], strict=True)
    assert all(abs(one - two) < 0.05 * one for one, two in losses)


def test_an_old_framework_has_nothing_to_set_and_says_so(start: Callable[..., Started]) -> None:
    arguments = [*_ARGUMENTS, "--profile", "tuned", "--input", "streamed"]
    suite = start("py36-tf1.5.0", arguments).end()
    [run] = _runs(suite)
    assert run["status"] == "ok", suite.output
    tuning = run["tuning"]
    assert (tuning["settings"], tuning["tried"], tuning["ratio"]) == ({}, [], 1)
    unavailable = tuning["unavailable"]
    assert all(f"{name}: {unavailable[name]}" in tuning["reason"] for name in unavailable)
    assert "cudnn_gru" in unavailable
    assert re.search(r"\b1\.5\.0\b.*\b2\.4\b", unavailable["steps_per_execution"])
    assert re.search(r"\b1\.5\.0\b.*\b2\.7\b", unavailable["jit_compile"])
    assert "input" in unavailable
