"""IMDB reviews as multi-hot vectors: two small hidden layers (the report's section 2.4.2)."""

from edgebench.data import text
from edgebench.data.encode import multi_hot_inputs
from edgebench.workloads.spec import Sizes, Spec

SPEC = Spec(
    name="imdb",
    title="IMDB",
    dataset="imdb",
    input_shape=(text.VOCABULARY,),
    architecture="16, 16, 1",
    parameters=160305,
    loss="binary_crossentropy",
    learning_rate=1e-3,
    metric="accuracy",
    paper=Sizes(25000, 25000, 4, 512, 32, None),
    quick=Sizes(8192, 2048, 2, 512, 32, None),
    options={},
)


def network(framework, options):
    """Return the uncompiled model: (10000,) to the probability of a positive review."""
    layers = framework.layers
    return framework.sequential(
        SPEC.input_shape,
        [
            layers.Dense(16, activation="relu"),
            layers.Dense(16, activation="relu"),
            framework.output(1, "sigmoid"),
        ],
    )


def inputs(job):
    """Return (train, test, extra): dense or streamed rows by the memory there is."""
    halves = job.read(
        text.load_imdb,
        lambda random: text.synthetic_imdb(random, job.sizes.train_samples, job.sizes.test_samples),
    )
    return multi_hot_inputs(job, halves, lambda labels: labels.astype("float32"))
