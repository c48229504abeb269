"""Temperatures of the thermal zones.

/sys/class/thermal/thermal_zone*/{type,temp}, millidegrees Celsius
(Documentation/driver-api/thermal/sysfs-api.rst of the kernel).
"""

import os

from edgebench.telemetry.quantity import CELSIUS, GAUGE, quantity
from edgebench.telemetry.sources.source import of_files, scaled
from edgebench.telemetry.tree import read_text

NAME = "thermal zones"

# The Jetson's PMIC-Die says 100 or 50 degrees whatever its temperature is.
_NO_SENSORS = ("PMIC",)


def find(tree):
    """Return the Source; raises AbsentError."""
    entries = []
    for zone in tree.glob("/sys/class/thermal/thermal_zone*"):
        kind = read_text(os.path.join(zone, "type")) or os.path.basename(zone)
        if not kind.startswith(_NO_SENSORS):
            entries.append(
                (quantity("temperature." + kind, GAUGE, CELSIUS), os.path.join(zone, "temp"), scaled(1000.0))
            )
    absent = "no zone in /sys/class/thermal reports a temperature"
    return of_files(NAME, entries, absent)
