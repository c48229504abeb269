"""The table of mutations, mutants.yml."""

from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("mutants.yml")
AREAS = {
    "bench/edgebench/": "runner",
    "bench/edgebench_report/": "reporter",
    "roles/": "roles",
    "plugins/": "plugins",
}


@dataclass(frozen=True)
class Mutant:
    """A mutation: ``new`` replaces ``old`` in ``file``, which ``tests`` of the part must notice.

    ``why`` is the fault that a user would see. ``quick``: the tests need neither root nor TensorFlow nor a lab.
    """

    name: str
    file: str
    old: str
    new: str
    why: str
    part: str
    tests: tuple[str, ...]
    quick: bool = True

    @property
    def area(self) -> str:
        """Part of the project that the file belongs to; KeyError for a file of none."""
        return {area for start, area in AREAS.items() if self.file.startswith(start)}.pop()


def load() -> list[Mutant]:
    """Return the table. Raises TypeError for an entry with unknown or missing fields."""
    entries = yaml.safe_load(FILE.read_text("utf-8"))
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def mutated(original: str, mutant: Mutant) -> str:
    """Return a file's text with the mutation. Raises ValueError unless ``old`` occurs exactly once."""
    count = original.count(mutant.old)
    if count != 1:
        raise ValueError(f"`old` occurs {count} times in {mutant.file}, expected 1")
    return original.replace(mutant.old, mutant.new)
