"""The table of the tuned profile: beside ``paper`` on the same host, with the settings that made the difference."""

from statistics import median
from typing import Any

from edgebench_report import statistics, text
from edgebench_report.aggregate import Column, Group
from edgebench_report.results import remarks
from edgebench_report.table import MISSING, Cell, Footnotes, Heading, Row, Table, records_anchor
from edgebench_report.tables import Facts
from edgebench_report.text import Note

DEFAULTS = "the framework's own"
_OWN = ("profile", "input")
_NOT_SEARCHED = Note("search-missing", "no search was recorded")
_NO_INTERVAL = Note("interval-missing", "one repeat is too few for an interval")
_HEADINGS = (
    "Paper [s]",
    "Tuned [s]",
    "Times faster",
    "Paper build [s]",
    "Tuned build [s]",
    "Search [s]",
    "Paper result",
    "Tuned result",
)


def beside_paper(facts: Facts) -> Table | None:
    """Table 4d: training under searched settings over that under the framework's own; None without both."""
    notes = Footnotes()
    rows = [row for index in range(len(facts.columns)) for row in _rows(facts, index, notes)]
    if not rows:
        return None
    return Table(
        number="4d",
        slug="table_4d_tuned",
        title="Tuned and paper profile",
        corner="Workload",
        caption="The same training with the framework's own settings (paper) and with those that a search on the host "
        "found (tuned). Times are medians; building and compiling the network have columns of their own. Times faster "
        "is the ratio of the medians with its 95 % interval. Results are accuracies, or errors of the weather "
        "workloads in standard deviations, with minimum and maximum.",
        bands=[],
        headings=[
            *(Heading(each, side="measured") for each in _HEADINGS),
            Heading("Settings", side="measured", numeric=False),
        ],
        rows=rows,
        footnotes=notes.listed(),
    )


def _rows(facts: Facts, index: int, notes: Footnotes) -> list[Row]:
    tuned = facts.columns[index]
    if tuned.profile != "tuned":
        return []
    rows: list[Row] = []
    for workload, group in tuned.groups.items():
        own = _counterpart(facts, group)
        if own is None or not group.ok:
            continue
        place, paper = own
        links = (records_anchor(place, workload), records_anchor(index, workload))
        row = Row(facts.title(workload), workload, _cells(paper, group, links, notes))
        row.section = _section(tuned) if not rows else ""
        rows.append(row)
    return rows


def _section(column: Column) -> str:
    return " · ".join([column.host, *(each for each in column.differs if each != "tuned")])


def _counterpart(facts: Facts, group: Group) -> tuple[int, Group] | None:
    """Return (column's number, group) of the paper profile that differs in nothing but execution."""
    for place, column in enumerate(facts.columns):
        other = column.groups.get(group.workload)
        if column.profile == "paper" and other is not None and other.ok and _alike(other, group):
            return place, other
    return None


def _alike(one: Group, other: Group) -> bool:
    names = (one.circumstances.keys() | other.circumstances.keys()) - set(_OWN)
    return all(one.circumstances.get(each) == other.circumstances.get(each) for each in names)


def _cells(paper: Group, tuned: Group, links: tuple[str, str], notes: Footnotes) -> list[Cell]:
    marks = [notes.mark(each) for each in dict.fromkeys([*remarks(paper), *remarks(tuned)])]
    cells = []
    for group, link in zip((paper, tuned), links, strict=True):
        times = _times(group, "train_s")
        cells.append(
            Cell(text.seconds(median(times)), f"n {len(times)}", marks, value=median(times), link=link)
        )
    cells.append(_ratio(_times(paper, "train_s"), _times(tuned, "train_s"), notes))
    for group, name in ((paper, "build_s"), (tuned, "build_s"), (tuned, "search_s")):
        times = _times(group, name)
        shown = text.seconds(median(times)) if times else MISSING
        own_marks = [] if times else [notes.mark(_NOT_SEARCHED)]
        cells.append(Cell(shown, marks=own_marks, value=median(times) if times else None))
    cells += [_result(group, link) for group, link in zip((paper, tuned), links, strict=True)]
    named = " / ".join(sorted({settings_of(run) for run in tuned.ok}))
    return [*cells, Cell(named, numeric=False, value=named)]


def _times(group: Group, name: str) -> list[float]:
    return [float(run["times"][name]) for run in group.ok if run["times"].get(name) is not None]


def _ratio(own: list[float], other: list[float], notes: Footnotes) -> Cell:
    ratio = median(own) / median(other) if median(other) else float("inf")
    if min(len(own), len(other)) < 2 or min(own + other) <= 0:
        return Cell(text.factor(ratio), marks=[notes.mark(_NO_INTERVAL)], value=ratio)
    told = statistics.difference(own, other)
    unclear = Note("no-difference-shown", f"no difference shown, or fewer than {told.needed} repeats each")
    marks = [] if told.told else [notes.mark(unclear)]
    interval = f"{text.factor(told.interval.low)}–{text.factor(told.interval.high)}"
    return Cell(text.factor(ratio), interval, marks, value=float(f"{ratio:.4g}"))


def _result(group: Group, link: str) -> Cell:
    values = [float(run["quality"]["value"]) for run in group.ok]
    is_accuracy = group.ok[0]["quality"]["metric"] == "accuracy"

    def write(value: float) -> str:
        return f"{text.percent(value)} %" if is_accuracy else text.error(value)

    detail = f"{write(min(values))}–{write(max(values))}" if len(values) > 1 else ""
    return Cell(write(median(values)), detail, value=median(values), link=link)


def settings_of(run: dict[str, Any]) -> str:
    """Return the settings of a tuned run in words."""
    settings = run.get("tuning", {}).get("settings", {})
    shown = (f"{name.replace('_', ' ')} {_value(value)}" for name, value in sorted(settings.items()))
    return text.one_line(", ".join(shown)) or DEFAULTS


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
