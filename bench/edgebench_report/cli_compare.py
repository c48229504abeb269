"""The command ``edgebench-report compare``."""

import argparse
import functools
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from edgebench_report import junit, markup, telemetry, terminal, text
from edgebench_report.cli_import import Say
from edgebench_report.compare import BY, Comparison, Outcome, compare, select
from edgebench_report.errors import ReportError
from edgebench_report.load import Loaded, Record, load
from edgebench_report.statistics import CONFIDENCE, fewest
from edgebench_report.table import Cell, Footnotes, Heading, Row, Table
from edgebench_report.text import Note
from edgebench_report.writing import write

JSON_SCHEMA = 1
_EXIT_CODES = """\
A and B are each a .jsonl file, a folder, or a selector of records at PATH: host=Frodo, run=ID, framework=2.21.0,
device=gpu, threads=1, engine=litert, option.NAME=VALUE and more; several by commas.

exit codes:
  0  no regression beyond the threshold
  1  a regression: worse beyond the threshold, by a difference that the interval shows, or no longer finishing
  2  nothing could be compared, or all repeats are too few to tell; bad usage
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", say: Say) -> None:
    """Add the command to the parser of ``edgebench-report``; it speaks by ``say(message, stream)``."""
    parser = commands.add_parser(
        "compare",
        help="compare two runs, hosts, stacks or settings, and report regressions",
        description="Compares B with A, workload by workload: ratios of medians with their intervals.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", metavar="A", help="records to compare with: file, folder or selector")
    parser.add_argument("b", metavar="B", help="records to compare: file, folder or selector")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="what selectors pick from")
    parser.add_argument(
        *("--threshold", "-t"),
        default="5%",
        metavar="SHARE",
        help="how much worse a time or a rate may be, 5%% or 0.05 (default: 5%%)",
    )
    parser.add_argument(
        "--accuracy-threshold",
        default="1%",
        metavar="POINTS",
        help="by how many points an accuracy may be lower (default: 1%%)",
    )
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="WHAT",
        help=f"the only thing that may differ, of {', '.join(BY)}; several by commas. Without it, host, stack, device, "
        "threads, input and engine may",
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the comparison as JSON; - prints it and no table"
    )
    parser.add_argument("--markdown", metavar="FILE", help="write it as Markdown; - prints it and no table")
    parser.add_argument(
        "--junit", metavar="FILE", help="write it as JUnit's XML for CI systems, regressions as failures"
    )
    parser.set_defaults(run=functools.partial(_run, say))


def share(given: str, option: str) -> float:
    """Read a share: ``5%`` or ``0.05``. Raises ReportError for anything else."""
    try:
        value = float(given.strip().removesuffix("%")) / (100 if given.strip().endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value < 100:
        raise ReportError(
            f"{option} {text.one_line(given)}: not a share. Give a number of zero or more, for example 5% or 0.05.",
            "threshold-invalid",
        )
    return value


def _run(say: Say, given: argparse.Namespace) -> int:
    threshold = share(given.threshold, "--threshold")
    accuracy_threshold = share(given.accuracy_threshold, "--accuracy-threshold")
    to_terminal = [f"--{form} -" for form in _FORMS if getattr(given, form) == "-"]
    if len(to_terminal) > 1:
        raise ReportError(
            f"{' and '.join(to_terminal[:2])} cannot both print to the terminal. Name a file for one of them.",
            "stdout-taken",
        )
    by = [each.strip() for part in given.by for each in part.split(",")]
    unknown = [each for each in by if each not in BY]
    if unknown:
        raise ReportError(
            f"--by {text.one_line(unknown[0])}: unknown. Expected one of {', '.join(BY)}.", "by-unknown"
        )
    sides = _sides(say, given)
    found = compare(sides[0], sides[1], threshold, accuracy_threshold, by)
    made = table(found)
    for form in _FORMS:
        out = getattr(given, form)
        if out == "-":
            say(_FORMS[form](found).rstrip("\n"), sys.stdout)
        elif out is not None:
            write(Path(out), _FORMS[form](found))
    if not to_terminal:
        width = min(max(shutil.get_terminal_size((110, 40)).columns, terminal.NARROWEST), terminal.WIDEST)
        if made.rows:
            say(terminal.table_lines(made, width), sys.stdout)
        for line in conclusions(found):
            say(line, sys.stdout)
    if not found.pairs:
        say(
            "edgebench-report: nothing could be compared, for the reasons above. Name what may differ with --by. "
            "[nothing-compared]",
            sys.stderr,
        )
    return found.exit_code


def _sides(say: Say, given: argparse.Namespace) -> list[tuple[str, list[Record]]]:
    pool: Loaded | None = None
    sides: list[tuple[str, list[Record]]] = []
    for name in (given.a, given.b):
        if "=" in name and not Path(name).exists():
            if not given.paths:
                raise ReportError(
                    f"{text.one_line(name)}: a selector needs records to select from. Name files or folders after "
                    "A and B.",
                    "selector-without-path",
                )
            if pool is None:
                pool = load(given.paths)
                _tell(say, pool)
            sides.append((name, select([*pool.runs, *pool.inferences], name)))
        else:
            loaded = load([Path(name)])
            _tell(say, loaded)
            sides.append((name, [*loaded.runs, *loaded.inferences]))
    if given.paths and pool is None:
        raise ReportError(
            f"A and B are both files or folders, so no selector uses {given.paths[0]}. Leave it out.",
            "path-unused",
        )
    return sides


def _tell(say: Say, loaded: Loaded) -> None:
    for problem in loaded.problems:
        say(f"left out: {problem.message}", sys.stderr)


def table(found: Comparison) -> Table:
    """Return the comparison as a table, a row a quantity, a part for each two things that were compared."""
    notes = Footnotes()
    rows = []
    several: dict[str, str] = {}
    for pair in found.pairs:
        differing = "; ".join(f"{name} {one} → {other}" for name, one, other in pair.differing)
        section = f"{pair.first.facts['host']} → {pair.second.facts['host']} · {pair.first.facts['profile']}"
        if "engine" in pair.first.facts:
            section += f" · {pair.first.facts['engine']} {pair.first.facts['model']}"
        section = text.one_line(section)
        marks = [notes.mark(Note("circumstances-differ", f"differs: {differing}"))] if differing else []
        for name, side in (("A", pair.first), ("B", pair.second)):
            remarks = telemetry.remarks(side.ok)
            marks += [notes.mark(Note(each.code, f"{name}: {each.text}")) for each in remarks]
        for outcome in pair.outcomes:
            opening = section if several.get("now") != section else ""
            several["now"] = section
            rows.append(Row(f"{outcome.title}: {outcome.quantity}", outcome.workload, [], opening))
            rows[-1].cells = _cells(outcome, marks)
    return Table(
        number="C",
        slug="comparison",
        title=f"B ({text.one_line(found.names[1])}) compared with A ({text.one_line(found.names[0])})",
        corner="Workload and quantity",
        caption=f"Medians, and their ratio B / A with its {CONFIDENCE:.0%} bootstrap interval; for accuracies the "
        "difference B - A in points, with a score interval from the number of test samples.".replace(
            "%", " %"
        ),
        bands=[],
        headings=[
            Heading("A"),
            Heading("B"),
            Heading("n", numeric=False),
            Heading("B / A"),
            Heading("interval", numeric=False),
            Heading("verdict", numeric=False),
        ],
        rows=rows,
        footnotes=notes.listed(),
    )


def _cells(outcome: Outcome, marks: list[str]) -> list[Cell]:
    unit = f" {outcome.unit}" if outcome.unit else ""
    change, interval = "-", "-"
    if outcome.change is not None:
        change = f"{100 * outcome.change:+.2f}" if outcome.is_difference else f"{outcome.change:.3f}"
    if outcome.interval is not None:
        low, high = outcome.interval
        interval = (
            f"{100 * low:+.2f} … {100 * high:+.2f}" if outcome.is_difference else f"{low:.3f} … {high:.3f}"
        )
    verdict = f"{outcome.said}: REGRESSION" if outcome.regression else outcome.said
    count = f"{len(outcome.first)}, {len(outcome.second)}"
    return [
        Cell(f"{outcome.shown[0]}{unit}"),
        Cell(f"{outcome.shown[1]}{unit}", marks=list(marks)),
        Cell(count, numeric=False),
        Cell(change),
        Cell(interval, numeric=False),
        Cell(verdict, numeric=False),
    ]


def conclusions(found: Comparison) -> list[str]:
    """Return what came out of it, a sentence a line, then what was set apart and why."""
    told = [each for each in found.outcomes if each.interval is not None and each.verdict != "too few"]
    worse = found.regressions
    lines = [
        f"{text.plural(len(worse), 'regression')} beyond {100 * found.threshold:g} % "
        f"(accuracies: {100 * found.accuracy_threshold:g} points)"
        f" among {text.plural(len(found.outcomes), 'comparison')}."
    ]
    lines += _more_repeats(found)
    if len(told) >= 10:
        lines.append(
            f"Of {len(told)} comparisons at {100 * CONFIDENCE:g} %, about {(1 - CONFIDENCE) * len(told):.0f} "
            "show a difference by chance."
        )
    lines += [f"not compared, {each.side}: {each.title}: {each.reason}" for each in found.apart]
    return lines


def _more_repeats(found: Comparison) -> list[str]:
    """Return once, not row by row, how many repeats are too few and what to run for more."""
    few = [each for each in found.outcomes if each.said == "too few repeats"]
    if not few:
        return []
    needed = fewest()
    lines = [
        f"{len(few)} of {text.plural(len(found.outcomes), 'comparison')} show nothing: less than {needed} repeats on a "
        f"side. For {needed} repeats, run: ansible-playbook bench.yml -e bench_repeats={needed}"
    ]
    if any(each.quantity.startswith("latency") for each in few):
        lines.append(
            f"Latencies of keyword spotting have one value a run: {needed} runs on each side are needed."
        )
    return lines


def as_markdown(found: Comparison) -> str:
    """Return the comparison as Markdown."""
    made = table(found)
    said = "\n".join(f"- {markup.escape_markdown(each)}" for each in conclusions(found))
    return f"{markup.markdown(made) if made.rows else ''}\n{said}\n".lstrip("\n")


def as_json(found: Comparison) -> str:
    """Return the comparison as JSON; docs/compare.md describes it."""
    value = {
        "schema": JSON_SCHEMA,
        "a": found.names[0],
        "b": found.names[1],
        "threshold": found.threshold,
        "accuracy_threshold": found.accuracy_threshold,
        "confidence": CONFIDENCE,
        "exit_code": found.exit_code,
        "regressions": len(found.regressions),
        "comparisons": [
            {
                "workload": outcome.workload,
                "quantity": outcome.quantity,
                "unit": outcome.unit,
                "host_a": pair.first.facts["host"],
                "host_b": pair.second.facts["host"],
                "profile": pair.first.facts["profile"],
                "values_a": outcome.first,
                "values_b": outcome.second,
                "change_is": "difference" if outcome.is_difference else "ratio",
                "change": outcome.change,
                "interval": outcome.interval,
                "coverage": outcome.coverage,
                "verdict": outcome.verdict,
                "said": outcome.said,
                "regression": outcome.regression,
                "differing": [{"what": name, "a": one, "b": other} for name, one, other in pair.differing],
            }
            for pair in found.pairs
            for outcome in pair.outcomes
        ],
        "set_apart": [
            {"side": each.side, "workload": each.workload, "code": each.code, "reason": each.reason}
            for each in found.apart
        ],
    }
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_FORMS: dict[str, Callable[[Comparison], str]] = {
    "json": as_json,
    "markdown": as_markdown,
    "junit": lambda found: junit.as_xml(junit.of_comparison(found)),
}
