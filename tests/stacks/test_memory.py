"""IMDB in its published size on little memory: streamed rows learn what dense ones do, in a fraction of the space."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.stacks import environments
from tests.stacks.conftest import Started

STACKS = ("py36-tf1.5.0", environments.TODAY)
pytestmark = [pytest.mark.stacks, environments.needed(*STACKS)]


@pytest.mark.parametrize("stack", STACKS)
def test_streamed_imdb_needs_less_than_600_mb_and_learns_as_dense(
    start: Callable[..., Started], stack: str
) -> None:
    def imdb(kind: str) -> dict[str, Any]:
        suite = start(
            stack, ["-w", "imdb", "--profile", "paper", "--data", "synthetic", "--input", kind]
        ).end()
        assert suite.exit_code == 0, suite.output
        return suite.runs["imdb"]

    streamed, dense = imdb("streamed"), imdb("dense_uint8")
    assert streamed["data"]["input"] == "streamed"
    memory = streamed["memory"]
    assert memory["peak_bytes"] - memory["framework_bytes"] < 600e6
    assert memory["peak_bytes"] < dense["memory"]["peak_bytes"]
    assert streamed["quality"]["value"] == pytest.approx(dense["quality"]["value"], abs=0.01)
