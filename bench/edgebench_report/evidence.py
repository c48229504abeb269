"""The records at the end of the page, which its numbers lead to: a part for each measurement, a row a record."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgebench_report import aggregate, certainty, inference, statistics, telemetry, text
from edgebench_report.aggregate import Record
from edgebench_report.load import Loaded
from edgebench_report.results import why_unfinished
from edgebench_report.table import records_anchor
from edgebench_report.tables import Facts
from edgebench_report.text import Note


@dataclass(frozen=True)
class Row:
    """One record: what it is called, its status, times and result as shown, and the line it was read from.

    ``status`` is the record's own, ``said`` the same in words with the reason.
    """

    repeat: str
    status: str
    said: str
    train: str
    test: str
    result: str
    run_id: str
    where: str
    outlying: bool = False


@dataclass(frozen=True)
class Part:
    """The records of one measurement; ``anchor`` is its id in the page.

    ``said`` is what they show together, ``notes`` are what else a reader should know of them.
    """

    anchor: str
    title: str
    said: str
    rows: list[Row]
    notes: tuple[Note, ...] = ()


def parts(loaded: Loaded, facts: Facts) -> list[Part]:
    """Return every record that counts, in the order of the tables."""
    found = []
    for index, column in enumerate(facts.columns):
        for workload, group in column.groups.items():
            title = f"{column.label} · {facts.title(workload)}"
            trend = certainty.trend(group)
            outlying = {id(trend.runs[each]) for each in trend.outliers}
            said = _said(trend)
            rows = [_row(run, loaded, id(run) in outlying) for run in group.runs]
            found.append(Part(records_anchor(index, workload), title, said, rows, tuple(_notes(trend))))
    for part in inference.parts(loaded.inferences):
        for record, name in zip(part.records, part.names, strict=True):
            row = _inference_row(record, loaded)
            found.append(Part(inference.anchor(record), f"{part.label} · {name}", "", [row]))
    return found


def _said(trend: certainty.Trend) -> str:
    if not trend.times_s:
        return "no run finished"
    known = statistics.describe(trend.times_s)
    said = f"median {text.seconds(known.median)} s"
    if known.interval is not None and known.count >= statistics.fewest():
        said += f", 95 % interval {text.seconds(known.interval.low)} to {text.seconds(known.interval.high)}"
    elif known.count > 1:
        said += ", too few repeats for an interval"
    return said


def _notes(trend: certainty.Trend) -> Iterator[Note]:
    if trend.outliers:
        count = text.plural(len(trend.outliers), "outlier")
        yield Note("outliers-marked", f"{count} marked †, included in the median")
    if trend.drift is not None and trend.drift.found:
        change = 100 * trend.drift.relative_change
        yield Note("drift-found", f"drift of {change:+.1f} % from the first to the last repeat")


def _row(run: Record, loaded: Loaded, outlying: bool) -> Row:
    train = aggregate.measured(run)["train_total_s"]
    test, value = run["times"]["test_s"], run["quality"]["value"]
    accuracy = run["quality"]["metric"] == "accuracy"
    result = "–" if value is None else f"{text.percent(value)} %" if accuracy else text.error(value)
    return Row(
        str(run["repeat"]),
        run["status"],
        _status(run),
        "–" if train is None else text.seconds(train),
        "–" if test is None else text.seconds(test),
        result + (" (synthetic)" if run["data"]["synthetic"] else ""),
        run["run_id"],
        _where(loaded, run),
        outlying,
    )


def _inference_row(record: Record, loaded: Loaded) -> Row:
    rate, value = record["throughput_per_s"], record["quality"]["value"]
    return Row(
        str(record["repeat"]),
        record["status"],
        _status(record),
        "–" if rate is None else f"{text.rate(rate)}/s",
        "–",
        "–" if value is None else f"{text.percent(value)} %",
        record["run_id"],
        _where(loaded, record),
    )


def _status(record: Record) -> str:
    if record["status"] == "ok":
        disturbed = telemetry.said(record)
        return f"ok, disturbed: {disturbed}" if disturbed else "ok"
    return why_unfinished(record, 160).text


def _where(loaded: Loaded, record: Record) -> str:
    path, _, line = loaded.origin.get(id(record), "").rpartition(":")
    return ":".join(["/".join(Path(path).parts[-2:]), line]) if path else ""
