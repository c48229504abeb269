# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Some keys of a dictionary."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: edgebench_subset
short_description: Take some keys of a dictionary
description: Returns a dictionary with the named keys only, so that two can be compared in them.
positional: keys
options:
  _input:
    description: The dictionary.
    type: dict
    required: true
  keys:
    description: The keys; each must be there.
    type: list
    elements: str
    required: true
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
names: "{{ datasets | map('edgebench.edge.edgebench_subset', ['name', 'sha256']) }}"
"""

RETURN = r"""
_value:
  description: The smaller dictionary.
  type: dict
"""


def subset(whole: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """Return the named keys of `whole` with their values; KeyError for one that is not there."""
    return {key: whole[key] for key in keys}


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_subset": subset}
