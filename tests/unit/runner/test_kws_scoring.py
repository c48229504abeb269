"""Top-1, AUC and confusion, against their definitions."""

import re

import numpy
import pytest
from edgebench.kws import scoring
from edgebench.kws.inputs import LABELS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import properties
from tests.messages import codes


def _auc_by_pairs(probabilities: numpy.ndarray, labels: numpy.ndarray) -> float:
    """The definition: the chance that one of the class gets more than one of the others, a tie counting half."""
    normalised = probabilities / probabilities.sum(axis=1, keepdims=True)
    areas = []
    for index in range(len(LABELS)):
        mine, others = normalised[labels == index, index], normalised[labels != index, index]
        wins = (mine[:, None] > others).sum() + 0.5 * (mine[:, None] == others).sum()
        areas.append(wins / (len(mine) * len(others)))
    return float(numpy.mean(areas))


@settings(max_examples=properties.examples(50))
@given(st.integers(12, 80), st.integers(0, 2**31), st.sampled_from([3, 256, 10**6]))
def test_auc_is_what_counting_pairs_gives_with_many_ties_and_few(count: int, seed: int, steps: int) -> None:
    random = numpy.random.RandomState(seed)
    labels = numpy.concatenate([numpy.arange(12), random.randint(0, 12, count - 12)])
    probabilities = random.randint(1, steps + 1, (count, 12)) / steps
    score = scoring.score(probabilities, labels)
    assert score.auc == pytest.approx(_auc_by_pairs(probabilities, labels), abs=1e-12)


def test_perfect_answers() -> None:
    labels = numpy.arange(24) % 12
    score = scoring.score(numpy.eye(12)[labels], labels)
    assert (score.top1, score.auc, score.samples) == (1.0, 1.0, 24)
    assert score.confusion == (2 * numpy.eye(12, dtype=int)).tolist()
    assert score.per_class[0] == {"label": "down", "samples": 2, "correct": 2}


def test_rows_are_true_and_columns_told() -> None:
    answers = numpy.zeros((1, 12))
    answers[0, 5] = 1
    score = scoring.score(answers, [3])
    assert score.confusion[3][5] == 1
    assert (score.top1, score.per_class[3]["correct"], score.per_class[3]["samples"]) == (0.0, 0, 1)


def test_auc_of_a_set_without_some_class_is_unknown() -> None:
    assert scoring.score(numpy.full((3, 12), 1 / 12), [0, 1, 2]).auc is None


def test_answers_of_zero_do_not_divide_by_zero() -> None:
    assert scoring.score(numpy.zeros((12, 12)), range(12)).auc == 0.5


@pytest.mark.parametrize(("shape", "labels"), [((3, 11), [0, 1, 2]), ((3, 12), [0, 1]), ((0, 12), [])])
def test_other_shapes_are_refused(shape: tuple[int, int], labels: list[int]) -> None:
    with pytest.raises(ValueError, match=re.escape(str(shape))) as caught:
        scoring.score(numpy.zeros(shape), labels)
    assert codes(str(caught.value)) == ["answers-misshapen"]
