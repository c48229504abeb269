"""Run commands of this checkout on a fresh Debian, as a newcomer would.

    sudo .venv/bin/python -m tests.fresh --release bookworm --command 'make bench' --command 'make unit'

The guest is a container with the essential packages, python3, python3-venv, make, git and ca-certificates. It runs a
clone of HEAD in an empty home; uncommitted changes are not included. The exit code is 1 if a command failed or took
longer than its limit, and 2 if nothing was run.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests import needs
from tests.fresh.guest import Guest, Result, copy, image
from tests.fresh.program import Outcome, add_release, execute, parser

COMMANDS = ["make bench", "make test"]
# Of a command that fails, so many lines of its summary are repeated.
REPEATED = 12


def limit(text: str) -> tuple[str, float]:
    """Return command and seconds of COMMAND=SECONDS. Raises ValueError."""
    command, _, seconds = text.rpartition("=")
    if not command:
        raise ValueError(text)
    return command, float(seconds)


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    options = parser("tests.fresh", __doc__)
    add_release(options)
    options.add_argument(
        "--command",
        action="append",
        metavar="COMMAND",
        help=f"command to run, repeatable; default: {COMMANDS}",
    )
    user = options.add_mutually_exclusive_group()
    user.add_argument(
        "--user", dest="user", action="store_const", const="dev", help="run as the user dev (default)"
    )
    user.add_argument("--root", dest="user", action="store_const", const="root", help="run as root")
    options.add_argument(
        "--limit-s",
        action="append",
        type=limit,
        default=[],
        metavar="COMMAND=SECONDS",
        help="fail above this time",
    )
    options.set_defaults(user="dev")
    given = options.parse_args()
    given.command = given.command or COMMANDS
    for command, _ in given.limit_s:
        if command not in given.command:
            options.error(
                f"--limit-s: {command!r} is not run; expected one of {given.command} [fresh-limit-unknown]"
            )
    return given


def refusal() -> str | None:
    """Return why nothing can be run on this machine, or None."""
    if os.geteuid() != 0:
        return f"user id is {os.geteuid()}, expected 0; run: sudo .venv/bin/python -m tests.fresh [fresh-needs-root]"
    for name in ("mmdebstrap", "systemd-nspawn", "apt-get"):
        if needs.program(name) is None:
            return (
                f"{name} is missing, expected on PATH; run: {needs.need(name).remedy} [fresh-needs-program]"
            )
    git = ["git", "-C", str(needs.REPOSITORY), "rev-parse", "--quiet", "--verify", "HEAD^{commit}"]
    if subprocess.run(git, stdout=subprocess.DEVNULL, check=False).returncode:
        return f"{needs.REPOSITORY} has no commit, expected one to clone; run: git commit [fresh-no-commit]"
    return None


def problem(result: Result, limit_s: float | None) -> str:
    """Return what is wrong with a command that ran: its exit code and the failed tests, or its time."""
    if result.exit_code:
        end = result.lines[-REPEATED:]
        starts = [number for number, line in enumerate(result.lines) if line.startswith("failed: ")]
        if starts:
            # The summary of `make test` names them on indented lines.
            failed = result.lines[starts[-1] + 1 :]
            count = next(
                (number for number, line in enumerate(failed) if not line.startswith(" ")), len(failed)
            )
            end = failed[:count][:REPEATED] or end
        return "\n    ".join([f"exit code {result.exit_code}", *(line.strip() for line in end)])
    if limit_s is not None and result.seconds > limit_s:
        return f"took {result.seconds:.0f} s, expected at most {limit_s:.0f} s"
    return ""


def trials(options: argparse.Namespace) -> list[Outcome]:
    """Run the commands and return how they ended. Raises LabError."""
    limits = dict(options.limit_s)
    outcomes = []
    with copy(image(options.release)) as root:
        guest = Guest(root, options.user, options.release)
        guest.clone(Path(needs.REPOSITORY))
        for command in options.command:
            print(f"fresh: {options.release}: {command}", flush=True)
            result = guest.execute(command)
            name = f"{options.release}: {command}"
            outcomes.append(Outcome(name, result.seconds, problem(result, limits.get(command))))
            print(
                f"fresh: exit code {result.exit_code} after {result.seconds:.0f} s; the home has {result.disk_mb} MB",
                flush=True,
            )
    return outcomes


def main() -> int:
    """Run the commands and return the exit code."""
    options = parse()
    return execute(refusal(), lambda: trials(options))


if __name__ == "__main__":
    sys.exit(main())
