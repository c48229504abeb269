"""Presses Ctrl-C at random moments of `make bench`, on a real terminal, and checks what is left.

    python -m tests.interrupts [--moments 10] [--seed 0] [--without-procps] [--folder DIR]

Each moment lies somewhere in setting up .venv, provisioning or benchmarking: before it, chance undoes one of them. Ten
seconds later no process of that checkout may be left, and every line of every record must be whole. In the end the
same command completes.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.terminal import Program, left_of

REPOSITORY = Path(__file__).resolve().parent.parent
# What the Debian package procps brings.
PROCPS = {
    *(
        "free",
        "kill",
        "pgrep",
        "pidof",
        "pidwait",
        "pkill",
        "pmap",
        "ps",
        "pwdx",
        "skill",
        "slabtop",
        "snice",
    ),
    *("sysctl", "tload", "top", "uptime", "vmstat", "w", "watch"),
}
STOPPED_S = 10.0
UNDONE: tuple[tuple[str, ...], ...] = (
    (),
    (),
    (".venv",),
    (".venv/edgebench-stamp",),
    (".edgebench/venv",),
    (".edgebench/venv/edgebench-runtime.json",),
)
QUICK = '-e \'{"bench_workloads": ["mnist_1d", "reuters"], "bench_data": "synthetic"}\''


def copy_of_checkout(folder: Path) -> Path:
    """Copy what git knows of the checkout, in its present state, and return the copy."""
    copy = folder / "checkout"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        if (REPOSITORY / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, copy / name, follow_symlinks=False)
    return copy


def path_without_procps(folder: Path) -> str:
    """Return a PATH that has every program of the present one but those of procps."""
    folder.mkdir()
    for place in os.environ["PATH"].split(":"):
        for program in sorted(Path(place).glob("*")):
            if program.name not in PROCPS and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    return str(folder)


def environment(path: str) -> dict[str, str]:
    """Return the environment that a person has: without what tests and CI set."""
    odd = ("ANSIBLE_", "EDGEBENCH_", "PYTEST_", "COV_", "MAKE", "MFLAGS", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(odd)}
    return {**kept, "PATH": path, "LC_ALL": "C.UTF-8", "TERM": "xterm"}


def broken_records(checkout: Path) -> list[str]:
    """Return the lines of records that cannot be read."""
    found = []
    for folder in (".edgebench/results", "results"):
        for path in (checkout / folder).rglob("*.jsonl"):
            for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
                try:
                    json.loads(line)
                    whole = line.endswith(b"\n")
                except ValueError:
                    whole = False
                if not whole:
                    found.append(f"{path}:{number}: {line[:80]!r}")
    return found


class Campaign:
    """Interrupts `make bench` in a checkout; ``problems`` are what went wrong."""

    def __init__(self, checkout: Path, path: str, arguments: str, say: Callable[[str], None]) -> None:
        self.checkout = checkout
        self.problems: list[str] = []
        self._environment = environment(path)
        self._command = ["make", "bench", f"ANSIBLE_ARGS={arguments}"]
        self._say = say

    def complete(self, timeout_s: float) -> Program:
        """Run the command to its end."""
        program = Program(self._command, self.checkout, self._environment, on_terminal=True)
        try:
            code = program.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._problem("completing", f"not done after {timeout_s:.0f} s", program)
        else:
            self._check("completing", program)
            if code != 0:
                self._problem("completing", f"exit code {code}", program)
        finally:
            program.end()
        return program

    def interrupt(self, after_s: float) -> None:
        """Start the command, press Ctrl-C after so many seconds, and check what is left."""
        program = Program(self._command, self.checkout, self._environment, on_terminal=True)
        try:
            while program.passed_s < after_s and program.process.poll() is None:
                time.sleep(0.05)
            where = (
                f"{program.passed_s:.1f} s, " + (program.lines[-1].text if program.lines else "at once")[:90]
            )
            if program.process.poll() is not None:
                self._say(f"ended before {where}")
                self._check(where, program)
                return
            program.interrupt()
            pressed = program.passed_s
            left = left_of(self.checkout, STOPPED_S)
            self._say(f"Ctrl-C at {where}: stopped after {program.passed_s - pressed:.1f} s")
            if left:
                self._problem(where, f"left: {left}", program)
            self._check(where, program)
        finally:
            program.end()

    def _check(self, where: str, program: Program) -> None:
        broken = broken_records(self.checkout)
        if broken:
            self._problem(where, f"broken records: {broken}", program)

    def _problem(self, where: str, what: str, program: Program) -> None:
        end = "\n    ".join(line.text for line in program.lines[-25:])
        self.problems.append(f"{where}: {what}\n    {end}")
        self._say(self.problems[-1])

    def undo(self, names: tuple[str, ...]) -> None:
        """Remove parts of the checkout's set-up."""
        for name in names:
            path = self.checkout / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def run(
    folder: Path,
    moments: int,
    seed: int,
    *,
    without_procps: bool,
    longest_s: float = 60.0,
    prepare: Callable[[Path], object] = lambda checkout: None,
    undone: tuple[tuple[str, ...], ...] = UNDONE,
    arguments: str = QUICK,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Interrupt at random moments, complete in the end, and return the problems."""
    chance = random.Random(seed)
    checkout = copy_of_checkout(folder)
    prepare(checkout)
    path = path_without_procps(folder / "programs") if without_procps else os.environ["PATH"]
    campaign = Campaign(checkout, path, arguments, say)
    for number in range(moments):
        removed = chance.choice(undone)
        campaign.undo(removed)
        after_s = chance.uniform(0.2, longest_s)
        say(
            f"[{number + 1}/{moments}] without {', '.join(removed) or 'nothing'}, Ctrl-C after {after_s:.1f} s"
        )
        campaign.interrupt(after_s)
    campaign.complete(1800)
    return campaign.problems


def main() -> int:
    """Run a campaign and return the exit code: 1 if there were problems."""
    parser = argparse.ArgumentParser(description="Press Ctrl-C at random moments of make bench.")
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-procps", action="store_true")
    parser.add_argument("--longest", type=float, default=60.0, metavar="S", help="latest moment of a run")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in (default: a temporary one)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgebench-interrupts-") as temporary:
        folder = chosen.folder or Path(temporary)
        problems = run(
            folder,
            chosen.moments,
            chosen.seed,
            without_procps=chosen.without_procps,
            longest_s=chosen.longest,
        )
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
