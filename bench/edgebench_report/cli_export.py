"""The command ``edgebench-report export``."""

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path

from edgebench_report import export, junit, markup, mlflow_log, text
from edgebench_report.cli_import import Say
from edgebench_report.errors import ReportError
from edgebench_report.load import Loaded, load
from edgebench_report.table import Table
from edgebench_report.writing import STDOUT, to_stdout, write

_EXIT_CODES = """\
exit codes:
  0  all records were exported
  1  some records were left out; they are listed, the others were exported
  2  nothing was exported: wrong usage, no readable record, or the output cannot be written
"""
_TIDY: dict[str, Callable[[list[dict[str, export.Value]]], str | bytes]] = {
    "csv": export.as_csv,
    "json": export.as_json,
    "parquet": export.as_parquet,
}
_TABLES = {"markdown": markup.markdown, "latex": markup.latex}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", say: Say) -> None:
    """Add the command to the parser of ``edgebench-report``; it speaks by ``say(message, stream)``."""
    parser = commands.add_parser(
        "export",
        help="write records or tables for other programs",
        description="Writes every run as a row (csv, parquet, json) or as a test for CI systems (junit), or the "
        "tables of the report for a README (markdown) or a paper (latex, with booktabs). docs/export.md describes "
        "the columns.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help=".jsonl file, or folder that contains some"
    )
    parser.add_argument("--format", choices=[*_TIDY, *_TABLES, "junit"], help="form of the output")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        metavar="FILE",
        help="output file; - is the standard output, which then gets nothing else",
    )
    parser.add_argument(
        "--tables",
        metavar="NUMBERS",
        help="for markdown and latex: only the tables with these numbers, such as 4,5,6 (default: all)",
    )
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        help="also log each run once to this MLflow, which needs the package mlflow or mlflow-skinny",
    )
    parser.set_defaults(run=functools.partial(_run, say))


def _run(say: Say, given: argparse.Namespace) -> int:
    out = _checked(given)
    # The standard output holds the export and nothing else.
    told = sys.stderr if out == STDOUT else sys.stdout
    loaded = load(given.paths)
    for problem in loaded.problems:
        say(f"left out: {problem.message}", sys.stderr)
    rows = export.rows(loaded)
    if out is not None:
        content, said = _content(given, loaded, rows)
        if out == STDOUT:
            to_stdout(content)
        else:
            write(out, content)
            say(f"{said}: {out}", told)
    if given.mlflow is not None:
        new = mlflow_log.log(given.mlflow, rows)
        say(f"{new} of {text.plural(len(rows), 'run')} new in MLflow: {given.mlflow}", told)
    return 1 if loaded.problems else 0


def _checked(given: argparse.Namespace) -> Path | None:
    """Return the file to write, None without one. Raises ReportError for options that contradict one another."""
    if (given.format is None) != (given.out is None):
        raise ReportError("--format and --out need each other. Give both or neither.", "format-out-mismatch")
    if given.format is None and given.mlflow is None:
        raise ReportError("no output requested. Give --format and --out, or --mlflow.", "output-missing")
    if given.tables is not None and given.format not in _TABLES:
        raise ReportError(
            f"--tables has no effect with --format {given.format}. Use it with markdown or latex.",
            "tables-not-applicable",
        )
    if given.out is None:
        return None
    if len(given.out) > 1:
        named = " and ".join(text.one_line(f"--out {each}") for each in given.out[:2])
        raise ReportError(
            f"{named}: one export writes one file. Run the command once for each.", "out-repeated"
        )
    out: Path = given.out[0]
    if out == STDOUT and given.format == "parquet" and sys.stdout.isatty():
        raise ReportError(
            "--format parquet --out -: Parquet is binary, so it is not written to a terminal. Name a file, or "
            "redirect the output: edgebench-report export … --format parquet --out - > runs.parquet",
            "stdout-is-terminal",
        )
    return out


def _content(
    given: argparse.Namespace, loaded: Loaded, rows: list[dict[str, export.Value]]
) -> tuple[str | bytes, str]:
    """Return what is exported, and its size in words."""
    if given.format in _TIDY:
        return _TIDY[given.format](rows), text.plural(len(rows), "row")
    if given.format == "junit":
        suites = junit.of_runs(rows, loaded.problems, loaded.failures)
        counted = [f"{sum(each.counted(name) for each in suites)} {name}" for name in junit.OUTCOMES]
        return junit.as_xml(suites), ", ".join(counted)
    # With matplotlib behind it, it takes longer to import than other commands take.
    from edgebench_report import answer, certainty
    from edgebench_report.build import facts_of, tables_of

    facts = facts_of(loaded)
    present = tables_of(facts, answer.blocks(facts), [], certainty.drifts(facts)[0])
    tables = _chosen(present, given.tables)
    return "\n".join(_TABLES[given.format](each) for each in tables), text.plural(len(tables), "table")


def _chosen(tables: list[Table], numbers: str | None) -> list[Table]:
    if numbers is None:
        return tables
    wanted = [each.strip() for each in numbers.split(",")]
    known = {each.number: each for each in tables}
    for number in (each for each in wanted if each not in known):
        raise ReportError(
            f"--tables {text.one_line(number)}: no such table. These records have the tables {', '.join(known)}.",
            "table-unknown",
        )
    return [known[each] for each in wanted]
