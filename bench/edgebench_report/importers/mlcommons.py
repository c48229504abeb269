"""Files of MLCommons' own runner for MLPerf Tiny: ``results.txt``, ``results.json`` and its session log."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from edgebench_report import text
from edgebench_report.importers.eembc import Reader
from edgebench_report.importers.measurement import MOST, Piece, Window
from edgebench_report.importers.quality import LABELS, Answer
from edgebench_report.importers.source import NOT_A_LOG, Source
from edgebench_report.load import Problem

TEXT_FORM = "MLCommons runner text"
JSON_FORM = "MLCommons runner results.json"

_SIGNS = re.compile(
    r"top 1% =|power edition output|energy data for trial|device (?:model|name) retrieved:"
    r"|session logged in file|per inference: time =|\d+ iterations\. elapsed time =|m-results    :"
    r"|logging initialized\. writing output|\d{4}\.\d{6} ulp-mlperf:",
    re.IGNORECASE,
)
# As results.json has them, and as results.txt does.
_ERRORS = {
    "error 1": "ERROR 1 - loop_count was not exactly 5.",
    "error 2": "ERROR 2 - loop exited before 10 seconds elapsed.",
}
# By the number of outputs.
_MODELS = {1: "ad01", 2: "vww01", 10: "ic01", 12: "kws01"}


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
            (r"loading file \S*?_(\d+)\.bin", self._truth),
            (r"results = \[([^\]]*)\]", self._results),
            (r"m-results\s*: \[([^\]]*)\]", self._results),
            (r"no loop count specified", self._accuracy),
            (r"logging initialized\..*?(\d{8})_(\d{6})[\\/]", self._begin),
            (r"energy data for trial", lambda match: self.add_energy()),
            (r"elapsed time\s*:\s*([\d.,]+)", self._energy_part("wall_s")),
            (r"power\s*:(.*?)mW\.?$", self._energy_part("power_uw", 1e3)),
            (r"total energy\s*:(.*?)uJ$", self._energy_part("energy_uj")),
            (rf"\d+ iterations\. elapsed time = {number},\s*total energy = {number}", self._old_energy),
            (rf"per inference: time = {number},\s*energy = {number}", self._old_cost),
            (rf"average power = {number} ?mW", self._energy_part("power_uw", 1e3)),
            *super().rules(),
        ]

    def _begin(self, match: "re.Match[str]") -> None:
        day, hour = match[1], match[2]
        self.piece.local_time = f"{day[:4]}-{day[4:6]}-{day[6:]}T{hour[:2]}:{hour[2:4]}:{hour[4:]}"

    def _old_energy(self, match: "re.Match[str]") -> None:
        self.add_energy()
        self._keep("wall_s", match[1], 1.0)
        self._keep("energy_uj", match[2], 1e6)

    def _old_cost(self, match: "re.Match[str]") -> None:
        self._keep("uj_per_inference", match[2], 1e6)

    def _keep(self, name: str, written: str, scale: float) -> None:
        try:
            value = self.possible(float(written), name, scale)
        except ValueError:
            self.invalid(name, "a number")
            return
        if self._energy is not None and value is not None:
            self._energy[name] = value


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
    piece = Piece(source, JSON_FORM, is_printed=True)
    for number, entry in enumerate(entries, 1):
        try:
            _take(piece, entry)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as failure:
            said = f"{type(failure).__name__}: {failure}"
            problems.append(
                Problem(
                    f"{source.path}: entry {number}",
                    f"invalid entry ({said})",
                    "Correct it and rerun the import, or ignore this message.",
                    "entry-invalid",
                )
            )
    return [piece]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(value: Any) -> float:
    # 1e999 is JSON, and infinity once it is read.
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is too large")
    return number


def _take(piece: Piece, entry: dict[str, Any]) -> None:
    if entry.get("error"):
        said = text.shorten(text.one_line(str(entry["error"])), 200)
        piece.said.append(_ERRORS.get(said, said))
        return
    infer = entry["infer"]
    if "detections" in infer:
        piece.like = "sww01"
        return
    piece.has_power_samples = piece.has_power_samples or "power" in entry
    piece.is_accuracy = piece.is_accuracy or entry.get("mode") == "a"
    inferences = int(infer.get("iterations", infer.get("total_inferences", 0)))
    elapsed_us = infer.get("elapsed_time")
    if elapsed_us is not None and entry.get("mode", "p") == "p" and "power" not in entry:
        wall_s = _finite(elapsed_us) / 1e6
        if not 0 < wall_s <= MOST["wall_s"]:
            raise ValueError(f"elapsed_time is {elapsed_us} µs")
        if not 0 < inferences <= MOST["inferences"]:
            raise ValueError(f"iterations are {inferences}")
        piece.windows.append(Window(inferences, wall_s))
    outputs = tuple(_finite(each) for each in infer["results"])
    piece.like = _MODELS.get(len(outputs), f"of {len(outputs)} classes")
    if entry.get("class") is not None and len(outputs) == len(LABELS):
        piece.answers.append(Answer(int(entry["class"]), outputs))
