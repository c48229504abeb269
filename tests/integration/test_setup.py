"""Setting up .venv in a fresh copy of the checkout, with real interpreters and real packages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.messages import codes

pytestmark = pytest.mark.local

# All that the set-up calls besides a Python.
_TOOLS = [
    "cat",
    "cut",
    "date",
    "dirname",
    "flock",
    "git",
    "grep",
    "head",
    "mkdir",
    "mv",
    "printf",
    "rm",
    "sh",
    "sha256sum",
    "tail",
]


@pytest.fixture
def checkout(tmp_path: Path, repository: Path) -> Path:
    """What git knows of the checkout, in its present state, without any .venv."""
    copy = tmp_path / "checkout"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, files):
        if (repository / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, copy / name)
    return copy


def set_up(checkout: Path, *, path: str | None = None, python: str = "") -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, PATH=path or os.environ["PATH"], PYTHON=python)
    return subprocess.run(
        [shutil.which("sh") or "sh", "tools/setup_venv.sh", "controller"],
        cwd=checkout,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def folder_of_tools(folder: Path) -> Path:
    folder.mkdir()
    for tool in _TOOLS:
        found = shutil.which(tool)
        if found:
            (folder / tool).symlink_to(found)
    return folder


def base_python() -> str:
    return str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


def test_makes_a_venv_keeps_it_and_makes_it_anew_for_another_lock(checkout: Path) -> None:
    first = set_up(checkout, python=base_python())
    assert first.returncode == 0, first.stdout + first.stderr
    for step in (
        "Making .venv with Python 3.",
        "packages of requirements/controller.txt",
        "edgebench from this",
    ):
        assert step in first.stdout
    assert first.stdout.count("done in") == 3
    venv = checkout / ".venv"
    version = subprocess.run(
        [venv / "bin/ansible-playbook", "--version"], capture_output=True, text=True, check=True
    )
    assert "core 2.16.19" in version.stdout
    (venv / "mine").touch()

    again = set_up(checkout, python=base_python())
    assert (again.returncode, again.stdout) == (0, "")
    assert (venv / "mine").exists()

    # Cut short: the packages may be there or not, the stamp is not.
    (venv / "edgebench-stamp").unlink()
    lock = checkout / "requirements" / "controller.txt"
    lock.write_text(lock.read_text() + "# another lock\n")
    anew = set_up(checkout, python=base_python())
    assert anew.returncode == 0, anew.stdout + anew.stderr
    assert not (venv / "mine").exists()


def test_a_package_that_is_not_the_locked_one_stops_the_setup(checkout: Path) -> None:
    lock = checkout / "requirements" / "controller.txt"
    lock.write_text("pyyaml==6.0.3 --hash=sha256:" + "0" * 64 + "\n")
    done = set_up(checkout, python=base_python())
    assert done.returncode != 0
    assert "HASHES" in done.stderr.upper()
    assert codes(done.stderr) == ["step-failed"]
    assert "requirements/controller.txt" in done.stderr
    assert not (checkout / ".venv" / "edgebench-stamp").exists()


def test_says_what_to_install_where_there_is_no_python(checkout: Path, tmp_path: Path) -> None:
    done = set_up(checkout, path=str(folder_of_tools(tmp_path / "bin")))
    assert done.returncode == 1
    assert codes(done.stderr) == ["python-missing"]
    assert "3.11 to 3.13" in done.stderr
    assert "python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_says_what_to_install_where_python_makes_no_venvs(checkout: Path, tmp_path: Path) -> None:
    tools = folder_of_tools(tmp_path / "bin")
    # Debian without python3-venv: the very same interpreter, its ensurepip not installed.
    library = tmp_path / "library"
    library.mkdir()
    (library / "ensurepip.py").write_text("raise ModuleNotFoundError(\"No module named 'ensurepip'\")\n")
    python = tools / "python3"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={library} exec {base_python()} "$@"\n')
    python.chmod(0o755)
    done = set_up(checkout, path=str(tools))
    assert done.returncode == 1
    assert codes(done.stderr) == ["venv-missing"]
    assert f"apt-get install python3.{sys.version_info.minor}-venv " in done.stderr


def test_refuses_a_named_interpreter_that_does_not_fit(checkout: Path) -> None:
    done = set_up(checkout, python="/bin/true")
    assert done.returncode == 1
    assert codes(done.stderr) == ["python-unsupported"]
    assert "PYTHON=/bin/true " in done.stderr
    assert "3.11 to 3.13" in done.stderr


def test_refuses_an_unknown_kind(checkout: Path) -> None:
    done = subprocess.run(
        ["sh", "tools/setup_venv.sh", "all"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert codes(done.stderr) == ["kind-unknown"]
    for value in ("'all'", "'controller'", "'test'"):
        assert value in done.stderr
