"""Hosts that are QEMU machines: a kernel and a CPU of their own, emulated, so slower by a factor of ten or more."""

import os
import signal
import tempfile
import time
from pathlib import Path

from . import network
from .commands import run, succeeds
from .declared import Host
from .identity import File
from .images import Image

_STOPPING_S = 10


def create(folder: Path, image: Image, files: list[File]) -> None:
    """Copy the image's disk and write into the copy what makes it a host of its own."""
    disk = folder / "disk.raw"
    run("cp", "--sparse=always", "--reflink=auto", image.disk, disk)
    with tempfile.TemporaryDirectory() as scratch:
        commands = []
        for number, file in enumerate(files):
            source = Path(scratch) / str(number)
            source.write_bytes(file.content)
            # debugfs takes a mode with the type of the file before it: 010 is a regular one.
            commands += [
                f"rm {file.path}",
                f"write {source} {file.path}",
                f"set_inode_field {file.path} mode 010{file.mode:04o}",
                f"set_inode_field {file.path} uid {file.owner}",
                f"set_inode_field {file.path} gid {file.owner}",
            ]
        run("debugfs", "-w", "-f", "/dev/stdin", disk, stdin="\n".join(commands) + "\n")
        written = run("debugfs", "-R", f"cat {files[0].path}", disk).encode()
    assert files[0].content in written, "debugfs wrote nothing"


def start(folder: Path, host: Host, image: Image) -> int:
    """Start the host and return the number of QEMU's process."""
    link = network.connect_tap(host)
    # The last four digits of the address: unique, and of the range for local use.
    mac = f"52:54:00:4c:{link[-4:-2]}:{link[-2:]}"
    pid_file = folder / "qemu.pid"
    run(
        *("qemu-system-x86_64", "-name", host.name, "-accel", "tcg,thread=multi", "-cpu", host.cpu),
        *("-smp", str(host.cores), "-m", str(host.memory_mb), "-display", "none", "-monitor", "none"),
        *("-kernel", image.kernel, "-initrd", image.initrd),
        *("-append", "root=LABEL=root ro console=ttyS0 quiet net.ifnames=0"),
        *("-drive", f"file={folder / 'disk.raw'},format=raw,if=virtio,cache=unsafe"),
        *("-netdev", f"tap,id=net,ifname={link},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=net,mac={mac}", "-device", "virtio-rng-pci"),
        *("-serial", f"file:{folder / 'console.log'}", "-daemonize", "-pidfile", pid_file),
    )
    return int(pid_file.read_text())


def stop(folder: Path, pid: int) -> None:
    """Cut the host's power."""
    del folder
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    end = time.monotonic() + _STOPPING_S
    while succeeds("test", "-e", f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.05)
