# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Why a task failed, in the words of the command that failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

DOCUMENTATION = r"""
name: edgebench_reason
short_description: Say why a task failed, of a loop for each item that failed
description:
  - >-
    Ansible's own message is C(One or more items failed) for a loop and C(non-zero return code) for a command. This
    filter returns the items with the last line of standard error that tells something, or of standard output.
  - Touches no host. Never fails by itself.
options:
  _input:
    description: A failed result, such as the variable C(ansible_failed_result).
    type: dict
    required: true
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
text: "{{ ansible_failed_result | edgebench.edge.edgebench_reason }}"
"""

RETURN = r"""
_value:
  description: The reason. One line, if the module's own message is.
  type: str
"""

# Messages of Ansible that say only that something failed.
EMPTY = re.compile(
    r"((The command exited with a )?non-zero return code\.?|MODULE FAILURE.*|Module result deserialization failed.*"
    r"|(One or more|All) items (failed|skipped).*)?\Z",
    re.DOTALL,
)
# Programs begin the line that counts with one of these; what follows is advice.
MARKED = re.compile(r"(\w*error|fatal|[\w./-]+: (error|fatal)|E) *:", re.IGNORECASE)
# What ansible-core says instead of a traceback, remarks of pip, and lines without a word.
NOISE = re.compile(r"\(traceback unavailable\)|\[notice\]|WARNING:|DEPRECATION:|\W*\Z")
# What the filter edgebench_brief adds for the terminal.
MORE = "For details, add -v."
MOST_ITEMS = 3
MOST_LINE = 500


def reason(result: Any) -> str:
    """Return why the task failed; see DOCUMENTATION."""
    # What a task left behind that failed before it began.
    if not isinstance(result, Mapping):
        return str(result)
    failed = [item for item in result.get("results") or [] if isinstance(item, Mapping) and _is_failed(item)]
    if not failed:
        return _of_one(result)
    told = [f"{_label(item)}: {_of_one(item)}" for item in failed[:MOST_ITEMS]]
    return "; ".join([*told, *([f"{len(failed) - len(told)} more"] if len(failed) > len(told) else [])])


def _is_failed(item: Mapping[str, Any]) -> bool:
    return bool(item.get("failed") or item.get("unreachable"))


def _label(item: Mapping[str, Any]) -> str:
    value = item.get("_ansible_item_label", item.get(item.get("ansible_loop_var", "item"), "an item"))
    text = str(value.get("name", value)) if isinstance(value, Mapping) else str(value)
    # The path of a file on the controller says less than its name.
    return text.rpartition("/")[2] if text.startswith("/") else text[:MOST_LINE]


def _of_one(result: Mapping[str, Any]) -> str:
    message = str(result.get("msg") or "").strip()
    if not EMPTY.match(message):
        return message.removesuffix(MORE).strip()
    lines = [*_telling(result)]
    last = lines[0] if lines else message or "no message"
    exit_code = result.get("rc")
    return f"{last} (exit code {exit_code})" if exit_code is not None else last


def _telling(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield of each output the line that counts."""
    for name in ("stderr", "module_stderr", "exception", "stdout", "module_stdout"):
        lines = [line.strip() for line in str(result.get(name) or "").splitlines()]
        lines = [line for line in lines if not NOISE.match(line)]
        if lines:
            yield next((line for line in reversed(lines) if MARKED.match(line)), lines[-1])[:MOST_LINE]


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_reason": reason}
