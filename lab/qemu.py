"""What hosts that are QEMU machines have in common: the process, its cable to the lab, and its control by QMP."""

import json
import os
import signal
import socket
import time
from pathlib import Path

from . import network
from .commands import run, succeeds
from .declared import Host
from .errors import LabError

_STOPPING_S = 10
_ANSWERING_S = 20


def start(folder: Path, host: Host, program: str, *arguments: str | Path) -> int:
    """Start a machine with the arguments that its kind adds; return the number of QEMU's process."""
    link = network.connect_tap(host)
    # The last four digits of the address: unique, and of the range for local use.
    mac = f"52:54:00:4c:{link[-4:-2]}:{link[-2:]}"
    pid_file = folder / "qemu.pid"
    console = f"file,id=console,path={folder / 'console.log'},append=on"
    run(
        *(program, "-name", host.name, "-accel", "tcg,thread=multi", "-cpu", host.cpu),
        *("-smp", str(host.cores), "-m", str(host.memory_mb), "-display", "none", "-monitor", "none"),
        *arguments,
        *("-netdev", f"tap,id=net,ifname={link},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=net,mac={mac},romfile=", "-device", "virtio-rng-pci"),
        *("-chardev", console, "-serial", "chardev:console"),
        *("-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"),
        *("-daemonize", "-pidfile", pid_file),
    )
    return int(pid_file.read_text())


def stop(pid: int) -> None:
    """Cut the host's power.

    What QEMU has told the guest to be written is in this machine's memory or on its disk, and outlives QEMU: a host
    that comes back finds what it had written up to its last request, as on a disk without a cache of its own. What
    only the guest's memory held is gone.
    """
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    end = time.monotonic() + _STOPPING_S
    while succeeds("test", "-e", f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.05)


def control(folder: Path, command: str, **arguments: object) -> None:
    """Give a running QEMU one command by QMP. Raises LabError with its answer where it refuses."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWERING_S)
        connection.connect(str(folder / "qmp"))
        with connection.makefile("rw") as stream:
            stream.readline()  # its greeting
            for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
                if "error" in answer:
                    raise LabError(
                        f"QEMU rejects {command}: {answer['error'].get('desc')}", "qemu-command-rejected"
                    )
