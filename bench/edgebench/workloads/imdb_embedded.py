"""IMDB reviews, the last 50 words of each, through an embedding (the report's section 2.4.6)."""

from edgebench import inputs as feeding
from edgebench.data import text
from edgebench.workloads.spec import Sizes, Spec

_WORDS = 50

SPEC = Spec(
    name="imdb_embedded",
    title="IMDB Embedded",
    dataset="imdb",
    input_shape=(_WORDS,),
    architecture="(50,8), 400, 1",
    parameters=80401,
    loss="binary_crossentropy",
    learning_rate=1e-3,
    metric="accuracy",
    paper=Sizes(25000, 25000, 10, 32, 32, None),
    quick=Sizes(6400, 2048, 2, 32, 32, None),
    options={},
)


def network(framework, options):
    """Return the uncompiled model: 50 word ranks to the probability of a positive review."""
    layers = framework.layers
    return framework.sequential(
        SPEC.input_shape,
        [layers.Embedding(text.VOCABULARY, 8), layers.Flatten(), framework.output(1, "sigmoid")],
        input_dtype="int32",
    )


def inputs(job):
    """Return (train, test, extra): int32 word ranks (n, 50)."""
    halves = job.read(
        text.load_imdb,
        lambda random: text.synthetic_imdb(random, job.sizes.train_samples, job.sizes.test_samples),
    )
    sizes = ((job.sizes.train_samples, job.sizes.batch), (job.sizes.test_samples, job.sizes.test_batch))
    fed = [
        feeding.Arrays(texts.head(samples).last_words(_WORDS), labels[:samples].astype("float32"), batch)
        for (texts, labels), (samples, batch) in zip(halves, sizes)
    ]
    return fed[0], fed[1], {}
