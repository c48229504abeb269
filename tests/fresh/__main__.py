"""Run commands of this checkout on a fresh Debian, as a newcomer would.

    sudo .venv/bin/python -m tests.fresh --release bookworm --command 'make bench' --command 'make unit'

The guest is a container with the essential packages, python3, python3-venv, make, git and ca-certificates. It runs a
clone of HEAD in an empty home; uncommitted changes are not included. The exit code is 1 if a command failed or took
longer than its limit, and 2 if nothing was run.
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from lab.errors import LabError
from tests import needs
from tests.fresh.guest import END_SIGNALS, Guest, Result, copy, image

RELEASES = ("bookworm", "trixie")
COMMANDS = ["make bench", "make test"]
# Marked in the table, but no failure: command → seconds.
EXPECTED = {"make test": 900.0}


def limit(text: str) -> tuple[str, float]:
    """Return command and seconds of COMMAND=SECONDS. Raises ValueError."""
    command, _, seconds = text.rpartition("=")
    if not command:
        raise ValueError(text)
    return command, float(seconds)


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fresh", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--release", required=True, choices=RELEASES, help="Debian release of the guest")
    parser.add_argument(
        "--command",
        action="append",
        metavar="COMMAND",
        help=f"command to run, repeatable; default: {COMMANDS}",
    )
    user = parser.add_mutually_exclusive_group()
    user.add_argument(
        "--user", dest="user", action="store_const", const="dev", help="run as the user dev (default)"
    )
    user.add_argument("--root", dest="user", action="store_const", const="root", help="run as root")
    parser.add_argument(
        "--limit-s",
        action="append",
        type=limit,
        default=[],
        metavar="COMMAND=SECONDS",
        help="fail above this time",
    )
    parser.set_defaults(user="dev")
    options = parser.parse_args()
    options.command = options.command or COMMANDS
    for command, _ in options.limit_s:
        if command not in options.command:
            parser.error(
                f"--limit-s: {command!r} is not run; expected one of {options.command} [fresh-limit-unknown]"
            )
    return options


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


def table(results: list[Result], limits: dict[str, float]) -> str:
    """Return the summary as text, one line for each command."""
    width = max(len(each.command) for each in results)
    lines = [f"{'command':{width}}  exit code  seconds  limit  home (MB)"]
    for each in results:
        bound = limits.get(each.command, EXPECTED.get(each.command))
        shown = f"{bound:.0f}" if bound else "-"
        line = (
            f"{each.command:{width}}  {each.exit_code:9}  {each.seconds:7.0f}  {shown:>5}  {each.disk_mb:9}"
        )
        lines.append(line + (" over the limit" if bound and each.seconds > bound else ""))
    return "\n".join(lines)


def main() -> int:
    """Run the commands and return the exit code."""
    options = parse()
    refused = refusal()
    if refused:
        print(f"edgebench: {refused}", file=sys.stderr)
        return 2
    for number in END_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    limits = dict(options.limit_s)
    with copy(image(options.release)) as root:
        guest = Guest(root, options.user, options.release)
        guest.clone(Path(needs.REPOSITORY))
        results = []
        for command in options.command:
            print(f"fresh: {options.release}: {command}", flush=True)
            results.append(guest.execute(command))
            print(f"fresh: exit code {results[-1].exit_code} after {results[-1].seconds:.0f} s", flush=True)
    print(table(results, limits))
    return int(
        any(each.exit_code or each.seconds > limits.get(each.command, float("inf")) for each in results)
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"edgebench: {error} [fresh-failed]")
    except KeyboardInterrupt:
        sys.exit("edgebench: interrupted; the copy is removed [fresh-interrupted]")
