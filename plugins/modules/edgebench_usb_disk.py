#!/usr/bin/python
# Copyright the edgebench authors. Licensed under Apache-2.0.
# Runs on the managed host under Python 2.7 or 3.5 and newer: no f-strings, no annotations.
# ruff: noqa: PTH102, PTH104, PTH110, PTH112, PTH114, PTH116, PTH118, PTH119, PTH120, PTH123, PTH207, PTH208, RUF005
# ruff: noqa: UP001, UP010, UP024, UP031, E402, B904
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: edgebench_usb_disk
short_description: Look at a disk that is to hold a board's root file system, and make it ready
description:
  - Tells where the running system and its boot files lie, what the named disk is and holds, and why nothing may be
    written on it.
  - With O(state=present) writes a partition table (root, swap, home) and makes the file systems, each step only where
    it is not done yet; interrupted at any moment it goes on when run again. Looks again right before it writes, and
    refuses before any write a disk that is mounted, used as swap or otherwise, the running root, the one that the board
    boots from, not a USB disk, too small, not the one that its name says, or that holds data.
  - What was begun is noted in O(notes) before the first write. A disk that is not noted there counts as holding data
    whatever it holds, unless O(confirm_serial) repeats its serial number.
options:
  disk:
    description: The disk, as a name below C(/dev/disk/by-id).
    type: str
    required: true
  state:
    description: V(read) writes nothing.
    type: str
    choices: [read, present]
    default: read
  confirm_serial:
    description: The disk's serial number, where all that is on it may go.
    type: str
    default: ""
  root_gb:
    description: Size of the root file system in GB (10⁹ bytes).
    type: float
    required: true
  swap_gb:
    description: Size of the swap partition in GB; 0 for none.
    type: float
    required: true
  l4t:
    description: The board's release of L4T, such as 32.7.1.
    type: str
    default: ""
  conf:
    description: The board's extlinux.conf.
    type: path
    default: /boot/extlinux/extlinux.conf
  notes:
    description: The folder of the notes, on the file system that the board boots from.
    type: path
    default: /boot/edgebench
attributes:
  check_mode:
    support: full
    description: Says what would be written, and refuses what would be refused.
  diff_mode:
    support: full
    description: The partition table before and after.
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Look
  edgebench.edge.edgebench_usb_disk:
    disk: /dev/disk/by-id/usb-TOSHIBA_External_USB_3.0_20190801-0:0
    root_gb: 64
    swap_gb: 8
  register: look
"""

RETURN = r"""
disk:
  description: The disk as it was seen.
  returned: always
  type: dict
parts:
  description: Part (root, swap, home) → device, partuuid, uuid, whole; empty before it is partitioned.
  returned: always
  type: dict
system:
  description: Where root and the boot files lie, what is used, the kernels, what was noted.
  returned: always
  type: dict
plan:
  description: The way to a root on USB, C(path), C(problem) and C(note); see docs/usb-root.md.
  returned: always
  type: dict
refused:
  description: Why nothing may be written on the disk, each message with its code at the end.
  returned: always
  type: list
  elements: str
"""

import glob
import gzip
import json
import os
import re
import stat
import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgebench.edge.plugins.module_utils.edgebench_usb_root import (
    BY_ID,
    NAMES,
    boot_path,
    is_whole,
    kept_problem,
    loader_of,
    mount_of,
    mounts,
    needed,
    parts_of,
    properties,
    refusals,
    said,
    script,
)
from ansible_collections.edgebench.edge.plugins.module_utils.extlinux_conf import ConfError, parse

SYS = "/sys"
SCRATCH = "/run/edgebench-usb-root/"
SCRATCH_OF_MKINITRAMFS = "/var/tmp"  # noqa: S108
# Folders that the role writes to beside /boot.
WRITTEN = ["/etc", "/etc/systemd/system", "/usr/local/lib", "/usr/local/sbin"]
# Where a table, a boot sector or the first structures of a file system would be.
FIRST_BYTES = 1 << 20
# What the role runs beside what every system has, and the packages that have it.
PROGRAMS = {
    "mkfs.ext4": "e2fsprogs",
    "mkinitramfs": "initramfs-tools",
    "rsync": "rsync",
    "sfdisk": "fdisk",
}
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class Trouble(Exception):
    """The disk cannot be laid out; the message ends with its code."""


def read_text(path, default=""):
    """Return the text of a file without white space around it, or a default."""
    try:
        with open(path, "rb") as handle:
            return handle.read().decode("utf-8", "replace").strip("\0 \n\t")
    except (IOError, OSError):
        return default


def run(argv, stdin=None, may_fail=False):
    """Return what a program prints; Trouble where it fails."""
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        )
    except OSError as error:
        if may_fail:
            return ""
        raise Trouble(
            "cannot run %s: %s. Install the package that contains it, then rerun [program-missing]"
            % (argv[0], error.strerror)
        )
    out, errors = process.communicate(stdin.encode("utf-8") if stdin is not None else b"")
    if process.returncode and not may_fail:
        raise Trouble(
            "`%s` failed with exit code %d: %s. Check the disk (sudo dmesg), then rerun [program-failed]"
            % (" ".join(argv), process.returncode, errors.decode("utf-8", "replace").strip())
        )
    return out.decode("utf-8", "replace")


def number_of(device):
    """Return the major:minor of a block device, or None where the path is none."""
    try:
        found = os.stat(device)
    except OSError:
        return None
    if not stat.S_ISBLK(found.st_mode):
        return None
    return "%d:%d" % (os.major(found.st_rdev), os.minor(found.st_rdev))


def sys_of(number):
    """Return the folder in sysfs of a block device."""
    return os.path.realpath("%s/dev/block/%s" % (SYS, number))


def disks_under(number):
    """Return the names of the whole disks that a block device lies on, through what is stacked on them."""
    folder = sys_of(number)
    if not os.path.isdir(folder):
        return set()
    if os.path.exists(folder + "/partition"):
        folder = os.path.dirname(folder)
    slaves = os.listdir(folder + "/slaves") if os.path.isdir(folder + "/slaves") else []
    if not slaves:
        return {os.path.basename(folder)}
    return set().union(*[disks_under(read_text("%s/slaves/%s/dev" % (folder, each))) for each in slaves])


def drivers(number):
    """Return the modules of the drivers that a block device hangs on, down to the bus; built-in ones have none."""
    found = set()
    folder = sys_of(number)
    while folder.startswith(SYS + "/devices") and folder != SYS + "/devices":
        module = os.path.join(folder, "driver/module")
        if os.path.exists(module):
            found.add(os.path.basename(os.path.realpath(module)))
        folder = os.path.dirname(folder)
    return found


def probe(device):
    """Return what blkid sees on a device itself, not in its cache."""
    return properties(run(["blkid", "-p", "-o", "udev", device], may_fail=True))


def serial_of(folder, udev):
    """Return the serial number of a disk: udev's, or the USB device's own."""
    if udev.get("ID_SERIAL_SHORT"):
        return udev["ID_SERIAL_SHORT"]
    while folder.startswith(SYS + "/devices/"):
        own = read_text(folder + "/serial")
        if own and os.path.exists(folder + "/idVendor"):
            return own
        folder = os.path.dirname(folder)
    return ""


def is_usb(folder):
    """Return whether a disk hangs on a USB bus, by its folder in sysfs."""
    return re.search(r"/usb\d+/", folder) is not None


def is_written(device):
    """Return whether there is anything but zeros at the start of a disk."""
    with open(device, "rb") as handle:
        return handle.read(FIRST_BYTES).strip(b"\0") != b""


def signatures(device):
    """Return the names of what wipefs finds on a device."""
    lines = run(["wipefs", "--no-act", "--parsable", device]).splitlines()
    return sorted({line.split(",")[-1] for line in lines if line and not line.startswith("#")})


def look_at_disk(given, table, root_number, boot_number):
    """Return what there is to know of the disk that was named."""
    real = os.path.realpath(given)
    names = sorted(os.listdir(BY_ID)) if os.path.isdir(BY_ID) else []
    disk = {
        "exists": os.path.exists(given),
        "is_link": os.path.islink(given),
        "real": real,
        "names": names,
        "kind": "none",
        "device": real,
        "partitions": [],
        "serial": "",
        "size": 0,
        "is_root": False,
        "is_boot": False,
    }
    number = number_of(real)
    if number is None:
        return disk
    folder = sys_of(number)
    if os.path.exists(folder + "/partition"):
        disk.update(kind="partition", parent="/dev/" + os.path.basename(os.path.dirname(folder)))
        return disk
    name = os.path.basename(folder)
    udev = properties(run(["udevadm", "info", "--query=property", "--name=" + real], may_fail=True))
    swaps = [line.split()[0] for line in read_text("/proc/swaps").splitlines()[1:]]
    children = sorted(
        (each for each in glob.glob(folder + "/*/partition")), key=lambda each: int(read_text(each) or 0)
    )
    numbers = {number: real}
    for child in children:
        part = os.path.dirname(child)
        device = "/dev/" + os.path.basename(part)
        numbers[read_text(part + "/dev")] = device
        seen = probe(device)
        disk["partitions"].append(
            {
                "device": device,
                "size": int(read_text(part + "/size", "0")) * 512,
                "type": seen.get("ID_FS_TYPE", ""),
                "label": seen.get("ID_FS_LABEL", ""),
                "uuid": seen.get("ID_FS_UUID", ""),
                "name": seen.get("ID_PART_ENTRY_NAME", "").replace("\\x20", " "),
                "partuuid": seen.get("ID_PART_ENTRY_UUID", ""),
            }
        )
    places = {"/dev/" + os.path.basename(os.path.dirname(each)): os.path.dirname(each) for each in children}
    places[real] = folder
    disk.update(
        kind="disk",
        number=number,
        path=folder,
        usb=is_usb(folder),
        serial=serial_of(folder, udev),
        size=int(read_text(folder + "/size", "0")) * 512,
        read_only=read_text(folder + "/ro") == "1",
        # Without udev (in a container) there are no names to compare with.
        links=udev["DEVLINKS"].split() if udev.get("DEVLINKS") else None,
        table=probe(real).get("ID_PART_TABLE_TYPE", ""),
        signatures=signatures(real),
        written=is_written(real),
        mounted=[
            (numbers[each["number"]], each["at"])
            for each in table
            if each["number"] in numbers and not each["at"].startswith(SCRATCH)
        ],
        swaps=[each for each in swaps if number_of(each) in numbers],
        holders=sorted(
            holder
            for place in places.values()
            for holder in (os.listdir(place + "/holders") if os.path.isdir(place + "/holders") else [])
        ),
        is_root=name in disks_under(root_number),
        is_boot=name in disks_under(boot_number),
    )
    return disk


def kernel_of(conf):
    """Return the release of the kernel that the board boots, by its own words, or that of the running one."""
    running = os.uname()[2]
    try:
        with open(conf, "rb") as handle:
            parsed = parse(handle.read())
    except (IOError, OSError, ConfError):
        return running
    labels = sorted(parsed.labels, key=lambda label: label.name != parsed.booted)
    for label in labels:
        try:
            with open(parsed.value(label, "linux") or b"", "rb") as handle:
                match = re.search(b"Linux version ([0-9][^ \0]{1,60}) ", handle.read())
        except (IOError, OSError):
            continue
        if match and has_modules(match.group(1).decode("ascii", "replace")):
            return match.group(1).decode("ascii")
    return running


def has_modules(kernel):
    """Return whether the modules of a kernel are there, without which no initramfs can be made for it."""
    return os.path.isdir("/lib/modules/" + kernel)


def links_to(conf):
    """Return which of a file and the folders above it are symbolic links; the first file system follows none."""
    found = []
    while conf not in ("", "/"):
        if os.path.islink(conf):
            found.append(conf)
        conf = os.path.dirname(conf)
    return found


def not_writable(paths):
    """Return those of the paths that are there and that root cannot write: read-only mounts, immutable files."""
    return [path for path in paths if os.path.exists(path) and not os.access(path, os.W_OK)]


def has_program(name):
    """Return whether root has a program."""
    return any(os.access(os.path.join(folder, name), os.X_OK) for folder in ENVIRONMENT["PATH"].split(":"))


def builtin_firmware():
    """Return whether the running kernel has the firmware of Tegra's USB controller built in."""
    try:
        with gzip.open("/proc/config.gz", "rb") as handle:
            text = handle.read().decode("utf-8", "replace")
    except (IOError, OSError):
        text = read_text("/boot/config-" + os.uname()[2])
    match = re.search(r'^CONFIG_EXTRA_FIRMWARE="([^"]*)"', text, re.M)
    return bool(match and "xusb_firmware" in match.group(1))


def free(paths):
    """Return the bytes that root can still write at each of the paths, of those on one file system the first."""
    found, seen = {}, set()
    for path in paths:
        device = os.stat(path).st_dev
        if device not in seen:
            seen.add(device)
            room = os.statvfs(path)
            found[path] = room.f_bfree * room.f_frsize
    return found


def used(path):
    """Return the bytes that a file system holds."""
    found = os.statvfs(path)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def marker_of(notes):
    """Return what was noted before the first write, or None."""
    try:
        found = json.loads(read_text(os.path.join(notes, "disk")))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def look(parameters):
    """Return everything: system, disk, parts, refused."""
    conf, notes = parameters["conf"], parameters["notes"]
    table = mounts(read_text("/proc/self/mountinfo"))
    root, boot = mount_of(table, "/"), mount_of(table, os.path.realpath(conf))
    # The mount's own number: that of a file on it may be another (overlay, btrfs).
    disk = look_at_disk(parameters["disk"], table, root["number"], boot["number"])
    device = os.path.realpath(boot["source"]) if boot["source"].startswith("/dev/") else ""
    if device == "/dev/root" or number_of(device) != boot["number"]:
        device = "/dev/" + os.path.basename(sys_of(boot["number"]))
    seen = probe(device)
    home_used = int((run(["du", "-sxB1", "/home"], may_fail=True).split() or ["0"])[0])
    kernel = kernel_of(conf)
    root_size, swap_size, home_size, too_much = needed(parameters, used("/"), home_used)
    system = {
        "root": {
            "number": root["number"],
            "source": root["source"],
            "disks": sorted(disks_under(root["number"])),
        },
        "boot": {
            "device": device,
            "type": boot["type"],
            "at": boot["at"],
            # Where in its file system the folder of extlinux.conf's parent lies: /boot, or / of a partition of its own.
            "folder": os.path.normpath(
                boot["root"].rstrip("/")
                + "/"
                + os.path.relpath(os.path.dirname(os.path.dirname(conf)), boot["at"])
            ),
            "partuuid": seen.get("ID_PART_ENTRY_UUID", ""),
            "uuid": seen.get("ID_FS_UUID", ""),
            "is_usb": is_usb(sys_of(boot["number"])),
            "exists": os.path.exists(conf),
            "links": links_to(conf),
            "not_writable": not_writable([conf, os.path.dirname(conf), boot["at"], notes] + WRITTEN),
            "free": free([boot["at"], SCRATCH_OF_MKINITRAMFS]),
            "notes_is_file": os.path.exists(notes) and not os.path.isdir(notes),
        },
        "on_usb": disk["is_root"] and not disk["is_boot"],
        "cmdline": read_text("/proc/cmdline"),
        "kernel": kernel,
        "kernel_has_modules": has_modules(kernel),
        "builtin_firmware": builtin_firmware(),
        "modules": sorted(
            drivers(boot["number"])
            | (drivers(disk["number"]) if disk["kind"] == "disk" else set())
            | {"ext4", "sd_mod", "uas", "usb_storage"}
        ),
        "home_used": home_used,
        "missing": sorted(package for program, package in PROGRAMS.items() if not has_program(program)),
        "fstab": read_text("/etc/fstab"),
        "swaps": [os.path.realpath(line.split()[0]) for line in read_text("/proc/swaps").splitlines()[1:]],
        "marker": marker_of(notes),
        "verified": read_text(os.path.join(notes, "verified")),
        "interrupted": any(os.path.exists(os.path.join(notes, each)) for each in ("interrupted", "copying")),
        "confirmed": read_text(os.path.join(notes, "confirmed")),
        "used": read_text(os.path.join(notes, "used")),
    }
    wanted = {
        "given": parameters["disk"],
        "confirm_serial": parameters["confirm_serial"],
        "root": root_size,
        "swap": swap_size,
        "home": home_size,
        "marker": system["marker"],
    }
    refused = refusals(disk, wanted)
    if system["on_usb"] and system["marker"] and system["marker"].get("serial") == disk["serial"]:
        # The root that runs is the very one that was made here.
        refused = []
    elif too_much and not refused:
        refused = [too_much]
    parts = {}
    if disk["kind"] == "disk":
        parts = {
            part: dict(each, whole=is_whole(part, each)) for part, each in parts_of(disk, swap_size).items()
        }
    if not refused and not system["on_usb"]:
        kept = kept_problem(system["marker"], layout(parameters), system["used"], parts, disk)
        refused = [kept] if kept else []
    loader = loader_of(
        parameters["l4t"],
        read_text("/proc/device-tree/compatible"),
        os.path.isdir(SYS + "/firmware/efi"),
    )
    path, problem, note = boot_path(
        parameters["l4t"], system["builtin_firmware"], system["boot"]["is_usb"], loader
    )
    return {
        "system": system,
        "disk": disk,
        "parts": parts,
        "plan": {"path": path or "", "problem": problem or "", "note": note},
        "refused": refused,
        "wanted": wanted,
    }


def write_note(path, text):
    """Put a small file in place for good."""
    with open(path + ".new", "w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.rename(path + ".new", path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def layout(parameters):
    """Return what of the layout is noted, to be compared later."""
    return {"root_gb": parameters["root_gb"], "swap_gb": parameters["swap_gb"]}


def partition(device, wanted):
    """Write the table, and have the kernel and udev see it."""
    run(
        ["sfdisk", "--quiet", "--wipe", "always", "--wipe-partitions", "always", device],
        script(wanted["root"], wanted["swap"]),
    )
    run(["partx", "-u", device], may_fail=True)
    run(["udevadm", "settle"], may_fail=True)
    run(["sync"])


def make_file_system(part, device):
    """Make a part's file system. It gets its label when it is whole."""
    if part == "swap":
        run(["mkswap", "-f", device])
        run(["swaplabel", "-L", NAMES[part], device])
    else:
        run(["mkfs.ext4", "-q", "-F", "-L", "edgebench-new", device])
        run(["sync"])
        run(["e2label", device, NAMES[part]])
    run(["sync"])


def present(module, seen):
    """Partition the disk and make the file systems, as far as it is not done; return what was done, in words."""
    parameters, wanted, disk = module.params, seen["wanted"], seen["disk"]
    marker = seen["system"]["marker"]
    done = []
    if seen["system"]["used"]:
        return done
    if marker is None:
        done.append("%s (%s) is noted as the disk of this board" % (disk["device"], disk["serial"]))
        if not module.check_mode:
            if not os.path.isdir(parameters["notes"]):
                os.mkdir(parameters["notes"], 0o755)
            marker = {
                "given": parameters["disk"],
                "serial": disk["serial"],
                "layout": layout(parameters),
                "empty": False,
            }
            write_note(os.path.join(parameters["notes"], "disk"), json.dumps(marker, sort_keys=True) + "\n")
    if not seen["parts"] or not (marker or {}).get("empty"):
        done.append(
            "partitioned: root %s, swap %s, /home the rest of %s"
            % (said(wanted["root"]), said(wanted["swap"]), said(disk["size"]))
        )
        if not module.check_mode:
            partition(disk["device"], wanted)
            # From here on what has the right label is ours, and not left over from before.
            marker["empty"] = True
            write_note(os.path.join(parameters["notes"], "disk"), json.dumps(marker, sort_keys=True) + "\n")
            seen.update(look(parameters))
            if not seen["parts"]:
                raise Trouble(
                    "the new partitions of %s do not appear. Unplug the disk and plug it in again, then rerun "
                    "[partitions-missing]" % disk["device"]
                )
    for part, each in sorted(seen["parts"].items()):
        if not each["whole"] or (done and module.check_mode):
            done.append("file system made: %s" % NAMES[part])
            if not module.check_mode:
                make_file_system(part, each["device"])
    if done and not module.check_mode:
        run(["udevadm", "settle"], may_fail=True)
        # udev names a file system by what it saw when the partition appeared.
        for each in seen["parts"].values():
            run(["udevadm", "trigger", "--action=change", "--name-match=" + each["device"]], may_fail=True)
        run(["udevadm", "settle"], may_fail=True)
        seen.update(look(parameters))
    return done


def main():
    module = AnsibleModule(
        argument_spec={
            "disk": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["read", "present"], "default": "read"},
            "confirm_serial": {"type": "str", "default": ""},
            "root_gb": {"type": "float", "required": True},
            "swap_gb": {"type": "float", "required": True},
            "l4t": {"type": "str", "default": ""},
            "conf": {"type": "path", "default": "/boot/extlinux/extlinux.conf"},
            "notes": {"type": "path", "default": "/boot/edgebench"},
        },
        supports_check_mode=True,
    )
    try:
        seen = look(module.params)
        done = []
        if module.params["state"] == "present":
            if seen["refused"]:
                module.fail_json(msg="Nothing was written: %s" % "\n".join(seen["refused"]), **seen)
            # The root that runs is not refused where it is the very one that was made here.
            done = [] if seen["system"]["on_usb"] else present(module, seen)
    except Trouble as error:
        module.fail_json(msg=str(error))
    except (IOError, OSError) as error:
        module.fail_json(msg="%s. Check the disk (sudo dmesg), then rerun [disk-io-failed]" % error)
    diff = {"before": "", "after": "".join(line + "\n" for line in done)} if done else {}
    module.exit_json(changed=bool(done), done=done, diff=diff, **seen)


if __name__ == "__main__":
    main()
