# Copyright the edgebench authors. Licensed under Apache-2.0.
# Runs on the managed host under Python 2.7 or 3.5 and newer: no f-strings, no annotations.
"""What the texts of a host's kernel and system say of it. Pure functions.

The runner has this file too (bench/edgebench/host_texts.py is a link to it), so that a record and the playbooks never
disagree about a host. Unknown is None.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

# MIDR_EL1 of Arm: implementer and part number to the core's name (util-linux, sys-utils/lscpu-arm.c).
_CORES = {
    "0x41": {
        "0xb76": "ARM1176",
        "0xc05": "Cortex-A5",
        "0xc07": "Cortex-A7",
        "0xc08": "Cortex-A8",
        "0xc09": "Cortex-A9",
        "0xc0d": "Cortex-A17",
        "0xc0e": "Cortex-A17",
        "0xc0f": "Cortex-A15",
        "0xd01": "Cortex-A32",
        "0xd03": "Cortex-A53",
        "0xd04": "Cortex-A35",
        "0xd05": "Cortex-A55",
        "0xd07": "Cortex-A57",
        "0xd08": "Cortex-A72",
        "0xd09": "Cortex-A73",
        "0xd0a": "Cortex-A75",
        "0xd0b": "Cortex-A76",
        "0xd0c": "Neoverse-N1",
        "0xd0d": "Cortex-A77",
        "0xd40": "Neoverse-V1",
        "0xd41": "Cortex-A78",
        "0xd42": "Cortex-A78AE",
        "0xd44": "Cortex-X1",
        "0xd46": "Cortex-A510",
        "0xd47": "Cortex-A710",
        "0xd48": "Cortex-X2",
        "0xd49": "Neoverse-N2",
        "0xd4b": "Cortex-A78C",
        "0xd4d": "Cortex-A715",
        "0xd4e": "Cortex-X3",
        "0xd4f": "Neoverse-V2",
        "0xd80": "Cortex-A520",
        "0xd81": "Cortex-A720",
        "0xd82": "Cortex-X4",
        "0xd83": "Neoverse-V3AE",
        "0xd84": "Neoverse-V3",
        "0xd85": "Cortex-X925",
        "0xd87": "Cortex-A725",
    },
    "0x4e": {"0x000": "Denver", "0x003": "Denver 2", "0x004": "Carmel"},
}
_ARM = "0x41"
# By the revision code of a Raspberry Pi (Raspberry Pi documentation, "New-style revision codes"); the old codes are
# those of boards with the first of these.
_RASPBERRY_PI_CHIPS = ("BCM2835", "BCM2836", "BCM2837", "BCM2711", "BCM2712")
# Kernels for Arm that do not know the name of their CPU.
_NO_NAME = re.compile(r"(ARMv\d|AArch64)")
# Foundation kernels up to 6.1 write one of these on every Raspberry Pi, whatever its chip is.
_NO_CHIP = re.compile(r"BCM(2708|2709|2710|2835)\b")
_NO_CHIP_VENDORS = ("linux", "qemu", "")


def cpuinfo(text):
    """Return (fields, flags, parts) of /proc/cpuinfo.

    fields: of the first processor, and of the lines that Arm has after the last. flags: of all processors, sorted.
    parts: [(implementer, part)] of Arm's cores, each kind once.
    """
    fields, parts = {}, []  # type: ignore[var-annotated]
    flags = set()  # type: ignore[var-annotated]
    implementer = _ARM
    for line in (text or "").splitlines():
        name, _, value = (each.strip() for each in line.partition(":"))
        if not value:
            continue
        fields.setdefault(name, value)
        if name.lower() in ("flags", "features"):
            flags.update(value.split())
        elif name == "CPU implementer":
            implementer = value.lower()
        elif name == "CPU part" and (implementer, value.lower()) not in parts:
            parts.append((implementer, value.lower()))
    return fields, sorted(flags), parts


def cpu_model(text, compatible=None):
    """Return the CPU's name, from /proc/cpuinfo and the device tree's compatible; None where nothing names it.

    The name that the kernel gives, if it is one; else chip and cores, such as "BCM2711 (Cortex-A72)".
    """
    fields, _, parts = cpuinfo(text)
    model = fields.get("model name")
    if model and not _NO_NAME.match(model):
        return model
    cores = [name for name in (_CORES.get(maker, {}).get(part) for maker, part in parts) if name]
    chip = _raspberry_pi_chip(fields) or _chip(compatible) or _hardware(fields)
    core = " + ".join(cores) or fields.get("uarch")
    if chip and core:
        return chip + " (" + core + ")"
    return chip or core or model


def _raspberry_pi_chip(fields):
    is_one = "Raspberry Pi" in fields.get("Model", "") or _NO_CHIP.match(fields.get("Hardware", ""))
    code = re.match(r"[0-9a-fA-F]{4,8}$", fields.get("Revision", ""))
    if not is_one or not code:
        return None
    number = int(code.group(), 16)
    chip = number >> 12 & 0xF if number >> 23 & 1 else 0
    return _RASPBERRY_PI_CHIPS[chip] if chip < len(_RASPBERRY_PI_CHIPS) else None


def _chip(compatible):
    """Return the chip of a device tree: it is the last of its names, from the board to the most general."""
    names = [name for name in (compatible or "").split("\0") if name.strip()]
    vendor, _, name = names[-1].strip().partition(",") if names else ("", "", "")
    return None if vendor in _NO_CHIP_VENDORS or not name else name.upper()


def _hardware(fields):
    hardware = fields.get("Hardware")
    return None if not hardware or _NO_CHIP.match(hardware) else hardware


def os_release(text):
    """Return {name: value} of /etc/os-release, unquoted as a shell does it (os-release(5))."""
    fields = {}
    for line in (text or "").splitlines():
        name, is_assignment, value = line.strip().partition("=")
        if is_assignment and re.match(r"[A-Za-z_]\w*$", name):
            fields[name] = _unquoted(value.strip())
    return fields


def _unquoted(value):
    quote = value[:1]
    if quote not in ("'", '"'):
        return re.sub(r"\\(.)", r"\1", value)
    end = len(value) - 1 if value.endswith(quote) and len(value) > 1 else len(value)
    inside = value[1:end]
    return inside if quote == "'" else re.sub(r"\\([\"$`\\])", r"\1", inside)


def l4t_release(text):
    """Return "32.7.1", the release of NVIDIA's Linux for Tegra, from the first line of /etc/nv_tegra_release."""
    match = re.search(r"R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)", text or "")
    return ".".join(match.groups()) if match else None


def architecture(machine, pointer_bits):
    """Return the architecture that packages for this user land must have.

    machine: as uname says it. A 32-bit Raspbian on a 64-bit kernel says aarch64, but runs armv7l programs only.
    """
    if pointer_bits == 32:
        return {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine)
    return machine


def board_model(device_tree, text):
    """Return the board's name: the device tree's model, else what a Raspberry Pi has in /proc/cpuinfo."""
    return (device_tree or "").strip("\0 \n\t") or cpuinfo(text)[0].get("Model")


def governors(texts):
    """Return the CPUs' governors without doubles, joined by commas; None where there are none. texts: of the files."""
    return ",".join(sorted({(each or "").strip() for each in texts} - {""})) or None
