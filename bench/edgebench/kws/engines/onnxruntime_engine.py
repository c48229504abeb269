"""ONNX Runtime on the CPU."""

import importlib
import sys

import numpy

from edgebench.errors import UnsupportedError
from edgebench.kws.engines import engine
from edgebench.kws.inputs import LABELS

_PROVIDER = "CPUExecutionProvider"
_FLOAT = "tensor(float)"


def open_library(threads, use_gpu):
    """Return ONNX Runtime; see ``engines.open_library``. It computes on the CPU, whatever ``use_gpu`` says."""
    try:
        module = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise UnsupportedError(
            "ONNX Runtime is not installed ({}). Run: {} -m pip install onnxruntime".format(
                error, sys.executable
            ),
            "engine-not-installed",
        )
    return OnnxruntimeLibrary(module, threads)


class OnnxruntimeLibrary(engine.Library):
    """The imported onnxruntime."""

    def __init__(self, module, threads):
        engine.Library.__init__(self, "onnxruntime", module.__version__, threads)
        self._module = module

    def open(self, model):
        """Return an OnnxruntimeEngine for a model of the form onnx."""
        options = self._module.SessionOptions()
        options.intra_op_num_threads = self.threads
        # The network is one chain: there is nothing for a second operator to do at the same time.
        options.inter_op_num_threads = 1
        options.execution_mode = self._module.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            session = self._module.InferenceSession(model.path, options, providers=[_PROVIDER])
        # Its errors are of a class of their own each, with nothing in common below Exception.
        except Exception as error:  # noqa: BLE001
            raise UnsupportedError(
                "onnxruntime {} cannot load {}: {}".format(
                    self.version, model.path, str(error).strip().splitlines()[0]
                ),
                "model-not-loadable",
            )
        return OnnxruntimeEngine(model, self, session)


class OnnxruntimeEngine(engine.Engine):
    """A .onnx model in a session; its input and output are float32, whatever its operators compute in."""

    name = "onnxruntime"

    def __init__(self, model, library, session):
        taken, given = session.get_inputs()[0], session.get_outputs()[0]
        for each in (taken, given):
            if each.type != _FLOAT:
                raise UnsupportedError(
                    "{} of {} is {}; supported are ONNX models with float32 inputs and outputs.".format(
                        each.name, model.path, each.type
                    ),
                    "tensor-type-unsupported",
                )
        engine.check_shapes(model.id, taken.shape, given.shape)
        self._feeds = {taken.name: numpy.zeros(engine.BATCH_SHAPE, numpy.float32)}
        self._input = self._feeds[taken.name]
        self._results = [numpy.zeros((1, len(LABELS)), numpy.float32)]
        run, outputs, feeds = session.run, [given.name], self._feeds

        def invoke():
            self._results = run(outputs, feeds)

        engine.Engine.__init__(self, model, library, _PROVIDER, invoke)

    def _put(self, value):
        self._input[...] = engine.floats(value)

    def output(self):
        """Return the probabilities."""
        return numpy.array(self._results[0][0], numpy.float32)
