# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Who shares data sets with whom, and by which addresses."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

DOCUMENTATION = r"""
name: edgebench_share
short_description: Tell a host's part in the data share
description:
  - >-
    Reads what the inventory declares (C(data_share_server), C(data_share_address), C(edgebench_manage_system)) of all
    hosts, whatever the limit, and says what the one host is in it. Names are resolved on the controller.
  - Touches no host. Never fails by itself.
positional: hostvars
options:
  _input:
    description: Name of the host.
    type: str
    required: true
  hostvars:
    description: The magic variable C(hostvars).
    type: dict
    required: true
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
part: "{{ (inventory_hostname | edgebench.edge.edgebench_share(hostvars)).role }}"
"""

RETURN = r"""
_value:
  description:
    - C(role) (server, client or none), C(server) (its name, or null), C(address) (the server's, or null), C(clients)
      (the addresses the server exports to), C(problems) (one text each, with value, remedy and a code in brackets).
  type: dict
"""


def share(host: str, hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the part of `host`; see RETURN."""
    part: dict[str, Any] = {"role": "none", "server": None, "address": None, "clients": [], "problems": []}
    server = _server_of(hostvars[host])
    # Where the system is not managed nothing may be mounted: such a host is given its data by the controller.
    if not server or (server != host and not _managed(hostvars[host])):
        return part
    problem = _server_problem(host, server, hostvars)
    if problem:
        return {**part, "problems": [problem]}
    part.update(role="server" if server == host else "client", server=server)
    for name in [host] if part["role"] == "client" else _clients(server, hostvars):
        addresses, problem = _addresses_of(name, hostvars[name])
        part["clients"] += addresses if part["role"] == "server" else []
        part["problems"] += [problem] if problem and name == host else []
    addresses, problem = _addresses_of(server, hostvars[server])
    part["address"] = next(iter(addresses), None)
    part["problems"] += [problem] if problem else []
    return part


def _clients(server: str, hostvars: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in sorted(hostvars):
        if name != server and _server_of(hostvars[name]) == server and _managed(hostvars[name]):
            yield name


def _server_of(variables: Mapping[str, Any]) -> str:
    return str(variables.get("data_share_server") or "")


def _managed(variables: Mapping[str, Any]) -> bool:
    # Not this machine, neither as it is declared nor as Ansible adds it by itself.
    remote = (
        "local" not in variables.get("group_names", []) and variables.get("ansible_connection") != "local"
    )
    value = variables.get("edgebench_manage_system", remote)
    return bool(boolean(value, strict=False))


def _server_problem(host: str, server: str, hostvars: Mapping[str, Mapping[str, Any]]) -> str | None:
    if server not in hostvars:
        able = ", ".join(name for name in sorted(hostvars) if _managed(hostvars[name])) or "none so far"
        return (
            f"{host}: data_share_server is {server!r}, expected a managed host of the inventory ({able}), or '' for no "
            "share. Correct it [share-server-unknown]"
        )
    if not _managed(hostvars[server]):
        return (
            f"{host}: data_share_server is {server!r}, but there edgebench_manage_system is false, so the role may not "
            "install an NFS server. Name another host, or set '' for no share [share-server-unmanaged]"
        )
    if _server_of(hostvars[server]) != server:
        return (
            f"{host}: data_share_server is {server!r}, but for {server} itself it is "
            f"{_server_of(hostvars[server])!r}. Set it to {server!r} there, too, preferably for all hosts in "
            "group_vars/all.yml [share-server-differs]"
        )
    return None


def _addresses_of(host: str, variables: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """Return a host's addresses that others can reach it by, IPv4 first, or what is wrong with what is declared."""
    name = "data_share_address"
    if not variables.get(name):
        name = "ansible_host" if variables.get("ansible_host") else "the name of the host"
    declared = str(variables.get("data_share_address") or variables.get("ansible_host") or host)
    remedy = (
        "The share is limited to the addresses of its hosts. Set data_share_address of this host to its address in "
        "their common network"
    )
    found = resolve(declared)
    if not found:
        return (
            [],
            f"{host}: {name} is {declared!r}, which does not resolve on the controller. {remedy} [address-unknown]",
        )
    usable = [address for address in found if _usable(address)]
    if not usable:
        return (
            [],
            f"{host}: {name} is {declared!r} ({', '.join(found)}), which no other host can reach. {remedy} "
            "[address-unreachable]",
        )
    return usable, None


@lru_cache(maxsize=256)
def resolve(name: str) -> tuple[str, ...]:
    """Return the addresses of a name, IPv4 first and in order; an address is its own; none where it is unknown."""
    try:
        return (str(ipaddress.ip_address(name)),)
    except ValueError:
        pass
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    found = {ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers}
    return tuple(str(address) for address in sorted(found, key=lambda each: (each.version, int(each))))


def _usable(text: str) -> bool:
    address = ipaddress.ip_address(text)
    broadcast = text == "255.255.255.255"
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or broadcast
    )


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_share": share}
