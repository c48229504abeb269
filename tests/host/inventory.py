"""What the inventory says of the hosts, as Ansible reads it: templates filled in, the roles' defaults beneath."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
# Roles whose variables are asked for.
ROLES = (
    "edgebench_user",
    "base_packages",
    "data_share",
    "headless",
    "performance_mode",
    "kws_device",
    "jetson_power",
    "jetson_fan",
    "jetson_usb_root",
)
OF_THE_PROJECT = (
    "edgebench_home",
    "edgebench_manage_system",
    "runtime_stack",
    "ansible_host",
    "ansible_connection",
    "edgebench_l4t_sysfs",
)


@dataclass(frozen=True)
class Declared:
    """One host as it is declared."""

    name: str
    managed: bool
    variables: Mapping[str, Any]

    @property
    def home(self) -> str:
        """The folder of everything of edgebench; may begin with `~`."""
        return str(
            self.variables.get("edgebench_home") or ("/home/edgebench" if self.managed else "~/edgebench")
        )

    @property
    def owner(self) -> str:
        """The user who owns it; empty for the user whom Ansible connects as."""
        return str(self["edgebench_user_name"]) if self.managed else ""

    @property
    def address(self) -> str:
        """What the others reach it by."""
        return str(
            self.variables.get("data_share_address") or self.variables.get("ansible_host") or self.name
        )

    @property
    def share_server(self) -> str:
        """The host whose data it shares, itself perhaps; empty for none."""
        return str(self["data_share_server"] or "") if self.managed else ""

    @property
    def mount(self) -> str:
        """Where it mounts the data of another host; empty where it does not."""
        return str(self["data_share_mount"]) if self.share_server not in ("", self.name) else ""

    @property
    def jetson(self) -> bool:
        """Whether it is declared to be one of NVIDIA's boards."""
        return "jetson" in self.variables.get("group_names", [])

    def __getitem__(self, name: str) -> Any:
        value = self.variables.get(name)
        return defaults()[name] if value is None else value

    def is_set(self, name: str) -> bool:
        """Return the value of a switch."""
        return _true(self[name])


def read(host: Any) -> dict[str, Declared]:
    """Return all hosts of the inventory that one of its hosts, of testinfra, belongs to.

    testinfra's own variables would do without templates (`{{ inventory_dir }}`): it reads them raw.
    """
    names = [*OF_THE_PROJECT, *(name for name in defaults() if name not in OF_THE_PROJECT)]
    # The words ahead of the JSON keep it a text.
    template = (
        "The fleet: {% set all = {} %}{% for each in groups['all'] %}"
        "{% set own = {'group_names': hostvars[each].group_names} %}{% for name in asked_for %}"
        "{% if hostvars[each][name] is defined %}{% set _ = own.update({name: hostvars[each][name]}) %}"
        "{% endif %}{% endfor %}{% set _ = all.update({each: own}) %}{% endfor %}{{ all | to_json }}"
    )
    answer = host.backend.run_ansible(
        "ansible.builtin.debug",
        "msg={{ template }}",
        check=False,
        extra_vars={"template": template, "asked_for": names},
    )
    if answer.get("failed"):
        raise pytest.UsageError(f"the inventory's variables cannot be read: {answer.get('msg', answer)}")
    told: dict[str, dict[str, Any]] = json.loads(answer["msg"].partition(": ")[2])
    return {name: _declared(name, own) for name, own in told.items()}


def _declared(name: str, own: dict[str, Any]) -> Declared:
    managed = own.get("edgebench_manage_system")
    if managed is None:
        managed = "local" not in own["group_names"]
    return Declared(name, _true(managed), own)


def _true(value: Any) -> bool:
    # As Ansible's filter bool; `-e name=false` gives a text.
    return str(value).lower() in ("true", "yes", "on", "1", "y", "t")


@cache
def defaults() -> dict[str, Any]:
    """Return the roles' defaults; one that is a template is None, and decided by Declared."""
    found: dict[str, Any] = {}
    for role in ROLES:
        values = yaml.safe_load((CHECKOUT / "roles" / role / "defaults/main.yml").read_text()) or {}
        found.update({key: None if "{{" in str(value) else value for key, value in values.items()})
    return found
