"""Plots over two axes: lines in time, points in a plane; drawn twice from the same numbers, as bars are.

The page has a small SVG element that follows its colours; the files beside it are drawn by matplotlib.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import escape

from edgebench_report import drawing, text
from edgebench_report.drawing import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]

# In points, as in inline.py.
_WIDTH, _LEFT, _RIGHT, _TITLE, _GAP, _FOOT, _KEY = 310.0, 34.0, 12.0, 16.0, 8.0, 27.0, 11.0
_CHAR = 4.9
_INCH = 72.0


@dataclass(frozen=True)
class Line:
    """One line or, with ``dots``, a set of points: parts that are not joined, each of (x, y) in the plane's units.

    ``said`` are words beside single points, by their place in the first part. ``thin`` is a line that only guides.
    """

    name: str
    colour: str
    parts: Sequence[Sequence[Point]]
    dots: bool = False
    thin: bool = False
    said: Sequence[str] = ()


@dataclass(frozen=True)
class Plane:
    """One panel: its lines, the ends of its axes, and bands (from, to, name) along x behind the lines."""

    title: str
    lines: Sequence[Line]
    x: tuple[float, float]
    y: tuple[float, float]
    bands: Sequence[tuple[float, float, str]] = ()
    log: bool = False
    height: float = 62.0


def thinned(points: Sequence[Point], ends: tuple[float, float], buckets: int) -> list[Point]:
    """Return a line with at most two points for each of so many stretches of its axis: the least and the greatest.

    So no peak is lost, however long the line is.
    """
    if len(points) <= 2:
        return list(points)
    width = (ends[1] - ends[0]) / buckets or 1.0
    kept: dict[int, list[Point]] = {}
    for point in points:
        kept.setdefault(int((point[0] - ends[0]) / width), []).append(point)
    found: list[Point] = []
    for stretch in kept.values():
        pair = {min(stretch, key=lambda each: each[1]), max(stretch, key=lambda each: each[1])}
        found += sorted(pair)
    return found


def draw(slug: str, title: str, caption: str, alt: str, planes: Sequence[Plane], label: str) -> Chart:
    """Draw planes one below the other, which share the axis named ``label``. To be called within drawing.style()."""
    return drawing.finished(_figure(planes, label), slug, title, caption, alt, _element(slug, planes, label))


def _ticks(ends: tuple[float, float], log: bool, wanted: int) -> list[float]:
    low, high = ends
    if log:
        powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        return [10.0**each for each in powers][:: 1 + len(powers) // (wanted + 2)]
    rough = (high - low) / wanted
    size = 10 ** math.floor(math.log10(rough))
    step = next(each * size for each in (1, 2, 5, 10) if each * size >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [step * each for each in range(first, math.floor(high / step + 1e-9) + 1)]


def _shown(value: float) -> str:
    return f"{value:.6g}" if 1e-4 <= abs(value) < 1e6 or not value else f"{value:.0e}".replace("e-0", "e-")


class _Frame:
    """Where a plane's values stand on the page."""

    def __init__(self, plane: Plane, top: float) -> None:
        self.plane, self.top = plane, top
        self.width = _WIDTH - _LEFT - _RIGHT

    @property
    def points(self) -> Iterator[tuple[float, float, str]]:
        """All points that words stand beside, where they are on the page, and those words."""
        for line in self.plane.lines:
            for (x, y), said in zip(line.parts[0] if line.parts else (), line.said, strict=False):
                yield self.x(x), self.y(y), said

    def at(self, point: Point) -> str:
        return f"{_n(self.x(point[0]))} {_n(self.y(point[1]))}"

    def x(self, value: float) -> float:
        return _LEFT + self.width * self._share(value, self.plane.x)

    def y(self, value: float) -> float:
        return self.top + self.plane.height * (1 - self._share(value, self.plane.y))

    def _share(self, value: float, ends: tuple[float, float]) -> float:
        low, high = ends
        if self.plane.log:
            share = math.log(max(value, low) / low) / math.log(high / low)
        else:
            share = (value - low) / (high - low)
        return min(max(share, 0.0), 1.0)


def _key_width(line: Line) -> float:
    return 20 + _CHAR * min(len(line.name), 40)


def _key_rows(plane: Plane) -> list[list[Line]]:
    rows: list[list[Line]] = [[]]
    used = 0.0
    for line in (each for each in plane.lines if each.name):
        width = _key_width(line)
        if rows[-1] and used + width > _WIDTH - _LEFT:
            rows.append([])
            used = 0.0
        rows[-1].append(line)
        used += width
    return rows if rows[-1] else rows[:-1]


def _height(plane: Plane) -> float:
    return _TITLE + plane.height + _KEY * len(_key_rows(plane)) + _GAP


def _element(slug: str, planes: Sequence[Plane], label: str) -> str:
    total = sum(map(_height, planes)) + _FOOT
    out = [
        f'<svg class="c" role="img" aria-labelledby="chart-{slug}" aria-describedby="alt-{slug}" '
        f'viewBox="0 0 {_n(_WIDTH)} {_n(total)}" xmlns="http://www.w3.org/2000/svg">'
    ]
    top = 0.0
    for place, plane in enumerate(planes):
        frame = _Frame(plane, top + _height(plane) - plane.height - _GAP)
        out += _plane(frame, with_numbers=place == len(planes) - 1)
        top += _height(plane)
    out.append(
        f'<text class="x" x="{_n((_LEFT + _WIDTH) / 2)}" y="{_n(total - 3)}">{_words(label, 70)}</text>'
    )
    return "".join([*out, "</svg>"])


def _plane(frame: _Frame, with_numbers: bool) -> list[str]:
    plane, top, bottom = frame.plane, frame.top, frame.top + frame.plane.height
    rows = _key_rows(plane)
    y = top - _KEY * len(rows) - 4
    out = [f'<text class="t" x="{_n(_LEFT)}" y="{_n(y)}">{_words(plane.title, 60)}</text>']
    for row in rows:
        y += _KEY
        x = _LEFT
        for line in row:
            out.append(f'<path class="s" style="stroke:{line.colour}" d="M{_n(x + 2)} {_n(y - 2.6)}h5"/>')
            out.append(f'<text class="m" x="{_n(x + 11)}" y="{_n(y)}">{_words(line.name, 40)}</text>')
            x += _key_width(line)
    bands, names = "", []
    for place, (start, end, name) in enumerate(plane.bands):
        x, width = frame.x(start), frame.x(end) - frame.x(start)
        if place % 2 == 0:
            bands += f"M{_n(x)} {_n(top)}h{_n(width)}v{_n(plane.height)}h-{_n(width)}z"
        if name and width > 0.8 * _CHAR * len(name):
            names.append(
                f'<text class="x" x="{_n(x + width / 2)}" y="{_n(top + 8)}">{_words(name, 40)}</text>'
            )
    out += [f'<path class="b" d="{bands}"/>', *names] if bands else names
    grid = ""
    for each in _ticks(plane.y, plane.log, 3):
        grid += f"M{_n(_LEFT)} {_n(frame.y(each))}H{_n(_WIDTH - _RIGHT)}"
        out.append(
            f'<text class="l m" x="{_n(_LEFT - 4)}" y="{_n(frame.y(each) + 2.8)}">{_shown(each)}</text>'
        )
    for each in _ticks(plane.x, plane.log, 5):
        grid += f"M{_n(frame.x(each))} {_n(top)}V{_n(bottom)}"
        if with_numbers:
            out.append(f'<text class="x" x="{_n(frame.x(each))}" y="{_n(bottom + 9)}">{_shown(each)}</text>')
    out.append(f'<path class="g" d="{grid}"/>')
    for line in plane.lines:
        out.append(_line(frame, line))
    for x, y, is_left, said in _words_beside(frame):
        kind = "l m" if is_left else "m"
        out.append(f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}">{_words(said, 40)}</text>')
    return out


def _line(frame: _Frame, line: Line) -> str:
    if line.dots:
        path = "".join(f"M{frame.at(each)}h0" for part in line.parts for each in part)
        return f'<path class="s p" style="stroke:{line.colour}" d="{path}"/>'
    kind = "w thin" if line.thin else "w"
    # A part of one point is a dot.
    path = "".join(
        "M" + "L".join(map(frame.at, part)) + "h0" * (len(part) == 1) for part in line.parts if part
    )
    return f'<path class="{kind}" style="stroke:{line.colour}" d="{path}"/>'


def _words_beside(frame: _Frame) -> list[tuple[float, float, bool, str]]:
    """Give all words beside points a place where they cover neither a point nor one another, as far as there is one.

    (x, y of the base line, whether they end there, words), in points on the page.
    """
    points = list(frame.points)
    taken = [(x - 2, y - 2, x + 2, y + 2) for x, y, _ in points]
    found = []
    for x, y, said in points:
        width = _CHAR * len(said)
        tries = [
            (x + 4, y + 2.8, False),
            (x - 4, y + 2.8, True),
            (x + 2, y - 3, False),
            (x + 2, y + 9, False),
        ]
        tries += [(x - 2, y - 3, True), (x - 2, y + 9, True)]
        boxes = [
            ((at - width, base - 6, at, base) if ends else (at, base - 6, at + width, base))
            for at, base, ends in tries
        ]
        covers = [sum(_overlap(box, other) for other in taken) for box in boxes]
        best = min(range(len(tries)), key=lambda place: (covers[place], place))
        taken.append(boxes[best])
        found.append((*tries[best], said))
    return found


_Box = tuple[float, float, float, float]


def _overlap(one: _Box, other: _Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _words(value: str, limit: int) -> str:
    return str(escape(text.shorten(text.one_line(value), limit)))


def _figure(planes: Sequence[Plane], label: str) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    total = sum(map(_height, planes)) + _FOOT
    figure = Figure(figsize=(_WIDTH / _INCH, total / _INCH))
    FigureCanvasAgg(figure)
    top = total
    for place, plane in enumerate(planes):
        bottom = top - _height(plane) + _GAP
        shape = (_LEFT / _WIDTH, bottom / total, 1 - (_LEFT + _RIGHT) / _WIDTH, plane.height / total)
        _axes(figure.add_axes(shape), plane, label if place == len(planes) - 1 else None)
        top -= _height(plane)
    return figure


def _axes(ax: "Axes", plane: Plane, label: str | None) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    rows = _key_rows(plane)
    ax.set_title(
        text.shorten(text.one_line(plane.title), 60),
        loc="left",
        x=0,
        pad=4 + _KEY * len(rows),
        fontsize=8.5,
        fontweight="bold",
    )
    ax.set_xlim(*plane.x)
    ax.set_ylim(*plane.y)
    if plane.log:
        ax.set_xscale("log")
        ax.set_yscale("log")
    for axis, ends, wanted in ((ax.xaxis, plane.x, 5), (ax.yaxis, plane.y, 3)):
        axis.set_major_locator(FixedLocator(_ticks(ends, plane.log, wanted)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: _shown(value)))
    ax.tick_params(length=0, pad=3, labelbottom=label is not None, labelcolor=drawing.MUTED)
    ax.grid(color=drawing.RULE, linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ax.spines.values():
        side.set_visible(False)
    for place, (start, end, name) in enumerate(plane.bands):
        if place % 2 == 0:
            ax.axvspan(start, end, color="#f1f1ee", linewidth=0, zorder=0)
        share = (end - start) / (plane.x[1] - plane.x[0])
        if name and share * (_WIDTH - _LEFT - _RIGHT) > 0.8 * _CHAR * len(name):
            shown = text.shorten(text.one_line(name), 40)
            ax.annotate(shown, ((start + end) / 2, plane.y[1]), (0, -8), textcoords="offset points", ha="center",
                        color=drawing.MUTED)  # fmt: skip
    handles = [_drawn(ax, line) for line in plane.lines]
    for y, row in enumerate(rows):
        x = 0.0
        for line in row:
            colour = handles[list(plane.lines).index(line)]
            width = _WIDTH - _LEFT - _RIGHT
            above = 1 + (4 + _KEY * (len(rows) - 1 - y)) / plane.height
            ax.add_line(
                Line2D([(x + 2) / width, (x + 7) / width], [above + 2.6 / plane.height] * 2, color=colour, linewidth=3,
                       transform=ax.transAxes, clip_on=False)
            )  # fmt: skip
            ax.text((x + 11) / width, above, text.shorten(text.one_line(line.name), 40), transform=ax.transAxes,
                    color=drawing.MUTED)  # fmt: skip
            x += _key_width(line)
    frame = _Frame(plane, 0.0)
    for left, down, is_left, said in _words_beside(frame):
        ax.text(
            (left - _LEFT) / frame.width,
            1 - down / plane.height,
            text.shorten(text.one_line(said), 40),
            transform=ax.transAxes,
            ha="right" if is_left else "left",
            color=drawing.MUTED,
            fontsize=7,
        )
    if label is not None:
        ax.set_xlabel(label, labelpad=3, color=drawing.MUTED)


def _drawn(ax: "Axes", line: Line) -> str:
    colour = {"var(--grey)": drawing.OTHERS, "var(--muted)": drawing.MUTED}.get(line.colour, line.colour)
    for part in line.parts:
        x, y = [each[0] for each in part], [each[1] for each in part]
        if line.dots or len(part) == 1:
            ax.plot(x, y, "o", color=colour, markersize=3.2, markeredgewidth=0, linestyle="none", zorder=3)
        else:
            ax.plot(
                x, y, color=colour, linewidth=0.7 if line.thin else 1.1, zorder=2, solid_joinstyle="round"
            )
    return colour
