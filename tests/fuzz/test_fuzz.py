"""No reader of what others send falls over: a bounded run, and all that was ever found.

``make fuzz`` looks for longer and with coverage; what it finds it leaves in tests/fuzz/found/TARGET, which is run here.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests import properties
from tests.fuzz import data_files, texts
from tests.fuzz.mutations import inputs
from tests.fuzz.target import Target

TARGETS = {target.name: target for target in (*texts.TARGETS, *data_files.TARGETS)}
FOUND = sorted(path for path in (Path(__file__).parent / "found").glob("*/*") if path.is_file())
# A tenth of what fits into a minute on one slow core is enough to find what is easily found.
EXAMPLES = properties.examples(120)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_right_input_is_read_to_its_end(target: Target) -> None:
    for seed in target.seeds:
        target.check(seed)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_stays_mended(path: Path) -> None:
    TARGETS[path.parent.name].check(path.read_bytes())


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_any_input_is_read_or_refused(target: Target) -> None:
    # The same every time, so that a change is not stopped by what another one has to answer for.
    @settings(
        max_examples=EXAMPLES,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target))
    def search(data: bytes) -> None:
        target.check(data)

    search()
