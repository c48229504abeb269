"""What ansible-playbook prints while its tasks run, through a pipe."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.terminal import Program

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Left out
      ansible.builtin.command: "true"
      when: false
    - name: Long on {{ groups['all'] | length }} hosts
      ansible.builtin.raw: sleep {{ seconds }}
      changed_when: false
"""


@pytest.fixture
def lines(root: Path, tmp_path: Path) -> list[tuple[float, str]]:
    """The lines of a playbook on five hosts, one slower than the other, and when they came."""
    (tmp_path / "play.yml").write_text(PLAY)
    hosts = {f"h{number}": {"seconds": seconds} for number, seconds in enumerate((1, 13, 13, 13, 23))}
    inventory = {"all": {"vars": {"ansible_connection": "local"}, "hosts": hosts}}
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory))
    program = Program(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "-i",
            tmp_path / "hosts.yml",
            tmp_path / "play.yml",
        ],
        root,
        {**{k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}, "ANSIBLE_NOCOLOR": "1"},
        on_terminal=False,
    )
    assert program.wait(120) == 0, program.text
    return [(line.at_s, line.text) for line in program.lines]


def test_titles_and_seconds_come_while_a_task_runs(lines: list[tuple[float, str]]) -> None:
    titles = [(at_s, text) for at_s, text in lines if text.startswith("TASK [")]
    assert [text.split("]")[0] for _, text in titles] == ["TASK [Long on 5 hosts"]  # not prose
    first_result = next(at_s for at_s, text in lines if text == "ok: [h0]")
    beats = [(at_s - titles[0][0], text) for at_s, text in lines if text.startswith("… ")]
    assert titles[0][0] <= first_result
    # Until the slowest host is done, with the hosts that are not.
    assert {text.split(": ")[0] for _, text in beats} == {"… Long on 5 hosts"}  # not prose
    hosts = [text.split(" s on ")[1] for _, text in beats]
    assert hosts[0].endswith(" more")
    assert hosts[-1] == "h4"
    assert max(after[0] - before[0] for before, after in itertools.pairwise(lines)) < 15


def test_commands_in_messages_name_the_inventory_of_the_run(root: Path, tmp_path: Path) -> None:
    """All but those that name one already, and differences of files."""
    said = "run: ansible-playbook provision.yml -l x, or ansible-playbook -i y bench.yml"
    copy = {"copy": {"dest": str(tmp_path / "copied"), "content": f"{said}\n"}}
    tasks = [{"debug": {"msg": said}}, copy, {"fail": {"msg": said}}]
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    folder = tmp_path / "my hosts"
    folder.mkdir()
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"h": variables}}}))
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "--diff", "-i", "my hosts", "play.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_CONFIG": str(root / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    output = " ".join(done.stdout.split()).replace("''", "'")
    command = (
        "ansible-playbook -i 'my hosts' provision.yml -l x, or ansible-playbook -i y bench.yml"  # not prose
    )
    assert output.count(command) == 2
    assert output.count(f"+{said}") == 1


@pytest.mark.parametrize(
    ("sources", "options"),
    [
        (["/usual"], ""),
        (["{cwd}/inventory/lab"], "-i inventory/lab"),
        (["/elsewhere", "pi,"], "-i /elsewhere -i pi,"),
    ],
)
def test_the_usual_inventory_needs_no_option(
    plugin: Callable[[str], ModuleType], sources: list[str], options: str
) -> None:
    found = plugin("callback/edgebench_progress").inventory_options(
        [source.format(cwd=Path.cwd()) for source in sources], ["/usual"]
    )
    assert found == options
