"""Table 7: inference, one row a measurement, beside what was published elsewhere. Nothing here is averaged.

A measurement is one engine with one model and one number of threads on one host. The median over its
windows is its record's own; two measurements are two rows, whatever they have in common.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgebench_report import telemetry, text
from edgebench_report.aggregate import PROFILES, Record, Statistic, environment, text_of_environment
from edgebench_report.published import PublishedInference
from edgebench_report.results import UNRECORDED, why_unfinished
from edgebench_report.table import MISSING, Band, Cell, Footnotes, Heading, Row, Table
from edgebench_report.text import Note

TOP1_TARGET = 0.90
WINDOW_S = 10.0
PUBLISHED_SECTION = "Published elsewhere"
_ENGINES = ("tensorflow", "litert", "onnxruntime")
# ONNX Runtime's own kernels are what it computes with where nothing takes over.
_NO_DELEGATE = (None, "none", "CPUExecutionProvider")
_PERCENTILES = (("median", 50), ("p90", 90), ("p99", 99), ("max", 100))
_BELOW_TARGET = Note("below-target", f"below the {100 * TOP1_TARGET:.0f} % that MLPerf Tiny requires")
_NOT_STATED = Note("not-stated", "not published")
# The columns that a footnote of a published result is about; any other is about its latency.
_ABOUT = {
    "clock_is_cpu_time": ("throughput", "latency"),
    "windows_too_short": ("windows",),
    "input_not_dequantised": ("top1", "auc"),
}


@dataclass(frozen=True)
class Part:
    """The measurements of one host and profile, in the order of the table, and what each is called there."""

    host: str
    profile: str
    label: str
    records: list[Record]
    names: list[str]


def parts(records: Iterable[Record]) -> list[Part]:
    """Arrange measurements by host, profile and windows; what shares a name is told apart by what differs."""
    found: dict[tuple[Any, ...], list[Record]] = {}
    for each in sorted(records, key=_order):
        found.setdefault((each["host"], PROFILES.index(each["profile"]), _windows(each)), []).append(each)
    several = {
        key[:2] for key in found if sum(other[:2] == key[:2] for other in found) > 1
    }  # Windows are named where one host and profile has them of several lengths.
    result = []
    for key, members in sorted(found.items()):
        host, profile = members[0]["host"], members[0]["profile"]
        windows = [f"windows of {key[2][1]:g} s"] if key[:2] in several else []
        result.append(Part(host, profile, " · ".join([host, profile, *windows]), members, _names(members)))
    return result


def _order(record: Record) -> tuple[Any, ...]:
    engine, model = record["engine"]["name"], record["model"]
    place = _ENGINES.index(engine) if engine in _ENGINES else len(_ENGINES)
    return (
        *(record["host"], place, engine, model["id"], model["form"] or "", record["threads"]["intra"] or 0),
        *(record["run_id"], record["started_utc"] or "", record["session"]),
    )


def _windows(record: Record) -> tuple[Any, ...]:
    options = record["options"]
    return options["windows"], options["window_s"], options["min_inferences"]


def _names(records: list[Record]) -> list[str]:
    facts = [_circumstances(each) for each in records]
    alike: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        alike.setdefault(_name(record), []).append(index)
    names = []
    for index, record in enumerate(records):
        namesakes = alike[_name(record)]
        differing = [
            value
            for name, value in facts[index].items()
            if any(facts[other][name] != value for other in namesakes)
        ]
        names.append(" · ".join([_name(record), *differing]))
    return names


def _name(record: Record) -> str:
    return text.one_line(f"{record['engine']['name']} {record['model']['id']}")


def _circumstances(record: Record) -> dict[str, str]:
    """Return what else makes two measurements incomparable, as short texts."""
    model, framework = record["model"], record["framework"]
    shown = {
        "threads": _threads(record),
        "form": model["form"] or "form unknown",
        "library": library(record),
        "weights": f"{model['weights'] or 'unknown'} weights",
        "model": f"model {(model['sha256'] or 'hash unknown')[:12]}",
        "framework": f"{text.framework(framework['name'])} {framework['version'] or 'unknown'}",
        "python": f"Python {framework['python'] or 'unknown'}",
        "numpy": f"NumPy {framework['numpy'] or 'unknown'}",
        "device": device(record),
        "environment": text_of_environment(environment(record)),
        "variant": record["variant"],
        "run": record["run_id"],
    }
    return {name: text.one_line(value) for name, value in shown.items()}


def _threads(record: Record) -> str:
    intra = record["threads"]["intra"]
    return "threads unknown" if intra is None else text.plural(intra, "thread")


def library(record: Record) -> str:
    """Return what computes: library, version and, where there is one, delegate."""
    engine = record["engine"]
    if engine["library"] is None:
        return "unknown"
    name = " ".join(each for each in (engine["library"], engine["version"]) if each)
    has_delegate = engine["delegate"] not in _NO_DELEGATE
    return text.one_line(f"{name}, {engine['delegate']}" if has_delegate else name)


def device(record: Record) -> str:
    """Return what it computes on: CPU or GPU."""
    return "device unknown" if record["device"] is None else str(record["device"]["kind"]).upper()


def is_below_target(record: Record) -> bool:
    """Whether the accuracy is known and below what MLPerf Tiny asks for."""
    value = record["quality"]["value"]
    return record["status"] == "ok" and value is not None and value < TOP1_TARGET


def keyword_spotting(records: list[Record], published: PublishedInference) -> Table | None:
    """Table 7: throughput, latency and accuracy of every measurement; None without any."""
    if not records:
        return None
    notes = Footnotes()
    rows = []
    found = parts(records)
    for part in found:
        section = part.label
        for record, name in zip(part.records, part.names, strict=True):
            rows.append(Row(name, _key(record), _measured(record, notes), section))
            section = ""
    section = PUBLISHED_SECTION
    for result in published.results:
        cells = _published(result, published, notes)
        rows.append(Row(text.one_line(result["device"]), result["id"], cells, section, "published"))
        section = ""
    notices = []
    if any(part.profile == "quick" for part in found):
        notices.append(
            Note(
                "quick-profile",
                f"The windows of the quick profile are shorter than the {WINDOW_S:g} s that MLPerf Tiny requires. "
                "Do not compare its rows with published results.",
            )
        )
    return Table(
        number="7",
        slug="table_7_keyword_spotting",
        title="Keyword spotting: throughput, latency, accuracy",
        corner="Engine and model",
        caption="Inference with kws01 of MLPerf Tiny, one input at a time; pre- and post-processing are not timed. "
        "Throughput: median of the windows, then the slowest and the fastest window and the number of windows n. "
        "Latency of single inferences [µs]; jitter is the standard deviation. Top-1 accuracy and AUC on the 1000 "
        f"inputs. Valid: every window has at least {WINDOW_S:g} s and 10 inferences.",
        bands=[
            Band("", 2),
            Band("Inferences per second", 2, "measured"),
            Band("Latency [µs]", 5, "measured"),
            Band("Accuracy", 2, "measured"),
            Band("", 1),
        ],
        headings=[
            Heading("Precision", numeric=False, csv="precision"),
            Heading("Threads", csv="threads"),
            Heading("Throughput", spread=True, csv="throughput [1/s]"),
            Heading("Valid", numeric=False, csv="valid windows"),
            *(Heading(name, csv=f"latency {name} [us]") for name, _ in _PERCENTILES),
            Heading("jitter", csv="jitter [us]"),
            Heading("Top-1 [%]", csv="top-1 [%]"),
            Heading("AUC", csv="AUC"),
            Heading("Library", numeric=False, csv="library"),
        ],
        rows=rows,
        footnotes=notes.listed(),
        key_name="measurement",
        notices=notices,
        dense=True,
    )


def _key(record: Record) -> str:
    model = record["model"]
    threads = record["threads"]["intra"]
    named = [record["engine"]["name"], model["id"], model["form"] or "?", "?" if threads is None else threads]
    return text.one_line("/".join(str(each) for each in named))


def anchor(record: Record) -> str:
    """Return the id of a record of inference: its place cannot serve, since tables sort theirs."""
    model = record["model"]
    own = (
        *(record["host"], record["run_id"], record["profile"], record["engine"]["name"], model["id"]),
        *(model["form"], record["threads"]["intra"], record["repeat"], record["session"]),
    )
    return "k-" + "-".join(text.one_line(str(each)).replace(" ", "_") for each in own)


def _measured(record: Record, notes: Footnotes) -> list[Cell]:
    threads = record["threads"]["intra"]
    is_random = record["model"]["weights"] == "random"
    weights = [notes.mark(Note("random-weights", "random weights"))] if is_random else []
    precision = record["model"]["precision"]
    latency = record["latency"]
    cells = [
        _gap(record, "model.precision", notes, numeric=False)
        if precision is None
        else Cell(precision, marks=list(weights), numeric=False),
        _gap(record, "threads.intra", notes) if threads is None else Cell(text.count(threads)),
        _throughput(record, notes),
        _validity(record, notes),
    ]
    for _, percentile in _PERCENTILES:
        known = latency["percentiles_us"]
        value = None if known is None else known[percentile]
        cells.append(_microseconds(record, value, "latency.percentiles_us", notes))
    cells.append(_microseconds(record, latency["jitter_us"], "latency.jitter_us", notes))
    computed_by = (
        _gap(record, "engine.library", notes, numeric=False)
        if record["engine"]["library"] is None
        else Cell(library(record), numeric=False)
    )
    return [*cells, *_accuracy(record, notes), computed_by]


def _throughput(record: Record, notes: Footnotes) -> Cell:
    median = record["throughput_per_s"]
    if record["status"] != "ok" or median is None:
        return _gap(record, "throughput_per_s", notes)
    windows = [each["throughput_per_s"] for each in record["windows"]] or [median]
    known = Statistic(median, min(windows), max(windows), len(windows))
    low, high = text.rate(known.low), text.rate(known.high)
    spread = f"n {known.count}" if known.count == 1 else f"{low}–{high}, n {known.count}"
    marks = [notes.mark(each) for each in telemetry.remarks([record])]
    return Cell(text.rate(median), spread, marks, statistic=known, link=anchor(record))


def _microseconds(record: Record, value: float | None, path: str, notes: Footnotes) -> Cell:
    if record["status"] != "ok" or value is None:
        return _gap(record, path, notes)
    return Cell(text.microseconds(value), value=float(f"{value:.6g}"))


def _accuracy(record: Record, notes: Footnotes) -> list[Cell]:
    value, auc = record["quality"]["value"], record["quality"]["auc"]
    is_ok = record["status"] == "ok"
    marks = [notes.mark(_BELOW_TARGET)] if is_below_target(record) else []
    return [
        Cell(text.percent(value), marks=marks, value=float(f"{100 * value:.6g}"))
        if is_ok and value is not None
        else _gap(record, "quality.value", notes),
        Cell(f"{auc:.4f}", value=float(f"{auc:.6g}"))
        if is_ok and auc is not None
        else _gap(record, "quality.auc", notes),
    ]


def _validity(record: Record, notes: Footnotes) -> Cell:
    valid = record["valid_windows"]
    if record["status"] != "ok" or valid is None:
        return _gap(record, "valid_windows", notes, numeric=False)
    if valid and is_below_target(record):
        return Cell("no", marks=[notes.mark(_BELOW_TARGET)], numeric=False)
    marks = [] if valid else [notes.mark(_why_invalid(record))]
    return Cell("yes" if valid else "no", marks=marks, numeric=False)


def _why_invalid(record: Record) -> Note:
    windows = record["windows"]
    if windows and min(each["wall_s"] for each in windows) < WINDOW_S:
        said = f"windows of {record['options']['window_s']:g} s, MLPerf Tiny requires {WINDOW_S:g} s"
        return Note("windows-short", said)
    if windows and min(each["inferences"] for each in windows) < 10:
        return Note("inferences-few", "windows of fewer than 10 inferences")
    return UNRECORDED


def _gap(record: Record, path: str, notes: Footnotes, numeric: bool = True) -> Cell:
    if record["status"] != "ok":
        why = why_unfinished(record)
    else:
        given = record["missing"].get(path)
        why = Note("reason-recorded", given) if given else UNRECORDED
    return Cell(MISSING, marks=[notes.mark(why)], numeric=numeric)


def _published(result: Record, published: PublishedInference, notes: Footnotes) -> list[Cell]:
    marks: dict[str, list[str]] = {}
    for name in result["notes"]:
        for column in _ABOUT.get(name, ("latency",)):
            note = Note(name.replace("_", "-"), published.notes[name])
            marks.setdefault(column, []).append(notes.mark(note))

    def cell(column: str, name: str, value: Any, shown: str, numeric: bool = True) -> Cell:
        if value is None:
            given = result.get("missing", {}).get(name)
            why = Note("reason-published", given) if given else _NOT_STATED
            return Cell(MISSING, marks=[notes.mark(why)], numeric=numeric)
        return Cell(shown, marks=marks.pop(column, []), numeric=numeric, value=value if numeric else None)

    rate, top1, auc = result["throughput_per_s"], result["top1_percent"], result["auc"]
    latency_us = None if result["latency_ms"] is None else round(1000 * result["latency_ms"], 6)
    if top1 is not None and top1 < 100 * TOP1_TARGET:
        marks.setdefault("top1", []).append(notes.mark(_BELOW_TARGET))
    throughput = cell("throughput", "throughput_per_s", rate, "" if rate is None else text.rate(rate))
    if rate is not None:
        throughput.statistic = Statistic(rate, rate, rate, 1)
    shown_latency = "" if latency_us is None else text.microseconds(latency_us)
    unstated = [Cell(MISSING, marks=[notes.mark(_NOT_STATED)]) for _ in range(4)]
    windows = Cell(MISSING, marks=[notes.mark(_NOT_STATED)], numeric=False)
    if "windows" in marks:
        windows = Cell("no", marks=marks["windows"], numeric=False)
    return [
        cell("precision", "precision", result["precision"], str(result["precision"]), numeric=False),
        Cell(MISSING, marks=[notes.mark(_NOT_STATED)]),
        throughput,
        windows,
        cell("latency", "latency_ms", latency_us, shown_latency),
        *unstated,
        cell("top1", "top1_percent", top1, f"{top1}"),
        cell("auc", "auc", auc, "" if auc is None else f"{auc:.2f}"),
        cell("software", "software", result["software"], str(result["software"]), numeric=False),
    ]


def circumstance_rows(records: list[Record]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return for every part of the table its label and what its measurements rest on, for a list of them."""
    found = []
    for part in parts(records):
        rows = [
            ("engines", _distinct(f"{each['engine']['name']}: {library(each)}" for each in part.records)),
            ("models", _distinct(_model(each) for each in part.records)),
            ("threads", _distinct(_threads(each) for each in part.records)),
            ("device", _distinct(device(each) for each in part.records)),
            ("python", _distinct(_circumstances(each)["python"] for each in part.records)),
            ("environment", _distinct(_circumstances(each)["environment"] for each in part.records)),
            ("data", _distinct(_data(each) for each in part.records)),
            ("runs", _distinct(each["run_id"] for each in part.records)),
        ]
        found.append(
            (f"{part.label} · keyword spotting", [(name, text.one_line(value)) for name, value in rows])
        )
    return found


def _model(record: Record) -> str:
    model = record["model"]
    digest = f", sha256 {model['sha256'][:12]}" if model["sha256"] else ""
    return (
        f"{model['id']} ({model['form'] or 'form unknown'}, {model['weights'] or 'unknown'} weights{digest})"
    )


def _data(record: Record) -> str:
    data = record["data"]
    digest = f", sha256 {data['sha256'][:12]}" if data["sha256"] else ""
    return f"{data['name']} from the {data['source'] or 'unknown'}{digest}"


def _distinct(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))
