"""Records of any number in an embedded database: what a fleet of ten thousand hosts leaves is summarised by SQL.

DuckDB reads the files, many small ones as one (``joined``), with the columns that numbers rest on. What repeats
share is looked at once for each different text (``settings``), by the schema and the code that the page uses, too;
what differs from line to line is checked in SQL. Files in which a line is not cleared are halved down to the one
that has it, which is read line by line as ``load`` reads it. docs/scale.md has the tables.
"""

import json
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from edgebench_report import joined, load, text
from edgebench_report.errors import ReportError
from edgebench_report.export import COLUMNS
from edgebench_report.load import Problem, Validator
from edgebench_report.settings import PARTS, SHOWN, WORDS, Settings

MEMORY_BYTES = 320 * 2**20
# Up to this size (some thousands of records) every line is held against the whole schema.
SMALL_BYTES = 8 * 2**20
# Beyond it a number of the database is no whole one any more.
MAX_REPEAT = 2**53
_NAMED = 20
_SQL = Path(__file__).with_name("sql")
_NAMES = ("host", "run_id", "session")
# Of each repeat: its place in a record, a number or null.
_VALUES = {
    **{name: ("times", name) for name in ("data_s", "build_s", "train_s", "test_s", "wall_s")},
    "quality": ("quality", "value"),
    "mae_celsius": ("quality", "mae_celsius"),
    "throughput_per_s": ("throughput_per_s",),
    "latency_mean_us": ("latency", "mean_us"),
    "latency_jitter_us": ("latency", "jitter_us"),
}
_METRICS = (
    *("train_total_s", "data_s", "build_s", "train_s", "test_s", "other_s", "wall_s"),
    *("quality", "mae_celsius"),
)


@dataclass
class Store:
    """An open database of records, to be closed (it is a context manager).

    ``problems`` are what was left out; ``duplicates`` counts copies; ``files`` are those that were read.
    The views of ``connection`` are described in docs/scale.md.
    """

    memory_bytes: int = MEMORY_BYTES
    thorough: bool = False
    problems: list[Problem] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    duplicates: int = 0

    def __post_init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="edgebench-")
        self._scratch = Path(self._folder.name)
        self._schema: dict[str, Any] = json.loads(load.SCHEMA_FILE.read_text("utf-8"))
        self._batch = 0
        self._codes: set[int] = set()
        self._shown = (self._scratch / "circumstances.jsonl").open("w", encoding="utf-8")
        self._settings = Settings(self._schema, self._shown)
        self.connection = duckdb.connect(
            config={
                "memory_limit": f"{self.memory_bytes}B",
                "temp_directory": str(self._scratch / "spill"),
                "preserve_insertion_order": "false",
                # Files are written over.
                "enable_external_file_cache": "false",
                # Nothing is fetched: what is needed is built in.
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and remove what it put on the disk."""
        self.connection.close()
        self._shown.close()
        self._folder.cleanup()

    def read(self, paths: Iterable[Path]) -> None:
        """Read ``.jsonl`` files, Parquet files of ``edgebench-report export``, and those in and below folders.

        Raises ReportError when a path does not exist, or when there is not one run or inference in all of them.
        """
        found = load.files(paths, self.problems, (".jsonl", ".parquet"))
        self.files = [str(each) for each, _ in found]
        lines = [(each, size) for each, size in found if each.suffix != ".parquet"]
        self.connection.execute((_SQL / "tables.sql").read_text("utf-8"))
        for each, _ in found:
            if each.suffix == ".parquet":
                self._read_exported(each)
        if self.thorough or sum(size for _, size in lines) <= SMALL_BYTES:
            self._read_lines([each for each, _ in lines])
        else:
            self._read_lines(self._read_fast(lines))
        self._count_once()
        self._arrange()
        if not self._number("SELECT count(*) FROM entries"):
            raise load.nothing_read(load.Loaded(problems=self.problems, files=self.files))

    # Reading

    def _read_fast(self, sizes: list[tuple[Path, int]]) -> list[Path]:
        """Let the database read files; return those that have a line which it does not clear."""
        left: list[Path] = []
        sources = [self._scratch / "even.jsonl", self._scratch / "odd.jsonl"]
        batches = list(joined.batches(sizes))
        with ThreadPoolExecutor(1) as beside:
            coming = beside.submit(joined.join, sources[0], batches[0])
            for number, batch in enumerate(batches):
                source = coming.result()
                if number + 1 < len(batches):
                    coming = beside.submit(joined.join, sources[(number + 1) % 2], batches[number + 1])
                if not self._insert("records.sql", source):
                    left += self._halved(batch)
        return left

    def _halved(self, paths: list[Path]) -> list[Path]:
        if len(paths) == 1:
            return paths
        middle = len(paths) // 2
        left: list[Path] = []
        for half in (paths[:middle], paths[middle:]):
            if not self._insert("records.sql", joined.join(self._scratch / "half.jsonl", half)):
                left += self._halved(half)
        return left

    def _read_lines(self, paths: list[Path]) -> None:
        """Read files line by line; the valid records go into the database, and the rest is named."""
        if not paths:
            return
        validator = Validator()
        target = self._scratch / "lines.jsonl"
        remaining = iter(paths)
        more = True
        while more:
            with target.open("wb") as handle:
                while more and handle.tell() < joined.BATCH_BYTES:
                    path = next(remaining, None)
                    more = path is not None
                    for where, outcome in load.parsed(path, validator) if path else ():
                        if isinstance(outcome, Problem):
                            self.problems.append(outcome)
                        elif max(outcome.get("repeat", 1), outcome.get("attempt", 1)) > MAX_REPEAT:
                            said = (
                                f"repeat or attempt is more than {MAX_REPEAT}, the largest that can be stored"
                            )
                            remedy = "Check the program that wrote the record."
                            self.problems.append(Problem(where, said, remedy, "repeat-too-large"))
                        else:
                            handle.write(json.dumps(outcome).encode() + b"\n")
            if not self._insert("records.sql", target):
                raise ReportError(
                    "the database refuses valid records. Name fewer files to find them, and report this as a bug.",
                    "records-refused",
                )

    def _read_exported(self, path: Path) -> None:
        link = joined.join(self._scratch / "exported.parquet", [path])
        remedy = "Write one with `edgebench-report export --format parquet`, or name .jsonl files."
        try:
            described = self._rows("DESCRIBE SELECT * FROM read_parquet($path)", path=str(link))
            found = {str(row[0]): str(row[1]) for row in described}
            found.setdefault("environment", "VARCHAR")
            if any(found.get(each.name) != each.kind for each in COLUMNS):
                raise duckdb.InvalidInputException("unexpected columns")
        except duckdb.Error as failure:
            said = text.shorten(text.one_line(str(failure).split("\n")[0]), 120)
            said = f"not a file of exported records ({said})"
            self.problems.append(Problem(str(path), said, remedy, "parquet-not-exported"))
            return
        if not self._insert("exported.sql", link):
            said = "contains a row that is not of a record"
            self.problems.append(Problem(str(path), said, remedy, "parquet-row-invalid"))

    def _insert(self, reader: str, source: Path) -> bool:
        """Read a file into ``members``, all of it or, where a line is not cleared, nothing: then returns False."""
        taken = False
        self.connection.begin()
        try:
            taken = self._take(reader, source)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            pass
        finally:
            (self.connection.commit if taken else self.connection.rollback)()
        return taken

    def _take(self, reader: str, source: Path) -> bool:
        self._batch += 1
        query, shared = self._query(reader), ", ".join(_quoted_names(PARTS))
        # What was exported is trusted, which nothing else may be for having its text.
        code = f"hash({_quoted(reader)}, {shared})"
        self._execute(
            f"INSERT INTO members BY NAME SELECT CASE WHEN cleared THEN {code} ELSE error('not cleared') END AS code,"
            f" {self._batch} AS batch, * EXCLUDE (cleared, {shared}) FROM ({query})",
            path=str(source),
        )
        found = self._rows("SELECT DISTINCT code FROM members WHERE batch = $batch", batch=self._batch)
        new = {code for (code,) in found} - self._codes
        # Most files of a fleet bring nothing new; one which does is read again for it.
        return not new or self._learn(
            new,
            self._rows(
                f"SELECT DISTINCT {code} AS code, {shared} FROM ({query})"
                " WHERE code IN (SELECT unnest($codes::UBIGINT[]))",
                path=str(source),
                codes=list(new),
            ),
            trusted=reader == "exported.sql",
        )

    def _learn(self, codes: set[int], rows: list[tuple[Any, ...]], trusted: bool) -> bool:
        """Look at what ``codes`` stand for, each given with its text; return whether all of it is valid."""
        settings = {row[0]: self._settings.of(row[1:], trusted) for row in rows}
        known = {row: each for row, each in settings.items() if each is not None}
        # Of two texts with one code neither is taken.
        if known.keys() != codes or len(rows) != len(codes):
            return False
        self._execute(
            "INSERT INTO known SELECT unnest($codes::UBIGINT[]), unnest($kinds), unnest($circumstances),"
            " unnest($asked), unnest($builds)",
            codes=list(known),
            kinds=[each.kind for each in known.values()],
            circumstances=[each.circumstance for each in known.values()],
            asked=[each.asked for each in known.values()],
            builds=[each.includes_build for each in known.values()],
        )
        self._codes |= codes
        return True

    def _query(self, reader: str) -> str:
        statuses = self._schema["definitions"]["run"]["properties"]["status"]["enum"]
        places = {name: ".".join(_quoted_names(place)) for name, place in _VALUES.items()}
        exported = reader == "exported.sql"
        return (
            (_SQL / reader)
            .read_text("utf-8")
            .format(
                values=", ".join(
                    name if exported else f"{place} AS {name}" for name, place in places.items()
                ),
                names=" AND ".join(
                    f"regexp_full_match({name}, {_quoted(self._schema['properties'][name]['pattern'])})"
                    for name in _NAMES
                ),
                statuses=", ".join(map(_quoted, statuses)),
                whole=" AND ".join(
                    f"{each} BETWEEN 1 AND {MAX_REPEAT} AND {each} = floor({each})"
                    for each in ("repeat", "attempt")
                ),
                bounds=" AND ".join(
                    f"({place} IS NULL OR {place} BETWEEN 0 AND {self._maximum(_VALUES[name])})"
                    for name, place in places.items()
                ),
                columns=_columns(),
                line_bytes=load.MAX_LINE_BYTES,
            )
        )

    def _maximum(self, place: tuple[str, ...]) -> float:
        """Return what a value may not exceed in any kind of record, by the schema."""
        found = []
        for kind in ("run", "inference"):
            schema = self._schema["definitions"][kind]
            for name in place:
                rest = schema.get("additionalProperties", {})
                schema = schema.get("properties", {}).get(name, rest)
                schema = (
                    self._schema["definitions"][schema["$ref"].rsplit("/", 1)[1]]
                    if "$ref" in schema
                    else schema
                )
            found += [float(schema["maximum"])] if "maximum" in schema else []
        return max(found)

    # Arranging

    def _count_once(self) -> None:
        """Count copies of a record once; of two records of one run and attempt keep the one that finished later."""
        same = "host, run_id, asked, repeat"
        # By a number first: that most runs have one record shows in a moment.
        self._execute(
            f"CREATE TABLE again AS SELECT hash({same}) AS code FROM entries GROUP BY code HAVING count(*) > 1"
        )
        self._execute(
            f"CREATE TEMP TABLE several AS FROM entries WHERE hash({same}) IN (SELECT code FROM again)"
        )
        columns = [name for name, *_ in self._rows("DESCRIBE entries") if name != "row"]
        everything = ", ".join(columns)
        self._execute(
            "CREATE TEMP TABLE copies AS SELECT row FROM several"
            f" QUALIFY row_number() OVER (PARTITION BY {everything}) > 1"
        )
        self._execute(
            "CREATE TEMP TABLE rivals AS SELECT row, host, run_id, repeat, attempt FROM several"
            " WHERE row NOT IN (FROM copies) QUALIFY row_number() OVER"
            f" (PARTITION BY {same}, attempt ORDER BY finished DESC NULLS LAST, {everything}) > 1"
        )
        self.duplicates = self._number("SELECT count(*) FROM copies")
        self._tell_rivals()
        self._execute(
            "DELETE FROM members WHERE rowid IN (SELECT row FROM copies UNION ALL SELECT row FROM rivals)"
        )
        self._execute(
            f"CREATE TABLE late AS SELECT {same}, max(attempt) AS newest FROM several GROUP BY ALL"
            " HAVING count(DISTINCT attempt) > 1"
        )

    def _tell_rivals(self) -> None:
        count = self._number("SELECT count(*) FROM rivals")
        for host, run_id, repeat, attempt in self._rows(
            f"SELECT * EXCLUDE row FROM rivals ORDER BY ALL LIMIT {_NAMED}"
        ):
            where = f"{host}, run id {run_id}"
            said = f"several records of repeat {repeat:g}, attempt {attempt:g}; the one that finished last is used"
            self.problems.append(Problem(where, said, load.DISTINCT_RUN_IDS, load.RECORDED_TWICE))
        if count > _NAMED:
            said = f"{count - _NAMED} more attempts with several records"
            self.problems.append(Problem("records", said, load.DISTINCT_RUN_IDS, load.RECORDED_TWICE))

    def _arrange(self) -> None:
        self._shown.flush()
        types = {"circumstance": "BIGINT", **SHOWN}
        self._execute(
            f"CREATE TABLE circumstances AS FROM read_json($path, format = 'newline_delimited', columns = {types!r},"
            f" maximum_object_size = {4 * load.MAX_LINE_BYTES})",
            path=self._shown.name,
        )
        self._execute((_SQL / "views.sql").read_text("utf-8"))
        self._execute(_medians(self._schema["definitions"]["run"]["properties"]["status"]["enum"]))

    # Speaking with the database

    def _execute(self, sql: str, **given: Any) -> None:
        self.connection.execute(sql, given or None)

    def _rows(self, sql: str, **given: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, given or None).fetchall()

    def _number(self, sql: str) -> int:
        [(number,)] = self._rows(sql)
        return int(number)


def _columns() -> str:
    columns = {name: "VARCHAR" if name in WORDS else "JSON" for name in PARTS if name != "metric"}
    columns.update(dict.fromkeys((*_NAMES, "status", "finished_utc"), "VARCHAR"))
    columns.update(dict.fromkeys(("repeat", "attempt"), "DOUBLE"))
    inside: dict[str, list[str]] = {"quality": ["metric VARCHAR"]}
    for outer, *inner in _VALUES.values():
        if inner:
            inside.setdefault(outer, []).append(f'"{inner[0]}" DOUBLE')
        else:
            columns[outer] = "DOUBLE"
    columns.update({outer: f"STRUCT({', '.join(names)})" for outer, names in inside.items()})
    return "{" + ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in columns.items()) + "}"


def _medians(statuses: list[str]) -> str:
    lists = (
        f"list_sort(list({each}) FILTER (status = 'ok' AND {each} IS NOT NULL)) AS {each}"
        for each in _METRICS
    )
    shown = (
        f"median_of(lists.{each}) AS {each}, quantile_of(lists.{each}, 0.25) AS {each}_q1,"
        f" quantile_of(lists.{each}, 0.75) AS {each}_q3, lists.{each}[1] AS {each}_min,"
        f" lists.{each}[-1] AS {each}_max, coalesce(len(lists.{each}), 0) AS {each}_n"
        for each in _METRICS
    )
    counts = (f"count(*) FILTER (status = '{each}') AS {each}" for each in statuses)
    return f"""
        CREATE VIEW medians AS WITH lists AS (
            SELECT host, circumstance, count(*) AS runs, {", ".join(counts)}, {", ".join(lists)}
            FROM measured WHERE kind = 'run' AND counts GROUP BY host, circumstance
        )
        SELECT host, circumstances.*, runs, {", ".join(statuses)}, {", ".join(shown)}
        FROM lists JOIN circumstances USING (circumstance)
    """


def _quoted_names(names: Iterable[str]) -> list[str]:
    return [f'"{each}"' for each in names]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
