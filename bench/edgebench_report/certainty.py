"""What repeats and test sets can tell: drift and outliers of each measurement, and whether accuracies differ."""

from dataclasses import dataclass

from edgebench_report import aggregate, statistics, text
from edgebench_report.aggregate import Group, Record
from edgebench_report.answer import Block, Entry, Line
from edgebench_report.table import Cell, Footnotes, Heading, Row, Table, records_anchor
from edgebench_report.tables import Facts

_ALPHA = 0.05
_NAMES = 4


@dataclass(frozen=True)
class Trend:
    """The training times [s] of one measurement in the order they were taken: ``runs`` and ``times_s`` of each.

    ``outliers`` are places among them; ``drift`` is None where the repeats are too few to show any.
    """

    runs: list[Record]
    times_s: list[float]
    outliers: tuple[int, ...]
    drift: statistics.Drift | None


def trend(group: Group) -> Trend:
    """Look over the repeats of a measurement that were finished."""
    runs = [run for run in group.ok if aggregate.measured(run)["train_total_s"] is not None]
    if all(run["started_utc"] for run in runs):
        runs.sort(key=lambda run: run["started_utc"])
    times = [float(aggregate.measured(run)["train_total_s"] or 0.0) for run in runs]
    is_enough = len(times) >= statistics.fewest()
    return Trend(
        runs,
        times,
        statistics.outliers(times) if times else (),
        statistics.drift(times, alpha=_ALPHA) if is_enough else None,
    )


@dataclass(frozen=True)
class Examined:
    """How many measurements were examined for a drift, how many of them drifted, and how many outliers they have."""

    measurements: int
    drifted: int
    outliers: int

    @property
    def said(self) -> str:
        """All of it in a sentence."""
        measurements = text.plural(self.measurements, "measurement")
        said = f"{self.drifted} of {measurements} with {statistics.fewest()} repeats or more drifted"
        said += f" ({_ALPHA * self.measurements:.0f} would by chance)" if self.drifted else ""
        return f"{said}; {text.plural(self.outliers, 'outlier')} marked, none dropped"


def drifts(facts: Facts) -> tuple[Table | None, Examined | None]:
    """Table 4e, what drifted and what lies apart, None where nothing does; and what was examined, None for nothing."""
    rows: list[Row] = []
    examined = drifted = outlying = 0
    for index, column in enumerate(facts.columns):
        section = column.label
        for workload, group in column.groups.items():
            found = trend(group)
            if found.drift is None:
                continue
            examined += 1
            drifted += found.drift.found
            outlying += len(found.outliers)
            if found.drift.found or found.outliers:
                rows.append(_drift_row(facts, index, workload, found, section))
                section = ""
    if not examined:
        return None, None
    found_in_all = Examined(examined, drifted, outlying)
    if not rows:
        return None, found_in_all
    return (
        Table(
            number="4e",
            slug="table_4e_drift",
            title="Drift and outliers of the training time",
            corner="Workload",
            caption=f"Of {text.plural(examined, 'measurement')} with five repeats or more, those with a trend over "
            f"the repeats ({statistics.DRIFT_TEST}, p at most {_ALPHA:g}: about {_ALPHA * examined:.1f} would show one "
            f"by chance) or with outliers ({statistics.OUTLIER_RULE}). Nothing is dropped for it.",
            bands=[],
            headings=[
                Heading("Repeats", side="measured"),
                Heading("First to last [%]", side="measured"),
                Heading("Kendall's tau", side="measured"),
                Heading("p", side="measured"),
                Heading("Outliers", side="measured", numeric=False),
            ],
            rows=rows,
            footnotes=[],
        ),
        found_in_all,
    )


def _drift_row(facts: Facts, index: int, workload: str, found: Trend, section: str) -> Row:
    drift = found.drift
    assert drift is not None
    link = records_anchor(index, workload)
    # A trend that was not found is no number to be read.
    unknown = Cell("none", value="")
    change = Cell(f"{100 * drift.relative_change:+.1f}", value=float(f"{drift.relative_change * 100:.4g}"))
    marked = [
        f"repeat {found.runs[each]['repeat']} ({text.seconds(found.times_s[each])} s)"
        for each in found.outliers
    ]
    return Row(
        facts.title(workload),
        workload,
        [
            Cell(str(len(found.times_s)), link=link),
            change if drift.found else unknown,
            Cell(f"{drift.tau:+.2f}", value=float(f"{drift.tau:.4g}")),
            Cell(f"{drift.p_value:.2g}", value=float(f"{drift.p_value:.4g}")),
            Cell(text.shorten(", ".join(marked), 120) or "none", numeric=False),
        ],
        section,
    )


def accuracies(blocks: list[Block]) -> Table | None:
    """Table 6c: for each workload the most accurate host, and which of the others are shown to be less so.

    None where no two can be compared.
    """
    rows = []
    notes = Footnotes()
    for block in blocks:
        section = f"{block.profile} profile" if len(blocks) > 1 else ""
        for line in block.lines:
            known = [each for each in line.entries if each.accuracy is not None and each.samples]
            if len(known) > 1:
                rows.append(_accuracy_row(line, known, block, section))
                section = ""
    if not rows:
        return None
    return Table(
        number="6c",
        slug="table_6c_accuracy_differences",
        title="Which accuracies differ",
        corner="Workload",
        caption="The most accurate host by its median, its 95 % score interval by the number of test samples, and the "
        "others: a difference is called one only where its interval (Newcombe 1998, method 10) excludes 0. That none "
        "is shown does not prove that there is none.",
        bands=[],
        headings=[
            Heading("Highest", side="measured", numeric=False),
            Heading("Accuracy [%]", side="measured"),
            Heading("95 % interval", side="measured"),
            Heading("Shown to be lower", side="measured", numeric=False),
            Heading("No difference shown", side="measured", numeric=False),
        ],
        rows=rows,
        footnotes=notes.listed(),
    )


def _accuracy_row(line: Line, known: list[Entry], block: Block, section: str) -> Row:
    best = max(known, key=lambda each: each.accuracy or 0.0)
    lower, same = [], []
    for each in (each for each in known if each is not best):
        found = statistics.accuracy_difference(
            best.accuracy or 0.0, best.samples, each.accuracy or 0.0, each.samples
        )
        if found.told:
            low, high = 100 * found.interval.low, 100 * found.interval.high
            lower.append(f"{block.names[each.place]} (by {low:.1f} to {high:.1f})")
        else:
            same.append(block.names[each.place])
    interval = best.accuracy_interval or (0.0, 1.0)
    title = line.title + (f" ({line.note})" if line.note else "")
    return Row(
        title,
        line.title,
        [
            Cell(block.names[best.place], numeric=False),
            Cell(f"{100 * (best.accuracy or 0.0):.1f}", link=best.anchor),
            Cell(f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"),
            Cell(_listed(lower), numeric=False),
            Cell(_listed(same), numeric=False),
        ],
        section,
    )


def _listed(names: list[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
