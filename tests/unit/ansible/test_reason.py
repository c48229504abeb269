"""Why a task failed, as real tasks and loops of Ansible leave it behind."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.messages import codes

# A pip that finds nothing ends with two errors and a remark.
PIP = r"""printf 'ERROR: Could not find it\nERROR: No matching distribution found for %s\n[notice]\n' $0 >&2; exit 1"""


@pytest.fixture(scope="module")
def reason(plugin: Callable[[str], ModuleType]) -> Callable[[Any], str]:
    function: Callable[[Any], str] = plugin("filter/edgebench_reason").reason
    return function


def failure(root: Path, folder: Path, *tasks: dict[str, Any]) -> str:
    """Return what a role keeps of the first of these tasks that fails on a real host."""
    keep = {
        "block": list(tasks),
        "rescue": [
            {"import_role": {"name": "preflight", "tasks_from": "failed"}},
            {"copy": {"content": "{{ __preflight_failure.message }}", "dest": str(folder / "message")}},
        ],
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [keep]}
    (folder / "play.yml").write_text(json.dumps([play]))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(folder / "play.yml")]
    subprocess.run(
        command, cwd=root, env={**os.environ, "ANSIBLE_ROLES_PATH": str(root / "roles")}, check=True
    )
    return (folder / "message").read_text()


def test_a_loop_names_the_items_that_failed_with_the_line_that_counts(root: Path, tmp_path: Path) -> None:
    loop = {
        "name": "Install",
        "command": {"argv": ["sh", "-c", PIP, "{{ item }}"]},
        "loop": ["numpy", "{{ (1 == 1) | ternary('keras', '') }}"],
    }
    told = failure(root, tmp_path, loop)
    assert (
        "numpy: ERROR: No matching distribution found for numpy (exit code 1); keras: " in told  # not prose
    )
    assert "notice" not in told
    assert "(in: Install)" in told
    assert codes(told) == ["task-failed"]


def test_only_failed_items_are_named(root: Path, tmp_path: Path) -> None:
    """An item may fail in the module itself, or say nothing at all."""
    loop = {"shell": "{{ item }}", "loop": ["true", "exit 7", "echo only this; exit 8"]}
    told = failure(root, tmp_path, loop)
    assert "true" not in told
    # The words before differ between the releases of ansible-core.
    assert "non-zero return code" in told
    assert "(exit code 7); " in told
    assert "only this (exit code 8)" in told  # not prose


def test_a_command_and_a_module(root: Path, tmp_path: Path) -> None:
    told = failure(
        root, tmp_path, {"command": {"argv": ["sh", "-c", "echo fatal: no such disk >&2; echo >&2; exit 3"]}}
    )
    assert told.startswith("fatal: no such disk (exit code 3)")  # not prose
    told = failure(root, tmp_path, {"copy": {"src": "/nowhere/x", "dest": "/tmp/x", "remote_src": True}})
    assert "/nowhere/x" in told


def test_a_message_with_a_code_stays_as_it_is(root: Path, tmp_path: Path) -> None:
    told = failure(root, tmp_path, {"fail": {"msg": "the disk is full [disk-full]"}})
    assert codes(told) == ["disk-full"]


def test_many_items_are_counted(reason: Callable[[Any], str]) -> None:
    item = {"failed": True, "msg": "", "stderr": "/bin/x: error: no", "ansible_loop_var": "item"}
    told = reason(
        {"msg": "One or more items failed", "results": [{**item, "item": f"/a/{i}"} for i in range(9)]}
    )
    assert told.split("; ") == [
        *(f"{number}: /bin/x: error: no" for number in range(3)),  # not prose
        "6 more",
    ]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            {"module_stderr": "Traceback:\n  File\nOSError: [Errno 28]\n", "msg": "MODULE FAILURE\nSee"},
            "OSError: [Errno 28]",
        ),
        ({"stderr": "\n", "stdout": "last\n", "msg": "non-zero return code", "rc": 2}, "last (exit code 2)"),
        ({"results": [{"failed": False}], "msg": "timed out"}, "timed out"),
        ({}, "no message"),
        ("text", "text"),
    ],
)
def test_other_results(reason: Callable[[Any], str], result: Any, expected: str) -> None:
    assert reason(result) == expected
