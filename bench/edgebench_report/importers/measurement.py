"""Keyword spotting as runners of MLPerf Tiny saw it: pieces read from files, put together to inference records.

One measurement lies in several files: the windows in one, the accuracy in another, the energy in a third. Folders
tell which belong together (``place.py``), or names that differ in the words for these modes only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgebench_report import text
from edgebench_report.importers import records
from edgebench_report.importers.place import Place, distinct, fallback_name, place_of
from edgebench_report.importers.quality import SAMPLES, Answer, Quality, are_a_set, score
from edgebench_report.importers.source import Source, host_name
from edgebench_report.load import Problem, Record

MODEL = "kws01"
WINDOW_S, WINDOWS, MIN_INFERENCES = 10.0, 5, 10
# What a record may have, in seconds, inferences, and in any other unit.
MOST = {"wall_s": 1e6, "inferences": 2.0**53}
MOST_OF_ANY = 1e12

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

    @property
    def is_performance(self) -> bool:
        """Whether it is long enough to be one; accuracy mode prints each single inference as a window."""
        is_possible = (
            0 < self.wall_s <= MOST["wall_s"]
            and 0 < self.inferences <= MOST["inferences"]
            and self.throughput_per_s <= MOST_OF_ANY
        )
        return is_possible and (self.inferences >= MIN_INFERENCES or self.wall_s >= WINDOW_S)

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


@dataclass
class Piece:
    """What one file says of one session; None and empty is what it does not say.

    ``model`` is named in the file, ``like`` is what its contents look like. ``is_printed``: the windows are the
    runner's results, and not only what it saw of the device. ``said``: its own messages of errors.
    """

    source: Source
    form: str
    model: str | None = None
    like: str | None = None
    device: str | None = None
    input_bytes: int | None = None
    local_time: str | None = None
    windows: list[Window] = field(default_factory=list)
    is_printed: bool = False
    is_accuracy: bool = False
    median_per_s: float | None = None
    top1: float | None = None
    auc: float | None = None
    answers: list[Answer] = field(default_factory=list)
    energy: list[Energy] = field(default_factory=list)
    median_uj: float | None = None
    has_power_samples: bool = False
    said: list[str] = field(default_factory=list)
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        """Look where the file lies."""
        self.place = place_of(self.source.path)

    @property
    def task(self) -> str | None:
        """The model's id: as the file names it, else the folder, else as its contents look."""
        return self.model or self.place.task or self.like

    @property
    def performance(self) -> list[Window]:
        """The windows that are long enough to be performance."""
        is_accuracy = self.is_accuracy or self.top1 is not None or self.place.mode == "accuracy"
        return [
            each
            for each in self.windows
            if each.is_performance and not (is_accuracy and each.inferences < MIN_INFERENCES)
        ]

    @property
    def is_of_energy(self) -> bool:
        """Whether power was measured: then the link was slower, and the windows are not those of performance."""
        return self.place.mode == "energy" or bool(self.energy) or self.median_uj is not None

    @property
    def says_something(self) -> bool:
        """Whether there is a result in it."""
        has_quality = self.top1 is not None or self.auc is not None or are_a_set(self.answers)
        has_energy = bool(self.energy) or self.median_uj is not None
        return bool(self.performance) or self.median_per_s is not None or has_quality or has_energy


@dataclass
class _Unit:
    """The pieces of one measurement, and the host that they are of."""

    members: list[Piece]
    name: str
    name_from: str

    @property
    def sources(self) -> list[Source]:
        """The files, each once."""
        return list({each.source.sha256: each.source for each in self.members}.values())

    @property
    def contents(self) -> tuple[str, ...]:
        """What tells a copy of the measurement from another one."""
        return (self.name, *sorted(each.sha256 for each in self.sources))


def assemble(
    pieces: list[Piece], host: str | None, problems: list[Problem], warnings: list[Problem]
) -> list[Record]:
    """Put pieces together and return a record for each measured series of windows.

    Pieces of other models than kws01 become problems. ``host`` names the host of all; without it, systems of one
    name get different ones, with a warning.
    """
    measurements: dict[tuple[str, str], list[Piece]] = {}
    for piece in pieces:
        measurements.setdefault(piece.place.measurement, []).append(piece)
    units: list[_Unit] = []
    for members in measurements.values():
        task = next((each.model for each in members if each.model), None) or next(
            (each.task for each in members if each.task), None
        )
        if task not in (None, MODEL):
            for path in dict.fromkeys(each.source.path for each in members):
                # It needs no other message, such as one of a line that only its own task's readers understand.
                problems[:] = [each for each in problems if not _is_of(each, path)]
                problems.append(
                    Problem(
                        str(path),
                        f"a measurement of the model {text.one_line(str(task))}; only {MODEL} can be imported",
                        "Name other files, or ignore this message.",
                        "model-unsupported",
                    )
                )
        elif any(each.says_something for each in members):
            units.append(_Unit(members, *((host, "given with --host") if host else _host_of(members))))
        else:
            problems += [_without_result(each) for each in members]
    units = _without_copies(units, warnings)
    if host is None:
        _tell_apart(units, warnings)
    return _numbered(units)


def _is_of(problem: Problem, path: Path) -> bool:
    return problem.where == str(path) or problem.where.startswith(f"{path}:")


def _without_result(piece: Piece) -> Problem:
    if piece.has_power_samples:
        return Problem(
            str(piece.source.path),
            "samples of energy without a unit",
            "Name the results.txt in the same folder, which has the energies.",
            "energy-unit-missing",
        )
    if piece.windows:
        return Problem(
            str(piece.source.path),
            f"its windows are below the minimum of {WINDOW_S:g} s or {MIN_INFERENCES} inferences, so they are "
            "not performance results",
            "Name the log of a run in performance mode, or of a complete one in accuracy mode.",
            "windows-too-short",
        )
    return Problem(
        str(piece.source.path),
        "contains no window, accuracy or energy",
        "Name the log of a complete run.",
        "result-missing",
    )


def _host_of(members: list[Piece]) -> tuple[str, str]:
    place = members[0].place
    if place.system:
        return place.system, "the folder of the system"
    for piece in members:
        name = host_name(piece.device or "")
        if name.lower() not in _UNTOLD_NAMES:
            return name, "the name that the device reported"
    return fallback_name(place)


def _without_copies(units: list[_Unit], warnings: list[Problem]) -> list[_Unit]:
    """Return the units without those that are copies of others: a system that was submitted again, for example."""
    kept: dict[tuple[str, ...], _Unit] = {}
    for unit in units:
        first = kept.setdefault(unit.contents, unit)
        if first is not unit:
            warnings.append(
                Problem(
                    unit.members[0].place.measurement[0],
                    f"the same files as in {first.members[0].place.measurement[0]}, imported once",
                    "No action is needed.",
                    "measurement-copied",
                )
            )
    return list(kept.values())


def _tell_apart(units: Iterable[_Unit], warnings: list[Problem]) -> None:
    by_name: dict[str, dict[Path, list[_Unit]]] = {}
    for unit in units:
        by_name.setdefault(unit.name, {}).setdefault(unit.members[0].place.folder, []).append(unit)
    for name, by_folder in by_name.items():
        if len(by_folder) == 1:
            continue
        names = distinct(name, by_folder)
        for folder, members in by_folder.items():
            for unit in members:
                unit.name = names[folder]
                unit.name_from += ", with that of a folder above it: other systems have the same name"
        warnings.append(
            Problem(
                name,
                f"{len(names)} systems have this name, but results of different systems must not be averaged. Their "
                "hosts are called "
                + ", ".join(
                    f"{each} ({folder})" for folder, each in sorted(names.items(), key=lambda it: it[1])
                ),
                "For other names, import each folder by itself with --host NAME.",
                "host-shared",
            )
        )


def _records(unit: _Unit) -> list[Record]:
    members = unit.members
    inferred = {
        "host": unit.name_from,
        "options": "the rules of the benchmark",
        "repeat": "the order of the files",
    }
    if not any(each.model for each in members):
        inferred["model.id"] = (
            "the name of the folder"
            if members[0].place.task
            else "nothing else is imported; the files do not name their model"
        )
    warnings = [
        f"the runner said{' in energy mode' if each.is_of_energy else ''}: {said}"
        for each in members
        for said in each.said
    ]
    quality = _quality(members, warnings)
    return [
        _record(unit, windows, quality, number, dict(inferred), list(warnings))
        for number, windows in enumerate(_series(members, warnings) or [[]], 1)
    ]


def _series(members: list[Piece], warnings: list[str]) -> list[list[Window]]:
    """Return the measured series of windows, each once, though a session and its results both tell it.

    The runner's results say what was measured: a series of a session that they do not have is left out, with a
    warning. A folder of performance mode has the results of one run.
    """
    timed = [each for each in members if each.performance and not each.is_of_energy]
    timed = [each for each in timed if each.place.mode == "performance"] or timed
    if not timed:
        timed = [each for each in members if each.performance]
        if timed:
            warnings.append("the windows are those of energy mode; the files have none of performance mode")
    folders: dict[Path, list[Piece]] = {}
    for piece in timed:
        folders.setdefault(piece.source.path.parent, []).append(piece)
    return [windows for pieces in folders.values() for windows in _series_of_folder(pieces, warnings)]


@dataclass
class _Series:
    windows: list[Window]
    is_printed: bool = False
    medians: list[float] = field(default_factory=list)

    @property
    def has_printed_median(self) -> bool:
        here = float(np.median([each.throughput_per_s for each in self.windows]))
        return any(_same_rate(here, each) for each in self.medians)


def _series_of_folder(pieces: list[Piece], warnings: list[str]) -> list[list[Window]]:
    found: list[_Series] = []
    # The whole before what a torn file has of it; windows in microseconds before those with three decimals.
    for piece in sorted(pieces, key=lambda each: (-len(each.performance), _rounded(each.performance))):
        series = next((each for each in found if _is_part(piece.performance, each.windows)), None)
        if series is None:
            found.append(series := _Series(piece.performance))
        series.is_printed = series.is_printed or piece.is_printed
        series.medians += [each.median_per_s for each in pieces if each.median_per_s is not None]
    kept = [each for each in found if each.is_printed] or found
    if kept[0].is_printed and pieces[0].place.mode:
        kept = sorted(kept, key=lambda each: not each.has_printed_median)[:1]
    warnings += [
        f"a session with {text.plural(len(each.windows), 'window')} is left out: the printed results are of another"
        for each in found
        if not any(each is other for other in kept)
    ]
    return [each.windows for each in kept]


def _is_part(windows: list[Window], of: list[Window]) -> bool:
    """Say whether ``windows`` are some of those ``of`` a series, in their order."""
    rest = iter(of)
    return all(any(each.agrees(other) for other in rest) for each in windows)


def _same_rate(one: float, other: float) -> bool:
    """Say whether two rates are the same, one of them from windows with three decimals."""
    return abs(one - other) <= max(0.001, 1e-4 * other)


def _rounded(windows: list[Window]) -> int:
    """Return how many have a time of three decimals."""
    return sum(round(each.wall_s, 3) == each.wall_s for each in windows)


def _record(
    unit: _Unit,
    windows: list[Window],
    quality: Quality,
    repeat: int,
    inferred: dict[str, str],
    warnings: list[str],
) -> Record:
    members, sources = unit.members, unit.sources
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
    medians = [each for each in members if each.median_per_s is not None]
    # That of performance mode where there are both.
    median = min(medians, key=lambda each: each.is_of_energy).median_per_s if medians else None
    throughput = median
    if windows:
        computed = float(np.median([each.throughput_per_s for each in windows]))
        inferred["latency.mean_us"] = "the windows: one inference after the other"
        agree = median is not None and _same_rate(computed, median)
        if median is not None and not agree:
            warnings.append(
                f"the median of the windows, {computed:.3f}/s, is not the printed one, {median:.3f}/s"
            )
        # The runner had more decimals than it printed of windows.
        throughput = median if agree and _rounded(windows) == len(windows) else computed
    precision = _PRECISION_BY_BYTES.get(
        next((each.input_bytes for each in members if each.input_bytes is not None), 0)
    )
    if precision:
        inferred["model.precision"] = "the size of the inputs that were sent"
    elif members[0].place.precision:
        precision = members[0].place.precision
        inferred["model.precision"] = "the name of the model's folder"
    energy = _energy(members)
    record = {
        **records.common("inference", "MLPerf-Tiny", unit.name, sources),
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
    return len(windows) == WINDOWS and all(
        each.wall_s >= WINDOW_S and each.inferences >= MIN_INFERENCES for each in windows
    )


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


def _numbered(units: Iterable[_Unit]) -> list[Record]:
    """Return the records, those of one host and model with different repeats, those of other models with other runs.

    Two precisions or other forms of a model on one device are two measurements, not repeats of one.
    """
    made = [(unit.members[0].place.model, record) for unit in units for record in _records(unit)]
    forms: dict[tuple[str, str | None], set[str | None]] = {}
    for model, record in made:
        forms.setdefault((record["host"], record["model"]["precision"]), set()).add(model)
    taken: dict[tuple[str, str], int] = {}
    for model, record in made:
        precision = record["model"]["precision"]
        parts = [record["run_id"], precision or ""]
        if len(forms[record["host"], precision]) > 1:
            parts.append(host_name(model or ""))
        record["run_id"] = host_name("-".join(filter(None, parts))[:64])
        key = (record["host"], record["run_id"])
        taken[key] = record["repeat"] = taken.get(key, 0) + 1
    return [record for _, record in made]


def _quality(members: list[Piece], warnings: list[str]) -> Quality:
    printed_top1 = next((each.top1 for each in members if each.top1 is not None), None)
    printed_auc = next((each.auc for each in members if each.auc is not None), None)
    answers = max((each.answers for each in members), key=len)
    if not are_a_set(answers):
        return Quality(top1=printed_top1, auc=printed_auc)
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
