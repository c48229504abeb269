"""The CPU's clock: held while a benchmark runs, and as before when none does."""

import pytest

from tests.host.found import Found

pytestmark = pytest.mark.managed

PATH, SERVICE = "edgebench-performance.path", "edgebench-performance.service"


def test_runs_are_watched_for_where_asked(found: Found) -> None:
    state = found.unit(PATH)
    if found.declared.is_set("performance_mode_enabled"):
        found.check(
            state["LoadState"] == "loaded", f"there is no unit {PATH}", found.provision("performance_mode")
        )
        found.check(
            state["ActiveState"] == "active" and state["UnitFileState"] == "enabled",
            f"{PATH} is {state['ActiveState']} and {state['UnitFileState']}, expected active and enabled",
            found.provision("performance_mode"),
        )
    else:
        found.check(
            state["ActiveState"] != "active" and state["UnitFileState"] != "enabled",
            f"{PATH} is {state['ActiveState']} and {state['UnitFileState']}, and performance_mode_enabled is false",
            found.provision("performance_mode"),
        )


def test_governor_is_set_back_at_rest(found: Found) -> None:
    # A run holds its lock; what is held meanwhile is as it should be.
    if not found["running"].ok:
        return
    service = found.unit(SERVICE)
    noted = found["noted"].lines
    governors = ", ".join(found["governors"].lines) or "no cpufreq"
    # From the start of bench.yml to its run, the unit waits.
    if service["ActiveState"] in ("activating", "active"):
        return
    found.check(
        not noted,
        f"no benchmark runs, and the governor was not set back ({governors}; noted: {'; '.join(noted)})",
        found.there(
            f"sudo systemctl start {SERVICE} && sudo systemctl stop {SERVICE}; sudo journalctl -u {SERVICE}"
        ),
    )
