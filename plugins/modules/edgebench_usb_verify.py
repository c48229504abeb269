#!/usr/bin/python
# Copyright the edgebench authors. Licensed under Apache-2.0.
# Runs on the managed host under Python 2.7 or 3.5 and newer: no f-strings, no annotations.
# ruff: noqa: C420, PTH112, PTH114, PTH115, PTH120, PTH123, PTH208, UP001, UP010, UP024, UP031, E402
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: edgebench_usb_verify
short_description: Compare the copy of a running root file system with it
description:
  - Walks the running root file system (that one only, nothing mounted in it) and compares everything with its copy by
    kind, size, owner, mode, time and link target, and files by content as far as O(checksums) says, read from the disk
    and not from memory. Looks the other way, too, for what the copy has in excess.
  - The system runs on. What has changed since O(since) may differ, and is counted apart.
  - Changes nothing.
options:
  source:
    description: The root.
    type: path
    default: /
  target:
    description: Where its copy is mounted.
    type: path
    required: true
  exclude:
    description: Paths, as seen from the root, that are left out with all below them.
    type: list
    elements: str
    default: []
  checksums:
    description: Whether the contents of no, some (evenly spread, by V(sample) files) or all files are compared.
    type: str
    choices: [none, sample, all]
    default: sample
  sample:
    description: How many files to compare.
    type: int
    default: 500
  since:
    description: When the copying began, in seconds since 1970; what changed later may differ. 0 for nothing may.
    type: float
    default: 0
attributes:
  check_mode:
    support: full
    description: It changes nothing anyway.
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Compare
  edgebench.edge.edgebench_usb_verify:
    target: /run/edgebench-usb-root/target
    exclude: [/etc/fstab]
    checksums: all
"""

RETURN = r"""
counts:
  description: Numbers of files, folders, links, others, bytes, files compared by content, and what changed meanwhile.
  returned: always
  type: dict
problems:
  description: What differs, at most fifty, each with its code at the end.
  returned: always
  type: list
  elements: str
"""

import os
import stat
import subprocess

from ansible.module_utils.basic import AnsibleModule

KINDS = {stat.S_IFREG: "files", stat.S_IFDIR: "folders", stat.S_IFLNK: "links"}
CHUNK = 1 << 20
SHOWN = 50


def walk(source, excluded):
    """Yield (path from the root, lstat) of everything on the file system of `source`, but for excluded paths."""
    device = os.lstat(source).st_dev
    stack = ["/"]
    while stack:
        folder = stack.pop()
        try:
            names = sorted(os.listdir(join(source, folder)), reverse=True)
        except OSError:
            continue
        folders = []
        for name in reversed(names):
            path = folder.rstrip("/") + "/" + name
            if path in excluded:
                continue
            try:
                found = os.lstat(join(source, path))
            except OSError:
                continue
            mounted = found.st_dev != device
            yield path, found, mounted
            if stat.S_ISDIR(found.st_mode) and not mounted:
                folders.append(path)
        stack.extend(reversed(folders))


def join(root, path):
    """Return where a path, as seen from a root, lies."""
    return root.rstrip("/") + path


def difference(path, found, other, source, target):
    """Return how a file and its copy differ except for their contents, with the code; None if they do not."""
    if stat.S_IFMT(found.st_mode) != stat.S_IFMT(other.st_mode):
        return "has another type than its copy [type-differs]"
    if (found.st_uid, found.st_gid) != (other.st_uid, other.st_gid):
        return "belongs to %d:%d, its copy to %d:%d [owner-differs]" % (
            found.st_uid,
            found.st_gid,
            other.st_uid,
            other.st_gid,
        )
    if stat.S_ISLNK(found.st_mode):
        if os.readlink(join(source, path)) != os.readlink(join(target, path)):
            return "is a link to another target than its copy [target-differs]"
        return None
    if stat.S_IMODE(found.st_mode) != stat.S_IMODE(other.st_mode):
        return "has mode %04o, its copy %04o [mode-differs]" % (
            stat.S_IMODE(found.st_mode),
            stat.S_IMODE(other.st_mode),
        )
    if stat.S_ISREG(found.st_mode):
        if found.st_size != other.st_size:
            return "has %d bytes, its copy %d [size-differs]" % (found.st_size, other.st_size)
        if int(found.st_mtime) != int(other.st_mtime):
            return "has another modification time than its copy [time-differs]"
    elif found.st_rdev != other.st_rdev and (stat.S_ISBLK(found.st_mode) or stat.S_ISCHR(found.st_mode)):
        return "is another device than its copy [device-differs]"
    return None


def same_content(one, other):
    """Return whether two files hold the same bytes."""
    with open(one, "rb") as left, open(other, "rb") as right:
        while True:
            part = left.read(CHUNK)
            if part != right.read(CHUNK):
                return False
            if not part:
                return True


def compare(source, target, excluded, checksums, sample, since):
    """Return (counts, problems)."""
    counts = {name: 0 for name in ("files", "folders", "links", "others", "bytes", "compared", "changed")}
    problems, regular = [], []

    def differs(path, found, what):
        if since and max(found.st_mtime, found.st_ctime) >= since:
            counts["changed"] += 1
        else:
            problems.append("%s %s" % (path, what))

    for path, found, mounted in walk(source, excluded):
        counts[KINDS.get(stat.S_IFMT(found.st_mode), "others")] += 1
        try:
            other = os.lstat(join(target, path))
        except OSError:
            # Sockets of programs that run come and go.
            if not stat.S_ISSOCK(found.st_mode):
                differs(path, found, "is missing in the copy [file-missing]")
            continue
        if mounted:
            continue
        what = difference(path, found, other, source, target)
        if what:
            differs(path, found, what)
        elif stat.S_ISREG(found.st_mode):
            counts["bytes"] += found.st_size
            if found.st_size:
                regular.append(path)
    chosen = {"none": [], "all": regular, "sample": spread(regular, sample)}[checksums]
    for path in chosen:
        found = os.lstat(join(source, path)) if os.path.lexists(join(source, path)) else None
        if found is None:
            continue
        counts["compared"] += 1
        try:
            same = same_content(join(source, path), join(target, path))
        except (IOError, OSError) as error:
            problems.append("%s cannot be read: %s [file-unreadable]" % (path, error.strerror))
            continue
        if not same:
            differs(path, os.lstat(join(source, path)), "has other contents than its copy [content-differs]")
    for path in excess(source, target, excluded):
        # A file removed since changed the time of its folder.
        folder = os.path.dirname(path)
        differs(path, os.lstat(join(source, folder)), "is only in the copy [file-unexpected]")
    return counts, problems


def excess(source, target, excluded):
    """Yield what the copy has and the root has not, without what lies in it."""
    stack = ["/"]
    while stack:
        folder = stack.pop()
        for name in sorted(os.listdir(join(target, folder))):
            path = folder.rstrip("/") + "/" + name
            if path in excluded:
                continue
            if not os.path.lexists(join(source, path)):
                yield path
            elif os.path.isdir(join(target, path)) and not os.path.islink(join(target, path)):
                stack.append(path)


def spread(paths, count):
    """Return `count` of the paths, evenly spread."""
    if len(paths) <= count:
        return paths
    return [paths[index * len(paths) // count] for index in range(count)]


def forget_cached():
    """Have files read from the disk; without the right to ask for it, do without."""
    try:
        subprocess.call(["sync"])
        with open("/proc/sys/vm/drop_caches", "w") as handle:
            handle.write("3\n")
    except (IOError, OSError):
        pass


def main():
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "default": "/"},
            "target": {"type": "path", "required": True},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "checksums": {"type": "str", "choices": ["none", "sample", "all"], "default": "sample"},
            "sample": {"type": "int", "default": 500},
            "since": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    options = module.params
    forget_cached()
    counts, problems = compare(
        options["source"],
        options["target"],
        set(options["exclude"]),
        options["checksums"],
        options["sample"],
        options["since"],
    )
    answer = {"changed": False, "counts": counts, "problems": problems[:SHOWN]}
    if problems:
        told = (
            "the copy at %s differs from the running system in %d place(s): %s. Rerun the playbook: it copies them "
            "again. If they still differ, the USB disk is unreliable: sudo dmesg [copy-differs]"
        )
        told %= (options["target"], len(problems), "; ".join(problems[:5]))
        module.fail_json(msg=told, **answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
