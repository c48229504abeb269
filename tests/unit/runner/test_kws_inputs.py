"""What an engine may be fed: quantised and real features, never raw numbers."""

from pathlib import Path

import numpy
import pytest
from edgebench.errors import DataError, EdgebenchError
from edgebench.kws.inputs import (
    KWS01,
    LABELS,
    SHAPE,
    Features,
    Quantization,
    QuantizedFeatures,
    read_set,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.messages import codes

ZEROS = numpy.zeros(SHAPE, numpy.int8)


def test_bytes_are_signed_and_dequantised_with_the_sets_parameters() -> None:
    features = QuantizedFeatures.from_bytes(bytes([0xFF, 83]) + bytes(488)).features()
    assert features.values.dtype == numpy.float32
    assert features.values.shape == SHAPE
    # 0xFF is -1, not 255: the difference is what the 2021 port missed.
    assert features.values.reshape(-1)[:3] == pytest.approx([-84 * 0.5847029, 0, -83 * 0.5847029], rel=1e-6)


@pytest.mark.parametrize("length", [0, 489, 491])
def test_bytes_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(EdgebenchError, match=rf"\b490\b.*\b{length}\b") as caught:
        QuantizedFeatures.from_bytes(bytes(length))
    assert caught.value.code == "input-length-wrong"


@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "bool"])
def test_features_are_never_made_of_integers(kind: str) -> None:
    with pytest.raises(TypeError, match=rf"{kind}\b.*QuantizedFeatures"):
        Features(ZEROS.astype(kind))


@pytest.mark.parametrize("kind", ["uint8", "float32", "int16"])
def test_quantised_features_are_int8_alone(kind: str) -> None:
    with pytest.raises(TypeError, match=kind):
        QuantizedFeatures(ZEROS.astype(kind), KWS01)


@pytest.mark.parametrize("shape", [(490,), (1, 49, 10, 1), (10, 49, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    for make in (
        lambda: Features(numpy.zeros(shape)),
        lambda: QuantizedFeatures(numpy.zeros(shape, "i1"), KWS01),
    ):
        with pytest.raises(ValueError, match=r"\(49, 10, 1\)"):
            make()


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_features_are_finite(value: float) -> None:
    values = numpy.zeros(SHAPE)
    values[3, 4] = value
    with pytest.raises(ValueError, match=r"\b1\b") as caught:
        Features(values)
    assert codes(str(caught.value)) == ["features-not-finite"]


@pytest.mark.parametrize("scale", [0, -1, numpy.nan])
def test_a_scale_is_above_zero(scale: float) -> None:
    with pytest.raises(ValueError, match=str(scale)) as caught:
        QuantizedFeatures(ZEROS, (scale, 0))
    assert codes(str(caught.value)) == ["scale-not-positive"]


@given(st.binary(min_size=490, max_size=490))
def test_the_same_quantisation_keeps_the_very_numbers(data: bytes) -> None:
    quantized = QuantizedFeatures.from_bytes(data)
    # As the reference model says it, in float32.
    model = Quantization(float(numpy.float32(0.5847029)), 83)
    assert quantized.requantized(model).values.tobytes() == data
    assert quantized.features().quantized(KWS01).values.tobytes() == data


@given(st.floats(0.01, 10), st.integers(-128, 127))
def test_another_quantisation_is_the_nearest_and_clips(scale: float, zero_point: int) -> None:
    values = numpy.linspace(-300, 300, 490).reshape(SHAPE)
    again = Features(values).quantized(Quantization(scale, zero_point)).features().values
    low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
    assert abs(again - numpy.clip(values, low, high)).max() <= scale / 2 + 1e-3


def test_the_real_set_is_whole(data_dir: Path) -> None:
    samples = read_set(str(data_dir / "kws01"))
    assert len(samples) == 1000
    assert samples[0].name == "tst_000000_Stop_7.bin"
    assert LABELS[samples[0].label] == "stop"
    assert {sample.label for sample in samples} == set(range(12))


def _set(folder: Path, index: str, size: int = 490) -> str:
    (folder / "a.bin").write_bytes(bytes(size))
    (folder / "y_labels.csv").write_text(index)
    return str(folder)


@pytest.mark.parametrize(
    ("index", "code", "told"),
    [
        ("a.bin,12\n", "input-index-line-wrong", "y_labels.csv:1: 'a.bin,12' .*NAME,12,LABEL"),
        ("a.bin,12,x\n", "input-index-line-wrong", "y_labels.csv:1: 'a.bin,12,x'"),
        ("a.bin,10,1\n", "input-index-line-wrong", "y_labels.csv:1: 'a.bin,10,1' .*NAME,12,LABEL"),
        ("a.bin,12,3\na.bin,12,12\n", "input-index-line-wrong", r"y_labels.csv:2: .*\b0\b.*\b11\b"),
        ("../a.bin,12,3\n", "input-index-line-wrong", "y_labels.csv:1: '../a.bin,12,3'"),
        ("b.bin,12,3\n", "input-unreadable", r"b\.bin .*edgebench data fetch"),
        ("", "input-index-empty", "y_labels.csv"),
    ],
)
def test_a_broken_index_is_named(tmp_path: Path, index: str, code: str, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        read_set(_set(tmp_path, index))
    assert caught.value.code == code


def test_a_cut_input_and_a_missing_index_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.bin: .*\b100\b") as caught:
        read_set(_set(tmp_path, "a.bin,12,3\n", size=100))
    assert caught.value.code == "input-length-wrong"
    with pytest.raises(DataError, match=r"nowhere/y_labels\.csv") as caught:
        read_set(str(tmp_path / "nowhere"))
    assert caught.value.code == "input-index-unreadable"
