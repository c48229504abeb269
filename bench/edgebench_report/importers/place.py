"""What the folders of a file say about a measurement: its system, task and mode; and names for the systems.

Two layouts are known: that of submissions, ``results/<system>/<task>/[<model>/]<mode>/`` (directory_structure.adoc
of the results repositories), and that of the MLCommons runner, ``sessions/<time>/``.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgebench_report.importers.source import host_name

# Folders of tasks, as submission_checker.py of mlcommons/tiny and the submissions call them.
_TASKS = {
    "ad": "ad01",
    "anomaly_detection": "ad01",
    "ic": "ic01",
    "ic2": "ic02",
    "image_classification": "ic01",
    "kws": "kws01",
    "keyword_spotting": "kws01",
    "sww": "sww01",
    "streaming_wakeword": "sww01",
    "streaming_wakeword_detection": "sww01",
    "vww": "vww01",
    "visual_wake_words": "vww01",
    "person_detection": "vww01",
    "ad01": "ad01",
    "ic01": "ic01",
    "ic02": "ic02",
    "kws01": "kws01",
    "sww01": "sww01",
    "vww01": "vww01",
}
_PRECISION = r"u?int8|fp(?:16|32)|float(?:16|32)?|f32|quant\w*"
_OF_A_MODEL = re.compile(rf"(ad|ic|kws|sww|vww)[_-](?:{_PRECISION}|ref\w*)$")
_PRECISION_OF_FOLDER = re.compile(r"(?:^|[_-])(?:(int8)|(fp32|float(?:32)?|f32))(?=$|[_-])", re.IGNORECASE)
_MODES = {
    "performance": "performance",
    "perf": "performance",
    "accuracy": "accuracy",
    "acc": "accuracy",
    "energy": "energy",
    "power": "energy",
}
# Between a mode and its files: the runner's session, or a numbered run.
_RUN = re.compile(r"\d{8}[_T-]\d{6}$|run[_-]?\d+$")

_MODE_WORD = r"performance|accuracy|energy|power|perf|acc|log|logs|results?|session"
_MODE_WORDS = re.compile(rf"(?:^|[._\-\s])(?:{_MODE_WORD})(?=$|[._\-\s])", re.IGNORECASE)
# Where a search for the folder of the system ends.
_TOP = re.compile(r"(?:results?|closed|open|sessions|tmp)$", re.IGNORECASE)
# Folders that are not a system's, though they contain those of tasks or modes.
_NO_SYSTEM = re.compile(
    rf"(?:{_MODE_WORD}|{_PRECISION}|\d{{6,}}[\d_\-T]*)$|(?:{_TOP.pattern})", re.IGNORECASE
)
# Names of folders and files that say nothing about a machine.
_IDLE = re.compile(rf"(?:kws\w*|datasets|\d[\d_\-T]*|\.)$|(?:{_NO_SYSTEM.pattern})", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where a file lies.

    ``measurement`` is the same for all files of one measurement. ``folder`` is that of the system: what lies in
    another is of another system. ``system`` is its name as that of a host, or None where the folders tell none.
    ``model`` is the folder of the model, between task and mode, where there is one.
    """

    measurement: tuple[str, str]
    folder: Path
    system: str | None
    task: str | None
    mode: str | None
    model: str | None = None

    @property
    def precision(self) -> str | None:
        """The precision that the folder of the model names."""
        match = _PRECISION_OF_FOLDER.search(self.model or "")
        return None if match is None else "int8" if match[1] else "float32"


def place_of(path: Path) -> Place:
    """Return what the folders of ``path`` say; the nearest ones count."""
    # Without "..", but links are not followed: where they are counts, and not what they lead to.
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100
    if _RUN.match(folder.name) and folder.parent.name.lower() in _MODES:
        folder = folder.parent
    mode = _MODES.get(folder.name.lower())
    measured = folder.parent if mode else folder
    task_folder, task = _task(measured)
    if task_folder is not None:
        system = task_folder.parent
        while _NO_SYSTEM.match(system.name) and not _TOP.match(system.name) and system.parent != system:
            system = system.parent
        model = measured.name if measured != task_folder or _OF_A_MODEL.match(measured.name.lower()) else None
        stem = "" if mode else _stem(path)
        return Place((str(measured), stem), system, _name(system), task, mode, model)
    if mode:
        return Place((str(measured), _stem(path)), measured, _name(measured), None, mode)
    root = folder
    while root.parent != root and _IDLE.match(root.name):
        root = root.parent
    return Place((str(folder), _stem(path)), root, None, None, None)


def _task(measured: Path) -> tuple[Path | None, str | None]:
    # A folder of the model may lie between: kws/kws_int8/performance, ad/AD08/power.
    for folder in (measured, measured.parent):
        task = _TASKS.get(folder.name.lower())
        if task:
            return folder, task
    match = _OF_A_MODEL.match(measured.name.lower())
    return (measured, _TASKS[match[1]]) if match else (None, None)


def _name(folder: Path) -> str | None:
    return None if _NO_SYSTEM.match(folder.name) else host_name(folder.name) or None


def _stem(path: Path) -> str:
    stem = path.name.split(".")[0] if path.name.startswith(".") else path.stem
    previous = None
    while previous != stem:
        previous, stem = stem, _MODE_WORDS.sub("", stem)
    return stem.strip("._- ")


def fallback_name(place: Place) -> tuple[str, str]:
    """Return a name for the host of a measurement that neither layout nor device names, and where it is from."""
    measured, stem = place.measurement
    if host_name(stem) and not _IDLE.match(stem):
        return host_name(stem), "the name of the file"
    for each in [Path(measured), *Path(measured).parents]:
        if host_name(each.name) and not _IDLE.match(each.name) and _task(each)[0] != each:
            return host_name(each.name), "the name of the folder"
    return "imported", "nothing: name the host by --host"


def distinct(name: str, folders: Iterable[Path]) -> dict[Path, str]:
    """Return a name for each of several systems of one name: with the folders above that tell them apart."""
    above = {}
    for folder in sorted(folders):
        levels = [each.name for each in (folder, *folder.parents) if each.name.lower() != "results"]
        above[folder] = levels[1:] if host_name(folder.name) == name else levels
    names = dict.fromkeys(above, name)
    for level in range(max(map(len, above.values()))):
        if len(set(names.values())) == len(names):
            break
        parts = {folder: levels[level] if level < len(levels) else "" for folder, levels in above.items()}
        if len(set(parts.values())) > 1:
            names = {folder: host_name(f"{names[folder]}-{part}") for folder, part in parts.items()}
    taken: dict[str, int] = {}
    for folder, each in names.items():
        taken[each] = taken.get(each, 0) + 1
        names[folder] = each if taken[each] == 1 else f"{each}-{taken[each]}"
    return names
