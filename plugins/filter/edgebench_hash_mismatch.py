# Copyright the edgebench authors. Licensed under Apache-2.0.
"""The package that pip refused for its hash, out of several lines of pip's, as one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

DOCUMENTATION = r"""
name: edgebench_hash_mismatch
short_description: Say which package pip refused for its hash
description:
  - >-
    pip with C(--require-hashes) names the package, the hashes that its lock allows and the one it received on lines of
    their own. This filter returns them as one line.
  - Touches no host. Never fails by itself.
positional: remedy
options:
  _input:
    description: The result of pip's command.
    type: dict
    required: true
  remedy:
    description: What to do, a sentence without its full stop.
    type: str
    required: true
author: The edgebench authors
"""

EXAMPLES = r"""
text: "{{ pip | edgebench_hash_mismatch('Check the index') }}"
"""

RETURN = r"""
_value:
  description: The line with the code C(hash-differs), and pip's own below it. Empty if pip refused no hash.
  type: str
"""

# The same from pip 18 to 26. Of several packages the first counts.
REFUSED = re.compile(
    r"^ +(?P<package>\S+?)(?:;.*| .*)? from (?P<url>\S+).*:\n"
    r" +Expected (?P<kind>\w+) +(?P<expected>\w+)\n"
    r"(?P<others>(?: +Expected +or \w+\n)*)"
    r" +Got +(?P<received>\w+)",
    re.MULTILINE,
)


def hash_mismatch(result: Any, remedy: str) -> str:
    """Return which package pip refused, with both hashes; see DOCUMENTATION."""
    output = str(result.get("stderr") or "") if isinstance(result, Mapping) else ""
    found = REFUSED.search(output)
    if not found:
        return ""
    others = len(found["others"].splitlines())
    more = f" or {others} more" if others else ""
    kind = found["kind"].upper().replace("SHA", "SHA-", 1)
    return (
        f"{found['package']} differs from its lock: {kind} expected {found['expected']}{more}, received "
        f"{found['received']}. {remedy} [hash-differs]\n{output.strip()}"
    )


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_hash_mismatch": hash_mismatch}
