"""Reads arrays out of .npz files without trusting them.

``numpy.load`` allocates what a header asks for, and with ``allow_pickle`` runs
what a pickle says. Here an array is as large as the bytes that are there, and
a pickle makes lists of numbers and NumPy arrays, nothing else.
"""

import functools
import io
import operator
import pickle

import numpy
from numpy.lib import format as npy

from edgebench.data import bounded
from edgebench.errors import DataError

# The largest member of all that is read, IMDB's texts, has 26 MB as a pickle; MNIST's images have 47 MB.
MOST_BYTES = 256 << 20

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _Array(numpy.ndarray):
    """An array that is as large as what the pickle holds for it."""

    def __setstate__(self, state):
        _, shape, number_type, _, content = state
        # A bytearray dies under numpy, which keeps its buffer.
        if not isinstance(content, (list, bytes, str)):
            raise pickle.UnpicklingError("{} is no content of an array".format(type(content).__name__))
        held = len(content) if isinstance(content, list) else len(content) // max(number_type.itemsize, 1)
        if functools.reduce(operator.mul, shape, 1) != held:
            raise pickle.UnpicklingError("{} elements cannot be of the shape {}".format(held, shape))
        super().__setstate__(state)


def _reconstruct(kind, shape, code):
    # What a pickle of an array begins with: an empty one, which its state then fills.
    return numpy.ndarray.__new__(_Array, (0,), "b")


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickled NumPy arrays, lists and numbers; any other name in the pickle is refused."""

    def find_class(self, module, name):
        """Return what makes arrays. Raises UnpicklingError for any other name."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError("{}.{} is not allowed in a data file".format(module, name))
        # The second is an argument of the first, and nothing to be called.
        return {"_reconstruct": _reconstruct, "ndarray": "ndarray", "dtype": numpy.dtype}[name]

    def load(self):
        """Return what is pickled, arrays as plain ones where they stand alone or in tuples and lists."""
        return _plain(super().load())


def _plain(value):
    if isinstance(value, (tuple, list)) and any(isinstance(each, (tuple, list, _Array)) for each in value):
        return type(value)(_plain(each) for each in value)
    return value.view(numpy.ndarray) if isinstance(value, _Array) else value


def read(path, names):
    """Return the arrays of these names, in their order. Raises DataError."""
    with bounded.refusing(path):
        return [_array(bounded.read_member(path, MOST_BYTES, name + ".npy"), path, name) for name in names]


def _array(content, path, name):
    member = io.BytesIO(content)
    version = npy.read_magic(member)
    reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_columns, number_type = reader(member)
    if number_type.hasobject:
        array = ArrayUnpickler(member).load()
        if not isinstance(array, numpy.ndarray) or array.shape != shape:
            raise DataError(
                "{}: {} is not an array of shape {}".format(path, name, shape), "array-shape-wrong"
            )
        return array
    values = numpy.frombuffer(content, number_type, offset=member.tell())
    # What it is a view of cannot be written to; the networks' code may.
    return values.reshape(shape, order="F" if by_columns else "C").copy()
