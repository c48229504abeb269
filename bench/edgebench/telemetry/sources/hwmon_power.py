"""Power and energy of other hardware monitors.

/sys/class/hwmon/hwmon*/: power*_input or power*_average in microwatts,
energy*_input in microjoules (Documentation/hwmon/sysfs-interface.rst).
"""

import os

from edgebench.telemetry.quantity import JOULE, WATT, rail
from edgebench.telemetry.sources.source import of_files, scaled
from edgebench.telemetry.tree import read_text

NAME = "hardware monitors' power"


def find(tree):
    """Return the Source; raises AbsentError."""
    entries = []
    for pattern, unit in (("power*_input", WATT), ("power*_average", WATT), ("energy*_input", JOULE)):
        for path in tree.glob("/sys/class/hwmon/hwmon*/" + pattern):
            chip, part = os.path.dirname(path), os.path.basename(path).partition("_")[0]
            name = read_text(os.path.join(chip, "name")) or os.path.basename(chip)
            label = read_text(os.path.join(chip, part + "_label")) or part
            entries.append((rail("{}.{}".format(name, label), unit, "part"), path, scaled(1e6)))
    return of_files(NAME, entries, "no monitor with power or energy in /sys/class/hwmon")
