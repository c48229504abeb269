"""Run the walk-through of docs/fleet.md as a newcomer would: as root, in a new clone, with an empty home.

    sudo .venv/bin/python -m tests.fresh.lab_walk

The commands are those of the page. They run in one shell, in a clone of HEAD, with an empty HOME, no caches and no
pyenv; uncommitted changes are not included. The exit code is 1 if a command failed or the report lacks a host, and 2 if
nothing was run.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab import declared, paths
from tests.fresh.program import Outcome, execute, parser

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs/fleet.md"
HEADING = "## Try it without a board\n"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How this machine reaches packages.
PASSED = re.compile(
    r"PIP_(INDEX_URL|EXTRA_INDEX_URL|CERT|TRUSTED_HOST)|(https?|no)_proxy|SSL_CERT_FILE|REQUESTS_CA_BUNDLE",
    re.I,
)
END = "make lab-down"


def commands(page: str) -> list[str]:
    """Return the commands of the walk-through, without comments. Raises ValueError if the page has none."""
    found = re.search(r"\n```\n(.*?)```\n", page.partition(HEADING)[2], re.DOTALL)
    if found is None:
        raise ValueError(f"{PAGE} has no commands below {HEADING.strip()!r}")
    return [re.sub(r"\s+#.*", "", line) for line in found[1].splitlines()]


def script(lines: list[str]) -> str:
    """Return a script of bash that runs commands in one shell, up to the first that fails, and ends the lab."""
    parts = [
        f"trap {shlex.quote(f'code=$?; [ $code = 0 ] || {END}; exit $code')} EXIT",
        "trap 'exit 1' INT TERM HUP",
    ]
    for line in lines:
        parts += [
            f"printf '\\n### %s\\n' {shlex.quote(line)}",
            "begun=$SECONDS",
            line,
            "code=$?",
            'echo "### exit code $code after $((SECONDS - begun)) s"',
            "[ $code = 0 ] || exit 1",
        ]
    return "\n".join([*parts, ""])


def refusal() -> str | None:
    """Return why nothing can be run on this machine, or None."""
    if os.geteuid() != 0:
        command = "sudo .venv/bin/python -m tests.fresh.lab_walk"
        return f"user id is {os.geteuid()}, expected 0; run: {command} [fresh-needs-root]"
    if (paths.STATE / "lab").exists():
        return f"this machine has a lab already; end it: {END} [fresh-lab-exists]"
    return None


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a newcomer's shell."""
    passed = {name: value for name, value in os.environ.items() if PASSED.fullmatch(name)}
    return {**passed, "HOME": str(home), "PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "TERM": "dumb"}


def walk(folder: Path) -> list[str]:
    """Run the commands in a clone below the folder and return what went wrong."""
    home, checkout = folder / "home", folder / "edgebench"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(checkout)], check=True)
    lines = commands((checkout / "docs/fleet.md").read_text("utf-8"))
    process = subprocess.Popen(
        ["bash", "-c", script(lines)],
        cwd=checkout,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    begun = time.monotonic()
    try:
        for line in process.stdout:
            print(f"{time.monotonic() - begun:5.0f} s | {line.rstrip()}", flush=True)
    finally:
        # Ctrl-C reaches the shell as well, which then ends the lab.
        process.wait()
    if process.returncode:
        return [f"a command failed with exit code {process.returncode}"]
    # Those that the first command left out are in a file.
    absent = (checkout / ".edgebench/lab/lab/left-out").read_text("utf-8").split()
    hosts = [
        each.name for each in declared.read(checkout / "inventory/lab/hosts.yml") if each.name not in absent
    ]
    wrong = [] if len(hosts) > 1 else [f"hosts are {', '.join(hosts) or 'none'}, expected several"]
    pages = list(checkout.glob("results/*/report/index.html"))
    page = pages[0].read_text("utf-8") if pages else ""
    wrong += [f"the report has no {name}" for name in hosts if f">{name}<" not in page]
    if (paths.STATE / "lab").exists():
        wrong.append(f"{END} left {paths.STATE / 'lab'}")
    return wrong


def trials() -> list[Outcome]:
    """Run the walk-through in a folder of its own and return how it ended."""
    folder = Path(tempfile.mkdtemp(prefix="edgebench-lab-", dir="/var/tmp"))
    begun = time.monotonic()
    try:
        wrong = walk(folder)
    finally:
        # Another lab may use the package caches in that home.
        if not any(paths.STATE.glob("*")):
            shutil.rmtree(folder)
    return [Outcome("walk-through of the lab", time.monotonic() - begun, "; ".join(wrong))]


def main() -> int:
    """Run the walk-through and return the exit code."""
    parser("tests.fresh.lab_walk", __doc__).parse_args()
    return execute(refusal(), trials)


if __name__ == "__main__":
    sys.exit(main())
