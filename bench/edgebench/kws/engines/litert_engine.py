"""LiteRT: ai-edge-litert, tflite-runtime or TensorFlow's own interpreter, the first that is installed."""

import importlib

import numpy

from edgebench.errors import UnsupportedError
from edgebench.kws.engines import engine
from edgebench.kws.inputs import Quantization

# Library, module with Interpreter, package that carries the version.
_LIBRARIES = (
    ("ai-edge-litert", "ai_edge_litert.interpreter"),
    ("tflite-runtime", "tflite_runtime.interpreter"),
    ("tensorflow", "tensorflow"),
)


def open_library(threads, use_gpu):
    """Return the first of LiteRT's libraries that is installed; see ``engines.open_library``."""
    refused = []
    for name, module_name in _LIBRARIES:
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            refused.append("{}: {}".format(name, error))
            continue
        if name != "tensorflow":
            return LitertLibrary(name, _version_of(name, module_name), threads, module.Interpreter)
        interpreter_class = getattr(getattr(module, "lite", None), "Interpreter", None)
        if interpreter_class is not None:
            return LitertLibrary("tensorflow.lite", module.__version__, threads, interpreter_class)
        refused.append("tensorflow {}: has no interpreter".format(module.__version__))
    raise UnsupportedError(
        "LiteRT is not installed ({}). Install ai-edge-litert, tflite-runtime or TensorFlow 1.13 or later.".format(
            "; ".join(refused)
        ),
        "engine-not-installed",
    )


def _version_of(library, module_name):
    package = importlib.import_module(module_name.partition(".")[0])
    return getattr(package, "__version__", None) or engine.version_of(library)


class LitertLibrary(engine.Library):
    """One of LiteRT's libraries. interpreter_class: its Interpreter."""

    def __init__(self, name, version, threads, interpreter_class):
        engine.Library.__init__(self, name, version, threads)
        self._interpreter_class = interpreter_class

    def open(self, model):
        """Return a LitertEngine for a model of the form tflite."""
        return LitertEngine(model, self, self.interpreter(model.path))

    def interpreter(self, path):
        """Return an interpreter of the .tflite file ``path``, its tensors not allocated. Raises UnsupportedError."""
        try:
            try:
                return self._interpreter_class(model_path=path, num_threads=self.threads)
            except TypeError:
                # TensorFlow's interpreter has taken threads since 2.3; older ones compute on one.
                if self.threads != 1:
                    raise UnsupportedError(
                        "The interpreter of {} {} computes on one thread, not on {}. Use --threads 1.".format(
                            self.name, self.version, self.threads
                        ),
                        "threads-unsupported",
                    )
                return self._interpreter_class(model_path=path)
        except ValueError as error:
            raise UnsupportedError(
                "{} {} cannot load {}: {}".format(
                    self.name, self.version, path, str(error).strip().splitlines()[0]
                ),
                "model-not-loadable",
            )


class LitertEngine(engine.Engine):
    """A .tflite model in an interpreter; float32 and int8 inputs and outputs."""

    name = "litert"

    def __init__(self, model, library, interpreter):
        interpreter.allocate_tensors()
        engine.Engine.__init__(self, model, library, _delegate(interpreter), interpreter.invoke)
        self._interpreter = interpreter
        self._input = _Tensor(interpreter.get_input_details()[0])
        self._output = _Tensor(interpreter.get_output_details()[0])
        engine.check_shapes(model.id, self._input.shape, self._output.shape)

    def _put(self, value):
        if self._input.quantization is None:
            values = engine.floats(value)
        else:
            values = engine.integers(value, self._input.quantization)
        self._interpreter.set_tensor(self._input.index, values)

    def output(self):
        """Return the probabilities, dequantised by the output's own parameters."""
        values = self._interpreter.get_tensor(self._output.index)[0]
        if self._output.quantization is None:
            return numpy.array(values, numpy.float32)
        return engine.dequantized(values, self._output.quantization)


class _Tensor:
    """Index, shape and, for int8, the Quantization of a model's input or output."""

    def __init__(self, details):
        self.index = details["index"]
        self.shape = tuple(int(each) for each in details["shape"])
        kind = numpy.dtype(details["dtype"])
        if kind == numpy.float32:
            self.quantization = None
        elif kind == numpy.int8 and details["quantization"][0] > 0:
            scale, zero_point = details["quantization"]
            self.quantization = Quantization(float(scale), int(zero_point))
        else:
            raise UnsupportedError(
                "The tensor {} is {} with quantisation {}; supported are float32, and int8 with a scale.".format(
                    details["name"], kind, details["quantization"]
                ),
                "tensor-type-unsupported",
            )


def _delegate(interpreter):
    """Return "XNNPACK" or "none", by the operators that the interpreter shows; None where it shows none."""
    try:
        operators = interpreter._get_ops_details()
    except Exception:  # noqa: BLE001 - a private method, missing or other in some releases
        return None
    names = {str(each.get("op_name", "")) for each in operators}
    return "XNNPACK" if any("Xnnpack" in name for name in names) or "DELEGATE" in names else "none"
