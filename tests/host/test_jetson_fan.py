"""A Jetson's fan: driven as asked, and it turns; the board is not hot."""

import pytest

from tests.host.found import Found

pytestmark = [pytest.mark.managed, pytest.mark.jetson]

UNIT = "edgebench-fan.service"


def is_ours(found: Found) -> bool:
    return found.declared["jetson_fan_mode"] != "vendor" and found.declared.is_set("jetson_fan_fitted")


def test_fan_is_driven_as_asked(found: Found) -> None:
    state = found.unit(UNIT)
    if is_ours(found):
        found.check(
            state["ActiveState"] == "active" and state["UnitFileState"] == "enabled",
            f"{UNIT} is {state['ActiveState'] or 'missing'} and {state['UnitFileState'] or 'not installed'}, expected "
            "active and enabled, so nothing of ours drives the fan",
            f"{found.provision('jetson_fan')}; {found.there(f'sudo journalctl -u {UNIT}')}",
        )
    else:
        found.check(
            state["LoadState"] == "not-found",
            f"{UNIT} is there, and the fan was to be left to the vendor",
            found.provision("jetson_fan"),
        )


def test_fan_turns(found: Found) -> None:
    # What is no Jetson is told by the checks of its power.
    if not is_ours(found) or not found["l4t"].ok:
        return
    section = found["fan"]
    found.check(section.ok, f"{UNIT} has noted nothing of the fan yet: {section.why}", "this again in 10 s")
    state = dict(line.split(" ", 1) for line in section.lines)
    found.check(
        state.get("status") != "stalled" and not (state.get("tried") == "0" and state.get("rpm") == "0"),
        f"the fan does not turn: its tachometer says 0 rpm at {state.get('percent')} %",
        "plug it in (4-pin header J15) and see that nothing holds its blades; where none is mounted set "
        f"jetson_fan_fitted: false; then {found.provision('jetson_fan')}",
    )
    found.check(
        state.get("status") in ("ok", "hot"),
        f"the fan is at full speed, for its state is {state.get('status')!r}",
        found.there(f"sudo journalctl -u {UNIT}"),
    )


def test_board_is_not_hot(found: Found) -> None:
    if not found["l4t"].ok:
        return
    limit = int(found.declared["jetson_fan_hot_c"])
    hot = [
        f"{kind} {int(temp) // 1000} °C"
        for temp, _, kind in (line.partition(" ") for line in found["zones"].lines)
        if temp.isdigit() and int(temp) >= limit * 1000
    ]
    found.check(
        not hot,
        f"it is hot: {', '.join(hot)} (from {limit} °C on something is wrong)",
        f"{found.provision('jetson_fan')}, and see that the fan sits on the heat sink and turns",
    )
