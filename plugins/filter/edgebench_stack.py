# Copyright the edgebench authors. Licensed under Apache-2.0.
"""The choice of a TensorFlow stack for a host, with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

DOCUMENTATION = r"""
name: edgebench_stack
short_description: Choose the TensorFlow stack for a host
description:
  - Takes the first stack of the table that fits the host and whose lock file is there, and says why.
  - A stack that would leave the GPU of a board idle is taken only if C(name) asks for it.
  - Never fails by itself; where nothing fits, C(problem) says what was looked at and what would help.
positional: stacks, locks
options:
  _input:
    description: >-
      The fact C(edgebench_host), with the release of NVIDIA's driver as C(nvidia_driver) where there is one.
    type: dict
    required: true
  stacks:
    description: The table, as in C(files/tensorflow_stacks.yml).
    type: list
    elements: dict
    required: true
  locks:
    description: Names of the lock files that are there.
    type: list
    elements: str
    required: true
  name:
    description: The stack the user asked for. It is taken although another would be preferred.
    type: str
  python:
    description: The interpreter the user named, as a path or a command name. No other is looked at.
    type: str
  venv_pending:
    description: >-
      Whether the distribution's package that lets its Python make a venv is about to be installed, as in check mode.
    type: bool
    default: false
author: The edgebench authors
"""

EXAMPLES = r"""
choice: "{{ ansible_facts.edgebench_host | edgebench_stack(stacks, locks, name='py36-tf1.5.0') }}"
"""

RETURN = r"""
_value:
  description: >-
    C(stack), the entry of the table, and C(python), the interpreter of the fact, or null both;
    C(engines), null or the C(python) and the C(lock) of a venv of their own for the engines of keyword spotting;
    C(reason), why; C(misfits), the stacks that were passed over, each with the codes of the reasons;
    C(hidden_flags), null or that a hypervisor hides instructions of the CPU, and how to expose them;
    C(crash_remedy), what to do if TensorFlow ends in SIGILL or SIGABRT nevertheless;
    C(gpu_unused), whether the host has a GPU that the stack does not use; C(problem), null or why no stack was chosen
    and the remedy, with a code in brackets at its end.
  type: dict
"""


class Misfit(NamedTuple):
    """Why a stack cannot be installed on a host."""

    code: str
    text: str


# What the CPU of a 32-bit system may run instead.
SIXTY_FOUR_BIT = {"armv7l": "aarch64", "i686": "x86_64"}


# What a guest may lack although its machine has it, and the ways to give it.
_HIDEABLE = ("sse4_1", "sse4_2", "avx")
_VIRTUAL_CPU = re.compile(r"\b(KVM|QEMU|Virtual)\b", re.IGNORECASE)
_EXPOSE = (
    "expose them (QEMU: -cpu host; libvirt: <cpu mode='host-passthrough'/>; Proxmox: CPU type host; VMware: a newer "
    "EVC mode) and restart the host"
)


def hidden_flags(host: dict[str, Any]) -> str | None:
    """Return that a hypervisor hides CPU flags that most stacks need, and what to do; None if it does not."""
    missing = [flag for flag in _HIDEABLE if flag not in host["cpu_flags"]]
    # Some hypervisors hide that they are there, but not the name of their CPU.
    is_guest = "hypervisor" in host["cpu_flags"] or _VIRTUAL_CPU.search(host["cpu_model"] or "")
    if host["architecture"] != "x86_64" or "avx" not in missing or not is_guest:
        return None
    names = ", ".join(missing)
    return (
        f"the hypervisor hides the CPU flags {names} from this host, unless its machine has none: {_EXPOSE}"
    )


def crash_remedy(host: dict[str, Any], stack: dict[str, Any], stacks: list[dict[str, Any]]) -> str:
    """Return what to do if TensorFlow of the stack uses an instruction that the CPU does not have."""
    remedies = [hidden] if (hidden := hidden_flags(host)) else []
    others = [
        each["name"] for each in stacks if each["name"] != stack["name"] and not stack_misfits(host, each)
    ]
    if host["architecture"] in ("aarch64", "armv7l") and not _leads("32", host["l4t"]):
        remedies.append(
            "if NumPy is what dies, name the CPU to OpenBLAS: OPENBLAS_CORETYPE=ARMV8 in /etc/environment"
        )
    if others:
        remedies.append(f"set runtime_stack to another stack for this CPU: {', '.join(others)}")
    remedy = (
        "; or ".join(remedies)
        or "use another host: no other stack of files/tensorflow_stacks.yml fits this CPU"
    )
    return remedy[0].upper() + remedy[1:]


def stack_misfits(host: dict[str, Any], stack: dict[str, Any]) -> list[Misfit]:
    """Return why the stack cannot run on the host whatever Python it has; empty when it can."""
    misfits = []
    if host["architecture"] not in stack["architectures"]:
        built = " and ".join(stack["architectures"])
        misfits.append(
            Misfit("architecture-differs", f"is built for {built}, the host is {host['architecture']}")
        )
    if host["architecture"] == "x86_64":
        missing = [flag for flag in stack["cpu_flags"] if flag not in host["cpu_flags"]]
        if missing:
            misfits.append(
                Misfit("cpu-flags-missing", f"needs the CPU flags {', '.join(missing)}, which this CPU lacks")
            )
    if stack["gpu"] and stack["gpu"] != host["gpu"]:
        misfits.append(
            Misfit("gpu-differs", f"needs a GPU of kind {stack['gpu']}, the host has {host['gpu'] or 'none'}")
        )
    elif stack["needs"] and stack["needs"]["driver"]:
        misfits += _driver_misfits(stack["needs"]["driver"], host.get("nvidia_driver"))
    if stack["l4t"] and not any(_covers(release, host["l4t"]) for release in stack["l4t"]):
        built = ", ".join(stack["l4t"])
        misfits.append(
            Misfit("l4t-differs", f"is built for L4T {built}, the host has {host['l4t'] or 'none'}")
        )
    return misfits


def _driver_misfits(least: str, driver: str | None) -> list[Misfit]:
    needed = f"needs NVIDIA's driver {least} or later, "
    if not driver:
        return [Misfit("driver-unknown", f"{needed}the release of the host's driver is unknown")]
    if _version_key(driver) < _version_key(least):
        return [Misfit("driver-too-old", f"{needed}the host has {driver}")]
    return []


def _leads(prefix: str, release: str | None) -> bool:
    """Return whether the dotted `release` begins with the dotted `prefix`, part by part."""
    return release is not None and f"{release}.".startswith(f"{prefix}.")


def _covers(known: str, release: str | None) -> bool:
    """Return whether a release of L4T is one that the table names: by its leading parts, or later after a plus."""
    return _leads(known.rstrip("+"), release) or _is_later(known, release)


def _is_later(known: str, release: str | None) -> bool:
    """Return whether the release comes after a known one that stands for the rest of its series, such as 36.5+."""
    if release is None or not known.endswith("+") or release.split(".")[0] != known.split(".")[0]:
        return False
    return _version_key(release) > _version_key(known.rstrip("+"))


def _idle_misfit(host: dict[str, Any], stack: dict[str, Any]) -> Misfit | None:
    """Return that a stack would compute on the CPU of a board that has a GPU, or None."""
    if host["gpu"] != "tegra" or stack["gpu"]:
        return None
    return Misfit("gpu-idle", "computes on the CPU and would leave the board's GPU idle")


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _pick_python(
    pythons: Iterable[dict[str, Any]], versions: list[str]
) -> tuple[dict[str, Any] | None, Misfit | None]:
    """Return the interpreter to use, or None and why not.

    The order of `pythons` counts, not that of `versions`.
    """
    fitting = [python for python in pythons if _minor(python["version"]) in versions]
    for python in fitting:
        if python["venv"]:
            return python, None
    wanted = " or ".join(versions)
    if fitting:
        names = ", ".join(python["path"] for python in fitting)
        return None, Misfit(
            "venv-missing",
            f"needs CPython {wanted} with venv, which {names} lacks "
            f"(on Debian and Ubuntu: sudo apt install python{_minor(fitting[0]['version'])}-venv)",
        )
    return None, Misfit("python-missing", f"needs CPython {wanted}, which the host does not have")


def _pythons_of(host: dict[str, Any], named: str | None) -> list[dict[str, Any]]:
    """Return the interpreters to look at: all, or the one the user named by path or command name."""
    if not named:
        # The one the host's venv was made with comes first, so that a second run changes nothing although Ansible
        # may have been started by another Python.
        recorded = (host["runtime"] or {}).get("python")
        return sorted(host["pythons"], key=lambda python: python["real"] != recorded)
    return [
        python
        for python in host["pythons"]
        if named in (python["path"], python["real"]) or python["path"].endswith(f"/{named}")
    ]


def _with_venvs(pythons: list[dict[str, Any]], pending: bool) -> list[dict[str, Any]]:
    """Return the interpreters, the distribution's with venv where its package is about to be installed."""
    if not pending:
        return pythons
    return [{**each, "venv": each["venv"] or each["real"].startswith("/usr/bin/")} for each in pythons]


def _engines(stack: dict[str, Any], pythons: list[dict[str, Any]]) -> tuple[dict[str, Any] | None, str]:
    """Return the venv that keyword spotting's engines get beside the stack, or None, and a remark for the reason.

    The newest Python of the list comes first, whatever the stack was made with.
    """
    wanted = stack.get("engines")
    if not wanted:
        return None, ""
    for version in wanted["python"]:
        chosen, _ = _pick_python(pythons, [version])
        if chosen:
            return {"python": chosen, "lock": wanted["lock"]}, (
                f" The engines of keyword spotting get a venv of CPython {chosen['version']} ({chosen['real']})."
            )
    return None, (
        " Keyword spotting runs on TensorFlow alone: its other engines need CPython "
        f"{' or '.join(wanted['python'])} with venv beside this one."
    )


def describe(host: dict[str, Any], named: str | None) -> str:
    """Return what was looked at, for a message."""
    pythons = ", ".join(f"{python['version']} ({python['real']})" for python in host["pythons"]) or "none"
    flags = ", ".join(
        f"{flag} {'yes' if flag in host['cpu_flags'] else 'no'}" for flag in ("sse4_1", "sse4_2", "avx")
    )
    parts = [f"architecture {host['architecture']}", f"CPU {host['cpu_model'] or 'unnamed'}"]
    if host["architecture"] == "x86_64":
        parts.append(f"flags {flags}")
    parts.append(f"GPU {host['gpu'] or 'none'}")
    if host["gpu"] == "cuda":
        parts.append(f"NVIDIA's driver {host.get('nvidia_driver') or 'unknown'}")
    parts += [f"L4T {host['l4t'] or 'none'}", f"Pythons {pythons}"]
    if named:
        parts.append(f"runtime_python {named}")
    return "; ".join(parts)


def choose(
    host: dict[str, Any],
    stacks: list[dict[str, Any]],
    locks: Iterable[str],
    name: str | None = None,
    python: str | None = None,
    venv_pending: bool = False,
) -> dict[str, Any]:
    """Return stack, python, reason and problem for the host; see RETURN."""
    candidates = stacks
    if name:
        candidates = [stack for stack in stacks if stack["name"] == name]
        if not candidates:
            known = ", ".join(stack["name"] for stack in stacks)
            return _refusal(
                f"runtime_stack is {name!r}, expected a stack of files/tensorflow_stacks.yml: {known}. Correct it, or "
                "remove it for the first that fits [stack-unknown]"
            )
    pythons = _with_venvs(_pythons_of(host, python), venv_pending)
    if python and not pythons:
        return _refusal(
            f"runtime_python is {python!r}, expected a CPython 3 that runs on this host. Correct it, or remove it to "
            f"use any. Looked at: {describe(host, python)} [python-unknown]"
        )
    there = set(locks)
    passed_over: dict[str, list[Misfit]] = {}
    unlocked: list[tuple[dict[str, Any], Misfit | None]] = []
    almost: list[dict[str, Any]] = []
    on_cpu: list[dict[str, Any]] = []
    for stack in candidates:
        misfits = stack_misfits(host, stack)
        chosen, lack = _pick_python(pythons, stack["python"])
        locked = stack["lock"] in there
        idle = None if name else _idle_misfit(host, stack)
        if idle:
            if not misfits and chosen and locked:
                on_cpu.append(stack)
            misfits = [idle, *misfits]
        if not misfits and chosen and locked:
            engines, remark = _engines(stack, _with_venvs(host["pythons"], venv_pending))
            return {
                "stack": stack,
                "python": chosen,
                "engines": engines,
                "reason": _reason(host, stack, chosen, passed_over, asked_for=bool(name)) + remark,
                "misfits": _codes(passed_over),
                "hidden_flags": hidden_flags(host),
                "crash_remedy": crash_remedy(host, stack, stacks),
                "gpu_unused": _gpu_unused(host, stack),
                "problem": None,
            }
        reasons = misfits + ([lack] if lack else [])
        if not misfits and locked:
            almost.append(stack)
        elif not misfits:
            unlocked.append((stack, lack))
            reasons.append(
                Misfit(
                    "lock-missing",
                    f"{'has' if lack else 'fits, but has'} no lock file yet, and the role installs only what is "
                    f"locked: {_lock_remedy(stack)}",
                )
            )
        passed_over[stack["name"]] = reasons
    foreign = [each for each, misfits in passed_over.items() if not name and _for_other_machines(misfits)]
    without_venv = [
        minor
        for minor in dict.fromkeys(_minor(each["version"]) for each in pythons if not each["venv"])
        if any(minor in stack["python"] for stack in almost)
    ]
    idle_names = [each for each, misfits in passed_over.items() if each not in foreign and _is_idle(misfits)]
    tried = "\n".join(
        f"- {each} {'; '.join(f'{misfit.text} [{misfit.code}]' for misfit in misfits)}"
        for each, misfits in passed_over.items()
        if each not in foreign and each not in idle_names
    )
    if idle_names:
        misfit = passed_over[idle_names[0]][0]
        tried += f"\n- {misfit.text}: {', '.join(idle_names)} [{misfit.code}]"
    if foreign:
        tried += f"\n- for other machines: {', '.join(foreign)}"
    remedy = _help(
        host,
        almost,
        unlocked,
        _other_releases(host, candidates, passed_over),
        on_cpu,
        asked_for=bool(name),
        python=python,
        without_venv=without_venv,
    )
    which = " that uses its GPU" if idle_names else ""
    hidden = hidden_flags(host)
    first = (
        f"{hidden[0].upper()}{hidden[1:]}, then rerun this playbook [cpu-flags-hidden]\n" if hidden else ""
    )
    return _refusal(
        f"{first}No TensorFlow stack{which} can be installed on this host.\nLooked at: {describe(host, python)}.\n"
        f"{tried}\nWhat would help: {remedy} [{'gpu-would-be-idle' if on_cpu else 'no-stack-fits'}]",
        passed_over,
    )


def _codes(passed_over: dict[str, list[Misfit]]) -> dict[str, list[str]]:
    return {name: [misfit.code for misfit in misfits] for name, misfits in passed_over.items()}


def _gpu_unused(host: dict[str, Any], stack: dict[str, Any]) -> bool:
    return bool(host["gpu"]) and not stack["gpu"]


def _for_other_machines(misfits: list[Misfit]) -> bool:
    return any(misfit.code in ("architecture-differs", "gpu-differs") for misfit in misfits)


def _is_idle(misfits: list[Misfit]) -> bool:
    return any(misfit.code == "gpu-idle" for misfit in misfits)


def _other_releases(
    host: dict[str, Any], stacks: list[dict[str, Any]], passed_over: dict[str, list[Misfit]]
) -> list[str]:
    """Return releases of L4T that have a stack for the board's GPU, of the nearest series, if its own has none."""
    known = {stack["name"]: stack["l4t"] for stack in stacks if stack["l4t"] and stack["gpu"] == host["gpu"]}
    if any("l4t-differs" not in [each.code for each in passed_over[name]] for name in known):
        return []
    releases = [release for each in known.values() for release in each]
    own = _series(host["l4t"]) if host["l4t"] else max(map(_series, releases), default=0)
    nearest = min(map(_series, releases), key=lambda series: (abs(series - own), -series), default=0)
    return [release for release in releases if _series(release) == nearest]


def _series(release: str) -> int:
    return _version_key(release.rstrip("+"))[0]


def _lock_remedy(stack: dict[str, Any]) -> str:
    where = f" on a controller that reaches {stack['index']}" if stack["index"] else ""
    return f"run `make lock STACK={stack['name']}`{where}"


def _help(
    host: dict[str, Any],
    almost: list[dict[str, Any]],
    unlocked: list[tuple[dict[str, Any], Misfit | None]],
    other_releases: list[str],
    on_cpu: list[dict[str, Any]],
    *,
    asked_for: bool,
    python: str | None,
    without_venv: list[str],
) -> str:
    """Return the remedies.

    `almost` are the stacks that lack nothing but a Python, `unlocked` those without a lock file, each with what is
    wrong about the Pythons, `other_releases` those of L4T with a stack for the board, `on_cpu` the stacks that fit but
    leave the board's GPU idle, `without_venv` the Pythons that the host has and that only lack the module venv.
    """
    remedies = [
        f"{_lock_remedy(stack)}, then rerun this playbook{f' (it also {lack.text})' if lack else ''}"
        for stack, lack in unlocked
    ]
    if without_venv:
        packages = " or ".join(f"python{version}-venv" for version in without_venv)
        remedies.append(f"on Debian and Ubuntu: sudo apt install {packages}")
    elif almost:
        versions = sorted({version for stack in almost for version in stack["python"]}, key=_version_key)
        where = (
            "and set runtime_python to it"
            if python
            else "and set runtime_python to it if it is not on the PATH"
        )
        remedies.append(f"install CPython {' or '.join(versions)} with its venv module on the host {where}")
    if other_releases and not asked_for:
        known = ", ".join(each.replace("+", " or later") for each in other_releases)
        remedies.append(f"flash JetPack with L4T {known}, if the board supports it")
    if on_cpu:
        remedies.append(f"to benchmark the CPU all the same, set runtime_stack to {on_cpu[0]['name']}")
    if not remedies and asked_for:
        remedies.append("remove runtime_stack, so that the role chooses a stack that fits")
    if host["architecture"] in SIXTY_FOUR_BIT:
        remedies.append(
            f"install a 64-bit operating system ({SIXTY_FOUR_BIT[host['architecture']]}) if the CPU can run one: "
            "PyPI has wheels for it"
        )
    return "; or ".join(remedies) or "use another host, or add a stack to files/tensorflow_stacks.yml"


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _reason(
    host: dict[str, Any],
    stack: dict[str, Any],
    python: dict[str, Any],
    passed_over: dict[str, list[Misfit]],
    *,
    asked_for: bool,
) -> str:
    text = (
        f"{stack['name']} (TensorFlow {stack['tensorflow']}, Keras {stack['keras']}) with CPython {python['version']}"
        f" ({python['real']}): {'asked for by runtime_stack' if asked_for else 'the first of the table that fits'}"
    )
    # Only stacks that are made for such a machine, but that this host cannot have.
    notable = [
        f"{name} {'; '.join(misfit.text for misfit in misfits)}"
        for name, misfits in passed_over.items()
        if not _for_other_machines(misfits)
    ]
    if notable:
        text += f". Passed over: {'. '.join(notable)}"
    later = [each.rstrip("+") for each in stack["l4t"] if _is_later(each, host["l4t"])]
    if later and not any(_leads(each.rstrip("+"), host["l4t"]) for each in stack["l4t"]):
        text += f". L4T {host['l4t']} is later than the table knows, and taken for one of its series ({later[-1]})"
    if _gpu_unused(host, stack):
        text += f". The host's GPU ({host['gpu']}) stays unused: the stack computes on the CPU"
    hidden = hidden_flags(host)
    return f"{hidden[0].upper()}{hidden[1:]}. {text}." if hidden else f"{text}."


def _refusal(problem: str, passed_over: dict[str, list[Misfit]] | None = None) -> dict[str, Any]:
    return {
        "stack": None,
        "python": None,
        "engines": None,
        "reason": problem,
        "misfits": _codes(passed_over or {}),
        "hidden_flags": None,
        "crash_remedy": None,
        "gpu_unused": False,
        "problem": problem,
    }


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_stack": choose}
