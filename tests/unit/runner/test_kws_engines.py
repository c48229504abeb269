"""The interface of engines, as far as it goes without a framework; the real ones are tested on their stacks."""

import sys

import numpy
import pytest
from edgebench.errors import UnsupportedError, UsageError
from edgebench.kws import engines
from edgebench.kws.engines import engine
from edgebench.kws.inputs import KWS01, SHAPE, Features, Quantization, QuantizedFeatures
from edgebench.kws.models import RANDOM, Model


class Kept(engine.Engine):
    """Keeps what it is given."""

    def __init__(self) -> None:
        engine.Engine.__init__(self, RANDOM, engine.Library("none", "1", 1), None, lambda: None)
        self.kept: object = None

    def _put(self, value: object) -> None:
        self.kept = value


@pytest.mark.parametrize(
    "value",
    [
        numpy.zeros((1, 49, 10, 1), numpy.uint8),
        numpy.zeros(SHAPE, numpy.int8),
        numpy.zeros(SHAPE, numpy.float32),
        bytes(490),
        bytearray(490),
        [0] * 490,
        None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_raw_numbers_are_refused_by_their_type(value: object) -> None:
    kept = Kept()
    with pytest.raises(TypeError, match=r"QuantizedFeatures\.from_bytes"):
        kept.set_input(value)  # type: ignore[no-untyped-call]
    assert kept.kept is None


def test_features_of_both_kinds_are_taken() -> None:
    kept = Kept()
    for value in (Features(numpy.zeros(SHAPE)), QuantizedFeatures(numpy.zeros(SHAPE, "i1"), KWS01)):
        kept.set_input(value)  # type: ignore[no-untyped-call]
        assert kept.kept is value


def test_a_float_model_gets_real_values_and_an_int8_model_its_own_integers() -> None:
    quantized = QuantizedFeatures(numpy.full(SHAPE, 84, numpy.int8), KWS01)
    real = engine.floats(quantized)
    assert (real.shape, real.dtype) == ((1, 49, 10, 1), numpy.float32)
    assert real[0, 0, 0, 0] == pytest.approx(0.5847029)
    again = engine.integers(quantized, Quantization(0.5847029 / 2, -10))
    assert (again.dtype, int(again[0, 0, 0, 0])) == (numpy.int8, -8)
    assert int(engine.integers(Features(real[0]), KWS01)[0, 0, 0, 0]) == 84


def test_outputs_are_dequantised() -> None:
    values = engine.dequantized(numpy.array([-128, 0, 127], numpy.int8), Quantization(1 / 256, -128))
    assert values.tolist() == pytest.approx([0, 0.5, 255 / 256])


def test_another_network_is_refused() -> None:
    engine.check_shapes("x", (1, 49, 10, 1), (1, 12))
    engine.check_shapes("x", (-1, 49, 10, 1), (-1, 12))
    with pytest.raises(UnsupportedError, match=r"\(1, 96, 96, 3\).*\(1, 2\)") as caught:  # not prose
        engine.check_shapes("x", (1, 96, 96, 3), (1, 2))
    assert caught.value.code == "model-shapes-wrong"


def test_forms_and_engines_that_do_not_go_together_are_refused() -> None:
    model = Model("m", "onnx", "float32", "reference", "m.onnx", None, 1)
    assert [name for name in engines.NAMES if engines.can_run(name, model)] == ["onnxruntime"]
    with pytest.raises(UsageError, match=r"litert .*\bonnx\b.*\btflite\b") as caught:
        engines.open_engine("litert", model)
    assert caught.value.code == "model-form-unsupported"
    with pytest.raises(UsageError, match=r"openvino.*tensorflow, litert, onnxruntime") as caught:
        engines.open_engine("openvino", model)
    assert caught.value.code == "engine-unknown"


@pytest.mark.parametrize(
    ("name", "form", "told"),
    [
        ("litert", "tflite", r"\).*ai-edge-litert.*tflite-runtime.*1\.13"),
        ("onnxruntime", "onnx", "pip install onnxruntime"),
        ("tensorflow", "keras", f"TensorFlow .*{sys.executable}.*provision.yml"),
    ],
)
def test_an_engine_that_is_not_installed_is_unsupported(
    name: str, form: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None in sys.modules is how Python marks a module as not to be had.
    for module in (
        "ai_edge_litert",
        "ai_edge_litert.interpreter",
        "tflite_runtime",
        "tflite_runtime.interpreter",
    ):
        monkeypatch.setitem(sys.modules, module, None)
    for module in ("tensorflow", "onnxruntime"):
        monkeypatch.setitem(sys.modules, module, None)
    model = Model("m", form, "float32", "reference", "m", None, 1)
    with pytest.raises(UnsupportedError, match=told) as caught:
        engines.open_engine(name, model)
    assert caught.value.code == "engine-not-installed"
