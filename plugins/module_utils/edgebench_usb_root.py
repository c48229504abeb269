# Copyright the edgebench authors. Licensed under Apache-2.0.
# Runs on the managed host under Python 2.7 or 3.5 and newer: no f-strings, no annotations.
# ruff: noqa: RUF005, UP001, UP010, UP031
"""What the role jetson_usb_root decides from what was seen of a board. Pure functions; no file or disk is touched."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

MIB = 1 << 20
GB = 1000000000
BY_ID = "/dev/disk/by-id/"
# A part's name is its partition's name and, once it is whole, its file system's label.
PARTS = ["root", "swap", "home"]
NAMES = {part: "edgebench-%s" % part for part in PARTS}
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
SWAP = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"
# A file system of less could not hold its own tables and a log-in.
HOME_MIN_BYTES = 64 * MIB
# Both ends of the disk: the two tables and their alignment.
TABLES_BYTES = 4 * MIB
# Of a file system's size that its own tables and root's reserve do not take.
USABLE = 0.90
# Why a root on USB comes by this path.
NOTES = {
    "direct": "the boot loader reads the USB disk itself (JetPack 4.5 and newer); nothing to do",
    "kernel": "this kernel has the firmware of the USB controller built in",
    "initramfs": "the kernel and its initramfs come from the SD card, which stays in the board",
    "initramfs-by-choice": "the kernel and its initramfs come from the SD card, which stays in the board. This release "
    "can boot from USB directly once its boot loader is flashed to the module; booting by the SD card needs no "
    "flashing and keeps a fallback",
}
# From here on L4T can have the firmware of the USB controller in the first file system.
INITRAMFS_FROM = (32, 2, 1)
DIRECT_FROM = (32, 5)
# From here on boards boot by UEFI and NVIDIA's L4TLauncher; before, those with Xavier's chip boot by CBoot.
UEFI_FROM = (34,)
LOADERS = {"uefi": "NVIDIA's UEFI (L4TLauncher)", "cboot": "NVIDIA's CBoot", "u-boot": "U-Boot"}


def mounts(text):
    """Return the mounts of /proc/self/mountinfo: dicts with number (major:minor), root, at, type, source."""
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if len(fields) < 6 or len(rest) < 2:
            continue
        found.append(
            {
                "number": fields[2],
                "root": unescaped(fields[3]),
                "at": unescaped(fields[4]),
                "type": rest[0],
                "source": unescaped(rest[1]),
            }
        )
    return found


def unescaped(text):
    """Return a path of mountinfo, where white space stands as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def mount_of(found, path):
    """Return the mount that a path lies on: the deepest one, and of several at one place the last; None for none."""
    best = None
    for each in found:
        at = each["at"].rstrip("/") + "/"
        if (path.rstrip("/") + "/").startswith(at) and (best is None or len(each["at"]) >= len(best["at"])):
            best = each
    return best


def properties(text):
    """Return what `udevadm info --query=property` or `blkid -o udev` printed, as a dict."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def release(l4t):
    """Return an L4T release such as 32.7.1 as numbers; None where it is none."""
    if not re.match(r"\d+(\.\d+)+\Z", l4t or ""):
        return None
    return tuple(int(part) for part in l4t.split("."))


def loader_of(l4t, compatible, efi):
    """Return which boot loader reads extlinux.conf: 'u-boot', 'uefi' or 'cboot'.

    Args:
        l4t: the release of L4T.
        compatible: the device tree's `compatible`, such as nvidia,tegra210.
        efi: whether the system was booted by UEFI.
    """
    if efi or (release(l4t) or (0,)) >= UEFI_FROM:
        return "uefi"
    return "cboot" if "tegra194" in compatible else "u-boot"


def boot_path(l4t, builtin_firmware, boot_is_usb, loader="u-boot"):
    """Return (path, problem, note): how the board boots with its root on USB, or why it cannot.

    The path is 'kernel' (firmware of the USB controller built into the kernel), 'initramfs' (firmware in the first
    file system) or 'direct' (the boot loader itself reads the USB disk, and there is nothing to do). With a problem the
    path is None and the note empty; the problem ends with its code. The note is one of NOTES.
    """
    numbers = release(l4t)
    if numbers is None:
        return (
            None,
            "not a Jetson with NVIDIA's Linux for Tegra: /etc/nv_tegra_release is missing or has no release "
            "(found: %s). Remove jetson_usb_root_disk from the host's variables, or flash the board with JetPack "
            "[l4t-missing]" % (l4t or "nothing"),
            "",
        )
    if boot_is_usb:
        return ("direct", None, NOTES["direct"])
    if numbers < (32,):
        return (
            None,
            "L4T %s is older than 32.1, the first release for the Nano. Flash JetPack 4.6 (L4T 32.7), the last one "
            "[l4t-too-old]" % l4t,
            "",
        )
    if loader != "u-boot":
        return (
            None,
            "L4T %s on this board boots by %s, not by U-Boot, and edgebench knows no way to fall back from a USB disk "
            "there. Put root on the USB or NVMe disk by NVIDIA's flashing tool, from a PC with the board's "
            "Linux_for_Tegra folder: sudo ./tools/kernel_flash/l4t_initrd_flash.sh --external-device sda1 (or "
            "nvme0n1p1) -c tools/kernel_flash/flash_l4t_external.xml BOARD external; or choose the disk as storage "
            "device in the SDK Manager. Then remove jetson_usb_root_disk from the host's variables "
            "[loader-unsupported]" % (l4t, LOADERS[loader]),
            "",
        )
    if numbers < INITRAMFS_FROM:
        if builtin_firmware:
            return ("kernel", None, NOTES["kernel"])
        return (
            None,
            "L4T %s starts its USB ports only after the root file system is mounted, and this kernel does not have "
            "tegra21x_xusb_firmware built in (CONFIG_EXTRA_FIRMWARE). Flash JetPack 4.6 (L4T 32.7). Or build such a "
            "kernel (JetsonHacksNano/rootOnUSB, tag vL4T32.1 or vL4T32.2: buildKernel.sh, about 40 minutes on the "
            "board), reboot into it and rerun; edgebench does not build kernels [usb-firmware-missing]" % l4t,
            "",
        )
    return ("initramfs", None, NOTES["initramfs-by-choice" if numbers >= DIRECT_FROM else "initramfs"])


def kept_problem(marker, layout, used, parts, disk):
    """Return why a disk that an earlier run began on cannot be gone on with, or None.

    Args:
        marker: what that run noted, or None.
        layout: the sizes that are wanted now, root_gb and swap_gb.
        used: whether the disk was this board's root.
        parts: part → partition, of those that are there.
        disk: what the module edgebench_usb_disk saw.
    """
    if used:
        # What is on it is used, whatever has become of it.
        if parts and all(each["whole"] for each in parts.values()):
            return None
        return (
            "the USB disk %s held this board's root but has lost a partition or a file system (found: %s). "
            "Nothing was written. Recover the data (sudo e2fsck, sudo gpart). Or erase the disk: roll back with "
            "--tags rollback, then set jetson_usb_root_confirm_serial [disk-damaged]"
            % (disk["device"], "; ".join(holds(disk)) or "nothing")
        )
    if marker and marker.get("layout") and marker["layout"] != layout:
        return (
            "the disk was laid out with root %(root_gb)s GB and swap %(swap_gb)s GB" % marker["layout"]
            + ", but the variables now give root %(root_gb)s GB and swap %(swap_gb)s GB" % layout
            + ". Nothing was written. Restore jetson_usb_root_size_gb and jetson_usb_root_swap_gb. Or erase the disk: "
            "roll back with --tags rollback, then set jetson_usb_root_confirm_serial [layout-differs]"
        )
    return None


def needed(sizes, used_bytes, home_bytes):
    """Return (size of root, of swap, least of /home) in bytes, and why the copy does not fit, or None.

    Args:
        sizes: root_gb and swap_gb.
        used_bytes: what the running root file system holds, /home included.
        home_bytes: what its /home holds.
    """
    root = int(sizes["root_gb"] * GB) // MIB * MIB
    swap = int(sizes["swap_gb"] * GB) // MIB * MIB
    home = max(HOME_MIN_BYTES, int(home_bytes / USABLE) // MIB * MIB + MIB)
    problem = None
    if used_bytes - home_bytes > root * USABLE:
        problem = (
            "the SD card holds %s outside of /home, which does not fit into a root file system of %s. Increase "
            "jetson_usb_root_size_gb [copy-too-large]" % (said(used_bytes - home_bytes), said(root))
        )
    return root, swap, home, problem


def said(size):
    """Return a size in bytes as a person would say it."""
    if size >= GB:
        return "%.1f GB" % (size / float(GB))
    return "%d MB" % (size // 1000000)


def script(root, swap):
    """Return what sfdisk is to be told; /home takes the rest."""
    lines = ["label: gpt", "size=%dMiB, type=%s, name=%s" % (root // MIB, LINUX, NAMES["root"])]
    if swap:
        lines.append("size=%dMiB, type=%s, name=%s" % (swap // MIB, SWAP, NAMES["swap"]))
    return "\n".join(lines + ["type=%s, name=%s" % (LINUX, NAMES["home"]), ""])


def parts_of(disk, swap):
    """Return the parts that a disk has as they should be (part → partition), by names, order and number; else {}."""
    wanted = [NAMES[part] for part in PARTS if part != "swap" or swap]
    partitions = disk["partitions"]
    if disk.get("table") != "gpt" or [each["name"] for each in partitions] != wanted:
        return {}
    by_name = {each["name"]: each for each in partitions}
    return {part: by_name[NAMES[part]] for part in PARTS if NAMES[part] in by_name}


def is_whole(part, partition):
    """Return whether the file system of a part was made to its end, which is when it gets its label."""
    kind = "swap" if part == "swap" else "ext4"
    return partition["type"] == kind and partition["label"] == NAMES[part]


def holds(disk):
    """Return what a disk holds, in words, one each; empty for a disk that holds nothing."""
    found = []
    for each in disk["partitions"]:
        what = " ".join(
            part
            for part in (each["type"] or "unknown", '"%s"' % each["label"] if each["label"] else "")
            if part
        )
        found.append("partition %s (%s, %s)" % (each["device"], said(each["size"]), what))
    known = ", ".join(disk["signatures"])
    if known and not disk["partitions"]:
        found.append("signatures of %s" % known)
    if not found and disk["written"]:
        found.append("data of an unknown format")
    return found


def refusals(disk, wanted):
    """Return why nothing may be written on a disk: messages that end with their codes; empty if it may be written.

    Args:
        disk: What the module edgebench_usb_disk saw.
        wanted: given (the path that was named), confirm_serial, root, swap, home (least sizes in bytes), marker (what
            an earlier run noted before it first wrote on its disk, or None).
    """
    given = wanted["given"]
    if not given.startswith(BY_ID) or "/" in given[len(BY_ID) :] or given == BY_ID:
        return [
            "jetson_usb_root_disk is %s; expected a name below %s, because names such as /dev/sda move to other disks. "
            "List them: ls -l %s [disk-name-unstable]" % (given, BY_ID, BY_ID)
        ]
    if not disk["exists"]:
        return [
            "%s is missing%s. Available: %s. Check that the disk is plugged in and powered: ls -l %s [disk-missing]"
            % (
                given,
                " (it is a link to %s, which does not exist)" % disk["real"] if disk["is_link"] else "",
                ", ".join(disk["names"]) or "none",
                BY_ID,
            )
        ]
    if disk["kind"] == "partition":
        return [
            "%s is a partition (%s) of %s. Set jetson_usb_root_disk to the whole disk, without -part1 "
            "[disk-is-partition]" % (given, disk["device"], disk["parent"])
        ]
    if disk["kind"] != "disk":
        return [
            "%s is a link to %s, which is not a disk. Set jetson_usb_root_disk to a disk [not-a-disk]"
            % (given, disk["real"])
        ]
    problems = []
    if disk["links"] is not None and given not in disk["links"]:
        problems.append(
            "%s is a link to %s, but udev's names of that disk are %s. Remove the wrong link, or set "
            "jetson_usb_root_disk to one of these names [disk-link-wrong]"
            % (given, disk["device"], ", ".join(disk["links"]) or "none")
        )
    if disk["is_boot"]:
        problems.append(
            "%s (%s) is the SD card that the board boots from. Set jetson_usb_root_disk to a USB disk "
            "[disk-is-sd-card]" % (given, disk["device"])
        )
    if disk["is_root"] and not disk["is_boot"]:
        problems.append(
            "%s (%s) holds the running root file system. Set jetson_usb_root_disk to another disk [disk-is-root]"
            % (given, disk["device"])
        )
    if not disk["usb"]:
        problems.append(
            "%s (%s) is not a USB disk: its bus is %s. Set jetson_usb_root_disk to a USB disk [disk-not-usb]"
            % (given, disk["device"], disk["path"])
        )
    if disk["read_only"]:
        problems.append(
            "%s (%s) is read-only. Check whether it has a write-protect switch [disk-read-only]"
            % (given, disk["device"])
        )
    busy = ["%s at %s" % (source, at) for source, at in disk["mounted"]]
    busy += ["%s as swap" % each for each in disk["swaps"]] + [
        "held by %s" % each for each in disk["holders"]
    ]
    if busy:
        problems.append(
            "%s (%s) is in use: %s. Unmount it: sudo umount %s%s [disk-in-use]"
            % (
                given,
                disk["device"],
                ", ".join(busy),
                " ".join(at for _, at in disk["mounted"]) or "…",
                "; and remove it from /etc/fstab" if disk["mounted"] else "",
            )
        )
    least = wanted["root"] + wanted["swap"] + wanted["home"] + TABLES_BYTES
    if disk["size"] < least:
        problems.append(
            "%s (%s) has %s, but %s are needed: root %s, swap %s and at least %s for /home. Use a larger disk, or "
            "decrease jetson_usb_root_size_gb and jetson_usb_root_swap_gb [disk-too-small]"
            % (
                given,
                disk["device"],
                said(disk["size"]),
                said(least),
                said(wanted["root"]),
                said(wanted["swap"]),
                said(wanted["home"]),
            )
        )
    marker = wanted["marker"]
    if marker is not None and marker.get("serial") != disk["serial"]:
        problems.append(
            "%s has the serial number %s, but this board's USB root is on the disk with %s (%s). Plug that disk in, or "
            "roll back first: ansible-playbook provision.yml --tags rollback -l HOST [disk-not-the-noted]"
            % (given, disk["serial"] or "(none)", marker.get("serial"), marker.get("given"))
        )
    if marker is None:
        problems += _data_problems(disk, wanted)
    return problems


def _data_problems(disk, wanted):
    confirmed = wanted["confirm_serial"]
    found = holds(disk)
    if confirmed and confirmed != disk["serial"]:
        return [
            "jetson_usb_root_confirm_serial is %s, but %s has the serial number %s. Set both to the same disk "
            "[serial-mismatch]" % (confirmed, wanted["given"], disk["serial"] or "(none)")
        ]
    if not found or confirmed:
        return []
    remedy = (
        "To erase all of it, set jetson_usb_root_confirm_serial: %s" % disk["serial"]
        if disk["serial"]
        else "It has no serial number to confirm with; erase it by hand: sudo wipefs -a %s" % disk["device"]
    )
    return [
        "%s (%s) holds data: %s. %s [disk-has-data]"
        % (wanted["given"], disk["device"], "; ".join(found), remedy)
    ]
