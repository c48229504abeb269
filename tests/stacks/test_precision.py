"""float16 is real where the framework has it, and learns as float32 does."""

from collections.abc import Callable

import pytest

from tests.stacks import environments
from tests.stacks.conftest import Started, Suite

pytestmark = [pytest.mark.stacks, environments.needed("py36-tf1.5.0")]


def _both(start: Callable[..., Started], stack: str, workload: str) -> tuple[Suite, Suite]:
    arguments = ["-w", workload, "--data", "synthetic"]
    single = start(stack, arguments).end()
    half = start(stack, [*arguments, "--precision", "float16"]).end()
    assert (single.exit_code, half.exit_code) == (0, 0), single.output + half.output
    return single, half


@pytest.mark.parametrize(
    ("stack", "workload"), [("py311-tf2.21.0", "mnist_1d"), ("py36-tf1.5.0", "imdb_embedded")]
)
def test_float16_computes_other_numbers_and_learns_alike(
    start: Callable[..., Started], stack: str, workload: str
) -> None:
    single, half = (suite.runs[workload] for suite in _both(start, stack, workload))
    assert (single["precision"], half["precision"]) == ("float32", "float16")
    assert half["sizes"]["parameters"] == single["sizes"]["parameters"]
    losses = single["quality"]["epoch_losses"][-1], half["quality"]["epoch_losses"][-1]
    # The same seed and data: only another precision makes another loss.
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert half["quality"]["value"] == pytest.approx(single["quality"]["value"], abs=0.05)
