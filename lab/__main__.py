"""The lab's commands: python -m lab up|down|status|off|on|usb|disks|images|build|check."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import boards, declared, fleet, images, paths
from .errors import LabError

# Program (on the PATH, in /usr/sbin or by its whole path) and the Debian package that has it.
_NEEDED = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "arch-test": "arch-test",
    "apt-cacher-ng": "apt-cacher-ng",
    "ip": "iproute2",
    "debugfs": "e2fsprogs",
    "ssh": "openssh-client",
}
# A host of another architecture than this machine's is of the kind "emulated", too.
_NEEDED_BY_KIND = {
    "machine": {"qemu-system-x86_64": "qemu-system-x86", "nfs-ls": "libnfs-utils"},
    "emulated": {"qemu-aarch64-static": "qemu-user-static"},
    "board": {
        "qemu-system-aarch64": "qemu-system-arm",
        "sfdisk": "fdisk",
        str(boards.FIRMWARE): "u-boot-qemu",
        # Programs of its image run while the image is built.
        "qemu-aarch64-static": "qemu-user-static",
    },
}


KINDS = (*declared.KINDS, "emulated")
# The file alone: the folder also has what leaves hosts out.
INVENTORY = paths.CHECKOUT / "inventory/lab/hosts.yml"


def missing(kinds: Iterable[str]) -> list[str]:
    """Return the Debian packages that hosts of these kinds need and this machine lacks."""
    needed = dict(_NEEDED)
    for kind in kinds:
        needed.update(_NEEDED_BY_KIND.get(kind, {}))
    return [package for program, package in needed.items() if not _is_here(program)]


def kinds_of(hosts: Iterable[declared.Host]) -> set[str]:
    """Return the kinds of these hosts, as ``missing`` takes them."""
    hosts = list(hosts)
    recipes = images.recipes()
    kinds = {host.kind for host in hosts}
    if any(host.image in recipes and recipes[host.image].architecture != "amd64" for host in hosts):
        kinds.add("emulated")
    return kinds


def _is_here(program: str) -> bool:
    if program.startswith("/"):
        return Path(program).exists()
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return shutil.which(program, path=path) is not None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, or 1 with the reason on standard error."""
    chosen = _parser().parse_args(arguments)
    try:
        return _run(chosen)
    except LabError as error:
        print(f"lab: {error} [{error.code}]", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Real SSH hosts on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start the hosts that an inventory declares, and wait until they answer"),
        ("down", "end a lab's hosts and drop their disks"),
        ("status", "say which hosts run"),
        ("off", "cut the power of hosts; their disks stay"),
        ("on", "give hosts power again, and wait until they answer"),
    ):
        command = _of_a_lab(commands.add_parser(name, help=text, description=text))
        if name != "down":
            command.add_argument("hosts", nargs="*", help="these hosts only (default: all)")
    text = "plug a USB disk into a board (in) or pull it out (out), running or not"
    usb = _of_a_lab(commands.add_parser("usb", help=text, description=text))
    usb.add_argument("host")
    usb.add_argument("change", choices=["in", "out"])
    usb.add_argument("serial", help="as in the host's lab_usb_disks")
    text = "remember what a board's disks hold (keep), or, while it is off, give it the disks that it had (restore)"
    disks = _of_a_lab(commands.add_parser("disks", help=text, description=text))
    disks.add_argument("host")
    disks.add_argument("change", choices=["keep", "restore"])
    disks.add_argument("state", help="a name for what the disks hold")
    commands.add_parser("images", help="list the images")
    build = commands.add_parser("build", help="build images now, not when first needed")
    build.add_argument("image", nargs="+")
    text = "list the missing Debian packages, of all kinds of hosts or of some; exit code 1 if there are any"
    check = commands.add_parser("check", help=text, description=text)
    check.add_argument("kind", nargs="*", choices=[*KINDS, []], metavar="KIND", help=", ".join(KINDS))
    return parser


def _of_a_lab(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--inventory", type=Path, default=INVENTORY, help="default: %(default)s")
    command.add_argument("--name", default="lab", help="name of the lab (default: %(default)s)")
    return command


def _run(chosen: argparse.Namespace) -> int:
    if chosen.command == "images":
        for recipe in images.recipes().values():
            print(f"{recipe.name:26}{recipe.summary}")
        return 0
    if chosen.command == "check":
        lacking = missing(chosen.kind or KINDS)
        print("\n".join(lacking), end="\n" if lacking else "")
        return 1 if lacking else 0
    if os.geteuid() != 0:
        raise LabError(
            "the lab needs root for namespaces, mounts and a bridge; run it with sudo", "root-required"
        )
    _stop_where_missing([])
    if chosen.command == "down":
        fleet.down(chosen.name, _say)
    elif chosen.command == "build":
        fleet.build(chosen.image, _say)
    else:
        _run_on_hosts(chosen)
    return 0


def _run_on_hosts(chosen: argparse.Namespace) -> None:
    hosts = declared.read(chosen.inventory)
    wanted = [chosen.host] if "host" in chosen else chosen.hosts
    unknown = set(wanted) - {host.name for host in hosts}
    if unknown:
        names = ", ".join(host.name for host in hosts)
        raise LabError(
            f"unknown host {', '.join(sorted(unknown))}; {chosen.inventory} has: {names}", "host-unknown"
        )
    lab = fleet.Lab(chosen.name, tuple(hosts))
    named = [host for host in hosts if not wanted or host.name in wanted]
    if chosen.command == "up":
        named = _with_interpreters(named, optional=not wanted and chosen.inventory == INVENTORY)
    _stop_where_missing(kinds_of(named))
    if chosen.command == "up":
        if chosen.inventory == INVENTORY:
            _leave_out(lab, named)
        fleet.up(lab, named, _say)
        return
    for host in named:
        if chosen.command == "off":
            fleet.power_off(lab, host)
        elif chosen.command == "on":
            fleet.power_on(lab, host)
            fleet.wait_for(lab, host)
        elif chosen.command == "usb":
            fleet.usb(lab, host, chosen.serial, plugged=chosen.change == "in")
        elif chosen.command == "disks":
            (fleet.keep if chosen.change == "keep" else fleet.restore)(lab, host, chosen.state)
        else:
            state = "up" if fleet.is_running(lab, host) else "down"
            print(f"{host.name:12}{host.address!s:15}{host.image:26}{state}")


def _with_interpreters(hosts: list[declared.Host], *, optional: bool) -> list[declared.Host]:
    """Return the hosts that this machine has the CPythons for, checked before anything is built.

    If the others are optional, they are named. Otherwise LabError is raised.
    """
    lacking = {host.name: release for host in hosts if (release := images.lacking(host.image))}
    for name, release in lacking.items():
        text = f"{name} needs CPython {release} in a prefix outside /usr, and this machine has none"
        remedy = f"install one, for example: pyenv install {release}"
        if not optional:
            raise LabError(f"{text}; {remedy}", "python-missing")
        _say(f"{text}, so it is left out. To include it, {remedy}; then run: make lab [host-left-out]")
    return [host for host in hosts if host.name not in lacking]


def _leave_out(lab: fleet.Lab, starting: list[declared.Host]) -> None:
    """Leave the hosts that neither run nor start out of the lab's inventory."""
    names = [host.name for host in lab.hosts if host not in starting and not fleet.is_running(lab, host)]
    file = paths.left_out(lab.name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{name}\n" for name in names))


def _stop_where_missing(kinds: Iterable[str]) -> None:
    lacking = missing(kinds)
    if lacking:
        raise LabError(
            f"missing Debian packages; install them: apt install {' '.join(lacking)}", "packages-missing"
        )


def _say(text: str) -> None:
    print(f"lab: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
