# Copyright the edgebench authors. Licensed under Apache-2.0.
"""What is checked on the controller before any host is touched."""

from __future__ import annotations

import difflib
import json
import os
import platform
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.shell import ShellBase

DOCUMENTATION = r"""
name: edgebench_gate
short_description: Check the controller and the declared hosts
description:
  - >-
    Compares the versions of ansible-core and of Python with those that this project supports, and every host's name,
    group, connection, interpreter and variables with what the roles' argument specs and ranges allow.
  - Touches no host. Never fails by itself.
positional: hosts
options:
  _input:
    description: The magic variable C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts to check.
    type: list
    required: true
  roles_dir:
    description: The folder of the roles.
    type: str
    required: true
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
problems: "{{ hostvars | edgebench.edge.edgebench_gate(ansible_play_hosts_all, roles_dir='roles') }}"
"""

RETURN = r"""
_value:
  description: One text a problem, with the value, the remedy and a code in brackets at its end; empty when all is well.
  type: list
  elements: str
"""

KIND_GROUPS = ("local", "jetson", "raspberry_pi", "x86")
ANSIBLE_CORE_MIN = (2, 16)
PYTHON_MIN = (3, 11)
PYTHON_MAX = (3, 14)
# The record schema and the file systems of the hosts agree on this.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
ANSIBLE_QUOTES = hasattr(ShellBase, "join")
INTERPRETER = re.compile(r"(auto|auto_silent|auto_legacy|auto_legacy_silent|/.+)\Z")
# Variables of the project as a whole; those of the roles stand in their argument specs.
COMMON_SPEC: dict[str, dict[str, Any]] = {
    "edgebench_home": {"type": "str"},
    "edgebench_manage_system": {"type": "bool"},
    "jetson_power_supply": {"type": "str", "choices": ["micro_usb", "barrel_jack"]},
    # Where a test host has what only a board's kernel can supply; roles of the Jetson read them.
    "edgebench_l4t_sysfs": {"type": "path"},
    "edgebench_l4t_device_tree": {"type": "path"},
}
COMMON_RANGES: dict[str, dict[str, Any]] = {
    "edgebench_home": {
        "pattern": r"(/|~/)([^\x00-\x1f\x7f]*[^/\s\x00-\x1f\x7f])",
        "expected": "an absolute path or one that begins with ~/",
    },
}
# What no software can see and no default can guess: group → variable → why it must be declared.
REQUIRED = {
    "jetson": {
        "jetson_power_supply": "The board cannot detect how it is powered. A Jetson Nano gets at most 2 A at its "
        "micro-USB socket, and shuts down under load in the mode MAXN, which takes about 4 A; its barrel jack (5 V, "
        "4 A or more, jumper on J48) is enough. For every other kit, declare barrel_jack"
    }
}
NO_HOSTS = (
    "The inventory has no hosts, so there is nothing to do. Add one to inventory/hosts.yml, or name another inventory "
    "with -i; see inventory/README.md [hosts-missing]"
)
# Set by the playbooks themselves.
OWN_FACTS = {
    "edgebench_access",
    "edgebench_host",
    "edgebench_provisioned",
    "edgebench_runtime_reason",
    "data_share_state",
    "base_packages_pending",
    "datasets_status",
    "performance_mode_state",
    "jetson_power_state",
    "jetson_fan_state",
    "runtime_choice",
}


def controller_problems(ansible_version: str, python_version: str) -> list[str]:
    """Return what is wrong with the versions (dotted strings) of ansible-core and of the controller's Python."""
    problems = []
    if _numbers(ansible_version) < ANSIBLE_CORE_MIN:
        wanted = ".".join(map(str, ANSIBLE_CORE_MIN))
        problems.append(
            f"ansible-core is {ansible_version}, expected {wanted} or newer. Install it with `make venv`, then run "
            ".venv/bin/ansible-playbook [ansible-core-unsupported]"
        )
    if not PYTHON_MIN <= _numbers(python_version) <= PYTHON_MAX:
        low, high = (".".join(map(str, version)) for version in (PYTHON_MIN, PYTHON_MAX))
        problems.append(
            f"Python on the controller is {python_version}, expected {low} to {high}. Recreate .venv with one of them: "
            "rm -r .venv; make venv PYTHON=python3.12 [python-unsupported]"
        )
    return problems


def environment_problems(environment: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the environment variables that are defaults of roles."""
    folder = environment.get("EDGEBENCH_DATA_DIR")
    if folder and not Path(folder).is_dir():
        return [
            f"EDGEBENCH_DATA_DIR is {folder!r}, expected a folder that exists. Correct it, or unset it to do without "
            "[variable-invalid]"
        ]
    return []


def program_problems(hostvars: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what the controller lacks to reach the hosts."""
    remote = [each for each in hostvars if each.get("ansible_connection", "ssh") in {"ssh", "smart"}]
    if not remote or shutil.which("ssh"):
        return []
    return [
        f"ssh is not on the PATH of the controller, but {len(remote)} host(s) are reached by it. Run: "
        "sudo apt-get install openssh-client [ssh-missing]"
    ]


def folder_problem(value: str, kind: str) -> str | None:
    """Return what is expected instead of a folder on the controller, None if it is right.

    kind: "read" for one that exists, "write" for one that can be made and written to.
    """
    path = Path(value)
    if not path.is_absolute():
        return f"an absolute path on the controller, such as {Path(value).expanduser().absolute()}"
    if kind == "read":
        return None if path.is_dir() else "a folder on the controller that exists"
    while not path.exists() and path != path.parent:
        path = path.parent
    if path.is_dir() and os.access(path, os.W_OK | os.X_OK):
        return None
    return f"a folder on the controller that can be made ({path} is not a writable folder)"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def load_specs(roles_dir: str) -> dict[str, dict[str, Any]]:
    """Return role → variable → argument spec, from every entry point of every role.

    What the role's ranges.yml says of a variable stands in its spec under the key ``range``.
    """
    specs: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(roles_dir).glob("*/meta/argument_specs.yml")):
        entry_points = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        options: dict[str, Any] = {}
        for entry_point in entry_points.values():
            options.update(entry_point.get("options") or {})
        for name, limits in load_ranges(path.with_name("ranges.yml")).items():
            if name not in options:
                raise AnsibleError(
                    f"{path.with_name('ranges.yml')} names {name}, expected a variable of the role [range-unused]"
                )
            options[name] = {**options[name], "range": limits}
        specs[path.parent.parent.name] = options
    return specs


def load_ranges(path: Path) -> dict[str, dict[str, Any]]:
    """Return variable → what an argument spec cannot say of it, from a role's ranges.yml; none where it has none."""
    if not path.exists():
        return {}
    ranges: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return ranges


def host_problems(
    host: str, variables: Mapping[str, Any], specs: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return what is wrong with one declared host; every text begins with its name and ends with a code."""
    problems = []
    if not NAME.match(host):
        problems.append(
            "the name of the host must be a valid file name. Use at most 64 letters, digits, dots, dashes and "
            "underscores, with no dot or dash first, and set ansible_host to the address [host-name-invalid]"
        )
    problems += _group_problems(variables)
    problems += _interpreter_problems(variables)
    problems += _required_problems(variables)
    problems += _home_problems(variables)
    problems += _variable_problems(variables, specs)
    return [f"{host}: {problem}" for problem in problems]


def _group_problems(variables: Mapping[str, Any]) -> list[str]:
    kinds = [group for group in variables.get("group_names", []) if group in KIND_GROUPS]
    problems = []
    if not kinds:
        problems.append(
            f"the host is in none of the groups {', '.join(KIND_GROUPS)}. Add it to the group of its kind, as in "
            "inventory/hosts.yml [group-missing]"
        )
    if len(kinds) > 1:
        problems.append(
            f"the host is in the groups {' and '.join(kinds)}, expected one kind. Keep it in one of them "
            "[group-ambiguous]"
        )
    if "local" not in kinds and variables.get("ansible_connection") == "local":
        problems.append(
            "ansible_connection is 'local', so the controller would be measured under the name of the host. Remove "
            "ansible_connection, or move the host to the group local [connection-local]"
        )
    if "local" in kinds and variables.get("ansible_connection") != "local":
        problems.append(
            f"the host is in the group local, but ansible_connection is "
            f"{variables.get('ansible_connection', 'ssh')!r}. Set ansible_connection to local, or move the host to the "
            "group of its kind [connection-not-local]"
        )
    return problems


def _required_problems(variables: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} is missing, expected one of {', '.join(COMMON_SPEC[name]['choices'])}. {why}. Declare it for the "
        f"host, or for all hosts in group_vars/{group}.yml; see inventory/README.md [variable-missing]"
        for group, required in REQUIRED.items()
        if group in variables.get("group_names", [])
        for name, why in required.items()
        if variables.get(name) is None
    ]


def _home_problems(variables: Mapping[str, Any]) -> list[str]:
    """Return why a managed host cannot have the home: `~` differs between its two users, and units have the path."""
    home = str(variables.get("edgebench_home") or "")
    managed = variables.get("edgebench_manage_system", "local" not in variables.get("group_names", []))
    if str(managed).lower() not in {"true", "yes", "on", "1"}:
        return []
    if re.search(r"\s", home):
        return [
            f"edgebench_home is {home!r}, expected an absolute path without white space if edgebench_manage_system is "
            "true. Name another folder, or remove it for /home/edgebench; see inventory/README.md [home-white-space]"
        ]
    if home.startswith("~/"):
        return [
            f"edgebench_home is {home!r}, expected an absolute path if edgebench_manage_system is true: the folder is "
            "the home of the user edgebench. Remove it for /home/edgebench, or set edgebench_manage_system: false to "
            "use the folder as the connecting user; see inventory/README.md [home-not-absolute]"
        ]
    return []


def _interpreter_problems(variables: Mapping[str, Any]) -> list[str]:
    interpreter = variables.get("ansible_python_interpreter")
    if interpreter is None:
        return []
    try:
        # Before 2.18, Ansible makes it part of a shell's command as it is.
        words = [str(interpreter)] if ANSIBLE_QUOTES else shlex.split(str(interpreter))
    except ValueError:
        words = []
    if len(words) != 1 or not INTERPRETER.match(words[0]):
        quote = f" in quotes ({shlex.quote(str(interpreter))!r})" if str(interpreter).startswith("/") else ""
        return [
            f"ansible_python_interpreter is {interpreter!r}, expected auto_silent or an absolute path on the host, "
            f"such as /usr/bin/python3.6{quote}. Correct it [interpreter-not-absolute]"
        ]
    if variables.get("ansible_connection") != "local" and words[0] == variables.get(
        "ansible_playbook_python"
    ):
        return [
            f"ansible_python_interpreter is {interpreter}, the Python of the controller, but the host is reached over "
            "the network. Set it only for the group local or for single hosts, not for all hosts (in group_vars/all or "
            "with -e) [interpreter-of-controller]"
        ]
    return []


def _variable_problems(variables: Mapping[str, Any], specs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    known: dict[str, tuple[str, Mapping[str, Any]]] = {
        name: (role, spec) for role, options in specs.items() for name, spec in options.items()
    }
    known.update(
        {name: ("all", {**spec, "range": COMMON_RANGES.get(name)}) for name, spec in COMMON_SPEC.items()}
    )
    prefixes = tuple(f"{role}_" for role in [*specs, "edgebench", "jetson"])
    problems = []
    for name in sorted(variables):
        if not name.startswith(prefixes) or name in OWN_FACTS:
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else "See the README of the role."
            problems.append(f"unknown variable {name}. {hint} Correct it or remove it [variable-unknown]")
            continue
        role, spec = known[name]
        try:
            value = variables[name]
        except AnsibleError as error:
            problems.append(
                f"{name} cannot be evaluated: {error.message}. Correct the expression [variable-not-evaluable]"
            )
            continue
        problems += [
            f"{name} is {value!r}, {why} [variable-invalid]"
            for why in value_problems(name, value, role, spec)
        ]
    return problems


def value_problems(name: str, value: Any, role: str, spec: Mapping[str, Any]) -> list[str]:
    """Return why the value does not agree with the spec or the range of the variable; one reason at most."""
    option = {key: part for key, part in spec.items() if key not in {"range", "description"}}
    where = f"see roles/{role}/README.md" if role != "all" else "see inventory/README.md"
    limits = spec.get("range")
    result = ArgumentSpecValidator({name: option}).validate({name: value})
    if result.error_messages or not _plain(value, option):
        expected = _expected(option, limits)
        if option.get("type") == "list" and isinstance(value, str):
            listed = json.dumps({name: value.replace(",", " ").split()})
            expected += f", which is written with -e as JSON: -e '{listed}'"
        return [f"expected {expected}; {where}"]
    if value is None and option.get("default") not in (None, ""):
        return [f"expected {_expected(option, limits)}, or no such variable; {where}"]
    if limits and "folder" in limits:
        expected_folder = folder_problem(str(value), limits["folder"]) if value else None
        return [f"expected {expected_folder}; {where}"] if expected_folder else []
    if limits and not (value == option.get("default") and value in (None, "")):
        converted = result.validated_parameters[name]
        elements = converted if option.get("type") == "list" else [converted]
        if not all(_in_range(element, limits) for element in elements or [] if element is not None):
            return [f"expected {_expected_range(limits)}; {where}"]
    return []


def _plain(value: Any, option: Mapping[str, Any]) -> bool:
    """Return whether the value is of its type without Ansible's own leniency: it writes any value as a string."""
    kind = option.get("type", "str")
    if value is None:
        return True
    if kind == "list":
        # Ansible would split a string at commas where it checks it, and hand the string to the role.
        return isinstance(value, list) and all(
            element is not None and _plain(element, {"type": option.get("elements", "raw")})
            for element in value
        )
    if kind in {"str", "path"}:
        return not isinstance(value, (Mapping, list, bool))
    if kind == "int":
        # Newer releases of ansible-core take 1e3 for a number, and roles would not.
        return not isinstance(value, bool) and re.fullmatch(r"\s*[+-]?\d+\s*", str(value)) is not None
    if kind == "float":
        return not isinstance(value, bool)
    return True


def _expected(option: Mapping[str, Any], limits: Mapping[str, Any] | None) -> str:
    if "choices" in option:
        return f"one of {', '.join(map(str, option['choices']))}"
    expected = f"type {option.get('type', 'str')}"
    if option.get("type") == "list" and "elements" in option:
        expected += f" of {option['elements']}"
    return f"{expected}, {_expected_range(limits)}" if limits else expected


def _expected_range(limits: Mapping[str, Any]) -> str:
    if "expected" in limits:
        return str(limits["expected"])
    low, high = limits.get("minimum"), limits.get("maximum")
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}"


def _in_range(value: Any, limits: Mapping[str, Any]) -> bool:
    if "pattern" in limits and re.fullmatch(limits["pattern"], str(value)) is None:
        return False
    return limits.get("minimum", value) <= value <= limits.get("maximum", value)


def gate(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], roles_dir: str) -> list[str]:
    """Return all problems of the controller and of the hosts; see DOCUMENTATION."""
    specs = load_specs(roles_dir)
    problems: list[str] = []
    hosts = list(hosts)
    for host in hosts:
        variables = hostvars[host]
        if not variables["groups"]["all"]:
            return [NO_HOSTS]
        if not problems:
            problems += controller_problems(variables["ansible_version"]["full"], platform.python_version())
            problems += environment_problems(os.environ)
            problems += program_problems(hostvars[each] for each in hosts)
        problems += host_problems(host, variables, specs)
    return list(dict.fromkeys(problems))


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_gate": gate}
