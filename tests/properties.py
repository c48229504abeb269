"""How long property tests search: EDGEBENCH_HYPOTHESIS names the profile, `ci` or `thorough`."""

import os

import hypothesis

PROFILE = os.environ.get("EDGEBENCH_HYPOTHESIS", "ci")
_FACTORS = {"ci": 1, "thorough": 20}


def load() -> None:
    """Register both profiles and load the chosen one. Raises KeyError for another name."""
    # No property is about the speed of the machine. `ci` repeats the same search, so that a change is not stopped by
    # a fault that another one brought; `thorough` searches elsewhere each time.
    hypothesis.settings.register_profile(
        "ci", deadline=None, max_examples=100, derandomize=True, database=None
    )
    hypothesis.settings.register_profile("thorough", deadline=None, max_examples=examples(100))
    hypothesis.settings.load_profile(PROFILE)


def examples(count: int) -> int:
    """Return the number of examples that the profile searches where `ci` searches ``count``."""
    return count * _FACTORS[PROFILE]
