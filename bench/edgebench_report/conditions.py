"""Table 1b: under which conditions the runs were made, and what disturbed them, by host and circumstances."""

from collections.abc import Iterator
from statistics import median
from typing import Any

from edgebench_report import telemetry, text
from edgebench_report.aggregate import Column, Record
from edgebench_report.table import MISSING, Cell, Footnotes, Heading, Row, Table
from edgebench_report.tables import Facts
from edgebench_report.text import Note

_THREADS = 2
_NO_TELEMETRY = Note("telemetry-missing", "no telemetry was recorded")
_UNKNOWN = Note("fact-unknown", "the host does not report it")
_NO_GOVERNOR = Note("governor-unknown", "governor unknown: the kernel has no cpufreq")
_NO_MODE = Note("power-mode-unreported", "the board has no power modes, or does not report them")


def table(facts: Facts) -> Table | None:
    """Return the conditions of every column of the tables; None where no host and no record tells any."""
    notes = Footnotes()
    rows = [_row(facts, column, notes) for column in facts.columns]
    # The threads are in every record, and among the circumstances.
    if all(cell.missing for row in rows for place, cell in enumerate(row.cells) if place != _THREADS):
        return None
    return Table(
        number="1b",
        slug="table_1b_conditions",
        title="Run conditions",
        corner="Host",
        key_name="column",
        caption="Settings of the hosts, and telemetry of the counted runs: the highest temperature of any sensor, the "
        "lowest clock limit, the mean power during training (median of the runs) and the number of disturbed runs. "
        "The warnings name the causes.",
        bands=[],
        headings=[
            Heading("Governor", side="measured", numeric=False),
            Heading("Power mode", side="measured", numeric=False),
            Heading("Threads", side="measured", numeric=False),
            Heading("Hottest [°C]", side="measured"),
            Heading("Lowest limit [MHz]", side="measured"),
            Heading("Power [W]", side="measured"),
            Heading("Disturbed", side="measured", numeric=False),
        ],
        rows=rows,
        footnotes=notes.listed(),
    )


def _row(facts: Facts, column: Column, notes: Footnotes) -> Row:
    told = [each for each in (run["telemetry"] for run in column.runs) if isinstance(each, dict) and each]
    hosts = [each["facts"] for each in facts.hosts if each["host"] == column.host]
    governors = _texts(told, "governor.") or [
        each["cpu"]["governor"] for each in hosts if each["cpu"]["governor"]
    ]
    modes = [each["board"].get("power_mode") for each in hosts]
    why = _UNKNOWN if told else _NO_TELEMETRY
    hottest = [value for each in told for value in _numbers(each, "temperature.", "max")]
    limits = [value for each in told for value in _numbers(each, "clock_max.", "min")]
    watts = [each for each in map(_watts, told) if each is not None]
    disturbed = sum(bool(each.get("is_disturbed")) for each in told)
    return Row(
        column.label,
        column.label,
        [
            _words(governors, notes, _NO_GOVERNOR),
            _words([each for each in modes if each], notes, _NO_MODE),
            Cell(_threads(column), numeric=False),
            _value(max(hottest) if hottest else None, 0, notes, why),
            _value(min(limits) if limits else None, 0, notes, why),
            _value(median(watts) if watts else None, 1, notes, why),
            Cell(
                f"{disturbed} of {text.plural(len(told), 'run')}",
                marks=[notes.mark(each) for each in telemetry.unknowns(column.runs)],
                numeric=False,
            )
            if told
            else _words([], notes, _NO_TELEMETRY),
        ],
    )


def _threads(column: Column) -> str:
    numbers = {run["threads"]["intra"] for run in column.runs}
    return ", ".join(sorted(str(each) if each else "default" for each in numbers))


def _words(values: list[Any], notes: Footnotes, why: Note) -> Cell:
    shown = list(dict.fromkeys(text.shorten(text.one_line(str(each)), 40) for each in values))
    return (
        Cell("; ".join(shown[:6]), numeric=False)
        if shown
        else Cell(MISSING, marks=[notes.mark(why)], numeric=False)
    )


def _value(value: float | None, digits: int, notes: Footnotes, why: Note) -> Cell:
    if value is None:
        return Cell(MISSING, marks=[notes.mark(why)])
    return Cell(f"{value:.{digits}f}", value=float(f"{value:.6g}"))


def _quantities(told: Record, prefix: str) -> Iterator[dict[str, Any]]:
    found = told.get("quantities")
    for name, each in found.items() if isinstance(found, dict) else ():
        if name.startswith(prefix) and isinstance(each, dict):
            yield each


def _texts(told: list[Record], prefix: str) -> list[str]:
    return [
        value
        for each in told
        for entry in _quantities(each, prefix)
        for value in (entry["values"] if isinstance(entry.get("values"), list) else ())
        if isinstance(value, str)
    ]


def _numbers(told: Record, prefix: str, name: str) -> list[float]:
    return [
        value
        for value in (_number(each.get(name)) for each in _quantities(told, prefix))
        if value is not None
    ]


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    return float(value) if is_number else None


def _watts(told: Record) -> float | None:
    value: Any = told
    for name in ("phases", "train", "energy", "mean_w"):
        value = value.get(name) if isinstance(value, dict) else None
    return _number(value)
