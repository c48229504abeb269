"""How a network is fed, and the choice that memory forces."""

import resource
import subprocess
import sys
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from edgebench import inputs, worker

GIB = 2**30


@pytest.mark.parametrize(
    ("available", "kind"),
    [
        (16 * GIB, "dense_float32"),
        (7 * GIB, "dense_uint8"),
        (1 * GIB, "streamed"),
        (None, "streamed"),
    ],
)
def test_imdb_of_the_paper_profile_is_held_as_memory_allows(available: int | None, kind: str) -> None:
    assert inputs.choose_multi_hot(50000, 10000, available) == kind


def test_each_epoch_has_every_row_once_and_shuffling_changes_the_order() -> None:
    numpy.random.seed(3)
    batches = list(islice(inputs.rows_in_batches(10, 4, shuffled=True), 6))
    first, second = numpy.concatenate(batches[:3]), numpy.concatenate(batches[3:])
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()
    assert [len(each) for each in batches] == [4, 4, 2, 4, 4, 2]


def test_an_address_space_limit_bounds_the_available_memory() -> None:
    code = "from edgebench import inputs; print(inputs.available_memory_bytes())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(inputs.__file__).parents[1])},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIB, GIB)),
    )
    assert 0 < int(done.stdout) < GIB


@pytest.mark.parametrize(("rows", "sizes"), [(10, [4, 2]), (8, [4]), (3, [3]), (4, [4])])
def test_what_warms_a_graph_has_one_batch_of_each_shape(rows: int, sizes: list[int]) -> None:
    warm = inputs.Arrays(numpy.zeros((rows, 2)), numpy.zeros(rows), 4).each_shape()
    starts = range(0, len(warm.x), 4)
    assert [len(warm.x[start : start + 4]) for start in starts] == sizes
    assert len(warm.y) == len(warm.x)


class Model:
    """A network whose weights every step changes."""

    def __init__(self) -> None:
        self.weights = [1.0]

    def get_weights(self) -> list[float]:
        return list(self.weights)

    def set_weights(self, weights: list[float]) -> None:
        self.weights = weights


def test_the_first_steps_leave_the_weights_as_they_were() -> None:
    reset: list[Model] = []

    def fit(model: Model, train: Any, epochs: int) -> list[float]:
        model.weights = [each - 0.5 for each in model.weights]
        return [0.7]

    framework = SimpleNamespace(precision="float32", fit=fit, reset_optimizer=reset.append)
    model = Model()
    worker._first_steps(framework, model, inputs.Arrays(numpy.zeros((8, 2)), numpy.zeros(8), 4))
    assert model.weights == [1.0]
    assert reset == [model]
