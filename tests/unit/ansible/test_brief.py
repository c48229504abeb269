"""The headline of a message, and its details for those who ask."""

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.mark.parametrize(
    ("text", "verbosity", "shown"),
    [
        ("one [a-code]", 0, ["one [a-code]"]),
        ("one [a-code]\n", 1, ["one [a-code]"]),
        ("one [a-code]\ntwo\nthree", 0, ["one [a-code]", "-v"]),
        ("one [a-code]\ntwo\nthree\n", 1, ["one [a-code]", "two", "three"]),
        ("one [a-code]\ntwo", 3, ["one [a-code]", "two"]),
        ("", 0, [""]),
    ],
)
def test_the_first_line_is_shown_and_the_others_on_demand(
    plugin: Callable[[str], ModuleType], text: str, verbosity: int, shown: list[str]
) -> None:
    lines = plugin("filter/edgebench_brief").brief(text, verbosity).splitlines() or [""]
    assert len(lines) == len(shown)
    assert [part for part, line in zip(shown, lines, strict=True) if part not in line] == []


def test_the_reason_in_a_summary_has_no_advice_for_the_terminal(
    plugin: Callable[[str], ModuleType],
) -> None:
    brief, reason = plugin("filter/edgebench_brief").brief, plugin("filter/edgebench_reason").reason
    assert reason({"msg": brief("one [a-code]\ntwo", 0)}) == "one [a-code]"
    assert reason({"msg": brief("one [a-code]\ntwo", 1)}) == "one [a-code]\ntwo"
