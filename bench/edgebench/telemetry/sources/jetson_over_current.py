"""Over-current events and alarms of a Jetson.

- JetPack 5 and later: hwmon ``soctherm_oc`` with oc*_event_cnt, events since
  boot: oc1 under-voltage, oc2 average, oc3 momentary over-current (NVIDIA's
  Jetson Linux Developer Guide, "Platform Power and Performance").
- INA3221 over hwmon: curr*_crit_alarm, curr*_max_alarm
  (Documentation/hwmon/ina3221.rst of the kernel).
- JetPack 4, INA3221 over IIO: the current against crit_current_limit_N and
  warn_current_limit_N, mA.
"""

import os

from edgebench.telemetry.quantity import COUNT, COUNTER, FLAG, OVER_CURRENT, RATIO, UNDER_VOLTAGE, quantity
from edgebench.telemetry.sources import ina3221
from edgebench.telemetry.sources.source import is_set, of_files
from edgebench.telemetry.tree import read_text

NAME = "over-current events"

_UNDER_VOLTAGE_EVENT = "oc1"


def find(tree):
    """Return the Source; raises AbsentError."""
    entries = []
    for path in tree.glob("/sys/class/hwmon/hwmon*/oc*_event_cnt"):
        name = os.path.basename(path)[: -len("_event_cnt")]
        chip = read_text(os.path.join(os.path.dirname(path), "name"))
        # Only this driver's first event is known to mean under-voltage.
        is_voltage = chip == "soctherm_oc" and name == _UNDER_VOLTAGE_EVENT
        event = UNDER_VOLTAGE if is_voltage else OVER_CURRENT
        entries.append((quantity("over_current." + name, COUNTER, COUNT, event=event), path, _whole))
    for chip in ina3221.hwmon_chips(tree):
        for number, label in ina3221.hwmon_labels(tree, chip):
            for kind in ("crit", "max"):
                path = os.path.join(chip, "curr{}_{}_alarm".format(number, kind))
                name = "over_current.{}.{}".format(label, kind)
                entries.append((quantity(name, FLAG, RATIO, event=OVER_CURRENT), path, is_set))
    for chip in ina3221.iio_chips(tree):
        for number, label in ina3221.iio_labels(tree, chip):
            for kind in ("crit", "warn"):
                limit = read_text(os.path.join(chip, "{}_current_limit_{}".format(kind, number)))
                if limit and limit.isdigit() and int(limit) > 0:
                    name = "over_current.{}.{}".format(label, kind)
                    path = os.path.join(chip, "in_current{}_input".format(number))
                    entries.append(
                        (
                            quantity(name, FLAG, RATIO, event=OVER_CURRENT, limit_ma=int(limit)),
                            path,
                            _above(int(limit)),
                        )
                    )
    return of_files(
        NAME, entries, "no INA3221 and no soctherm_oc (not a Jetson, or one without a power monitor)"
    )


def _whole(text):
    return int(text)


def _above(limit_ma):
    return lambda text: int(int(text) > limit_ma)
