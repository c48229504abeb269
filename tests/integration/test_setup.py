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
    "chmod",
    "cut",
    "date",
    "dirname",
    "find",
    "flock",
    "git",
    "grep",
    "head",
    "id",
    "ln",
    "mkdir",
    "mv",
    "printf",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "stat",
    "tail",
    "tr",
]


@pytest.fixture
def checkout(tmp_path: Path, repository: Path) -> Path:
    """What git knows of the checkout, in its present state, without any .venv."""
    copy = tmp_path / "checkout"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, files):
        if (repository / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, copy / name, follow_symlinks=False)
    return copy


def set_up(
    checkout: Path, *arguments: str, path: str | None = None, python: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": path or os.environ["PATH"], "PYTHON": python, **variables}
    return subprocess.run(
        [shutil.which("sh") or "sh", "tools/setup_venv.sh", "controller", *arguments],
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
    assert done.returncode == 2
    assert codes(done.stderr) == ["python-missing"]
    assert "3.11 to 3.14" in done.stderr
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
    assert done.returncode == 2
    assert codes(done.stderr) == ["venv-missing"]
    assert f"apt-get install python3.{sys.version_info.minor}-venv " in done.stderr


def test_refuses_a_named_interpreter_that_does_not_fit(checkout: Path) -> None:
    done = set_up(checkout, python="/bin/true")
    assert done.returncode == 2
    assert codes(done.stderr) == ["python-unsupported"]
    assert "PYTHON=/bin/true " in done.stderr
    assert "3.11 to 3.14" in done.stderr


def test_refuses_an_unknown_ansible_core(checkout: Path) -> None:
    done = set_up(checkout, EDGEBENCH_ANSIBLE="2.9")
    assert done.returncode == 2
    assert codes(done.stderr) == ["ansible-unknown"]
    assert "'2.9'" in done.stderr
    assert not (checkout / ".venv").exists()


def test_refuses_an_unknown_kind(checkout: Path) -> None:
    done = subprocess.run(
        ["sh", "tools/setup_venv.sh", "all"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert codes(done.stderr) == ["kind-unknown"]
    for value in ("'all'", "'controller'", "'test'"):
        assert value in done.stderr


def refusal(done: subprocess.CompletedProcess[str], checkout: Path) -> str:
    """Return the one line of a refusal before anything was made."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert not (checkout / ".venv").exists()
    assert not list(checkout.glob(".venv.*[!k]"))
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    "name", ["a:b", 'a"b', "a$b", "a`b", "a\\b", "a*", "a?", "a[1]", "a{1}", "a|b", "a\nb"]
)
def test_refuses_a_path_that_cannot_work(checkout: Path, name: str) -> None:
    moved = checkout.rename(checkout.with_name(name))
    line = refusal(set_up(moved), moved)
    assert codes(line) == ["checkout-path"]
    assert str(moved).replace("\n", "?") in line


def test_refuses_an_index_out_of_reach_with_the_address_of_pips_own_settings(checkout: Path) -> None:
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    index = "http://me:secret@127.0.0.1:9/simple"
    line = refusal(set_up(checkout, python=base_python(), PIP_INDEX_URL=index, **pip), checkout)
    assert codes(line) == ["index-unreachable"]
    assert "127.0.0.1:9/simple" in line
    assert "secret" not in line
    assert "Connection refused" in line
    assert "PIP_INDEX_URL=" in line


def test_refuses_a_checkout_that_every_user_may_write_to(checkout: Path) -> None:
    """Ansible would pass over its ansible.cfg; WSL shows folders of Windows like that."""
    checkout.chmod(0o777)
    line = refusal(set_up(checkout, python=base_python()), checkout)
    assert codes(line) == ["checkout-world-writable"]
    assert f"chmod o-w '{checkout}'" in line


def test_refuses_a_checkout_without_its_links(checkout: Path) -> None:
    link = checkout / "collections/ansible_collections/edgebench/edge/plugins"
    link.unlink()
    link.write_text("../../../../plugins")
    done = set_up(checkout, python=sys.executable)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert codes(line) == ["links-missing"]
    assert len(line) < 360
    assert not (checkout / ".venv").exists()


def test_refuses_a_clock_before_the_newest_commit(checkout: Path, tmp_path: Path) -> None:
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org")
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        when = {"GIT_COMMITTER_DATE": "2040-01-02T00:00:00Z"}
        subprocess.run([*git, *arguments], cwd=checkout, env={**os.environ, **when}, check=True)
    line = refusal(set_up(checkout, python=base_python()), checkout)
    assert codes(line) == ["clock-wrong"]
    assert "2040-01-02" in line


def test_settings_of_other_projects_do_not_matter(checkout: Path, tmp_path: Path) -> None:
    moved = checkout.rename(checkout.with_name("my boards (2) it's 50% " + 100 * "x"))
    foreign = {
        name: str(tmp_path / "other") for name in ("PYTHONPATH", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX")
    }
    # A user's own installation, and a folder for unpacking where nothing can be written.
    done = set_up(moved, python=base_python(), PIP_USER="1", TMPDIR="/proc", HOME="/proc/none", **foreign)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "other").exists()
    version = [str(moved / ".venv/bin/ansible-playbook"), "--version"]
    told = subprocess.run(version, cwd=moved, capture_output=True, text=True, check=True).stdout
    assert f"config file = {moved}/ansible.cfg" in told
    assert not list(moved.glob(".venv.*[!k]"))
