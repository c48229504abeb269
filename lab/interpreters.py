"""CPythons of this machine, from PATH or pyenv."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


def installed(release: str) -> Iterator[Path]:
    """Yield the programs of a CPython release ("3.6") that run: from PATH, then from pyenv, newest first."""
    candidates = [shutil.which(f"python{release}")]
    if shutil.which("pyenv"):
        root = Path(_output("pyenv", "root"))
        candidates += sorted(map(str, root.glob(f"versions/{release}.*/bin/python{release}")), reverse=True)
    for candidate in filter(None, candidates):
        # A shim of pyenv is on PATH even if its release is not selected.
        if _output(candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == release:
            yield Path(candidate)


def own_prefix(release: str) -> Path | None:
    """Return the prefix of a CPython release that can be copied: one outside /usr. None if there is none."""
    for candidate in installed(release):
        prefix = Path(_output(str(candidate), "-c", "import sys; print(sys.base_prefix)"))
        if prefix not in (Path("/usr"), Path("/usr/local")):
            return prefix
    return None


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
