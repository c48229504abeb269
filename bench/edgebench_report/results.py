"""Tables 4 to 6 and their companions: times and accuracies, measured and published."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from edgebench_report import telemetry, text
from edgebench_report.aggregate import Column, Group, Record, Statistic
from edgebench_report.published import title_of
from edgebench_report.table import MISSING, Band, Cell, Footnotes, Heading, Row, Table, records_anchor
from edgebench_report.tables import NOT_RUN, PUBLISHED_BAND, Facts
from edgebench_report.text import Note

QUICK_NOTICE = Note(
    "quick-profile",
    "The columns “quick” ran fewer samples and epochs. Do not compare them with the published results.",
)
UNRECORDED = Note("reason-unrecorded", "no value was recorded")
_STATUS = {
    "oom": Note("out-of-memory", "ran out of memory"),
    "timeout": Note("time-limit-passed", "exceeded its time limit"),
    "failed": Note("run-failed", "failed"),
    "unsupported": Note("host-unsupported", "not supported on this host"),
}
_PARTS = (
    ("data_s", "Data"),
    ("build_s", "Build"),
    ("train_s", "Train"),
    ("test_s", "Test"),
    ("other_s", "Other"),
    ("wall_s", "Whole run"),
)


@dataclass(frozen=True)
class Quantity:
    """What one table shows: the metric here, its counterpart there, and how a number of it is written."""

    metric: str
    path: str
    published: str
    write: Callable[[float], str]
    scale: float = 1


TRAINING = Quantity("train_total_s", "times.train_s", "train_s", text.seconds)
TESTING = Quantity("test_s", "times.test_s", "test_s", text.seconds)
ACCURACY = Quantity("quality", "quality.value", "accuracy_percent", lambda value: f"{value:.1f}", scale=100)
ERROR = Quantity("quality", "quality.value", "", text.error)
ERROR_CELSIUS = Quantity("mae_celsius", "quality.mae_celsius", "", text.error)


def training_time(facts: Facts) -> Table:
    """Table 4: building the network and training it, in seconds."""
    caption = (
        "Training time [s]: building the network and training it, as in the 2019 report. "
        "Median of the repeats, then the fastest and slowest repeat and their number n."
    )
    return _comparison(
        facts, TRAINING, "4", "table_4_training_time", "Training time", caption, facts.workloads
    )


def test_time(facts: Facts) -> Table:
    """Table 5: evaluation on the test data, in seconds."""
    caption = "Test time [s]. Median of the repeats, then the fastest and slowest repeat and their number n."
    return _comparison(facts, TESTING, "5", "table_5_test_time", "Test time", caption, facts.workloads)


def accuracy(facts: Facts) -> Table:
    """Table 6: the classification accuracy on test data, in percent."""
    caption = (
        "Classification accuracy on test data [%]. "
        "Median of the repeats, then the lowest and highest value and the number of repeats n."
    )
    regressions = _regressions(facts)
    rows = [each for each in facts.workloads if each not in regressions]
    return _comparison(facts, ACCURACY, "6", "table_6_accuracy", "Accuracy on test data", caption, rows)


def _comparison(
    facts: Facts, quantity: Quantity, number: str, slug: str, title: str, caption: str, workloads: list[str]
) -> Table:
    notes = Footnotes()
    rows = []
    for workload in workloads:
        cells = [
            _measured_cell(facts, index, workload, quantity, notes) for index in range(len(facts.columns))
        ]
        cells += [
            _published_cell(facts, workload, host["id"], quantity, notes) for host in facts.published.hosts
        ]
        rows.append(Row(facts.title(workload), workload, cells))
    return Table(
        number=number,
        slug=slug,
        title=title,
        corner="Workload",
        caption=caption,
        bands=[
            Band("Measured", len(facts.columns), "measured"),
            Band(PUBLISHED_BAND, len(facts.published.hosts), "published"),
        ],
        headings=measured_headings(facts)
        + [
            Heading(facts.published_name(host), side="published", csv=title_of(host))
            for host in facts.published.hosts
        ],
        rows=rows,
        footnotes=notes.listed(),
        notices=[QUICK_NOTICE] if "quick" in facts.profiles else [],
    )


def measured_headings(facts: Facts) -> list[Heading]:
    """Return one heading for each measured column."""
    return [Heading(each.host, each.differs, "measured", spread=True) for each in facts.columns]


def _measured_cell(facts: Facts, index: int, workload: str, quantity: Quantity, notes: Footnotes) -> Cell:
    column = facts.columns[index]
    group = column.groups.get(workload)
    statistic = facts.statistics.get((index, workload, quantity.metric))
    if group is None or statistic is None:
        return Cell(MISSING, marks=[notes.mark(_why_missing(facts, column, workload, quantity.path))])
    statistic = _scaled(statistic, quantity.scale)
    marks = [notes.mark(each) for each in remarks(group)]
    low, high = quantity.write(statistic.low), quantity.write(statistic.high)
    spread = f"n {statistic.count}" if statistic.count == 1 else f"{low}–{high}, n {statistic.count}"
    link = records_anchor(index, workload)
    return Cell(quantity.write(statistic.median), spread, marks, statistic=statistic, link=link)


def _scaled(statistic: Statistic, scale: float) -> Statistic:
    return Statistic(statistic.median * scale, statistic.low * scale, statistic.high * scale, statistic.count)


def remarks(group: Group) -> list[Note]:
    """Return what a reader has to know about a value of this group: synthetic data, missing repeats, disturbances."""
    found = []
    if any(run["data"]["synthetic"] for run in group.ok):
        said = {first_clause(run["data"]["note"]) for run in group.ok if run["data"]["note"]}
        why = "; ".join(sorted(said))
        words = why if why.startswith("synthetic data") else f"synthetic data: {why}".removesuffix(": ")
        found.append(Note("synthetic-data", words))
    unfinished = len(group.runs) - len(group.ok)
    if unfinished and group.ok:
        left_out = f"{unfinished} of {text.plural(len(group.runs), 'repeat')} left out"
        found.append(Note("repeats-left-out", f"{left_out}: {_why_unfinished(group).text}"))
    return found + telemetry.remarks(group.ok)


def first_clause(note: str) -> str:
    """Return what a note says before it goes into details."""
    return text.shorten(re.split(r" \(|[.;:] ", text.one_line(note), maxsplit=1)[0], 100)


def why_unfinished(record: Record, limit: int = 240) -> Note:
    """Return why a record has no results: its status and its reason, that in no more than ``limit`` characters."""
    status = _STATUS[record["status"]]
    reason = text.shorten(text.one_line(record["reason"] or ""), limit)
    is_new = reason and reason.lower() != status.text
    return Note(status.code, f"{status.text}: {reason}" if is_new else status.text)


def _why_unfinished(group: Group) -> Note:
    found = dict.fromkeys(why_unfinished(run) for run in group.runs if run["status"] != "ok")
    codes = {each.code for each in found}
    code = codes.pop() if len(codes) == 1 else "runs-unfinished"
    return Note(code, "; ".join(each.text for each in found))


def _why_missing(facts: Facts, column: Column, workload: str, path: str) -> Note:
    group = column.groups.get(workload)
    if group is None:
        others = [each for each in facts.columns if each.host == column.host and workload in each.groups]
        if not others:
            return NOT_RUN
        return Note("run-elsewhere", f"not run with these settings; see the column “{others[0].label}”")
    if not group.ok:
        return _why_unfinished(group)
    # A record without the error in degrees may say why it has none at all.
    paths = (path, ERROR.path) if path == ERROR_CELSIUS.path else (path,)
    reasons = [run["missing"].get(each) for each in paths for run in group.ok]
    return next((Note("reason-recorded", each) for each in reasons if each), UNRECORDED)


def _published_cell(facts: Facts, workload: str, host: str, quantity: Quantity, notes: Footnotes) -> Cell:
    value = facts.published.printed(workload, quantity.published, host)
    if value is None:
        return Cell(MISSING, marks=[notes.mark(facts.published.reason(workload, quantity.published, host))])
    known = facts.published.annotation(quantity.published, host, workload)
    marks = [] if known is None else [notes.mark(Note("published-note", known.note))]
    return Cell(f"{value:.1f}", marks=marks, value=value)


def _regressions(facts: Facts) -> list[str]:
    metrics = {run["workload"]: run["quality"]["metric"] for column in facts.columns for run in column.runs}
    published = {name for name, each in facts.published.workloads.items() if each["accuracy_percent"] is None}
    return [
        each for each in facts.workloads if metrics.get(each, "mae" if each in published else "") == "mae"
    ]


def weather_error(facts: Facts) -> Table | None:
    """Table 6b: the error of the regressions, which the 2019 report threw away; None without any."""
    notes = Footnotes()
    rows = []
    for workload in _regressions(facts):
        if not any(workload in column.groups for column in facts.columns):
            continue
        for quantity, unit in ((ERROR_CELSIUS, "°C"), (ERROR, "std. dev.")):
            cells = [
                _measured_cell(facts, index, workload, quantity, notes) for index in range(len(facts.columns))
            ]
            rows.append(Row(f"{facts.title(workload)} [{unit}]", f"{workload} {unit}", cells))
    if not rows:
        return None
    return Table(
        number="6b",
        slug="table_6b_weather_error",
        title="Error of the weather forecast on test data",
        corner="Workload",
        caption="Mean absolute error of the temperature forecast for 24 hours ahead. The 2019 report does not "
        "publish this error.",
        bands=[Band("Measured", len(facts.columns), "measured")],
        headings=measured_headings(facts),
        rows=rows,
        footnotes=notes.listed(),
    )


def time_split(facts: Facts) -> Table:
    """Table 4b: where the time of a run goes."""
    notes = Footnotes()
    rows = []
    for index, column in enumerate(facts.columns):
        section = column.label
        for workload in facts.workloads:
            group = column.groups.get(workload)
            if group is None:
                continue
            cells = []
            for metric, _ in _PARTS:
                statistic = facts.statistics.get((index, workload, metric))
                if statistic is None:
                    cells.append(
                        Cell(
                            MISSING,
                            marks=[notes.mark(_why_missing(facts, column, workload, f"times.{metric}"))],
                        )
                    )
                else:
                    cells.append(
                        Cell(
                            text.seconds(statistic.median),
                            value=float(f"{statistic.median:.6g}"),
                            link=records_anchor(index, workload),
                        )
                    )
            for note in remarks(group):
                mark = notes.mark(note)
                for cell in (each for each in cells if not each.missing):
                    cell.marks.append(mark)
            rows.append(Row(facts.title(workload), workload, cells, section))
            section = ""
    return Table(
        number="4b",
        slug="table_4b_time_split",
        title="Where the time goes",
        corner="Workload",
        caption="Medians of the repeats [s]. Each part has its own median, so the parts need not add up. "
        "Build: building and compiling the network and the first training step. "
        "Other: process start, framework import, and everything else that is in none of the parts.",
        bands=[],
        headings=[Heading(name, side="measured", csv=f"{name} [s]") for _, name in _PARTS],
        rows=rows,
        footnotes=notes.listed(),
    )


def speed_ratio(facts: Facts) -> Table | None:
    """Table 4c: the published training time over the one measured; None without the paper profile."""
    paper = [index for index, column in enumerate(facts.columns) if column.profile == "paper"]
    if not paper:
        return None
    notes = Footnotes()
    rows = []
    for workload in (each for each in facts.workloads if each in facts.published.workloads):
        cells = []
        for index in paper:
            for host in facts.published.hosts:
                cells.append(_ratio_cell(facts, index, workload, host["id"], notes))
        rows.append(Row(facts.title(workload), workload, cells))
    return Table(
        number="4c",
        slug="table_4c_speed_ratio",
        title="Training speed relative to the published hosts",
        corner="Workload",
        caption="Published training time divided by the measured one: above 1, the measured host is faster. "
        "Paper profile only.",
        bands=[Band(facts.columns[index].label, len(facts.published.hosts), "measured") for index in paper],
        headings=[
            Heading(
                f"vs {facts.published_name(host)}",
                side="measured",
                csv=f"{facts.columns[index].label} vs {facts.published_name(host)}",
            )
            for index in paper
            for host in facts.published.hosts
        ],
        rows=rows,
        footnotes=notes.listed(),
    )


def _ratio_cell(facts: Facts, index: int, workload: str, host: str, notes: Footnotes) -> Cell:
    column = facts.columns[index]
    statistic = facts.statistics.get((index, workload, TRAINING.metric))
    theirs = facts.published.measured(workload, TRAINING.published, host)
    group = column.groups.get(workload)
    if statistic is None or group is None:
        return Cell(MISSING, marks=[notes.mark(_why_missing(facts, column, workload, TRAINING.path))])
    if theirs is None:
        why = facts.published.reason(workload, TRAINING.published, host)
        return Cell(MISSING, marks=[notes.mark(Note(why.code, f"published host: {why.text}"))])
    obstacle = not_as_published(facts, group, _host(facts, host))
    if obstacle is not None:
        return Cell(MISSING, marks=[notes.mark(obstacle)])
    marks = [notes.mark(each) for each in remarks(group)]
    known = facts.published.annotation(TRAINING.published, host, workload)
    if known is not None:
        marks.append(notes.mark(Note("raw-log-used", f"{known.note}; the ratio uses that value")))
    ratio = theirs / statistic.median if statistic.median else float("inf")
    return Cell(
        text.factor(ratio), marks=marks, value=float(f"{ratio:.4g}"), link=records_anchor(index, workload)
    )


def _host(facts: Facts, name: str) -> Record:
    return next(each for each in facts.published.hosts if each["id"] == name)


def not_as_published(facts: Facts, group: Group, host: Record | None = None) -> Note | None:
    """Return why a group is no counterpart of the published runs, or those of one published host; None if it is."""
    run = group.ok[0]
    # The one host of 16 bits cast its inputs alone, so that both precisions are the same as its own in part.
    if host is not None and run["precision"] == "float16" and host["float_bits"] != 16:
        return Note("precision-differs", f"not comparable: float16, published float{host['float_bits']}")
    if any(each["data"]["synthetic"] for each in group.ok):
        return Note("synthetic-data", "not comparable: synthetic data")
    published_lookback = facts.published.source["lookback_rows"]
    lookback = run["options"].get("lookback_rows", published_lookback)
    if lookback != published_lookback:
        said = f"not comparable: look-back of {lookback} rows, published {published_lookback}"
        return Note("lookback-differs", said)
    printed = facts.published.workloads[group.workload]
    for name in ("train_samples", "test_samples", "epochs", "batch"):
        if run["sizes"][name] != printed[name]:
            said = f"not comparable: {name.replace('_', ' ')} {run['sizes'][name]}, published {printed[name]}"
            return Note("sizes-differ", said)
    return None
