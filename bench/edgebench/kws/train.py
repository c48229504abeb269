"""Trains the keyword spotting network on Speech Commands, as the reference of MLPerf Tiny does.

Source: mlcommons/tiny, keyword spotting: Adam, 36 epochs of batches of 100,
learning rate in steps. Unlike there, sounds are really moved in time, and as
much silence is trained as there is of a word.
"""

import io
import os
import zipfile
import zlib

import numpy

from edgebench import inputs as feeding
from edgebench import keyword_spotting
from edgebench.data import files
from edgebench.errors import with_code
from edgebench.kws import network
from edgebench.kws.inputs import LABELS

# Of all epochs, the first part learns at the first rate, and so on: 12 epochs each of 36.
_RATES = (5e-4, 1e-4, 2e-5)


def learning_rate(epoch, epochs):
    """Return the rate of an epoch, counted from 0: the published three steps, stretched over ``epochs``."""
    return _RATES[min(epoch * len(_RATES) // epochs, len(_RATES) - 1)]


class Training:
    """One training, that goes on where an earlier one of the same settings was stopped.

    framework: a compat.Framework. speech: a speech.Speech. epochs: how many in
    all. batch: sounds a step. seed: of weights, order, noise and shifts. out:
    the npz file to write; beside it, in ``out + ".part"``, lies the state after
    each epoch until it is whole. say: called with one line of progress.
    """

    def __init__(self, framework, speech, epochs, batch, seed, out, say=lambda line: None):
        self._framework = framework
        self._speech = speech
        self._epochs = epochs
        self._batch = batch
        self._seed = seed
        self._out = out
        self._say = say
        self._state_path = out + ".part"

    def run(self):
        """Train, test, write the weights; return top1 of the test part, its number of samples, and per-epoch values."""
        framework = self._framework
        framework.set_seed(self._seed)
        model = network.network(framework)
        framework.compile(model, _RATES[0], "categorical_crossentropy", accuracy=True, optimizer="Adam")
        first, history = self._resume(model)
        self._say("reading {} sounds to validate with".format(len(self._speech.clips["validation"])))
        validation = self._arrays("validation")
        for epoch in range(first, self._epochs):
            framework.set_learning_rate(model, learning_rate(epoch, self._epochs))
            loss = framework.fit(model, self._stream(epoch), epochs=1)[0]
            top1 = framework.evaluate(model, validation)[1]
            history.append((loss, top1))
            self._save_state(model, history)
            self._say(
                "epoch {} of {}: loss {:.4f}, validation top-1 {:.1%}".format(
                    epoch + 1, self._epochs, loss, top1
                )
            )
        test = self._arrays("test")
        top1 = framework.evaluate(model, test)[1]
        sha256 = network.save_weights(self._out, model.get_weights())
        if os.path.exists(self._state_path):
            os.unlink(self._state_path)
        return {
            "top1": top1,
            "required_top1": keyword_spotting.REQUIRED_TOP1,
            "samples": len(test.x),
            "train_samples": len(self._speech.clips["train"]),
            "epochs": [{"loss": loss, "validation_top1": value} for loss, value in history],
            "seed": self._seed,
            "weights": self._out,
            "sha256": sha256,
        }

    def _arrays(self, part):
        x, y = self._speech.features(part)
        return feeding.Arrays(x, _one_hot(y), 256)

    def _stream(self, epoch):
        samples = len(self._speech.clips["train"])
        # An epoch's order and noise are its own, so that a training that was stopped goes on as it would have.
        random = numpy.random.RandomState([self._seed % 2**32, epoch])

        def batches():
            while True:
                order = random.permutation(samples)
                for start in range(0, samples, self._batch):
                    x, y = self._speech.distorted(order[start : start + self._batch], random)
                    yield x, _one_hot(y)

        return feeding.Stream(batches, -(-samples // self._batch))

    def _settings(self):
        return numpy.array(
            [self._epochs, self._batch, self._seed, len(self._speech.clips["train"])], numpy.int64
        )

    def _save_state(self, model, history):
        content = io.BytesIO()
        weights = {"weight_{:02}".format(row): value for row, value in enumerate(model.get_weights())}
        numpy.savez(content, settings=self._settings(), history=numpy.array(history), **weights)
        files.write_whole(self._state_path, [content.getvalue()])

    def _resume(self, model):
        try:
            with numpy.load(self._state_path, allow_pickle=False) as state:
                if not numpy.array_equal(state["settings"], self._settings()):
                    told = "{} belongs to another training: starting again".format(self._state_path)
                    self._say(with_code(told, "training-restarted"))
                    return 0, []
                weights = [state[name] for name in sorted(state.files) if name.startswith("weight_")]
                history = [tuple(row) for row in state["history"].tolist()]
        except (zipfile.BadZipFile, zlib.error, EOFError, IOError, OSError, KeyError, ValueError):
            return 0, []
        model.set_weights(network.checked_weights(weights, self._state_path))
        told = "resuming after epoch {} of {}".format(len(history), self._epochs)
        self._say(with_code(told, "training-resumed"))
        return len(history), history


def _one_hot(labels):
    return numpy.eye(len(LABELS), dtype=numpy.float32)[labels]
