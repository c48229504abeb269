"""The lab's commands: python -m lab up|down|status|off|on|images|build|check."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from . import declared, fleet, images, paths
from .errors import LabError

# Program (on the PATH or in /usr/sbin) and the Debian package that has it.
NEEDED = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "arch-test": "arch-test",
    "apt-cacher-ng": "apt-cacher-ng",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-aarch64-static": "qemu-user-static",
    "ip": "iproute2",
    "debugfs": "e2fsprogs",
    "ssh": "openssh-client",
    "nfs-ls": "libnfs-utils",
}


def missing() -> list[str]:
    """Return the Debian packages that the lab needs and this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [package for program, package in NEEDED.items() if shutil.which(program, path=path) is None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, or 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="Real SSH hosts on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start the hosts that an inventory declares, and wait until they answer"),
        ("down", "end a lab's hosts and drop their disks"),
        ("status", "say which hosts run"),
        ("off", "cut the power of hosts; their disks stay"),
        ("on", "give hosts power again, and wait until they answer"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--inventory", type=Path, default=paths.CHECKOUT / "inventory/lab")
        command.add_argument("--name", default="lab", help="name of the lab (default: %(default)s)")
        command.add_argument(
            "hosts", nargs="*", help="these hosts only (default: all)"
        ) if name != "down" else None
    commands.add_parser("images", help="list the images")
    build = commands.add_parser("build", help="build images now, not when first needed")
    build.add_argument("image", nargs="+")
    commands.add_parser(
        "check", help="name the Debian packages that are missing; exit code 1 where there are any"
    )
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _run(chosen: argparse.Namespace) -> int:
    if chosen.command == "images":
        for recipe in images.recipes().values():
            print(f"{recipe.name:26}{recipe.summary}")
        return 0
    lacking = missing()
    if chosen.command == "check":
        print("\n".join(lacking), end="\n" if lacking else "")
        return 1 if lacking else 0
    if os.geteuid() != 0:
        raise LabError("needs root for namespaces, mounts and a bridge; run it with sudo")
    if lacking:
        raise LabError(f"these Debian packages are missing: apt install {' '.join(lacking)}")
    if chosen.command == "down":
        fleet.down(chosen.name, _say)
        return 0
    if chosen.command == "build":
        fleet.build(chosen.image, _say)
        return 0
    hosts = declared.read(chosen.inventory)
    unknown = set(chosen.hosts) - {host.name for host in hosts}
    if unknown:
        names = ", ".join(host.name for host in hosts)
        raise LabError(
            f"no host is called {', '.join(sorted(unknown))} in {chosen.inventory}; there are: {names}"
        )
    lab = fleet.Lab(chosen.name, tuple(hosts))
    named = [host for host in hosts if not chosen.hosts or host.name in chosen.hosts]
    if chosen.command == "up":
        fleet.up(lab, named, _say)
    elif chosen.command == "off":
        for host in named:
            fleet.power_off(lab, host)
    elif chosen.command == "on":
        for host in named:
            fleet.power_on(lab, host)
            fleet.wait_for(lab, host)
    else:
        for host in named:
            print(
                f"{host.name:12}{host.address!s:15}{host.image:26}{'up' if fleet.is_running(lab, host) else 'down'}"
            )
    return 0


def _say(text: str) -> None:
    print(f"lab: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
