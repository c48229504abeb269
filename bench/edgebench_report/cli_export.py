"""The command ``edgebench-report export``."""

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path

from edgebench_report import export, junit, markup, mlflow_log, text
from edgebench_report.cli_import import Say
from edgebench_report.errors import ReportError
from edgebench_report.load import load
from edgebench_report.table import Table
from edgebench_report.writing import write

_EXIT_CODES = """\
exit codes:
  0  everything named was exported
  1  exported, but something was left out; it is listed
  2  nothing was exported: bad usage, nothing that could be read, or nowhere to write
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
        "paths", nargs="+", type=Path, metavar="PATH", help=".jsonl file, or folder searched for them"
    )
    parser.add_argument("--format", choices=[*_TIDY, *_TABLES, "junit"], help="what to write")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it")
    parser.add_argument(
        "--tables",
        metavar="NUMBERS",
        help="markdown and latex: these tables alone, by their numbers (4,5,6); all by default",
    )
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        help="log every run to this MLflow, too, each once; MLflow is to be installed beside this project",
    )
    parser.set_defaults(run=functools.partial(_run, say))


def _run(say: Say, given: argparse.Namespace) -> int:
    if (given.format is None) != (given.out is None):
        raise ReportError("--format and --out need each other. Give both or neither.", "format-out-mismatch")
    if given.format is None and given.mlflow is None:
        raise ReportError("no output requested. Give --format and --out, or --mlflow.", "output-missing")
    if given.tables is not None and given.format not in _TABLES:
        raise ReportError(
            f"--tables has no effect with --format {given.format}. Use it with markdown or latex.",
            "tables-not-applicable",
        )
    loaded = load(given.paths)
    for problem in loaded.problems:
        say(f"left out: {problem.message}", sys.stderr)
    rows = export.rows(loaded)
    if given.format in _TIDY:
        write(given.out, _TIDY[given.format](rows))
        say(f"{text.plural(len(rows), 'row')}: {given.out}", sys.stdout)
    elif given.format == "junit":
        suites = junit.of_runs(rows, loaded.problems, loaded.failures)
        write(given.out, junit.as_xml(suites))
        said = [f"{sum(each.counted(name) for each in suites)} {name}" for name in junit.OUTCOMES]
        say(f"{', '.join(said)}: {given.out}", sys.stdout)
    elif given.format is not None:
        # With matplotlib behind it, it takes longer to import than other commands take.
        from edgebench_report import answer, certainty
        from edgebench_report.build import facts_of, tables_of

        facts = facts_of(loaded)
        present = tables_of(facts, answer.blocks(facts), [], certainty.drifts(facts)[0])
        tables = _chosen(present, given.tables)
        write(given.out, "\n".join(_TABLES[given.format](each) for each in tables))
        say(f"{text.plural(len(tables), 'table')}: {given.out}", sys.stdout)
    if given.mlflow is not None:
        new = mlflow_log.log(given.mlflow, rows)
        say(f"{new} of {text.plural(len(rows), 'run')} new in MLflow: {given.mlflow}", sys.stdout)
    return 1 if loaded.problems else 0


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
