"""Bar charts per workload: the median as bar, the extremes as error bar, every sample as a dot.

Panels of one chart share their axis, so that workloads may be compared as well as machines; the
axis is logarithmic where values span more than a decade. Hues are those of Okabe and Ito, which
people with any kind of colour vision tell apart; published values are grey, bars that rest on
synthetic data are hatched.
"""

import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from edgebench_report import text
from edgebench_report.aggregate import PROFILES, Column, Group, Statistic
from edgebench_report.results import ACCURACY, TESTING, TRAINING, Quantity, not_as_published
from edgebench_report.tables import Facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _MUTED, _RULE, _PAGE, _OTHERS = "#1c1d1f", "#63666b", "#d9dadc", "#fffffe", "#b5b7ba"
_THEME = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _RULE: "var(--rule)",
    _PAGE: "var(--page)",
    _OTHERS: "var(--grey)",
}
_HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_PARTS = (
    ("data_s", "data", "#56b4e9"),
    ("build_s", "build", "#e69f00"),
    ("train_s", "train", "#0072b2"),
    ("test_s", "test", "#009e73"),
    ("other_s", "other", _OTHERS),
)
_CHARTS = (
    (TRAINING, "training_time", "Training time", "s", "Table 4"),
    (TESTING, "test_time", "Test time", "s", "Table 5"),
    (ACCURACY, "accuracy", "Accuracy on test data", "%", "Table 6"),
)
_STATUS = {
    "oom": "out of memory",
    "timeout": "time limit",
    "failed": "failed",
    "unsupported": "not supported",
}

# All in inches; the width is that of a phone.
_WIDTH, _BAR, _TITLE, _GAP, _FOOT, _HEAD, _RIGHT = 4.3, 0.17, 0.22, 0.07, 0.42, 0.05, 0.12
_FONT_PT = 8.0
_LABEL_CHARS = 30
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
    "text.color": _INK,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _MUTED,
    "xtick.color": _MUTED,
    "ytick.color": _INK,
}


@dataclass(frozen=True)
class Chart:
    """One chart: for the page (``inline``, an SVG element that follows the page's colours) and as files."""

    slug: str
    title: str
    caption: str
    alt: str
    inline: str
    svg: str
    png: bytes
    height_in: float


@dataclass(frozen=True)
class _Bar:
    label: str
    colour: str
    statistic: Statistic | None
    samples: list[float]
    synthetic: bool = False
    instead: str = ""
    shown: str = ""


def draw(facts: Facts, frame: pd.DataFrame) -> list[Chart]:
    """Draw all charts: training time, test time, accuracy, and where the time of a run goes."""
    # Only here, because it takes longer to import than all else together.
    import matplotlib

    with matplotlib.rc_context():
        # A matplotlibrc of the user's must not change what a report looks like.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        charts = [
            _bars(facts, frame, profile, *what)
            for profile in (each for each in PROFILES if each in facts.profiles)
            for what in _CHARTS
        ]
        charts.append(_split(facts))
    return [each for each in charts if each is not None]


def _bars(
    facts: Facts,
    frame: pd.DataFrame,
    profile: str,
    quantity: Quantity,
    slug: str,
    title: str,
    unit: str,
    table: str,
) -> Chart | None:
    """Draw one chart of one profile: what is not comparable never shares one."""
    shown = [index for index, column in enumerate(facts.columns) if column.profile == profile]
    labels = dict(zip(shown, short_labels([facts.columns[index] for index in shown]), strict=True))
    with_published = profile == "paper"
    panels: list[tuple[str, list[_Bar]]] = []
    for workload in _shown_workloads([facts.columns[index] for index in shown], facts, quantity):
        bars = _measured_bars(facts, frame, workload, quantity, labels)
        if with_published:
            bars += _published_bars(facts, workload, quantity)
        panels.append((facts.title(workload), bars))
    if len(labels) == 1 and not with_published:
        # One bar a panel would say the host's name over and over.
        panels = [(labels[shown[0]], [replace(bar, label=name) for name, bars in panels for bar in bars])]
    values = [
        value
        for _, bars in panels
        for bar in bars
        if bar.statistic
        for value in (bar.statistic.low, bar.statistic.high)
    ]
    if not values:
        return None
    log = unit != "%" and min(values) > 0 and max(values) / min(values) > 10
    limits = _limits(values, log, unit)
    longest = max(len(bar.label) for _, bars in panels for bar in bars)
    figure, axes = _panels([len(bars) for _, bars in panels], longest)
    for ax, (name, bars) in zip(axes, panels, strict=True):
        _panel(ax, name, bars, log, limits, quantity.write)
    _axis(axes, f"{title} [{unit}]" + (", logarithmic" if log else ""), log, limits)
    caption = _caption([facts.columns[index] for index in shown], facts, title, unit, log)
    if len(facts.profiles) > 1:
        slug, title = f"{slug}_{profile}", f"{title}, {profile} profile"
    unit_name = "seconds" if unit == "s" else "percent"
    alt = f"Bar chart of the {title.lower()} in {unit_name}. The values are those of {table}."
    return _chart(figure, slug, title, caption, alt)


def _shown_workloads(columns: list[Column], facts: Facts, quantity: Quantity) -> list[str]:
    metrics = {run["workload"]: run["quality"]["metric"] for column in columns for run in column.runs}
    run = [each for each in facts.workloads if each in metrics]
    return [each for each in run if metrics[each] == "accuracy"] if quantity is ACCURACY else run


def short_labels(columns: list[Column]) -> list[str]:
    """Name the columns as briefly as they can be told apart; the profile only where there are several."""
    profiles = {column.profile for column in columns}
    hosts = [column.host for column in columns]
    labels = []
    for column in columns:
        tags = column.differs if len(profiles) > 1 else column.differs[1:]
        alone = hosts.count(column.host) == 1 and len(profiles) == 1
        one_host = len(set(hosts)) == 1 and bool(tags)
        full = column.host if alone else " · ".join(tags if one_host else [column.host, *tags])
        labels.append(text.shorten(full, _LABEL_CHARS))
    return [
        f"{text.shorten(label, _LABEL_CHARS - 4)} ({index})" if labels.count(label) > 1 else label
        for index, label in enumerate(labels, 1)
    ]


def _measured_bars(
    facts: Facts, frame: pd.DataFrame, workload: str, quantity: Quantity, labels: dict[int, str]
) -> list[_Bar]:
    bars = []
    for place, (index, label) in enumerate(labels.items()):
        group = facts.columns[index].groups.get(workload)
        if group is None and len(labels) > 1:
            continue
        rows = frame[(frame["column"] == index) & (frame["workload"] == workload) & (frame["status"] == "ok")]
        samples = [float(each) * quantity.scale for each in rows[quantity.metric].dropna()]
        found = facts.statistics.get((index, workload, quantity.metric))
        scale = quantity.scale
        scaled = found and Statistic(found.median * scale, found.low * scale, found.high * scale, found.count)
        statuses = [] if group is None else [run["status"] for run in group.runs if run["status"] != "ok"]
        bars.append(
            _Bar(
                label,
                _HUES[place % len(_HUES)],
                scaled,
                samples,
                synthetic=group is not None and any(run["data"]["synthetic"] for run in group.ok),
                instead="" if scaled else _STATUS[statuses[0]] if statuses else "no value",
            )
        )
    return bars


def _published_bars(facts: Facts, workload: str, quantity: Quantity) -> list[_Bar]:
    bars = []
    for host in facts.published.hosts:
        value = facts.published.measured(workload, quantity.published, host["id"])
        known = None if value is None else Statistic(value, value, value, facts.published.source["repeats"])
        why = "" if known else facts.published.reason(workload, quantity.published, host["id"])
        bars.append(
            _Bar(f"{host['name']} 2019", _OTHERS, known, [], instead=text.shorten(why, 34), shown=f"{value}")
        )
    return bars


def _limits(values: list[float], log: bool, unit: str) -> tuple[float, float]:
    if unit == "%":
        return 0, 118
    if not log:
        return 0, (max(values) or 1) * 1.22
    low = 10 ** math.floor(math.log10(min(values) * 0.8))
    # Room for the number beside the longest bar: about a fifth of the axis.
    return low, max(values) * (max(values) / low) ** 0.24


def _panels(bar_counts: list[int], longest_label: int) -> tuple["Figure", list["Axes"]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = _HEAD + _FOOT + sum(_TITLE + count * _BAR + _GAP for count in bar_counts)
    figure = Figure(figsize=(_WIDTH, height))
    FigureCanvasAgg(figure)
    left = min(0.4 * _WIDTH, 0.1 + longest_label * _CHAR)
    top = height - _HEAD
    axes = []
    for count in bar_counts:
        bottom = top - _TITLE - count * _BAR
        shape = (left / _WIDTH, bottom / height, (_WIDTH - left - _RIGHT) / _WIDTH, count * _BAR / height)
        axes.append(figure.add_axes(shape))
        top = bottom - _GAP
    return figure, axes


def _frame(ax: "Axes", name: str, log: bool, limits: tuple[float, float], rows: int) -> None:
    ax.set_title(text.shorten(name, 48), loc="left", x=0, pad=3, fontsize=_FONT_PT + 0.5, fontweight="bold")
    ax.set_xlim(*limits)
    if log:
        ax.set_xscale("log")
    ax.set_ylim(rows - 0.5, -0.5)
    ax.tick_params(length=0, pad=4)
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)
    ax.set_axisbelow(True)


def _panel(
    ax: "Axes",
    name: str,
    bars: list[_Bar],
    log: bool,
    limits: tuple[float, float],
    write: Callable[[float], str],
) -> None:
    from matplotlib.transforms import ScaledTranslation

    _frame(ax, name, log, limits, len(bars))
    ax.set_yticks(range(len(bars)), [bar.label for bar in bars])
    beside = ax.transData + ScaledTranslation(5 / 72, 0, ax.figure.dpi_scale_trans)
    for y, bar in enumerate(bars):
        known = bar.statistic
        if known is None:
            ax.text(limits[0], y, f"– {bar.instead}", transform=beside, va="center", color=_MUTED)
            continue
        hatch = "/////" if bar.synthetic else None
        ax.barh(
            y, known.median - limits[0], left=limits[0], height=0.66,
            color=bar.colour, hatch=hatch, edgecolor=_PAGE if hatch else bar.colour, linewidth=0,
        )  # fmt: skip
        if known.count > 1 and known.high > known.low:
            ax.plot(
                [known.low, known.high], [y, y], color=_INK, linewidth=0.9, solid_capstyle="butt", zorder=3
            )
            ax.plot(
                [known.low, known.high], [y, y], "|", color=_INK, markersize=5, markeredgewidth=0.9, zorder=3
            )
        if bar.samples:
            ax.plot(bar.samples, [y] * len(bar.samples), "o", markersize=2.6, markerfacecolor=_PAGE,
                    markeredgecolor=_INK, markeredgewidth=0.6, zorder=4, linestyle="none")  # fmt: skip
        ax.text(known.high, y, bar.shown or write(known.median), transform=beside, va="center", color=_INK)


def _axis(axes: list["Axes"], label: str, log: bool, limits: tuple[float, float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    for ax in axes:
        if log:
            powers = range(math.ceil(math.log10(limits[0]) - 1e-9), math.floor(math.log10(limits[1] / 2)) + 1)
            # Beyond six decades their numbers would run into each other.
            step = 1 if len(powers) <= 6 else 2
            ax.xaxis.set_major_locator(FixedLocator([10.0**power for power in powers[::step]]))
            ax.xaxis.set_minor_locator(NullLocator())
        elif "%" in label:
            ax.xaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
        else:
            ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.grid(axis="x", color=_RULE, linewidth=0.6)
        ax.tick_params(axis="x", labelbottom=ax is axes[-1])
    axes[-1].xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if value < 1e5 else f"{value:.0f}")
    )
    axes[-1].set_xlabel(label, labelpad=3)


def _caption(columns: list[Column], facts: Facts, title: str, unit: str, log: bool) -> str:
    spread = "extremes" if unit == "%" else "fastest and slowest"
    parts = [
        f"{title} [{unit}], {columns[0].profile} profile: medians (bars), {spread} (error bars), "
        "every repeat (dots)."
    ]
    if log:
        parts.append("The axis is logarithmic.")
    if any(run["data"]["synthetic"] for column in columns for run in column.runs):
        parts.append("Hatched: synthetic data.")
    if columns[0].profile != "paper":
        parts.append("The published hosts are absent: only the paper profile can be compared with them.")
    else:
        parts.append("Grey: published in 2019.")
        if any(_incomparable(facts, group) for column in columns for group in column.groups.values()):
            parts.append("Not every bar has a published counterpart: see Table 4c.")
    return " ".join(parts)


def _incomparable(facts: Facts, group: Group) -> bool:
    return bool(group.ok and group.workload in facts.published.workloads and not_as_published(facts, group))


def _split(facts: Facts) -> Chart | None:
    """Draw the shares of data, build, training, test and the rest in the time of a run, a panel a column."""
    panels = []
    labels: dict[int, str] = {}
    for profile in facts.profiles:
        shown = [index for index, column in enumerate(facts.columns) if column.profile == profile]
        labels.update(zip(shown, short_labels([facts.columns[index] for index in shown]), strict=True))
    for index, column in enumerate(facts.columns):
        rows = []
        for workload in (each for each in facts.workloads if each in column.groups):
            found = [facts.statistics.get((index, workload, metric)) for metric, _, _ in _PARTS]
            medians = [each.median for each in found if each is not None]
            if len(medians) == len(_PARTS) and sum(medians) > 0:
                rows.append((facts.title(workload), medians))
        if rows:
            panels.append((f"{labels[index]} · {column.profile}", rows))
    if not panels:
        return None
    longest = max(len(name) for _, rows in panels for name, _ in rows)
    figure, axes = _panels([len(rows) for _, rows in panels], longest)
    for ax, (name, rows) in zip(axes, panels, strict=True):
        _frame(ax, name, False, (0, 122), len(rows))
        ax.set_yticks(range(len(rows)), [text.shorten(each, _LABEL_CHARS) for each, _ in rows])
        for y, (_, medians) in enumerate(rows):
            start = 0.0
            for value, (_, _, colour) in zip(medians, _PARTS, strict=True):
                share = 100 * value / sum(medians)
                ax.barh(y, share, left=start, height=0.66, color=colour, linewidth=0)
                start += share
            ax.text(103, y, f"{text.seconds(sum(medians))} s", va="center", color=_INK)
    _axis(axes, "Share of the whole run [%]", False, (0, 122))
    _key(axes[-1], figure)
    caption = (
        "Where the time of a run goes: shares of the medians, and their sum in seconds. Build: building and "
        "compiling the network, the first training step. Other: start of the process, framework import."
    )
    alt = (
        "Stacked bar chart of the shares of data, build, training, test and other in each run. "
        "The values are those of Table 4b."
    )
    return _chart(figure, "time_split", "Where the time goes", caption, alt)


def _key(ax: "Axes", figure: "Figure") -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=name, linewidth=0) for _, name, colour in _PARTS]
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.24)
    for each in figure.axes:
        box = each.get_position()
        each.set_position(
            (box.x0, (box.y0 * height) / (height + 0.24), box.width, box.height * height / (height + 0.24))
        )
    figure.legend(
        handles=handles,
        loc="upper left",
        ncols=len(handles),
        frameon=False,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.2,
        handletextpad=0.4,
        borderpad=0.2,
    )


def _chart(figure: "Figure", slug: str, title: str, caption: str, alt: str) -> Chart:
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
    return Chart(
        slug, title, caption, alt, _themed(element, slug), backed, picture.getvalue(), figure.get_figheight()
    )


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


def _themed(element: str, slug: str) -> str:
    for colour, variable in _THEME.items():
        element = element.replace(colour, variable)
    element = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1)
    labelled = f'<svg role="img" aria-labelledby="chart-{slug}" aria-describedby="alt-{slug}"'
    return element.replace("<svg", labelled, 1)
