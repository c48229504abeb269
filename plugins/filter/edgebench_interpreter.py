# Copyright the edgebench authors. Licensed under Apache-2.0.
"""The path of a Python as Ansible's variable, and as a word of a shell."""

from __future__ import annotations

import shlex
from typing import Any

from ansible.plugins.shell import ShellBase

DOCUMENTATION = r"""
name: edgebench_interpreter
short_description: Turn the path of a Python into a value of ansible_python_interpreter
description:
  - >-
    Before 2.18, ansible-core puts C(ansible_python_interpreter) into a shell's command as it is, so that a path with
    blanks must be quoted. Newer ones quote it themselves.
  - The filter C(edgebench_interpreter_word) turns such a value into a word of a shell.
options:
  _input:
    description: The path.
    type: str
    required: true
author: The edgebench authors
"""

EXAMPLES = r"""
ansible_python_interpreter: "{{ ansible_playbook_python | edgebench_interpreter }}"
"""

RETURN = r"""
_value:
  description: The value.
  type: str
"""

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
