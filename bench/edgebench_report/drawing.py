"""What all charts are drawn with: colours, the frame of panels that share an axis, and the way into files and page."""

import io
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgebench_report import text
from edgebench_report.text import Note

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE, PAGE, OTHERS = "#1c1d1f", "#63666b", "#d9dadc", "#fffffe", "#b5b7ba"
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

# All in inches; the width is that of a phone.
_WIDTH, _BAR, _TITLE, _GAP, _FOOT, _HEAD, _RIGHT = 4.3, 0.17, 0.22, 0.07, 0.42, 0.05, 0.12
_FONT_PT = 8.0
_KEY, _KEY_COLUMNS = 0.24, 5
LABEL_CHARS = 30
LOGARITHMIC = Note("axis-logarithmic", "The axis is logarithmic.")
_CHAR = 0.072
_DOTS_PER_INCH = 200

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": _FONT_PT,
    # Host names and reasons are no formulas, whatever dollar signs they have.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "edgebench",
    "hatch.linewidth": 0.8,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": INK,
}


@dataclass(frozen=True)
class Chart:
    """One chart: for the page (``inline``, an SVG element that follows the page's colours) and as files.

    ``notes`` end the caption: what holds for this chart and not for every one of its kind.
    """

    slug: str
    title: str
    caption: str
    alt: str
    inline: str
    svg: str
    png: bytes
    height_in: float
    notes: tuple[Note, ...] = ()


@contextmanager
def style() -> Iterator[None]:
    """Draw as a report is drawn: a matplotlibrc of the user's must not change what it looks like."""
    # Only here, because it takes longer to import than all else together.
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def limits_of(values: list[float], log: bool, unit: str) -> tuple[float, float]:
    """Return the ends of an axis that holds all values, and the number beside the longest bar."""
    if unit == "%":
        return 0, 118
    if not log:
        return 0, (max(values) or 1) * 1.22
    low = 10 ** math.floor(math.log10(min(values) * 0.8))
    # Room for the number beside the longest bar: about a fifth of the axis.
    return low, max(values) * (max(values) / low) ** 0.24


def panels_of(
    bar_counts: list[int], longest_label: int, widest: float = 0.46
) -> tuple["Figure", list["Axes"]]:
    """Return a figure with one panel below the other, each as high as its number of bars asks for.

    ``widest``: the most that labels may take of the width.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = _HEAD + _FOOT + sum(_TITLE + count * _BAR + _GAP for count in bar_counts)
    figure = Figure(figsize=(_WIDTH, height))
    FigureCanvasAgg(figure)
    left = min(widest * _WIDTH, 0.1 + longest_label * _CHAR)
    top = height - _HEAD
    axes = []
    for count in bar_counts:
        bottom = top - _TITLE - count * _BAR
        shape = (left / _WIDTH, bottom / height, (_WIDTH - left - _RIGHT) / _WIDTH, count * _BAR / height)
        axes.append(figure.add_axes(shape))
        top = bottom - _GAP
    return figure, axes


def frame(ax: "Axes", name: str, log: bool, limits: tuple[float, float], rows: int) -> None:
    """Give a panel its title, its limits and no more lines than it needs."""
    ax.set_title(text.shorten(name, 48), loc="left", x=0, pad=3, fontsize=_FONT_PT + 0.5, fontweight="bold")
    ax.set_xlim(*limits)
    if log:
        ax.set_xscale("log")
    ax.set_ylim(rows - 0.5, -0.5)
    ax.tick_params(length=0, pad=4)
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)
    ax.set_axisbelow(True)


def label_axis(axes: list["Axes"], label: str, log: bool, limits: tuple[float, float]) -> None:
    """Give all panels the grid, and the last one the numbers and the name of the axis they share."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    for ax in axes:
        if log:
            powers = range(math.ceil(math.log10(limits[0]) - 1e-9), math.floor(math.log10(limits[1] / 2)) + 1)
            # Beyond six decades, four where labels take much of the width, their numbers would run into each other.
            step = 1 if len(powers) <= (6 if ax.get_position().width > 0.55 else 4) else 2
            ax.xaxis.set_major_locator(FixedLocator([10.0**power for power in powers[::step]]))
            ax.xaxis.set_minor_locator(NullLocator())
        elif "%" in label:
            ax.xaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
        else:
            ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.grid(axis="x", color=RULE, linewidth=0.6)
        ax.tick_params(axis="x", labelbottom=ax is axes[-1])
    axes[-1].xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if value < 1e5 else f"{value:.0f}")
    )
    axes[-1].set_xlabel(label, labelpad=3)


def key(figure: "Figure", colours: list[tuple[str, str]]) -> None:
    """Give a figure the explanation of its colours, (name, colour) each, above its panels."""
    from matplotlib.patches import Patch

    columns = min(len(colours), _KEY_COLUMNS)
    added = _KEY * -(-len(colours) // columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + added)
    for each in figure.axes:
        box = each.get_position()
        share = height / (height + added)
        each.set_position((box.x0, box.y0 * share, box.width, box.height * share))
    figure.legend(
        handles=[Patch(color=colour, label=name, linewidth=0) for name, colour in colours],
        loc="upper left",
        ncols=columns,
        frameon=False,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.2,
        handletextpad=0.4,
        borderpad=0.2,
    )


def finished(
    figure: "Figure", slug: str, title: str, caption: str, alt: str, inline: str, notes: Iterable[Note] = ()
) -> Chart:
    """Return a figure as a chart, in all the forms a report has it in; ``inline`` is what the page shows of it."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=_DOTS_PER_INCH, facecolor="white", metadata={"Software": None})
    element = _element(out.getvalue(), slug)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', element)
    backed = (
        element.replace(">", f'>\n<rect width="{size[1]}" height="{size[2]}" fill="white"/>', 1)
        if size
        else element
    )
    height_in = figure.get_figheight()
    return Chart(slug, title, caption, alt, inline, backed, picture.getvalue(), height_in, tuple(notes))


def _element(svg: str, slug: str) -> str:
    """Reduce what matplotlib wrote to the bare element, with ids that stay unique beside other charts."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)
    # Its one rule is for all elements of the document, in a page also those outside of the chart.
    element = re.sub(r'<style type="text/css">.*?</style>', "", element, flags=re.DOTALL)
    element = re.sub(r"<defs>\s*</defs>\s*", "", element)
    element = element.replace("<svg", '<svg stroke-linejoin="round"', 1)
    element = re.sub(r"\bid=\"", f'id="{slug}-', element)
    element = re.sub(r"url\(#", f"url(#{slug}-", element)
    element = re.sub(r'href="#', f'href="#{slug}-', element)
    return re.sub(r"'DejaVu Sans'", "system-ui, 'DejaVu Sans', sans-serif", element)
