"""The tiers of tests and their parts: what each runs, what it needs, about how long it takes.

    python -m tests.tiers list               # the parts
    python -m tests.tiers run NAME ...       # parts, or the tiers `test` and `test-all`
    python -m tests.tiers install NAME ...   # the Debian packages of parts, or of the lab
    python -m tests.tiers rotation NUMBER    # the part of `test-all` that CI runs for a number of commits

A run goes on after a part that failed, and ends with all skipped tests, the slowest ones and the time of each part. As
root on Debian or Ubuntu it installs the packages that its parts need. This module needs the standard library alone, so
that `make help` works before anything is installed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LOG = REPOSITORY / "build/test-log"
SLOWEST = 20
# Two at a time, whole files each, because tests of a file share hosts and suites; as many as CI has cores.
IN_PARALLEL = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")
MARKERS = ("browser", "today", "local", "thorough", "stacks", "phenom", "integration", "interaction")
Command = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Part:
    """A part of a tier.

    ``steps`` are titles with commands, ``packages`` Debian packages, ``lab`` kinds of lab hosts. ``minutes`` is what it
    takes on two cores with empty caches, about. A part for ``root`` alone is skipped for other users.
    """

    name: str
    summary: str
    minutes: int
    steps: tuple[Command, ...]
    packages: tuple[str, ...] = ()
    lab: tuple[str, ...] = ()
    root: bool = False
    needs: str = ""

    @property
    def needed(self) -> str:
        """What the part needs beyond .venv, for people."""
        root = ["root"] if self.root else ["root for hosts of the lab"] if self.lab else []
        packages = [f"packages: {' '.join(self.packages)}"] if self.packages else []
        return "; ".join([*root, *([self.needs] if self.needs else []), *packages]) or "-"


def pytest(title: str, *arguments: str) -> Command:
    """Return the step that runs tests."""
    return title, (
        "python",
        "-m",
        "pytest",
        *arguments,
        *IN_PARALLEL,
        *os.environ.get("PYTEST_ARGS", "").split(),
    )


def marked(marker: str) -> tuple[Command, ...]:
    """Return the steps of a part whose tests have a marker."""
    return (pytest(f"Tests marked {marker}", "-m", marker),)


def scenario(*names: str) -> tuple[Command, ...]:
    """Return the steps that run molecule's scenarios."""
    return tuple((f"Scenario {name}", ("tools/scenarios.sh", name)) for name in names)


def fresh(release: str) -> tuple[Command, ...]:
    """Return the step that runs the first two commands of the README on a fresh Debian."""
    module = ("python", "-m", "tests.fresh", "--release", release)
    return ((f"A fresh Debian {release}", (*module, "--command", "make bench", "--command", "make test")),)


def other_ansible(core: str, ansible: str, python: str, minutes: int) -> Part:
    """Return the part that runs on an ansible-core which is not the default one."""
    module = ("python", "-m", "tests.fresh.ansible")
    return Part(
        f"ansible-{core}",
        f"make bench, tests of roles and plugins, and two PCs on ansible-core {core} with Python {python}",
        minutes,
        (
            (
                f"ansible-core {core}",
                (*module, "--python", python, "--ansible", ansible, "--core", core),
            ),
        ),
        packages=("openssh-client", "openssh-server"),
        lab=("container",),
        root=True,
        needs=f"CPython {python}",
    )


THOROUGH = ("env", "EDGEBENCH_HYPOTHESIS=thorough")
# A sample does not replace the results of the whole campaign.
FAULTS = ("env", "EDGEBENCH_FAULTS_RESULTS=build/faults-sample")
MACHINE_FAULTS = ("full", "readonly", "prefix", "neighbour")
LINT: tuple[Command, ...] = (
    ("ruff check", ("ruff", "check", ".")),
    ("ruff format", ("ruff", "format", "--check", ".")),
    ("mypy", ("mypy",)),
    (
        "vermin: Python 3.5 for bench/edgebench",
        ("vermin", "--quiet", "--no-tips", "--violations", "-t=3.5-", "bench/edgebench"),
    ),
    ("yamllint", ("yamllint", "--strict", ".")),
    ("ansible-lint", ("ansible-lint", "--offline", "--profile", "production")),
    (
        "playbook syntax",
        (
            *("ansible-playbook", "--syntax-check"),
            *("provision.yml", "bench.yml", "collect.yml", "report.yml", "nightly.yml"),
        ),
    ),
)
TEST = (
    Part("lint", "linters, types, Python 3.5 floor of the runner, playbook syntax", 1, LINT),
    Part(
        "unit",
        "tests of the runner, the reporter and the plugins",
        6,
        (
            pytest(
                "Unit tests",
                *("-m", " and ".join(f"not {each}" for each in MARKERS), "--ignore=tests/host"),
            ),
        ),
        packages=("e2fsprogs", "fdisk", "gcc", "mount", "openssh-client", "procps", "systemd", "udev"),
    ),
    Part("browser", "the page in a real browser", 1, marked("browser"), packages=("chromium",)),
    Part(
        "today", "the runner on today's TensorFlow: workloads, keyword spotting, faults", 3, marked("today")
    ),
    Part(
        "local",
        "playbooks and set-up against this machine, by SSH if it has sshd",
        4,
        marked("local"),
        packages=("openssh-client", "openssh-server"),
    ),
    Part(
        "scenario-x86", "two PCs from bare to benchmarked", 4, scenario("x86"), lab=("container",), root=True
    ),
)
REST = (
    Part(
        "thorough",
        "long property searches; LaTeX, MLflow, U-Boot's own reader of extlinux.conf, ansible-test sanity",
        15,
        (
            pytest("Tests with large packages", "-m", "thorough"),
            ("Long searches", (*THOROUGH, *pytest("", "-m", "hypothesis", "tests/unit")[1])),
            ("Long fuzzing", (*THOROUGH, *pytest("", "tests/fuzz")[1])),
        ),
        packages=("e2fsprogs", "fdisk", "qemu-system-arm", "texlive-latex-recommended", "u-boot-qemu"),
    ),
    Part(
        "stacks",
        "the runner on TensorFlow 1.5 to 2.15, and the long tests on today's",
        20,
        marked("stacks"),
        needs="CPython 3.6, 3.7 and 3.9",
    ),
    Part(
        "phenom",
        "the runner on an emulated AMD Phenom, int8 engines on other emulated CPUs",
        20,
        marked("phenom"),
        packages=("qemu-user-static",),
        needs="CPython 3.6, 3.7 and 3.9",
    ),
    Part(
        "integration",
        "playbooks against hosts of the lab: boards, serial devices, timers, lost links, locks made on first use",
        12,
        marked("integration"),
        packages=("openssh-client", "openssh-server"),
        lab=("container",),
    ),
    Part(
        "scenario-share",
        "one machine's data shared over real NFS",
        12,
        scenario("share"),
        lab=("container", "machine"),
        root=True,
    ),
    Part(
        "scenario-jetson",
        "root on USB on a board that boots by U-Boot",
        20,
        scenario("jetson"),
        lab=("board",),
        root=True,
    ),
    Part(
        "faults-sample",
        "a sample of the faults of docs/reliability.md: disks, memory, links, random kills",
        12,
        (
            (
                "Faults of disks and memory",
                (*FAULTS, "python", "-m", "tests.faults.machine", *MACHINE_FAULTS),
            ),
            ("Faults of boots", (*FAULTS, "python", "-m", "tests.faults.hosts", "boots")),
            (
                "Ten random kills",
                (*FAULTS, "python", "-m", "tests.faults.campaign", "--kills", "10", "--repeats", "6"),
            ),
            ("End of the hosts", ("python", "-m", "lab", "down", "--name", "faults")),
        ),
        lab=("container",),
        root=True,
        needs="CPython 3.6",
    ),
    Part(
        "mutants",
        "faults put into the code on purpose, each of which a test must catch",
        15,
        (("Mutations", ("python", "-m", "tests.mutants")),),
    ),
    Part(
        "scenario-phenom",
        "an emulated AMD Phenom from bare to provisioned: the one stack that runs on it",
        20,
        scenario("phenom"),
        lab=("machine",),
        root=True,
        needs="CPython 3.6",
    ),
    Part(
        "scenario-arm",
        "an emulated 64-bit Arm board from bare to provisioned",
        20,
        scenario("arm"),
        lab=("container", "emulated"),
        root=True,
    ),
    Part(
        "jetson-refusals",
        "root on USB: disks and boards that are refused before the first write",
        20,
        scenario("jetson_refusals"),
        lab=("board",),
        root=True,
    ),
    Part(
        "jetson-faults",
        "root on USB: power cuts, pulled disks and damaged files, from the first copy on",
        25,
        scenario("jetson_faults"),
        lab=("board",),
        root=True,
    ),
    Part(
        "lab-walk",
        "the walk-through of docs/fleet.md, in a new clone with an empty home and without pyenv",
        20,
        (("Walk-through of the lab", ("python", "-m", "tests.fresh.lab_walk")),),
        lab=("container",),
        root=True,
        needs="CPython 3.11 to 3.13 below /usr",
    ),
    *(
        Part(
            f"fresh-{release}",
            f"make bench and make test on a fresh Debian {number}",
            24,
            fresh(release),
            packages=("mmdebstrap", "systemd-container"),
            root=True,
        )
        for release, number in (("bookworm", 12), ("trixie", 13))
    ),
    Part(
        "interaction",
        "make bench interrupted at ten random moments, and watched: gaps and time left of what it shows",
        25,
        marked("interaction"),
    ),
    *(
        Part(
            f"walk-{release}",
            f"a newcomer's first hour on a fresh Debian {number}: odd paths, no network, small disks, Ctrl-C",
            15,
            (
                (
                    f"A walk through Debian {release}",
                    ("python", "-m", "tests.fresh.walk", "--release", release),
                ),
            ),
            packages=("mmdebstrap", "systemd-container"),
            root=True,
        )
        for release, number in (("bookworm", 12), ("trixie", 13))
    ),
    other_ansible("2.19", "newest", "3.11", 22),
    other_ansible("2.21", "newest", "3.13", 22),
)
PARTS = {part.name: part for part in (*TEST, *REST)}
TIERS = {"test": TEST, "test-all": (*TEST, *REST)}


def rotation(number: int) -> Part:
    """Return the part of `test-all` beyond `test` that CI runs for this number of commits."""
    return REST[number % len(REST)]


# All kinds of hosts, for `make lab`.
LAB = Part("lab", "hosts of the lab", 0, (), lab=("container", "machine", "board", "emulated"), root=True)


def expanded(names: Iterable[str]) -> list[Part]:
    """Return the parts of tiers and parts, each once. Raises KeyError for an unknown name."""
    parts = [part for name in names for part in (TIERS[name] if name in TIERS else (PARTS[name],))]
    return list(dict.fromkeys(parts))


def install(parts: Iterable[Part]) -> list[str]:
    """Install the Debian packages of parts as root; name them for other users. Return what can be relied on.

    These are names for EDGEBENCH_PROMISED: packages, needs and kinds of needs that a test may not skip for.
    """
    from lab.__main__ import missing

    wanted = {package for part in parts for package in part.packages}
    kinds = {kind for part in parts for kind in part.lab}
    lacking = {package for package in wanted if not _is_installed(package)} | set(
        missing(kinds) if kinds else ()
    )
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        if lacking:
            print(
                f"edgebench: tests that need these Debian packages are skipped: {' '.join(sorted(lacking))}"
            )
        return []
    if lacking:
        # Another program that installs packages, such as unattended-upgrades, is waited for.
        apt = "apt-get -qq -o DPkg::Lock::Timeout=600"
        script = f'{apt} update && {apt} install -y --no-install-recommends "$@"'
        # RUNLEVEL=1 keeps the packages from starting their services.
        environment = ("env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive")
        quiet = ("tools/step.sh", "-q", ".venv/packages.log")
        title = f"Installing Debian packages: {' '.join(sorted(lacking))}"
        subprocess.run(
            [*quiet, title, *environment, "sh", "-c", script, "install", *sorted(lacking)],
            cwd=REPOSITORY,
            check=True,
        )
    labs = {"container": "containers", "board": "boards"}
    return ["root", *sorted(wanted), *(labs[kind] for kind in sorted(kinds) if kind in labs)]


def _is_installed(package: str) -> bool:
    asked = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout == "installed"
    except FileNotFoundError:
        return False


def run(names: Sequence[str]) -> int:
    """Run tiers and parts, print the summary and return the exit code: 1 if anything failed, 130 if interrupted."""
    parts = expanded(names)
    shutil.rmtree(LOG, ignore_errors=True)
    LOG.mkdir(parents=True)
    promised = install(parts) if len(parts) > 1 or parts[0].root else []
    environment = {
        **os.environ,
        "EDGEBENCH_TEST_LOG": str(LOG),
        "EDGEBENCH_PROMISED": os.environ.get("EDGEBENCH_PROMISED") or ",".join(promised),
        # Linters and Ansible's tools call one another by name.
        "PATH": f"{REPOSITORY}/.venv/bin:{os.environ.get('PATH', '')}",
    }
    told: list[tuple[str, float, str]] = []
    try:
        for part in parts:
            begin = time.monotonic()
            if part.root and os.geteuid() != 0:
                result = "skipped: needs root"
            else:
                failures = _failures(part, environment)
                result = f"FAILED: {', '.join(failures)}" if failures else "passed"
            told.append((part.name, time.monotonic() - begin, result))
    except KeyboardInterrupt:
        told.append((part.name, time.monotonic() - begin, "interrupted"))
    print(summary(told), flush=True)
    results = [result for _, _, result in told]
    return 130 if "interrupted" in results else int(any(each.startswith("FAILED") for each in results))


def _failures(part: Part, environment: dict[str, str]) -> list[str]:
    """Run the steps of a part; return the titles of those that failed."""
    # Every step is run, so that one look shows all that a linter or a test finds.
    codes = {
        title: subprocess.run(
            ["tools/step.sh", title, *command],
            cwd=REPOSITORY,
            env={**environment, "PYTHONPATH": str(REPOSITORY)},
            check=False,
        ).returncode
        for title, command in part.steps
    }
    return [title for title, code in codes.items() if code]


def summary(told: Iterable[tuple[str, float, str]]) -> str:
    """Return the skipped tests, the slowest ones, the failed ones and the time of each part."""
    seconds: dict[str, float] = defaultdict(float)
    skipped: dict[str, list[str]] = defaultdict(list)
    failed: dict[str, str] = {}
    log = LOG / "tests.jsonl"
    for line in log.read_text().splitlines() if log.exists() else []:
        entry = json.loads(line)
        seconds[entry["test"]] += entry["seconds"]
        if entry["skipped"]:
            skipped[entry["skipped"].removeprefix("Skipped: ")].append(entry["test"])
        if entry["failed"]:
            failed[entry["test"]] = entry.get("problem", "")
    lines = [""]
    for reason, tests in sorted(skipped.items()):
        lines.append(f"skipped: {_count(tests)}, {reason}")
        lines += [f"  {file}: {names}" for file, names in _by_file(tests)]
    slowest = sorted(seconds.items(), key=lambda each: -each[1])[:SLOWEST]
    lines += ["", f"slowest {_count(slowest)}:"] if slowest else []
    lines += [f"  {each:7.1f} s  {test}" for test, each in slowest]
    lines += ["", f"failed: {_count(failed)}"] if failed else []
    lines += [f"  {test}{f': {problem}' if problem else ''}" for test, problem in failed.items()]
    lines += ["", "parts:"]
    lines += [f"  {name:18}{each:6.0f} s  {result}" for name, each, result in told]
    lines.append(f"{_count(seconds)}, {sum(map(len, skipped.values()))} skipped, {len(failed)} failed")
    return "\n".join(lines)


def _count(tests: Sized) -> str:
    return f"{len(tests)} test{'' if len(tests) == 1 else 's'}"


def _by_file(tests: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each file with the names of its tests, without parameters."""
    files: dict[str, dict[str, None]] = defaultdict(dict)
    for test in tests:
        file, _, name = test.partition("::")
        files[file][name.partition("[")[0]] = None
    for file, names in files.items():
        yield file, ", ".join(names)


def listing() -> str:
    """Return the tiers with their parts, their times and what they need."""
    lines = []
    for tier, parts in (("make test, all of:", TEST), ("make test-all, these as well:", REST)):
        lines.append(f"{tier} (about {sum(part.minutes for part in parts)} min)")
        for part in parts:
            lines.append(f"  {part.name:18}{part.minutes:3} min  {part.summary}")
            if part.needed != "-":
                lines.append(f"  {'':18}         needs {part.needed}")
    return "\n".join(lines)


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.tiers", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the tiers and their parts")
    installs = commands.add_parser("install", help="install the packages of the lab or of parts, as root")
    installs.add_argument("name", nargs="+", choices=[LAB.name, *PARTS], metavar="NAME")
    runs = commands.add_parser("run", help="run tiers and parts")
    runs.add_argument(
        "name", nargs="+", choices=[*TIERS, *PARTS], metavar="NAME", help=", ".join([*TIERS, *PARTS])
    )
    turns = commands.add_parser("rotation", help="print the part that CI runs for a number of commits")
    turns.add_argument("number", type=int)
    given = parser.parse_args()
    if given.command == "list":
        print(listing())
    elif given.command == "install":
        install([LAB if name == LAB.name else PARTS[name] for name in given.name])
    elif given.command == "rotation":
        print(rotation(given.number).name)
    else:
        return run(given.name)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        # The command has said why.
        sys.exit(error.returncode)
