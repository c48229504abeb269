"""The command ``edgebench-report``."""

import argparse
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from edgebench import output, storage

from edgebench_report.errors import ReportError, with_code

_DESCRIPTION = (
    "Turns the records of edgebench runs, and logs of other programs, into tables, charts and a page."
)
# Most reports are ready by then, and show nothing but themselves.
_PATIENCE_S = 5.0
_EXIT_CODES = """\
exit codes:
  0  the report was built from everything named
  1  the report was built, but records were left out; they are listed, also in the report
  2  no report was built: wrong usage, no readable record, or the output cannot be written
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command with ``arguments`` (default: those of the process) and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="edgebench-report",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    arguments = sys.argv[1:] if arguments is None else arguments
    _add(commands, *arguments[:1])
    output.prepare()
    given = parser.parse_args(arguments)
    try:
        with _shown_while_it_lasts(given.command):
            code: int = given.run(given)
        output.flush()
    except OSError as error:
        if error.filename != output.NAME:
            said = with_code(storage.explained(error), storage.code(error))
            _say(f"edgebench-report: {said}", sys.stderr)
            return 2
        output.discard()
        said = f"standard output cannot be written: {error.strerror}. Send it to another file and run this again."
        _say(f"edgebench-report: {with_code(said, 'output-not-written')}", sys.stderr)
        return 2
    except ReportError as error:
        _say(f"edgebench-report: {with_code(error, error.code)}", sys.stderr)
        return 2
    return code


@contextmanager
def _shown_while_it_lasts(command: str) -> Iterator[None]:
    """Show on standard error that a command is at work, if it is for long."""
    ended = threading.Event()

    def watch() -> None:
        if not ended.wait(_PATIENCE_S):
            from edgebench import progress

            # Not a bar: tables come on the same terminal.
            with progress.display("plain").during(f"edgebench-report {command}: reading and computing"):
                ended.wait()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", named: str | None = None) -> None:
    """Add the command that is named, or all of them where none is."""
    if named == "aggregate":
        # It does not wait for what only the others import.
        from edgebench_report import cli_aggregate

        cli_aggregate.add(commands, _say)
        return
    from edgebench_report import cli_aggregate, cli_compare, cli_export, cli_import

    _add_build(commands)
    cli_import.add(commands, _say)
    cli_compare.add(commands, _say)
    cli_export.add(commands, _say)
    cli_aggregate.add(commands, _say)


def _add_build(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "build",
        help="build a report from records",
        description="Reads records and writes index.html, report.md, the tables as CSV and the charts into a "
        "folder, then prints the tables and the path of the page.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help=".jsonl file, or folder that contains some"
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for the report; created if missing"
    )
    parser.add_argument("--title", default="", help="title of the report")
    parser.add_argument(
        "--against",
        metavar="HOST",
        help="compare with this host, or with the hosts of the 2019 report: published (default: the slowest host)",
    )
    parser.add_argument("--quiet", action="store_true", help="print only the path of the page")
    parser.set_defaults(run=_build)


def _build(given: argparse.Namespace) -> int:
    # With pandas and matplotlib behind it, it takes longer to import than other commands take.
    from edgebench_report import terminal
    from edgebench_report.build import build
    from edgebench_report.writing import STDOUT

    if given.out == STDOUT:
        raise ReportError(
            "--out -: the report is a folder, not a stream. Name a folder, for example --out report.",
            "out-is-stdout",
        )
    built = build(given.paths, given.out, given.title, given.against)
    if not given.quiet:
        width = shutil.get_terminal_size((110, 40)).columns
        _say(terminal.render(built.summary, built.tables, width, built.answers), sys.stdout)
    for problem in built.loaded.problems:
        _say(f"left out: {problem.message}", sys.stderr)
    _say(str(built.page) if given.quiet else f"Report: {built.page}", sys.stdout)
    return 1 if built.loaded.problems else 0


def _say(message: str, stream: TextIO) -> None:
    print(message, file=stream)
