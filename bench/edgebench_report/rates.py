"""Samples a second, in training and in inference, of the repeats of one measurement."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from edgebench_report import statistics
from edgebench_report.aggregate import Group, Record
from edgebench_report.published import Published


@dataclass(frozen=True)
class Rate:
    """A rate [1/s]: the median of ``count`` values with its 95 % interval, None for fewer than statistics.fewest().

    ``is_steady``: from the epochs after the first; otherwise from all of the training, without building.
    """

    median: float
    interval: tuple[float, float] | None
    count: int
    is_steady: bool = False


def rate(values: Iterable[float], is_steady: bool = False) -> Rate | None:
    """Summarise rates [1/s]; None without any."""
    known = list(values)
    if not known:
        return None
    interval = None
    if len(known) >= statistics.fewest():
        found = statistics.median_interval(known)
        interval = (found.low, found.high)
    return Rate(median(known), interval, len(known), is_steady)


def training(group: Group, published: Published) -> Rate | None:
    """Return the rate of training: steady if each finished run timed two epochs or more; None if it is unknown."""
    runs = [run for run in group.ok if run["sizes"]["epochs"]]
    is_steady = bool(runs) and all(
        len(run["times"]["epochs_s"]) > 1 and sum(run["times"]["epochs_s"][1:]) > 0 for run in runs
    )
    found = []
    for run in runs:
        samples = _samples_an_epoch(run, published)
        epochs, seconds = run["sizes"]["epochs"], run["times"]["train_s"]
        if is_steady:
            later = run["times"]["epochs_s"][1:]
            epochs, seconds = len(later), sum(later)
        if samples and seconds:
            found.append(samples * epochs / seconds)
    return rate(found, is_steady)


def inference(group: Group) -> Rate | None:
    """Return the rate of the test, which is inference in batches; None if it is unknown."""
    found = []
    for run in group.ok:
        samples, seconds = samples_tested(run), run["times"]["test_s"]
        if samples and seconds:
            found.append(samples / seconds)
    return rate(found)


def _samples_an_epoch(run: Record, published: Published) -> int | None:
    sizes: dict[str, Any] = run["sizes"]
    if sizes["train_samples"] is None or "lookback_rows" not in run["options"]:
        known: int | None = sizes["train_samples"]
        return known
    # Weather has rows of a series, of which an epoch draws windows.
    steps, printed = sizes.get("steps_per_epoch"), published.workloads.get(run["workload"], {})
    if not steps and sizes["train_samples"] == printed.get("train_samples"):
        steps = printed.get("steps_per_epoch")
    return int(steps * sizes["batch"]) if steps and sizes["batch"] else None


def samples_tested(run: Record) -> int | None:
    """Return the number of inferences of a run's test, None if it is unknown."""
    sizes: dict[str, Any] = run["sizes"]
    rows: int | None = sizes["test_samples"]
    lookback, batch = run["options"].get("lookback_rows"), sizes.get("test_batch")
    if rows is None or lookback is None:
        return rows
    if not batch or not isinstance(lookback, int):
        return None
    return int(max(0, rows - lookback) // batch * batch)
