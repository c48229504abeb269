# Copyright the edgebench authors. Licensed under Apache-2.0.
"""The choice of a TensorFlow stack for a host, with its reason."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

DOCUMENTATION = r"""
name: edgebench_stack
short_description: Choose the TensorFlow stack for a host
description:
  - >-
    Takes the first stack of the table that fits the host and that has a lock file, or an C(index) to lock it from, and
    says why.
  - A stack that would leave the GPU of a board idle is taken only if C(name) or C(gpu) asks for it.
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
    description: The lock files that are there, as names or, as from C(edgebench_locks), paths by names.
    type: raw
    required: true
  name:
    description: The stack the user asked for. It is taken although another would be preferred.
    type: str
  python:
    description: The interpreter the user named, as a path or a command name. No other is looked at.
    type: str
  gpu:
    description: >-
      What is asked of the GPU. C(auto), a board's must be used and another is used where a stack fits; C(required), a
      GPU must be used; C(never), the stack computes on the CPU.
    type: str
    choices: [auto, required, never]
    default: auto
  next:
    description: The command that provisions the host again, for the remedies.
    type: str
    default: ansible-playbook provision.yml
  venv_pending:
    description: >-
      Whether the distribution's package that lets its Python make a venv is about to be installed, as in check mode.
    type: bool
    default: false
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
choice: "{{ ansible_facts.edgebench_host | edgebench.edge.edgebench_stack(stacks, locks, name='py36-tf1.5.0') }}"
"""

RETURN = r"""
_value:
  description: >-
    C(stack), the entry of the table, and C(python), the interpreter of the fact, or null both;
    C(engines), null or the C(python) and the C(lock) of a venv of their own for the engines of keyword spotting;
    C(reason), why; C(headline), the part of it that names the stack and, where the GPU stays unused, says why;
    C(misfits), the stacks that do not fit, each with the codes of the reasons;
    C(hidden_flags), null or that a hypervisor hides instructions of the CPU, and how to expose them;
    C(crash_remedy), what to do if TensorFlow ends in SIGILL or SIGABRT nevertheless;
    C(lock), the path of the stack's lock file if C(locks) has it; C(lock_pending), whether it must be made first;
    C(gpu_unused), null or why the host's GPU stays unused; C(gpu_required), whether the installation must find a GPU;
    C(problem), null or why no stack was chosen. Its first line holds the verdict, what helps and a code in brackets;
    the others say what was looked at and what each stack lacks.
  type: dict
"""


class Misfit(NamedTuple):
    """Why a stack cannot be installed on a host."""

    code: str
    text: str


@dataclass
class Lacking:
    """What stands between a host and its stacks, for the remedies."""

    # Stacks that lack nothing but a Python.
    almost: list[dict[str, Any]] = field(default_factory=list)
    # Those without a lock file or an index to make it from, each with the problem of the host's Pythons.
    unlocked: list[tuple[dict[str, Any], Misfit | None]] = field(default_factory=list)
    # Those that fit, but leave a GPU idle that must be used.
    on_cpu: list[dict[str, Any]] = field(default_factory=list)
    # How the drivers come that a stack for the GPU lacks.
    drivers: list[str] = field(default_factory=list)
    # Releases of L4T with a stack for the board.
    other_releases: list[str] = field(default_factory=list)
    # Pythons of the host that lack only the module venv.
    without_venv: list[str] = field(default_factory=list)

    @property
    def ready_but_unlocked(self) -> list[dict[str, Any]]:
        """The stacks that lack nothing but a lock file."""
        return [stack for stack, lack in self.unlocked if lack is None]


# Three lines of a terminal, with the host's name.
HEADLINE_CHARS = 320

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


def gpu_is_required(host: dict[str, Any], gpu: str) -> bool:
    """Return whether a stack must use the host's GPU: on a board that has one, or where the user says so."""
    return gpu == "required" or (gpu == "auto" and host["gpu"] == "tegra")


def _gpu_misfit(host: dict[str, Any], stack: dict[str, Any], gpu: str) -> Misfit | None:
    """Return that a stack would leave a GPU idle that must be used, or use one that must not be, or None."""
    if gpu == "never" and stack["gpu"]:
        return Misfit("gpu-unwanted", "computes on the GPU, and runtime_gpu is never")
    if not gpu_is_required(host, gpu) or stack["gpu"]:
        return None
    return Misfit("gpu-idle", "computes on the CPU and would leave the host's GPU idle")


def _alternatives(words: list[str]) -> str:
    """Return the words as a choice: a, b or c."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


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
    wanted = _alternatives(versions)
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


def _in_short(host: dict[str, Any]) -> str:
    """Return what decides on a host's stack, for a headline: aarch64, L4T 36.3.0, CPython 3.10.12."""
    parts = [host["architecture"]]
    missing = [flag for flag in _HIDEABLE if flag not in host["cpu_flags"]]
    if host["architecture"] == "x86_64" and missing:
        parts.append(f"without {', '.join(missing)}")
    if host["l4t"]:
        parts.append(f"L4T {host['l4t']}")
    newest = list(dict.fromkeys(python["version"] for python in host["pythons"]))[:3]
    return ", ".join([*parts, f"CPython {' and '.join(newest)}" if newest else "no CPython"])


def choose(
    host: dict[str, Any],
    stacks: list[dict[str, Any]],
    locks: Iterable[str],
    name: str | None = None,
    python: str | None = None,
    gpu: str = "auto",
    next: str = "ansible-playbook provision.yml",  # noqa: A002
    venv_pending: bool = False,
) -> dict[str, Any]:
    """Return stack, python, reason and problem for the host; see RETURN."""
    if gpu == "required" and not host["gpu"]:
        return _refusal(
            "runtime_gpu is required, but the host has no GPU that NVIDIA's driver drives. Set runtime_gpu to auto, or "
            "install the driver and restart the host [gpu-missing]"
        )
    candidates, device = stacks, gpu
    if name:
        # The name of a stack is a choice in itself.
        device = "any" if gpu == "auto" else gpu
        candidates = [stack for stack in stacks if stack["name"] == name]
        if not candidates:
            known = ", ".join(stack["name"] for stack in stacks)
            return _refusal(
                f"runtime_stack is {name!r}, expected a stack of files/tensorflow_stacks.yml. Correct it, or remove it "
                f"for the first that fits [stack-unknown]\nKnown: {known}"
            )
    pythons = _with_venvs(_pythons_of(host, python), venv_pending)
    if python and not pythons:
        return _refusal(
            f"runtime_python is {python!r}, expected a CPython 3 that runs on this host. Correct it, or remove it to "
            f"use any [python-unknown]\nLooked at: {describe(host, python)}."
        )
    there = set(locks)
    unfit: dict[str, list[Misfit]] = {}
    lacking = Lacking()
    for stack in candidates:
        misfits = stack_misfits(host, stack)
        chosen, lack = _pick_python(pythons, stack["python"])
        locked = stack["lock"] in there or bool(stack["index"])
        wrong_device = _gpu_misfit(host, stack, device)
        if wrong_device:
            if not misfits and chosen and locked:
                lacking.on_cpu.append(stack)
            misfits = [wrong_device, *misfits]
        if not misfits and chosen and locked:
            engines, remark = _engines(stack, _with_venvs(host["pythons"], venv_pending))
            unused = _gpu_unused(host, stack, device, candidates, unfit)
            headline = _headline(host, stack, chosen, unused, asked_for=bool(name))
            return {
                "stack": stack,
                "python": chosen,
                "engines": engines,
                "reason": f"{headline}{remark}{_others(unfit)}",
                "headline": headline,
                "misfits": _codes(unfit),
                "hidden_flags": hidden_flags(host),
                "crash_remedy": crash_remedy(host, stack, stacks),
                "lock": locks.get(stack["lock"]) if isinstance(locks, Mapping) else None,
                "lock_pending": stack["lock"] not in there,
                "gpu_unused": unused,
                "gpu_required": bool(stack["gpu"]) and gpu_is_required(host, gpu),
                "problem": None,
            }
        reasons = misfits + ([lack] if lack else [])
        if not misfits and locked:
            lacking.almost.append(stack)
        elif not misfits:
            lacking.unlocked.append((stack, lack))
            reasons.append(
                Misfit(
                    "lock-missing",
                    f"{'has' if lack else 'fits, but has'} no lock file yet, and the role installs only what is "
                    f"locked: {_lock_remedy(stack)}",
                )
            )
        if reasons and all(each.code.startswith("driver-") for each in reasons):
            lacking.drivers.append(f"{stack['needs']['remedy']} ({stack['needs']['driver']} or later)")
        unfit[stack["name"]] = reasons
    lacking.without_venv = [
        minor
        for minor in dict.fromkeys(_minor(each["version"]) for each in pythons if not each["venv"])
        if any(minor in stack["python"] for stack in lacking.almost)
    ]
    lacking.other_releases = [] if name or gpu == "never" else _other_releases(host, candidates, unfit)
    return _no_stack(host, unfit, lacking, name=name, python=python, gpu=gpu, next_command=next)


def _no_stack(
    host: dict[str, Any],
    unfit: dict[str, list[Misfit]],
    lacking: Lacking,
    *,
    name: str | None,
    python: str | None,
    gpu: str,
    next_command: str,
) -> dict[str, Any]:
    """Return the refusal: a headline with the verdict and what helps most, then everything that was looked at."""
    remedies = _remedies(host, lacking, asked_for=bool(name), python=python, next_command=next_command)
    hidden, shown = hidden_flags(host), remedies
    if hidden:
        headline = f"{hidden[0].upper()}{hidden[1:]}, then rerun: {next_command} [cpu-flags-hidden]"
    else:
        idle = any(map(_is_idle, unfit.values()))
        ready = lacking.ready_but_unlocked
        code = "lock-missing" if ready else "gpu-would-be-idle" if idle else "no-stack-fits"
        verdict = (
            f"{ready[0]['name']} fits the host, but its packages are not locked yet"
            if ready
            else f"{name} {'; '.join(misfit.text for misfit in unfit[name])}"
            if name
            else f"no TensorFlow stack {'uses the GPU of' if idle else 'fits'} the host ({_in_short(host)})"
        )
        shown = remedies[:1]
        if len(f"{verdict}{'; or '.join(remedies[:2])}") < HEADLINE_CHARS:
            shown = remedies[:2]
        headline = f"{verdict}. {_sentence('; or '.join(shown))} [{code}]"
    foreign = [each for each, misfits in unfit.items() if not name and _for_other_machines(misfits)]
    unwanted = [
        each
        for each, misfits in unfit.items()
        if each not in foreign and misfits[0].code in ("gpu-idle", "gpu-unwanted") and len(unfit) > 1
    ]
    details = [f"Looked at: {describe(host, python)}."]
    details += [
        f"- {each} {'; '.join(f'{misfit.text} [{misfit.code}]' for misfit in misfits)}"
        for each, misfits in unfit.items()
        if each not in foreign and each not in unwanted
    ]
    if unwanted:
        misfit = unfit[unwanted[0]][0]
        details.append(f"- {misfit.text}: {', '.join(unwanted)} [{misfit.code}]")
    if foreign:
        details.append(f"- for other machines: {', '.join(foreign)}")
    if hidden or len(remedies) > len(shown):
        details.append(f"What helps: {'; or '.join(remedies)}")
    return _refusal("\n".join([headline, *details]), unfit)


def _codes(passed_over: dict[str, list[Misfit]]) -> dict[str, list[str]]:
    return {name: [misfit.code for misfit in misfits] for name, misfits in passed_over.items()}


def _gpu_unused(
    host: dict[str, Any],
    stack: dict[str, Any],
    gpu: str,
    stacks: list[dict[str, Any]],
    unfit: dict[str, list[Misfit]],
) -> str | None:
    """Return why the host's GPU stays unused, None if it has none or the stack uses it."""
    if not host["gpu"] or stack["gpu"]:
        return None
    if gpu in ("never", "any"):
        return f"asked for by {'runtime_gpu' if gpu == 'never' else 'runtime_stack'}"
    others = [
        each["name"]
        for each in stacks
        if each["gpu"] and each["name"] in unfit and not _for_other_machines(unfit[each["name"]])
    ]
    if not others:
        return "no stack of files/tensorflow_stacks.yml is for this GPU and CPU"
    # The one that lacks the least is the nearest to what would help.
    nearest = min(others, key=lambda name: len(unfit[name]))
    return f"{nearest} {unfit[nearest][0].text}"


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
    return f"run `make lock STACK={stack['name']}`"


def _remedies(
    host: dict[str, Any], lacking: Lacking, *, asked_for: bool, python: str | None, next_command: str
) -> list[str]:
    """Return what helps, the nearest first."""
    remedies = [f"{_lock_remedy(stack)}, then rerun: {next_command}" for stack in lacking.ready_but_unlocked]
    if lacking.without_venv:
        packages = " or ".join(f"python{version}-venv" for version in lacking.without_venv)
        remedies.append(f"on Debian and Ubuntu: sudo apt install {packages}")
    elif lacking.almost:
        versions = sorted(
            {version for stack in lacking.almost for version in stack["python"]}, key=_version_key
        )
        where = (
            "and set runtime_python to it"
            if python
            else "and set runtime_python to it if it is not on the PATH"
        )
        remedies.append(f"install CPython {_alternatives(versions)} with its venv module on the host {where}")
    if lacking.drivers:
        remedies.append(_alternatives(list(dict.fromkeys(lacking.drivers))))
    if lacking.other_releases:
        known = ", ".join(each.replace("+", " or later") for each in lacking.other_releases)
        remedies.append(f"flash JetPack with L4T {known}, if the board supports it")
    if lacking.on_cpu:
        remedies.append(f"to benchmark the CPU instead: {next_command} -e runtime_gpu=never")
    if not remedies and asked_for:
        remedies.append("remove runtime_stack, so that the role chooses a stack that fits")
    if host["architecture"] in SIXTY_FOUR_BIT:
        remedies.append(
            f"install a 64-bit operating system ({SIXTY_FOUR_BIT[host['architecture']]}) if the CPU can run one: "
            "PyPI has wheels for it"
        )
    remedies += [
        f"{_lock_remedy(stack)}, then rerun: {next_command} (it also {lack.text})"
        for stack, lack in lacking.unlocked
        if lack
    ]
    return remedies or ["use another host, or add a stack to files/tensorflow_stacks.yml"]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _headline(
    host: dict[str, Any],
    stack: dict[str, Any],
    python: dict[str, Any],
    unused: str | None,
    *,
    asked_for: bool,
) -> str:
    """Return which stack was chosen and what a person should know of the choice."""
    text = (
        f"{stack['name']} (TensorFlow {stack['tensorflow']}, Keras {stack['keras']}) with CPython {python['version']}"
        f" ({python['real']}): {'asked for by runtime_stack' if asked_for else 'the first of the table that fits'}"
    )
    later = [each.rstrip("+") for each in stack["l4t"] if _is_later(each, host["l4t"])]
    if later and not any(_leads(each.rstrip("+"), host["l4t"]) for each in stack["l4t"]):
        text += f". L4T {host['l4t']} is later than the table knows, and taken for one of its series ({later[-1]})"
    if unused:
        text += f". The host's GPU ({host['gpu']}) stays unused: {unused}"
    hidden = hidden_flags(host)
    return f"{hidden[0].upper()}{hidden[1:]}. {text}." if hidden else f"{text}."


def _others(unfit: dict[str, list[Misfit]]) -> str:
    """Return which stacks come before the chosen one in the table but do not fit, a line each; may be empty."""
    # Only stacks that are made for such a machine, but that this host cannot have.
    notable = [
        f"\n- {name} {'; '.join(misfit.text for misfit in misfits)}"
        for name, misfits in unfit.items()
        if not _for_other_machines(misfits)
    ]
    return f"\nNot chosen:{''.join(notable)}" if notable else ""


def _refusal(problem: str, passed_over: dict[str, list[Misfit]] | None = None) -> dict[str, Any]:
    return {
        "stack": None,
        "python": None,
        "engines": None,
        "reason": problem,
        "headline": problem.splitlines()[0],
        "misfits": _codes(passed_over or {}),
        "hidden_flags": None,
        "crash_remedy": None,
        "lock": None,
        "lock_pending": False,
        "gpu_unused": None,
        "gpu_required": False,
        "problem": problem,
    }


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_stack": choose}
