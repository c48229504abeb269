"""Cooling devices that slow a processor, a GPU or memory down at this moment.

/sys/class/thermal/cooling_device*/{type,cur_state}: 0 is "not cooling"
(Documentation/driver-api/thermal/sysfs-api.rst of the kernel). Only types that
are known to take speed away count: fans, Wi-Fi cards, modems, chargers and
displays are cooling devices too, and an alert such as the Orin's
hot-surface-alert slows nothing.
"""

import os
import re

from edgebench.telemetry.quantity import FLAG, RATIO, THROTTLED, quantity
from edgebench.telemetry.sources.source import of_files
from edgebench.telemetry.tree import read_text

NAME = "cooling devices"

# tests/cooling_devices.py holds this and the list of files/jetson_boards.yml to the same types.
_SLOWS = re.compile(
    "|".join(
        (
            # drivers/thermal/{cpufreq,cpuidle,devfreq}_cooling.c of the kernel, before and since Linux 5.13.
            r"(thermal-)?(cpufreq|devfreq)-.+",
            r"(thermal-)?idle-.+",
            # ACPI's processors and Intel's idle injection.
            r"Processor",
            r"intel_powerclamp",
            # NVIDIA's L4T 32 on the Nano, and all its later kernels.
            r"(tegra|cpu|gpu|cv|emc)-(balanced|heavy)",
            r".+-throttle-alert",
        )
    )
    + "$"
)


def find(tree):
    """Return the Source; raises AbsentError."""
    entries = []
    for device in tree.glob("/sys/class/thermal/cooling_device*"):
        kind = read_text(os.path.join(device, "type")) or os.path.basename(device)
        if slows(kind):
            entries.append(
                (
                    quantity(
                        "cooling.{}.{}".format(kind, os.path.basename(device)[len("cooling_device") :]),
                        FLAG,
                        RATIO,
                        event=THROTTLED,
                    ),
                    os.path.join(device, "cur_state"),
                    _is_cooling,
                )
            )
    return of_files(NAME, entries, "no cooling device of a processor in /sys/class/thermal")


def slows(kind):
    """Return whether a cooling device of this type takes speed away when it cools."""
    return _SLOWS.match(kind) is not None


def _is_cooling(text):
    # intel_powerclamp says -1 while it injects nothing.
    return int(int(text) > 0)
