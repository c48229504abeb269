"""The command ``edgebench-report import``."""

import argparse
import functools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from edgebench_report import importers, text
from edgebench_report.errors import ReportError
from edgebench_report.importers import records
from edgebench_report.writing import STDOUT, to_stdout, write

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_EXIT_CODES = """\
exit codes:
  0  all logs were imported
  1  some logs or lines were left out; they are listed, the others were imported
  2  nothing was imported or written: wrong usage, no readable log, or the output cannot be written
"""


Say = Callable[[str, TextIO], None]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", say: Say) -> None:
    """Add the command to the parser of ``edgebench-report``; it speaks by ``say(message, stream)``."""
    parser = commands.add_parser(
        "import",
        help="turn logs of other programs into records",
        description="Reads logs of the 2019 report's program (DL-Benchmarks) and of the EEMBC and MLCommons "
        "runners for MLPerf Tiny, and writes them as records, which `build` reads like its own.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="log, or folder that contains .log, .txt or .json files",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FILE",
        help="file for the records (.jsonl); - is the standard output",
    )
    parser.add_argument("--host", metavar="NAME", help="name of the host that all these logs come from")
    parser.set_defaults(run=functools.partial(_run, say))


def _run(say: Say, given: argparse.Namespace) -> int:
    if given.host is not None and not _HOST.fullmatch(given.host):
        raise ReportError(
            f"--host {text.one_line(given.host)}: not a host name. Use letters, digits, dots and dashes.",
            "host-name-invalid",
        )
    if given.out != STDOUT:
        _require_replaceable(given.out)
    found = importers.read(given.paths, given.host)
    for problem in found.problems:
        say(f"not imported: {problem.message}", sys.stderr)
    for warning in found.warnings:
        say(f"warning: {warning.message}", sys.stderr)
    if not found.records:
        read = text.plural(len(found.files), "file")
        raise ReportError(
            f"no measurement found in {read}, so {given.out} was not written. Name logs, or folders that contain some.",
            "nothing-imported",
        )
    # The standard output holds the records and nothing else.
    summary = sys.stderr if given.out == STDOUT else sys.stdout
    if given.out == STDOUT:
        to_stdout(records.lines(found.records))
    else:
        write(given.out, records.lines(found.records))
    measured = [each for each in found.records if each["record"] != "host"]
    hosts = sorted({each["host"] for each in measured})
    say(
        f"{text.plural(len(measured), 'record')} of {text.plural(len(hosts), 'host')} ({', '.join(hosts)}) "
        f"from {found.used} of {text.plural(len(found.files), 'file')}: {given.out}",
        summary,
    )
    return 1 if found.problems else 0


def _require_replaceable(out: Path) -> None:
    """Refuse to write over anything but what was imported before: it may be the only copy of a measurement."""
    if not out.exists():
        return
    remedy = "Name a new file with --out."
    if not out.is_file():
        raise ReportError(f"{out}: exists and is not a file. {remedy}", "out-not-file")
    try:
        held = [json.loads(line) for line in out.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as failure:
        raise ReportError(
            f"{out}: exists and is not a file of records. {remedy}", "out-not-records"
        ) from failure
    if not all(isinstance(each, dict) and "imported" in each for each in held):
        raise ReportError(f"{out}: contains records that were measured here. {remedy}", "out-not-imported")
