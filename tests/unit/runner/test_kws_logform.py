"""Logs in the runner's form, held against the expressions of the submission checker."""

import re

import pytest
from edgebench.kws import logform

# tools/submission/submission_checker.py of mlcommons/tiny
TOP1 = r".* Top[- ]1%?\s?[:=] ([\d\.]+).*"
AUC = r".* AUC\s?[:=] ([\d\.]+).*"
MEDIAN = r".* Median throughput is\s+([\d\.]+) inf\./sec\..*"

STAMP = 1_700_000_000.0


def found(pattern: str, text: str) -> list[str]:
    return [match[1] for match in (re.match(pattern, line) for line in text.splitlines()) if match]


def test_accuracy() -> None:
    text = logform.accuracy_log(0.902, 0.9962, STAMP)
    assert found(TOP1, text) == ["90.2"]
    assert found(AUC, text) == ["1.00"]
    assert [line.split(" ulp-mlperf: ")[1] for line in text.splitlines()] == ["Top-1: 90.2%", "AUC: 1.00"]


def test_accuracy_without_an_auc() -> None:
    assert found(AUC, logform.accuracy_log(1.0, None, STAMP)) == []


def test_performance_to_the_letter() -> None:
    windows = [(120000, 10.255), (2400, 10.3333333333), (120000, 10.252)]
    lines = logform.performance_log(windows, [STAMP] * 3).splitlines()
    assert [re.sub(r"^\d{4}\.\d{6} ulp-mlperf: ", "", line) for line in lines] == [
        "Performance results for window 1:",  # not prose
        "  # Inferences :       120000",  # not prose
        "  Runtime      :       10.255 sec.",  # not prose
        "  Throughput   :    11701.609 inf./sec.",  # not prose
        "Performance results for window 2:",  # not prose
        "  # Inferences :         2400",  # not prose
        "  Runtime      :       10.333 sec.",  # not prose
        "  Throughput   :      232.258 inf./sec.",  # not prose
        "Performance results for window 3:",  # not prose
        "  # Inferences :       120000",  # not prose
        "  Runtime      :       10.252 sec.",  # not prose
        "  Throughput   :    11705.033 inf./sec.",  # not prose
        "-" * 57,
        "Median throughput is 11701.609 inf./sec.",  # not prose
        "-" * 57,
    ]
    assert found(MEDIAN, "\n".join(lines)) == ["11701.609"]


def test_the_example_of_the_published_results() -> None:
    windows = [(2400, 2400 / 232.26)] * 5
    score = logform.performance_log(windows).splitlines()[-2]
    assert score.endswith("Median throughput is 232.260 inf./sec.")  # not prose


def test_no_windows_no_score() -> None:
    assert logform.performance_log([]) == ""


@pytest.mark.parametrize(("values", "middle"), [([3, 1, 2], 2), ([4, 1, 2, 3], 2.5), ([7], 7)])
def test_median(values: list[float], middle: float) -> None:
    assert logform.median(values) == middle
