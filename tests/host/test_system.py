"""systemd and edgebench's units: what is installed is valid, nothing of it has failed, nothing listens to all."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import pytest

from tests.host.found import Found, Listener

pytestmark = pytest.mark.managed

# Units of the packages that edgebench installs.
BROUGHT = re.compile(r"(nfs-server|xrdp|xrdp-sesman)\.service")
ROLES = (
    (re.compile(r"edgebench-performance\..*"), "performance_mode"),
    (re.compile(r"edgebench-kws-device\..*"), "kws_device"),
    (re.compile(r"xrdp.*"), "headless"),
    (re.compile(r"nfs-server\.service|.*\.(auto)?mount"), "data_share"),
)


def test_systemd_is_up(found: Found) -> None:
    state = found["systemd"].out
    # Degraded: a unit has failed. Whether it is one of ours is the next question; others are the owner's to judge.
    found.check(
        state in ("running", "degraded"),
        f"systemd is {state or 'not there'}, not running",
        found.there("systemctl list-jobs; systemctl --failed"),
    )


def test_no_unit_of_ours_has_failed(found: Found) -> None:
    ours = _ours(found)
    failed = [line.split()[0] for line in found["failed"].lines]
    failed = [unit for unit in failed if unit in ours or "edgebench" in unit or BROUGHT.fullmatch(unit)]
    found.check(
        not failed,
        f"{', '.join(failed)} failed",
        found.there(f"sudo journalctl -b -u {' -u '.join(map(repr, failed))}")
        + f"; {found.provision(*_roles_of(failed))}",
    )


def test_units_are_valid(found: Found) -> None:
    names = _ours(found)
    section = found["verify"]
    # It also tells what is wrong with others' units.
    said = [line for line in section.err.splitlines() if any(name in line for name in names)]
    found.check(
        not said,
        f"systemd-analyze verify says: {' '.join(said)}",
        found.provision(*_roles_of(name for name in names if any(name in line for line in said))),
    )


def test_nothing_of_edgebench_listens_to_all(found: Found) -> None:
    uid = found["passwd"].out.split(":")[2] if found["passwd"].ok else None
    wrong = [each for each in found.listeners if each.to_all and each.uid == uid and uid not in (None, "0")]
    found.check(
        not wrong,
        f"programs of the user {found.owner} listen on all addresses: {_names(wrong)}",
        found.there(f"sudo ss -lntpe; sudo pkill -u {found.owner} PROGRAM"),
    )


def _names(listeners: list[Listener]) -> str:
    return ", ".join(f"{each.program or 'a program'} on port {each.port}" for each in listeners)


def _ours(found: Found) -> set[str]:
    return {PurePosixPath(path).name for path in found["ours"].lines}


def _roles_of(units: Iterable[str]) -> list[str]:
    """Return the roles that set up the units; none where one of the units is nobody's."""
    found = [next((role for pattern, role in ROLES if pattern.fullmatch(unit)), "") for unit in units]
    return sorted(set(found)) if all(found) else []
