# Copyright the edgebench authors. Licensed under Apache-2.0.
"""What provisioning left behind, as a table for a person."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants

DOCUMENTATION = r"""
name: edgebench_summary
short_description: Say of every host what is ready and what is missing
description:
  - >-
    Makes a table with a line a host from what the play left in the hosts' variables, followed by what is missing, why,
    and the next command. Plain text, without colours.
  - Touches no host.
positional: hosts
options:
  _input:
    description: The magic variable C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts, in the order of the table.
    type: list
    required: true
  check:
    description: Whether nothing was changed, as in check mode.
    type: bool
    default: false
author: The edgebench authors
"""

EXAMPLES = r"""
text: "{{ hostvars | edgebench_summary(ansible_play_hosts_all, check=ansible_check_mode) }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

NOTHING = "–"
# What is left of a line of 120 beside the callback's indentation.
WIDTH = 112
HEADINGS = ("host", "state", "user", "packages", "TensorFlow", "runner", "data sets", "governor", "share")


class Host:
    """What is told of a host, beside its line in the table."""

    def __init__(self, name: str, command: str, variables: Mapping[str, Any], check: bool) -> None:
        self.name = name
        self.command = command
        self.variables = variables
        self.check = check
        # What the benchmark cannot do without: in words, and the tag of provision.yml that brings it.
        self.needed: list[tuple[str, str]] = []
        # What it can do without: in words, and the command that brings it.
        self.wished: list[tuple[str, str]] = []

    @property
    def problem(self) -> Mapping[str, Any]:
        """What the play failed with, empty where it did not."""
        return self.variables.get("__preflight_failure") or {}

    def cells(self) -> list[str]:
        """Return the cells of its line, and note what is missing."""
        access = self.variables.get("edgebench_access")
        facts = (self.variables.get("ansible_facts") or {}).get("edgebench_host")
        if not access or not facts:
            return [self.name, "failed" if self.problem else "incomplete", *[NOTHING] * 7]
        cells = [
            self._user(access, facts),
            self._packages(access),
            self._tensorflow(facts),
            self._runner(facts),
            self._data(),
            facts.get("governor") or NOTHING,
            self._share(),
        ]
        self._board()
        done = self.variables.get("edgebench_provisioned")
        state = "failed" if self.problem else "ready" if done and not self.needed else "incomplete"
        return [self.name, state, *cells]

    def missing(self) -> list[tuple[str, str]]:
        """Return what is missing and the command that helps; to be asked after `cells`."""
        if self.problem:
            # What a step that failed did not bring is missing for that one reason.
            return [(self._failure(), self.command)]
        ended = self.variables.get("__preflight_ended")
        if ended:
            return [(str(ended).strip(), self.command)]
        if not self.variables.get("edgebench_provisioned"):
            return [("the connection to the host was lost [connection-lost]", self.command)]
        entries = []
        if self.needed:
            only = f" --tags {self.needed[0][1]}" if len(self.needed) == 1 else ""
            entries.append(("; ".join(words for words, _ in self.needed), self.command + only))
        return entries + self.wished

    def _failure(self) -> str:
        text = str(self.problem.get("message", "")).strip().removeprefix(self.name).lstrip(": ")
        return f"{self.problem['stage']} failed: {text}" if self.problem.get("stage") else text

    def _user(self, access: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
        if not access["manage_system"]:
            return str(facts["user"])
        if facts.get("user_exists"):
            return str(access["user"])
        self.needed.append((f"no user {access['user']} yet [user-missing]", "edgebench_user"))
        return "missing"

    def _packages(self, access: Mapping[str, Any]) -> str:
        query = self.variables.get("__base_packages_query") or {}
        if not access["manage_system"] or "stdout_lines" not in query:
            return NOTHING
        states = [line.split(" ")[1][1:2] for line in query["stdout_lines"] if " " in line]
        lacking = query.get("rc") != 0 or set(states) - {"i"}
        if not lacking or not (self.check or self.problem.get("stage") == "base_packages"):
            return "ready"
        self.needed.append(("packages are missing [packages-missing]", "base_packages"))
        return "missing"

    def _tensorflow(self, facts: Mapping[str, Any]) -> str:
        runtime = facts.get("runtime")
        if not runtime:
            reason = str(self.variables.get("edgebench_runtime_reason") or "").strip()
            chosen = f" (chosen: {reason})" if reason else ""
            self.needed.append((f"no TensorFlow yet{chosen} [runtime-missing]", "runtime"))
            return "missing"
        versions = [each["version"] for each in facts["pythons"] if each["real"] == runtime.get("python")]
        return f"{runtime.get('tensorflow', '?')}" + (f", Python {versions[0]}" if versions else "")

    def _runner(self, facts: Mapping[str, Any]) -> str:
        if facts.get("runner"):
            return "ready"
        self.needed.append(("no runner yet [runner-missing]", "runner"))
        return "missing"

    def _data(self) -> str:
        asked, staged = (self.variables.get(name) or {} for name in ("__preflight_data", "datasets_status"))
        try:
            sets = json.loads(asked.get("stdout") or staged.get("stdout") or "")["datasets"]
        except (ValueError, KeyError, TypeError):
            return NOTHING
        lacking = [entry["name"] for entry in sets if entry["state"] != "ready"]
        if lacking:
            text = (
                f"no real data for {', '.join(lacking)}: the quick profile generates data, the paper profile refuses "
                "to run [data-missing]"
            )
            self.wished.append((text, f"EDGEBENCH_DATA_DIR=FOLDER {self.command} --tags datasets"))
        return f"{len(sets) - len(lacking)}/{len(sets)}"

    def _board(self) -> None:
        for role in ("jetson_power", "jetson_fan"):
            state = self.variables.get(f"{role}_state") or {}
            self.wished += [
                (str(said), f"{self.command} --tags {role}") for said in state.get("warnings", [])
            ]

    def _share(self) -> str:
        state = self.variables.get("data_share_state") or {}
        if state.get("role") == "client" and not state.get("answers"):
            self.wished.append(
                ("the data share does not answer [share-no-answer]", f"{self.command} --tags data_share")
            )
            return "no answer"
        return {"server": "serves", "client": "mounted"}.get(str(state.get("role")), NOTHING)


def table(rows: list[list[str]]) -> list[str]:
    """Return the rows as lines with aligned columns, a rule below the first."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return [lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]]


def command_for(host: str, sources: Iterable[str]) -> str:
    """Return how provision.yml is run for the host, with the inventory where it is not the usual one."""
    usual = [str(source) for source in constants.DEFAULT_HOST_LIST]
    # The progress callback shows other messages' commands in the same form.
    below = f"{Path.cwd()}/"
    named = [str(source) for source in sources]
    shown = [shlex.quote(source.removeprefix(below)) for source in named]
    inventory = "".join(f"-i {source} " for source in shown) if named and named != usual else ""
    return f"ansible-playbook {inventory}provision.yml -l {host}"


def _wrapped(text: str) -> list[str]:
    """Return the lines of a text, no longer than a screen is wide, all but the first indented."""
    return [
        line.rstrip()
        for number, part in enumerate(text.splitlines())
        for line in textwrap.wrap(
            part,
            WIDTH,
            initial_indent="    " if number else "",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        or [""]
    ]


def summary(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], check: bool = False) -> str:
    """Return the text; see DOCUMENTATION."""
    told = []
    for name in hosts:
        variables = hostvars[name]
        command = command_for(name, variables.get("ansible_inventory_sources") or [])
        told.append(Host(name, command, variables, check))
    text = ["What is ready" + (" (check mode: nothing was changed)" if check else ""), ""]
    text += table([list(HEADINGS), *(host.cells() for host in told)])
    for host in told:
        for reason, command in host.missing():
            first, *more = _wrapped(f"{host.name}: {reason}")
            text += [
                "",
                first,
                *more,
                f"    next: {command}",
            ]
    return "\n".join(text)


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_summary": summary, "edgebench_command": command_for}
