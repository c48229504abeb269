"""The data share: read-only, for the hosts that are declared and nobody else, and nothing at boot waits for it."""

import ipaddress
import re
import socket
from pathlib import PurePosixPath

import pytest

from tests.host.found import Found

pytestmark = pytest.mark.managed

# PATH CLIENT(OPTIONS), as `exportfs -s` and /proc/fs/nfs/exports write it; `exportfs -v` breaks the line before CLIENT.
EXPORT = re.compile(r"(/\S*)\s+([^\s(]+)\(([^)]*)\)")


def test_data_is_exported_to_declared_hosts_only(found: Found) -> None:
    section = found["exports"]
    shared = f"{found.home}/data"
    entries = EXPORT.findall(section.out) + EXPORT.findall(found["kernel_exports"].out)
    # Also a folder above or below gives the data away.
    entries = [each for each in entries if _overlap(each[0], shared)]
    if found.declared.share_server != found.name:
        found.check(
            not entries,
            f"{shared} is exported to {', '.join(each[1] for each in entries)}, and data_share_server is not this host",
            found.provision("data_share"),
        )
        return
    found.check(section.ok, f"exportfs fails: {section.why}", found.provision("data_share"))
    clients = {
        name for name, each in found.fleet.items() if each.share_server == found.name and name != found.name
    }
    allowed = {address for name in clients for address in _addresses(found.fleet[name].address)}
    for path, client, options in entries:
        found.check(
            client in allowed,
            f"{path} is exported to {client}{_width(client)}, which is the address of none of its hosts "
            f"({', '.join(sorted(allowed)) or 'there are none'})",
            f"{found.provision('data_share')}; if it stays, look for it in /etc/exports on {found.name}",
        )
        chosen = set(options.split(","))
        found.check(
            "ro" in chosen and "rw" not in chosen,
            f"{path} is exported to {client} for writing ({options})",
            found.provision("data_share"),
        )
        # The kernel's own way down to a share of NFS 4: folders alone, no files, not ours to set.
        found.check(
            "v4root" in chosen or ("no_root_squash" not in chosen and "all_squash" in chosen),
            f"{path} is exported to {client}, where users count as more than nobody ({options})",
            found.provision("data_share"),
        )
    told = {each[1] for each in entries if each[0] == shared}
    lacking = sorted(name for name in clients if not told & set(_addresses(found.fleet[name].address)))
    found.check(
        not lacking, f"{shared} is not exported to {', '.join(lacking)}", found.provision("data_share")
    )


def test_server_serves(found: Found) -> None:
    if found.declared.share_server != found.name:
        return
    state = found.unit("nfs-server.service")
    found.check(
        state["ActiveState"] == "active" and state["UnitFileState"] == "enabled",
        f"nfs-server.service is {state['ActiveState']} and {state['UnitFileState'] or 'not installed'}, "
        "expected active and enabled",
        found.provision("data_share") + f"; {found.there('sudo journalctl -b -u nfs-server')}",
    )
    found.check(
        any(each.port == 2049 for each in found.listeners),
        "nothing listens on NFS's port 2049",
        found.there("sudo systemctl restart nfs-server"),
    )


def test_share_is_mounted_on_use(found: Found) -> None:
    mount = found.declared.mount
    if not mount:
        return
    state = found.unit("automount")
    found.check(
        state["ActiveState"] == "active" and state["UnitFileState"] == "enabled",
        f"the automount of {mount} is {state['ActiveState']} and {state['UnitFileState'] or 'not installed'}, "
        "expected active and enabled",
        found.provision("data_share"),
    )
    answer, mounted = found["answers"], found["mounted"]
    found.check(
        answer.out.startswith("nfs") and mounted.ok,
        f"{mount} gets nothing from {found.declared.share_server} ({answer.why})",
        f"{found.provision('data_share', also=found.declared.share_server)}; "
        + found.there(f"sudo systemctl status '*.mount' | grep -A9 {mount}"),
    )
    options = set(mounted.lines[-1].split()[3].split(","))
    lacking = sorted({"ro", "nosuid", "nodev", "soft"} - options)
    found.check(
        not lacking, f"{mount} is mounted without {', '.join(lacking)}", found.provision("data_share")
    )
    source = mounted.lines[-1].split()[0]
    server = found.fleet[found.declared.share_server]
    found.check(
        source.rpartition(":")[0].strip("[]") in _addresses(server.address),
        f"{mount} is mounted from {source}, the server is {server.name} ({server.address})",
        found.provision("data_share"),
    )


def test_boot_waits_for_no_share(found: Found) -> None:
    lines = found["fstab"].lines
    found.check(
        not [line for line in lines if "edgebench" in line],
        f"/etc/fstab mounts edgebench's data, which boot may wait for: {'; '.join(lines)}",
        found.there("sudo nano /etc/fstab, and remove the line") + f"; {found.provision('data_share')}",
    )
    if not found.declared.mount:
        return
    required = sorted({each for line in found["needed_by"].lines for each in line.partition("=")[2].split()})
    # A mount needs its automount, and that is all that may need it.
    required = [each for each in required if not each.endswith((".mount", ".automount"))]
    found.check(
        not required, f"{', '.join(required)} cannot start without the share", found.provision("data_share")
    )


def test_no_mount_is_left_where_none_is_declared(found: Found) -> None:
    units = [PurePosixPath(path).name for path in found["ours"].lines if path.endswith("mount")]
    found.check(
        bool(found.declared.mount) or not units,
        f"{', '.join(units)} {'is' if len(units) == 1 else 'are'} installed, and the host shares no other host's data",
        found.provision("data_share"),
    )


def _overlap(one: str, other: str) -> bool:
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first == second or first in second.parents or second in first.parents


def _width(client: str) -> str:
    try:
        ipaddress.ip_address(client)
    except ValueError:
        return " (a name, a network or a wildcard)"
    return ""


def _addresses(name: str) -> list[str]:
    try:
        return sorted({str(answer[4][0]) for answer in socket.getaddrinfo(name, None)})
    except OSError:
        return [name]
