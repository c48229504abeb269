"""The role base_packages in check mode, against a dpkg-query that says what the test wants."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.messages import codes

# (os_id, os_version) → is python3-cpuinfo there?
RELEASES = {
    ("debian", "9"): False,
    ("debian", "12"): True,
    ("debian", "13"): True,
    ("raspbian", "9"): False,
    ("raspbian", "10"): True,
    ("ubuntu", "18.04"): False,
    ("ubuntu", "20.04"): True,
    ("ubuntu", "22.04"): True,
    ("ubuntu", "24.04"): True,
    ("linuxmint", "21"): False,
}
REPORT = (
    "build-essential cmake unzip pkg-config libopenblas-dev liblapack-dev python3-setuptools python3-all-dev"
)
REPORT += " python3-numpy python3-scipy python3-matplotlib libyaml-dev python3-yaml python3-psutil"
NEEDED = "acl ca-certificates procps python3 python3-venv rsync tar util-linux"


def provision(
    root: Path, folder: Path, hosts: dict[str, dict[str, Any]], installed: str
) -> dict[str, list[dict[str, Any]]]:
    """Apply the role in check mode to hosts (name → variables); return what each was told, results with a msg."""
    (folder / "bin").mkdir(exist_ok=True)
    fake = folder / "bin/dpkg-query"
    fake.write_text(f"#!/bin/sh\ncat <<'END'\n{installed}END\nexit 1\n")
    fake.chmod(0o755)
    facts = {"os": "an OS", "os_id": "debian", "os_version": "12", "apt": True}
    play = {
        "hosts": "all",
        "gather_facts": False,
        "environment": {"PATH": f"{folder}/bin:{os.environ['PATH']}"},
        "tasks": [
            {
                "ansible.builtin.set_fact": {
                    "ansible_facts": {"edgebench_host": "{{ facts | combine(host) }}"}
                }
            },
            {"ansible.builtin.include_role": {"name": "base_packages"}},
        ],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    inventory = {
        "all": {
            "hosts": hosts,
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "facts": facts,
                "host": {},
                "edgebench_access": {"manage_system": True, "become": False, "user": "edgebench"},
            },
        }
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    ran = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "--check",
            "-i",
            folder / "hosts.yml",
            folder / "play.yml",
        ],
        cwd=root,
        env={
            **os.environ,
            "ANSIBLE_CACHE_PLUGIN": "memory",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_CALLBACK_FORMAT_PRETTY": "false",
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in hosts}
    for state, name, result in re.findall(
        r"^(ok|changed|fatal): \[(\w+)\](?:: FAILED!)? => (\{.*\})$", ran.stdout, re.M
    ):
        answer = {**json.loads(result), "state": state}
        if "msg" in answer and "rc" not in answer:
            told[name].append(answer)
    assert "unreachable=1" not in ran.stdout
    return told


def names(message: str) -> set[str]:
    return set(message.split(": ", 1)[1].split())


@pytest.fixture(scope="module")
def bare(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What bare hosts of all releases are told, and some with other variables."""
    hosts: dict[str, dict[str, Any]] = {
        f"h{number}": {"host": {"os_id": release[0], "os_version": release[1]}}
        for number, release in enumerate(RELEASES)
    }
    hosts["lean"] = {"base_packages_build_tools": False, "base_packages_extra": ["htop", "tar"]}
    hosts["foreign"] = {"host": {"os": "Fedora 40", "os_id": "fedora", "os_version": "40", "apt": False}}
    hosts["unmanaged"] = {"edgebench_access": {"manage_system": False, "become": False, "user": "me"}}
    hosts["foreign_unmanaged"] = {**hosts["foreign"], **hosts["unmanaged"]}
    return provision(root, tmp_path_factory.mktemp("bare"), hosts, "")


@pytest.mark.parametrize(
    ("release", "number"), [(release, number) for number, release in enumerate(RELEASES)]
)
def test_a_bare_host_is_told_the_names_of_its_release(
    bare: dict[str, list[dict[str, Any]]], release: tuple[str, str], number: int
) -> None:
    (answer,) = bare[f"h{number}"]
    assert answer["state"] == "changed"
    expected = {*REPORT.split(), *NEEDED.split()} | ({"python3-cpuinfo"} if RELEASES[release] else set())
    assert names(answer["msg"]) == expected


def test_without_the_build_tools_only_what_is_needed_and_asked_for(
    bare: dict[str, list[dict[str, Any]]],
) -> None:
    (answer,) = bare["lean"]
    assert names(answer["msg"]) == {*NEEDED.split(), "htop"}


def test_a_system_without_apt_is_refused_with_the_list(bare: dict[str, list[dict[str, Any]]]) -> None:
    (answer,) = bare["foreign"]
    assert answer["state"] == "fatal"
    assert codes(answer["msg"]) == ["apt-missing"]
    assert "Fedora 40" in answer["msg"]
    assert "edgebench_manage_system" in answer["msg"]
    assert "python3-venv" in answer["msg"]


def test_an_unmanaged_host_is_told_what_is_missing_and_nothing_changes(
    bare: dict[str, list[dict[str, Any]]],
) -> None:
    (answer,) = bare["unmanaged"]
    assert answer["state"] == "ok"
    assert codes(answer["msg"]) == ["packages-missing"]
    assert "apt install acl " in answer["msg"]
    assert bare["foreign_unmanaged"] == []


def test_only_what_is_not_installed_is_missing(root: Path, tmp_path: Path) -> None:
    """Removed with its configuration left, unknown and half installed are not installed; held is."""
    everything = [*NEEDED.split(), "htop"]
    states = {"acl": "rc ", "tar": "hi ", "rsync": "iF ", "htop": "un "}
    lines = "".join(f"{name} {states.get(name, 'ii ')}\n" for name in everything)
    lean = {"base_packages_build_tools": False}
    told = provision(
        root, tmp_path, {"some": {**lean, "base_packages_extra": ["htop"]}, "plain": lean}, lines
    )
    assert names(told["some"][0]["msg"]) == {"acl", "rsync", "htop"}
    assert names(told["plain"][0]["msg"]) == {"acl", "rsync"}


def test_a_host_that_has_everything_is_left_alone(root: Path, tmp_path: Path) -> None:
    lines = "".join(f"{name} ii \n" for name in NEEDED.split())
    assert provision(root, tmp_path, {"full": {"base_packages_build_tools": False}}, lines) == {"full": []}
