"""Under-voltage of a Raspberry Pi within the last seconds, by the kernel's monitor rpi_volt.

/sys/class/hwmon/hwmon*/in0_lcrit_alarm; the monitor polls the firmware every two
seconds (drivers/hwmon/raspberrypi-hwmon.c of the kernel).
"""

import os

from edgebench.telemetry.quantity import FLAG, RATIO, UNDER_VOLTAGE, quantity
from edgebench.telemetry.sources.source import AbsentError, is_set, of_files
from edgebench.telemetry.tree import read_text

NAME = "Raspberry Pi voltage"


def find(tree):
    """Return the Source; raises AbsentError."""
    path = alarm_path(tree)
    if path is None:
        raise AbsentError("no monitor rpi_volt in /sys/class/hwmon")
    column = quantity("raspberry_pi.voltage_alarm", FLAG, RATIO, event=UNDER_VOLTAGE)
    return of_files(NAME, [(column, path, is_set)], "{} is no number".format(path))


def alarm_path(tree):
    """Return the monitor's alarm file, None if there is no such monitor."""
    for chip in tree.glob("/sys/class/hwmon/hwmon*"):
        path = os.path.join(chip, "in0_lcrit_alarm")
        if read_text(os.path.join(chip, "name")) == "rpi_volt" and read_text(path) is not None:
            return path
    return None
