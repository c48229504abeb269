"""Temperatures of hardware monitors that are no thermal zones.

/sys/class/hwmon/hwmon*/temp*_input, millidegrees Celsius, with temp*_label
(Documentation/hwmon/sysfs-interface.rst of the kernel).
"""

import os

from edgebench.telemetry.quantity import CELSIUS, GAUGE, quantity
from edgebench.telemetry.sources.source import of_files, scaled
from edgebench.telemetry.tree import matching, read_text

NAME = "hardware monitors' temperatures"

# A server has one for each core; more than these tell no more and cost time at each sample.
_MOST_OF_A_CHIP = 8
_WHOLE_CHIP = ("Package", "Tctl", "Tdie", "Composite")


def find(tree):
    """Return the Source; raises AbsentError."""
    zones = {_plain(read_text(path) or "") for path in tree.glob("/sys/class/thermal/thermal_zone*/type")}
    entries = []
    for chip in tree.glob("/sys/class/hwmon/hwmon*"):
        name = read_text(os.path.join(chip, "name")) or os.path.basename(chip)
        # The kernel shows every thermal zone here once more.
        if _plain(name) not in zones:
            entries += _of_chip(chip, name)
    return of_files(NAME, entries, "no monitor with a temperature besides the zones in /sys/class/hwmon")


def _of_chip(chip, name):
    found = []
    for path in matching(chip, "temp*_input"):
        part = os.path.basename(path)[: -len("_input")]
        label = read_text(os.path.join(chip, part + "_label")) or part
        found.append((label, path))
    if len(found) > _MOST_OF_A_CHIP:
        whole = [each for each in found if each[0].startswith(_WHOLE_CHIP)]
        found = (whole or found)[:_MOST_OF_A_CHIP]
    return [
        (quantity("temperature.{}.{}".format(name, label), GAUGE, CELSIUS), path, scaled(1000.0))
        for label, path in found
    ]


def _plain(name):
    return name.replace("-", "_").lower()
