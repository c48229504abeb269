"""Hosts that are QEMU machines: a kernel and a CPU of their own, emulated, so slower by a factor of ten or more."""

from pathlib import Path

from . import disks, qemu
from .declared import Host
from .identity import File
from .images import Image


def create(folder: Path, image: Image, files: list[File]) -> None:
    """Copy the image's disk and write into the copy what makes it a host of its own."""
    disks.clone(image.disk, folder / "disk.raw")
    disks.write(folder / "disk.raw", files)


def start(folder: Path, host: Host, image: Image) -> int:
    """Start the host and return the number of QEMU's process."""
    return qemu.start(
        *(folder, host, "qemu-system-x86_64"),
        *("-kernel", image.kernel, "-initrd", image.initrd),
        *("-append", "root=LABEL=root ro console=ttyS0 quiet net.ifnames=0"),
        *("-drive", f"file={folder / 'disk.raw'},format=raw,if=virtio,cache=unsafe"),
    )
