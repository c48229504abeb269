#!/usr/bin/python
# Copyright the edgebench authors. Licensed under Apache-2.0.
# Runs on the managed host under Python 2.7 or 3.5 and newer: no f-strings, no annotations.
# ruff: noqa: PTH103, PTH104, PTH107, PTH112, PTH114, PTH120, PTH123, UP001, UP010, UP024, UP031, E402
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: edgebench_usb_files
short_description: Have a set of small text files on a host, and others not
description:
  - Writes files that belong together in one round trip, which on a slow board saves minutes, and which in check mode
    tells the truth on a bare board, whose folders are not there yet.
  - A file is written under another name and synced before it takes the old one's place. Owner is root. Folders that are
    missing are made with mode 0755.
options:
  files:
    description: The files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path on the host.
        type: path
        required: true
      content:
        description: The whole text of the file.
        type: str
        required: true
      mode:
        description: Permissions, as octal digits.
        type: str
        default: "0644"
  absent:
    description: Files and folders that are to be gone, folders with all that is in them.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    description: Reports what it would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows the text before and after.
    support: full
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Have a script and its settings
  edgebench.edge.edgebench_usb_files:
    files:
      - {path: /usr/local/sbin/example, content: "#!/bin/sh\n", mode: "0755"}
    absent: [/etc/example.old]
"""

RETURN = r"""
written:
  description: The paths that were written, or would be.
  returned: success
  type: list
  elements: str
removed:
  description: The paths that were removed, or would be.
  returned: success
  type: list
  elements: str
"""

import os
import shutil
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes

ROOT = 0


def state_of(path):
    """Return (content, mode) of a file; (None, None) where there is none."""
    try:
        with open(path, "rb") as handle:
            return handle.read(), stat.S_IMODE(os.fstat(handle.fileno()).st_mode)
    except (IOError, OSError):
        return None, None


def write(path, content, mode):
    """Put a file in place."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o755)
    new = path + ".edgebench-new"
    with open(new, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fchmod(handle.fileno(), mode)
        if os.getuid() == ROOT:
            os.fchown(handle.fileno(), ROOT, ROOT)
        os.fsync(handle.fileno())
    os.rename(new, path)


def main():
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                },
            },
            "absent": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    written, removed, diff = [], [], []
    try:
        for each in module.params["files"]:
            content, mode = to_bytes(each["content"]), int(each["mode"], 8)
            old, old_mode = state_of(each["path"])
            if (old, old_mode) == (content, mode):
                continue
            written.append(each["path"])
            diff.append(
                {
                    "before_header": "%s (%s)" % (each["path"], "%04o" % old_mode if old_mode else "absent"),
                    "after_header": "%s (%04o)" % (each["path"], mode),
                    "before": (old or b"").decode("utf-8", "replace"),
                    "after": each["content"],
                }
            )
            if not module.check_mode:
                write(each["path"], content, mode)
        for path in module.params["absent"]:
            if not os.path.lexists(path):
                continue
            removed.append(path)
            diff.append(
                {"before_header": path, "after_header": path, "before": "present\n", "after": "absent\n"}
            )
            if not module.check_mode:
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.remove(path)
    except (IOError, OSError) as error:
        message = (
            "%s. Free space on the disk or remount it read-write, then rerun [files-not-written]" % error
        )
        module.fail_json(msg=message, written=written)
    module.exit_json(changed=bool(written or removed), written=written, removed=removed, diff=diff)


if __name__ == "__main__":
    main()
