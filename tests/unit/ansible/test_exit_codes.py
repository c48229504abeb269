"""The exit codes of docs/unattended.md against what the programs themselves say, and against Ansible's code."""

import ast
import importlib.resources
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.executor.task_queue_manager import TaskQueueManager


def documented(root: Path) -> dict[str, list[int]]:
    """Return command → codes of the table."""
    found: dict[str, list[int]] = {}
    command = ""
    for line in (root / "docs/unattended.md").read_text("utf-8").splitlines():
        row = re.match(r"\| (?:`([a-z -]+)`)? ?\| (\d+) \|", line)
        if row:
            command = row[1] or command
            found.setdefault(command, []).append(int(row[2]))
    return found


def helped(root: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command, "--help"], cwd=root / "bench", capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_reporters_are_those_of_its_help(root: Path) -> None:
    commands = re.findall(r"^    (\w+)\b", helped(root, "-m", "edgebench_report"), re.M)
    told = documented(root)
    assert {f"edgebench-report {each}" for each in commands} == {
        each for each in told if each.startswith("edgebench-report ")
    }
    for command in commands:
        said = helped(root, "-m", "edgebench_report", command).split("exit codes:")[1]
        assert told[f"edgebench-report {command}"] == [
            int(each) for each in re.findall(r"^  (\d+)", said, re.M)
        ]


def test_the_runners_are_those_of_its_help_and_its_constants(root: Path) -> None:
    said = " ".join(helped(root, "-m", "edgebench").split()).split("Exit codes:")[1]
    assert documented(root)["edgebench"] == [int(each) for each in re.findall(r"(?:^|;) (\d+) ", said)]
    constants = (root / "bench/edgebench/commands/common.py").read_text().split("INTERRUPTED = ")[1]
    assert documented(root)["edgebench"] == list(ast.literal_eval(constants.splitlines()[0]))


def test_ansibles_are_those_of_its_code(root: Path) -> None:
    ansible = Path(str(importlib.resources.files("ansible")))
    told = documented(root)["ansible-playbook"]
    # Numbers in the code, or since 2.21 names for them.
    sources = (ansible / "cli/__init__.py").read_text() + (ansible / "errors/__init__.py").read_text()
    ends = {int(each) for each in re.findall(r"^ +(?:exit_code|[A-Z_]+) = (\d+)\b", sources, re.M)}
    assert {code for code in told if code not in (0, 2)} <= ends
    assert (TaskQueueManager.RUN_OK, TaskQueueManager.RUN_FAILED_HOSTS) == (0, 2)


@pytest.mark.parametrize(
    ("inventory", "arguments", "code", "said"),
    [
        ("x86: {hosts: {gone: {bench_proflie: quick}}}", ["bench.yml"], 2, "[variable-unknown]"),
        ("x86: {hosts: {gone: }}", ["bench.yml", "-l", "nosuch"], 1, "leaves us with no hosts"),
        ("x86: [", ["bench.yml"], 1, "Completely failed to parse inventory"),
        ("x86: {hosts: {gone: }}", ["nosuch.yml"], 1, "could not be found"),
    ],
)
def test_what_a_playbook_ends_with(
    root: Path, tmp_path: Path, inventory: str, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "hosts.yml").write_text(f"{inventory}\n")
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", tmp_path / "hosts.yml", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
    assert code in documented(root)["ansible-playbook"]
