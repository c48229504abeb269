"""Reads records: every good line is used, every bad one is named with what to do about it."""

import functools
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastjsonschema
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from edgebench_report import text
from edgebench_report.errors import ReportError, with_code

SCHEMA_FILE = Path(__file__).resolve().parents[1] / "edgebench" / "record.schema.json"
# HOST.telemetry beside HOST.jsonl.
SERIES_FOLDER = ".telemetry"
# What `edgebench roofline --json` wrote, kept beside records.
SURVEY_ENDING = ".roofline.json"
# A record has some kilobytes; what is beyond this is none, and must not fill the memory.
MAX_LINE_BYTES = 8 * 2**20
# So many lines of a file that are no records are named; saying what is wrong takes longer than seeing that it is.
MAX_NAMED = 100
Record = dict[str, Any]

DISTINCT_RUN_IDS = "Give each run a `--run-id` of its own."
RECORDED_TWICE = "attempt-recorded-twice"

_FAILURE = ".problem.txt"
_MOST_SAID = 2000
_NOT_OURS = "If this is not a records file of edgebench, move it out of the folder or name other files."


@dataclass(frozen=True)
class Problem:
    """Something that was left out: where (``file:line`` or a path), what was wrong, what to do.

    ``code`` identifies the kind of problem for scripts and tests ("line-torn").
    """

    where: str
    what: str
    remedy: str
    code: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"

    @property
    def message(self) -> str:
        """The problem as commands print it: on one line, with its code."""
        return str(with_code(text.one_line(str(self)), self.code))


@dataclass
class Loaded:
    """What was read.

    ``runs`` are the records of trainings that count, ``inferences`` those of inference, ``superseded`` the
    earlier attempts of retried ones of both kinds, ``explanations`` the newest of each, ``hosts`` the host
    records; ``origin`` gives ``file:line`` of a record by its ``id()``. ``failures`` are what playbooks noted
    of hosts that failed or could not be reached, as (run id, host, what was said).
    """

    hosts: list[Record] = field(default_factory=list)
    runs: list[Record] = field(default_factory=list)
    inferences: list[Record] = field(default_factory=list)
    explanations: list[Record] = field(default_factory=list)
    superseded: list[Record] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    duplicates: int = 0
    origin: dict[int, str] = field(default_factory=dict)
    failures: list[tuple[str, str, str]] = field(default_factory=list)


def load(paths: Sequence[Path], max_hosts: int | None = None) -> Loaded:
    """Read records from files, and from all ``.jsonl`` files in and below folders but for series of telemetry.

    Raises ReportError when a path does not exist, when there are more than ``max_hosts`` hosts, or when nothing at
    all can be read; anything less than that is a Problem in the result.
    """
    names: set[str] = set()
    loaded = Loaded()
    validator = Validator()
    for path, _ in files(paths, loaded.problems):
        loaded.files.append(str(path))
        names |= _read_file(path, validator, loaded)
        if max_hosts is not None and len(names) > max_hosts:
            raise ReportError(
                f"the records are of more than {max_hosts} hosts, too many for one page. Name fewer files, or "
                "run `edgebench-report aggregate`, which summarises any number of hosts.",
                "hosts-too-many",
            )
    loaded.failures = _failures(paths)
    loaded.hosts = _counted_once(loaded.hosts, loaded)
    loaded.runs = _newest_attempts(_without_duplicates(loaded.runs, loaded), loaded)
    loaded.inferences = _newest_attempts(_without_duplicates(loaded.inferences, loaded), loaded)
    loaded.explanations = _newest_explanations(_counted_once(loaded.explanations, loaded))
    if not loaded.runs and not loaded.inferences and not loaded.explanations:
        raise nothing_read(loaded)
    return loaded


def files(
    paths: Iterable[Path], problems: list[Problem], suffixes: tuple[str, ...] = (".jsonl",)
) -> list[tuple[Path, int]]:
    """Return the files that ``paths`` name, and those with one of ``suffixes`` in and below folders, each once.

    They are in order, with their sizes in bytes. Raises ReportError where a path does not exist; what cannot be read
    becomes a Problem.
    """
    found: dict[tuple[str, str], tuple[Path, int]] = {}
    # Asked once for each folder, not for each of ten thousand files.
    real_folder = functools.cache(os.path.realpath)
    for path in paths:
        if not path.exists():
            raise ReportError(
                f"{path}: no such file or folder. Name .jsonl files, or folders that contain some.",
                "path-missing",
            )
        inside = _below(path, suffixes, problems) if path.is_dir() else [path]
        if path.name.endswith(SURVEY_ENDING) and not path.is_dir():
            continue
        if not inside:
            problems.append(
                Problem(
                    str(path),
                    f"contains no {' or '.join(suffixes)} file",
                    "Run `edgebench run` first, or `ansible-playbook collect.yml`.",
                    "folder-empty",
                )
            )
        for each in inside:
            if (regular := _regular(each, problems)) is not None:
                place, size = regular
                folder, name = os.path.split(place)
                found.setdefault((real_folder(folder), name), (each, size))
    return sorted(found.values(), key=lambda one: str(one[0]))


def _failures(paths: Sequence[Path]) -> list[tuple[str, str, str]]:
    """Return what stands in the files RUN_ID/HOST.problem.txt below the folders."""
    found = {}
    for folder in paths:
        for path in sorted(folder.rglob(f"*{_FAILURE}")) if folder.is_dir() else []:
            try:
                # A pipe of this name would be waited for.
                if not path.is_file():
                    continue
                with path.open(encoding="utf-8", errors="replace") as handle:
                    said = handle.read(_MOST_SAID)
            except OSError:
                continue
            host = path.name.removesuffix(_FAILURE)
            run_id = path.resolve().parent.name
            found[path.resolve()] = (text.one_line(run_id), text.one_line(host), text.one_line(said))
    return list(found.values())


def _regular(path: Path, problems: list[Problem]) -> tuple[str, int] | None:
    """Return where the regular file lies that a path is or links to, and its bytes; any other is a Problem."""
    place = str(path)
    try:
        # Of ten thousand files few are links: only they are asked twice.
        status = os.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            place = os.path.realpath(place)
            status = Path(place).stat()
    except OSError as failure:
        problems.append(unreadable(str(path), failure))
        return None
    # A pipe or a device would keep its reader waiting for ever.
    if not stat.S_ISREG(status.st_mode):
        problems.append(Problem(str(path), "not a regular file", _NOT_OURS, "file-not-regular"))
        return None
    return place, status.st_size


def _below(folder: Path, suffixes: tuple[str, ...], problems: list[Problem]) -> list[Path]:
    def note(failure: OSError) -> None:
        problems.append(unreadable(str(failure.filename), failure))

    found = []
    for parent, folders, names in os.walk(folder, onerror=note):
        # Series of samples lie there, no records.
        folders[:] = [each for each in folders if not each.endswith(SERIES_FOLDER)]
        inside = Path(parent)
        found += [inside / name for name in names if name.endswith(suffixes)]
    return found


def unreadable(where: str, failure: OSError) -> Problem:
    """Return the problem of a file or folder that cannot be read."""
    return Problem(
        where,
        f"cannot be read ({failure.strerror or failure})",
        "Make it readable and rerun the command.",
        "file-unreadable",
    )


def _read_file(path: Path, validator: "Validator", loaded: Loaded) -> set[str]:
    hosts = set()
    kinds = {
        "host": loaded.hosts,
        "run": loaded.runs,
        "inference": loaded.inferences,
        "explanation": loaded.explanations,
    }
    for where, outcome in parsed(path, validator):
        if isinstance(outcome, Problem):
            loaded.problems.append(outcome)
        else:
            loaded.origin[id(outcome)] = where
            kinds[outcome["record"]].append(outcome)
            hosts.add(outcome["host"])
    return hosts


def parsed(path: Path, validator: "Validator") -> Iterator[tuple[str, Record | Problem]]:
    """Yield ``file:line`` and the valid record or the Problem for each line of a file that is not empty.

    Holds one line at a time, and reads no further than the file reached when it was opened. Of lines that are no
    records MAX_NAMED are named; how many more there are is the last Problem.
    """
    named = more = 0
    for where, line in _lines(path):
        if named == MAX_NAMED:
            if isinstance(line, Problem) or (record := validator.glance(line)) is None:
                more += 1
            else:
                yield where, record
            continue
        outcome = (
            line if isinstance(line, Problem) else parse(where, line, not line.endswith(b"\n"), validator)
        )
        named += isinstance(outcome, Problem)
        yield where, outcome
    if more:
        lines = text.plural(more, "more line")
        yield str(path), Problem(str(path), f"{lines} that cannot be used", _NOT_OURS, "more-unusable-lines")


def _lines(path: Path) -> Iterator[tuple[str, bytes | Problem]]:
    try:
        with path.open("rb") as handle:
            left = os.fstat(handle.fileno()).st_size
            number = 0
            while left > 0 and (line := handle.readline(min(left, MAX_LINE_BYTES + 1))):
                number += 1
                left -= len(line)
                length = len(line)
                where = f"{path}:{number}"
                while length > MAX_LINE_BYTES and left > 0 and not line.endswith(b"\n"):
                    if not (line := handle.readline(min(left, MAX_LINE_BYTES))):
                        break
                    left -= len(line)
                    length += len(line)
                if length > MAX_LINE_BYTES:
                    said = (
                        f"the line has {length} bytes, more than the {MAX_LINE_BYTES} that a record may have"
                    )
                    yield where, Problem(where, said, _NOT_OURS, "line-too-long")
                elif line.strip():
                    yield where, line
    except OSError as failure:
        yield str(path), unreadable(str(path), failure)


def parse(where: str, line: bytes, torn: bool, validator: "Validator") -> Record | Problem:
    """Return the record that a line holds, or what is wrong with it; a ``torn`` one has no newline at its end."""
    try:
        record = _decoded(line)
    except (ValueError, RecursionError) as failure:
        if torn:
            return Problem(
                where,
                "the last line is incomplete, because its writer was stopped",
                "Rerun with the same `--run-id`: only missing runs execute.",
                "line-torn",
            )
        said = f"not JSON ({text.shorten(text.one_line(str(failure)), 120)})"
        return Problem(where, said, _NOT_OURS, "line-not-json")
    return validator.problem(where, record) or record


def _decoded(line: bytes) -> Any:
    value = json.loads(line.decode("utf-8"))
    # Infinities and lone surrogates are accepted by json.loads, and are no JSON.
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    return value


@functools.cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA_FILE.read_text("utf-8"))
    Draft7Validator.check_schema(schema)
    return schema


@functools.cache
def _compiled() -> Callable[[Record], object]:
    compiled: Callable[[Record], object] = fastjsonschema.compile(_schema())
    return compiled


class Validator:
    """Holds records against record.schema.json: by compiled code, and where that refuses in jsonschema's words."""

    def __init__(self) -> None:
        self.schema = _schema()
        self._versions: list[int] = self.schema["properties"]["schema"]["enum"]
        self._branches = [each["$ref"].rsplit("/", 1)[1] for each in self.schema["oneOf"]]
        self._validator = Draft7Validator(self.schema)
        self._compiled = _compiled()

    def glance(self, line: bytes) -> Record | None:
        """Return the record that a line holds, or None, without words."""
        try:
            record = _decoded(line)
        except (ValueError, RecursionError):
            return None
        if isinstance(record, dict) and type(record.get("schema")) is int and self._is_clear(record):
            return record
        return None

    def problem(self, where: str, record: Any) -> Problem | None:
        """Return what is wrong with a record read from ``where``, or None."""
        if not isinstance(record, dict):
            said = f"expected a record, a JSON object; found {_shown(record)}"
            return Problem(where, said, _NOT_OURS, "record-not-object")
        version = record.get("schema")
        if type(version) is int and version > max(self._versions):
            return Problem(
                where,
                f"schema version {version} is of a newer edgebench; this one reads {_shown(self._versions)}",
                "Update this checkout and rerun the command.",
                "schema-newer",
            )
        # The compiled code takes true for 1 in an enumeration of numbers, and there is just this one.
        if type(version) is int and self._is_clear(record):
            return None
        wrong = sorted({self._message(each, record) for each in self._validator.iter_errors(record)})
        if not wrong:
            return None
        more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
        return Problem(
            where, "not a valid record: " + "; ".join(wrong[:3]) + more, _NOT_OURS, "record-invalid"
        )

    def _is_clear(self, record: Record) -> bool:
        try:
            self._compiled(record)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    def _message(self, error: ValidationError, record: Record) -> str:
        if error.validator == "oneOf" and error.context and record.get("record") in self._branches:
            branch = self._branches.index(record["record"])
            inside = [each for each in error.context if each.schema_path and each.schema_path[0] == branch]
            if inside:
                error = min(inside, key=lambda each: (str(each.json_path), each.message))
        return f"{error.json_path.removeprefix('$.')}: {text.shorten(text.one_line(error.message), 160)}"


def _shown(value: Any) -> str:
    return text.shorten(text.one_line(json.dumps(value, ensure_ascii=False)), 60)


def run_key(run: Record) -> str:
    """Return what the runner compares when it looks for runs that have a record already."""
    asked_for = ["run_id", "host", "workload", "profile", "variant", "options", "repeat"]
    own: list[Any] = [run[each] for each in asked_for]
    if run["record"] == "inference":
        model = run["model"]
        own += [run["engine"]["name"], model["id"], model["form"], run["threads"]["intra"]]
    else:
        own.append(run["precision"])
    return json.dumps(own, sort_keys=True)


def _without_duplicates(runs: list[Record], loaded: Loaded) -> list[Record]:
    by_attempt: dict[tuple[str, int], Record] = {}
    for run in _counted_once(runs, loaded):
        key = (run_key(run), run["attempt"])
        other = by_attempt.setdefault(key, run)
        if other is run:
            continue
        older, newer = sorted([other, run], key=lambda each: each["finished_utc"] or "")
        by_attempt[key] = newer
        loaded.problems.append(rival(loaded.origin[id(older)], loaded.origin[id(newer)]))
    return list(by_attempt.values())


def rival(older: str, newer: str) -> Problem:
    """Return the Problem of two records of one run and attempt, by where they stand."""
    return Problem(
        older,
        f"another record of the same run and attempt finished later and is used: {newer}",
        DISTINCT_RUN_IDS,
        RECORDED_TWICE,
    )


def _counted_once(records: list[Record], loaded: Loaded) -> list[Record]:
    seen: dict[str, Record] = {}
    for record in records:
        seen.setdefault(json.dumps(record, sort_keys=True), record)
    loaded.duplicates += len(records) - len(seen)
    return list(seen.values())


def _newest_attempts(runs: list[Record], loaded: Loaded) -> list[Record]:
    newest: dict[str, int] = {}
    for run in runs:
        key = run_key(run)
        newest[key] = max(newest.get(key, 0), run["attempt"])
    loaded.superseded += [run for run in runs if run["attempt"] < newest[run_key(run)]]
    return [run for run in runs if run["attempt"] == newest[run_key(run)]]


def explained_under(record: Record) -> list[Any]:
    """Return under what an explanation was made: host, kind of device, TensorFlow, precision, threads, environment."""
    device, framework = record["device"] or {}, record["framework"]
    return [
        record["host"],
        device.get("kind"),
        framework["version"],
        record["precision"],
        record["threads"]["intra"],
        record.get("environment"),
    ]


def _newest_explanations(records: list[Record]) -> list[Record]:
    """Return the last of the explanations of the same thing; one that is ok is not replaced by one that is not."""
    found: dict[str, Record] = {}
    for each in sorted(records, key=lambda record: (record["status"] == "ok", record["finished_utc"] or "")):
        found[json.dumps([*explained_under(each), each["workload"], each["options"]], sort_keys=True)] = each
    return list(found.values())


def nothing_read(loaded: Loaded) -> ReportError:
    """Return the error for files without a run or an inference; it lists the first problems."""
    read = text.plural(len(loaded.files), "file")
    hosts = f", {text.plural(len(loaded.hosts), 'host record')}" if loaded.hosts else ""
    lines = [f"no record of a run found ({read}{hosts})."]
    lines += [f"  {each.message}" for each in loaded.problems[:20]]
    if len(loaded.problems) > 20:
        lines.append(f"  … and {len(loaded.problems) - 20} more")
    lines.append("Run `edgebench run` first, or name another folder.")
    return ReportError("\n".join(lines), "records-missing")
