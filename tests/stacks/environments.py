"""Virtual environments of the framework stacks: their Pythons found, their locks installed once and kept.

Today's stack is the one that provision.yml installs for this machine, in .edgebench/venv. Any other environment lives
in ${XDG_CACHE_HOME:-~/.cache}/edgebench/stacks/, under a name made of the stack and the checksum of all that goes into
it. It is built under another name and renamed when it is complete, so an interrupted build is never used.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import needs

REPOSITORY = Path(__file__).resolve().parents[2]
_REQUIREMENTS = REPOSITORY / "requirements"
_BUILDING = "building-"
TODAY = "py311-tf2.21.0"


@dataclass(frozen=True)
class Stack:
    """One line of files/tensorflow_stacks.yml that has a lock."""

    name: str
    pythons: tuple[str, ...]
    architectures: tuple[str, ...]
    lock: Path
    bootstrap: Path | None

    @property
    def locked(self) -> dict[str, str]:
        """Versions by package name, as the lock has them for this machine."""
        versions = {}
        for line in self.lock.read_text().splitlines():
            match = re.match(r"([A-Za-z0-9_.-]+)==([^ ;]+)(?: ; (.*?))? \\$", line)
            if match and _holds_here(match[3]):
                versions[match[1]] = match[2]
        return versions

    @property
    def tensorflow(self) -> str:
        """The locked version of TensorFlow, whichever of its packages brings it."""
        return self.locked.get("tensorflow") or self.locked["tensorflow-cpu"]


def _holds_here(marker: str | None) -> bool:
    # The only marker that chooses between packages of a stack is the architecture's.
    machines = re.findall(r"platform_machine == '(\w+)'", marker or "")
    return not machines or os.uname().machine in machines


@cache
def load(name: str) -> Stack:
    """Return the stack of that name; KeyError when files/tensorflow_stacks.yml has none."""
    entries = yaml.safe_load((REPOSITORY / "files" / "tensorflow_stacks.yml").read_text())["stacks"]
    entry = {entry["name"]: entry for entry in entries}[name]
    bootstrap = entry["bootstrap"]
    return Stack(
        name=name,
        pythons=tuple(entry["python"]),
        architectures=tuple(entry["architectures"]),
        lock=_REQUIREMENTS / "runtime" / entry["lock"],
        bootstrap=_REQUIREMENTS / bootstrap if bootstrap else None,
    )


def params(*names: str) -> list[Any]:
    """Return stacks as parameters of a test: today's for the part `today`, others for the part `stacks`."""
    parts = {True: pytest.mark.today, False: pytest.mark.stacks}
    return [pytest.param(name, marks=[parts[name == TODAY], needed(name)]) for name in names]


def needed(*names: str) -> pytest.MarkDecorator:
    """Return the marker for tests that need environments of these stacks."""
    wanted = []
    for stack in map(load, names):
        if stack.name != TODAY:
            wanted.append("python" + "/".join(stack.pythons))
            wanted += [] if "aarch64" in stack.architectures else ["x86_64"]
    return pytest.mark.needs(*dict.fromkeys(wanted))


@cache
def python(stack: Stack) -> Path:
    """Return the interpreter of the stack's environment, made now unless it is there."""
    if stack.name == TODAY:
        return provisioned() / "venv/bin/python"
    base = next(filter(None, map(needs.interpreter, stack.pythons)))
    home = cache_folder("stacks") / f"{stack.name}-{_checksum(stack, base)}"
    with _locked(home.with_name(home.name + ".lock")):
        if not home.is_dir():
            _build(stack, base, home)
    return home / "bin" / "python"


@cache
def provisioned() -> Path:
    """Return the home of this machine, .edgebench, with today's stack; provision.yml prepares it unless it is ready."""
    home = REPOSITORY / ".edgebench"
    with _locked(REPOSITORY / ".venv/provisioned.lock"):
        _run(Path(sys.executable).with_name("ansible-playbook"), "provision.yml", "-l", "local")
    record = json.loads((home / "venv/edgebench-runtime.json").read_text())
    assert record["stack"] == TODAY, f"this machine gets {record['stack']}, not {TODAY}"
    return home


def cache_folder(name: str) -> Path:
    """Return the folder ``name`` for what tests keep from one run to the next, outside the checkout."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgebench" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _checksum(stack: Stack, base: Path) -> str:
    digest = hashlib.sha256(os.fsencode(base.resolve()))
    for lock in (stack.bootstrap, stack.lock):
        digest.update(lock.read_bytes() if lock else b"")
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that other test runs of this user wait for."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(stack: Stack, base: Path, home: Path) -> None:
    for left in home.parent.glob(f"{_BUILDING}{stack.name}-*"):
        shutil.rmtree(left)
    building = Path(tempfile.mkdtemp(prefix=f"{_BUILDING}{stack.name}-", dir=home.parent))
    try:
        _run(base, "-m", "venv", str(building))
        pip = (building / "bin" / "python", "-m", "pip")
        for lock in (stack.bootstrap, stack.lock):
            if lock:
                _run(
                    *pip, "install", "--disable-pip-version-check", "--quiet", "--require-hashes", "-r", lock
                )
        _run(*pip, "check")
        building.rename(home)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-30:])
        raise RuntimeError(
            f"{' '.join(map(str, command))} failed with exit status {done.returncode}:\n{last}"
        )
