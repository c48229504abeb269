"""What a target is, and where a check finds its plugins and its scratch file."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

from tests import ansible_core

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Target:
    """One reader.

    ``check(data)`` feeds it and asserts what must hold; any exception that escapes is a finding. ``seeds`` are right
    inputs to start from, ``words`` what to put into them. ``module`` is what a coverage-guided engine watches.
    """

    name: str
    check: Callable[[bytes], None]
    module: str
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = field(default=())


@cache
def scratch() -> Path:
    """Return a folder of this process for files that readers take by their path, in memory where that can be had."""
    shared = Path("/dev/shm")
    folder = Path(
        tempfile.mkdtemp(prefix="edgebench-fuzz-", dir=shared if shared.is_dir() else None)
    ).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def written(data: bytes, name: str) -> Path:
    """Return a file with this content."""
    path = scratch() / name
    path.write_bytes(data)
    return path


@cache
def plugin(name: str) -> ModuleType:
    """Return a plugin of Ansible, which is a file and no package, by its name such as action/edgebench_collect."""
    return ansible_core.load_plugin(name)
