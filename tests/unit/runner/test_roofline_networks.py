"""Made-up inputs for networks, by what the built network itself takes and returns."""

from typing import Any

import numpy
import pytest
from edgebench.roofline import networks


class Layer:
    """A layer as far as its output goes."""


class InputLayer(Layer):
    """Old versions of Keras list it as a layer."""


class Embedding(Layer):
    """Looks up indices below ``input_dim``."""

    input_dim = 7


class Model:
    """A built network."""

    def __init__(self, layers: list[Layer], outputs: int) -> None:
        self.layers = layers
        self.output_shape = (None, outputs)


def _subject(**changes: Any) -> networks.Subject:
    values = {"name": "new", "title": "New", "input_shape": (5,), "batch": 32, "parameters": 1, "build": None}
    return networks.Subject(**{**values, "loss": ("any", 1e-3), **changes})


@pytest.mark.parametrize("outputs", [2, 3, 46])
def test_a_new_workload_needs_no_entry_for_its_classes(outputs: int) -> None:
    x, y = networks.batch_of(_subject(), Model([Layer()], outputs), 64)
    assert (x.shape, x.dtype) == ((64, 5), numpy.float32)
    assert (y.shape, y.dtype) == ((64, outputs), numpy.float32)
    assert (y.sum(axis=1) == 1).all()
    assert (y.sum(axis=0) > 0).sum() > 1


def test_one_output_has_no_classes() -> None:
    _, y = networks.batch_of(_subject(), Model([Layer()], 1), 64)
    assert (y.shape, y.dtype) == ((64,), numpy.float32)
    assert set(y) == {0, 1}


@pytest.mark.parametrize("layers", [[Embedding(), Layer()], [InputLayer(), Embedding()]])
def test_an_embedding_gets_indices_that_it_knows(layers: list[Layer]) -> None:
    x, _ = networks.batch_of(_subject(), Model(layers, 1), 64)
    assert x.dtype == numpy.int32
    assert set(x.ravel()) == set(range(7))


def test_a_network_that_is_not_trained_has_no_target() -> None:
    assert networks.batch_of(_subject(loss=None), Model([Layer()], 12), 1)[1] is None
