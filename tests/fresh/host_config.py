"""How this machine reaches packages, read at run time so that a guest reaches them in the same way."""

import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

CERTIFICATES = Path("/etc/ssl/certs")
# Debian testing changes, so no part of `make test-all` needs it.
TESTING = "forky"


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def apt_sources(release: str) -> list[str]:
    """Return the `deb` lines of this machine's Debian mirrors for a release; none on another distribution."""
    here = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    targets = _output(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Identifier: Packages"
    )
    # Testing has nothing in the others, and they are not always kept up to date.
    pockets = ("",) if release == TESTING else ("", "-updates", "-security")
    suites = {f"{here}{pocket}": f"{release}{pocket}" for pocket in pockets}
    sources = [line.split() for line in targets.splitlines() if line.startswith("http")]
    return [f"deb {uri} {suites[suite]} {part}" for uri, suite, part in sources if suite in suites]


def apt_options() -> list[str]:
    """Return this machine's settings for apt's downloads, such as a proxy: ['Acquire::http::Proxy "...";']."""
    lines = _output("apt-config", "dump", "--format", '%f "%v";%n', "Acquire").splitlines()
    return [line for line in lines if line.startswith("Acquire::http") and '""' not in line]


def pip_config() -> str:
    """Return a pip.conf with this machine's settings, PIP_* variables included, without local folders."""
    settings: dict[str, str] = {}
    # Variables (":env:.cert") come first in the list, and override files.
    for line in reversed(_output(sys.executable, "-m", "pip", "config", "list").splitlines()):
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in ("global", "install", ":env:"):
            settings[key] = " ".join(_reachable(shlex.split(value)[0].split()))
    lines = [f"{key} = {value}" for key, value in sorted(settings.items()) if value]
    return "\n".join(["[global]", *lines, ""])


def _reachable(words: list[str]) -> list[str]:
    """Return the words of a value that mean something in the guest, which has no path but the certificates."""
    return [
        word for word in words if not re.match(r"file:|~|/", word) or Path(word).is_relative_to(CERTIFICATES)
    ]
