"""Ansible in a checkout with an odd path, and without a home: modules run, and nothing is written elsewhere."""

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

NAMES = ("my boards (2)", "it's 50% (ä), #1 & co;=+@!~ " + 100 * "x")


@pytest.fixture(scope="module", params=NAMES)
def checkout(request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the playbooks need of the checkout, with a Python below it that has the packages of this one."""
    folder = tmp_path_factory.mktemp("odd") / str(request.param)
    for name in ("collections", "inventory", "playbooks", "plugins", "roles"):
        shutil.copytree(root / name, folder / name, symlinks=True)
    shutil.copy(root / "ansible.cfg", folder)
    venv.create(folder / ".venv", with_pip=False)
    (site,) = (folder / ".venv/lib").glob("python3.*/site-packages")
    (site / "all.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


def play(checkout: Path, *arguments: str, **keywords: Any) -> None:
    """Run the gate and a play of three tasks, of which two send a file to the host."""
    tasks: list[dict[str, Any]] = [
        {"copy": {"content": "x", "dest": f"{checkout}/copied"}},
        {"find": {"paths": [str(checkout)]}, "register": "found"},
        {
            "copy": {
                "content": "{{ found.files | map(attribute='path') | list | to_json }}",
                "dest": f"{checkout}/found",
            }
        },
    ]
    first = {"import_playbook": "playbooks/checks.yml"}
    own = {"hosts": "all", "gather_facts": False, "tasks": [{**task, **keywords} for task in tasks]}
    (checkout / "play.yml").write_text(json.dumps([first, own]))
    python = str(checkout / ".venv/bin/python")
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/proc/none"}
    command = [python, "-m", "ansible", "playbook", "play.yml", *arguments]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(checkout / "copied") in json.loads((checkout / "found").read_text())
    assert not list((checkout / ".edgebench/ansible/tmp").iterdir())


def test_the_host_that_is_this_machine(checkout: Path) -> None:
    play(checkout, "-l", "local")


@pytest.mark.needs("ssh")
def test_tasks_on_a_controller_that_is_no_host(checkout: Path) -> None:
    hosts = {"x86": {"hosts": {"frodo": {"ansible_host": "192.0.2.1"}}}}
    (checkout / "hosts.yml").write_text(json.dumps(hosts))
    play(checkout, "-i", "hosts.yml", delegate_to="localhost", run_once=True)
