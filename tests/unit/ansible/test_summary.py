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
    "disk_free_bytes": 23_000_000_000,
    "gpu": None,
    "home_bytes": 1_300_000_000,
    "runner": True,
    "runtime": {"tensorflow": "2.21.0", "keras": "3.15.1", "python": "/usr/bin/python3.11", "gpus": 0},
    "user": "edgebench",
    "user_exists": True,
}
BARE = {**FACTS, "home_bytes": None, "runner": False, "runtime": None, "user": "root", "user_exists": False}


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


STACK = "TensorFlow 2.21.0, Keras 3.15.1"  # not prose


def rows(lines: list[str]) -> list[list[str]]:
    """Return the cells of the table's lines, without headings and rule."""
    return [cells(line) for line in lines[4 : lines.index("", 4) if "" in lines[4:] else None]]


def entries(lines: list[str]) -> list[list[str]]:
    """Return the paragraphs below the table, each with its lines."""
    text = "\n".join(lines)
    return [each.splitlines() for each in text.split("\n\n")[2:]]


def test_a_host_that_is_ready_has_one_line_and_its_next_command(summary: Callable[..., list[str]]) -> None:
    lines = summary(bilbo=host())
    title, _, headings, rule, line, *_ = lines
    assert title.split() == ["Hosts:", "1", "ready"]
    assert cells(headings) == ["host", "state", "device", "stack", "disk used", "data"]
    assert set(rule) == {"-"}
    assert cells(line) == ["bilbo", "ready", "CPU", STACK, "1.3 GB, 23 free", "2/2"]  # not prose
    ((who, command),) = entries(lines)
    assert who.startswith("bilbo: ")
    assert command == "    next: ansible-playbook bench.yml -l bilbo"  # not prose


def test_columns_are_aligned_and_the_hosts_sorted(summary: Callable[..., list[str]]) -> None:
    unknown = {**FACTS, "home_bytes": None}
    lines = summary(
        node10=host(),
        node2=host(ansible_facts={"edgebench_host": unknown}),
        zed=host(edgebench_provisioned=None),
        bad=host(__preflight_failure={"stage": "runtime", "message": "no"}),
    )
    assert [row[:2] for row in rows(lines)] == [
        ["bad", "failed"],
        ["zed", "incomplete"],
        ["node2", "ready"],
        ["node10", "ready"],
    ]
    assert lines[0].split(": ")[1].split(", ") == ["2 ready", "1 incomplete", "1 failed"]
    start = lines[2].index("disk used")
    assert [line[start:].split()[0] for line in lines[4:8]] == ["1.3", "1.3", "–", "1.3"]


@pytest.mark.parametrize(
    ("facts", "choice", "device", "code"),
    [
        ({}, {}, "CPU", None),
        ({"gpu": "cuda", "gpu_name": "NVIDIA T4"}, {"stack": {}}, "GPU NVIDIA T4", None),
        ({"gpu": "tegra", "gpu_name": None}, {"stack": {}}, "GPU tegra", None),
        ({"gpu": "cuda"}, {"gpu_unused": "old driver"}, "GPU unused: old driver", "gpu-unused"),
        ({"gpu": "tegra"}, {"gpu_unused": "asked for by x"}, "GPU unused: asked for by x", None),
        # The role runtime was not played: what its record says.
        ({"gpu": "cuda"}, {}, "GPU unused: TensorFlow 2.21.0 finds none", "gpu-unused"),
        ({"gpu": "cuda", "runtime": {"tensorflow": "2.21.0", "gpus": 1}}, {}, "GPU cuda", None),
        ({"gpu": "cuda", "runtime": {"tensorflow": "2.21.0"}}, {}, "GPU cuda", None),
    ],
)
def test_the_device(
    summary: Callable[..., list[str]],
    facts: dict[str, Any],
    choice: dict[str, Any],
    device: str,
    code: str | None,
) -> None:
    lines = summary(a=host(ansible_facts={"edgebench_host": {**FACTS, **facts}}, runtime_choice=choice))
    cell = rows(lines)[0][2]
    assert cell == device
    assert ("gpu-unused" in codes("\n".join(lines))) is (code is not None)
    assert rows(lines)[0][1] == "ready"


def test_a_bare_host_in_check_mode_is_told_what_would_come(summary: Callable[..., list[str]]) -> None:
    bare = host(
        ansible_facts={"edgebench_host": BARE},
        runtime_choice={"stack": {"tensorflow": "2.21.0", "keras": "3.15.1"}},
        __base_packages_query={"rc": 1, "stdout_lines": ["acl ii "]},
        __preflight_data={"skipped": True},
    )
    lines = summary(check=True, frodo=bare)
    assert "check mode" in lines[0]
    assert rows(lines) == [["frodo", "incomplete", "CPU", "missing", "–", "–"]]
    assert lines[-1] == "    next: ansible-playbook provision.yml -l frodo"  # not prose
    assert max(map(len, lines)) <= 112
    text = " ".join(" ".join(lines[6:-1]).split())
    assert text.startswith("frodo: ")
    assert codes(text) == ["user-missing", "packages-missing", "runtime-missing", "runner-missing"]
    assert STACK in text


def test_one_missing_part_is_brought_by_its_tag(summary: Callable[..., list[str]]) -> None:
    lines = summary(frodo=host(ansible_facts={"edgebench_host": {**FACTS, "runtime": None}}))
    assert lines[4].split()[:2] == ["frodo", "incomplete"]
    assert lines[-1] == "    next: ansible-playbook provision.yml -l frodo --tags runtime"  # not prose


def test_a_host_that_failed_is_told_why_and_only_that(summary: Callable[..., list[str]]) -> None:
    def failed(name: str) -> dict[str, Any]:
        said = f"{name}: none fits, see -l {name} -e x=1 [no-stack-fits]\nLooked at: armv6l (in: Stop where)"
        return host(
            ansible_facts={"edgebench_host": BARE},
            edgebench_provisioned=None,
            __preflight_failure={"stage": "runtime", "message": said},
        )

    lines = summary(bilbo=host(), frodo=failed("frodo"), sam=failed("sam"))
    assert [row[1] for row in rows(lines)] == ["failed", "failed", "ready"]
    # Both for the same reason, and each command for both.
    (first, *others), ready, (more,) = entries(lines)
    assert "-v" in more
    assert first.startswith("frodo, sam: runtime ")
    assert first.endswith(": none fits, see -l frodo,sam -e x=1 [no-stack-fits]")  # not prose
    assert others == [
        "    Looked at: armv6l",
        "    next: ansible-playbook provision.yml -l frodo,sam",  # not prose
    ]
    assert ready[0].startswith("bilbo: ")


def fleet(groups: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Fifty hosts with long names and one reason each that many share."""
    reason = "py311-cuda-tf2.21.0 needs NVIDIA's driver 525.60.13 or later, the host has 470.1"
    hosts = {}
    for number, name in enumerate(groups["all"]):
        facts = {**FACTS, "gpu": "cuda" if number % 2 else None, "gpu_name": "NVIDIA GeForce RTX 4090 Laptop"}
        unused = {"gpu_unused": reason if number % 4 == 1 else None}
        hosts[name] = host(
            ansible_facts={"edgebench_host": facts}, groups=groups, runtime_choice={"stack": {}, **unused}
        )
        if number % 10 == 3:
            hosts[name]["__preflight_failure"] = {"stage": "runtime", "message": f"{name}: disk [disk-full]"}
    return hosts


def test_fifty_hosts_fit_a_screen_of_120_columns(summary: Callable[..., list[str]]) -> None:
    names = [f"a-board-with-a-name-of-many-parts-{number}" for number in range(50)]
    lines = summary(**fleet({"all": names, "odd": names[1::4]}))
    assert max(map(len, lines)) <= 112
    # The table, two reasons and the hosts that are ready.
    assert len(lines) < 50 + 20
    assert [row[1] for row in rows(lines)] == ["failed"] * 5 + ["ready"] * 45
    assert len({row[0] for row in rows(lines)}) == 50
    assert codes("\n".join(lines)) == ["disk-full", "gpu-unused"]


def test_hosts_that_share_a_reason_share_a_command(summary: Callable[..., list[str]]) -> None:
    names = [f"n{number}" for number in range(50)]
    without_failures = {
        name: {key: value for key, value in each.items() if key != "__preflight_failure"}
        for name, each in fleet({"all": names, "old": names[1::4]}).items()
    }
    gpu, ready = entries(summary(**without_failures))
    assert gpu[0].startswith("n1, n5, n9 and 10 more: ")  # not prose
    assert gpu[-1].endswith("provision.yml -l old --tags runtime")  # not prose
    assert ready[-1] == "    next: ansible-playbook bench.yml"  # not prose


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
    assert lines[4].split() == ["gone", state, *["–"] * 4]
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
    assert lines[4].endswith("1/2")
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


def test_what_another_host_manages_is_not_missed(summary: Callable[..., list[str]]) -> None:
    lines = summary(
        server=host(data_share_state={"role": "server", "answers": False}),
        client=host(data_share_state={"role": "client", "answers": True}),
        mine=host(
            edgebench_access={"manage_system": False, "become": False, "user": "me"},
            ansible_facts={"edgebench_host": {**FACTS, "user": "me", "user_exists": False}},
            __base_packages_query={"rc": 1, "stdout_lines": []},
        ),
    )
    assert [row[1] for row in rows(lines)] == ["ready"] * 3
    assert codes("\n".join(lines)) == []


def test_the_command_names_another_inventory(plugin: Callable[[str], ModuleType]) -> None:
    command = plugin("filter/edgebench_summary").command_for
    other = command("a", ["inventory/lab"])
    assert other == "ansible-playbook -i inventory/lab provision.yml -l a"  # not prose
    from ansible import constants

    assert command("a", constants.DEFAULT_HOST_LIST) == "ansible-playbook provision.yml -l a"  # not prose


def test_a_lock_that_is_no_part_of_the_checkout_is_named(summary: Callable[..., list[str]]) -> None:
    stack = {"name": "py36-jetpack46-tf2.7.0", "tensorflow": "2.21.0", "keras": "3.15.1"}
    kept = {"stack": stack, "lock": f"/x/.edgebench/locks/{stack['name']}.txt"}
    own = {"stack": stack, "lock": f"/x/requirements/runtime/{stack['name']}.txt"}
    lines = summary(a=host(runtime_choice=kept), b=host(runtime_choice=kept), c=host(runtime_choice=own))
    assert [row[1] for row in rows(lines)] == ["ready"] * 3
    (*noted, command), _ = entries(lines)
    text = " ".join(" ".join(noted).split())
    assert text.startswith("a, b: ")
    assert f" .edgebench/locks/{stack['name']}.txt" in text
    assert codes(text) == ["lock-kept"]
    assert command == f"    next: make lock STACK={stack['name']}"  # not prose
