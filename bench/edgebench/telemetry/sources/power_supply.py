"""Batteries, and whether the host runs on one.

/sys/class/power_supply/*/: type, status, power_now in microwatts, or
voltage_now (microvolts) times current_now (microamperes, negative with some
drivers while discharging) (Documentation/ABI/testing/sysfs-class-power).
"""

import os

from edgebench.telemetry.quantity import FLAG, RATIO, WATT, quantity, rail
from edgebench.telemetry.sources.source import AbsentError, Source
from edgebench.telemetry.tree import Channel, read_text

NAME = "batteries"

_MICRO = 1e6


def find(tree):
    """Return the Source: watts while a battery discharges, else None; raises AbsentError."""
    batteries = []
    for supply in tree.glob("/sys/class/power_supply/*"):
        scope = read_text(os.path.join(supply, "scope"))
        # A mouse has a battery, too.
        if read_text(os.path.join(supply, "type")) == "Battery" and scope != "Device":
            batteries.append(supply)
    if not batteries:
        raise AbsentError("no battery in /sys/class/power_supply")
    quantities, readers = [], []
    for supply in batteries:
        name = os.path.basename(supply)
        status = Channel(os.path.join(supply, "status"))
        quantities += [
            quantity("on_battery." + name, FLAG, RATIO),
            rail(name, WATT, "board" if len(batteries) == 1 else "part"),
        ]
        readers.append((status, _power(supply)))

    def read():
        values = []
        for status, power in readers:
            discharges = status.text() == "Discharging"
            values += [int(discharges), power() if discharges else None]
        return values

    return Source(NAME, quantities, read, 0, lambda: None)


def _power(supply):
    power, volts, amperes = (
        Channel(os.path.join(supply, name)) for name in ("power_now", "voltage_now", "current_now")
    )

    def read():
        try:
            text = power.text()
            if text is not None:
                return abs(int(text)) / _MICRO
            return int(volts.text() or "") / _MICRO * abs(int(amperes.text() or "")) / _MICRO
        except ValueError:
            return None

    return read
