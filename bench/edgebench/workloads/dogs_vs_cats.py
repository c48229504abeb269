"""Dogs vs Cats: four convolutions on 150 x 150 colour images (the report's section 2.4.5)."""

import numpy

from edgebench import inputs as feeding
from edgebench.data import images
from edgebench.workloads.spec import Sizes, Spec

SPEC = Spec(
    name="dogs_vs_cats",
    title="Dogs vs Cats",
    dataset="dogs_vs_cats",
    input_shape=(images.SIDE, images.SIDE, 3),
    architecture="((148,148,32), (72,72,64), (34,34,128), (15,15,128), (7,7,128), 512, 1)",
    parameters=3453121,
    loss="binary_crossentropy",
    learning_rate=1e-4,
    metric="accuracy",
    paper=Sizes(2000, 1000, 15, 20, 20, None),
    quick=Sizes(120, 40, 1, 20, 20, None),
    options={},
)


def network(framework, options):
    """Return the uncompiled model: (150, 150, 3) to the probability of a dog."""
    layers = framework.layers
    stack = []
    for filters in (32, 64, 128, 128):
        stack += [layers.Conv2D(filters, (3, 3), activation="relu"), layers.MaxPooling2D((2, 2))]
    return framework.sequential(
        SPEC.input_shape,
        stack + [layers.Flatten(), layers.Dense(512, activation="relu"), framework.output(1, "sigmoid")],
    )


def inputs(job):
    """Return (train, test, extra): images kept as bytes, made float32 in 0 to 1 batch by batch."""
    sizes = job.sizes
    halves = job.read(
        lambda found: images.load(found, sizes.train_samples, sizes.test_samples, job.warnings),
        lambda random: images.synthetic(random, sizes.train_samples, sizes.test_samples),
    )
    train, test = (
        _stream(pixels, labels, batch, shuffled)
        for (pixels, labels), batch, shuffled in zip(halves, (sizes.batch, sizes.test_batch), (True, False))
    )
    return train, test, {}


def _stream(pixels, labels, batch, shuffled):
    targets = labels.astype("float32")

    def batches():
        for rows in feeding.rows_in_batches(len(pixels), batch, shuffled):
            yield pixels[rows].astype("float32") / numpy.float32(255), targets[rows]

    return feeding.Stream(batches, -(-len(pixels) // batch))
