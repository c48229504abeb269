# Copyright the edgebench authors. Licensed under Apache-2.0.
"""The headline of a message of several lines; the rest is for those who ask for it with -v."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: edgebench_brief
short_description: Shorten a message to its first line unless Ansible is verbose
description:
  - >-
    The first line of a long message is its headline: the verdict, the next command and the code. Without C(-v) only
    that line is shown, followed by how to get the others.
  - Touches no host. Never fails by itself.
positional: verbosity
options:
  _input:
    description: The message.
    type: str
    required: true
  verbosity:
    description: The magic variable C(ansible_verbosity).
    type: int
    required: true
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
text: "{{ message | edgebench.edge.edgebench_brief(ansible_verbosity) }}"
"""

RETURN = r"""
_value:
  description: The message, or its first line and one that names C(-v).
  type: str
"""

MORE = "For details, add -v."


def brief(text: str, verbosity: int) -> str:
    """Return the message as it is shown at this verbosity; see DOCUMENTATION."""
    first, *rest = str(text).strip().splitlines() or [""]
    if not rest:
        return first
    return f"{first}\n{MORE}" if verbosity < 1 else "\n".join([first, *rest])


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_brief": brief}
