"""Under-voltage and throttling of a Raspberry Pi, as its firmware tells.

The first of these that is there:
- /sys/devices/platform/soc/soc:firmware/get_throttled, a hexadecimal mask (the
  foundation's kernels);
- `vcgencmd get_throttled`, the same mask, asked seldom for it costs a process;
and beside it the monitor rpi_volt, whose in0_lcrit_alarm says that there was
under-voltage within the last seconds (drivers/hwmon/raspberrypi-hwmon.c of the
kernel, which polls the firmware every two seconds and clears the mask's upper
bits). Bits 0 to 3 of the mask are the present state, 16 to 19 say that it has
been (Raspberry Pi documentation, "vcgencmd get_throttled").
"""

import os
import subprocess

from edgebench.telemetry.quantity import FLAG, LATCH, RATIO, THROTTLED, UNDER_VOLTAGE, quantity
from edgebench.telemetry.sources.source import AbsentError, Source, nothing
from edgebench.telemetry.tree import Channel, read_text

NAME = "Raspberry Pi firmware"

_MASK_FILES = (
    "/sys/devices/platform/soc/soc:firmware/get_throttled",
    "/sys/devices/platform/soc/soc@107c000000:firmware/get_throttled",
)
_BITS = (
    (0, "under_voltage", UNDER_VOLTAGE),
    (1, "frequency_capped", THROTTLED),
    (2, "throttled", THROTTLED),
    (3, "soft_temperature_limit", THROTTLED),
)
_LATCH_SHIFT = 16
_COMMAND = ("vcgencmd", "get_throttled")
_COMMAND_EVERY_S = 10.0
_COMMAND_LIMIT_S = 2


def find(tree, command=_COMMAND):
    """Return the Source; raises AbsentError. command: asked where ``tree`` is this host's own."""
    alarm = _alarm(tree)
    mask, every_s = _mask(tree, command, alarm is not None)
    if alarm is None and mask is None:
        raise AbsentError("neither rpi_volt in /sys/class/hwmon, nor get_throttled, nor vcgencmd")
    quantities = []
    if alarm is not None:
        quantities.append(quantity("raspberry_pi.voltage_alarm", FLAG, RATIO, event=UNDER_VOLTAGE))
    if mask is not None:
        for _, name, event in _BITS:
            quantities.append(quantity("raspberry_pi." + name, FLAG, RATIO, event=event))
        for _, name, event in _BITS:
            quantities.append(quantity("raspberry_pi.{}_has_been".format(name), LATCH, RATIO, event=event))

    def read():
        values = []
        if alarm is not None:
            text = alarm.text()
            values.append(None if text is None else int(text != "0"))
        if mask is not None:
            values += _flags(mask())
        return values

    return Source(NAME, quantities, read, every_s, alarm.close if alarm is not None else nothing)


def _alarm(tree):
    for chip in tree.glob("/sys/class/hwmon/hwmon*"):
        path = os.path.join(chip, "in0_lcrit_alarm")
        if read_text(os.path.join(chip, "name")) == "rpi_volt" and read_text(path) is not None:
            return Channel(path)
    return None


def _mask(tree, command, has_alarm):
    """Return (function to the mask's text or None, seconds between askings)."""
    for name in _MASK_FILES:
        if parsed(tree.text(name)) is not None:
            return Channel(tree.path(name)).text, 0
    # The alarm already tells under-voltage at every sample, for less than a process costs.
    if has_alarm or not tree.is_real:
        return None, 0

    def ask():
        try:
            told = subprocess.check_output(
                command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_COMMAND_LIMIT_S
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return told.decode("utf-8", "replace")

    return (ask, _COMMAND_EVERY_S) if parsed(ask()) is not None else (None, 0)


def _flags(text):
    mask = parsed(text)
    if mask is None:
        return [None] * (2 * len(_BITS))
    now = [mask >> bit & 1 for bit, _, _ in _BITS]
    return now + [mask >> bit + _LATCH_SHIFT & 1 for bit, _, _ in _BITS]


def parsed(text):
    """Return the mask of ``50005``, ``0x50005`` or ``throttled=0x50005``; None for anything else."""
    try:
        return int((text or "").strip().rpartition("=")[2], 16)
    except ValueError:
        return None
