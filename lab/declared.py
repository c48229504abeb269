"""The hosts that an inventory declares for the lab."""

import ipaddress
import itertools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

KINDS = ("container", "machine", "board")
NETWORK = ipaddress.ip_network("10.77.0.0/16")
GATEWAY = ipaddress.ip_address("10.77.0.1")


@dataclass(frozen=True)
class UsbDisk:
    """A USB disk of a board, empty when the host is made."""

    serial: str
    size_mb: int


@dataclass(frozen=True)
class Host:
    """One host: its inventory name, address in the lab's network, image, and what it runs as."""

    name: str
    address: ipaddress.IPv4Address
    kind: str
    image: str
    cpu: str
    cores: int
    memory_mb: int
    usb_disks: tuple[UsbDisk, ...] = ()

    @property
    def link(self) -> str:
        """Name of its network interface on this machine, unique by the address and at most 15 characters."""
        return f"eblab{int(self.address) - int(NETWORK.network_address):04x}"


def read(inventory: Path) -> list[Host]:
    """Return the hosts of an inventory that have `lab_machine` or `lab_image`. Raises LabError."""
    # Only the inventory is asked, so no setting of the caller's may add another one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    listed = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "-i", inventory, "--list"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if listed.returncode:
        raise LabError(
            f"{inventory} is not a valid inventory:\n{listed.stderr.strip()}", "inventory-unreadable"
        )
    variables = json.loads(listed.stdout)["_meta"]["hostvars"]
    hosts = [_host(name, each) for name, each in sorted(variables.items()) if "lab_image" in each]
    if not hosts:
        raise LabError(
            f"{inventory} has no host with lab_image; for an example see inventory/lab/hosts.yml",
            "hosts-missing",
        )
    for one, other in itertools.combinations(hosts, 2):
        if one.address == other.address:
            raise LabError(
                f"{one.name} and {other.name} have the same ansible_host, {one.address}; give each its own",
                "address-duplicate",
            )
    return hosts


def _host(name: str, variables: dict[str, object]) -> Host:
    kind = str(variables.get("lab_kind", "container"))
    if kind not in KINDS:
        raise LabError(
            f"{name}: lab_kind is {kind!r}; expected {', '.join(KINDS[:-1])} or {KINDS[-1]}", "kind-unknown"
        )
    try:
        address = ipaddress.IPv4Address(str(variables.get("ansible_host")))
    except ValueError as error:
        raise LabError(
            f"{name}: ansible_host is {variables.get('ansible_host')!r}; expected an IPv4 address in {NETWORK}",
            "address-invalid",
        ) from error
    if address not in NETWORK or address == GATEWAY:
        raise LabError(
            f"{name}: ansible_host is {address}; expected an address in {NETWORK} other than {GATEWAY}",
            "address-out-of-range",
        )
    return Host(
        name=name,
        address=address,
        kind=kind,
        image=str(variables["lab_image"]),
        cpu=str(variables.get("lab_cpu", "cortex-a57" if kind == "board" else "max")),
        cores=_number(name, variables, "lab_cores", 2),
        memory_mb=_number(name, variables, "lab_memory_mb", 1024),
        usb_disks=_usb_disks(name, kind, variables),
    )


def _usb_disks(host: str, kind: str, variables: dict[str, object]) -> tuple[UsbDisk, ...]:
    entries = variables.get("lab_usb_disks", [])
    if entries and kind != "board":
        raise LabError(
            f"{host}: lab_usb_disks needs lab_kind: board, but this host is a {kind}", "board-required"
        )
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise LabError(
            f"{host}: lab_usb_disks is {entries!r}; expected a list of serial and size_mb",
            "usb-disks-invalid",
        )
    disks = [
        UsbDisk(str(entry.get("serial", "")), _number(host, entry, "size_mb", 4000)) for entry in entries
    ]
    for disk in disks:
        # It becomes a part of file names, here and in the host's /dev/disk/by-id.
        if not re.fullmatch(r"[A-Za-z0-9_]{1,20}", disk.serial):
            raise LabError(
                f"{host}: serial of lab_usb_disks is {disk.serial!r}; expected 1 to 20 letters and digits",
                "serial-invalid",
            )
    if len({disk.serial for disk in disks}) < len(disks):
        raise LabError(
            f"{host}: lab_usb_disks has a serial twice; give each disk its own", "serial-duplicate"
        )
    return tuple(disks)


def _number(host: str, variables: dict[str, object], name: str, default: int) -> int:
    value = variables.get(name, default)
    if not isinstance(value, int) or value < 1:
        raise LabError(
            f"{host}: {name} is {value!r}; expected a whole number of at least 1", "number-invalid"
        )
    return value
