"""What is said about a limit that leaves no host."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.messages import codes

MEMBERS = {"all": 1, "ungrouped": 0, "local": 1, "jetson": 0, "lab": 0}
EXAMPLES = {"jetson": "boromir:\n  ansible_host: 192.168.1.13\n"}


@pytest.fixture(scope="module")
def say(plugin: Callable[[str], ModuleType]) -> Callable[..., list[str]]:
    module = plugin("inventory/edgebench_empty_groups")

    def call(subset: str | None, hosts: Any = ("localhost",)) -> list[str]:
        said: list[str] = module.messages(subset, MEMBERS, set(hosts), EXAMPLES, "inventory/hosts.yml")
        return said

    return call


@pytest.mark.parametrize(
    "subset",
    [None, "local", "localhost", "all", "local,localhost", "l*", "all:!jetson", "~lo.*", "@hosts.retry"],
)
def test_nothing_is_said_where_hosts_are_left_or_patterns_are_used(
    say: Callable[..., list[str]], subset: str | None
) -> None:
    assert say(subset) == []


def test_an_empty_group_of_a_kind_shows_the_lines_to_add(say: Callable[..., list[str]]) -> None:
    (text,) = say("jetson")
    assert codes(text) == ["group-empty"]
    assert "inventory/hosts.yml" in text
    lines = ["    jetson:", "      hosts:", "        boromir:", "          ansible_host: 192.168.1.13"]
    assert "\n".join(lines) in text


def test_another_empty_group(say: Callable[..., list[str]]) -> None:
    (text,) = say("lab")
    assert codes(text) == ["group-empty"]
    assert " lab " in text
    assert "inventory/hosts.yml" in text


def test_a_misspelt_name(say: Callable[..., list[str]]) -> None:
    (text,) = say("local,jetsn")
    assert "'jetsn'" in text
    assert codes(text) == ["limit-unknown"]
    assert " jetson?" in text


def test_no_host_at_all(say: Callable[..., list[str]]) -> None:
    (text,) = say(None, hosts=())
    assert codes(text) == ["no-hosts"]
    assert "inventory/hosts.yml" in text
