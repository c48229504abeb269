"""Starting and stopping the hosts of a lab."""

import fcntl
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgebench import progress

from . import boards, containers, identity, images, machines, network, paths, qemu
from .commands import remove_tree, succeeds
from .declared import Host
from .errors import LabError

# Emulated processors share those of this machine with whatever else runs.
_ANSWERING_S = {"container": 120, "machine": 600, "board": 1200}


@dataclass(frozen=True)
class Lab:
    """A set of hosts under a name; several labs share the network, so their addresses must differ."""

    name: str
    hosts: tuple[Host, ...]

    def folder(self, host: Host) -> Path:
        """Return where one host's disk, log and process number lie."""
        return paths.STATE / self.name / host.name


def up(lab: Lab, hosts: Sequence[Host], say: Callable[[str], None], like: Host | None = None) -> None:
    """Start those of the hosts that do not run, made anew from their images; wait until each answers by SSH.

    With `like`, a container of this lab that was powered off, containers begin with what that one holds.
    """
    with _lock():
        # The folder keeps the network from being taken down while images are built.
        (paths.STATE / lab.name).mkdir(exist_ok=True)
        network.up()
    names = list(dict.fromkeys(host.image for host in hosts))
    guesses_s = {name: seconds for name in names if (seconds := images.guess_s(name))}
    if guesses_s:
        minutes = sum(guesses_s.values()) / 60
        say(f"{len(guesses_s)} images to build, about {minutes:.0f} min; later starts use them again")
    built = {name: images.build(name) for name in names}
    with _lock():
        identity.prepare(lab.name, lab.hosts)
        for host in hosts:
            if is_running(lab, host):
                continue
            _start(lab, host, built[host.image], like)
            say(f"{host.name} starting at {host.address} ({host.kind} from {host.image})")
    with progress.display("auto", sys.stdout).during(f"lab: waiting until {len(hosts)} hosts answer"):
        for host in hosts:
            took_s = wait_for(lab, host)
            say(f"{host.name} answers ({took_s:.0f} s)")


def build(names: Sequence[str], say: Callable[[str], None]) -> None:
    """Build images, unless the cache has them."""
    with _lock():
        network.up()
    for name in names:
        say(f"{name} is at {images.build(name).tree}")


def down(lab_name: str, say: Callable[[str], None]) -> None:
    """End all hosts of a lab and drop their disks; with the last lab the network goes too."""
    folder = paths.STATE / lab_name
    with _lock():
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            _end(path)
            say(f"{path.name} ended")
        remove_tree(folder)
        if not any(paths.STATE.iterdir()):
            network.down()


def power_off(lab: Lab, host: Host) -> None:
    """Cut one host's power; its disk stays, and power_on starts it again."""
    _stop(lab.folder(host))


def power_on(lab: Lab, host: Host) -> None:
    """Start a host that was powered off, with the disk it had."""
    if is_running(lab, host):
        return
    # Only a machine needs its image again, for its kernel.
    _run(lab.folder(host), host, images.build(host.image) if host.kind == "machine" else None)


def usb(lab: Lab, host: Host, serial: str, *, plugged: bool) -> None:
    """Plug a USB disk into a board or pull it out, be it running or not. Raises LabError."""
    folder = _board(lab, host)
    disk = next((disk for disk in host.usb_disks if disk.serial == serial), None)
    if disk is None:
        there = ", ".join(disk.serial for disk in host.usb_disks) or "none"
        raise LabError(
            f"unknown USB disk {serial!r}; lab_usb_disks of {host.name} has: {there}", "usb-disk-unknown"
        )
    (boards.plug if plugged else boards.unplug)(folder, disk, running=is_running(lab, host))


def keep(lab: Lab, host: Host, name: str) -> None:
    """Remember under a name what a board's disks hold, be it running or not. Raises LabError."""
    boards.keep(_board(lab, host), name, running=is_running(lab, host))


def restore(lab: Lab, host: Host, name: str) -> None:
    """Give a board the disks remembered under a name; it must be powered off. Raises LabError."""
    folder = _board(lab, host)
    if is_running(lab, host):
        raise LabError(
            f"{host.name} is running; power it off first: python -m lab off --name {lab.name} {host.name}",
            "host-running",
        )
    boards.restore(folder, name)


def is_running(lab: Lab, host: Host) -> bool:
    """Return whether the host's process is there."""
    state = _state(lab.folder(host))
    return state is not None and _alive(state)


def wait_for(lab: Lab, host: Host) -> float:
    """Wait until the host answers by SSH; return the seconds it took. Raises LabError."""
    begin = time.monotonic()
    limit_s = _ANSWERING_S[host.kind]
    while not succeeds(*ssh(lab, host, "true")):
        if time.monotonic() - begin > limit_s or not is_running(lab, host):
            log = lab.folder(host) / "console.log"
            last = (
                "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(no log)"
            )
            raise LabError(
                f"{host.name} does not answer at {host.address}; the end of {log}:\n{last}",
                "host-unreachable",
            )
        time.sleep(0.2)
    return time.monotonic() - begin


def ssh(lab: Lab, host: Host, *command: str) -> list[str]:
    """Return the command line that runs a command on the host."""
    folder = paths.keys(lab.name)
    return [
        *("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "IdentitiesOnly=yes"),
        *("-o", f"UserKnownHostsFile={folder / 'known_hosts'}", "-i", str(folder / "id_ed25519")),
        *(f"{identity.ADMIN}@{host.address}", *command),
    ]


def _start(lab: Lab, host: Host, image: images.Image, like: Host | None) -> None:
    folder = lab.folder(host)
    if folder.exists():
        _end(folder)
    folder.mkdir(parents=True)
    files = identity.files(lab.name, host, lab.hosts)
    if host.kind == "container":
        containers.create(folder, image, files, lab.folder(like) if like else None)
    elif host.kind == "board":
        boards.create(folder, host, image, files)
    else:
        machines.create(folder, image, files)
    _run(folder, host, image)


def _run(folder: Path, host: Host, image: images.Image | None) -> None:
    if host.kind == "container":
        pid = containers.start(folder, host)
    elif host.kind == "board":
        pid = boards.start(folder, host)
    else:
        assert image is not None
        pid = machines.start(folder, host, image)
    state = {"pid": pid, "started": _start_time(pid), "kind": host.kind, "link": host.link}
    (folder / "state.json").write_text(json.dumps(state))


def _stop(folder: Path) -> None:
    state = _state(folder)
    if state is not None and _alive(state):
        pid = int(str(state["pid"]))
        if state["kind"] == "container":
            containers.stop(folder, pid)
        else:
            qemu.stop(pid)


def _board(lab: Lab, host: Host) -> Path:
    if host.kind != "board":
        raise LabError(
            f"{host.name} is a {host.kind}; only a board has USB disks and an SD card", "board-required"
        )
    folder = lab.folder(host)
    if not folder.is_dir():
        raise LabError(
            f"{host.name} has not been started; run: python -m lab up --name {lab.name}", "host-not-started"
        )
    return folder


def _end(folder: Path) -> None:
    _stop(folder)
    containers.unmount(folder)
    state = _state(folder)
    if state is not None:
        containers.remove_control_groups(state["link"])
        network.disconnect(state["link"])
    remove_tree(folder)


def _state(folder: Path) -> dict[str, object] | None:
    try:
        state: dict[str, object] = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError):
        return None
    return state


def _alive(state: dict[str, object]) -> bool:
    # A number that another process has by now has another start time.
    return _start_time(state["pid"]) == state["started"]


def _start_time(pid: object) -> str | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


@contextmanager
def _lock() -> Iterator[None]:
    for folder in (paths.STATE, paths.RUN):
        folder.mkdir(parents=True, exist_ok=True)
    with (paths.RUN / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
