"""The table of mutations fits the code: each one can be applied, and the tests that catch it exist."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.table import AREAS, Mutant, load, mutated
from tests.tiers import PARTS, REPOSITORY

MUTANTS = load()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutation_can_be_applied(mutant: Mutant) -> None:
    original = (REPOSITORY / mutant.file).read_text("utf-8")
    assert mutated(original, mutant) != original
    assert mutant.why.endswith(".")
    assert mutant.part in PARTS
    assert not mutant.quick or mutant.part in ("unit", "browser", "local")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_of_a_mutation_exist(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert (REPOSITORY / file).is_file()
        if name:
            function = re.sub(r"\[.*", "", name).rpartition("::")[2]
            assert f"def {function}(" in Path(REPOSITORY, file).read_text("utf-8")


def test_mutations_are_spread_over_the_project() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30
    counted = Counter(mutant.area for mutant in MUTANTS)
    assert set(counted) == set(AREAS.values())
    assert min(counted.values()) >= 5


def test_text_that_is_missing_or_repeated_is_refused() -> None:
    mutant = Mutant("x", "bench/edgebench/x.py", "a", "b", "It breaks.", "unit", ("tests/x.py",))
    assert mutated("cad", mutant) == "cbd"
    for text in ("", "aa"):
        with pytest.raises(ValueError, match=str(len(text))):
            mutated(text, mutant)
