# Copyright the edgebench authors. Licensed under Apache-2.0.
"""The inventory of the lab without the hosts that this machine cannot start."""

from __future__ import annotations

DOCUMENTATION = r"""
name: edgebench_left_out
short_description: Remove hosts that a file names from the inventory
description:
  - >-
    Removes the hosts that a file names, one a line. Its own file must come last in the folder of the inventory, so that
    all hosts are known by then. Without the file, and for names that are no hosts, nothing is removed.
options:
  plugin:
    description: Must be C(edgebench.edge.edgebench_left_out).
    type: str
    required: true
    choices: [edgebench.edge.edgebench_left_out]
  file:
    description: Path of the file with the names, relative to the folder of the inventory.
    type: str
    required: true
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
plugin: edgebench.edge.edgebench_left_out
file: ../../.edgebench/lab/lab/left-out
"""

from pathlib import Path
from typing import Any

from ansible.plugins.inventory import BaseInventoryPlugin


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Removes hosts."""

    NAME = "edgebench.edge.edgebench_left_out"

    def verify_file(self, path: str) -> bool:
        """Return whether the file is one for this plugin, by the end of its name."""
        return bool(super().verify_file(path)) and path.endswith("left_out.yml")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Remove the hosts that the file names."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        file = Path(path).parent / self.get_option("file")
        for name in file.read_text("utf-8").splitlines() if file.is_file() else []:
            if name in inventory.hosts:
                inventory.remove_host(inventory.hosts[name])
