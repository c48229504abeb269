"""The nine networks with what it takes to run them: the shape of a sample, the batch, made-up inputs."""

from collections import namedtuple

import numpy

from edgebench import workloads
from edgebench.errors import UsageError
from edgebench.kws import inputs, network
from edgebench.workloads import weather

KWS = "kws"
NAMES = workloads.NAMES + (KWS,)

Subject = namedtuple("Subject", "name title input_shape batch parameters loss build")
Subject.__doc__ = """One network. input_shape: of a sample, no dimension open. batch: the workload's; kws has 1. loss:
(name, learning rate) for training, None where it is not trained here. build(framework): gives the uncompiled model."""


def subject(name):
    """Return the Subject ``name``; raise UsageError with the known names."""
    if name == KWS:
        return Subject(
            name=KWS,
            title="Keyword Spotting",
            input_shape=inputs.SHAPE,
            batch=1,
            parameters=network.PARAMETERS,
            loss=None,
            build=network.network,
        )
    if name not in workloads.NAMES:
        raise UsageError(
            "Unknown workload {!r}. Choose from: {}.".format(name, ", ".join(NAMES)), "workload-unknown"
        )
    module = workloads.get(name)
    spec = module.SPEC
    options = {key: values[0] for key, values in spec.options.items()}
    steps = options.get("lookback_rows", 0) // weather.STEP_ROWS
    return Subject(
        name=name,
        title=spec.title,
        input_shape=tuple(steps if size is None else size for size in spec.input_shape),
        batch=spec.paper.batch,
        parameters=spec.parameters,
        loss=(spec.loss, spec.learning_rate),
        build=lambda framework: module.network(framework, options),
    )


def batch_of(subject_, model, size):
    """Return made-up (x, y) of ``size`` samples for the built network; y is None where the network is not trained.

    x: word indices if the network begins with an embedding, else values in 0
    to 1. y: one-hot rows if the network has several outputs, else 0 or 1.
    """
    random = numpy.random.RandomState(0)
    shape = (size,) + tuple(subject_.input_shape)
    words = _words(model)
    x = random.randint(0, words, shape).astype("int32") if words else random.rand(*shape).astype("float32")
    if subject_.loss is None:
        return x, None
    outputs = int(model.output_shape[-1])
    y = random.randint(0, max(2, outputs), size)
    return x, numpy.eye(outputs, dtype="float32")[y] if outputs > 1 else y.astype("float32")


def _words(model):
    """Return how many words the embedding knows that a network begins with; None for a network without."""
    layers = [each for each in model.layers if type(each).__name__ != "InputLayer"]
    return getattr(layers[0], "input_dim", None) if type(layers[0]).__name__ == "Embedding" else None
