"""The first look at a host: a shell script, for there may be no Python."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Look = Callable[..., list[str]]


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """A PATH with what every system has, and what a test adds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"id": 'case $* in -u) echo 1000 ;; *) [ "$2" = known ] ;; esac'}.items():
        program(folder, name, text)
    return folder


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def look(root: Path, bin_dir: Path) -> Look:
    def call(user: str = "edgebench", *pythons: str, managed: str = "2.7 3.6") -> list[str]:
        script = root / "roles/preflight/files/look.sh"
        done = subprocess.run(
            ["/bin/sh", script, user, managed, *pythons],
            env={**os.environ, "PATH": str(bin_dir)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    return call


def test_a_bare_host(look: Look) -> None:
    lines = look("edgebench", "no-such-python")
    assert not [line for line in lines if line.startswith("python ")]
    assert {"sudo no", "root no", "user no", "apt no"} <= set(lines)
    assert {line.split()[0] for line in lines} == {"sudo", "root", "user", "apt", "systemd", "python_apt"}


def test_pythons_that_ansible_can_use_in_the_order_asked_for(look: Look, bin_dir: Path) -> None:
    program(bin_dir, "python3", f'exec {sys.executable} "$@"')
    program(bin_dir, "python3.5", "exit 0")
    program(bin_dir, "python3.6", "exit 127")
    lines = look("edgebench", "python3.5", "python3.6", "python3")
    assert [line for line in lines if line.startswith("python ")] == [f"python {sys.executable}"]


@pytest.mark.parametrize(
    ("managed", "release", "is_usable"),
    [
        ("2.7 3.6", (2, 7), True),
        ("2.7 3.6", (3, 5), False),
        ("2.7 3.6", (3, 6), True),
        ("3.9", (2, 7), False),
        ("3.9", (3, 8), False),
        ("3.9", (3, 9), True),
        ("3.9", (3, 14), True),
    ],
)
def test_a_python_that_is_too_old_is_named_as_that(
    look: Look, bin_dir: Path, managed: str, release: tuple[int, int], is_usable: bool
) -> None:
    text = f"import sys; sys.version_info = {(*release, 9)}; exec(sys.argv.pop(1))"
    program(bin_dir, "python", f'exec {sys.executable} -c \'{text}\' "$2" "$3"')
    lines = look("edgebench", "python", managed=managed)
    (found,) = (line for line in lines if line.startswith(("python ", "python_old ")))
    old = f"python_old {release[0]}.{release[1]} {sys.executable}"
    assert found == (f"python {sys.executable}" if is_usable else old)


def test_sudo_without_a_password(look: Look, bin_dir: Path) -> None:
    program(bin_dir, "sudo", '[ "$*" = "-n true" ]')
    assert {"sudo yes", "root sudo"} <= set(look())
    program(bin_dir, "sudo", "exit 1")
    assert {"sudo yes", "root no"} <= set(look())


def test_root_and_what_the_system_has(look: Look, bin_dir: Path) -> None:
    program(bin_dir, "id", 'case $* in -u) echo 0 ;; *) [ "$2" = known ] ;; esac')
    program(bin_dir, "apt-get", "")
    assert {"root self", "apt yes", "user yes"} <= set(look("known"))
    assert "user no" in look("unknown")


def test_the_clock_is_told_where_there_is_one(look: Look, bin_dir: Path) -> None:
    program(bin_dir, "date", 'test "$*" = "-u +%s" && echo 86400')
    assert "clock 86400" in look()
    program(bin_dir, "date", "exit 1")
    assert [line for line in look() if line.startswith("clock")] == []
