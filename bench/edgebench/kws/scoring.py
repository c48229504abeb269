"""How well answers fit their labels, as MLPerf Tiny scores keyword spotting.

Top-1 is the share of inputs whose most probable class is the labelled one.
AUC is the mean over the classes of the area under the curve of each class
against all others, after each answer's probabilities are made to sum to 1:
what ``sklearn.metrics.roc_auc_score(multi_class="ovr")`` gives.

Source: mlcommons/tiny, rules of the closed division and evaluation of kws01.
"""

from collections import namedtuple

import numpy

from edgebench.errors import with_code
from edgebench.kws.inputs import LABELS

Score = namedtuple("Score", "top1 auc samples per_class confusion")
Score.__doc__ = """top1: ratio; auc: ratio, None where a class has no samples; per_class: dicts of label, samples and
correct in the order of LABELS; confusion: counts, a row for each true label, a column for each one told."""


def score(probabilities, labels):
    """Return the Score of float probabilities (n, 12) against n label indices. Raises ValueError on other shapes."""
    probabilities = numpy.asarray(probabilities, numpy.float64)
    labels = numpy.asarray(labels, numpy.int64)
    if probabilities.ndim != 2 or probabilities.shape != (len(labels), len(LABELS)) or not len(labels):
        told = "Answers have the shape {}, expected ({}, {}) and at least one label".format(
            probabilities.shape, len(labels), len(LABELS)
        )
        raise ValueError(with_code(told, "answers-misshapen"))
    told = probabilities.argmax(axis=1)
    confusion = numpy.zeros((len(LABELS), len(LABELS)), numpy.int64)
    numpy.add.at(confusion, (labels, told), 1)
    return Score(
        top1=float((told == labels).mean()),
        auc=_auc(probabilities, labels),
        samples=len(labels),
        per_class=[
            {"label": name, "samples": int(row.sum()), "correct": int(row[index])}
            for index, (name, row) in enumerate(zip(LABELS, confusion))
        ],
        confusion=confusion.tolist(),
    )


def _auc(probabilities, labels):
    sums = probabilities.sum(axis=1, keepdims=True)
    normalised = probabilities / numpy.where(sums > 0, sums, 1)
    areas = []
    for index in range(len(LABELS)):
        positive = labels == index
        if not positive.any() or positive.all():
            return None
        areas.append(_area(normalised[:, index], positive))
    return float(numpy.mean(areas))


def _area(values, positive):
    """Return the chance that a positive has the greater value than a negative, equal ones counting half."""
    ranks = _middle_ranks(values)
    positives = int(positive.sum())
    negatives = len(values) - positives
    return (ranks[positive].sum() - positives * (positives + 1) / 2.0) / (positives * negatives)


def _middle_ranks(values):
    """Return the ranks from 1 of values, equal ones sharing the mean of theirs."""
    _, inverse, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    last = numpy.cumsum(counts)
    return (last - (counts - 1) / 2.0)[inverse.reshape(-1)]
