"""The roofline plot (Williams, Waterman & Patterson, Communications of the ACM 52, 2009) of each host, and its table.

From what `edgebench roofline --json` writes, kept as HOST.roofline.json among the records of a run. It was made on a
host, so it is read within bounds and only numbers that can be drawn are believed.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench_report import curves, drawing, text
from edgebench_report.drawing import Chart
from edgebench_report.load import SURVEY_ENDING, Problem
from edgebench_report.table import MISSING, Cell, Footnotes, Heading, Row, Table
from edgebench_report.text import Note

_MOST_BYTES = 8 << 20
_MOST_NETWORKS = 32
_REMEDY = "Repeat the survey: edgebench roofline --json > HOST.roofline.json"


@dataclass(frozen=True)
class Mark:
    """One network computed in one way: [FLOP/byte], [GFLOP/s], and the roof above it [GFLOP/s]; ``batch`` samples."""

    network: str
    purpose: str
    batch: int
    flop_per_byte: float
    gflop_per_s: float
    roof_gflop_per_s: float
    is_memory_bound: bool


@dataclass(frozen=True)
class Survey:
    """What one host can at most, [GFLOP/s] and [GB/s] for each pair that a network is held against, and its marks."""

    host: str
    about: str
    roofs: list[tuple[float, float]]
    marks: list[Mark]


def load(paths: Iterable[Path]) -> tuple[list[Survey], list[Problem]]:
    """Read the surveys at ``paths``: files that end like one, and all such in and below folders."""
    surveys, problems = [], []
    for path in _files(paths):
        try:
            survey = _survey(path)
        except (OSError, ValueError, RecursionError) as failure:
            said = text.shorten(text.one_line(str(failure)), 160)
            problems.append(
                Problem(
                    text.one_line(str(path)), f"not a roofline survey ({said})", _REMEDY, "survey-invalid"
                )
            )
            continue
        if survey.marks:
            surveys.append(survey)
        else:
            problems.append(
                Problem(text.one_line(str(path)), "the survey has no timed network", _REMEDY, "survey-empty")
            )
    return surveys, problems


def _files(paths: Iterable[Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for path in paths:
        inside = (
            sorted(path.rglob("*" + SURVEY_ENDING))
            if path.is_dir()
            else [path]
            if path.name.endswith(SURVEY_ENDING)
            else []
        )
        for each in inside:
            if each.is_file() and not each.is_symlink():
                found.setdefault(each.resolve(), each)
    return sorted(found.values(), key=str)


def _survey(path: Path) -> Survey:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES >> 20} MiB")
    content = json.loads(path.read_bytes().decode("utf-8"))
    if not isinstance(content, dict) or content.get("survey") != "roofline" or content.get("schema") != 1:
        raise ValueError('it has no "survey": "roofline" of schema 1')
    marks: list[Mark] = []
    roofs: dict[tuple[float, float], None] = {}
    for network in list(_of(dict, content.get("networks")).values())[:_MOST_NETWORKS]:
        for run in _of(list, _of(dict, network).get("runs"))[:8]:
            _add(_of(dict, network), _of(dict, run), marks, roofs)
    used = _of(dict, content.get("framework"))
    about = (
        f"{content.get('precision')}, {content.get('threads')} threads, TensorFlow {used.get('tensorflow')}"
    )
    host = text.shorten(text.one_line(path.name.removesuffix(SURVEY_ENDING)), 60)
    return Survey(host, text.shorten(text.one_line(about), 90), list(roofs), marks)


def _add(
    network: dict[str, Any], run: dict[str, Any], marks: list[Mark], roofs: dict[tuple[float, float], None]
) -> None:
    total, peak = _of(dict, run.get("total")), _of(dict, run.get("peak"))
    values = [_number(each) for each in (total.get("flop_per_byte"), run.get("gflop_per_s"), peak.get("gflop_per_s"),
                                         peak.get("gb_per_s"))]  # fmt: skip
    batch = run.get("batch")
    if None in values or not isinstance(batch, int) or isinstance(batch, bool):
        return
    intensity, rate, top, bandwidth = (float(each or 0) for each in values)
    roofs[top, bandwidth] = None
    marks.append(
        Mark(
            text.shorten(text.one_line(str(network.get("title"))), 40),
            text.shorten(text.one_line(str(run.get("purpose"))), 20),
            batch,
            intensity,
            rate,
            min(top, bandwidth * intensity),
            bandwidth * intensity < top,
        )
    )


def _of(kind: type, value: Any) -> Any:
    return value if isinstance(value, kind) else kind()


def _number(value: Any) -> float | None:
    """Return a number that has a place on a logarithmic axis, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 1e-9 < value < 1e12 and math.isfinite(value) else None


def draw(surveys: list[Survey]) -> list[Chart]:
    """Draw one plot for each host: the roofs, and every network below them."""
    with drawing.style():
        return [_chart(survey, number) for number, survey in enumerate(surveys, 1)]


def _groups(survey: Survey) -> dict[str, list[Mark]]:
    found: dict[str, list[Mark]] = {}
    for mark in survey.marks:
        kind = (
            mark.purpose
            if mark.purpose == "training"
            else f"{mark.purpose}, batch {'1' if mark.batch == 1 else 'of training'}"
        )
        found.setdefault(kind, []).append(mark)
    return found


def _chart(survey: Survey, number: int) -> Chart:
    names = list(dict.fromkeys(mark.network for mark in survey.marks))
    xs = [mark.flop_per_byte for mark in survey.marks]
    x = (10 ** math.floor(math.log10(min(xs) * 0.8)), 10 ** math.ceil(math.log10(max(xs) * 1.2)))
    ys = [mark.gflop_per_s for mark in survey.marks] + [mark.roof_gflop_per_s for mark in survey.marks]
    top = max([*ys, *(roof for roof, _ in survey.roofs)])
    y = (10 ** math.floor(math.log10(min(ys) * 0.8)), 10 ** math.ceil(math.log10(top * 1.2)))
    roofs = [_roof(top, bandwidth, x, y) for top, bandwidth in survey.roofs]
    lines = [
        curves.Line(
            "measured peaks of the host", "var(--muted)", [part for part in roofs if len(part) > 1], thin=True
        )
    ]
    for place, (kind, marks) in enumerate(_groups(survey).items()):
        lines.append(
            curves.Line(
                kind,
                drawing.HUES[place % len(drawing.HUES)],
                [[(mark.flop_per_byte, mark.gflop_per_s) for mark in marks]],
                dots=True,
                said=[str(1 + names.index(mark.network)) for mark in marks],
            )
        )
    numbered = ", ".join(f"{place} {name}" for place, name in enumerate(names, 1))
    caption = (
        f"{survey.about}. {numbered.removesuffix('.')}. A network on the slope is bound by memory, one under the "
        "flat part by arithmetic, and one far below both by the framework's overhead. Both axes are logarithmic."
    )
    alt = "Roofline plot: operations per second over operations per byte of each network. Table 8 has the values."
    plane = curves.Plane("Reached [GFLOP/s]", lines, x, y, log=True, height=170.0)
    title = f"Roofline of {survey.host}"
    return curves.draw(f"roofline_{number}", title, caption, alt, [plane], "Arithmetic intensity [FLOP/byte]")


def _roof(top: float, bandwidth: float, x: tuple[float, float], y: tuple[float, float]) -> list[curves.Point]:
    knee = top / bandwidth
    # Where the slope enters the plane: from the left, or from below.
    start = max(x[0], y[0] / bandwidth)
    points = [(start, min(top, start * bandwidth)), (x[1], min(top, x[1] * bandwidth))]
    return [points[0], (knee, top), points[1]] if start < knee < x[1] else points


def table(surveys: list[Survey]) -> Table | None:
    """Table 8: every mark of the plots, and how much of what is possible it reaches; None without surveys."""
    if not surveys:
        return None
    notes = Footnotes()
    rows = []
    for survey in surveys:
        section = survey.host
        for mark in survey.marks:
            share = mark.gflop_per_s / mark.roof_gflop_per_s
            cells = [
                Cell(f"{mark.purpose}, batch {mark.batch}", numeric=False),
                *(_cell(each) for each in (mark.flop_per_byte, mark.gflop_per_s, mark.roof_gflop_per_s)),
                Cell(f"{100 * share:.1f}", value=float(f"{100 * share:.4g}")),
                Cell("memory" if mark.is_memory_bound else "arithmetic", numeric=False),
            ]
            if share > 1:
                said = "above the measured peak: the data fits into the caches, or the host was disturbed"
                cells[4].marks.append(notes.mark(Note("above-peak", said)))
            rows.append(Row(mark.network, mark.network, cells, section))
            section = ""
    return Table(
        number="8",
        slug="table_8_roofline",
        title="Roofline: reached and possible performance",
        corner="Network",
        caption="Counted operations and bytes per timed Keras step, compared with the measured peaks of the host.",
        bands=[],
        headings=[
            Heading("Computed", side="measured", numeric=False),
            Heading("FLOP/byte", side="measured"),
            Heading("Reached [GFLOP/s]", side="measured"),
            Heading("Possible [GFLOP/s]", side="measured"),
            Heading("Share [%]", side="measured"),
            Heading("Bound by", side="measured", numeric=False),
        ],
        rows=rows,
        footnotes=notes.listed(),
    )


def _cell(value: float) -> Cell:
    return Cell(f"{value:.3g}" if value else MISSING, value=float(f"{value:.4g}"))
