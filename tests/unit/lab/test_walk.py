"""The walk-through of docs/fleet.md: its commands, as tests/fresh/lab_walk.py runs them."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.fresh import lab_walk


def test_the_page_has_the_commands_from_the_first_to_the_last() -> None:
    found = lab_walk.commands(lab_walk.PAGE.read_text("utf-8"))
    assert found[0].startswith("make lab ")
    assert found[-1] == lab_walk.END
    assert not [command for command in found if "#" in command or command != command.strip()]


def test_a_page_without_commands_is_refused() -> None:
    with pytest.raises(ValueError, match="fleet"):
        lab_walk.commands("# A fleet\n")


@pytest.mark.parametrize(
    ("second", "code", "ran"), [("true", 0, ["first", "third"]), ("(exit 3)", 1, ["first", "lab-down"])]
)
def test_a_command_that_fails_is_the_last_and_the_lab_is_ended(
    tmp_path: Path, second: str, code: int, ran: list[str]
) -> None:
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$1" >> ran\n')
    make.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", lab_walk.script(["make first", second, "make third"])],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert (tmp_path / "ran").read_text().split() == ran
    assert f"### {second}\n" in done.stdout


def test_a_newcomers_shell_has_neither_caches_nor_pyenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    found = lab_walk.environment(tmp_path)
    assert found["HOME"] == str(tmp_path)
    assert found["PIP_INDEX_URL"] == "https://index.example/simple"
    assert "pyenv" not in found["PATH"]
    assert "XDG_CACHE_HOME" not in found
