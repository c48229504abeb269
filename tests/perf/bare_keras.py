"""The eight workloads in bare Keras, as anybody would write them: random data of the quick profile's sizes.

Nothing of edgebench is imported here.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

random = np.random.default_rng(1)


def one_hot(samples: int, classes: int) -> np.ndarray:
    return np.eye(classes, dtype="float32")[random.integers(0, classes, samples)]


def multi_hot(samples: int) -> np.ndarray:
    return (random.random((samples, 10000), dtype="float32") < 0.012).astype("float32")


def coin(samples: int) -> np.ndarray:
    return random.integers(0, 2, samples).astype("float32")


def image_batches(samples, batch):
    pixels = random.integers(0, 256, (samples, 150, 150, 3), dtype="uint8")
    labels = coin(samples)
    while True:
        order = np.random.permutation(samples)
        for start in range(0, samples, batch):
            rows = order[start : start + batch]
            yield pixels[rows].astype("float32") / np.float32(255), labels[rows]


def weather_batches(rows, batch, lookback=1440, step=6, delay=144):
    series = random.standard_normal((rows + delay, 21), dtype="float32")
    offsets = np.arange(-lookback, 0, step)
    while True:
        at = np.random.randint(lookback, rows, batch)
        yield series[at[:, None] + offsets], series[at + delay, 1]


def gru(**options):
    return layers.GRU(32, reset_after=False, recurrent_activation="hard_sigmoid", implementation=1, **options)


def mnist_1d():
    net = [keras.Input((784,)), layers.Dense(512, "relu"), layers.Dense(10, "softmax")]
    return (
        net,
        "categorical_crossentropy",
        1e-3,
        random.random((12800, 784), "float32"),
        one_hot(12800, 10),
        128,
        2,
    )


def imdb():
    net = [
        keras.Input((10000,)),
        layers.Dense(16, "relu"),
        layers.Dense(16, "relu"),
        layers.Dense(1, "sigmoid"),
    ]
    return net, "binary_crossentropy", 1e-3, multi_hot(8192), coin(8192), 512, 2


def reuters():
    net = [
        keras.Input((10000,)),
        layers.Dense(64, "relu"),
        layers.Dense(64, "relu"),
        layers.Dense(46, "softmax"),
    ]
    return net, "categorical_crossentropy", 1e-3, multi_hot(6144), one_hot(6144, 46), 512, 3


def mnist_2d():
    net = [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, "relu"),
        layers.Dense(10, "softmax"),
    ]
    x = random.random((3200, 28, 28, 1), "float32")
    return net, "categorical_crossentropy", 1e-3, x, one_hot(3200, 10), 64, 2


def dogs_vs_cats():
    net = [keras.Input((150, 150, 3))]
    for filters in (32, 64, 128, 128):
        net += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2)]
    net += [layers.Flatten(), layers.Dense(512, "relu"), layers.Dense(1, "sigmoid")]
    return net, "binary_crossentropy", 1e-4, lambda: image_batches(120, 20), None, 6, 1


def imdb_embedded():
    net = [keras.Input((50,), dtype="int32"), layers.Embedding(10000, 8), layers.Flatten()]
    x = random.integers(0, 10000, (6400, 50), dtype="int32")
    return [*net, layers.Dense(1, "sigmoid")], "binary_crossentropy", 1e-3, x, coin(6400), 32, 2


def weather():
    return (
        [keras.Input((None, 21)), gru(), layers.Dense(1)],
        "mae",
        1e-3,
        lambda: weather_batches(12000, 128),
        None,
        20,
        2,
    )


def weather_conv():
    net = [
        keras.Input((None, 21)),
        layers.Conv1D(32, 5, activation="relu"),
        layers.MaxPooling1D(3),
        layers.Conv1D(32, 5, activation="relu"),
        gru(dropout=0.1, recurrent_dropout=0.5),
        layers.Dense(1),
    ]
    return net, "mae", 1e-3, lambda: weather_batches(12000, 128), None, 16, 2


class Bare:
    """A compiled network with its data; ``fit`` trains it once. The first batch, which builds the graph, is done."""

    def __init__(self, workload: str) -> None:
        net, loss, rate, self.x, self.y, self.size, self.epochs = globals()[workload]()
        self.model = keras.Sequential(net)
        metrics = None if loss == "mae" else ["accuracy"]
        self.model.compile(optimizer=keras.optimizers.RMSprop(learning_rate=rate), loss=loss, metrics=metrics)
        if self.y is None:
            self.model.fit(self.x(), steps_per_epoch=1, verbose=0)
        else:
            self.model.fit(self.x[: self.size], self.y[: self.size], batch_size=self.size, verbose=0)

    def fit(self) -> None:
        if self.y is None:
            self.model.fit(self.x(), steps_per_epoch=self.size, epochs=self.epochs, verbose=0)
        else:
            self.model.fit(self.x, self.y, batch_size=self.size, epochs=self.epochs, verbose=0)
