#!/usr/bin/python
# Copyright the edgebench authors. Licensed under Apache-2.0.
# Runs on the managed host under Python 2.7 or 3.5 and newer: no f-strings, no annotations.
# ruff: noqa: PTH104, PTH108, PTH112, PTH114, PTH115, PTH116, PTH118, PTH119, PTH120, PTH123, RUF005, UP001, UP010, UP024, UP031, E402, B904
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: extlinux
short_description: Manage the boot labels in extlinux.conf
description:
  - Adds, changes and removes labels in C(extlinux.conf), the file that tells a board's boot loader what to boot, and
    sets which of them is booted by itself.
  - Reads the file as the loader does, U-Boot or NVIDIA's L4TLauncher (see O(loader)). Comments, order, spelling, blanks
    and everything that it does not know stay as they are, byte for byte; only the lines that must change do.
  - Writes nothing that would not boot. What it refuses is listed in the notes; each message names the file, the line,
    the value and what to do.
  - A power cut while it writes leaves the old file or the new one, never half of one. The new text goes to a file of
    its own in the same folder, which is synced, renamed over the old one, and the folder synced. Owner, mode and
    SELinux context are kept. A file left over by a power cut has a name that U-Boot does not read and is removed by
    the next run.
options:
  path:
    description:
      - The file. A symbolic link is followed, and stays.
      - It must be there already; a board's first one comes with its image.
    type: path
    default: /boot/extlinux/extlinux.conf
  state:
    description:
      - V(present) makes O(label), if it is given, have what the other options say, and adds it below the other labels
        if it is not there.
      - V(absent) removes O(label), with the comments between its lines. The default label can only be removed along
        with naming another O(default).
      - V(read) changes nothing and returns what the file says. It takes no option but O(path) and O(boot_root).
    type: str
    choices: [present, absent, read]
    default: present
  label:
    description: The name of the label to manage, spelled exactly as in the file.
    type: str
  menu_label:
    description: The label's text in the menu. An empty string takes it away.
    type: str
  linux:
    description:
      - The kernel, as U-Boot is to find it, from the root of the file system that holds O(path), or from O(path)'s own
        folder when it does not begin with a slash.
      - A new label needs this or O(copy_from).
    type: str
    aliases: [kernel]
  initrd:
    description: The initial RAM disk, found like O(linux). An empty string takes it away.
    type: str
  fdt:
    description: The device tree, found like O(linux). An empty string takes it away.
    type: str
  append:
    description:
      - The whole kernel command line. An empty string takes it away.
      - Without it O(append_set) and O(append_remove) start from the command line of O(copy_from), or else from what the
        label has.
    type: str
  append_set:
    description:
      - Words of the command line to set, by what stands before C(=). A word takes the place of the first one with this
        key, others with the same key go; without one it is added at the end, and several in the order of their keys.
      - V(null) or V(true) sets a bare word, such as C(quiet); a list sets several words with one key, such as
        C(console).
    type: dict
  append_remove:
    description:
      - Words of the command line to remove, before O(append_set) is looked at.
      - C(rootwait) means this word and also one with a value, C(console=tty0) exactly this word.
    type: list
    elements: str
  copy_from:
    description:
      - The name of a label that this one is to be like. Kernel, initrd, device tree, overlays, command line and lines
        with keywords that the loader does not know are taken from it where no option says otherwise, on every run; a
        key that it does not have is removed. Blanks at the ends of values are left out.
    type: str
  default:
    description: The name of the label to boot by itself. It may be the one that the same task adds.
    type: str
  timeout:
    description: How long the menu waits before that, in tenths of a second.
    type: int
  backup:
    description:
      - Whether to keep the old file beside the new one before it is changed, with the time (UTC) in its name.
    type: bool
    default: false
  loader:
    description:
      - The boot loader that reads the file. V(l4tlauncher) is the UEFI application of L4T 34 and later (Xavier, Orin,
        Thor).
      - V(auto) goes by the system's own release of L4T in C(/etc/nv_tegra_release) where O(boot_root) is V(/).
        Elsewhere a file with the keyword C(OVERLAYS) is for L4TLauncher, any other one for U-Boot.
    type: str
    choices: [auto, u-boot, l4tlauncher]
    default: auto
  boot_root:
    description:
      - Where the root of the file system that U-Boot reads the file from is mounted; kernels, initrds and device trees
        are looked for in there, symbolic links included. C(/boot) where that is a partition of its own.
    type: path
    default: /
attributes:
  check_mode:
    description:
      - Can run in check mode and return the changed state without changing anything. A kernel, initrd or device tree
        that the task itself names and that is missing is then a warning, because an earlier task may create it.
    support: full
  diff_mode:
    description: Returns the file before and after in diff mode.
    support: full
  safe_file_operations:
    description: Replaces the file by renaming, and syncs file and folder, which most modules do not.
    support: full
  platform:
    description: Target operating systems.
    platforms: linux
    support: full
notes:
  - "Refused, before anything is written, in the label at hand, the one that it is copied from and the default one: a
    kernel, initrd or device tree that is not there or is empty, no kernel, two C(root=), no C(root=) (see below),
    C(root=) before C(${cbootargs}), a command line of more than 2047 bytes, lines that U-Boot does not reach. In other
    labels the same is a warning."
  - "Refused for the whole file: a default that is no label (a warning where only blanks at the end differ and the label
    that is meant is the first one, which U-Boot then boots), two labels with one name, a keyword without its value (at
    which U-Boot passes over the file or crashes), line ends of Windows (U-Boot takes the carriage return for a part of
    the value), a menu with a timeout of less than a second (U-Boot waits for a key for ever), a binary file."
  - "NVIDIA's L4T: the command line usually begins with C(${cbootargs}), which the boot loader before U-Boot supplies
    and which holds a C(root=) of its own. A label with C(${cbootargs}) therefore needs no C(root=); one that is given
    must stand behind it, for the kernel goes by the last one. O(append_set) puts a new one there."
  - "A label that is commented out is a comment, and is left alone."
  - "U-Boot ends a label at the first keyword that it does not know there, and a U-Boot of before 2021, as in JetPack 4,
    does not know C(FDTOVERLAYS); there is a warning where other lines of the label follow."
  - "L4TLauncher passes over what it does not know, boots the first of labels with one name, reads ten labels at most,
    takes '#' for a comment anywhere, and boots at once where TIMEOUT is 0."
  - "Labels in files that the file includes are not seen."
  - "Two tasks that run at the same time wait for each other."
seealso:
  - name: U-Boot, extlinux
    description: What U-Boot reads.
    link: https://docs.u-boot.org/en/latest/develop/bootstd/extlinux.html
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Look at what the board boots
  edgebench.edge.extlinux:
    state: read
  register: boot

- name: Add a label that boots the same kernel with another root, the default staying what it is
  edgebench.edge.extlinux:
    label: usb
    menu_label: root on USB
    copy_from: primary
    initrd: /boot/initrd-xusb.img
    append_remove: [rootwait]
    append_set:
      root: PARTUUID=6c1f4c22-01
      rootdelay: 15
      panic: 10
    backup: true

- name: Boot it from now on
  edgebench.edge.extlinux:
    default: usb

- name: Put everything back
  edgebench.edge.extlinux:
    label: usb
    state: absent
    default: primary

- name: Keep a second kernel at hand
  edgebench.edge.extlinux:
    label: backup
    menu_label: kernel before the update
    copy_from: primary
    linux: /boot/Image.backup
    timeout: 30

- name: Change a label on an SD card in a reader
  edgebench.edge.extlinux:
    path: /media/sd/boot/extlinux/extlinux.conf
    boot_root: /media/sd
    label: primary
    append_set:
      console: ["ttyS0,115200n8", tty0]
      quiet:
"""

RETURN = r"""
path:
  description: The file, with symbolic links followed.
  returned: always
  type: str
  sample: /boot/extlinux/extlinux.conf
default:
  description:
    - The label that is booted by itself after the task. Without DEFAULT, or where that is no label, it is the first
      one. In check mode as it would be.
  returned: success
  type: str
  sample: primary
loader:
  description: The boot loader as which the file was read.
  returned: as soon as the file could be read
  type: str
  sample: u-boot
timeout:
  description: The menu's timeout in tenths of a second, null where the file sets none.
  returned: success
  type: int
  sample: 30
order:
  description: The names of the labels, in the order of the file.
  returned: success
  type: list
  elements: str
  sample: [primary, usb]
labels:
  description:
    - The labels by name, each with those of the keys C(menu_label), C(linux), C(initrd), C(fdt), C(fdtdir),
      C(fdtoverlays), C(overlays), C(append), C(ipappend), C(localboot), C(say) that it has; any other keyword in lower
      case; C(root), the value of the last C(root=) in its command line, or null; and C(line), where it begins.
  returned: success
  type: dict
  sample:
    primary:
      menu_label: primary kernel
      linux: /boot/Image
      initrd: /boot/initrd
      append: ${cbootargs} quiet
      root:
      line: 6
problems:
  description:
    - What keeps the board from booting as meant, each with C(line), C(label) (null if it concerns the whole file),
      C(certain) (false for what only stops some boards), C(code) and C(message). A task that
      fails returns them, too, for the file as it would be written.
  returned: always, as soon as the file could be read
  type: list
  elements: dict
  sample: []
backup_file:
  description: The copy of the old file.
  returned: changed, and O(backup) is true
  type: str
  sample: /boot/extlinux/extlinux.conf.20220219T120000~
"""

import errno
import fcntl
import os
import re
import stat
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_native
from ansible_collections.edgebench.edge.plugins.module_utils.extlinux_conf import (
    BLANKS,
    COPIED_KEYS,
    LOADERS,
    SIZE_LIMIT,
    ConfError,
    edit_append,
    loader_of,
    parse,
    show,
    text,
)

VALUES = ["menu_label", "linux", "initrd", "fdt", "append"]
CHANGES = ["label", "copy_from", "append_set", "append_remove", "default", "timeout", "menu_label"] + VALUES[
    1:
]
LINKS_LIMIT = 40
LOCK_WAIT_S = 30
RELEASE = "/etc/nv_tegra_release"


class Refusal(Exception):
    """The task cannot be done: the message, which ends with the remedy, and its code."""


class NoBootError(Exception):
    """The file as it would be written does not boot: a message and its code for each problem."""


def inside(root, path):
    """Return the path that U-Boot's `path` has on this system: links are followed as if `root` were /."""
    left = path.split(b"/")[::-1]
    done = []
    links = 0
    while left:
        part = left.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            done = done[:-1]
            continue
        here = os.path.join(root, *(done + [part]))
        if os.path.islink(here) and links < LINKS_LIMIT:
            links += 1
            target = os.readlink(here)
            if target.startswith(b"/"):
                done = []
            left.extend(target.split(b"/")[::-1])
        else:
            done.append(part)
    return os.path.join(root, *done)


def looker(path, boot_root):
    """Return the function that tells why U-Boot cannot load a file, as (code, reason), or None if it can."""

    def look(value):
        if value.startswith(b"/"):
            place = inside(boot_root, value)
        else:
            place = os.path.join(os.path.dirname(path), value)
        try:
            found = os.stat(place)
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) in (errno.ENOENT, errno.ENOTDIR):
                return "boot-file-missing", "is missing (expected %s)" % show(place)
            return "boot-file-unreadable", "cannot be read (%s): %s" % (show(place), to_native(error))
        if not stat.S_ISREG(found.st_mode):
            return "boot-file-not-regular", "is not a regular file (%s)" % show(place)
        if not found.st_size:
            return "boot-file-empty", "is empty (%s)" % show(place)
        return None

    return look


def read(path):
    """Return the file's bytes."""
    try:
        # A pipe or a device in its place must not make this wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refusal(
                    "not a regular file. Set `path` to the board's extlinux.conf", "file-not-regular"
                )
            data = b""
            while len(data) <= SIZE_LIMIT:
                part = os.read(descriptor, SIZE_LIMIT)
                if not part:
                    break
                data += part
            return data
        finally:
            os.close(descriptor)
    except (IOError, OSError) as error:
        code, remedy = {
            errno.ENOENT: (
                "file-missing",
                "Check that this board boots by extlinux and that its boot partition is mounted",
            ),
            errno.EACCES: ("file-unreadable", "Run the task with `become: true`"),
        }.get(error.errno, ("file-unreadable", "Check the disk"))
        raise Refusal("cannot read the file: %s. %s" % (os.strerror(error.errno), remedy), code)


def lock(path):
    """Wait until no other task changes the file; return a descriptor of its folder, which holds the lock."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    end = time.time() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (IOError, OSError) as error:
            # Some network file systems lock no folders; there one does without.
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                return folder
            if time.time() > end:
                os.close(folder)
                raise Refusal(
                    "another task has been changing the file for %d s. Rerun when it has ended" % LOCK_WAIT_S,
                    "file-busy",
                )
            time.sleep(0.1)
        else:
            return folder


def new_name(path):
    """Return the name of the file that is written first."""
    return os.path.join(os.path.dirname(path), b"." + os.path.basename(path) + b".new")


def remove(path):
    """Remove a file that may not be there."""
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def put(module, path, data, folder, conf):
    """Make `path`, the file `conf` or one beside it, hold `data` in one step; owner, mode and context are `conf`'s.

    What is in the file is on the disk before the name points to it, and the name before this returns.
    """
    new = new_name(conf)
    old = os.stat(conf)
    remove(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            made = os.fstat(descriptor)
            if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
                os.fchown(descriptor, old.st_uid, old.st_gid)
            if stat.S_IMODE(made.st_mode) != stat.S_IMODE(old.st_mode):
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            if module.selinux_enabled():
                context = module.selinux_context(to_native(conf))
                module.set_context_if_different(to_native(new), context, False)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(new, path)
    except BaseException:
        remove(new)
        raise
    os.fsync(folder)


def backup_name(path):
    """Return a name beside the file that nothing has."""
    name = path + time.strftime(".%Y%m%dT%H%M%S", time.gmtime()).encode("ascii")
    wanted, number = name + b"~", 1
    while os.path.lexists(wanted):
        number += 1
        wanted = b"%s-%d~" % (name, number)
    return wanted


def appended(settings):
    """Return the option append_set as a list of (key, words), in an order that is the same on every run."""
    found = []
    for key, value in sorted((settings or {}).items()):
        name = to_bytes(key)
        if b"=" in name:
            raise Refusal(
                "append_set: the key %s contains '='. Write it as `key: value`" % show(name),
                "append-key-invalid",
            )
        words = []
        for one in value if isinstance(value, list) else [value]:
            if one is None or one is True:
                words.append(name)
            elif one is False or isinstance(one, (dict, list)):
                raise Refusal(
                    "append_set: %s is %s; expected a string, a number or null. To remove a word, use append_remove"
                    % (show(name), one),
                    "append-value-invalid",
                )
            else:
                words.append(name + b"=" + to_bytes(one, nonstring="simplerepr"))
        if not words:
            raise Refusal(
                "append_set: %s is an empty list. To remove a word, use append_remove" % show(name),
                "append-value-empty",
            )
        found.append((name, words))
    return found


def loader(data, parameters):
    """Return the loader that reads the file: the one that is given, else the system's own, else the file's."""
    if parameters["loader"] != "auto":
        return parameters["loader"]
    release = None
    if parameters["boot_root"] == "/":
        try:
            with open(RELEASE, "rb") as handle:
                found = re.match(b"# R([0-9]+) ", handle.read(80))
            release = found and found.group(1).decode("ascii")
        except (IOError, OSError):
            pass
    return loader_of(data, release)


def wanted_values(conf, parameters):
    """Return what the label is to have, a dict of key and bytes, None for what it is not to have."""
    name = to_bytes(parameters["label"])
    values = {}
    source = None
    if parameters["copy_from"] is not None:
        source = conf.label(to_bytes(parameters["copy_from"]))
        if source is None:
            raise Refusal(
                "copy_from: unknown label %s; the file has %s. Use one of them"
                % (show(to_bytes(parameters["copy_from"])), ", ".join(show(one.name) for one in conf.labels)),
                "label-unknown",
            )
        for key in COPIED_KEYS:
            found = conf.value(source, key)
            values[key] = None if found is None else found.strip(BLANKS)
    for option in VALUES:
        if parameters[option] is not None:
            values[option.replace("_", " ")] = to_bytes(parameters[option]) or None
    label = conf.label(name)
    if parameters["append_set"] or parameters["append_remove"]:
        start = values.get("append")
        if "append" not in values and label is not None:
            start = conf.value(label, "append")
        removals = [to_bytes(word) for word in parameters["append_remove"] or []]
        values["append"] = edit_append(start or b"", appended(parameters["append_set"]), removals) or None
    if values.get("linux") is None and (label is None or "linux" in values) and source is None:
        raise Refusal("label %s has no kernel. Set linux or copy_from" % show(name), "kernel-not-set")
    return values


def edit(conf, parameters):
    """Make the changes that the options ask for."""
    name = None if parameters["label"] is None else to_bytes(parameters["label"])
    if parameters["state"] == "present" and name is not None:
        like = to_bytes(parameters["copy_from"] or "") or None
        values = wanted_values(conf, parameters)
        given = [option.replace("_", " ") for option in VALUES if parameters[option] is not None]
        if parameters["append_set"] or parameters["append_remove"]:
            # The words were looked at one by one; what stands around them is the file's.
            given = [key for key in given if key != "append"]
            if parameters["append"]:
                conf.check_value("append", to_bytes(parameters["append"]))
        source = None if like is None else conf.label(like)
        conf.set_label(name, values, like, given, None if source is None else conf.unread(source))
    if parameters["timeout"] is not None:
        conf.set_timeout(parameters["timeout"])
    if parameters["default"] is not None and to_bytes(parameters["default"]) != (
        name if parameters["state"] == "absent" else None
    ):
        conf.set_default(to_bytes(parameters["default"]))
    if parameters["state"] == "absent" and conf.label(name) is not None:
        if len([label for label in conf.labels if label.name == name]) > 1:
            raise Refusal(
                "label %s is defined more than once. Delete the wrong one by hand" % show(name),
                "label-duplicate",
            )
        if conf.default == name:
            others = [show(label.name) for label in conf.labels if label.name != name]
            raise Refusal(
                "label %s is the default and cannot be removed. %s"
                % (
                    show(name),
                    "Set `default` to another label: %s" % " or ".join(others)
                    if others
                    else "Add another label first",
                ),
                "label-is-default",
            )
        conf.remove_label(name)


def check_options(parameters):
    """Raise Refusal where the options do not go together."""
    given = [name for name in CHANGES if parameters[name] is not None]
    if parameters["state"] == "read" and given:
        raise Refusal(
            "state read changes nothing, so %s does not apply. Remove it from the task" % given[0],
            "option-not-applicable",
        )
    if parameters["state"] == "absent":
        if parameters["label"] is None:
            raise Refusal("state absent needs `label`, the one to remove", "label-required")
        for name in given:
            if name not in ("label", "default", "timeout"):
                raise Refusal(
                    "state absent removes a label, so %s does not apply. Remove it from the task" % name,
                    "option-not-applicable",
                )
    if parameters["state"] == "present":
        if not given:
            raise Refusal(
                "the task has nothing to do. Set label, default or timeout, or use state read",
                "options-missing",
            )
        for name in given:
            if name not in ("label", "default", "timeout") and parameters["label"] is None:
                raise Refusal("%s needs `label`, the one to change" % name, "label-required")
    if parameters["timeout"] is not None and not 0 <= parameters["timeout"] <= 35996:
        raise Refusal(
            "timeout: %d tenths of a second is out of range. Set 0 to 35996 (an hour)"
            % parameters["timeout"],
            "timeout-out-of-range",
        )


def run(module, path, answer):
    """Do what is asked for and fill in the answer."""
    parameters = module.params
    check_options(parameters)
    folder = None
    try:
        changes = parameters["state"] != "read" and not module.check_mode
        if changes and os.path.isdir(os.path.dirname(path)):
            folder = lock(path)
            remove(new_name(path))
        old = read(path)
        answer["loader"] = loader(old, parameters)
        conf = parse(old, answer["loader"])
        before = [line.data() for line in conf.lines]
        if parameters["state"] != "read":
            edit(conf, parameters)
        new = conf.data()
        look = looker(path, to_bytes(parameters["boot_root"]))
        problems = conf.problems(look)
        answer["problems"] = [
            {
                "line": problem.line,
                "label": None if problem.label is None else text(problem.label),
                "certain": problem.certain,
                "code": problem.code,
                "message": problem.message,
            }
            for problem in problems
        ]
        if parameters["state"] != "read":
            judge(module, conf, problems, before, path)
        answer["changed"] = new != old
        answer["default"] = None if conf.booted is None else text(conf.booted)
        answer["timeout"] = conf.timeout
        answer["order"] = [text(label.name) for label in conf.labels]
        answer["labels"] = {text(label.name): conf.describe(label) for label in conf.labels}
        if new == old:
            return
        answer["diff"] = {
            "before": text(old),
            "after": text(new),
            "before_header": text(path),
            "after_header": text(path),
        }
        if module.check_mode:
            return
        if parameters["backup"]:
            kept = backup_name(path)
            put(module, kept, old, folder, path)
            answer["backup_file"] = text(kept)
        put(module, path, new, folder, path)
    finally:
        if folder is not None:
            os.close(folder)


def judge(module, conf, problems, before, path):
    """Raise Refusal where the label at hand, the default one or the whole file would not boot; warn of the rest."""
    at_hand = [conf.booted]
    own = None
    if module.params["state"] == "present" and module.params["label"] is not None:
        own = to_bytes(module.params["label"])
        at_hand += [own, to_bytes(module.params["copy_from"] or "")]
    refused = []
    for problem in problems:
        raw = conf.lines[problem.line - 1].data() if problem.line <= len(conf.lines) else None
        there = problem.line <= len(before) and before[problem.line - 1] == raw
        message = "line %d%s: %s" % (
            problem.line,
            "" if there or raw is None else " (new)",
            problem.message,
        )
        # In check mode an earlier task may not have made the file that this one names.
        named = problem.key is not None and module.params.get(problem.key) is not None
        later = problem.missing and module.check_mode and problem.label == own and named
        certain = problem.certain and not later
        if certain and (problem.label is None or problem.label in at_hand):
            refused.append((message, problem.code))
        else:
            module.warn("%s, %s [%s]" % (text(path), message, problem.code))
    if refused:
        raise NoBootError(*refused)


def fail(module, path, problems, answer):
    """End the task with all problems, each with its code."""
    found = "\n".join("%s [%s]" % problem for problem in problems)
    module.fail_json(msg="%s was not changed: %s" % (text(path), found), **answer)


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/boot/extlinux/extlinux.conf"},
            "state": {"type": "str", "choices": ["present", "absent", "read"], "default": "present"},
            "label": {"type": "str"},
            "menu_label": {"type": "str"},
            "linux": {"type": "str", "aliases": ["kernel"]},
            "initrd": {"type": "str"},
            "fdt": {"type": "str"},
            "append": {"type": "str"},
            "append_set": {"type": "dict"},
            "append_remove": {"type": "list", "elements": "str"},
            "copy_from": {"type": "str"},
            "default": {"type": "str"},
            "timeout": {"type": "int"},
            "backup": {"type": "bool", "default": False},
            "loader": {"type": "str", "choices": ["auto"] + list(LOADERS), "default": "auto"},
            "boot_root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    path = os.path.realpath(to_bytes(module.params["path"]))
    answer = {"changed": False, "path": text(path)}
    try:
        run(module, path, answer)
    except ConfError as error:
        where = "line %d: " % error.line if error.line else ""
        fail(module, path, [(where + error.message, error.code)], answer)
    except Refusal as error:
        fail(module, path, [error.args], answer)
    except NoBootError as error:
        fail(module, path, error.args, answer)
    except (IOError, OSError) as error:
        message = (
            "cannot write %s: %s. The file is either unchanged or complete. Free space on the disk or remount it "
            "read-write, then rerun [write-failed]" % (text(path), to_native(error))
        )
        module.fail_json(msg=message, **answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
