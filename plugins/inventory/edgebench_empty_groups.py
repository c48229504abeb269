# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Help for a limit that leaves no host: Ansible's own message does not say where hosts are declared."""

from __future__ import annotations

DOCUMENTATION = r"""
name: edgebench_empty_groups
short_description: Say where to add a host when a limit names an empty group
description:
  - >-
    Adds no hosts. Its file must come last in the folder of the inventory, so that all groups are known by then.
    Where a limit names a group without hosts, or a name that is neither a host nor a group, it says so and shows
    the lines to add. Ansible then ends by itself where no host is left.
options:
  plugin:
    description: Must be C(edgebench.edge.edgebench_empty_groups).
    type: str
    required: true
    choices: [edgebench.edge.edgebench_empty_groups]
  groups:
    description: The kinds of machine, each with the lines that declare an example of it.
    type: dict
    required: true
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
plugin: edgebench.edge.edgebench_empty_groups
groups:
  jetson: |
    boromir:
      ansible_host: 192.168.1.13
"""

import difflib
import re
from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.display import Display

display = Display()


def limit_terms(subset: str | None) -> list[str]:
    """Return the plain names in a limit: no patterns, no exclusions, no intersections, no files."""
    terms = [term.strip() for term in re.split(r"[,:]", subset or "")]
    return [term for term in terms if term and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", term)]


def messages(
    subset: str | None, members: dict[str, int], hosts: set[str], examples: dict[str, str], hosts_file: str
) -> list[str]:
    """Return what to say about a limit.

    `members` maps every group to its number of hosts, those of child groups included; `examples` maps the kinds of
    machine to the lines that declare one; `hosts_file` is where they belong.
    """
    said = []
    if not hosts:
        kind, lines = next(iter(examples.items()))
        return [f"No host is declared.\n{_remedy(kind, lines, hosts_file)}\n[no-hosts]"]
    for term in limit_terms(subset):
        if term in hosts or members.get(term):
            continue
        if term in members:
            if term in examples:
                said.append(
                    f"The group {term} has no hosts yet.\n{_remedy(term, examples[term], hosts_file)}\n[group-empty]"
                )
            else:
                said.append(f"The group {term} has no hosts. Declare some in {hosts_file} [group-empty]")
        else:
            near = difflib.get_close_matches(term, [*hosts, *members], n=1, cutoff=0.6)
            hint = f" Did you mean {near[0]}?" if near else ""
            kinds = ", ".join(examples)
            said.append(
                f"The limit names {term!r}, expected a host or a group (groups: local, {kinds}).{hint} "
                "Correct it [limit-unknown]"
            )
    return said


def _remedy(kind: str, lines: str, hosts_file: str) -> str:
    indented = "".join(f"        {line}\n" for line in lines.splitlines())
    return f"Add one to {hosts_file}, for example:\n    {kind}:\n      hosts:\n{indented}".rstrip()


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Looks at the groups and at the limit of the command line."""

    NAME = "edgebench.edge.edgebench_empty_groups"

    def verify_file(self, path: str) -> bool:
        """Return whether the file is one for this plugin, by the end of its name."""
        return bool(super().verify_file(path)) and path.endswith("empty_groups.yml")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Say what is to be said; leave the inventory as it is."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        # The other files of the folder are in, but the group `all` is completed only after the last.
        members = {name: len(group.get_hosts()) for name, group in inventory.groups.items()}
        members["all"] = len(inventory.hosts)
        hosts_file = str(Path(path).with_name("hosts.yml"))
        subset = context.CLIARGS.get("subset")
        for text in messages(subset, members, set(inventory.hosts), self.get_option("groups"), hosts_file):
            display.error(text, wrap_text=False)
        if not inventory.hosts:
            # Ansible itself would end such a run with success. ansible.cfg makes this one end it.
            raise AnsibleParserError(f"no host is declared in {hosts_file} [no-hosts]")
