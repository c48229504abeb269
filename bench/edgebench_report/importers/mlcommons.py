"""Files of MLCommons' own runner for MLPerf Tiny: ``results.txt``, ``results.json`` and its session log."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from edgebench_report import text
from edgebench_report.importers.eembc import Reader
from edgebench_report.importers.measurement import LABELS, MIN_INFERENCES, Answer, Piece, Window
from edgebench_report.importers.source import NOT_A_LOG, Source
from edgebench_report.load import Problem

TEXT_FORM = "MLCommons runner text"
JSON_FORM = "MLCommons runner results.json"

_SIGNS = re.compile(
    r"top 1% =|power edition output|energy data for trial|device (?:model|name) retrieved:"
    r"|session logged in file|per inference: time =|\d+ iterations\. elapsed time =|m-results    :",
    re.IGNORECASE,
)
_MODEL_BY_CLASSES = {2: "vww01", 10: "ic01", 12: "kws01"}


def is_json(source: Source) -> bool:
    """Say whether a file may be a results.json; what is wrong with it is told when it is read."""
    return source.path.suffix.lower() == ".json" and source.lines[0].lstrip().startswith(("[", "{"))


def is_text(source: Source) -> bool:
    """Say whether a file is a text of the runner."""
    return any(_SIGNS.search(each) for each in source.lines)


def read_text(source: Source, problems: list[Problem]) -> list[Piece]:
    """Return what results.txt or a session log says."""
    return _Reader(source, TEXT_FORM, problems).read()


class _Reader(Reader):
    """What the runner took over from EEMBC's, and lines of its own."""

    def rules(self) -> list[tuple[str, Callable[["re.Match[str]"], None]]]:
        number = r"([\d.,eE+-]+)"
        return [
            (r".*device model retrieved: (\w+)()", self._model),
            (r".*device name retrieved: (.*)", self._name),
            (r"loading file .*?true class\s*=\s*(\d+)", self._truth),
            (r"results = \[([^\]]*)\]", self._results),
            (r"energy data for trial", lambda match: self.add_energy()),
            (r"elapsed time\s*:\s*([\d.,]+)", self._energy_part("wall_s")),
            (r"power\s*:(.*?)mW\.?$", self._energy_part("power_uw", 1e3)),
            (r"total energy\s*:(.*?)uJ$", self._energy_part("energy_uj")),
            (rf"\d+ iterations\. elapsed time = {number},\s*total energy = {number}", self._old_energy),
            (rf"per inference: time = {number},\s*energy = {number}", self._old_cost),
            (rf"average power = {number} ?mW", self._energy_part("power_uw", 1e3)),
            *super().rules(),
        ]

    def _old_energy(self, match: "re.Match[str]") -> None:
        self.add_energy()
        self._keep("wall_s", match[1], 1.0)
        self._keep("energy_uj", match[2], 1e6)

    def _old_cost(self, match: "re.Match[str]") -> None:
        self._keep("uj_per_inference", match[2], 1e6)

    def _keep(self, name: str, written: str, scale: float) -> None:
        try:
            value = float(written)
        except ValueError:
            self.invalid(name, "a number")
            return
        if self._energy is not None and value >= 0:
            self._energy[name] = value * scale


def read_json(source: Source, problems: list[Problem]) -> list[Piece]:
    """Return what results.json says: windows in performance mode, answers in accuracy mode."""
    try:
        entries = json.loads("\n".join(source.lines), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as failure:
        line = getattr(failure, "lineno", 1)
        what = f"not JSON ({text.shorten(text.one_line(str(failure)), 120)})"
        problems.append(Problem(source.at(line), what, NOT_A_LOG, "file-not-json"))
        return []
    entries = [entries] if isinstance(entries, dict) else entries
    if not isinstance(entries, list) or not any(
        isinstance(each, dict) and "infer" in each for each in entries
    ):
        problems.append(
            Problem(str(source.path), "contains no results of a runner", NOT_A_LOG, "results-missing")
        )
        return []
    piece = Piece(source, JSON_FORM)
    for number, entry in enumerate(entries, 1):
        try:
            _take(piece, entry)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as failure:
            said = f"{type(failure).__name__}: {failure}"
            problems.append(
                Problem(
                    f"{source.path}: entry {number}",
                    f"invalid entry ({said})",
                    "Correct it and rerun the import, or do without it.",
                    "entry-invalid",
                )
            )
    if (
        not piece.windows
        and not piece.answers
        and any("power" in each for each in entries if isinstance(each, dict))
    ):
        problems.append(
            Problem(
                str(source.path),
                "samples of energy without a unit",
                "Name the results.txt in the same folder, which has the energies.",
                "energy-unit-missing",
            )
        )
        return []
    return [piece]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _finite(value: Any) -> float:
    # 1e999 is JSON, and infinity once it is read.
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is too large")
    return number


def _take(piece: Piece, entry: dict[str, Any]) -> None:
    if entry.get("error"):
        piece.warnings.append(f"the runner said: {text.one_line(str(entry['error']))}")
        return
    infer = entry["infer"]
    if "classes" in entry and entry["classes"] is not None:
        classes = int(entry["classes"])
        piece.model = _MODEL_BY_CLASSES.get(classes, f"of {classes} classes")
    inferences = int(infer.get("iterations", infer.get("total_inferences", 0)))
    elapsed_us = infer.get("elapsed_time")
    is_window = entry.get("mode", "p") == "p" and inferences >= MIN_INFERENCES and "power" not in entry
    if is_window and elapsed_us is not None:
        if not _finite(elapsed_us) > 0:
            raise ValueError(f"elapsed_time is {elapsed_us} µs")
        piece.windows.append(Window(inferences, _finite(elapsed_us) / 1e6))
    outputs = tuple(_finite(each) for each in infer["results"])
    if entry.get("class") is not None and len(outputs) == len(LABELS):
        piece.answers.append(Answer(int(entry["class"]), outputs))
