"""What the programs of this package share: options, the end by a signal, the table and the log of what they tried."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError
from tests.fresh.guest import END_SIGNALS
from tests.fresh.host_config import TESTING

RELEASES = ("bookworm", "trixie", TESTING)


@dataclass(frozen=True)
class Outcome:
    """What was tried, its seconds, and what is wrong with it, empty if nothing is."""

    test: str
    seconds: float
    problem: str


def parser(module: str, document: str | None) -> argparse.ArgumentParser:
    """Return a parser for `python -m MODULE`, described by the first line of its document."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}", description=(document or "").partition("\n")[0]
    )


def add_release(options: argparse.ArgumentParser) -> None:
    """Add the option --release."""
    options.add_argument("--release", required=True, choices=RELEASES, help="Debian release of the guest")


def execute(refusal: str | None, trials: Callable[[], Sequence[Outcome]]) -> int:
    """Run the trials unless there is a refusal, print and log their outcomes; return the exit code.

    The code is 0 if nothing is wrong with any, 1 otherwise, and 2 for a refusal.
    """
    if refusal:
        print(f"edgebench: {refusal}", file=sys.stderr)
        return 2
    for number in END_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        outcomes = trials()
    except LabError as error:
        print(f"edgebench: {error} [{error.code}]", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("edgebench: interrupted; what was made is removed [fresh-interrupted]", file=sys.stderr)
        return 1
    print(_table(outcomes))
    _log(outcomes)
    return int(any(each.problem for each in outcomes))


def _table(outcomes: Sequence[Outcome]) -> str:
    width = max(len(each.test) for each in outcomes)
    lines = [f"{'':{width}}  seconds  result"]
    for each in outcomes:
        result = f"FAILED: {each.problem}" if each.problem else "as expected"
        lines.append(f"{each.test:{width}}  {each.seconds:7.0f}  {result}")
    return "\n".join(lines)


def _log(outcomes: Sequence[Outcome]) -> None:
    # As tests/conftest.py does, for the summary of `make test`.
    folder = os.environ.get("EDGEBENCH_TEST_LOG")
    if folder:
        with Path(folder, "tests.jsonl").open("a") as handle:
            for each in outcomes:
                entry = {**asdict(each), "failed": bool(each.problem), "skipped": None}
                handle.write(json.dumps(entry) + "\n")
