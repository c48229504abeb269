"""The parts of the tests: the Makefile has a target for each, and none is longer than CI allows."""

import re
from pathlib import Path

import pytest

from tests.tiers import PARTS, REPOSITORY, REST, Part, listing

MAKEFILE = (REPOSITORY / "Makefile").read_text("utf-8")


def test_the_makefile_has_a_target_for_each_part() -> None:
    (found,) = re.findall(r"^PARTS := ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    assert sorted(found.replace("\\\n", " ").split()) == sorted(PARTS)


@pytest.mark.parametrize("part", REST, ids=lambda part: part.name)
def test_a_part_fits_into_ci(part: Part) -> None:
    assert 0 < part.minutes <= 25
    assert f"  {part.name:18}{part.minutes:3} min  {part.summary}\n" in listing() + "\n"
    assert len(part.name) < 18


def test_every_scenario_belongs_to_one_part() -> None:
    scenarios = {path.parent.name for path in Path(REPOSITORY, "molecule").glob("*/molecule.yml")}
    commands = [command for part in PARTS.values() for _, command in part.steps]
    run = [name for program, *names in commands if program == "tools/scenarios.sh" for name in names]
    assert sorted(run) == sorted(scenarios)
