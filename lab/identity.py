"""What makes one clone of an image this host: name, address, keys."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .commands import run
from .declared import GATEWAY, NETWORK, Host

ADMIN = "admin"
ADMIN_ID = 1000


@dataclass(frozen=True)
class File:
    """A file to be put into a host: its path there, bytes, mode and the number of its owner."""

    path: str
    content: bytes
    mode: int = 0o644
    owner: int = 0


def prepare(lab: str, hosts: Iterable[Host]) -> None:
    """Make the lab's login key and every host's key, unless they are there, and write known_hosts."""
    folder = paths.keys(lab)
    folder.mkdir(parents=True, exist_ok=True)
    _make_key(folder / "id_ed25519", f"lab {lab}")
    lines = []
    for host in hosts:
        _make_key(_host_key(lab, host), host.name)
        public = _host_key(lab, host).with_suffix(".pub").read_text().split()
        lines.append(f"{host.address} {public[0]} {public[1]}\n")
    (folder / "known_hosts").write_text("".join(lines))
    _hand_to_caller(folder)


def files(lab: str, host: Host, hosts: Iterable[Host]) -> list[File]:
    """Return the files that make a clone this host."""
    key = _host_key(lab, host)
    names = "".join(f"{each.address} {each.name}\n" for each in hosts)
    network = (
        "[Match]\nName=eth0\n\n[Network]\n"
        f"Address={host.address}/{NETWORK.prefixlen}\nGateway={GATEWAY}\nLinkLocalAddressing=no\n"
    )
    login = paths.keys(lab) / "id_ed25519.pub"
    return [
        File("/etc/hostname", f"{host.name}\n".encode()),
        File("/etc/hosts", f"127.0.0.1 localhost\n{names}".encode()),
        File("/etc/systemd/network/10-lab.network", network.encode()),
        File("/etc/ssh/ssh_host_ed25519_key", key.read_bytes(), 0o600),
        File("/etc/ssh/ssh_host_ed25519_key.pub", key.with_suffix(".pub").read_bytes()),
        File(f"/home/{ADMIN}/.ssh/authorized_keys", login.read_bytes(), 0o600, ADMIN_ID),
    ]


def _host_key(lab: str, host: Host) -> Path:
    return paths.keys(lab) / "hosts" / host.name


def _make_key(path: Path, comment: str) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)


def _hand_to_caller(folder: Path) -> None:
    """Give the keys to the person behind sudo, whose ssh would refuse those of another user."""
    user, group = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if user and group:
        for path in [folder.parent.parent, folder.parent, folder, *folder.rglob("*")]:
            os.chown(path, int(user), int(group))
