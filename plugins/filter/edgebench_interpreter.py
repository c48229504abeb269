# Copyright the edgebench authors. Licensed under Apache-2.0.
"""The path of a Python as Ansible's variable, and as a word of a shell."""

from __future__ import annotations

import shlex
from typing import Any

from ansible.plugins.shell import ShellBase

ANSIBLE_QUOTES = hasattr(ShellBase, "join")


def interpreter(path: str) -> str:
    """Return the value of ansible_python_interpreter for a path."""
    return path if ANSIBLE_QUOTES else shlex.quote(path)


def word(value: str) -> str:
    """Return a value of ansible_python_interpreter as a word of a shell."""
    return shlex.quote(value) if ANSIBLE_QUOTES else value


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_interpreter": interpreter, "edgebench_interpreter_word": word}
