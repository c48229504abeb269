"""The first hour of newcomers, on a fresh Debian: each case works, or is refused at once by a message with a code.

    sudo .venv/bin/python -m tests.fresh.walk --release bookworm

An ordinary user without procps has a clone of HEAD in a folder with blanks and parentheses in its name; uncommitted
changes are not included. The exit code is 1 if a case ended otherwise than expected, and 2 if nothing was run.
"""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run
from tests import needs
from tests.fresh.__main__ import refusal
from tests.fresh.guest import Guest, Output, copy, image
from tests.fresh.program import Outcome, add_release, execute, parser

USER = "dev"
FOLDER = "/srv/dev"
CHECKOUT = f"{FOLDER}/my boards (2)"
# One workload, so that the walk is about everything else; repeats enough to be interrupted.
SETTINGS = {"bench_workloads": ["mnist_1d"], "bench_repeats": 6, "bench_run_id": "walk"}
BENCH = f"make bench ANSIBLE_ARGS='-e @{FOLDER}/settings.yml'"
OFFLINE = "--private-network"
# Of a refusal: the start of the container and of Python are in it, and name servers may let one wait.
REFUSED_S = 25.0
# A message has at most so many characters.
MESSAGE = 800
PROCESSES = 'test -z "$(command -v ps pkill pgrep killall less file)"'
# As Ctrl-C on a terminal does, once the first run has a record.
INTERRUPT = """
import os, shlex, sys, time
from pathlib import Path
from tests.terminal import Program, left_of

program = Program(shlex.split(sys.argv[1]), Path.cwd(), os.environ, on_terminal=True)
shown = 0
while "[1/" not in program.text and program.process.poll() is None:
    time.sleep(0.2)
    for line in program.lines[shown:]:
        print(line.text)
        shown += 1
if program.process.poll() is not None:
    sys.exit(97)
program.interrupt()
code = program.wait(60)
print(*(line.text for line in program.lines[shown:]), sep="\\n")
left = left_of(Path.cwd(), 10)
print("processes that are left:", left)
sys.exit(99 if left else 0 if code else 98)
"""
FOREIGN = (
    "export LC_ALL=C LANGUAGE=xx TMPDIR=/nowhere ANSIBLE_CONFIG=/nowhere/ansible.cfg ANSIBLE_ROLES_PATH=/nowhere"
    " ANSIBLE_INVENTORY=/nowhere VIRTUAL_ENV=/nowhere PYTHONPATH=/nowhere PYTHONHOME=/nowhere PIP_USER=1; umask 077"
)


@dataclass(frozen=True)
class Case:
    """A script and how it must end: by an exit code and, if it is a refusal, by a message with a code and values."""

    name: str
    script: str
    options: tuple[str, ...] = ()
    exit_code: int = 0
    code: str = ""
    values: tuple[str, ...] = ()
    limit_s: float = float("inf")

    def problem(self, output: Output) -> str:
        """Return what is wrong with the output, empty if nothing is."""
        if output.exit_code != self.exit_code:
            return f"exit code {output.exit_code}, expected {self.exit_code}"
        if output.seconds > self.limit_s:
            return f"took {output.seconds:.0f} s, expected at most {self.limit_s:.0f} s"
        # Ansible breaks a message into lines, and doubles its quotes.
        text = re.sub(r"\s+", " ", " ".join(output.lines)).replace("''", "'")
        *messages, _ = text.split(f"[{self.code}]") if self.code else ["", ""]
        if not messages:
            return f"no message with [{self.code}]"
        # The code also is in the condition that Ansible prints of a failed assertion.
        told = [[value for value in self.values if value not in each[-MESSAGE:]] for each in messages]
        missing = min(told, key=len)
        return f"{missing[0]!r} is not named" if missing else ""


def refused(name: str, script: str, code: str, *values: str, options: tuple[str, ...] = ()) -> Case:
    """Return a case that `make` refuses at once."""
    return Case(name, script, options, 2, code, values, REFUSED_S)


def within(folder: str, command: str) -> str:
    """Return a script that runs a command in a new clone of the checkout."""
    return f"git clone -q {shlex.quote(CHECKOUT)} {folder} && cd {folder} && {command}"


def cases(root: Path) -> Iterator[Case]:
    """Yield the cases, in their order: later ones use what earlier ones made."""
    there = f"cd {shlex.quote(CHECKOUT)} && "
    small, noexec = ("--tmpfs=/small:size=1G,mode=1777",), ("--tmpfs=/noexec:noexec,mode=1777",)
    yield Case("no procps", PROCESSES)
    yield refused("colon in path", within(f"{FOLDER}/a:b", "make bench"), "checkout-path", f"{FOLDER}/a:b")
    yield refused(
        "1 GB disk", within("/small/x", "make bench"), "disk-full", "/small/x", "3500 MB", options=small
    )
    yield refused("noexec", within("/noexec/x", "make bench"), "checkout-noexec", "/noexec", options=noexec)
    # As `sudo make` leaves it behind.
    (root / CHECKOUT[1:] / ".venv").mkdir()
    yield refused(
        "root's .venv", f"{there}make bench", "checkout-not-writable", "/.venv belongs to root", "chown"
    )
    (root / CHECKOUT[1:] / ".venv").rmdir()
    with _hidden(root, "usr/lib/python3.*/ensurepip/__init__.py"):
        yield refused("no python3-venv", f"{there}make bench", "venv-missing", "apt-get install python3")
    yield refused(
        "old Python", f"{there}make bench PYTHON=/bin/true", "python-unsupported", "/bin/true", "3.11"
    )
    yield refused(
        "no network",
        f"{there}make bench",
        "index-unreachable",
        "https://",
        "PIP_INDEX_URL",
        options=(OFFLINE,),
    )
    # From here on with a home that nobody can write to, as a container or a kiosk has.
    frozen = f"--bind-ro={root}/home/{USER}:/home/{USER}"
    wrong = "make bench ANSIBLE_ARGS='-e bench_repeats=three'"
    interrupted = f"{there}python3 -u -c {shlex.quote(INTERRUPT)} {shlex.quote(BENCH)}"
    yield Case("read-only HOME, Ctrl-C", interrupted, (frozen,))
    report = f"{there}{FOREIGN}; {BENCH} <&- && test -s results/walk/report/index.html"
    yield Case("the same again, offline", report, (OFFLINE,))
    yield Case("no HOME", f"{there}unset HOME; make report <&-", (frozen,))
    yield Case(
        "value of wrong type",
        f"{there}{wrong}",
        (frozen,),
        2,
        "variable-invalid",
        ("'three'", "type int"),
        120,
    )
    host = "x86: {hosts: {frodo: {ansible_host: 10.0.0.1, bench_proflie: quick}}}"
    playbook = ".venv/bin/ansible-playbook provision.yml"
    mistake = f"echo {shlex.quote(host)} > {FOLDER}/hosts.yml; {playbook} -i {FOLDER}/hosts.yml"
    yield Case(
        "misspelt variable",
        there + mistake,
        (frozen,),
        2,
        "variable-unknown",
        ("bench_proflie", "bench_profile"),
        120,
    )
    stack = f"{playbook} -l local -e edgebench_home={FOLDER}/other"
    yield Case(
        "TensorFlow offline",
        there + stack,
        (frozen, OFFLINE),
        2,
        "index-unreachable",
        ("https://", "localhost"),
    )


@contextmanager
def _hidden(root: Path, pattern: str) -> Iterator[None]:
    (path,) = root.glob(pattern)
    text = path.read_text()
    path.write_text("raise ModuleNotFoundError\n")
    try:
        yield
    finally:
        path.write_text(text)


def strays(root: Path, marker: Path) -> list[str]:
    """Return what the user made outside the checkout since the marker, temporary files excepted."""
    uid = run("chroot", root, "id", "-u", USER).strip()
    excepted = [f"{root}{folder}" for folder in (FOLDER, "/tmp", "/var/tmp")]
    pruned = [word for folder in excepted for word in ("-path", folder, "-prune", "-o")]
    found = run("find", root, *pruned, "-newer", marker, "-uid", uid, "-print").splitlines()
    return sorted(path.removeprefix(str(root)) for path in found)


def walk(release: str) -> list[Outcome]:
    """Run the cases and return how they ended. Raises LabError."""
    outcomes = []
    with copy(image(release)) as root:
        guest = Guest(root, USER, release)
        run("chroot", root, "install", "-d", "-o", USER, FOLDER)
        (root / FOLDER[1:] / "settings.yml").write_text(json.dumps(SETTINGS))
        guest.clone(Path(needs.REPOSITORY), CHECKOUT)
        marker = root / "marker"
        marker.touch()
        for case in cases(root):
            print(f"walk: {release}: {case.name}", flush=True)
            output = guest.run(case.script, *case.options)
            outcomes.append(Outcome(case.name, output.seconds, case.problem(output)))
            print(f"walk: {outcomes[-1].problem or 'as expected'}, {output.seconds:.0f} s", flush=True)
        left = strays(root, marker)
        outcomes.append(
            Outcome("nothing outside the checkout", 0.0, f"found {', '.join(left)}" if left else "")
        )
    return outcomes


def main() -> int:
    """Walk through and return the exit code."""
    options = parser("tests.fresh.walk", __doc__)
    add_release(options)
    release = options.parse_args().release
    return execute(refusal(), lambda: walk(release))


if __name__ == "__main__":
    sys.exit(main())
