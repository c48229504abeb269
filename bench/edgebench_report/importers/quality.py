"""How well a device spotted keywords, from its answers: top-1, area under the curve, counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLES = 1000
LABELS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")


@dataclass(frozen=True)
class Answer:
    """What the device said to one input: the true class and the outputs, one a class."""

    label: int
    outputs: tuple[float, ...]


@dataclass(frozen=True)
class Quality:
    """Ratios and counts; None is what is not known."""

    top1: float | None = None
    auc: float | None = None
    samples: int | None = None
    per_class: list[dict[str, Any]] | None = None
    confusion: list[list[int]] | None = None


def are_a_set(answers: Sequence[Answer]) -> bool:
    """Say whether there are answers to all classes: five windows have five answers as well."""
    return len({each.label for each in answers}) == len(LABELS)


def score(answers: Sequence[Answer]) -> Quality:
    """Return top-1, the area under the curve (one class against the rest, averaged over classes), and counts.

    Outputs are probabilities in any scale, or logits if one of them is negative.
    """
    labels = np.array([each.label for each in answers])
    outputs = np.array([each.outputs for each in answers])
    told = outputs.argmax(axis=1)
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=int)
    np.add.at(confusion, (labels, told), 1)
    shares = _shares(outputs)
    areas = [_area(shares[:, each], labels == each) for each in range(len(LABELS))]
    return Quality(
        top1=float(np.mean(told == labels)),
        auc=None if any(math.isnan(each) for each in areas) else float(np.mean(areas)),
        samples=len(answers),
        per_class=[
            {"label": name, "samples": int(confusion[each].sum()), "correct": int(confusion[each, each])}
            for each, name in enumerate(LABELS)
        ],
        confusion=[[int(count) for count in row] for row in confusion],
    )


def _shares(outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if (outputs < 0).any():
        outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    totals = outputs.sum(axis=1, keepdims=True)
    shares: npt.NDArray[np.float64] = np.divide(outputs, totals, out=np.zeros_like(outputs), where=totals > 0)
    return shares


def _area(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Return the area under the curve as Mann and Whitney count it, ties for a half; NaN without both kinds."""
    above = int(positive.sum())
    below = len(positive) - above
    if not above or not below:
        return math.nan
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[places][positive].sum() - above * (above + 1) / 2) / (above * below))
