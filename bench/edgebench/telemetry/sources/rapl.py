"""Energy of x86 packages, counted by the CPU.

/sys/class/powercap/intel-rapl:*/: energy_uj in microjoules, which begins anew
after max_energy_range_uj, and name (Documentation/power/powercap/powercap.rst
of the kernel; AMD's CPUs show themselves here, too). Linux from 5.10 lets only
root read it, for what it gives away (CVE-2020-8694).
"""

import os

from edgebench.telemetry.quantity import JOULE, rail
from edgebench.telemetry.sources.source import AbsentError, of_files, scaled
from edgebench.telemetry.tree import read_text, why_unreadable

NAME = "RAPL"

_MICRO = 1e6
_COVERS = {"package": "cpu", "dram": "memory", "psys": "board"}
_BOARD_RANK = 1


def find(tree):
    """Return the Source, joules; raises AbsentError."""
    zones = tree.glob("/sys/class/powercap/intel-rapl:*")
    if not zones:
        raise AbsentError(
            "no /sys/class/powercap/intel-rapl:* (not x86, a guest, or the module is not loaded)"
        )
    names = {}
    entries = []
    for zone in zones:
        own = read_text(os.path.join(zone, "name")) or os.path.basename(zone)
        names[os.path.basename(zone)] = own
        parent = names.get(os.path.basename(zone).rpartition(":")[0])
        covers = _COVERS.get(own.partition("-")[0], "part")
        detail = {}
        highest = read_text(os.path.join(zone, "max_energy_range_uj"))
        if highest and highest.isdigit() and int(highest):
            detail["range"] = int(highest) / _MICRO
        name = "{}/{}".format(parent, own) if parent else own
        entries.append(
            (
                rail(name, JOULE, covers, _BOARD_RANK, **detail),
                os.path.join(zone, "energy_uj"),
                scaled(_MICRO),
            )
        )
    why = why_unreadable(os.path.join(zones[0], "energy_uj"))
    return of_files(NAME, entries, why or "its counters have no values")
