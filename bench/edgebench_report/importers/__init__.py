"""Turns logs of other programs into records: recognises the kind of each file and reads it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edgebench_report.errors import ReportError
from edgebench_report.importers import dlbench, eembc, mlcommons
from edgebench_report.importers.measurement import Piece, assemble
from edgebench_report.importers.source import NOT_A_LOG, Source, read_source
from edgebench_report.load import Problem, Record, unreadable

_ENDINGS = (".log", ".txt", ".json")


@dataclass(frozen=True)
class Imported:
    """Records, hosts first, of ``used`` of the ``files`` that were read; what was left out; what to know of them."""

    records: list[Record]
    problems: list[Problem]
    warnings: list[Problem]
    files: list[Path]
    used: int


def read(paths: Iterable[Path], host: str | None = None) -> Imported:
    """Read logs: files, and in folders all that end in .log, .txt or .json.

    ``host`` names the host of all. Raises ReportError for a path that does not exist and for logs of several
    machines with one ``host``; anything else is a Problem in the result.
    """
    problems: list[Problem] = []
    files = _files(paths, problems)
    logs: list[Source] = []
    pieces: list[Piece] = []
    for path in files:
        source = read_source(path)
        if isinstance(source, Problem):
            problems.append(source)
        elif mlcommons.is_json(source):
            pieces += mlcommons.read_json(source, problems)
        elif mlcommons.is_text(source):
            pieces += mlcommons.read_text(source, problems)
        elif eembc.is_log(source):
            pieces += eembc.read(source, problems)
        elif dlbench.is_log(source):
            logs.append(source)
        else:
            kinds = "DL-Benchmarks, the EEMBC runner or the MLCommons runner"
            problems.append(Problem(str(path), f"not a log of {kinds}", NOT_A_LOG, "log-unknown"))
    read_logs = dlbench.read(logs, host)
    problems += read_logs.problems
    warnings: list[Problem] = []
    found = [*read_logs.records, *assemble(pieces, host, problems, warnings)]
    used = {each["sha256"] for record in found for each in record["imported"]["files"]}
    return Imported(found, _once(problems, files), warnings, files, len(used))


def _once(problems: list[Problem], files: list[Path]) -> list[Problem]:
    """Return one problem for each kind and file: the first, which tells how many there are like it."""
    names = {str(each) for each in files}
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        # "file", "file:line" or "file: entry 3".
        name = problem.where if problem.where in names else problem.where.rpartition(":")[0]
        kinds.setdefault((name or problem.where, problem.code), []).append(problem)
    return [
        first if not more else replace(first, what=f"{first.what}, and {len(more)} more like it in the file")
        for first, *more in kinds.values()
    ]


def _files(paths: Iterable[Path], problems: list[Problem]) -> list[Path]:
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise ReportError(
                f"{path}: no such file or folder. Name logs, or folders that contain some.", "path-missing"
            )
        inside = _below(path, problems) if path.is_dir() else [path]
        if not inside:
            said = "contains no .log, .txt or .json file"
            problems.append(Problem(str(path), said, "Name another folder.", "folder-empty"))
        for each in inside:
            found.setdefault(each.resolve(), each)
    return sorted(found.values(), key=str)


def _below(folder: Path, problems: list[Problem]) -> list[Path]:
    def note(failure: OSError) -> None:
        problems.append(unreadable(str(failure.filename), failure))

    return [
        Path(parent, name)
        for parent, _, names in os.walk(folder, onerror=note)
        for name in names
        if name.lower().endswith(_ENDINGS) and not name.startswith(".")
    ]
