"""Running programs of the system."""

import subprocess
from pathlib import Path

from .errors import LabError


def run(*command: str | Path, stdin: str | None = None) -> str:
    """Run a program to its end and return its output. Raises LabError with the last lines of what it said."""
    arguments = [str(part) for part in command]
    try:
        done = subprocess.run(
            arguments, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except FileNotFoundError as error:
        raise LabError(
            f"{arguments[0]} is missing on this machine; list the packages to install: python -m lab check",
            "program-missing",
        ) from error
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-15:])
        raise LabError(
            f"`{' '.join(arguments)}` failed with exit code {done.returncode}:\n{last}", "command-failed"
        )
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """Return whether a program ends with exit status 0; what it says is dropped."""
    return (
        subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
        == 0
    )


def remove_tree(folder: Path) -> None:
    """Remove a folder that may have been a root file system. Raises LabError where something is mounted in it."""
    mounted = [line.split()[4] for line in _mounts()]
    inside = [path for path in mounted if Path(path).is_relative_to(folder.resolve())]
    if inside:
        raise LabError(
            f"{folder} is not removed because of mounts in it; unmount them: umount {' '.join(inside)}",
            "folder-in-use",
        )
    run("rm", "--recursive", "--force", "--one-file-system", folder)


def _mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()
