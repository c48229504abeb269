"""The table of ``edgebench-report aggregate``: one line a measurement, with the circumstances that distinguish it."""

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from edgebench_report import text
from edgebench_report.aggregate import UNSET, own_text, wide_text

# Of the host and the software, in the order in which they are shown.
_WIDE = ("profile", "variant", "precision", "framework", "keras", "numpy", "python", "device", "threads")
_OWN = ("synthetic", "sha256", "input", "sizes")
# Values are compared only among rows that agree in these: another profile has other sizes as a matter of course.
_AMONG: dict[str, tuple[str, ...]] = {
    "keras": ("framework",),
    "numpy": ("framework", "keras"),
    "python": ("framework", "keras", "numpy"),
    "sha256": ("synthetic",),
    "input": ("profile",),
    "sizes": ("profile",),
}
_OPTION, _VARIABLE = "option ", "variable "
_HEADINGS = (
    *("host", "workload", "differs in", "runs", "ok"),
    *("train [s]", "25 %", "75 %", "test [s]", "quality"),
)
_TEXTS = ("host", "workload", "differs in")


@dataclass(frozen=True)
class Measurement:
    """A row of the view ``medians``: ``facts`` are its circumstances by name, ``values`` what is shown behind them."""

    host: str
    workload: str
    facts: dict[str, Hashable]
    is_finished: bool
    values: tuple[Any, ...]


def measurement(row: dict[str, Any]) -> Measurement:
    """Return a row of the view ``medians``, given by the names of its columns."""
    facts: dict[str, Hashable] = {name: row[name] for name in (*_WIDE, *_OWN) if name in row}
    facts["threads"] = (row["threads_intra"], row["threads_inter"])
    facts["sizes"] = tuple(row[each] for each in ("train_samples", "test_samples", "epochs", "batch"))
    facts.update({_OPTION + name: _plain(value) for name, value in json.loads(row["options"]).items()})
    if row["environment"] is not None:
        facts.update({_VARIABLE + name: value for name, value in json.loads(row["environment"]).items()})
    shown = ("runs", "ok", "train_total_s", "train_total_s_q1", "train_total_s_q3", "test_s", "quality")
    return Measurement(
        row["host"], row["workload"], facts, bool(row["ok"]), tuple(row[each] for each in shown)
    )


def _plain(value: Any) -> Hashable:
    return value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)


def table(rows: Sequence[Measurement]) -> list[str]:
    """Return the lines of the table, its head first; the circumstances have a column if any two rows differ in some."""
    if not rows:
        return []
    told_apart = differing(rows)
    lines: list[tuple[Any, ...]] = [_HEADINGS]
    for row, differs in zip(rows, told_apart, strict=True):
        lines.append((row.host, row.workload, differs or "-", *row.values))
    shown = [place for place, name in enumerate(_HEADINGS) if name != "differs in" or any(told_apart)]
    columns = [[_cell(line[place]) for line in lines] for place in shown]
    for place, column in zip(shown, columns, strict=True):
        width = max(map(len, column))
        is_text = _HEADINGS[place] in _TEXTS
        column[:] = [each.ljust(width) if is_text else each.rjust(width) for each in column]
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else text.shorten(text.one_line(str(value)), 80)


def common(rows: Sequence[Measurement]) -> str:
    """Return the circumstances that all rows share, as a text; empty without any."""
    shared = [name for name in _WIDE if len({each.facts[name] for each in rows}) == 1]
    return ", ".join(text.one_line(_text(name, rows[0].facts[name])) for name in shared) if rows else ""


def differing(rows: Sequence[Measurement]) -> list[str]:
    """Return for each row the circumstances in which another row of its workload differs, as a text."""
    by_workload: dict[str, list[Measurement]] = {}
    for each in rows:
        by_workload.setdefault(each.workload, []).append(each)
    names = {workload: _names(peers) for workload, peers in by_workload.items()}
    return [
        ", ".join(
            text.one_line(_text(name, row.facts.get(name, UNSET)))
            for name in names[row.workload]
            if _is_telling(name, row, by_workload[row.workload])
        )
        for row in rows
    ]


def _names(rows: list[Measurement]) -> list[str]:
    own = {name for each in rows for name in each.facts} - {*_WIDE, *_OWN}
    return [*_WIDE, *_OWN, *sorted(own)]


def _is_telling(name: str, row: Measurement, peers: list[Measurement]) -> bool:
    among = _AMONG.get(name, ("profile",) if name.startswith(_OPTION) else ())
    return any(
        _differs(row, other, name)
        for other in peers
        if all(row.facts[each] == other.facts[each] for each in among)
    )


def _differs(row: Measurement, other: Measurement, name: str) -> bool:
    one, another = row.facts.get(name, UNSET), other.facts.get(name, UNSET)
    # A run that did not finish may not know its circumstances; that none of its runs is ok says so.
    is_unknown = any(None in (each if isinstance(each, tuple) else (each,)) for each in (one, another))
    return one != another and not (is_unknown and not (row.is_finished and other.is_finished))


def _text(name: str, value: Hashable) -> str:
    if name == "variant":
        return f"variant {value}"
    if name in _WIDE:
        return wide_text(name, value)
    if name.startswith(_VARIABLE):
        variable = name.removeprefix(_VARIABLE)
        return f"{variable} {UNSET}" if value == UNSET else f"{variable}={value}"
    return own_text(name, value)
