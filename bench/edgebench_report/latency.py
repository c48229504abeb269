"""The chart of inference latency: the median as bar, p90 and p99 as error bar, every window's mean as a dot."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgebench_report import drawing, inline, text
from edgebench_report.aggregate import PROFILES, Record
from edgebench_report.drawing import Chart
from edgebench_report.inference import Part, parts
from edgebench_report.plots import STATUS
from edgebench_report.published import PublishedInference
from edgebench_report.text import Note

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ENGINES = ("tensorflow", "litert", "onnxruntime")
_US = 1e6
_LABEL_CHARS = 27


@dataclass(frozen=True)
class _Bar:
    label: str
    colour: str
    median_us: float | None
    high_us: tuple[float, ...] = ()
    windows_us: tuple[float, ...] = ()
    is_random: bool = False
    instead: str = ""

    @property
    def values(self) -> list[float]:
        known = [] if self.median_us is None else [self.median_us]
        return [*known, *self.high_us, *self.windows_us]


def draw(records: list[Record], published: PublishedInference) -> list[Chart]:
    """Draw one chart for each profile: what is not comparable never shares one."""
    found = parts(records)
    profiles = [each for each in PROFILES if any(part.profile == each for part in found)]
    with drawing.style():
        charts = [
            _chart([part for part in found if part.profile == each], published, len(profiles) > 1)
            for each in profiles
        ]
    return [each for each in charts if each is not None]


def _chart(found: list[Part], published: PublishedInference, several: bool) -> Chart | None:
    profile = found[0].profile
    panels = [
        (part.label if several else part.label.replace(f" · {profile}", ""), _bars(part)) for part in found
    ]
    if not any(bar.values for _, bars in panels for bar in bars):
        return None
    if profile == "paper":
        panels.append(("Published elsewhere", _published(published)))
    values = [value for _, bars in panels for bar in bars for value in bar.values]
    log = min(values) > 0 and max(values) / min(values) > 10
    limits = drawing.limits_of(values, log, "µs")
    longest = max(len(bar.label) for _, bars in panels for bar in bars)
    figure, axes = drawing.panels_of([len(bars) for _, bars in panels], longest, widest=0.48)
    for ax, (name, bars) in zip(axes, panels, strict=True):
        drawing.frame(ax, name, log, limits, len(bars))
        ax.set_yticks(range(len(bars)), [bar.label for bar in bars])
        for y, bar in enumerate(bars):
            _draw(ax, y, bar, limits)
    drawing.label_axis(axes, "Latency [µs]" + (", logarithmic" if log else ""), log, limits)
    slug, title = "kws_latency", "Keyword spotting: latency"
    if several:
        slug, title = f"{slug}_{profile}", f"{title}, {profile} profile"
    alt = (
        "Bar chart of the latency of keyword spotting in microseconds, by host, engine and model. "
        "The values are those of Table 7."
    )
    axis = "Latency [µs]" + (", logarithmic" if log else "")
    drawn: list[inline.Panel] = [(name, [_inline(bar) for bar in bars]) for name, bars in panels]
    element = inline.draw(slug, drawn, limits, axis, log=log, widest=0.48)
    caption = (
        f"Latency of one inference [µs], {profile} profile: medians (bars), 90th and 99th percentiles (ticks), "
        "the mean of every window (dots)."
    )
    return drawing.finished(figure, slug, title, caption, alt, element, _notes(found, profile, log))


def _inline(bar: _Bar) -> inline.Bar:
    if bar.median_us is None:
        return inline.Bar(bar.label, bar.colour, None, instead=bar.instead)
    colour = "var(--grey)" if bar.colour == drawing.OTHERS else bar.colour
    ends = (bar.median_us, bar.high_us[-1]) if bar.high_us else None
    shown = text.microseconds(bar.median_us)
    return inline.Bar(
        bar.label, colour, bar.median_us, ends, bar.high_us, bar.windows_us, bar.is_random, shown=shown
    )


def _bars(part: Part) -> list[_Bar]:
    bars = []
    labels = _labels(part.names)
    for index, record in enumerate(part.records):
        engine, percentiles = record["engine"]["name"], record["latency"]["percentiles_us"]
        colour = drawing.HUES[_ENGINES.index(engine) if engine in _ENGINES else len(_ENGINES)]
        label = labels[index]
        if record["status"] != "ok" or percentiles is None:
            instead = "no value" if record["status"] == "ok" else STATUS[record["status"]]
            bars.append(_Bar(label, colour, None, instead=instead))
            continue
        windows = tuple(_US * each["wall_s"] / each["inferences"] for each in record["windows"])
        is_random = record["model"]["weights"] == "random"
        bars.append(
            _Bar(label, colour, percentiles[50], (percentiles[90], percentiles[99]), windows, is_random)
        )
    return bars


def _labels(names: list[str]) -> list[str]:
    labels = [text.shorten(each.replace("tensorflow ", "TF "), _LABEL_CHARS) for each in names]
    return [
        f"{text.shorten(each, _LABEL_CHARS - 4)} ({index})" if labels.count(each) > 1 else each
        for index, each in enumerate(labels, 1)
    ]


def _published(published: PublishedInference) -> list[_Bar]:
    return [
        _Bar(_published_label(each), drawing.OTHERS, 1000 * each["latency_ms"])
        for each in published.results
        if each["latency_ms"] is not None
    ]


def _published_label(result: Record) -> str:
    precision = f" {result['precision']}" if result["precision"] else ""
    return text.shorten(result["device"], _LABEL_CHARS - len(precision)) + precision


def _draw(ax: "Axes", y: int, bar: _Bar, limits: tuple[float, float]) -> None:
    from matplotlib.transforms import ScaledTranslation

    beside = ax.transData + ScaledTranslation(5 / 72, 0, ax.figure.dpi_scale_trans)
    if bar.median_us is None:
        ax.text(limits[0], y, f"– {bar.instead}", transform=beside, va="center", color=drawing.MUTED)
        return
    hatch = "/////" if bar.is_random else None
    ax.barh(
        y, bar.median_us - limits[0], left=limits[0], height=0.66,
        color=bar.colour, hatch=hatch, edgecolor=drawing.PAGE if hatch else bar.colour, linewidth=0,
    )  # fmt: skip
    if bar.high_us:
        ends = [bar.median_us, bar.high_us[-1]]
        ax.plot(ends, [y, y], color=drawing.INK, linewidth=0.9, solid_capstyle="butt", zorder=3)
        ax.plot(
            bar.high_us, [y] * len(bar.high_us), "|",
            color=drawing.INK, markersize=5, markeredgewidth=0.9, zorder=3,
        )  # fmt: skip
    ax.plot(
        bar.windows_us, [y] * len(bar.windows_us), "o", markersize=2.6, markerfacecolor=drawing.PAGE,
        markeredgecolor=drawing.INK, markeredgewidth=0.6, zorder=4, linestyle="none",
    )  # fmt: skip
    ax.text(
        max(bar.values), y, text.microseconds(bar.median_us), transform=beside, va="center", color=drawing.INK
    )


def _notes(found: list[Part], profile: str, log: bool) -> Iterator[Note]:
    if log:
        yield drawing.LOGARITHMIC
    if any(record["model"]["weights"] == "random" for part in found for record in part.records):
        yield Note("random-weights", "Hatched: random weights.")
    if profile == "paper":
        yield Note("published-results-grey", "Grey: published elsewhere, one number each.")
    else:
        yield Note(
            "published-results-absent",
            "Published results are only in Table 7: the windows of this profile are shorter than theirs.",
        )
