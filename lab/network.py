"""The lab's network: a bridge of its own, and on it caches of Debian's and Python's packages.

The hosts reach nothing but one another and this machine. What they install comes through two caches here: apt-cacher-ng
for Debian's packages, proxpi for Python's.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import paths
from .commands import run, succeeds
from .declared import GATEWAY, NETWORK, Host
from .errors import LabError

BRIDGE = "eblab"
APT_PORT = 3142
PIP_PORT = 3143
APT_PROXY = f"http://{GATEWAY}:{APT_PORT}"
PIP_INDEX = f"http://{GATEWAY}:{PIP_PORT}/index/"
_STARTING_S = 30
_STOPPING_S = 10


def up() -> None:
    """Make the bridge and start the caches, unless they are there."""
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        run("ip", "link", "add", BRIDGE, "type", "bridge")
    if str(GATEWAY) not in run("ip", "-4", "-brief", "address", "show", "dev", BRIDGE):
        run("ip", "address", "add", f"{GATEWAY}/{NETWORK.prefixlen}", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    _start_apt_cache()
    _start_pip_cache()


def down() -> None:
    """Stop the caches and remove the bridge."""
    for name in ("apt", "pip"):
        _stop(name)
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        run("ip", "link", "delete", BRIDGE)


def connect_namespace(host: Host) -> str:
    """Give a container a network of its own on the bridge, addressed from here; return the namespace's name.

    It outlives the host's reboots, and an emulated host, whose systemd-networkd does not run, has it too.
    """
    link = host.link
    if not Path(f"/run/netns/{link}").exists():
        run("ip", "netns", "add", link)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "host0", "netns", link)
        run("ip", "link", "set", link, "master", BRIDGE, "up")
        run("ip", "-n", link, "address", "add", f"{host.address}/{NETWORK.prefixlen}", "dev", "host0")
        for each in ("lo", "host0"):
            run("ip", "-n", link, "link", "set", each, "up")
    return link


def connect_tap(host: Host) -> str:
    """Make a machine's end of a cable to the bridge; return its name."""
    link = host.link
    if not Path(f"/sys/class/net/{link}").exists():
        run("ip", "tuntap", "add", link, "mode", "tap")
    run("ip", "link", "set", link, "master", BRIDGE, "up")
    return link


def disconnect(link: object) -> None:
    """Remove what connect_namespace or connect_tap made."""
    if Path(f"/run/netns/{link}").exists():
        run("ip", "netns", "delete", str(link))
    # A container's end goes with its namespace, a moment later.
    succeeds("ip", "link", "delete", str(link))


def _start_apt_cache() -> None:
    program = shutil.which("apt-cacher-ng", path="/usr/sbin:/usr/bin")
    if program is None:
        raise LabError(
            "apt-cacher-ng is missing on this machine; install it: apt install apt-cacher-ng",
            "packages-missing",
        )
    folder = paths.cache() / "apt"
    folder.mkdir(exist_ok=True)
    settings = {
        "CacheDir": folder / "packages",
        "LogDir": folder / "log",
        "SocketPath": paths.RUN / "apt.socket",
        "PidFile": paths.RUN / "apt-cacher-ng.pid",
        "BindAddress": GATEWAY,
        "Port": APT_PORT,
        "ForeGround": 1,
        "ReportPage": "",
        "ExThreshold": 30,
    }
    for name in ("CacheDir", "LogDir"):
        Path(str(settings[name])).mkdir(exist_ok=True)
    _start("apt", [program, *(f"{name}={value}" for name, value in settings.items())], {}, APT_PORT, folder)


def _start_pip_cache() -> None:
    folder = paths.cache() / "pip"
    folder.mkdir(exist_ok=True)
    environment = {
        "FLASK_APP": "proxpi.server",
        "PROXPI_CACHE_DIR": str(folder),
        "PROXPI_CACHE_SIZE": str(20_000_000_000),
        # A slow download is waited for; else the host would be sent to the registry, which it cannot reach.
        "PROXPI_DOWNLOAD_TIMEOUT": "600",
    }
    trusted = Path("/etc/ssl/certs/ca-certificates.crt")
    if trusted.exists():
        environment["REQUESTS_CA_BUNDLE"] = str(trusted)
    index = _configured_index()
    if index:
        environment["PROXPI_INDEX_URL"] = index
    # One request at a time: proxpi 1.3 fails if a file is requested while its download is about to start, and sends the
    # host to the registry.
    command = [sys.executable, "-m", "flask", "run", "--without-threads"]
    command += ["--host", str(GATEWAY), "--port", str(PIP_PORT)]
    _start("pip", command, environment, PIP_PORT, folder)


def _configured_index() -> str | None:
    """Return the package index that pip on this machine is told to use, or None for its own."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    return os.environ.get("PIP_INDEX_URL") or asked.stdout.strip() or None


def _start(name: str, command: list[str], environment: dict[str, str], port: int, folder: Path) -> None:
    # Labs share the caches, also those of other checkouts, whose folders may have been removed since.
    used = paths.RUN / f"{name}.folder"
    if _listens(port):
        if not used.exists() or Path(used.read_text()).is_dir():
            return
        _stop(name)
    used.write_text(str(folder))
    log = paths.RUN / f"{name}.log"
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    (paths.RUN / f"{name}.pid").write_text(str(process.pid))
    end = time.monotonic() + _STARTING_S
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > end:
            last = "\n".join(log.read_text().splitlines()[-10:])
            raise LabError(
                f"the lab's cache of {name} packages does not start; the end of {log}:\n{last}",
                "cache-not-started",
            )
        time.sleep(0.1)


def _listens(port: int) -> bool:
    """Return whether a cache accepts connections; one that downloads for a host may not answer for minutes."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((str(GATEWAY), port)) == 0


def _stop(name: str) -> None:
    file = paths.RUN / f"{name}.pid"
    if file.exists():
        pid = int(file.read_text())
        if succeeds("grep", "-qa", "-e", "apt-cacher-ng", "-e", "flask", f"/proc/{pid}/cmdline"):
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + _STOPPING_S
            # A zombie has closed its socket.
            while succeeds("grep", "-q", "^State:.[^Z]", f"/proc/{pid}/status") and time.monotonic() < end:
                time.sleep(0.1)
        file.unlink()
