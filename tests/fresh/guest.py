"""A throw-away Debian: its cached root file system, a copy of it for each run, and commands inside the copy."""

import fcntl
import hashlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.commands import remove_tree, run, succeeds
from lab.errors import LabError
from tests.fresh import host_config

# All that a guest has besides Debian's packages of priority "required" and apt (minbase, no recommended packages).
PACKAGES = ("python3", "python3-venv", "make", "git", "ca-certificates")
# Part of the checksum: increment it if the code below builds a different image from the same recipe.
_EDITION = 1
_MERGED_USR = Path("/usr/share/mmdebstrap/hooks/merged-usr")
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REPOSITORY = "/srv/edgebench.git"
# systemd-nspawn prints this on a host with /run on a disk; it means nothing here.
_NOISE = "Attempted to remove disk file system under"
_ENVIRONMENT = ("LANG=C.UTF-8", "TERM=dumb")


@dataclass(frozen=True)
class Output:
    """What a script printed in a guest, standard error included, and how it ended."""

    exit_code: int
    seconds: float
    lines: list[str]


@dataclass(frozen=True)
class Result(Output):
    """A command that ran in a guest; disk is what the user's home holds afterwards."""

    disk_mb: int


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgebench" / "fresh"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def image(release: str) -> Path:
    """Return the root file system of a Debian release, built now if the cache does not have it. Raises LabError."""
    sources = host_config.apt_sources(release)
    key = json.dumps([_EDITION, release, PACKAGES, sources])
    tree = _cache() / f"{release}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    with tree.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.is_dir():
            print(f"fresh: building Debian {release} (minbase, {', '.join(PACKAGES)})", flush=True)
            _build(release, sources, tree)
    return tree


def _build(release: str, sources: list[str], tree: Path) -> None:
    building = Path(tempfile.mkdtemp(prefix="building-", dir=tree.parent))
    options = ["--variant=minbase", "--format=directory", f"--include={','.join(PACKAGES)}"]
    options += [f"--aptopt={option}" for option in host_config.apt_options()]
    # A mirror may be some weeks behind.
    options += ['--aptopt=Acquire::Check-Valid-Until "false";'] if release == host_config.TESTING else []
    # Otherwise bookworm gets the package usrmerge, and with it all of Perl.
    options += [f"--hook-dir={_MERGED_USR}"] if _MERGED_USR.is_dir() else []
    try:
        run("mmdebstrap", *options, release, building / "tree", *sources)
        (building / "tree").chmod(0o755)
        (building / "tree").rename(tree)
    finally:
        remove_tree(building)


@contextmanager
def copy(tree: Path) -> Iterator[Path]:
    """Provide a throw-away copy of a root file system; remove it, and its mount, at the end. Raises LabError."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=tree.parent))
    root = folder / "root"
    for name in ("root", "upper", "work"):
        (folder / name).mkdir()
    layers = f"lowerdir={tree},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    mounted = False
    try:
        mounted = succeeds("mount", "-t", "overlay", "-o", layers, "overlay", root)
        if not mounted:
            run("cp", "-a", "--reflink=auto", f"{tree}/.", root)
        yield root
    finally:
        # A second Ctrl-C must not leave the copy behind.
        for number in END_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if mounted:
            run("umount", root)
        remove_tree(folder)


class Guest:
    """A copy of an image with a user, the clone of a checkout in the user's home, and the host's way to packages."""

    def __init__(self, root: Path, user: str, label: str) -> None:
        self._root, self._user, self._label = root, user, label
        self._home = f"/home/{user}" if user != "root" else "/root"
        if user != "root":
            run("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", user)
        (root / "etc/pip.conf").write_text(host_config.pip_config())
        (root / "etc/hostname").write_text("fresh\n")
        (root / "etc/hosts").write_text(Path("/etc/hosts").read_text() + "\n127.0.1.1 fresh\n")

    def clone(self, checkout: Path, target: str = "edgebench") -> None:
        """Clone the checkout's HEAD into a folder, relative to the home, as the user. Raises LabError."""
        head = run("git", "-C", checkout, "rev-parse", "HEAD").strip()
        git = run("git", "-C", checkout, "rev-parse", "--path-format=absolute", "--git-common-dir").strip()
        # The repository belongs to another user, which git refuses unless it is told otherwise.
        upload = f"git -c safe.directory={_REPOSITORY} upload-pack"
        script = (
            f"git clone --quiet --upload-pack {shlex.quote(upload)} file://{_REPOSITORY} {shlex.quote(target)}"
            f" && git -C {shlex.quote(target)} checkout --quiet --detach {head}"
        )
        if self.run(script, f"--bind-ro={git}:{_REPOSITORY}").exit_code:
            raise LabError(
                f"git clone of {checkout} in the guest failed; git's message is above", "clone-failed"
            )

    def execute(self, command: str) -> Result:
        """Run a shell command in ~/edgebench; print its output line by line, as it comes."""
        output = self.run(f"cd edgebench && {command}")
        used = run("du", "--summarize", "--block-size=1M", f"{self._root}{self._home}").split()[0]
        return Result(output.exit_code, output.seconds, output.lines, int(used))

    def run(self, script: str, *options: str) -> Output:
        """Run a script of bash in the home, with options of systemd-nspawn; print its lines as they come."""
        started = time.monotonic()
        lines: list[str] = []
        exit_code = self._print_lines(self._nspawn(script, *options), lines)
        return Output(exit_code, time.monotonic() - started, lines)

    def _print_lines(self, command: list[str], lines: list[str]) -> int:
        # A session of its own: Ctrl-C reaches this program only, which then ends the container.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, "SYSTEMD_NSPAWN_TMPFS_TMP": "0"},
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if not line.startswith(_NOISE):
                    lines.append(line.rstrip())
                    print(f"{self._label} | {line.rstrip()}", flush=True)
            return process.wait()
        finally:
            process.terminate()
            process.wait()

    def _nspawn(self, script: str, *options: str) -> list[str]:
        return [
            *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--as-pid2", "--console=pipe"),
            *(f"--directory={self._root}", "--machine=fresh", "--hostname=fresh", f"--user={self._user}"),
            *(f"--chdir={self._home}", "--private-users=no", "--resolv-conf=replace-host", "--timezone=off"),
            *(f"--bind-ro={host_config.CERTIFICATES}", *options),
            *("env", "--ignore-environment", f"HOME={self._home}", *_ENVIRONMENT, "bash", "-lc", script),
        ]
