# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Which Pythons of hosts the ansible-core that runs can manage."""

from __future__ import annotations

from typing import Any

from ansible.module_utils import basic

DOCUMENTATION = r"""
name: edgebench_managed_pythons
short_description: Return the Pythons that this ansible-core manages
description:
  - The releases of Python on hosts with which the modules of the running ansible-core work, as ansible-core itself
    checks them.
options:
  _input:
    description: The version of ansible-core, as in the magic variable C(ansible_version.full).
    type: str
    required: true
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
oldest: "{{ ansible_version.full | edgebench.edge.edgebench_managed_pythons }}"
"""

RETURN = r"""
_value:
  description: >-
    The oldest release of Python 3 last, such as V(3.9); V(2.7) before it if that is managed, too.
  type: list
  elements: str
"""


def managed_pythons(version: str) -> list[str]:
    """Return the oldest managed Python 3 last, and "2.7" before it if ansible-core of that version manages it."""
    # Up to 2.16 this is not a release, but whether the running Python is recent enough.
    oldest = getattr(basic, "_PY_MIN", None)
    if isinstance(oldest, tuple):
        return [".".join(map(str, oldest))]
    return ["2.7", "3.6"]


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_managed_pythons": managed_pythons}
