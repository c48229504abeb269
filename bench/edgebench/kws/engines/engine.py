"""What all engines have in common."""

import importlib

import numpy

from edgebench.errors import UnsupportedError
from edgebench.kws.inputs import LABELS, SHAPE, Features, Quantization, QuantizedFeatures

BATCH_SHAPE = (1,) + SHAPE


class Library:
    """An imported library. name: its package. version: a text, or None where it does not tell."""

    def __init__(self, name, version, threads):
        self.name = name
        self.version = version
        self.threads = threads

    def open(self, model):
        """Load a models.Model and return its Engine."""
        raise NotImplementedError

    def set_seed(self, seed):
        """Seed what random weights are made of."""

    def device(self):
        """Return what computes: a dict of kind ("gpu", "cpu"), name, memory_bytes."""
        return {"kind": "cpu", "name": None, "memory_bytes": None}

    def framework(self):
        """Return what there is to say of TensorFlow: {} where this is another library."""
        return {}


class Engine:
    """A loaded network.

    name: of the engine. library, version: of the package that computes.
    delegate: what takes over the operators ("XNNPACK", "none"), or None where the
    library does not tell. threads: that compute. model: the models.Model.
    invoke: the callable that is timed; it runs the network once on the input
    that is set and does nothing else.
    """

    name = ""

    def __init__(self, model, library, delegate, invoke):
        self.model = model
        self.threads = library.threads
        self.library = library.name
        self.version = library.version
        self.delegate = delegate
        self.invoke = invoke

    def set_input(self, value):
        """Take ``Features`` or ``QuantizedFeatures`` as the next input, brought into the form the model asks for.

        Quantisation comes from the model's own parameters. Raises TypeError for
        anything else, raw arrays and bytes above all.
        """
        if not isinstance(value, (Features, QuantizedFeatures)):
            raise TypeError(
                "An engine takes Features or QuantizedFeatures, not {}. For bytes of the set kws01 use "
                "QuantizedFeatures.from_bytes, for real MFCC values Features.".format(type(value).__name__)
            )
        self._put(value)

    def _put(self, value):
        raise NotImplementedError

    def output(self):
        """Return the probabilities of the last inference as float32 of shape (12,), in the order of LABELS."""
        raise NotImplementedError

    def close(self):
        """Let go of what the engine holds."""


def floats(value):
    """Return an input as float32 of shape (1, 49, 10, 1), dequantised where it has to be."""
    features = value.features() if isinstance(value, QuantizedFeatures) else value
    return features.values.reshape(BATCH_SHAPE)


def integers(value, quantization):
    """Return an input as int8 of shape (1, 49, 10, 1) under a model's own Quantization."""
    if isinstance(value, QuantizedFeatures):
        return value.requantized(quantization).values.reshape(BATCH_SHAPE)
    return value.quantized(quantization).values.reshape(BATCH_SHAPE)


def dequantized(values, quantization):
    """Return the float32 that integers of a model's output stand for."""
    scale, zero_point = Quantization(*quantization)
    return (values.astype(numpy.float32) - zero_point) * numpy.float32(scale)


def check_shapes(name, input_shape, output_shape):
    """Raise UnsupportedError where a model is no keyword spotting network by its shapes (first axis: the batch)."""
    if tuple(input_shape[1:]) != SHAPE or tuple(output_shape[1:]) != (len(LABELS),):
        raise UnsupportedError(
            "{} takes {} and returns {}; a keyword spotting model takes (1, 49, 10, 1) and returns (1, 12)".format(
                name, tuple(input_shape), tuple(output_shape)
            ),
            "model-shapes-wrong",
        )


def version_of(package):
    """Return the version of an installed package by its name on the registry; None before Python 3.8."""
    try:
        metadata = importlib.import_module("importlib.metadata")
    except ImportError:
        return None
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
