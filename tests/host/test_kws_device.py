"""The keyword spotting device: it has its port to itself where one is named, and gave it back where none is."""

import pytest

from tests.host.found import Found

pytestmark = pytest.mark.managed

SERVICE = "edgebench-kws-device.service"


def _is_wanted(found: Found) -> bool:
    return bool(found.declared["kws_device_port"]) and found.declared["kws_device_state"] == "present"


def test_the_device_runs_where_a_port_is_named(found: Found) -> None:
    state = found.unit(SERVICE)
    if _is_wanted(found):
        port = found.declared["kws_device_port"]
        found.check(
            state["LoadState"] == "loaded",
            f"kws_device_port is {port}, and there is no unit {SERVICE}",
            found.provision("kws_device"),
        )
        found.check(
            state["ActiveState"] == "active" and state["UnitFileState"] == "enabled",
            f"{SERVICE} is {state['ActiveState']} and {state['UnitFileState']}, expected active and enabled",
            found.there(f"sudo journalctl -u {SERVICE}"),
        )
    elif found.declared["kws_device_port"]:
        found.check(
            state["LoadState"] == "not-found",
            f"kws_device_state is absent, and {SERVICE} is {state['LoadState']}",
            found.provision("kws_device"),
        )


def test_no_console_answers_on_the_port(found: Found) -> None:
    taken = found["kws_device_console"].lines
    if not _is_wanted(found):
        if found.declared["kws_device_port"]:
            found.check(
                not taken,
                f"kws_device_state is absent, and the port's login console was not given back ({'; '.join(taken)})",
                found.provision("kws_device"),
            )
        return
    for line in taken:
        unit, *states = line.split()
        found.check(
            states == ["masked", "inactive"],
            f"{unit} is {' and '.join(states)}, expected masked and inactive, as the device answers there",
            found.provision("kws_device"),
        )
