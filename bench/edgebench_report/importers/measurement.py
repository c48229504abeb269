"""Keyword spotting as runners of MLPerf Tiny saw it: pieces read from files, put together to inference records.

One measurement lies in several files: the windows in one, the accuracy in another, the energy in a third. What
belongs together is told by folders (``performance``, ``accuracy``, ``energy`` side by side) or by names that differ
in these words only.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebench_report import text
from edgebench_report.importers import records
from edgebench_report.importers.source import Source, host_name
from edgebench_report.load import Problem, Record

MODEL = "kws01"
SAMPLES = 1000
LABELS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")
WINDOW_S, WINDOWS, MIN_INFERENCES = 10.0, 5, 10

_MODE = r"performance|accuracy|energy|perf|acc|log|logs|results?|session"
_MODE_WORDS = re.compile(rf"(?:^|[._\-\s])(?:{_MODE})(?=$|[._\-\s])", re.IGNORECASE)
_MODE_FOLDER = re.compile(r"(?:performance|accuracy|energy)$", re.IGNORECASE)
# Names of folders that say nothing about a machine.
_IDLE_FOLDER = re.compile(rf"(?:{_MODE}|sessions|kws\w*|datasets|\d[\d_\-T]*|tmp|\.)$", re.IGNORECASE)
_UNTOLD_NAMES = ("unspecified", "")
# 49 x 10 inputs of one byte, or of four.
_PRECISION_BY_BYTES = {490: "int8", 1960: "float32"}


@dataclass(frozen=True)
class Window:
    """One timed window: so many inferences in so many seconds."""

    inferences: int
    wall_s: float

    @property
    def throughput_per_s(self) -> float:
        """Inferences a second."""
        return self.inferences / self.wall_s

    def agrees(self, other: "Window") -> bool:
        """Say whether both are the same, as far as three decimals show."""
        return self.inferences == other.inferences and abs(self.wall_s - other.wall_s) <= 0.0011


@dataclass(frozen=True)
class Energy:
    """The energy of one window, None where not printed."""

    wall_s: float | None
    energy_uj: float | None
    power_uw: float | None
    uj_per_inference: float | None


@dataclass(frozen=True)
class Answer:
    """What the device said to one input: the true class and the outputs, one a class."""

    label: int
    outputs: tuple[float, ...]


@dataclass
class Piece:
    """What one file says of one session; None and empty is what it does not say."""

    source: Source
    form: str
    model: str | None = None
    device: str | None = None
    input_bytes: int | None = None
    local_time: str | None = None
    windows: list[Window] = field(default_factory=list)
    median_per_s: float | None = None
    top1: float | None = None
    auc: float | None = None
    answers: list[Answer] = field(default_factory=list)
    energy: list[Energy] = field(default_factory=list)
    median_uj: float | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def is_of_energy(self) -> bool:
        """Whether power was measured: then the link was slower, and the windows are not those of performance."""
        return bool(self.energy) or self.median_uj is not None

    @property
    def says_something(self) -> bool:
        """Whether there is a result in it."""
        quality = self.top1 is not None or self.auc is not None or _are_a_set(self.answers)
        return bool(self.windows) or self.median_per_s is not None or quality or self.is_of_energy


@dataclass(frozen=True)
class _Quality:
    top1: float | None = None
    auc: float | None = None
    samples: int | None = None
    per_class: list[dict[str, Any]] | None = None
    confusion: list[list[int]] | None = None


def assemble(pieces: list[Piece], host: str | None, problems: list[Problem]) -> list[Record]:
    """Put pieces together and return a record for each measured series of windows.

    Pieces of other models than kws01 become problems. ``host`` names the host of all.
    """
    units: dict[tuple[str, str], list[Piece]] = {}
    for piece in pieces:
        units.setdefault(_unit(piece.source.path), []).append(piece)
    made: list[Record] = []
    for members in units.values():
        model = next((each.model for each in members if each.model), None)
        if model not in (None, MODEL):
            problems += [
                Problem(
                    str(each.source.path),
                    f"a measurement of the model {text.one_line(str(model))}; only {MODEL} can be imported",
                    "Name other files, or ignore this message.",
                    "model-unsupported",
                )
                for each in members
            ]
        elif any(each.says_something for each in members):
            made += _records(members, model, host)
        else:
            problems += [
                Problem(
                    str(each.source.path),
                    "contains no window, accuracy or energy",
                    "Name the log of a complete run.",
                    "result-missing",
                )
                for each in members
            ]
    return _renumbered(made)


def _unit(path: Path) -> tuple[str, str]:
    folder = path.absolute().parent
    if _MODE_FOLDER.match(folder.name):
        folder = folder.parent
    stem = path.name.split(".")[0] if path.name.startswith(".") else path.stem
    previous = None
    while previous != stem:
        previous, stem = stem, _MODE_WORDS.sub("", stem)
    return str(folder), stem.strip("._- ")


def _host_of(members: list[Piece]) -> tuple[str, str]:
    for piece in members:
        name = host_name(piece.device or "")
        if name.lower() not in _UNTOLD_NAMES:
            return name, "the name that the device told"
    folder, stem = _unit(members[0].source.path)
    if host_name(stem) and not _IDLE_FOLDER.match(stem):
        return host_name(stem), "the name of the file"
    for each in [Path(folder), *Path(folder).parents]:
        if host_name(each.name) and not _IDLE_FOLDER.match(each.name):
            return host_name(each.name), "the name of the folder"
    return "imported", "nothing: name the host by --host"


def _records(members: list[Piece], model: str | None, host: str | None) -> list[Record]:
    host_from = "given with --host"
    if host is None:
        host, host_from = _host_of(members)
    inferred = {
        "host": host_from,
        "options": "the rules of the benchmark",
        "repeat": "the order of the files",
    }
    if model is None:
        inferred["model.id"] = "nothing else is imported; the files do not name their model"
    warnings = [warning for each in members for warning in each.warnings]
    quality = _quality(members, warnings)
    return [
        _record(members, windows, quality, host, number, dict(inferred), list(warnings))
        for number, windows in enumerate(_series(members) or [[]], 1)
    ]


def _series(members: list[Piece]) -> list[list[Window]]:
    """Return the measured series of windows, each once, though a session and its results both tell it."""
    found: list[list[Window]] = []
    timed = [each for each in members if each.windows and not each.is_of_energy]
    timed = timed or [each for each in members if each.windows]
    # Windows from laps in microseconds before those that were printed with three decimals.
    for piece in sorted(timed, key=lambda each: all(round(w.wall_s, 3) == w.wall_s for w in each.windows)):
        known = any(
            len(series) == len(piece.windows)
            and all(one.agrees(other) for one, other in zip(series, piece.windows, strict=True))
            for series in found
        )
        if not known:
            found.append(piece.windows)
    return found


def _record(
    members: list[Piece],
    windows: list[Window],
    quality: _Quality,
    host: str,
    repeat: int,
    inferred: dict[str, str],
    warnings: list[str],
) -> Record:
    sources = list({each.source.sha256: each.source for each in members}.values())
    local_time = next((each.local_time for each in members if each.local_time), None)
    no_date = f"the files have a local time only, {local_time}" if local_time else "the files have no date"
    reasons = {
        "started_utc": no_date,
        "finished_utc": no_date,
        "valid_windows": "the files have no windows",
        "throughput_per_s": "the files have no performance",
        "latency.mean_us": "the files have no windows",
        "quality.value": "the files have no accuracy",
        "quality.auc": "the files have none",
        "quality.samples": "the runner prints the ratio alone",
        "quality.per_class": "the runner prints the ratio alone",
        "quality.confusion": "the runner prints the ratio alone",
    }
    median = next((each.median_per_s for each in members if each.median_per_s is not None), None)
    if windows:
        throughput: float | None = float(np.median([each.throughput_per_s for each in windows]))
        inferred["latency.mean_us"] = "the windows: one inference after the other"
    else:
        throughput = median
    precision = _PRECISION_BY_BYTES.get(
        next((each.input_bytes for each in members if each.input_bytes is not None), 0)
    )
    if precision:
        inferred["model.precision"] = "the size of the inputs that were sent"
    energy = _energy(members)
    record = {
        **records.common("inference", "MLPerf-Tiny", host, sources),
        **records.measured_by_another(),
        "workload": "kws",
        "title": "Keyword Spotting",
        "options": {"window_s": WINDOW_S, "windows": WINDOWS, "min_inferences": MIN_INFERENCES},
        "engine": {"name": "unknown", "library": None, "version": None, "delegate": None},
        "model": {
            "id": MODEL,
            "form": None,
            "precision": precision,
            "weights": None,
            "sha256": None,
            "size_bytes": None,
            "parameters": None,
        },
        "threads": {"intra": None, "inter": None},
        "repeat": repeat,
        "times": dict.fromkeys(("import_s", "load_s", "warmup_s", "accuracy_s", "wall_s")),
        "windows": [
            {"inferences": each.inferences, "wall_s": each.wall_s, "throughput_per_s": each.throughput_per_s}
            for each in windows
        ],
        "valid_windows": _are_valid(windows),
        "throughput_per_s": throughput,
        "latency": {
            "samples": None,
            "percentiles_us": None,
            "mean_us": _mean_us(windows),
            "jitter_us": None,
        },
        "quality": {
            "metric": "top1",
            "value": quality.top1,
            "unit": "ratio",
            "auc": quality.auc,
            "samples": quality.samples,
            "per_class": quality.per_class,
            "confusion": quality.confusion,
        },
        "data": {
            "name": MODEL,
            "source": None,
            "synthetic": None,
            "sha256": None,
            "note": None,
            "input": None,
        },
        "framework": dict.fromkeys(("version", "keras", "numpy", "python")) | {"name": "unknown"},
        "device": None,
        "memory": {"peak_bytes": None},
        "requested": {"data": "auto", "device": "auto"},
        "warnings": sorted(set(warnings)),
        "missing": {"engine.name": records.NOT_SAID, "framework.name": records.NOT_SAID},
        "imported": records.imported(
            sources,
            " and ".join(sorted({each.form for each in members})),
            inferred,
            local_time=local_time,
            **({"energy": energy} if energy else {}),
        ),
    }
    return records.fill_missing(record, reasons)


def _are_valid(windows: list[Window]) -> bool | None:
    if not windows:
        return None
    return all(each.wall_s >= WINDOW_S and each.inferences >= MIN_INFERENCES for each in windows)


def _mean_us(windows: list[Window]) -> float | None:
    inferences = sum(each.inferences for each in windows)
    return 1e6 * sum(each.wall_s for each in windows) / inferences if inferences else None


def _energy(members: list[Piece]) -> dict[str, Any] | None:
    measured = max(
        (each for each in members if each.is_of_energy), key=lambda each: len(each.energy), default=None
    )
    if measured is None:
        return None
    medians = [each.median_uj for each in members if each.median_uj is not None]
    costs = [each.uj_per_inference for each in measured.energy if each.uj_per_inference is not None]
    computed = float(np.median(costs)) if costs else None
    return {
        "median_uj_per_inference": medians[0] if medians else computed,
        "windows": [
            {
                "wall_s": each.wall_s,
                "energy_uj": each.energy_uj,
                "power_uw": each.power_uw,
                "uj_per_inference": each.uj_per_inference,
            }
            for each in measured.energy
        ],
    }


def _renumbered(made: list[Record]) -> list[Record]:
    """Give records of one host and precision different repeats, and drop what was read twice."""
    taken: dict[tuple[str, str | None], int] = {}
    seen: set[tuple[str, str | None, str, int]] = set()
    kept = []
    for record in made:
        key = (record["host"], record["model"]["precision"])
        mark = (*key, record["session"], record["repeat"])
        if mark in seen:
            continue
        seen.add(mark)
        taken[key] = taken.get(key, 0) + 1
        record["repeat"] = taken[key]
        # Two precisions of a model on one device are two measurements, not repeats of one.
        if record["model"]["precision"]:
            record["run_id"] = f"MLPerf-Tiny-{record['model']['precision']}"
        kept.append(record)
    return kept


# Quality


def _quality(members: list[Piece], warnings: list[str]) -> _Quality:
    printed_top1 = next((each.top1 for each in members if each.top1 is not None), None)
    printed_auc = next((each.auc for each in members if each.auc is not None), None)
    answers = max((each.answers for each in members), key=len)
    if not _are_a_set(answers):
        return _Quality(top1=printed_top1, auc=printed_auc)
    computed = score(answers)
    if len(answers) != SAMPLES:
        warnings.append(
            f"the accuracy is that of {len(answers)} inputs; the set of the benchmark has {SAMPLES}"
        )
    for name, here, printed, tolerance in (
        ("top-1", computed.top1, printed_top1, 0.00051),
        ("AUC", computed.auc, printed_auc, 0.0101),
    ):
        if here is not None and printed is not None and abs(here - printed) > tolerance:
            warnings.append(f"the {name} from the answers, {here:.4f}, is not the printed one, {printed:.4f}")
    return computed


def _are_a_set(answers: list[Answer]) -> bool:
    # Five windows have five answers as well; an accuracy is that of a set with all classes.
    return len({each.label for each in answers}) == len(LABELS)


def score(answers: list[Answer]) -> _Quality:
    """Return top-1, the area under the curve (one class against the rest, averaged over classes), and counts."""
    labels = np.array([each.label for each in answers])
    outputs = np.array([each.outputs for each in answers])
    told = outputs.argmax(axis=1)
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=int)
    np.add.at(confusion, (labels, told), 1)
    totals = outputs.sum(axis=1, keepdims=True)
    shares = np.divide(outputs, totals, out=np.zeros_like(outputs), where=totals > 0)
    areas = [_area(shares[:, each], labels == each) for each in range(len(LABELS))]
    return _Quality(
        top1=float(np.mean(told == labels)),
        auc=None if any(math.isnan(each) for each in areas) else float(np.mean(areas)),
        samples=len(answers),
        per_class=[
            {"label": name, "samples": int(confusion[each].sum()), "correct": int(confusion[each, each])}
            for each, name in enumerate(LABELS)
        ],
        confusion=[[int(count) for count in row] for row in confusion],
    )


def _area(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Return the area under the curve as Mann and Whitney count it, ties for a half; NaN without both kinds."""
    above = int(positive.sum())
    below = len(positive) - above
    if not above or not below:
        return math.nan
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[places][positive].sum() - above * (above + 1) / 2) / (above * below))
