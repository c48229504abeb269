"""What is said about a limit that leaves no host."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

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
    assert "The group jetson has no hosts yet." in text
    assert "inventory/hosts.yml" in text
    assert "    jetson:\n      hosts:\n        boromir:\n          ansible_host: 192.168.1.13" in text


def test_another_empty_group(say: Callable[..., list[str]]) -> None:
    assert say("lab") == ["The group lab has no hosts. Declare some in inventory/hosts.yml."]


def test_a_misspelt_name(say: Callable[..., list[str]]) -> None:
    (text,) = say("local,jetsn")
    assert "'jetsn'" in text
    assert "Did you mean jetson?" in text


def test_no_host_at_all(say: Callable[..., list[str]]) -> None:
    (text,) = say(None, hosts=())
    assert text.startswith("No host is declared.")
