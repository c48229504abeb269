# Copyright the edgebench authors. Licensed under Apache-2.0.
"""What the files on a board whose root moves to USB are to say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from ansible.errors import AnsibleFilterError

BEGIN = "# Root on a USB disk: written by the role jetson_usb_root."
END = "# End of what the role jetson_usb_root has written."
SD_AT = "/media/edgebench-sd"
# The new initramfs in /boot, and what mkinitramfs packs into it, with room for packages that are still missing.
ROOM_BYTES = 150 * 1000 * 1000
REPLACED = ("/", "/boot", "/home", SD_AT)
# Nothing of a boot waits for a mount that may fail, so patience is free; 30 s were too short for the device manager of
# a busy board, and without /home nobody's key opens it.
WAIT = "nofail,x-systemd.device-timeout=300s"


def fstab(text: str, names: Mapping[str, str]) -> str:
    """Return the text of the copy's fstab; see edgebench_usb_fstab.yml."""
    missing = [name for name in ("root", "home", "sd") if not names.get(name)]
    if missing:
        raise AnsibleFilterError(
            f"edgebench_usb_fstab: no name for {', '.join(missing)} [mount-name-missing]"
        )
    kept, ours = [], False
    for line in text.splitlines():
        if line in (BEGIN, END):
            ours = line == BEGIN
        elif not ours and not _is_replaced(line):
            kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    lines = [
        BEGIN,
        f"{names['root']} / ext4 defaults,noatime,errors=remount-ro 0 1",
        f"{names['home']} /home ext4 defaults,noatime,{WAIT} 0 2",
        *([f"{names['swap']} none swap sw,{WAIT} 0 0"] if names.get("swap") else []),
        "# The SD card stays in: the board boots from its /boot, and updates of the kernel must reach it.",
        f"{names['sd']} {SD_AT} ext4 defaults,noatime,{WAIT} 0 2",
        f"{SD_AT}/boot /boot none bind,nofail,x-systemd.requires-mounts-for={SD_AT} 0 0",
        END,
    ]
    return "\n".join([*kept, *lines, ""])


def _is_replaced(line: str) -> bool:
    fields = line.split()
    if not fields or fields[0].startswith("#") or len(fields) < 3:
        return False
    if fields[1] in REPLACED:
        return True
    # A swap file goes along with the copy and stays; a partition is of another disk.
    return fields[2] == "swap" and (not fields[0].startswith("/") or fields[0].startswith("/dev/"))


def sd_label(conf: Mapping[str, Any], own: str) -> str:
    """Return the label that boots from the SD card: the one that ours names to fall back to, or else the default."""
    words = str(conf["labels"].get(own, {}).get("append") or "").split()
    named = [word.partition("=")[2] for word in words if word.startswith("edgebench.trial=")]
    if named:
        return unquote(named[-1])
    if conf["default"] != own:
        return str(conf["default"])
    # Ours, and it does not say: the first other one.
    return next((str(name) for name in conf["order"] if name != own), "")


def word(name: str) -> str:
    """Return a label's name as one word of the kernel's command line: what is not plain stands as %20 and the like.

    U-Boot and the kernel have uses of their own for quotes, dollars and backslashes.
    """
    return quote(name, safe="+,:@()=/")


def layout_problems(look: Mapping[str, Any], conf: Mapping[str, Any], label: str) -> list[str]:
    """Return what about root and boot files is not as a Jetson with an SD card has it; see the role's identify.yml."""
    system = look["system"]
    boot, root = system["boot"], system["root"]
    problems = []
    if not boot["exists"]:
        problems.append(
            "there is no /boot/extlinux/extlinux.conf. Check that the board boots by U-Boot and that its SD card is "
            "inserted [extlinux-missing]"
        )
    if boot["type"] != "ext4" or boot["folder"] != "/boot" or not boot["partuuid"]:
        problems.append(
            f"/boot lies on {boot['device']} ({boot['type']}, as {boot['folder']}, PARTUUID "
            f"{boot['partuuid'] or 'none'}), expected as the folder /boot of an ext4 partition with a PARTUUID, as in "
            "NVIDIA's images [boot-layout-unknown]"
        )
    if not system["on_usb"] and look["disk"]["exists"] and not set(root["disks"]) & {_disk(boot["device"])}:
        problems.append(
            f"root is on {', '.join(root['disks'])} but the boot files are on {boot['device']}, so this system runs "
            "from a disk that is neither the SD card nor the named disk. Roll back the change that moved it there "
            "[root-on-other-disk]"
        )
    if boot["links"]:
        link = boot["links"][0]
        problems.append(
            f"{link} is a symbolic link, which the initramfs cannot follow to set DEFAULT back. Put the real thing in "
            f"its place: sudo cp -aL {link} {link}.new; sudo mv -T {link}.new {link} [extlinux-is-link]"
        )
    if boot["not_writable"]:
        problems.append(
            f"root cannot write {', '.join(boot['not_writable'])}. Remount the SD card (sudo mount -o remount,rw "
            f"{boot['at']}) or make them mutable (sudo chattr -i {' '.join(boot['not_writable'])}) [boot-not-writable]"
        )
    if boot["notes_is_file"]:
        problems.append(
            "/boot/edgebench is a file, expected a folder or nothing. Move it away: sudo mv /boot/edgebench "
            "/boot/edgebench.old [notes-not-folder]"
        )
    for path, free in boot["free"].items():
        if free < ROOM_BYTES and not system["on_usb"]:
            problems.append(
                f"{path} has {free // 1_000_000} MB free, and building the initramfs needs {ROOM_BYTES // 1_000_000} "
                "MB. Free some space: sudo apt-get clean; sudo du -xhd1 / | sort -h | tail [boot-full]"
            )
    if not system["kernel_has_modules"]:
        problems.append(
            f"/lib/modules/{system['kernel']} is missing, so no initramfs can be built for the kernel that the board "
            f"boots. Install that kernel's modules, or reboot into the installed kernel [kernel-modules-missing]"
        )
    own = {f"PARTUUID={boot['partuuid']}", f"UUID={boot['uuid']}", boot["device"]}
    there = conf["labels"].get(label)
    if there is None:
        problems.append(f"extlinux.conf has no label {label!r} to fall back to [fallback-label-missing]")
    elif there["root"] and there["root"].lower() not in {each.lower() for each in own}:
        problems.append(
            f"the label {label} boots root={there['root']}, expected the SD card ({', '.join(sorted(own))}); there "
            "must be a label that boots from the SD card. Correct it and make it the DEFAULT [fallback-label-wrong]"
        )
    return problems


def label_problems(conf: Mapping[str, Any], own: str) -> list[str]:
    """Return why the role's own label cannot be used: because someone else has one of its name."""
    found = conf["labels"].get(own)
    if found is None or "edgebench.trial=" in (found.get("append") or ""):
        return []
    return [
        f"extlinux.conf has a label {own} in line {found['line']} that this role did not write. Rename it there "
        "[label-not-ours]"
    ]


def _disk(device: str) -> str:
    """Return the disk's name of a partition such as /dev/mmcblk0p1 or /dev/vda1."""
    name = device.rpartition("/")[2]
    return re.sub(r"(?<=\d)p\d+$", "", name) if re.search(r"\dp\d+$", name) else re.sub(r"\d+$", "", name)


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "edgebench_usb_fstab": fstab,
            "edgebench_usb_label_problems": label_problems,
            "edgebench_usb_layout_problems": layout_problems,
            "edgebench_usb_sd_label": sd_label,
            "edgebench_usb_word": word,
        }
