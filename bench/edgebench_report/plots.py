"""Bar charts per workload: the median as bar, the extremes as error bar, every sample as a dot.

Panels of one chart share their axis, so that workloads may be compared as well as machines; the
axis is logarithmic where values span more than a decade. Hues are those of Okabe and Ito, which
people with any kind of colour vision tell apart; published values are grey, bars that rest on
synthetic data are hatched.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from edgebench_report import aggregate, drawing, inline, text
from edgebench_report.aggregate import PROFILES, Column, Group, Statistic
from edgebench_report.answer import Block, Entry, accuracy_interval, ratio_interval
from edgebench_report.drawing import Chart
from edgebench_report.results import ACCURACY, TESTING, TRAINING, Quantity, not_as_published
from edgebench_report.tables import Facts
from edgebench_report.text import Note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARTS = (
    ("data_s", "data", "#56b4e9"),
    ("build_s", "build", "#e69f00"),
    ("train_s", "train", "#0072b2"),
    ("test_s", "test", "#009e73"),
    ("other_s", "other", drawing.OTHERS),
)
_CHARTS = (
    (TRAINING, "training_time", "Training time", "s", "Table 4"),
    (TESTING, "test_time", "Test time", "s", "Table 5"),
    (ACCURACY, "accuracy", "Accuracy on test data", "%", "Table 6"),
)
STATUS = {
    "oom": "out of memory",
    "timeout": "time limit",
    "failed": "failed",
    "unsupported": "not supported",
}


@dataclass(frozen=True)
class _Bar:
    label: str
    colour: str
    statistic: Statistic | None
    samples: list[float]
    synthetic: bool = False
    instead: str = ""
    shown: str = ""
    interval: tuple[float, float] | None = None

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the error bar: of the interval where there is one, else the extremes; None for neither."""
        known = self.statistic
        if self.interval is not None or known is None:
            return self.interval
        return (known.low, known.high) if known.count > 1 and known.high > known.low else None


def draw(facts: Facts, frame: pd.DataFrame) -> list[Chart]:
    """Draw all charts: training time, test time, accuracy, and where the time of a run goes."""
    with drawing.style():
        charts = [
            _bars(facts, frame, profile, *what)
            for profile in (each for each in PROFILES if each in facts.profiles)
            for what in _CHARTS
        ]
        charts.append(_split(facts))
    return [each for each in charts if each is not None]


def speeds(blocks: list[Block]) -> list[Chart]:
    """Draw how many times as fast as the baseline each host is, a chart for each block of more than one host."""
    with drawing.style():
        charts = [_speeds(block, len(blocks) > 1) for block in blocks]
    return [each for each in charts if each is not None]


def _speeds(block: Block, several: bool) -> Chart | None:
    panels = []
    for line in block.lines:
        base = next((each for each in line.entries if each.place == block.baseline), None)
        others = [each for each in sorted(line.entries, key=lambda each: each.place) if each is not base]
        if base is not None and others:
            panels.append((line.title, [_speed_bar(each, base, block) for each in others]))
    if not panels:
        return None
    known = [bar.statistic for _, bars in panels for bar in bars if bar.statistic]
    values = [value for each in known for value in (each.low, each.high)]
    log = max(values) / min(values) > 10
    limits = drawing.limits_of(values, log, "")
    figure, axes = drawing.panels_of(
        [len(bars) for _, bars in panels], max(len(bar.label) for _, bars in panels for bar in bars)
    )
    for ax, (name, bars) in zip(axes, panels, strict=True):
        _panel(ax, name, bars, log, limits, text.factor)
    baseline = text.shorten(block.names[block.baseline], drawing.LABEL_CHARS)
    axis = f"Times as fast as {baseline}" + (", logarithmic" if log else "")
    drawing.label_axis(axes, axis, log, limits)
    slug, title = "speed", "Training speed relative to the baseline"
    if several:
        slug, title = f"{slug}_{block.profile}", f"{title}, {block.profile} profile"
    caption = (
        f"Median training time of {block.names[block.baseline]} divided by that of each host. Error bars are 95 % "
        "intervals; too few repeats have none. An interval that contains 1 shows no difference. "
        "Grey: published in 2019."
    )
    alt = f"Bar chart of how many times as fast as {baseline} the hosts train. The values are those of the first table."
    drawn: list[inline.Panel] = [
        (name, [_inline_bar(bar, text.factor) for bar in bars]) for name, bars in panels
    ]
    element = inline.draw(slug, drawn, limits, axis, log=log)
    return drawing.finished(figure, slug, title, caption, alt, element)


def _speed_bar(entry: Entry, base: Entry, block: Block) -> _Bar:
    ratio = base.median_s / entry.median_s
    ends = ratio_interval(base, entry)
    low, high = ends or (ratio, ratio)
    colour = drawing.OTHERS if entry.is_published else drawing.HUES[entry.place % len(drawing.HUES)]
    name = text.shorten(block.names[entry.place], drawing.LABEL_CHARS)
    return _Bar(name, colour, Statistic(ratio, low, high, 2 if ends else 1), [], entry.synthetic)


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
    limits = drawing.limits_of(values, log, unit)
    longest = max(len(bar.label) for _, bars in panels for bar in bars)
    figure, axes = drawing.panels_of([len(bars) for _, bars in panels], longest)
    for ax, (name, bars) in zip(axes, panels, strict=True):
        _panel(ax, name, bars, log, limits, quantity.write)
    drawing.label_axis(axes, f"{title} [{unit}]" + (", logarithmic" if log else ""), log, limits)
    columns = [facts.columns[index] for index in shown]
    caption = _caption(columns, title, unit)
    title_of_axis = title
    if len(facts.profiles) > 1:
        slug, title = f"{slug}_{profile}", f"{title}, {profile} profile"
    unit_name = "seconds" if unit == "s" else "percent"
    alt = f"Bar chart of the {title.lower()} in {unit_name}. The values are those of {table}."
    axis = f"{title_of_axis} [{unit}]" + (", logarithmic" if log else "")
    drawn: list[inline.Panel] = [(name, [_inline(bar, quantity) for bar in bars]) for name, bars in panels]
    element = inline.draw(slug, drawn, limits, axis, log=log)
    return drawing.finished(figure, slug, title, caption, alt, element, _notes(columns, facts, log))


def _inline(bar: _Bar, quantity: Quantity) -> inline.Bar:
    return _inline_bar(bar, quantity.write)


def _inline_bar(bar: _Bar, write: Callable[[float], str]) -> inline.Bar:
    known = bar.statistic
    if known is None:
        return inline.Bar(bar.label, bar.colour, None, instead=bar.instead)
    colour = "var(--grey)" if bar.colour == drawing.OTHERS else bar.colour
    ends = bar.ends
    shown = bar.shown or write(known.median)
    return inline.Bar(
        bar.label, colour, known.median, ends, (), tuple(bar.samples), bar.synthetic, shown=shown
    )


def _shown_workloads(columns: list[Column], facts: Facts, quantity: Quantity) -> list[str]:
    metrics = {run["workload"]: run["quality"]["metric"] for column in columns for run in column.runs}
    run = [each for each in facts.workloads if each in metrics]
    return [each for each in run if metrics[each] == "accuracy"] if quantity is ACCURACY else run


def short_labels(columns: list[Column]) -> list[str]:
    """Name the columns as briefly as they can be told apart; the profile only where there are several."""
    several = len({column.profile for column in columns}) > 1
    one_host = len({column.host for column in columns}) == 1
    labels = []
    for column, own in zip(columns, aggregate.own_tags(columns), strict=True):
        tags = own if not several or column.profile in own else [column.profile, *own]
        full = " · ".join(tags if one_host and tags else [column.host, *tags])
        labels.append(text.shorten(full, drawing.LABEL_CHARS))
    return [
        f"{text.shorten(label, drawing.LABEL_CHARS - 4)} ({index})" if labels.count(label) > 1 else label
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
        score = accuracy_interval(group) if quantity is ACCURACY and group is not None else None
        bars.append(
            _Bar(
                label,
                drawing.HUES[place % len(drawing.HUES)],
                scaled,
                samples,
                synthetic=group is not None and any(run["data"]["synthetic"] for run in group.ok),
                instead="" if scaled else STATUS[statuses[0]] if statuses else "no value",
                interval=score and (100 * score[0], 100 * score[1]),
            )
        )
    return bars


def _published_bars(facts: Facts, workload: str, quantity: Quantity) -> list[_Bar]:
    bars = []
    for host in facts.published.hosts:
        value = facts.published.measured(workload, quantity.published, host["id"])
        known = None if value is None else Statistic(value, value, value, facts.published.source["repeats"])
        why = "" if known else facts.published.reason(workload, quantity.published, host["id"]).text
        bars.append(
            _Bar(
                f"{host['name']} 2019",
                drawing.OTHERS,
                known,
                [],
                instead=text.shorten(why, 34),
                shown=f"{value}",
            )
        )
    return bars


def _panel(
    ax: "Axes",
    name: str,
    bars: list[_Bar],
    log: bool,
    limits: tuple[float, float],
    write: Callable[[float], str],
) -> None:
    from matplotlib.transforms import ScaledTranslation

    drawing.frame(ax, name, log, limits, len(bars))
    ax.set_yticks(range(len(bars)), [bar.label for bar in bars])
    beside = ax.transData + ScaledTranslation(5 / 72, 0, ax.figure.dpi_scale_trans)
    for y, bar in enumerate(bars):
        known = bar.statistic
        if known is None:
            ax.text(limits[0], y, f"– {bar.instead}", transform=beside, va="center", color=drawing.MUTED)
            continue
        hatch = "/////" if bar.synthetic else None
        ax.barh(
            y, known.median - limits[0], left=limits[0], height=0.66,
            color=bar.colour, hatch=hatch, edgecolor=drawing.PAGE if hatch else bar.colour, linewidth=0,
        )  # fmt: skip
        end = known.high
        if bar.ends is not None:
            end = max(end, bar.ends[1])
            ax.plot(
                bar.ends,
                [y, y],
                color=drawing.INK,
                linewidth=0.9,
                solid_capstyle="butt",
                zorder=3,
            )
            ax.plot(
                bar.ends,
                [y, y],
                "|",
                color=drawing.INK,
                markersize=5,
                markeredgewidth=0.9,
                zorder=3,
            )
        if bar.samples:
            ax.plot(bar.samples, [y] * len(bar.samples), "o", markersize=2.6, markerfacecolor=drawing.PAGE,
                    markeredgecolor=drawing.INK, markeredgewidth=0.6, zorder=4, linestyle="none")  # fmt: skip
        ax.text(end, y, bar.shown or write(known.median), transform=beside, va="center", color=drawing.INK)


def _caption(columns: list[Column], title: str, unit: str) -> str:
    spread = "fastest and slowest"
    if unit == "%":
        spread = "95 % score intervals by the number of test samples, for synthetic data minimum and maximum"
    profile = columns[0].profile
    return f"{title} [{unit}], {profile} profile: medians (bars), {spread} (error bars), every repeat (dots)."


def _notes(columns: list[Column], facts: Facts, log: bool) -> Iterator[Note]:
    if log:
        yield drawing.LOGARITHMIC
    if any(run["data"]["synthetic"] for column in columns for run in column.runs):
        yield Note("synthetic-data", "Hatched: synthetic data.")
    if columns[0].profile != "paper":
        yield Note(
            "published-hosts-absent",
            "Published hosts are not shown: only the paper profile is comparable with them.",
        )
        return
    yield Note("published-hosts-grey", "Grey: published in 2019.")
    if any(_incomparable(facts, group) for column in columns for group in column.groups.values()):
        yield Note("counterpart-missing", "Some bars have no comparable published value: see Table 4c.")


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
    figure, axes = drawing.panels_of([len(rows) for _, rows in panels], longest)
    for ax, (name, rows) in zip(axes, panels, strict=True):
        drawing.frame(ax, name, False, (0, 122), len(rows))
        ax.set_yticks(range(len(rows)), [text.shorten(each, drawing.LABEL_CHARS) for each, _ in rows])
        for y, (_, medians) in enumerate(rows):
            start = 0.0
            for value, (_, _, colour) in zip(medians, _PARTS, strict=True):
                share = 100 * value / sum(medians)
                ax.barh(y, share, left=start, height=0.66, color=colour, linewidth=0)
                start += share
            ax.text(103, y, f"{text.seconds(sum(medians))} s", va="center", color=drawing.INK)
    drawing.label_axis(axes, "Share of the whole run [%]", False, (0, 122))
    drawing.key(figure, [(name, colour) for _, name, colour in _PARTS])
    caption = (
        "Where the time of a run goes: shares of the medians, and their sum in seconds. Build: building and "
        "compiling the network, the first training step. Other: start of the process, framework import."
    )
    alt = (
        "Stacked bar chart of the shares of data, build, training, test and other in each run. "
        "The values are those of Table 4b."
    )
    colours = [colour if name != "other" else "var(--grey)" for _, name, colour in _PARTS]
    stacked: list[inline.Panel] = [
        (
            name,
            [
                inline.Stack(
                    row,
                    tuple(
                        (100 * each / sum(medians), colour)
                        for each, colour in zip(medians, colours, strict=True)
                    ),
                    f"{text.seconds(sum(medians))} s",
                )
                for row, medians in rows
            ],
        )
        for name, rows in panels
    ]
    key = tuple((name, colour) for (_, name, _), colour in zip(_PARTS, colours, strict=True))
    element = inline.draw("time_split", stacked, (0, 122), "Share of the whole run [%]", key=key)
    return drawing.finished(figure, "time_split", "Where the time goes", caption, alt, element)
