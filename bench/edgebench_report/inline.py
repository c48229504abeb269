"""Charts as the page has them: small SVG elements that follow its colours, a path for all samples of a bar.

The files beside the page are drawn by matplotlib from the same numbers; its SVG is many times as large, which fifty
hosts make felt.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from edgebench_report import text

# In points, as in drawing.py.
_WIDTH, _BAR, _TITLE, _GAP, _FOOT, _HEAD, _RIGHT = 310.0, 12.24, 15.8, 5.0, 30.0, 3.6, 8.6
_CHAR = 5.2
_KEY_CHAR = 4.6


@dataclass(frozen=True)
class Bar:
    """One bar: its value, the ends of its error bar, all samples; ``instead`` is said where there is no value."""

    label: str
    colour: str
    value: float | None
    ends: tuple[float, float] | None = None
    ticks: tuple[float, ...] = ()
    samples: tuple[float, ...] = ()
    hatched: bool = False
    instead: str = ""
    shown: str = ""


@dataclass(frozen=True)
class Stack:
    """One stacked bar: the share of each part in percent with its colour, and what stands behind it."""

    label: str
    parts: tuple[tuple[float, str], ...]
    shown: str


Panel = tuple[str, Sequence[Bar | Stack]]


class _Axis:
    def __init__(self, log: bool, limits: tuple[float, float], left: float) -> None:
        self.log, self.limits, self.left = log, limits, left
        self.width = _WIDTH - _RIGHT - left

    def at(self, value: float) -> float:
        low, high = self.limits
        if self.log:
            share = math.log(max(value, low) / low) / math.log(high / low)
        else:
            share = (value - low) / (high - low)
        return self.left + self.width * min(max(share, 0.0), 1.0)

    def ticks(self, percent: bool) -> list[float]:
        low, high = self.limits
        if percent:
            return [0, 25, 50, 75, 100]
        if self.log:
            powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high / 2)) + 1)
            step = 1 if len(powers) <= 5 else 2
            return [10.0**each for each in powers][::step]
        rough = (high - low) / 5
        size = 10 ** math.floor(math.log10(rough))
        step_size = next(each * size for each in (1, 2, 5, 10) if each * size >= rough)
        return [step_size * each for each in range(int(high / step_size) + 1)]


def draw(
    slug: str,
    panels: list[Panel],
    limits: tuple[float, float],
    label: str,
    log: bool = False,
    widest: float = 0.46,
    key: tuple[tuple[str, str], ...] = (),
) -> str:
    """Return panels that share an axis as an SVG element; ``key`` explains colours, (name, colour) each."""
    longest = max((len(bar.label) for _, bars in panels for bar in bars), default=0)
    left = min(widest * _WIDTH, 7 + longest * _CHAR)
    fits = int((left - 4) / (_CHAR * 0.86))
    axis = _Axis(log, limits, left)
    heights = [_TITLE + len(bars) * _BAR + _GAP for _, bars in panels]
    lines = _key_lines(key)
    total = _HEAD + sum(heights) + _FOOT + 14 * len(lines)
    bottom = _HEAD + sum(heights) - _GAP
    out = [
        f'<svg class="c" role="img" aria-labelledby="chart-{slug}" aria-describedby="alt-{slug}" '
        f'viewBox="0 0 {_n(_WIDTH)} {_n(total)}" xmlns="http://www.w3.org/2000/svg">'
    ]
    if any(isinstance(bar, Bar) and bar.hatched for _, bars in panels for bar in bars):
        out.append(
            f'<defs><pattern id="{slug}-hatch" width="4" height="4" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><path class="h" d="M0 0V4"/></pattern></defs>'
        )
    top = _HEAD
    for (name, bars), height in zip(panels, heights, strict=True):
        start = top + _TITLE
        out.append(f'<text class="t" x="{_n(left)}" y="{_n(start - 4)}">{_words(name, 48)}</text>')
        grid = "".join(
            f"M{_n(axis.at(each))} {_n(start)}v{_n(len(bars) * _BAR)}" for each in axis.ticks("%" in label)
        )
        out.append(f'<path class="g" d="{grid}"/>')
        for row, bar in enumerate(bars):
            middle = start + (row + 0.5) * _BAR
            out.append(
                f'<text class="l" x="{_n(left - 4)}" y="{_n(middle + 2.8)}">{_words(bar.label, fits)}</text>'
            )
            out += _stack(bar, axis, middle) if isinstance(bar, Stack) else _bar(bar, axis, middle, slug)
        top += height
    for each in axis.ticks("%" in label):
        shown = f"{each:g}" if each < 1e5 else f"{each:.0f}"
        out.append(f'<text class="x" x="{_n(axis.at(each))}" y="{_n(bottom + 11)}">{shown}</text>')
    out.append(
        f'<text class="x" x="{_n(left + axis.width / 2)}" y="{_n(bottom + 24)}">{_words(label, 60)}</text>'
    )
    for number, line in enumerate(lines, 1):
        place, y = left if len(lines) == 1 else 4.0, total - 6 - 14 * (len(lines) - number)
        for name, colour in line:
            out.append(f'<rect x="{_n(place)}" y="{_n(y - 7)}" width="7" height="7" fill="{colour}"/>')
            out.append(f'<text x="{_n(place + 10)}" y="{_n(y)}">{_words(name, 20)}</text>')
            place += 18 + _KEY_CHAR * len(name)
    return "".join([*out, "</svg>"])


def _key_lines(key: tuple[tuple[str, str], ...]) -> list[list[tuple[str, str]]]:
    """Return the key in as many lines as it takes."""
    lines: list[list[tuple[str, str]]] = []
    for each in key:
        if not lines or sum(18 + _KEY_CHAR * len(name) for name, _ in [*lines[-1], each]) > _WIDTH * 0.75:
            lines.append([])
        lines[-1].append(each)
    return lines


def _bar(bar: Bar, axis: _Axis, middle: float, slug: str) -> list[str]:
    if bar.value is None:
        said = f"– {bar.instead}"
        return [f'<text class="m" x="{_n(axis.left + 5)}" y="{_n(middle + 2.8)}">{_words(said, 40)}</text>']
    half = _BAR * 0.33
    width = axis.at(bar.value) - axis.left
    shape = f'x="{_n(axis.left)}" y="{_n(middle - half)}" width="{_n(width)}" height="{_n(2 * half)}"'
    out = [f'<rect {shape} fill="{bar.colour}"/>']
    if bar.hatched:
        out.append(f'<rect {shape} fill="url(#{slug}-hatch)"/>')
    end = axis.at(bar.value)
    if bar.ends is not None:
        low, high = (axis.at(each) for each in bar.ends)
        ticks = bar.ticks or bar.ends
        marks = "".join(f"M{_n(axis.at(each))} {_n(middle - 2.5)}v5" for each in ticks)
        out.append(f'<path class="e" d="M{_n(low)} {_n(middle)}H{_n(high)}{marks}"/>')
        end = max(end, high)
    if bar.samples:
        # A line without length has round ends: a dot. Twice, for its edge.
        dots = "".join(f"M{_n(axis.at(each))} {_n(middle)}h0" for each in bar.samples)
        out.append(f'<path class="s" d="{dots}"/><path class="d" d="{dots}"/>')
        end = max(end, *(axis.at(each) for each in bar.samples))
    out.append(f'<text x="{_n(end + 5)}" y="{_n(middle + 2.8)}">{_words(bar.shown, 20)}</text>')
    return out


def _stack(stack: Stack, axis: _Axis, middle: float) -> list[str]:
    half, start, out = _BAR * 0.33, 0.0, []
    for share, colour in stack.parts:
        x, end = axis.at(start), axis.at(start + share)
        if end - x >= 0.05:
            out.append(
                f'<rect x="{_n(x)}" y="{_n(middle - half)}" width="{_n(end - x)}" height="{_n(2 * half)}" '
                f'fill="{colour}"/>'
            )
        start += share
    out.append(f'<text x="{_n(axis.at(103))}" y="{_n(middle + 2.8)}">{_words(stack.shown, 20)}</text>')
    return out


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _words(value: str, limit: int) -> str:
    return str(escape(text.shorten(text.one_line(value), limit)))
