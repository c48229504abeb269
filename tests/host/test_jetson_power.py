"""A Jetson's power: in the mode its supply can feed, without over-current; its clocks as before when nothing runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.host.found import Found

pytestmark = [pytest.mark.managed, pytest.mark.jetson]

BOARDS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "files/jetson_boards.yml").read_text(encoding="utf-8")
)


@pytest.fixture
def board(found: Found) -> Found:
    """A host of the group jetson, which should be one of NVIDIA's boards."""
    found.check(
        found["l4t"].ok,
        "it is in the group jetson and has no /etc/nv_tegra_release, so it does not run NVIDIA's Linux for Tegra",
        f"{found.ansible('-m', 'ansible.builtin.raw', '-a', 'cat /etc/os-release')}, and declare it as what it is",
    )
    return found


def present_mode(board: Found) -> str:
    section = board["power"]
    told = re.search(r"NV Power Mode: *(\S+)", f"{section.out}\n{section.err}")
    if told is None:
        board.fail(
            f"nvpmodel does not tell its power mode: {section.why}",
            board.there("sudo apt install --reinstall nvidia-l4t-nvpmodel"),
        )
    return told[1]


def test_power_mode_is_the_one_for_its_supply(board: Found) -> None:
    kind = board.declared["jetson_power_supply"]
    supply = BOARDS["supplies"][kind]
    modes = board["power_modes"]
    offered = re.findall(r"POWER_MODEL: ID=\d+ NAME=(\S+)", f"{modes.out}\n{modes.err}")
    # The module is told by its modes.
    usual = [
        module["supplies"].get(kind, {}).get("mode", "")
        for module in BOARDS["modules"].values()
        if set(module.get("modes", {})) == set(offered)
    ]
    wanted = board.declared["jetson_power_mode"] or (usual[0] if usual else "")
    present = present_mode(board)
    board.check(
        not wanted or present == wanted,
        f"its power mode is {present}, and {wanted} is wanted with a supply at {supply['of_name']}",
        board.provision("jetson_power")
        + "; a board that changes its mode by a reboot only: -e jetson_power_reboot=true",
    )


def test_supply_can_feed_the_power_mode(board: Found) -> None:
    supply = board.declared["jetson_power_supply"]
    present = present_mode(board)
    override = str(board.declared["jetson_power_override"] or "")
    board.check(
        supply != "micro_usb" or not present.startswith("MAXN") or present in override,
        f"its power mode is {present}, and it is fed by micro-USB. {BOARDS['j48'].strip()}",
        board.provision("jetson_power"),
    )


def test_no_over_current_since_boot(board: Found) -> None:
    events = board["over_current"].lines
    board.check(
        not events,
        f"the current was too high since boot: {events[-1].strip() if events else ''} ({len(events)} lines in the "
        "kernel's log). The supply, its cable or its plug does not give what is drawn",
        f"{board.provision('jetson_power')}, which names what helps; docs/jetson.md has more",
    )


def test_clocks_are_set_back_at_rest(board: Found) -> None:
    # A run holds its lock; what is held meanwhile is as it should be.
    waiting = board.unit("edgebench-performance.service")["ActiveState"] in ("activating", "active")
    if waiting or not board["running"].ok:
        return
    board.check(
        board["clocks"].ok,
        "no benchmark runs, and jetson_clocks' settings were not set back (/run/edgebench-jetson-clocks.notes)",
        board.there(
            "sudo systemctl start edgebench-performance && sudo systemctl stop edgebench-performance; "
            "sudo journalctl -u edgebench-performance"
        ),
    )


def test_clocks_are_held_for_runs_where_asked(board: Found) -> None:
    asked = board.declared.is_set("jetson_power_clocks") and board.declared.is_set("performance_mode_enabled")
    installed = board["clocks_drop_in"].ok
    board.check(
        installed == asked,
        "jetson_clocks is not called for a run, and jetson_power_clocks is true"
        if asked
        else "jetson_clocks is called for a run, and jetson_power_clocks is false",
        board.provision("jetson_power"),
    )
