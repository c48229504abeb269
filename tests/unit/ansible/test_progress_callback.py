"""What ansible-playbook prints while its tasks run, through a pipe."""

import itertools
import json
import os
import sys
from pathlib import Path

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
    assert [text.split("]")[0] for _, text in titles] == ["TASK [Long on 5 hosts"]
    first_result = next(at_s for at_s, text in lines if text == "ok: [h0]")
    beats = [(at_s - titles[0][0], text) for at_s, text in lines if text.startswith("… ")]
    assert titles[0][0] <= first_result
    # Until the slowest host is done, with the hosts that are not.
    assert {text.split(": ")[0] for _, text in beats} == {"… Long on 5 hosts"}
    hosts = [text.split(" s on ")[1] for _, text in beats]
    assert hosts[0].endswith(" more")
    assert hosts[-1] == "h4"
    assert max(after[0] - before[0] for before, after in itertools.pairwise(lines)) < 15
