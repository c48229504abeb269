"""Reuters newswires as multi-hot vectors into 46 classes (the report's section 2.4.3)."""

from edgebench.data import text
from edgebench.data.encode import multi_hot_inputs, one_hot
from edgebench.workloads.spec import Sizes, Spec

SPEC = Spec(
    name="reuters",
    title="Reuters",
    dataset="reuters",
    input_shape=(text.VOCABULARY,),
    architecture="64, 64, 46",
    parameters=647214,
    loss="categorical_crossentropy",
    learning_rate=1e-3,
    metric="accuracy",
    paper=Sizes(8982, 2246, 9, 512, 32, None),
    quick=Sizes(6144, 1024, 3, 512, 32, None),
    options={},
)


def network(framework, options):
    """Return the uncompiled model: (10000,) to 46 class probabilities."""
    layers = framework.layers
    return framework.sequential(
        SPEC.input_shape,
        [
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            framework.output(text.REUTERS_CLASSES, "softmax"),
        ],
    )


def inputs(job):
    """Return (train, test, extra): dense or streamed rows by the memory there is."""
    halves = job.read(
        text.load_reuters,
        lambda random: text.synthetic_reuters(random, job.sizes.train_samples, job.sizes.test_samples),
    )
    return multi_hot_inputs(job, halves, lambda labels: one_hot(labels, text.REUTERS_CLASSES))
