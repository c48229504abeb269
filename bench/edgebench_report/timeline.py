"""The timeline of a session of a host: temperature, clock and power over its runs, from the series beside its records.

A series belongs to the record that names it, and lies in the folder of the record's file, ``HOST.telemetry`` beside
``HOST.jsonl``. It comes from a host, so nothing in it is trusted: it is read within bounds, and a series that is not
the one its record speaks of is named and left out.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgebench.errors import RecordError
from edgebench.telemetry import series
from edgebench.telemetry.quantity import CELSIUS, COUNTER, GAUGE, JOULE, MEGAHERTZ, WATT, Quantity

from edgebench_report import curves, drawing, text
from edgebench_report.aggregate import Record
from edgebench_report.drawing import Chart
from edgebench_report.load import SERIES_FOLDER, Loaded
from edgebench_report.tables import Facts
from edgebench_report.text import Note

# Of all series of a report together: more is a fleet's campaign of weeks, or meant to do harm.
_MOST_BYTES = 128 << 20
_MOST_FIGURES = 60
# Stretches of time in all lines of all figures: half a megabyte of the page.
_STRETCHES, _FEWEST, _FINEST = 25_000, 30, 150
_MOST_LINES = 4
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}\.jsonl")
# Beyond these nothing here was ever measured, and an axis could not be drawn.
_GREATEST = 1e9


_Key = tuple[int, str]


@dataclass(frozen=True)
class _Run:
    """A run and its series: when it began [s since 1970], for how long [s], and (seconds since then, value) of lines.

    A line is known by the number of its panel and its name.
    """

    workload: str
    begin_s: float
    length_s: float
    lines: dict[_Key, list[curves.Point]]


@dataclass
class _Session:
    """The runs with a series of one host in one session, in order of time."""

    host: str
    run_id: str
    runs: list[_Run] = field(default_factory=list)


@dataclass(frozen=True)
class Timelines:
    """What was drawn, and what of it could not be."""

    charts: list[Chart]
    problems: list[Note]


def draw(loaded: Loaded, facts: Facts) -> Timelines:
    """Draw a timeline for each session of a host that has series; empty where none has."""
    problems: list[Note] = []
    sessions = _sessions(loaded, problems)
    if len(sessions) > _MOST_FIGURES:
        said = f"{len(sessions)} sessions have series, timelines are drawn of {_MOST_FIGURES} at most"
        problems.append(Note("timelines-too-many", f"{said}. For the others, build reports of fewer hosts."))
        sessions = sessions[:_MOST_FIGURES]
    panels = [_panels(each) for each in sessions]
    lines = sum(len(found) for each in panels for _, found in each)
    stretches = min(_FINEST, max(_FEWEST, _STRETCHES // max(lines, 1)))
    with drawing.style():
        charts = [
            _chart(session, found, facts, stretches, number)
            for number, (session, found) in enumerate(zip(sessions, panels, strict=True), 1)
            if found
        ]
    return Timelines(charts, problems)


def _sessions(loaded: Loaded, problems: list[Note]) -> list[_Session]:
    found: dict[tuple[str, str], _Session] = {}
    left = _MOST_BYTES
    for record in sorted(loaded.runs + loaded.inferences, key=lambda each: each["started_utc"] or ""):
        path = _path_of(record, loaded)
        if path is None:
            continue
        try:
            size = path.stat().st_size
            if path.is_symlink() or not path.is_file():
                raise RecordError("it is not a regular file", "series-not-regular")
            if size > left:
                said = f"{path}: the series together have more than {_MOST_BYTES >> 20} MiB; the rest is not read"
                problems.append(Note("series-too-many", said))
                break
            left -= size
            run = _run(_checked(path, record), record["workload"])
        except (OSError, RecordError) as failure:
            said = (
                f"{_brief(path)}: the series is not shown: {text.shorten(text.one_line(str(failure)), 200)}"
            )
            problems.append(Note(getattr(failure, "code", None) or "series-unreadable", said))
            continue
        if run is not None:
            key = (record["host"], record["session"])
            found.setdefault(key, _Session(record["host"], record["run_id"])).runs.append(run)
    for session in found.values():
        session.runs.sort(key=lambda each: each.begin_s)
    return sorted(found.values(), key=lambda each: (each.host, each.runs[0].begin_s))


def _path_of(record: Record, loaded: Loaded) -> Path | None:
    told = record["telemetry"] if isinstance(record["telemetry"], dict) else {}
    named = told.get("series")
    name = named.get("file") if isinstance(named, dict) else named
    origin = loaded.origin.get(id(record), "").rpartition(":")[0]
    # Whoever wrote the record could name any file of this machine.
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not origin:
        return None
    records = Path(origin)
    path = records.with_name(records.name.removesuffix(".jsonl") + SERIES_FOLDER) / name
    return path if path.exists() or path.is_symlink() else None


def _checked(path: Path, record: Record) -> series.Series:
    if path.stat().st_size > series.LARGEST_BYTES:
        raise RecordError(f"it has more than {series.LARGEST_BYTES >> 20} MiB", "series-too-large")
    content = path.read_bytes()
    told = record["telemetry"]["series"]
    wanted = told.get("sha256") if isinstance(told, dict) else None
    if isinstance(wanted, str) and hashlib.sha256(content).hexdigest() != wanted:
        raise RecordError("its SHA-256 is not the one in its record", "series-hash-differs")
    read: series.Series = series.parsed(content, path.name)
    return read


def _brief(path: Path) -> str:
    return text.one_line("/".join(path.parts[-2:]))


_PANELS = (
    ("Temperature [°C]", "temperature.", (CELSIUS,)),
    ("Clock [MHz]", "clock.", (MEGAHERTZ,)),
    ("Power [W]", "", (WATT, JOULE)),
)


def _run(read: series.Series, workload: str) -> _Run | None:
    if len(read.samples) < 2:
        return None
    first = read.samples[0]
    length_s = read.samples[-1].monotonic_s - first.monotonic_s
    lines: dict[_Key, list[curves.Point]] = {}
    for place, quantity in enumerate(read.quantities):
        for panel, (_, prefix, units) in enumerate(_PANELS):
            if quantity.unit in units and quantity.name.startswith(prefix):
                points = list(_points(read, place, quantity))
                if points:
                    lines[panel, _called(quantity)] = curves.thinned(points, (0.0, length_s), _FINEST)
    return _Run(workload, first.utc_s, length_s, lines) if lines and length_s < _GREATEST else None


_UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0))
_Lines = list[tuple[str, list[list[curves.Point]]]]


def _panels(session: _Session) -> list[tuple[str, _Lines]]:
    found = []
    start = session.runs[0].begin_s
    for panel, (title, _, _) in enumerate(_PANELS):
        lines: dict[str, list[list[curves.Point]]] = {}
        for run in session.runs:
            later = run.begin_s - start
            for (own, name), points in run.lines.items():
                if own == panel and later < _GREATEST:
                    lines.setdefault(name, []).append([(later + at, value) for at, value in points])
        if lines:
            # The hottest, fastest, hungriest: what could hold the host back.
            order = sorted(
                lines, key=lambda name: (-max(each[1] for part in lines[name] for each in part), name)
            )
            found.append((title, [(name, lines[name]) for name in sorted(order[:_MOST_LINES])]))
    return found


def _called(quantity: Quantity) -> str:
    return text.shorten(text.one_line(quantity.name.partition(".")[2] or quantity.name), 24)


def _points(read: series.Series, place: int, quantity: Quantity) -> Iterator[curves.Point]:
    first = read.samples[0]
    before: curves.Point | None = None
    for sample in read.samples:
        # The wall clock may be set meanwhile; within a run the other one counts.
        at, value = sample.monotonic_s - first.monotonic_s, sample.values[place]
        if isinstance(value, str) or value is None or at >= _GREATEST:
            continue
        if quantity.kind == GAUGE and abs(value) < _GREATEST:
            yield at, float(value)
        elif quantity.kind == COUNTER and quantity.unit == JOULE:
            if before is not None and at > before[0]:
                gained = value - before[1]
                if gained < 0:
                    gained += float(quantity.detail.get("range") or 0.0)
                watts = gained / (at - before[0])
                if 0 <= watts < _GREATEST:
                    yield at, watts
            before = (at, value)


def _chart(
    session: _Session, panels: list[tuple[str, _Lines]], facts: Facts, stretches: int, number: int
) -> Chart:
    ends = [
        at for _, lines in panels for _, parts in lines for part in parts for at, _ in (part[0], part[-1])
    ]
    length_s = max(ends) - min(ends)
    unit, scale = next(each for each in _UNITS if length_s < 180 * each[1] or each is _UNITS[-1])
    x = (min(ends) / scale, max(max(ends), min(ends) + 1.0) / scale)
    bands = _bands(session, facts, scale)
    planes = []
    for title, lines in panels:
        drawn = [
            curves.Line(
                name,
                drawing.HUES[place],
                _thinned([[(at / scale, value) for at, value in part] for part in parts], x, stretches),
            )
            for place, (name, parts) in enumerate(lines)
        ]
        values = [value for line in drawn for part in line.parts for _, value in part]
        planes.append(curves.Plane(title, drawn, x, _ends(values, title), bands))
    title = f"Timeline of {session.host}, run {session.run_id}"
    runs = text.plural(len(session.runs), "run")
    caption = (
        f"{runs} with telemetry; bands mark the workloads. If there are more than {_MOST_LINES} sensors, those with "
        "the highest values are drawn. Samples too close to be drawn apart are drawn as their minimum and maximum."
    )
    quantities = text.spoken_list([name.partition(" [")[0].lower() for name, _ in panels])
    alt = f"Lines of {quantities} over time on one host."
    return curves.draw(
        f"timeline_{number}", title, caption, alt, planes, f"Time since the first sample [{unit}]"
    )


def _thinned(
    parts: list[list[curves.Point]], x: tuple[float, float], stretches: int
) -> list[list[curves.Point]]:
    """Thin a line of one part a run; of more runs than could be told apart the parts are joined."""
    if len(parts) > stretches // 2:
        parts = [sorted(point for part in parts for point in part)]
    return [curves.thinned(part, x, stretches) for part in parts]


def _bands(session: _Session, facts: Facts, scale: float) -> list[tuple[float, float, str]]:
    found: list[tuple[float, float, str]] = []
    for run in (each for each in session.runs if each.begin_s - session.runs[0].begin_s < _GREATEST):
        begins = (run.begin_s - session.runs[0].begin_s) / scale
        ends = begins + run.length_s / scale
        name = facts.title(run.workload)
        if found and found[-1][2] == name:
            found[-1] = (found[-1][0], max(ends, found[-1][1]), name)
        else:
            found.append((begins, ends, name))
    return found


def _ends(values: list[float], title: str) -> tuple[float, float]:
    low, high = min(values), max(values)
    if not title.startswith("Temperature"):
        return 0.0, (high or 1.0) * 1.15
    room = max(0.1 * (high - low), 1.0)
    # The names of the bands stand at the top.
    return low - room, high + 2.5 * room
