# Copyright the edgebench authors. Licensed under Apache-2.0.
"""The lock files of TensorFlow stacks that this checkout has: its own, and those that provisioning made."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DOCUMENTATION = r"""
name: edgebench_locks
short_description: Find the lock files of TensorFlow stacks
description:
  - >-
    A lock of the checkout, in C(requirements/runtime), comes before one that this controller keeps in
    C(.edgebench/locks). A kept one counts only if it holds what the stack's C(.in) pins.
  - Touches no host.
positional: root
options:
  _input:
    description: The table, as in C(files/tensorflow_stacks.yml).
    type: list
    elements: dict
    required: true
  root:
    description: The checkout.
    type: path
    required: true
author: The edgebench authors
"""

EXAMPLES = r"""
locks: "{{ stacks | edgebench_locks(playbook_dir) }}"
"""

RETURN = r"""
_value:
  description: The path of each lock file that can be used, by its name.
  type: dict
"""

KEPT = ".edgebench/locks"


def _pins(path: Path) -> set[tuple[str, str]]:
    """Return the packages that a file pins for every environment, as (name, version), both normalized."""
    # ansible-core brings it, but ansible-test imports plugins where it is missing.
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    found = set()
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            requirement = Requirement(line.partition(" #")[0].strip().rstrip("\\").strip())
            pinned = [Version(each.version) for each in requirement.specifier if each.operator == "=="]
        except (InvalidRequirement, InvalidVersion):
            continue
        if pinned and not requirement.marker:
            found.add((canonicalize_name(requirement.name), str(pinned[0])))
    return found


def missing(source: Path, lock: Path) -> list[str]:
    """Return what a .in pins and its lock does not hold: ["keras==2.7.0"]."""
    return sorted("==".join(each) for each in _pins(source) - _pins(lock))


def locks(stacks: Iterable[dict[str, Any]], root: str) -> dict[str, str]:
    """Return {name: path} of the lock files; see DOCUMENTATION."""
    found = {}
    for name in [stack["lock"] for stack in stacks]:
        own = Path(root, "requirements/runtime", name)
        kept = Path(root, KEPT, name)
        if own.is_file():
            found[name] = str(own)
        elif kept.is_file() and not missing(own.with_name(f"{name.removesuffix('.txt')}.in"), kept):
            found[name] = str(kept)
    return found


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_locks": locks}


# Asked by tools/lock.sh, so that both agree.
if __name__ == "__main__":
    sys.exit(bool(missing(Path(sys.argv[1]), Path(sys.argv[2]))))
