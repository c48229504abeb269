"""Hosts that are systemd-nspawn containers: systemd, sshd and an address of their own, on this machine's kernel."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from . import network
from .commands import run, succeeds
from .declared import Host
from .identity import File
from .images import Image

# What systemd-nspawn ends with when the host inside asks for a reboot.
_REBOOT = 133
_STOPPING_S = 15
_CGROUPS = [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]


def create(folder: Path, image: Image, files: list[File], like: Path | None = None) -> None:
    """Clone the image by an overlay and make the clone a host of its own.

    With the folder of another host, one that has ended, the clone begins with what that host holds.
    """
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(exist_ok=True)
    layers = [like / "upper", image.tree] if like else [image.tree]
    (folder / "layers").write_text(":".join(map(str, layers)))
    _mount(folder)
    for file in files:
        path = folder / "root" / file.path.lstrip("/")
        path.write_bytes(file.content)
        path.chmod(file.mode)
        os.chown(path, file.owner, file.owner)


def start(folder: Path, host: Host) -> int:
    """Start the host and return the number of the process that keeps it, over its reboots too."""
    _mount(folder)
    nspawn = [
        *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe"),
        *(f"--machine={host.name}", f"--directory={folder / 'root'}"),
        f"--network-namespace-path=/run/netns/{network.connect_namespace(host)}",
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no"),
        # systemd-nspawn grants it with a network that it makes itself only.
        "--capability=CAP_NET_ADMIN",
    ]
    keep = f'while :; do "$@"; [ $? -eq {_REBOOT} ] || exit; done'
    command = ["sh", "-c", keep, "keep", *nspawn]
    # Without a systemd here that would do it, each host gets a control group of its own: systemd inside wants one.
    if not Path("/run/systemd/system").exists():
        join = "".join(f"echo $$ > {group}/cgroup.procs; " for group in _control_groups(host))
        command = ["sh", "-c", f'{join}exec "$@"', "join", *command]
    else:
        scope = ["--scope", "--quiet", f"--unit=edgebench-lab-{host.link}", "-p", "Delegate=yes"]
        command = ["systemd-run", *scope, *command]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=(folder / "console.log").open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return process.pid


def stop(folder: Path, pid: int) -> None:
    """End the host at once and give its disk back; what the overlay holds stays in the folder."""
    # The whole session: the shell that keeps it, systemd-nspawn, and what runs inside.
    children = _descendants(pid)
    for each in [pid, *children]:
        _kill(each)
    end = time.monotonic() + _STOPPING_S
    while (
        any(Path(f"/proc/{each}").exists() and not _is_zombie(each) for each in children)
        and time.monotonic() < end
    ):
        time.sleep(0.05)
    unmount(folder)


def unmount(folder: Path) -> None:
    """Unmount the overlay where it is mounted."""
    while succeeds("mountpoint", "--quiet", folder / "root"):
        run("umount", "--lazy", folder / "root")


def remove_control_groups(link: object) -> None:
    """Remove the control groups that a host has left, as far as the kernel has done with them."""
    for parent in _CGROUPS:
        group = parent / f"edgebench-lab-{link}"
        for folder in [*sorted(group.rglob("*/"), reverse=True), group]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _mount(folder: Path) -> None:
    if succeeds("mountpoint", "--quiet", folder / "root"):
        return
    layers = (folder / "layers").read_text()
    options = f"lowerdir={layers},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    run("mount", "-t", "overlay", "overlay", "-o", options, folder / "root")


def _control_groups(host: Host) -> list[Path]:
    groups = [parent / f"edgebench-lab-{host.link}" for parent in _CGROUPS if parent.is_dir()]
    for group in groups:
        group.mkdir(exist_ok=True)
    return groups


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in children.read_text().split()] if children.exists() else []
    return [*found, *(each for child in found for each in _descendants(child))]


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
