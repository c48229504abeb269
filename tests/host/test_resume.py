"""A run that a reboot interrupted is taken up by the host."""

import pytest

from tests.host.found import Found

pytestmark = pytest.mark.managed


def test_interrupted_runs_are_taken_up_at_boot(found: Found) -> None:
    state = found.unit("edgebench-resume.service")
    found.check(
        state["LoadState"] == "loaded" and state["UnitFileState"] == "enabled",
        f"edgebench-resume.service is {state['LoadState']} and {state['UnitFileState'] or 'not enabled'}",
        found.provision("runner"),
    )
