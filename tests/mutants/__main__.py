"""Proof that the tests catch faults: applies the mutations of mutants.yml to a clone and runs the tests named there.

    python -m tests.mutants                  # the quick ones
    python -m tests.mutants --all            # all of them: some need root, TensorFlow or hosts of the lab
    python -m tests.mutants --part unit      # those that the tests of one part catch
    python -m tests.mutants torn-line ...    # those with these names, slow ones too

The clone has HEAD, not what is uncommitted. Exit code 1: a mutation survived, or could not be tried.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests import needs
from tests.mutants.table import Mutant, load, mutated
from tests.tiers import IN_PARALLEL, PARTS, REPOSITORY

# Longer than any named test takes; a mutation that makes a test hang is not caught.
LIMIT_S = 1200
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", re.MULTILINE)


class Clone:
    """A clone of the checkout with a virtual environment of its own."""

    def __init__(self, folder: Path) -> None:
        """Clone HEAD into ``folder`` and install what the tests need."""
        self.folder = folder
        subprocess.run(["git", "clone", "--quiet", "--local", REPOSITORY, folder], check=True)
        subprocess.run(["tools/setup_venv.sh", "test"], cwd=folder, check=True)

    def pytest(self, *arguments: str) -> tuple[int | None, str]:
        """Run pytest; return its exit code, None if it took more than LIMIT_S seconds, and its output."""
        # Times are not those of the tier, and bytecode of a mutation could pass for that of the original.
        dropped = {"EDGEBENCH_TEST_LOG", "PYTHONHOME", "VIRTUAL_ENV"}
        environment = {
            **{name: value for name, value in os.environ.items() if name not in dropped},
            "EDGEBENCH_DATA_DIR": str(needs.data_folder()),
            "PATH": f"{self.folder}/.venv/bin:{os.environ.get('PATH', '')}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(self.folder),
        }
        python = str(self.folder / ".venv/bin/python")
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, ""
        return done.returncode, done.stdout

    def attempt(self, mutant: Mutant) -> tuple[bool, str]:
        """Run the tests of a mutation on it; return whether they caught it, and the test that did or the reason."""
        path = self.folder / mutant.file
        original = path.read_text("utf-8")
        try:
            path.write_text(mutated(original, mutant), "utf-8")
            code, output = self.pytest("-x", *mutant.tests)
        except ValueError as error:
            return False, str(error)
        finally:
            path.write_text(original, "utf-8")
        found = _FAILED.search(output)
        if code == 1 and found:
            return True, found[1]
        # 0: passed or skipped. 2 to 5: nothing was tested, such as by a collection error.
        return False, f"timeout after {LIMIT_S} s" if code is None else f"pytest ended with exit code {code}"


def selected(mutants: Sequence[Mutant], names: Sequence[str], part: str | None, slow: bool) -> list[Mutant]:
    """Return the mutations with these names, or else the quick ones, of one part if given; ``slow``: all of them."""
    if names:
        return [each for each in mutants if each.name in names]
    return [each for each in mutants if part in (None, each.part) and (each.quick or slow)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="*", metavar="NAME", help="try these mutations only")
    parser.add_argument(
        "--part", choices=PARTS, metavar="PART", help="try those of one part of tests/tiers.py"
    )
    parser.add_argument("--all", action="store_true", help="try the slow ones too")
    given = parser.parse_args(arguments)
    mutants = load()
    unknown = set(given.name) - {each.name for each in mutants}
    chosen = selected(mutants, given.name, given.part, given.all)
    if unknown or not chosen:
        what = f"unknown: {', '.join(sorted(unknown))}" if unknown else "only slow ones, add --all"
        parser.error(f"no such mutation to try ({what})")
    with tempfile.TemporaryDirectory(prefix="edgebench-mutants-") as folder:
        return try_all(Clone(Path(folder, "edgebench")), chosen)


def try_all(clone: Clone, mutants: Sequence[Mutant]) -> int:
    """Try mutations, print a line for each and a summary; return the exit code."""
    tests = sorted({test for each in mutants for test in each.tests})
    begin = time.monotonic()
    code, output = clone.pytest(*IN_PARALLEL, *tests)
    if code != 0:
        print(output)
        print(f"edgebench: the tests fail without a mutation (exit code {code}) [tests-not-passing]")
        return 1
    print(f"{len(tests)} tests pass without a mutation, {time.monotonic() - begin:.0f} s", flush=True)
    survived = []
    for mutant in mutants:
        started = time.monotonic()
        caught, said = clone.attempt(mutant)
        verdict = "caught by" if caught else "SURVIVED:"
        print(
            f"{mutant.name:32} {mutant.part:8} {time.monotonic() - started:5.0f} s  {verdict} {said}",
            flush=True,
        )
        if not caught:
            survived.append(mutant)
    areas = ", ".join(f"{area} {count}" for area, count in Counter(each.area for each in mutants).items())
    print(f"{len(mutants) - len(survived)} of {len(mutants)} mutations caught ({areas})")
    for mutant in survived:
        print(f"survived: {mutant.name} ({mutant.file}): {mutant.why}")
    return int(bool(survived))


if __name__ == "__main__":
    sys.exit(main())
