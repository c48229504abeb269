"""From labels and texts to what a network is fed: one-hot targets, multi-hot rows held as memory allows."""

import numpy

from edgebench import inputs as feeding
from edgebench.data.text import VOCABULARY


def one_hot(labels, classes):
    """Return float32 (n, classes) with a 1 in the column of each label."""
    return numpy.eye(classes, dtype=numpy.float32)[labels]


def multi_hot_inputs(job, halves, as_targets):
    """Return (train, test, extra) of two (Texts, labels) as multi-hot rows of 10,000.

    Dense as float32 or uint8, or made batch by batch where the dense ones would
    not fit into the memory there is. as_targets: labels (n,) to targets.
    """
    sizes = job.sizes
    job.input_kinds = feeding.MULTI_HOT_KINDS
    kind = job.input_mode
    if kind == "auto":
        rows = sizes.train_samples + sizes.test_samples
        kind = feeding.choose_multi_hot(rows, VOCABULARY, feeding.available_memory_bytes())
    make = {"dense_float32": _dense_float32, "dense_uint8": _dense_uint8, "streamed": _streamed}[kind]
    train, test = halves
    return (
        make(
            train[0].head(sizes.train_samples), as_targets(train[1][: sizes.train_samples]), sizes.batch, True
        ),
        make(
            test[0].head(sizes.test_samples),
            as_targets(test[1][: sizes.test_samples]),
            sizes.test_batch,
            False,
        ),
        {},
    )


def _dense(texts, targets, batch, number_type):
    out = numpy.empty((len(texts), VOCABULARY), number_type)
    # In slices, so that the index arrays stay small beside the rows themselves.
    for start in range(0, len(texts), 1024):
        rows = numpy.arange(start, min(start + 1024, len(texts)))
        texts.multi_hot(rows, out[start : start + len(rows)])
    return feeding.Arrays(out, targets, batch)


def _dense_float32(texts, targets, batch, shuffled):
    return _dense(texts, targets, batch, numpy.float32)


def _dense_uint8(texts, targets, batch, shuffled):
    return _dense(texts, targets, batch, numpy.uint8)


def _streamed(texts, targets, batch, shuffled):
    def batches():
        for rows in feeding.rows_in_batches(len(texts), batch, shuffled):
            yield texts.multi_hot(rows, numpy.empty((len(rows), VOCABULARY), numpy.float32)), targets[rows]

    return feeding.Stream(batches, -(-len(texts) // batch))
