"""A check on a few made inputs that an engine computes what a model's weights say, for hosts without labelled inputs.

The inputs are smooth noise in the range of real MFCC values: of thousands of
seeds, those with a probability above 0.94 for one of nine labels, in float32 and
in the quantised reference models. An engine that computes a model wrongly
answers nearly all of them alike.
"""

import os

import numpy

from edgebench.errors import EdgebenchError, UsageError
from edgebench.kws import convert, network, onnx_form
from edgebench.kws.inputs import KWS01, LABELS, SHAPE, Features

# What the reference network answers; number of points in time that are drawn; seed.
_INPUTS = (
    ("go", 5, 305),
    ("go", 5, 1538),
    ("left", 12, 403),
    ("left", 12, 1160),
    ("off", 5, 986),
    ("off", 5, 1875),
    ("on", 5, 102),
    ("right", 12, 998),
    ("stop", 12, 1692),
    ("up", 12, 881),
    ("yes", 12, 1342),
    ("unknown", 12, 1926),
)
_DEVIATIONS = (36.0, 6.0, 3.9, 3.0, 2.55, 1.95, 1.8, 1.5, 1.5, 1.35)
_MEAN_OF_FIRST = -15.0
# Quantisation may change answers with a lower probability.
_SURE = 0.8
_REQUIRED = 0.8


def check(engine):
    """Raise EdgebenchError unless the Engine answers the made inputs as the float32 network does.

    Nothing is checked if the weights are random, or are not known on this host.
    """
    expected = _expected(engine.model)
    if not expected:
        return
    agreed = sum(_answer(engine, value) == label for value, label in expected)
    if agreed < _REQUIRED * len(expected):
        raise EdgebenchError(
            "{} {} with the model {} ({}) answers {} of {} test inputs as the float32 network does; at least {:.0%} "
            "are required. It computes this model wrongly on this host. Convert the model again (edgebench kws "
            "convert), or choose another engine or model.".format(
                engine.library,
                engine.version,
                engine.model.id,
                engine.model.form,
                agreed,
                len(expected),
                _REQUIRED,
            ),
            "engine-answers-wrong",
        )


def made(points, seed):
    """Return the QuantizedFeatures of smooth noise: normal values at ``points`` times, straight lines between them."""
    values = numpy.random.RandomState(seed).standard_normal((points, SHAPE[1])) * _DEVIATIONS
    values[:, 0] += _MEAN_OF_FIRST
    times = numpy.linspace(0, points - 1, SHAPE[0])
    lines = [numpy.interp(times, numpy.arange(points), column) for column in values.T]
    return Features(numpy.stack(lines, 1).reshape(SHAPE)).quantized(KWS01)


def probabilities(arrays, values):
    """Return the 12 probabilities of the float32 network for MFCC values of SHAPE.

    arrays: in the order of ``network.VARIABLES``.
    """
    planes = values.astype(numpy.float64).transpose((2, 0, 1))
    for _, kernel, bias, options in onnx_form.convolutions(arrays):
        top, left, bottom, right = options.get("pads", (0, 0, 0, 0))
        step = options.get("strides", (1, 1))
        padded = numpy.pad(planes, ((0, 0), (top, bottom), (left, right)), "constant")
        rows = (padded.shape[1] - kernel.shape[2]) // step[0] + 1
        columns = (padded.shape[2] - kernel.shape[3]) // step[1] + 1
        planes = numpy.zeros((len(kernel), rows, columns)) + bias[:, None, None]
        for row, column in numpy.ndindex(*kernel.shape[2:]):
            part = padded[:, row :: step[0], column :: step[1]][:, :rows, :columns]
            weights = kernel[:, :, row, column]
            planes += weights[:, :, None] * part if "group" in options else numpy.tensordot(weights, part, 1)
        planes = numpy.maximum(planes, 0)
    kernel, bias = arrays[-2:]
    sums = planes.mean(axis=(1, 2)).dot(kernel) + bias
    powers = numpy.exp(sums - sums.max())
    return powers / powers.sum()


def _expected(model):
    """Return [(QuantizedFeatures, label index)] for a models.Model; [] if its weights are not known."""
    inputs = [made(points, seed) for _, points, seed in _INPUTS]
    if model.weights == "reference":
        return [(value, LABELS.index(label)) for value, (label, _, _) in zip(inputs, _INPUTS)]
    if model.weights != "trained":
        return []
    try:
        arrays = network.load_weights(os.path.join(os.path.dirname(model.path), convert.WEIGHTS))
    except UsageError:
        return []
    answers = [probabilities(arrays, value.features().values) for value in inputs]
    return [(value, int(each.argmax())) for value, each in zip(inputs, answers) if each.max() >= _SURE]


def _answer(engine, value):
    engine.set_input(value)
    engine.invoke()
    return int(engine.output().argmax())
