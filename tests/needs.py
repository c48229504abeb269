"""What single tests need beyond `.venv`: declared by a marker, checked in one place, skipped or failed by name.

    @pytest.mark.needs("sfdisk", "root")

A need is a program of `PROGRAMS`, an interpreter ("python3.6", "python3.9/3.10"), or a name of `CONDITIONS`. A test
whose need is not met is skipped with the command that provides it. It fails instead if the need is promised:
EDGEBENCH_PROMISED lists needs, packages or kinds, separated by commas, or is "all". `make test` as root promises what
it has installed; .ci/run promises all.
"""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from lab import interpreters

REPOSITORY = Path(__file__).resolve().parent.parent
KINDS = ("package", "root", "interpreter", "data", "machine")
SYSTEM_PATHS = "/usr/local/sbin:/usr/sbin:/sbin"

# Program → Debian package.
PROGRAMS = {
    "apt-get": "apt",
    "cc": "gcc",
    "chromium": "chromium",
    "losetup": "mount",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "pdflatex": "texlive-latex-recommended",
    "pgrep": "procps",
    "pkill": "procps",
    "ps": "procps",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-x86_64-static": "qemu-user-static",
    "sfdisk": "fdisk",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "systemd-analyze": "systemd",
    "systemd-escape": "systemd",
    "systemd-nspawn": "systemd-container",
    "udevadm": "udev",
    "wipefs": "fdisk",
}


@dataclass(frozen=True)
class Need:
    """Something that a machine may lack: its kind, what provides it, and whether it is here."""

    name: str
    kind: str
    remedy: str
    is_met: Callable[[], bool]


def program(name: str) -> str | None:
    """Return the path of a program on PATH or in the folders of system programs; None if it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATHS}")


@functools.cache
def interpreter(release: str) -> Path | None:
    """Return a CPython of a release ("3.6"), from PATH or pyenv; None if there is none that runs."""
    return next(interpreters.installed(release), None)


def _loops_work() -> bool:
    if os.geteuid() != 0 or program("losetup") is None:
        return False
    return subprocess.run([str(program("losetup")), "-f"], capture_output=True, check=False).returncode == 0


def _mounts_work() -> bool:
    if os.geteuid() != 0:
        return False
    script = 'd=$(mktemp -d) && mount -t tmpfs none "$d" && umount "$d"; s=$?; rmdir "$d"; exit $s'
    return subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 0


def _memory_groups_work() -> bool:
    root = Path("/sys/fs/cgroup")
    parent = root if (root / "cgroup.controllers").exists() else root / "memory"
    group = parent / f"edgebench-needs-{os.getpid()}"
    try:
        group.mkdir()
        found = (group / "memory.max").exists() or (group / "memory.limit_in_bytes").exists()
        group.rmdir()
    except OSError:
        return False
    return found


def _lab_works(*kinds: str) -> Callable[[], bool]:
    def check() -> bool:
        from lab.__main__ import missing

        return os.geteuid() == 0 and not missing(kinds)

    return check


def data_folder() -> Path:
    """Return the folder with data for tests: EDGEBENCH_DATA_DIR, else shared/data beside the checkout."""
    named = os.environ.get("EDGEBENCH_DATA_DIR")
    return Path(named) if named else REPOSITORY.parent / "shared" / "data"


def cases_folder() -> Path:
    """Return the folder with cases from the field: EDGEBENCH_CASES_DIR, else shared/cases beside the checkout."""
    named = os.environ.get("EDGEBENCH_CASES_DIR")
    return Path(named) if named else REPOSITORY.parent / "shared" / "cases"


_LAB = "run as root: make packages"
CONDITIONS = {
    each.name: each
    for each in (
        Need("root", "root", "run as root", lambda: os.geteuid() == 0),
        Need("loop-devices", "machine", "run as root on a machine with loop devices", _loops_work),
        Need("mounts", "machine", "run as root on a machine that may mount file systems", _mounts_work),
        Need("memory-cgroup", "machine", "run as root with the memory controller", _memory_groups_work),
        Need("containers", "package", _LAB, _lab_works("container")),
        Need("boards", "package", _LAB, _lab_works("board")),
        Need("x86_64", "machine", "run on an x86_64 machine", lambda: os.uname().machine == "x86_64"),
        Need(
            "u-boot",
            "package",
            "sudo apt-get install u-boot-qemu",
            lambda: Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin").exists(),
        ),
        Need("data", "data", "set EDGEBENCH_DATA_DIR to a folder with it", lambda: data_folder().is_dir()),
        Need(
            "cases", "data", "set EDGEBENCH_CASES_DIR to a folder with them", lambda: cases_folder().is_dir()
        ),
        Need(
            "published-logs",
            "data",
            "set EDGEBENCH_DATA_DIR to a folder with dlbench-logs/",
            lambda: (data_folder() / "dlbench-logs").is_dir(),
        ),
    )
}

# Fixture → what it needs, for tests that use it.
BY_FIXTURE = {
    "data_dir": ("data",),
    "memory_group": ("memory-cgroup",),
    "phenom": ("x86_64", "qemu-x86_64-static"),
    "small_disk": ("mounts",),
    "sshd": ("sshd", "ssh", "ssh-keygen"),
    "logs": ("published-logs",),
    "engines_python": ("x86_64", "python3.11/3.10/3.9"),
}


@functools.cache
def need(name: str) -> Need:
    """Return the need of a name. Raises LookupError for one that is not declared here."""
    if name in CONDITIONS:
        return CONDITIONS[name]
    if name in PROGRAMS:
        remedy = f"sudo apt-get install {PROGRAMS[name]}"
        return Need(name, "package", remedy, lambda: program(name) is not None)
    match = re.fullmatch(r"python(\d\.\d+(?:/\d\.\d+)*)", name)
    if match:
        releases = match[1].split("/")
        remedy = f"install CPython {' or '.join(releases)}, for example: pyenv install {releases[0]}"
        return Need(name, "interpreter", remedy, lambda: any(map(interpreter, releases)))
    raise LookupError(f"unknown need {name!r}: declare it in tests/needs.py")


@functools.cache
def _is_met(name: str) -> bool:
    return need(name).is_met()


def of_item(item: pytest.Item) -> list[str]:
    """Return the names of what a test needs, by its markers and its fixtures."""
    named = [name for mark in item.iter_markers("needs") for name in mark.args]
    named += [name for fixture in getattr(item, "fixturenames", ()) for name in BY_FIXTURE.get(fixture, ())]
    return list(dict.fromkeys(named))


def check(item: pytest.Item) -> None:
    """Skip a test whose needs are not met; fail it where they are promised."""
    for name in of_item(item):
        if not _is_met(name):
            stop(name)


def stop(name: str) -> NoReturn:
    """Skip the running test for the need of this name; fail it where that is promised."""
    lacking = need(name)
    told = f"needs {name}: {lacking.remedy}"
    promised = set(os.environ.get("EDGEBENCH_PROMISED", "").split(","))
    if promised & {"all", name, lacking.kind, PROGRAMS.get(name)}:
        pytest.fail(f"{told} [need-promised]", pytrace=False)
    pytest.skip(told)
