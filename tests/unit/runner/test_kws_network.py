"""The table of the keyword spotting network, and its weights as files."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from edgebench.errors import DataError, UsageError
from edgebench.kws import network


def _random_weights() -> list[numpy.ndarray]:
    random = numpy.random.default_rng(1)
    return [random.random(shape, numpy.float32) for _, shape in network.VARIABLES]


def test_the_table_adds_up_to_the_published_counts() -> None:
    assert sum(layer.parameters for layer in network.LAYERS) == network.PARAMETERS == 24908
    assert sum(layer.maccs for layer in network.LAYERS) == network.MACCS == 2656768


def test_each_layer_counts_what_its_shape_says() -> None:
    rows, columns, filters = 25, 5, 64
    expected = {
        "conv": (10 * 4 * filters + filters, rows * columns * filters * 10 * 4),
        "depthwise": (9 * filters + filters, rows * columns * filters * 9),
        "pointwise": (filters * filters + filters, rows * columns * filters * filters),
        "dense": (filters * 12 + 12, filters * 12),
    }
    for layer in network.LAYERS:
        kind = layer.name.split("_")[0]
        if layer.kind in ("Conv2D", "DepthwiseConv2D", "Dense"):
            assert (layer.parameters, layer.maccs) == expected[kind], layer
        else:
            assert layer.maccs == 0
            assert layer.parameters == (4 * filters if layer.kind == "BatchNormalization" else 0)


def test_the_variables_are_all_parameters() -> None:
    assert sum(int(numpy.prod(shape)) for _, shape in network.VARIABLES) == network.PARAMETERS
    assert len({name for name, _ in network.VARIABLES}) == len(network.VARIABLES)


def test_weights_survive_their_file(tmp_path: Path) -> None:
    arrays = _random_weights()
    path = str(tmp_path / "weights.npz")
    first = network.save_weights(path, arrays)
    assert all(
        numpy.array_equal(one, other) for one, other in zip(arrays, network.load_weights(path), strict=True)
    )
    assert network.save_weights(path, arrays) == first


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.npz.*edgebench kws convert") as caught:
        network.load_weights(str(tmp_path / "none.npz"))
    assert caught.value.code == "weights-file-missing"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no archive at all"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)) as caught:
        network.load_weights(str(path))
    assert caught.value.code == "weights-unreadable"


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "weights.npz")
    network.save_weights(path, _random_weights())
    with numpy.load(path) as archive:
        kept = {"conv/kernel": archive["conv/kernel"]}
    numpy.savez(path, allow_pickle=False, **kept)
    with pytest.raises(DataError, match="conv/bias") as caught:
        network.load_weights(path)
    assert caught.value.code == "weights-unreadable"


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (lambda arrays: arrays[:-1], "network-different", r"\b55\b.*\b56\b"),
        (lambda arrays: [arrays[0].T, *arrays[1:]], "network-different", r"conv/kernel .*\(64, 1, 4, 10\)"),
        (lambda arrays: [*arrays[:-1], arrays[-1] * numpy.nan], "weights-not-finite", "dense/bias"),
    ],
)
def test_weights_of_another_kind_are_refused(
    change: Callable[[list[numpy.ndarray]], list[numpy.ndarray]], code: str, told: str
) -> None:
    with pytest.raises(DataError, match=f"given.*{told}") as caught:
        network.checked_weights(change(_random_weights()), "given")
    assert caught.value.code == code


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path} .*variables/variables.index") as caught:
        network.reference_weights(None, str(tmp_path))
    assert caught.value.code == "saved-model-incomplete"
