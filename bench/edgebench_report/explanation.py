"""Where the time goes: what records of explanations say, as a table, a chart and sentences made from their numbers."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edgebench_report import drawing, inline, text
from edgebench_report.aggregate import Record, environment, text_of_environment
from edgebench_report.drawing import Chart
from edgebench_report.load import explained_under
from edgebench_report.results import why_unfinished
from edgebench_report.table import MISSING, Band, Cell, Footnotes, Heading, Row, Table
from edgebench_report.text import Note

PARTS = (
    ("loop_s", "Loop", "#0072b2"),
    ("operators_s", "Operators", "#56b4e9"),
    ("update_s", "Weights", "#cc79a7"),
    ("input_s", "Input", "#e69f00"),
    ("arithmetic_s", "Arithmetic", "#009e73"),
    ("memory_s", "Memory", "#d55e00"),
    ("below_peak_s", "Below peak", drawing.OTHERS),
)
_OVERHEAD = ("loop_s", "operators_s")
_COMPUTING = ("arithmetic_s", "memory_s", "below_peak_s")
_MOST = {
    "overhead": "the framework's overhead",
    "input": "input",
    "update": "the weights",
    "arithmetic": "arithmetic",
}
_ORDER = (
    "mnist_1d",
    "imdb",
    "reuters",
    "mnist_2d",
    "dogs_vs_cats",
    "imdb_embedded",
    "weather",
    "weather_conv",
)


@dataclass(frozen=True)
class Group:
    """The explanations of one host with one device, framework, precision and number of threads."""

    label: str
    device: str
    records: list[Record]

    @property
    def explained(self) -> list[Record]:
        """Those that came to an end."""
        return [each for each in self.records if each["status"] == "ok"]


@dataclass(frozen=True)
class Section:
    """What the page says: the charts, and for each group its label and its sentences."""

    charts: list[Chart]
    said: list[tuple[str, list[Note]]]


def groups(records: Iterable[Record]) -> list[Group]:
    """Arrange explanations by host and circumstances; those that are the same everywhere are not named."""
    found: dict[str, list[Record]] = {}
    for each in sorted(records, key=_place):
        found.setdefault(json.dumps(explained_under(each), sort_keys=True), []).append(each)
    named = {key: _names(members[0]) for key, members in found.items()}
    differing = [index for index in range(1, 6) if len({names[index] for names in named.values()}) > 1]
    return [
        Group(
            text.one_line(" · ".join([named[key][0], *(named[key][index] for index in differing)])),
            (members[0]["device"] or {}).get("kind") or "",
            members,
        )
        for key, members in sorted(found.items())
    ]


def _place(record: Record) -> tuple[int, str, str]:
    name = record["workload"]
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name, json.dumps(record["options"]))


def _names(record: Record) -> list[str]:
    host, kind, version, precision, threads, _ = explained_under(record)
    return [
        host,
        (kind or "device unknown").upper() if kind else "device unknown",
        f"TensorFlow {version or 'unknown'}",
        precision,
        "default threads" if threads is None else text.plural(threads, "thread"),
        text_of_environment(environment(record)),
    ]


def table(records: list[Record]) -> Table | None:
    """Table 9: the parts of a training step at the published batch, one row a host and workload."""
    if not records:
        return None
    notes = Footnotes()
    headings = [
        Heading("Batch", csv="batch"),
        Heading("Step [ms]", csv="step [ms]"),
        *(Heading(f"{name} [%]", csv=f"{name.lower()} [%]") for _, name, _ in PARTS),
        Heading("Largest part", numeric=False, csv="most of it"),
        Heading("Limit [× faster]", csv="at most times faster"),
        Heading("Error of sum [%]", csv="sum off [%]"),
        Heading("Error of fit [%]", csv="batch off [%]"),
    ]
    rows = [
        Row(
            text.one_line(record["title"]),
            f"{group.label} {record['workload']}",
            _cells(record, notes, len(headings)),
            section=group.label,
        )
        for group in groups(records)
        for record in group.records
    ]
    return Table(
        number="9",
        slug="table_8_explanation",
        title="Where the time of a training step goes",
        corner="Workload",
        caption="Parts of a step at the published batch size, with the workload's own input; each part was measured "
        "separately. Loop: a step of an almost empty network. Operators: the other time that does not depend on the "
        "batch size. Weights: reading and updating them. Input: preparing the batch. Arithmetic, memory: the minimum "
        "by the measured peaks. Below peak: the time beyond that minimum. Limit: the speed-up if arithmetic, memory "
        "and weights took no time. Error of sum: the sum of the parts compared with a real training. Error of fit: "
        "the worst prediction for a batch size that the fit did not use.",
        bands=[Band("Measured", len(headings), "measured")],
        headings=headings,
        rows=rows,
        footnotes=notes.listed(),
        key_name="measurement",
        dense=True,
    )


def _cells(record: Record, notes: Footnotes, count: int) -> list[Cell]:
    if record["status"] != "ok":
        mark = notes.mark(why_unfinished(record, 160))
        return [Cell(MISSING, marks=[mark]) for _ in range(count)]
    parts, checks = record["parts"], record["checks"]
    whole = parts["sum_s"] or 1
    marks = [notes.mark(Note("run-warning", each)) for each in record["warnings"]]
    return [
        Cell(text.count(record["sizes"]["batch"]), value=record["sizes"]["batch"]),
        Cell(text.milliseconds(whole), marks=marks, value=1e3 * whole),
        *(Cell(f"{100 * parts[name] / whole:.1f}", value=100 * parts[name] / whole) for name, _, _ in PARTS),
        Cell(_MOST[record["bound"]], numeric=False),
        _number(record["ceiling"], text.factor),
        Cell(f"{100 * checks['sum_error']:+.1f}", value=100 * checks["sum_error"]),
        _number(checks["prediction_error"], text.percent, 100),
    ]


def _number(value: float | None, write: Callable[[float], str], scale: float = 1) -> Cell:
    return Cell("–") if value is None else Cell(write(value), value=scale * value)


def section(records: list[Record]) -> Section | None:
    """Return what the page says of explanations; None where none came to an end."""
    found = [each for each in groups(records) if each.explained]
    if not found:
        return None
    said = [(each.label, sentences(each)) for each in found]
    compared = [line for group in found for line in _compared(group, found)]
    if compared:
        said.append(("GPU and CPU", compared))
    return Section([_chart(found)], said)


def sentences(group: Group) -> list[Note]:
    """Return what a group's numbers say on what an accelerator could do here, and whether they hold."""
    records = group.explained
    found = []
    for bound in _MOST:
        there = [each for each in records if each["bound"] == bound]
        if there:
            found.append(_sentence(bound, there))
    holding = [each for each in records if _holds(each)]
    if len(holding) == len(records):
        said = (
            "The parts add up to a real training within 10 %, and batch sizes that the fit did not use are predicted "
            f"within 15 %, for {'all' if len(records) > 1 else 'the'} {text.plural(len(records), 'workload')}."
        )
        found.append(Note("parts-add-up", said))
    else:
        names = text.spoken_list([text.one_line(each["title"]) for each in records if not _holds(each)])
        said = (
            f"This does not hold for {names}: the sum of the parts is off by more than 10 %, or the prediction for "
            "another batch size by more than 15 %. See Table 9."
        )
        found.append(Note("parts-do-not-add-up", said))
    busy = [each for each in records if each["measured"]["gpu_busy_share"] is not None]
    if busy:
        idle = [f"{100 * (1 - each['measured']['gpu_busy_share']):.0f} % ({_title(each)})" for each in busy]
        said = f"By its own counter, the GPU is idle for {text.spoken_list(idle)} of a training."
        found.append(Note("gpu-idle", said))
    return found


def _sentence(bound: str, records: list[Record]) -> Note:
    return Note(f"{bound}-bound", _bounded(bound, records))


def _bounded(bound: str, records: list[Record]) -> str:
    shares = [f"{_title(each)} ({100 * _share(each, bound):.0f} %)" for each in records]
    ceilings = [each["ceiling"] for each in records if each["ceiling"] is not None]
    gain = (
        ""
        if not ceilings
        else f"{text.factor(ceilings[0])} times"
        if len(ceilings) == 1
        else f"{text.factor(min(ceilings))} to {text.factor(max(ceilings))} times"
    )
    listed = text.spoken_list(shares)
    if bound == "overhead":
        return (
            f"The largest part of a step is the framework's overhead in {listed}. It does not depend on the batch "
            "size, and no accelerator shortens it. If all arithmetic took no time, a step would be at most "
            f"{gain} as fast."
        )
    if bound == "input":
        return (
            f"The largest part of a step is input in {listed}. If arithmetic took no time, a step would be at most "
            f"{gain} as fast. Preparing batches in advance helps, a GPU does not."
        )
    what = "arithmetic" if bound == "arithmetic" else "reading and updating the weights"
    end = f" If it took no time, a step would be up to {gain} as fast." if gain else ""
    return f"The largest part of a step is {what} in {listed}. A GPU takes over this part.{end}"


def _share(record: Record, bound: str) -> float:
    parts = record["parts"]
    names = {"overhead": _OVERHEAD, "input": ("input_s",), "update": ("update_s",), "arithmetic": _COMPUTING}[
        bound
    ]
    return float(sum(parts[name] for name in names) / (parts["sum_s"] or 1))


def _title(record: Record) -> str:
    return text.one_line(record["title"])


def _holds(record: Record) -> bool:
    checks = record["checks"]
    return bool(checks["sum_holds"] and checks["prediction_holds"] is not False)


def _compared(group: Group, others: list[Group]) -> list[Note]:
    """Return a sentence for each workload of a GPU that a CPU was explained with, too."""
    if group.device != "gpu":
        return []
    found = []
    for other in (each for each in others if each.device == "cpu"):
        for record in group.explained:
            twin = next(
                (
                    each
                    for each in other.explained
                    if (each["workload"], each["options"]) == (record["workload"], record["options"])
                ),
                None,
            )
            if twin is not None:
                said = _versus(record, group.label, twin, other.label)
                found.append(Note("gpu-and-cpu", said))
    return found


def _versus(gpu: Record, gpu_label: str, cpu: Record, cpu_label: str) -> str:
    def spent(record: Record, names: tuple[str, ...]) -> str:
        return text.milliseconds(sum(record["parts"][name] for name in names))

    faster = cpu["parts"]["sum_s"] / gpu["parts"]["sum_s"]
    bound = "unknown" if cpu["ceiling"] is None else f"at most {text.factor(cpu['ceiling'])}"
    return (
        f"{_title(gpu)}: {gpu_label} is {text.factor(faster)} times as fast as {cpu_label} (limit without arithmetic: "
        f"{bound}). Overhead {spent(gpu, _OVERHEAD)} ms against {spent(cpu, _OVERHEAD)}, arithmetic and memory "
        f"{spent(gpu, _COMPUTING)} ms against {spent(cpu, _COMPUTING)}."
    )


def _chart(found: list[Group]) -> Chart:
    """Draw the shares of the parts in a step, a panel a group."""
    panels = [
        (each.label, [(_title(record), record["parts"]) for record in each.explained]) for each in found
    ]
    longest = max(len(name) for _, rows in panels for name, _ in rows)
    figure, axes = drawing.panels_of([len(rows) for _, rows in panels], longest)
    stacked: list[inline.Panel] = []
    for ax, (label, rows) in zip(axes, panels, strict=True):
        drawing.frame(ax, label, False, (0, 122), len(rows))
        ax.set_yticks(range(len(rows)), [text.shorten(name, drawing.LABEL_CHARS) for name, _ in rows])
        bars = []
        for y, (name, parts) in enumerate(rows):
            shares = _shares(parts)
            start = 0.0
            for share, (_, _, colour) in zip(shares, PARTS, strict=True):
                ax.barh(y, share, left=start, height=0.66, color=colour, linewidth=0)
                start += share
            shown = f"{text.milliseconds(parts['sum_s'])} ms"
            ax.text(103, y, shown, va="center", color=drawing.INK)
            colours = ["var(--grey)" if colour == drawing.OTHERS else colour for _, _, colour in PARTS]
            bars.append(inline.Stack(name, tuple(zip(shares, colours, strict=True)), shown))
        stacked.append((label, bars))
    drawing.label_axis(axes, "Share of a training step [%]", False, (0, 122))
    drawing.key(figure, [(name, colour) for _, name, colour in PARTS])
    key = tuple((name, "var(--grey)" if colour == drawing.OTHERS else colour) for _, name, colour in PARTS)
    element = inline.draw("explanation", stacked, (0, 122), "Share of a training step [%]", key=key)
    caption = (
        "Parts of a training step at the published batch size, and its time. Loop and operators: the framework's "
        "overhead. Weights: reading and updating them. Arithmetic and memory: the minimum by the measured peaks. "
        "Below peak: the computing time beyond that minimum."
    )
    alt = "Stacked bar chart of the parts of a training step. The values are those of Table 9."
    return drawing.finished(figure, "explanation", "Where the time of a step goes", caption, alt, element)


def _shares(parts: dict[str, float]) -> list[float]:
    """Return the parts in percent of what is above 0: a peak that was none leaves less than nothing below it."""
    values = [max(parts[name], 0.0) for name, _, _ in PARTS]
    whole = sum(values) or 1
    return [100 * each / whole for each in values]
