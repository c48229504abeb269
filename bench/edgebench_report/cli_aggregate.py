"""The command ``edgebench-report aggregate``."""

import argparse
import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edgebench_report import overview, text
from edgebench_report.errors import ReportError
from edgebench_report.writing import to_stdout

if TYPE_CHECKING:
    from edgebench_report.store import Store

_SHOWN_ROWS = 40
_OVERVIEW = f"FROM medians ORDER BY host, workload, profile, framework, options LIMIT {_SHOWN_ROWS}"
_EXIT_CODES = """\
exit codes:
  0  all records were read
  1  some records were left out; they are listed, the others were read
  2  nothing was printed: wrong usage or SQL, no readable record, or the output cannot be written
"""

Say = Callable[[str, TextIO], None]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", say: Say) -> None:
    """Add the command to the parser of ``edgebench-report``; it speaks by ``say(message, stream)``."""
    parser = commands.add_parser(
        "aggregate",
        help="print the medians of any number of records, or the result of an SQL query",
        description="Reads records of any number of hosts into an embedded database, in bounded memory, and prints "
        "the median of each measurement with its quartiles. docs/scale.md describes the tables for your own SQL.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help=".jsonl file, .parquet file written by export, or folder that contains some",
    )
    parser.add_argument(
        "--sql",
        type=Path,
        metavar="FILE",
        help="print the result of the SQL in FILE, as CSV (default) or JSON",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print all medians as a JSON array")
    form.add_argument("--csv", action="store_true", help="print all medians as CSV")
    parser.add_argument(
        "--check",
        choices=("fast", "all"),
        default="fast",
        help="validate the aggregated values against the schema (fast), or all of every line (all); up to 8 MiB of "
        "records are always validated in full (default: %(default)s)",
    )
    parser.add_argument(
        "--memory-mb",
        type=_megabytes,
        default=320,
        metavar="MB",
        help="memory of the database (default: %(default)s)",
    )
    parser.set_defaults(run=functools.partial(_run, say))


def _megabytes(given: str) -> int:
    if not given.isdecimal() or not 128 <= int(given) <= 2**20:
        raise argparse.ArgumentTypeError(f"{given}: expected a number from 128 to 1048576 [memory-invalid]")
    return int(given)


def _run(say: Say, given: argparse.Namespace) -> int:
    import duckdb  # with what follows takes longer to import than other commands take

    from edgebench_report.store import Store

    sql = None if given.sql is None else _read(given.sql)
    try:
        with Store(given.memory_mb * 2**20, thorough=given.check == "all") as store:
            store.read(given.paths)
            if sql is not None:
                _print(store, _last(store, sql), "json" if given.json else "csv")
            elif given.json or given.csv:
                query = "FROM medians ORDER BY host, workload, profile, framework, options"
                _print(store, query, "json" if given.json else "csv")
            else:
                _overview(say, store)
            problems = store.problems
    except duckdb.OutOfMemoryException as failure:
        raise ReportError(
            f"{given.memory_mb} MB of memory are not enough ({_brief(failure)}). "
            f"Allow more, for example: --memory-mb {2 * given.memory_mb}",
            "memory-too-small",
        ) from failure
    except duckdb.Error as failure:
        if given.sql is None:
            raise ReportError(
                f"the database failed: {_brief(failure)}. Report this as a bug.", "database-failed"
            ) from failure
        raise ReportError(
            f"--sql {given.sql}: {_brief(failure)}. docs/scale.md lists the tables and their columns.",
            "sql-failed",
        ) from failure
    for problem in problems:
        say(f"left out: {problem.message}", sys.stderr)
    return 1 if problems else 0


def _brief(failure: Exception) -> str:
    return text.shorten(text.one_line(str(failure)), 300).rstrip(".")


def _read(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a regular file")
        return path.read_text("utf-8")
    except (OSError, ValueError) as failure:
        raise ReportError(
            f"--sql {path}: cannot be read ({failure}). Name a file with SQL.", "sql-unreadable"
        ) from failure


def _last(store: "Store", sql: str) -> str:
    """Execute all statements but the last, which is returned."""
    statements = store.connection.extract_statements(sql)
    if not statements:
        raise ReportError(
            "--sql: the file has no statement. Write a query into it, for example: FROM medians;", "sql-empty"
        )
    for each in statements[:-1]:
        store.connection.execute(each)
    return statements[-1].query.strip().rstrip(";")


def _print(store: "Store", query: str, form: str) -> None:
    # By way of a file: the database writes it many times faster than rows can be fetched one by one.
    options = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json, ARRAY true"}[form]
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        target = Path(folder) / "out"
        store.connection.execute(
            f"COPY (\n{query}\n) TO '{str(target).replace(chr(39), chr(39) * 2)}' ({options})"
        )
        with target.open("rb") as source:
            to_stdout(source)


def _overview(say: Say, store: "Store") -> None:
    [(groups, hosts, runs)] = store.connection.execute(
        "SELECT count(*), count(DISTINCT host), coalesce(sum(runs), 0)::BIGINT FROM medians"
    ).fetchall()
    [(inferences,)] = store.connection.execute("SELECT count(*) FROM inferences").fetchall()
    counted = [text.plural(hosts, "host"), text.plural(runs, "run"), text.plural(inferences, "inference")]
    say(f"{', '.join(counted)}; {text.plural(groups, 'measurement')}", sys.stdout)
    asked = store.connection.execute(_OVERVIEW)
    names = [each[0] for each in asked.description]
    rows = [overview.measurement(dict(zip(names, row, strict=True))) for row in asked.fetchall()]
    for line in overview.table(rows):
        say(line, sys.stdout)
    if rows:
        say(f"The same in all rows: {overview.common(rows) or 'nothing'}.", sys.stdout)
    if groups > len(rows):
        more = text.plural(groups - len(rows), "more row")
        say(f"{more}: edgebench-report aggregate … --csv (or --json) prints all.", sys.stdout)
    if inferences:
        say("The table has no inferences. To print them, use --sql with: FROM inferences", sys.stdout)
