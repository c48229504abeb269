"""ONNX Runtime on the CPU."""

import importlib
import sys

import numpy

from edgebench.errors import UnsupportedError
from edgebench.kws.engines import engine
from edgebench.kws.inputs import LABELS

_PROVIDER = "CPUExecutionProvider"
_FLOAT = "tensor(float)"
# On x86 CPUs without VNNI, ONNX Runtime adds two products of uint8 and int8 in 16 bits, and greater sums saturate. With
# this option it computes with uint8 weights, which never saturate but take longer. Older versions ignore it.
_EXACT = ("session.x64quantprecision", "1")
_EXACT_SINCE = (1, 13)
# A model with this many bits in its weights never saturates: 2 x 255 x 63 fits into 16 bits. ``onnx_form`` writes it.
WEIGHT_BITS = "edgebench.weight_bits"
BITS_THAT_FIT = 7
# An ONNX model with one node, MatMulInteger of uint8 ``a`` (1, 4) and int8 weights (4, 16) that are all 127.
_PROBE = (
    b'\x08\x05\x12\x00:\x94\x01\n\x18\n\x01a\n\x01b\x12\x01y"\rMatMulInteger\x12\x01p*K\x08\x04\x08\x10\x10\x03B\x01bJ@'
    + b"\x7f" * 64
    + b"Z\x13\n\x01a\x12\x0e\n\x0c\x08\x02\x12\x08\n\x02\x08\x01\n\x02\x08\x04"
    + b"b\x13\n\x01y\x12\x0e\n\x0c\x08\x06\x12\x08\n\x02\x08\x01\n\x02\x08\x10B\x04\n\x00\x10\n"
)


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
        """Return an OnnxruntimeEngine for a model of the form onnx.

        An int8 model whose products may saturate on this CPU is loaded with
        ONNX Runtime's option for exact products; the engine's ``delegate``
        names it. Raises UnsupportedError if this version has no such option.
        """
        session, delegate = self._session(model), _PROVIDER
        if model.precision == "int8" and not _fits(session) and self.saturates():
            if tuple(int(part) for part in self.version.split(".")[:2]) < _EXACT_SINCE:
                raise UnsupportedError(
                    "onnxruntime {} computes int8 weights of 8 bits wrongly on this CPU, which has no VNNI. Install "
                    "onnxruntime {}.{} or later, or convert the model again, to weights of {} bits: edgebench kws "
                    "convert".format(*(self.version,) + _EXACT_SINCE + (BITS_THAT_FIT,)),
                    "int8-saturates",
                )
            session, delegate = self._session(model, _EXACT), "{}, {}={}".format(_PROVIDER, *_EXACT)
        return OnnxruntimeEngine(model, self, session, delegate)

    def saturates(self):
        """Return whether products of uint8 and int8 saturate on this CPU, as ONNX Runtime computes them by default."""
        session = self._module.InferenceSession(_PROBE, self._options(), providers=[_PROVIDER])
        (sums,) = session.run(None, {"a": numpy.full((1, 4), 255, numpy.uint8)})
        return bool((sums != 4 * 255 * 127).any())

    def _options(self, *entries):
        options = self._module.SessionOptions()
        options.intra_op_num_threads = self.threads
        # The network is one chain: there is nothing for a second operator to do at the same time.
        options.inter_op_num_threads = 1
        options.execution_mode = self._module.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        for key, value in entries:
            options.add_session_config_entry(key, value)
        return options

    def _session(self, model, *entries):
        try:
            return self._module.InferenceSession(model.path, self._options(*entries), providers=[_PROVIDER])
        # Its errors are of a class of their own each, with nothing in common below Exception.
        except Exception as error:  # noqa: BLE001
            raise UnsupportedError(
                "onnxruntime {} cannot load {}: {}".format(
                    self.version, model.path, str(error).strip().splitlines()[0]
                ),
                "model-not-loadable",
            )


def _fits(session):
    """Return whether a model's metadata says that its weights have so few bits that no product saturates."""
    bits = session.get_modelmeta().custom_metadata_map.get(WEIGHT_BITS, "8")
    return bits.isdigit() and int(bits) <= BITS_THAT_FIT


class OnnxruntimeEngine(engine.Engine):
    """A .onnx model in a session; its input and output are float32, whatever its operators compute in."""

    name = "onnxruntime"

    def __init__(self, model, library, session, delegate=_PROVIDER):
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

        engine.Engine.__init__(self, model, library, delegate, invoke)

    def _put(self, value):
        self._input[...] = engine.floats(value)

    def output(self):
        """Return the probabilities."""
        return numpy.array(self._results[0][0], numpy.float32)
