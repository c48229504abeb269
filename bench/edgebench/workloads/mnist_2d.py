"""MNIST digits as images: three convolutions (the report's section 2.4.4)."""

from edgebench.workloads.mnist_1d import images_in
from edgebench.workloads.spec import Sizes, Spec

SPEC = Spec(
    name="mnist_2d",
    title="MNIST Digits 2D",
    dataset="mnist",
    input_shape=(28, 28, 1),
    architecture="((26,26,32), (11,11,64), (3,3,64), 64, 10)",
    parameters=93322,
    loss="categorical_crossentropy",
    learning_rate=1e-3,
    metric="accuracy",
    paper=Sizes(60000, 10000, 5, 64, 32, None),
    quick=Sizes(3200, 1000, 2, 64, 32, None),
    options={},
)


def network(framework, options):
    """Return the uncompiled model: (28, 28, 1) to 10 class probabilities."""
    layers = framework.layers
    return framework.sequential(
        SPEC.input_shape,
        [
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            framework.output(10, "softmax"),
        ],
    )


def inputs(job):
    """Return (train, test, extra): pixels as float32 in 0 to 1."""
    return images_in(job, SPEC.input_shape)
