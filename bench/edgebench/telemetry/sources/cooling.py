"""Cooling devices that hold a clock back at this moment.

/sys/class/thermal/cooling_device*/{type,cur_state}: 0 is "not cooling"
(Documentation/driver-api/thermal/sysfs-api.rst of the kernel). On boards whose
CPUs count no throttling, this is how it shows.
"""

import os

from edgebench.telemetry.quantity import FLAG, RATIO, THROTTLED, quantity
from edgebench.telemetry.sources.source import is_set, of_files
from edgebench.telemetry.tree import read_text

NAME = "cooling devices"

# Those that turn, dim or set something without taking speed away; TCC and powerclamp have states of their own.
_HARMLESS = ("fan", "lcd", "backlight", "tcc", "powerclamp", "iwlwifi", "charger", "battery", "pch")


def find(tree):
    """Return the Source; raises AbsentError."""
    entries = []
    for device in tree.glob("/sys/class/thermal/cooling_device*"):
        kind = read_text(os.path.join(device, "type")) or os.path.basename(device)
        if not any(word in kind.lower() for word in _HARMLESS):
            entries.append(
                (
                    quantity(
                        "cooling.{}.{}".format(kind, os.path.basename(device)[len("cooling_device") :]),
                        FLAG,
                        RATIO,
                        event=THROTTLED,
                    ),
                    os.path.join(device, "cur_state"),
                    is_set,
                )
            )
    return of_files(NAME, entries, "no device that holds clocks back in /sys/class/thermal")
