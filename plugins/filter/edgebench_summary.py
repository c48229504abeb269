# Copyright the edgebench authors. Licensed under Apache-2.0.
"""What provisioning left behind, as a table for a person."""

from __future__ import annotations

import json
import re
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
    Makes a table with a line a host from what the play left in the hosts' variables, the hosts that are not ready
    first. Below stand the reasons and the next commands, once for all hosts that share them. Plain text, without
    colours, of at most 112 columns.
  - Touches no host.
positional: hosts
options:
  _input:
    description: The magic variable C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts.
    type: list
    required: true
  check:
    description: Whether nothing was changed, as in check mode.
    type: bool
    default: false
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
text: "{{ hostvars | edgebench.edge.edgebench_summary(ansible_play_hosts_all, check=ansible_check_mode) }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

NOTHING = "–"
# What is left of a line of 120 beside the callback's indentation.
WIDTH = 112
HEADINGS = ("host", "state", "device", "stack", "disk used", "data")
CODE = re.compile(r"\[[a-z0-9]+(-[a-z0-9]+)+\]")
TASK = re.compile(r" \(in: [^\n]*\)\Z")
STATES = ("failed", "incomplete", "ready")
# What columns shrink to if a line is too long, the first of them first; the whole stands below the table.
SHORTEST = {"device": 20, "host": 16}
# Where the role runtime keeps the locks that it makes, in the checkout.
KEPT_LOCKS = ".edgebench/locks/"
# Hosts that a line names.
NAMED = 3
# Of the option -l, so that a command fits a line.
LIMIT_CHARS = 50


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
            return [self.name, "failed" if self.problem else "incomplete", *[NOTHING] * (len(HEADINGS) - 2)]
        self._system(access, facts)
        cells = [self._device(facts), self._stack(facts), _disk(facts), self._data()]
        self._runner(facts)
        self._share()
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
        # The task's name is for messages of others; ours say by themselves what is wrong, and end with a code.
        if CODE.search(text):
            text = TASK.sub("", text)
        return f"{self.problem['stage']} failed: {text}" if self.problem.get("stage") else text

    def _system(self, access: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Note a user and packages that are missing on a managed host."""
        if not access["manage_system"]:
            return
        if not facts.get("user_exists"):
            self.needed.append((f"no user {access['user']} yet [user-missing]", "edgebench_user"))
        query = self.variables.get("__base_packages_query") or {}
        states = [line.split(" ")[1][1:2] for line in query.get("stdout_lines", []) if " " in line]
        lacking = "stdout_lines" in query and (query.get("rc") != 0 or set(states) - {"i"})
        if lacking and (self.check or self.problem.get("stage") == "base_packages"):
            self.needed.append(("packages are missing [packages-missing]", "base_packages"))

    def _device(self, facts: Mapping[str, Any]) -> str:
        """Return what TensorFlow computes on, or is to compute on once it is installed."""
        if not facts.get("gpu"):
            return "CPU"
        runtime, choice = facts.get("runtime") or {}, self.variables.get("runtime_choice") or {}
        unused = choice.get("gpu_unused")
        if not choice and runtime.get("gpus") == 0:
            unused = f"TensorFlow {runtime.get('tensorflow', '')} finds none"
        if not unused:
            return f"GPU {facts.get('gpu_name') or facts['gpu']}" if choice or runtime else NOTHING
        if not str(unused).startswith("asked for"):
            reason = str(unused).removesuffix(" [gpu-not-seen]")
            self.wished.append((f"GPU unused: {reason} [gpu-unused]", f"{self.command} --tags runtime"))
        return f"GPU unused: {unused}"

    def _stack(self, facts: Mapping[str, Any]) -> str:
        runtime = facts.get("runtime")
        chosen = (self.variables.get("runtime_choice") or {}).get("stack") or {}
        if not runtime:
            coming = f", {_names(chosen)} would come" if chosen else ""
            self.needed.append((f"no TensorFlow yet{coming} [runtime-missing]", "runtime"))
            return "missing"
        self._lock()
        return _names({"keras": chosen.get("keras"), **runtime})

    def _lock(self) -> None:
        """Note that the stack comes from a lock that is no part of the checkout."""
        choice = self.variables.get("runtime_choice") or {}
        if KEPT_LOCKS not in str(choice.get("lock")):
            return
        stack = choice["stack"]["name"]
        text = (
            f"{stack} is installed from {KEPT_LOCKS}{stack}.txt, a lock kept on this controller. To make it part of "
            "the checkout [lock-kept]"
        )
        self.wished.append((text, f"make lock STACK={stack}"))

    def _runner(self, facts: Mapping[str, Any]) -> None:
        if not facts.get("runner"):
            self.needed.append(("no runner yet [runner-missing]", "runner"))

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

    def _share(self) -> None:
        state = self.variables.get("data_share_state") or {}
        if state.get("role") == "client" and not state.get("answers"):
            self.wished.append(
                ("the data share does not answer [share-no-answer]", f"{self.command} --tags data_share")
            )


def _names(stack: Mapping[str, Any]) -> str:
    """Return a stack as a person knows it: TensorFlow 2.21.0, Keras 3.15.1."""
    keras = f", Keras {stack['keras']}" if stack.get("keras") else ""
    return f"TensorFlow {stack.get('tensorflow', '?')}{keras}"


def _disk(facts: Mapping[str, Any]) -> str:
    """Return what the home takes and what is left, in GB; unknown parts are left out."""
    used, free = (facts.get(name) for name in ("home_bytes", "disk_free_bytes"))
    if used is None:
        return NOTHING
    left = "" if free is None else f", {free / 1e9:.0f} free"
    return f"{used / 1e9:.1f} GB{left}"


def _cut(text: str, heading: str, width: int) -> str:
    if len(text) <= width:
        return text
    # Names of hosts may differ at their end alone.
    end = text[-8:] if heading == "host" else ""
    return f"{text[: width - 1 - len(end)]}…{end}"


def table(rows: list[list[str]]) -> list[str]:
    """Return the rows as lines with aligned columns, a rule below the first; cells are cut to fit the lines."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    total = sum(widths) + 2 * (len(widths) - 1)
    for heading, shortest in SHORTEST.items():
        column = rows[0].index(heading)
        spare = min(max(0, widths[column] - shortest), max(0, total - WIDTH))
        widths[column] -= spare
        total -= spare
    lines = [
        "  ".join(
            _cut(cell, heading, width).ljust(width)
            for cell, heading, width in zip(row, rows[0], widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * total, *lines[1:]]


def command_for(host: str, sources: Iterable[str], playbook: str = "provision.yml") -> str:
    """Return how a playbook is run for the host, with the inventory where it is not the usual one."""
    usual = [str(source) for source in constants.DEFAULT_HOST_LIST]
    # The progress callback shows other messages' commands in the same form.
    below = f"{Path.cwd()}/"
    named = [str(source) for source in sources]
    shown = [shlex.quote(source.removeprefix(below)) for source in named]
    inventory = "".join(f"-i {source} " for source in shown) if named and named != usual else ""
    return f"ansible-playbook {inventory}{playbook} -l {host}"


def _limit(hosts: list[str], groups: Mapping[str, Iterable[str]]) -> str:
    """Return the option -l for hosts: a group's name or theirs; empty for all of them, or if it would be too long."""
    named = [
        name for name, members in sorted(groups.items()) if len(hosts) > 1 and set(members) == set(hosts)
    ]
    if "all" in named:
        return ""
    limit = f" -l {named[0] if named else ','.join(hosts)}"
    # Playbooks change nothing on a host that is ready.
    return limit if len(hosts) == 1 or len(limit) < LIMIT_CHARS else ""


def _who(hosts: list[str]) -> str:
    more = f" and {len(hosts) - NAMED} more" if len(hosts) > NAMED else ""
    return ", ".join(hosts[:NAMED]) + more


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
    told, rows = [], []
    groups: Mapping[str, Iterable[str]] = {}
    for name in hosts:
        variables = hostvars[name]
        groups = variables.get("groups") or groups
        command = command_for(name, variables.get("ansible_inventory_sources") or [])
        host = Host(name, command, variables, check)
        told.append((host, host.cells()))
    told.sort(key=lambda each: (STATES.index(each[1][1]), _natural(each[0].name)))
    rows = [cells for _, cells in told]
    counts = [f"{sum(row[1] == state for row in rows)} {state}" for state in reversed(STATES)]
    shown = ", ".join(count for count in counts if not count.startswith("0 "))
    text = [f"Hosts: {shown}" + (" (check mode: nothing was changed)" if check else ""), ""]
    text += table([list(HEADINGS), *rows])
    # {(reason, command for the host HOST): the hosts}; the hosts that are not ready come first.
    entries: dict[tuple[str, str], list[str]] = {}
    for host, _ in told:
        for reason, command in host.missing():
            pattern = re.compile(rf" -l {re.escape(host.name)}(?!\S)")
            key = (pattern.sub(" -l HOST", reason), pattern.sub(" -l HOST", command))
            entries.setdefault(key, []).append(host.name)
    for (reason, command), names in entries.items():
        limit = _limit(names, groups)
        first, *more = _wrapped(f"{_who(names)}: {reason}".replace(" -l HOST", limit))
        text += ["", first, *more, f"    next: {command}".replace(" -l HOST", limit)]
    ready = [host for host, cells in told if cells[1] == "ready"]
    if ready and not check:
        sources = ready[0].variables.get("ansible_inventory_sources") or []
        names = [host.name for host in ready]
        command = command_for("HOST", sources, "bench.yml").replace(" -l HOST", _limit(names, groups))
        text += ["", *_wrapped(f"{_who(names)}: ready"), f"    next: {command}"]
    if any(host.problem for host, _ in told):
        text += ["", "For details of what failed, add -v."]
    return "\n".join(text)


def _natural(name: str) -> list[Any]:
    """Return a key that puts node2 before node10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_summary": summary}
