"""Hosts that boot as a Jetson does: U-Boot, extlinux.conf on an SD card, and USB disks that only the kernel sees.

QEMU's machine virt with U-Boot as its firmware. The SD card is a virtio disk, /dev/vda, for U-Boot knows no other card
reader here, and /dev/disk/by-id/virtio-SD; the USB disks are /dev/sda and so on, and
/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_SERIAL-0:0.
"""

import json
from pathlib import Path

from . import disks, qemu
from .commands import run
from .declared import Host, UsbDisk
from .errors import LabError
from .identity import File
from .images import Image

FIRMWARE = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")


def create(folder: Path, host: Host, image: Image, files: list[File]) -> None:
    """Copy the image's SD card, write into it what makes it a host of its own, and make empty USB disks."""
    disks.clone(image.disk, folder / "sd.raw")
    disks.write(folder / "sd.raw", files, disks.PARTITION_OFFSET)
    for disk in host.usb_disks:
        disks.empty(_file(folder, disk), disk.size_mb)
    _note(folder, {disk.serial: True for disk in host.usb_disks})


def start(folder: Path, host: Host) -> int:
    """Give the board power and return the number of QEMU's process."""
    plugged = _plugged(folder)
    usb: list[str] = []
    for disk in host.usb_disks:
        usb += ["-blockdev", json.dumps(_drive(folder, disk))]
        if plugged[disk.serial]:
            usb += ["-device", json.dumps(_device(disk))]
    return qemu.start(
        *(folder, host, "qemu-system-aarch64", "-machine", "virt", "-bios", FIRMWARE),
        *("-drive", f"file={folder / 'sd.raw'},format=raw,if=none,id=sd,cache=unsafe"),
        *("-device", "virtio-blk-pci,drive=sd,serial=SD", "-device", "qemu-xhci,id=usb"),
        *usb,
    )


def plug(folder: Path, disk: UsbDisk, *, running: bool) -> None:
    """Put a USB disk into the board, or have it there at the next start."""
    _change(folder, disk, plugged=True)
    if running:
        qemu.control(folder, "device_add", **_device(disk))


def unplug(folder: Path, disk: UsbDisk, *, running: bool) -> None:
    """Pull a USB disk out of the board, without asking it first."""
    _change(folder, disk, plugged=False)
    if running:
        qemu.control(folder, "device_del", id=_device(disk)["id"])


def keep(folder: Path, name: str, *, running: bool) -> None:
    """Remember the board's disks, and which are plugged, under a name.

    A board that runs is stopped for that moment; what is kept is what it would find after a power cut just then.
    """
    kept = folder / "kept" / name
    run("rm", "--recursive", "--force", kept)
    kept.mkdir(parents=True)
    if running:
        qemu.control(folder, "stop")
    try:
        for disk in [*folder.glob("*.raw"), folder / "usb.json"]:
            disks.clone(disk, kept / disk.name)
    finally:
        if running:
            qemu.control(folder, "cont")


def restore(folder: Path, name: str) -> None:
    """Give a board without power the disks that it had then. Raises LabError."""
    kept = folder / "kept" / name
    if not kept.is_dir():
        there = ", ".join(sorted(path.name for path in (folder / "kept").glob("*"))) or "none"
        raise LabError(f"{folder.name} has no disks kept as {name!r}; it has: {there}", "disks-unknown")
    for disk in kept.iterdir():
        disks.clone(disk, folder / disk.name)


def _change(folder: Path, disk: UsbDisk, *, plugged: bool) -> None:
    states = _plugged(folder)
    if states[disk.serial] == plugged:
        raise LabError(
            f"the USB disk {disk.serial} of {folder.name} is already {'in' if plugged else 'out'}",
            "already-plugged" if plugged else "already-unplugged",
        )
    _note(folder, {**states, disk.serial: plugged})


def _plugged(folder: Path) -> dict[str, bool]:
    states: dict[str, bool] = json.loads((folder / "usb.json").read_text())
    return states


def _note(folder: Path, states: dict[str, bool]) -> None:
    (folder / "usb.json").write_text(json.dumps(states))


def _file(folder: Path, disk: UsbDisk) -> Path:
    return folder / f"usb-{disk.serial}.raw"


def _drive(folder: Path, disk: UsbDisk) -> dict[str, object]:
    file = {"driver": "file", "filename": str(_file(folder, disk))}
    # Whether the guest's flushes reach this machine's disk matters to this machine's crashes only.
    cache = {"direct": False, "no-flush": True}
    return {"driver": "raw", "node-name": f"disk-{disk.serial}", "file": file, "cache": cache}


def _device(disk: UsbDisk) -> dict[str, object]:
    return {
        "driver": "usb-storage",
        "bus": "usb.0",
        "id": f"usb-{disk.serial}",
        "drive": f"disk-{disk.serial}",
        "serial": disk.serial,
    }
