"""MNIST digits as vectors: one hidden layer (the report's section 2.4.1)."""

from edgebench import inputs as feeding
from edgebench.data import mnist
from edgebench.data.encode import one_hot
from edgebench.workloads.spec import Sizes, Spec

SPEC = Spec(
    name="mnist_1d",
    title="MNIST Digits 1D",
    dataset="mnist",
    input_shape=(784,),
    architecture="512, 10",
    parameters=407050,
    loss="categorical_crossentropy",
    learning_rate=1e-3,
    metric="accuracy",
    paper=Sizes(60000, 10000, 5, 128, 32, None),
    quick=Sizes(12800, 2000, 2, 128, 32, None),
    options={},
)


def network(framework, options):
    """Return the uncompiled model: (784,) to 10 class probabilities."""
    return framework.sequential(
        SPEC.input_shape,
        [framework.layers.Dense(512, activation="relu"), framework.output(10, "softmax")],
    )


def inputs(job):
    """Return (train, test, extra): pixels as float32 in 0 to 1."""
    return images_in(job, SPEC.input_shape)


def images_in(job, shape):
    """Return (train, test, extra) of the digits as float32 (n,) + ``shape``, one-hot labels."""
    halves = job.read(
        mnist.load,
        lambda random: mnist.synthetic(random, job.sizes.train_samples, job.sizes.test_samples),
    )
    sizes = ((job.sizes.train_samples, job.sizes.batch), (job.sizes.test_samples, job.sizes.test_batch))
    fed = []
    for (images, labels), (samples, batch) in zip(halves, sizes):
        x = images[:samples].reshape((-1,) + shape).astype("float32")
        x /= 255
        fed.append(feeding.Arrays(x, one_hot(labels[:samples], 10), batch))
    return fed[0], fed[1], {}
