"""The nine networks with what it takes to run them: the shape of a sample, the batch, made-up inputs."""

from collections import namedtuple

import numpy

from edgebench import workloads
from edgebench.errors import UsageError
from edgebench.kws import inputs, network
from edgebench.workloads import weather

KWS = "kws"
NAMES = workloads.NAMES + (KWS,)

Subject = namedtuple("Subject", "name title input_shape batch parameters loss classes words build")
Subject.__doc__ = """One network. input_shape: of a sample, no dimension open. batch: the workload's; kws has 1. loss:
(name, learning rate) for training, None where it is not trained here. classes: of a one-hot target, else None.
words: the size of the table where the input is indices, else None. build(framework): gives the uncompiled model."""


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
            classes=None,
            words=None,
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
    classes = {"mnist_1d": 10, "mnist_2d": 10, "reuters": 46}.get(name)
    return Subject(
        name=name,
        title=spec.title,
        input_shape=tuple(steps if size is None else size for size in spec.input_shape),
        batch=spec.paper.batch,
        parameters=spec.parameters,
        loss=(spec.loss, spec.learning_rate),
        classes=classes,
        words=10000 if name == "imdb_embedded" else None,
        build=lambda framework: module.network(framework, options),
    )


def batch_of(subject_, size):
    """Return made-up (x, y) of ``size`` samples; y is None where the network is not trained."""
    random = numpy.random.RandomState(0)
    shape = (size,) + tuple(subject_.input_shape)
    if subject_.words:
        x = random.randint(0, subject_.words, shape).astype("int32")
    else:
        x = random.rand(*shape).astype("float32")
    if subject_.loss is None:
        return x, None
    if subject_.classes:
        y = numpy.eye(subject_.classes, dtype="float32")[random.randint(0, subject_.classes, size)]
    else:
        y = random.randint(0, 2, size).astype("float32")
    return x, y
