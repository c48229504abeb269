"""Packages that single tests want beside the environment: installed by their lock, once, outside of the checkout."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class NotInstalledError(Exception):
    """The packages cannot be had here; the text says why."""


def folder(name: str) -> Path:
    """Return the folder with what requirements/``name``.txt locks, and with nothing else.

    It is in the cache, under a name made of the lock's content and the Python, and is renamed there when it is whole,
    so one that was cut short is never used. Raises NotInstalledError where pip could not bring it.
    """
    lock = REPOSITORY / "requirements" / f"{name}.txt"
    content = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgebench" / "locked"
    cache.mkdir(parents=True, exist_ok=True)
    wanted = cache / f"{name}-py{sys.version_info.major}{sys.version_info.minor}-{content}"
    with (cache / f"{wanted.name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not wanted.is_dir():
            building = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
            try:
                _install(lock, building)
                building.rename(wanted)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    return wanted


def _install(lock: Path, into: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"),
            *(
                "--no-deps",
                "--only-binary",
                ":all:",
                "--require-hashes",
                "--target",
                str(into),
                "-r",
                str(lock),
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise NotInstalledError(f"requirements/{lock.name} cannot be installed into {into.parent}: {last}")
