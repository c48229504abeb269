"""What the module on the host makes of what it reads; the whole module on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests import ansible_core, needs


@pytest.fixture(scope="module")
def facts(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("modules/edgebench_host_facts")


def test_pythons_that_do_not_answer_are_left_out(
    facts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "python3.9": "exit 127",
        "python3.8": "echo nonsense",
        "python3.7": f'exec {sys.executable} "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(facts, "USUAL_FOLDERS", [])
    (found,) = facts.find_pythons(None, str(tmp_path / "python3.9"))
    assert found["path"] == str(tmp_path / "python3.7")
    assert found["real"] == os.path.realpath(sys.executable)
    assert found["version"] == ".".join(map(str, sys.version_info[:3]))


def test_a_home_that_cannot_be(facts: ModuleType, tmp_path: Path) -> None:
    assert facts.home_problem(str(tmp_path / "new/home")) is None
    (tmp_path / "file").touch()
    assert facts.home_problem(str(tmp_path / "file/home")).endswith(" [home-not-directory]")
    assert facts.home_problem(str(tmp_path / "file/home")).startswith(str(tmp_path / "file"))
    assert facts.home_problem(str(tmp_path / "my home"), "edgebench-nobody").endswith(" [home-white-space]")
    assert facts.home_problem(str(tmp_path / "my home")) is None


def test_a_home_for_another_user_must_be_within_reach(facts: ModuleType, tmp_path: Path) -> None:
    """Judged by root, who will make it, for a user who does not exist yet."""
    assert facts.home_problem("/usr/edgebench-home", "edgebench-nobody") is None
    # Others may list the folder, but not enter it.
    tmp_path.chmod(0o754)
    problem = facts.home_problem(str(tmp_path / "home"), "edgebench-nobody")
    assert problem.startswith(str(tmp_path))
    assert problem.endswith(" edgebench-nobody [home-not-reachable]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION="12 (bookworm)"\n'
            "VERSION_CODENAME=bookworm\nID=debian\n",
            ("Debian GNU/Linux 12 (bookworm)", "debian", "12", "bookworm"),
        ),
        (
            'NAME="Ubuntu"\nVERSION="18.04.5 LTS (Bionic Beaver)"\nID=ubuntu\nID_LIKE=debian\n'
            'PRETTY_NAME="Ubuntu 18.04.5 LTS"\nVERSION_ID="18.04"\nVERSION_CODENAME=bionic\n',
            ("Ubuntu 18.04.5 LTS", "ubuntu", "18.04", "bionic"),
        ),
        (
            'PRETTY_NAME="Raspbian GNU/Linux 9 (stretch)"\nVERSION_ID="9"\nVERSION="9 (stretch)"\nID=raspbian\n',
            ("Raspbian GNU/Linux 9 (stretch)", "raspbian", "9", "stretch"),
        ),
        (
            "PRETTY_NAME='Debian GNU/Linux trixie/sid'\nID=debian\n",
            ("Debian GNU/Linux trixie/sid", "debian", "", ""),
        ),
        (None, ("Linux", "", "", "")),
    ],
)
def test_os_release(facts: ModuleType, text: str | None, expected: tuple[str, ...]) -> None:
    assert facts.os_names(facts.host_texts.os_release(text)) == expected


@pytest.mark.parametrize(
    "release",
    [
        pytest.param(each, marks=pytest.mark.needs(f"python{each}"))
        for each in (*ansible_core.OLDEST_PYTHONS, "3.13")
    ],
)
def test_it_runs_on_the_oldest_and_newest_pythons(
    facts: ModuleType, root: Path, tmp_path: Path, release: str
) -> None:
    """Ansible's library is left out except for what modules on hosts need."""
    python = needs.interpreter(release)
    assert python is not None
    (tmp_path / "arguments.json").write_text(
        json.dumps({"ANSIBLE_MODULE_ARGS": {"home": str(tmp_path / "home")}})
    )
    # Only ansible's modules for hosts run on old Pythons: reach them, and nothing else of the venv.
    ansible_core.make_library(tmp_path)
    done = subprocess.run(
        [python, root / "plugins/modules/edgebench_host_facts.py", tmp_path / "arguments.json"],
        env={
            "PYTHONPATH": str(tmp_path),
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["changed"] is False
    host = answer["ansible_facts"]["edgebench_host"]
    assert host["home"] == str(tmp_path / "home")
    assert host["runtime"] is None
    assert host["disk_free_bytes"] > 0
    assert any(python["version"].startswith("3.") for python in host["pythons"])
    assert not (tmp_path / "home").exists()
    assert host["user_exists"] is True
    assert host["runner"] is False
    assert {type(host[key]) for key in ("apt", "apt_lists", "python_apt", "systemd")} == {bool}
    documented = yaml.safe_load(facts.RETURN)["ansible_facts"]["contains"]["edgebench_host"]["contains"]
    assert set(documented) == set(host)


@pytest.mark.needs("mounts")
def test_a_home_on_a_file_system_without_execution(facts: ModuleType, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", place], check=True)
    try:
        problem = facts.home_problem(str(place / "new/home"))
        assert facts.home_problem(str(tmp_path / "home")) is None
    finally:
        subprocess.run(["umount", place], check=True)
    assert problem.endswith(" [home-noexec]")
    assert f"remount,exec {place})" in problem
    assert facts.home_problem(str(place / "home")) is None
