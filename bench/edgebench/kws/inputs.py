"""What a keyword spotting network is fed: MFCC values, real or quantised, as types that cannot be mistaken.

The 2021 port of this benchmark read the quantised bytes of an input as
unsigned numbers and fed them to the float model as they were, which scores
8.6 % where 91.3 % is right. Here an engine takes ``Features`` or
``QuantizedFeatures`` and nothing else, and the way from the one to the other
always passes the scale and the zero point.

Source: MLPerf Tiny v1, benchmark kws01 (inputs, order of labels).
"""

import csv
import os
from collections import namedtuple

import numpy

from edgebench.errors import DataError, EdgebenchError, with_code

LABELS = (
    "down",
    "go",
    "left",
    "no",
    "off",
    "on",
    "right",
    "stop",
    "up",
    "yes",
    "silence",
    "unknown",
)
SHAPE = (49, 10, 1)
SIZE_BYTES = 490
INDEX = "y_labels.csv"

Quantization = namedtuple("Quantization", "scale zero_point")
Quantization.__doc__ = """How integers stand for real values: value = (integer - zero_point) * scale."""

KWS01 = Quantization(0.5847029, 83)
_SAME_SCALE = 1e-6

Sample = namedtuple("Sample", "name label quantized")
Sample.__doc__ = (
    """One input of a set: its file name, the index of its label in LABELS, its QuantizedFeatures."""
)


class Features:
    """MFCC values of one second of sound, as a float network takes them.

    values: floating-point array of SHAPE (49 frames, 10 coefficients, 1), kept
    as float32. Raises TypeError for anything that is not floating point, and
    ValueError for another shape or values that are not finite.
    """

    def __init__(self, values):
        values = numpy.asarray(values)
        if not numpy.issubdtype(values.dtype, numpy.floating):
            raise TypeError(
                "Features take floating-point MFCC values, not {}. For quantised values use "
                "QuantizedFeatures(values, quantization).features().".format(values.dtype)
            )
        _check_shape(values)
        if not numpy.isfinite(values).all():
            told = "Features take finite values; {} are NaN or infinite".format(_count_not_finite(values))
            raise ValueError(with_code(told, "features-not-finite"))
        self.values = numpy.ascontiguousarray(values, numpy.float32)

    def quantized(self, quantization):
        """Return the nearest QuantizedFeatures under ``quantization``; what int8 cannot hold is clipped."""
        scale, zero_point = quantization
        steps = numpy.rint(self.values.astype(numpy.float64) / scale) + zero_point
        return QuantizedFeatures(numpy.clip(steps, -128, 127).astype(numpy.int8), quantization)


class QuantizedFeatures:
    """MFCC values as int8 numbers, together with what they mean.

    values: int8 array of SHAPE. quantization: their Quantization. Raises
    TypeError for another type of number (uint8 above all), ValueError for
    another shape or a scale that is not above 0.
    """

    def __init__(self, values, quantization):
        values = numpy.asarray(values)
        if values.dtype != numpy.int8:
            raise TypeError(
                "QuantizedFeatures take int8 values, not {}. For bytes use QuantizedFeatures.from_bytes.".format(
                    values.dtype
                )
            )
        _check_shape(values)
        quantization = Quantization(*quantization)
        if not quantization.scale > 0:
            told = "The scale of a quantisation must be above 0, not {}".format(quantization.scale)
            raise ValueError(with_code(told, "scale-not-positive"))
        self.values = numpy.ascontiguousarray(values)
        self.quantization = quantization

    @classmethod
    def from_bytes(cls, data):
        """Return the input that 490 bytes of the kws01 set stand for; raise EdgebenchError for another length."""
        if len(data) != SIZE_BYTES:
            raise EdgebenchError(
                "An input of keyword spotting must have {} bytes (49 x 10 int8), not {}".format(
                    SIZE_BYTES, len(data)
                ),
                "input-length-wrong",
            )
        # A copy, for what frombuffer gives cannot be written to and old frameworks refuse that.
        return cls(numpy.frombuffer(bytes(data), numpy.int8).reshape(SHAPE).copy(), KWS01)

    def features(self):
        """Return the real values, ``(integer - zero_point) * scale``, as Features."""
        scale, zero_point = self.quantization
        return Features((self.values.astype(numpy.float32) - zero_point) * numpy.float32(scale))

    def requantized(self, quantization):
        """Return the same values under another Quantization; the very same numbers where it is the same."""
        quantization = Quantization(*quantization)
        same_scale = abs(quantization.scale / self.quantization.scale - 1) <= _SAME_SCALE
        if same_scale and quantization.zero_point == self.quantization.zero_point:
            return self
        return self.features().quantized(quantization)


def read_set(folder):
    """Return the Samples of a kws01 folder in the order of its ``y_labels.csv`` (lines ``name, classes, label``).

    Raises DataError that names the file for one that is missing, of another
    length, or labelled with what is no label.
    """
    samples = []
    for name, label in read_index(os.path.join(folder, INDEX)):
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as handle:
                samples.append(Sample(name, label, QuantizedFeatures.from_bytes(handle.read())))
        except (IOError, OSError) as error:
            raise DataError(
                "{} is unreadable ({}). Get the set again: edgebench data fetch -w kws".format(
                    path, error.strerror
                ),
                "input-unreadable",
            )
        except EdgebenchError as error:
            raise DataError("{}: {}".format(path, error), error.code)
    return samples


def read_index(path):
    """Return [(file name, label)] of an index; raise DataError that names the line which is none."""
    pairs = []  # type: ignore[var-annotated]
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            for row in csv.reader(handle):
                if not row:
                    continue
                pairs.append(_index_row(path, len(pairs) + 1, row))
    except (IOError, OSError) as error:
        raise DataError(
            "{} is unreadable ({}). A set of inputs has its labels there. Name the folder of the set kws01.".format(
                path, error.strerror
            ),
            "input-index-unreadable",
        )
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            "{} is not a CSV file ({}). Get the set again: edgebench data fetch -w kws".format(path, error),
            "input-index-malformed",
        )
    if not pairs:
        raise DataError(
            "{} lists no inputs. Get the set again: edgebench data fetch -w kws".format(path),
            "input-index-empty",
        )
    return pairs


def _is_name(name):
    return os.path.basename(name) == name and name not in ("", ".", "..") and "\0" not in name


def _index_row(path, number, row):
    try:
        name, classes, label = row[0].strip(), int(row[1]), int(row[2])
        if classes == len(LABELS) and 0 <= label < len(LABELS) and _is_name(name):
            return name, label
    except (IndexError, ValueError):
        pass
    raise DataError(
        "{}:{}: {!r} is not NAME,{},LABEL with the name of a file in this folder and a label from 0 to {}".format(
            path, number, ",".join(row), len(LABELS), len(LABELS) - 1
        ),
        "input-index-line-wrong",
    )


def _check_shape(values):
    if values.shape != SHAPE:
        raise ValueError("features of one second have the shape {}, not {}".format(SHAPE, values.shape))


def _count_not_finite(values):
    return int(values.size - numpy.isfinite(values).sum())
