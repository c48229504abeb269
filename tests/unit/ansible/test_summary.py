"""The table at the end of provisioning."""

import json
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.messages import codes

ACCESS = {"manage_system": True, "become": True, "user": "edgebench"}
FACTS = {
    "governor": "ondemand",
    "pythons": [{"real": "/usr/bin/python3.11", "version": "3.11.2"}],
    "runner": True,
    "runtime": {"tensorflow": "2.21.0", "python": "/usr/bin/python3.11"},
    "user": "edgebench",
    "user_exists": True,
}
BARE = {**FACTS, "runner": False, "runtime": None, "user": "root", "user_exists": False}


def data(**states: str) -> dict[str, str]:
    return {"stdout": json.dumps({"datasets": [{"name": n, "state": s} for n, s in states.items()]})}


def host(**variables: Any) -> dict[str, Any]:
    return {
        "edgebench_access": ACCESS,
        "ansible_facts": {"edgebench_host": FACTS},
        "edgebench_provisioned": True,
        "__base_packages_query": {"rc": 0, "stdout_lines": ["acl ii ", "rsync ii "]},
        "__preflight_data": data(imdb="ready", mnist="ready"),
        **variables,
    }


def cells(line: str) -> list[str]:
    """Return the cells of a line of the table, which two blanks separate at least."""
    return re.split(r" {2,}", line)


@pytest.fixture(scope="module")
def summary(plugin: Callable[[str], ModuleType]) -> Callable[..., list[str]]:
    module = plugin("filter/edgebench_summary")

    def call(check: bool = False, **hosts: dict[str, Any]) -> list[str]:
        text: str = module.summary(hosts, list(hosts), check=check)
        return text.splitlines()

    return call


def test_a_host_that_is_ready_has_one_line_and_nothing_below(summary: Callable[..., list[str]]) -> None:
    title, _, headings, rule, line = summary(bilbo=host())
    assert "check mode" not in title
    assert cells(headings) == [
        *["host", "state", "user", "packages", "TensorFlow", "runner", "data sets", "governor", "share"]
    ]
    assert set(rule) == {"-"}
    assert cells(line) == [
        *["bilbo", "ready", "edgebench", "ready", "2.21.0, Python 3.11.2", "ready", "2/2", "ondemand", "–"]
    ]


def test_columns_are_aligned(summary: Callable[..., list[str]]) -> None:
    lines = summary(a=host(), a_long_name=host(ansible_facts={"edgebench_host": {**FACTS, "governor": None}}))
    start = lines[2].index("state")
    assert lines[4][start:].startswith("ready")
    assert lines[5][start:].startswith("ready")
    assert lines[4].index("ondemand") == lines[2].index("governor") == lines[5].rindex("–", 0, -3)


def test_a_bare_host_in_check_mode_is_told_what_would_come(summary: Callable[..., list[str]]) -> None:
    bare = host(
        ansible_facts={"edgebench_host": BARE},
        edgebench_runtime_reason="py311-tf2.21.0, the first that fits\n",
        __base_packages_query={"rc": 1, "stdout_lines": ["acl ii "]},
        __preflight_data={"skipped": True},
    )
    lines = summary(check=True, frodo=bare)
    assert "check mode" in lines[0]
    assert cells(lines[4]) == ["frodo", "incomplete", *["missing"] * 4, "–", "ondemand", "–"]
    assert lines[-1] == "    next: ansible-playbook provision.yml -l frodo"  # not prose
    assert max(map(len, lines)) <= 112
    text = " ".join(" ".join(lines[6:-1]).split())
    assert text.startswith("frodo: ")
    assert codes(text) == ["user-missing", "packages-missing", "runtime-missing", "runner-missing"]
    assert "edgebench" in text
    assert "(chosen: py311-tf2.21.0," in text


def test_one_missing_part_is_brought_by_its_tag(summary: Callable[..., list[str]]) -> None:
    lines = summary(frodo=host(ansible_facts={"edgebench_host": {**FACTS, "runtime": None}}))
    assert lines[4].split()[:2] == ["frodo", "incomplete"]
    assert lines[-1] == "    next: ansible-playbook provision.yml -l frodo --tags runtime"  # not prose


def test_a_host_that_failed_is_told_why_and_only_that(summary: Callable[..., list[str]]) -> None:
    failed = host(
        ansible_facts={"edgebench_host": BARE},
        edgebench_provisioned=None,
        __preflight_failure={"stage": "runtime", "message": "frodo: no stack fits\nLooked at: armv6l"},
    )
    lines = summary(bilbo=host(), frodo=failed)
    assert [line.split()[1] for line in lines[4:6]] == ["ready", "failed"]
    first, *others = lines[7:]
    assert first.startswith("frodo: runtime ")
    assert first.endswith("no stack fits")
    assert others == [
        "    Looked at: armv6l",
        "    next: ansible-playbook provision.yml -l frodo",  # not prose
    ]


@pytest.mark.parametrize(
    ("variables", "state", "told"),
    [
        (
            {"__preflight_failure": {"stage": "preflight", "message": "no answer"}},
            "failed",
            "preflight .*: no answer",
        ),
        ({"__preflight_ended": "no Python yet\n"}, "incomplete", "no Python yet"),
        ({}, "incomplete", r".* \[connection-lost\]"),
    ],
)
def test_a_host_of_which_nothing_is_known(
    summary: Callable[..., list[str]], variables: dict[str, Any], state: str, told: str
) -> None:
    lines = summary(gone=variables)
    assert lines[4].split() == ["gone", state, *["–"] * 7]
    assert re.fullmatch(f"gone: {told}", lines[6])


def test_a_host_lost_half_way_is_not_ready(summary: Callable[..., list[str]]) -> None:
    lines = summary(gone=host(edgebench_provisioned=None))
    assert lines[4].split()[1] == "incomplete"
    assert codes(lines[6]) == ["connection-lost"]


def test_what_a_benchmark_can_do_without_leaves_the_host_ready(summary: Callable[..., list[str]]) -> None:
    lines = summary(
        frodo=host(
            __preflight_data=data(imdb="unavailable", mnist="ready"),
            data_share_state={"role": "client", "answers": False},
        )
    )
    assert lines[4].split()[1] == "ready"
    assert "1/2" in lines[4]
    assert lines[4].endswith("no answer")
    (lacking,) = [line for line in lines if "data-missing" in codes(line)]
    assert "imdb" in lacking
    assert "mnist" not in lacking
    assert sum("share-no-answer" in codes(line) for line in lines) == 1
    assert any(line.endswith("--tags data_share") for line in lines)


def test_a_boards_warnings_are_said_and_leave_it_ready(summary: Callable[..., list[str]]) -> None:
    lines = summary(
        boromir=host(
            jetson_power_state={"mode": "MAXN", "warnings": ["2 events [over-current-events]"]},
            jetson_fan_state={"warnings": ["0 rpm [fan-stalled]"]},
        )
    )
    assert lines[4].split()[1] == "ready"
    assert "boromir: 2 events [over-current-events]" in lines  # not prose
    assert "boromir: 0 rpm [fan-stalled]" in lines  # not prose
    assert any(line.endswith("--tags jetson_fan") for line in lines)


def test_the_share_and_an_unmanaged_host(summary: Callable[..., list[str]]) -> None:
    lines = summary(
        server=host(data_share_state={"role": "server", "answers": False}),
        client=host(data_share_state={"role": "client", "answers": True}),
        mine=host(
            edgebench_access={"manage_system": False, "become": False, "user": "me"},
            ansible_facts={"edgebench_host": {**FACTS, "user": "me"}},
        ),
    )
    assert lines[4].endswith("serves")
    assert lines[5].endswith("mounted")
    assert lines[6].split()[2:4] == ["me", "–"]


def test_the_command_names_another_inventory(plugin: Callable[[str], ModuleType]) -> None:
    command = plugin("filter/edgebench_summary").command_for
    other = command("a", ["inventory/lab"])
    assert other == "ansible-playbook -i inventory/lab provision.yml -l a"  # not prose
    from ansible import constants

    assert command("a", constants.DEFAULT_HOST_LIST) == "ansible-playbook provision.yml -l a"  # not prose
