"""MNIST digits: Keras' npz file or the original IDX files, and a synthetic stand-in."""

import functools
import operator
import struct

import numpy

from edgebench.data import bounded, npz
from edgebench.errors import DataError

TRAIN_SAMPLES = 60000
TEST_SAMPLES = 10000
_CLASSES = 10
_SIDE = 28


def load(found):
    """Return ((x_train, y_train), (x_test, y_test)): x uint8 (n, 28, 28), y uint8 (n,). Raises DataError."""
    if found.form == "npz":
        x, y, x_test, y_test = npz.read(found.paths["mnist.npz"], ["x_train", "y_train", "x_test", "y_test"])
        return (x, y), (x_test, y_test)
    return tuple(
        (
            read_idx(found.paths[prefix + "-images-idx3-ubyte"]),
            read_idx(found.paths[prefix + "-labels-idx1-ubyte"]),
        )
        for prefix in ("train", "t10k")
    )


def read_idx(path):
    """Return the uint8 array of an IDX file (http://yann.lecun.com/exdb/mnist, "file formats"). Raises DataError."""
    with bounded.refusing(path):
        return _array(bounded.read_file(path, npz.MOST_BYTES), path)


def _array(content, path):
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise DataError(
            "{} is not an IDX file of unsigned bytes. Download it again.".format(path), "idx-format-wrong"
        )
    dimensions = content[3]
    header_bytes = 4 + 4 * dimensions
    shape = struct.unpack(">{}I".format(dimensions), content[4:header_bytes])
    body = numpy.frombuffer(content, numpy.uint8, offset=header_bytes)
    # As Python's own numbers, which do not overflow.
    if body.size != functools.reduce(operator.mul, shape, 1):
        raise DataError(
            "{} has {} values, its header promises {}. Download it again.".format(path, body.size, shape),
            "idx-size-wrong",
        )
    return body.reshape(shape)


def synthetic(random, train_samples, test_samples):
    """Return stand-ins like ``load``: per class a few strokes, shifted and noisy, 19 % of pixels lit."""
    prototypes = numpy.stack([_strokes(random) for _ in range(_CLASSES)])
    return _drawn(random, prototypes, train_samples), _drawn(random, prototypes, test_samples)


def _strokes(random):
    image = numpy.zeros((_SIDE, _SIDE), numpy.float32)
    for _ in range(4):
        x, y = random.uniform(8, 20, 2)
        step_x, step_y = random.uniform(-0.5, 0.5, 2)
        for _ in range(24):
            image[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 1
            x = min(max(x + step_x, 4), 24)
            y = min(max(y + step_y, 4), 24)
    return image


def _drawn(random, prototypes, samples):
    labels = random.randint(0, len(prototypes), samples).astype(numpy.uint8)
    shifts = random.randint(-2, 3, (samples, 2))
    rows = (numpy.arange(_SIDE)[None, :] - shifts[:, :1]) % _SIDE
    columns = (numpy.arange(_SIDE)[None, :] - shifts[:, 1:]) % _SIDE
    images = prototypes[labels[:, None, None], rows[:, :, None], columns[:, None, :]]
    strength = random.randint(96, 256, images.shape).astype(numpy.uint8)
    return (images * strength).astype(numpy.uint8), labels
