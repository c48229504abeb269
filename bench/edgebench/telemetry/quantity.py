"""A quantity of a series: its name, kind and unit, and what else the summary needs to know of it."""

import re
from collections import namedtuple

GAUGE = "gauge"
COUNTER = "counter"
FLAG = "flag"
LATCH = "latch"
TEXT = "text"
KINDS = (GAUGE, COUNTER, FLAG, LATCH, TEXT)

THROTTLED = "throttled"
UNDER_VOLTAGE = "under-voltage"
OVER_CURRENT = "over-current"

WATT = "watt"
JOULE = "joule"
CELSIUS = "celsius"
MEGAHERTZ = "megahertz"
RATIO = "ratio"
BYTE = "byte"
SECOND = "second"
COUNT = "count"

_NAME_LENGTH = 64

Quantity = namedtuple("Quantity", "name kind unit detail")
Quantity.__doc__ = """One column of a series.

name: such as ``temperature.CPU-therm``. kind: gauge (a value at its moment),
counter (only ever rises, but for wraps and resets), flag (0 or 1 at its
moment), latch (0 or 1, staying 1 for a while or until reboot), text.
unit: see the constants above. detail: dict that may hold ``range`` (the
highest value of a counter before it begins anew), ``rail``, ``covers`` and
``rank`` (see ``rail``), ``event`` (what a flag that is set or a counter that
rises means), ``unknown`` (why a column may have no value), and what a source
says besides.
"""


def quantity(name, kind, unit, **detail):
    """Return a Quantity with a clean name."""
    return Quantity(clean(name), kind, unit, detail)


def rail(name, unit, covers, rank=0, **detail):
    """Return a Quantity of a power rail: a gauge in watts or a counter in joules.

    covers: "board" (all that the machine draws), "cpu", "memory", "gpu" or
    "part" (contained in another rail, or nobody knows). rank: which of several
    rails that cover the board to believe; the higher the better.
    """
    if unit == JOULE:
        return quantity(
            "energy." + name, COUNTER, JOULE, rail=clean(name), covers=covers, rank=rank, **detail
        )
    return quantity("power." + name, GAUGE, WATT, rail=clean(name), covers=covers, rank=rank, **detail)


def clean(name):
    """Return a name of printable ASCII without blanks at its ends, cut to a length that a table can bear."""
    return re.sub(r"[^A-Za-z0-9_.:@/+ -]", "_", name.strip())[:_NAME_LENGTH]
