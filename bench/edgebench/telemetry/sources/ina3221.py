"""Power rails of a board with an INA3221, above all the Jetsons.

- JetPack 4 (NVIDIA's ina3221x driver): rail_name_N, in_powerN_input in mW, or
  in_voltageN_input (mV) times in_currentN_input (mA), in
  /sys/bus/i2c/drivers/ina3221x/*/iio:device* (Jetson Linux Developer Guide 32,
  "Software-Based Power Consumption Modeling").
- JetPack 5 and later, and mainline: inN_label, inN_input (mV) times
  currN_input (mA) in /sys/class/hwmon (Documentation/hwmon/ina3221.rst).
"""

import os

from edgebench.telemetry.quantity import WATT, rail
from edgebench.telemetry.sources.source import AbsentError, Source
from edgebench.telemetry.tree import Channel, read_text

NAME = "INA3221 power rails"

# Named so on Nano and TX, Xavier NX and later: what the whole module draws.
BOARD_RAILS = ("POM_5V_IN", "VDD_IN", "5V_IN")
_BOARD_RANK = 2
_IIO = ("/sys/bus/i2c/drivers/ina3221*/*/iio:device*", "/sys/bus/i2c/drivers/ina3221*/*/iio_device")


def find(tree):
    """Return the Source, watts; raises AbsentError."""
    columns = []
    for chip in iio_chips(tree):
        for number, label in iio_labels(tree, chip):
            power = Channel(os.path.join(chip, "in_power{}_input".format(number)))
            volts = os.path.join(chip, "in_voltage{}_input".format(number))
            amperes = os.path.join(chip, "in_current{}_input".format(number))
            read = _milliwatts(power) if power.text() else _product(Channel(volts), Channel(amperes))
            columns.append((label, read))
    for chip in hwmon_chips(tree):
        for number, label in hwmon_labels(tree, chip):
            volts = os.path.join(chip, "in{}_input".format(number))
            amperes = os.path.join(chip, "curr{}_input".format(number))
            columns.append((label, _product(Channel(volts), Channel(amperes))))
    columns = [(label, read) for label, read in columns if read() is not None]
    if not columns:
        raise AbsentError("no INA3221 in sysfs, neither over IIO nor over hwmon")
    quantities = [
        rail(label, WATT, "board" if label in BOARD_RAILS else "part", _BOARD_RANK) for label, _ in columns
    ]
    return Source(NAME, quantities, lambda: [read() for _, read in columns], 0, lambda: None)


def iio_chips(tree):
    """Return the folders of INA3221s over IIO."""
    return [path for pattern in _IIO for path in tree.glob(pattern)]


def iio_labels(tree, chip):
    """Return [(number as text, name)] of a chip's rails over IIO."""
    found = []
    for number in range(3):
        label = read_text(os.path.join(chip, "rail_name_{}".format(number)))
        if label:
            found.append((str(number), label))
    return found


def hwmon_chips(tree):
    """Return the folders of INA3221s over hwmon."""
    chips = tree.glob("/sys/class/hwmon/hwmon*")
    return [chip for chip in chips if read_text(os.path.join(chip, "name")) == "ina3221"]


def hwmon_labels(tree, chip):
    """Return [(number as text, name)] of a chip's rails over hwmon, without what is not connected."""
    found = []
    # Channels 4 to 7 are shunt voltages and their sum.
    for number in range(1, 4):
        label = read_text(os.path.join(chip, "in{}_label".format(number)))
        if label and label != "NC":
            found.append((str(number), label))
    return found


def _milliwatts(power):
    def read():
        return _number(power, 1000.0)

    return read


def _product(volts, amperes):
    def read():
        volts_v, amperes_a = _number(volts, 1000.0), _number(amperes, 1000.0)
        return None if volts_v is None or amperes_a is None else volts_v * amperes_a

    return read


def _number(channel, divisor):
    try:
        return int(channel.text() or "") / divisor
    except ValueError:
        return None
