"""Under-voltage and throttling of a Raspberry Pi, as its firmware reports them.

A mask of bits: 0 to 3 are the present state, 16 to 19 say that it has been so
(Raspberry Pi documentation, "vcgencmd get_throttled"). There are two ways to it:

- get_throttled of the foundation's kernels, which holds what the firmware said
  last time the kernel asked it. Only the monitor rpi_volt asks, every two
  seconds (drivers/hwmon/raspberrypi-hwmon.c and drivers/firmware/raspberrypi.c
  of the kernel); without it the file stays 0 for ever.
- `vcgencmd get_throttled`, read seldom because it costs a process. It is used
  if the file is missing, is not kept up to date, or contradicts it.

If neither is reliable, the columns stay without values: unknown, not 0.
"""

import os
import shutil
import subprocess

from edgebench.telemetry.quantity import FLAG, LATCH, RATIO, THROTTLED, UNDER_VOLTAGE, quantity
from edgebench.telemetry.sources import raspberry_pi_voltage
from edgebench.telemetry.sources.source import AbsentError, Source, nothing
from edgebench.telemetry.tree import Channel, read_text

NAME = "Raspberry Pi firmware"

# The folder is named after the device tree's node, which differs by board (soc@107c000000 on the Raspberry Pi 5) and
# kernel; the driver's folder links to it on all.
_MASKS = (
    "/sys/devices/platform/soc*/*firmware/get_throttled",
    "/sys/devices/platform/*firmware/get_throttled",
    "/sys/bus/platform/drivers/raspberrypi-firmware/*/get_throttled",
)
_IDENTITIES = (
    ("/sys/firmware/devicetree/base/compatible", "raspberrypi,"),
    ("/proc/device-tree/compatible", "raspberrypi,"),
    ("/proc/cpuinfo", "Raspberry Pi"),
)
_BITS = (
    (0, "under_voltage", UNDER_VOLTAGE),
    (1, "frequency_capped", THROTTLED),
    (2, "throttled", THROTTLED),
    (3, "soft_temperature_limit", THROTTLED),
)
_LATCH_SHIFT = 16
_PROGRAM = "vcgencmd"
# Not on everybody's PATH there: Raspbian 9 and 10.
_PROGRAM_FOLDER = "/opt/vc/bin"
_COMMAND_EVERY_S = 5.0
_COMMAND_LIMIT_S = 2


def find(tree, command=None):
    """Return the Source; raises AbsentError for another board.

    command: asks the firmware, vcgencmd unless given; it is not asked about a
    copy of another board's files unless given.
    """
    path = _mask_path(tree)
    is_kept_up = raspberry_pi_voltage.alarm_path(tree) is not None
    if path is None and not is_kept_up and not _is_raspberry_pi(tree):
        raise AbsentError("not a Raspberry Pi")
    kernel = None if path is None else Channel(path)
    mask = None if kernel is None else parsed(kernel.text())
    if mask and is_kept_up:
        return _source(kernel.text, 0, close=kernel.close)  # type: ignore[union-attr]
    asked = _Vcgencmd(tree, command)
    said = parsed(asked.text())
    # A mask of 0 is either right or stuck.
    if kernel is not None and is_kept_up and not said:
        return _source(kernel.text, 0, close=kernel.close)
    if said is not None:
        return _source(asked.text, _COMMAND_EVERY_S)
    if kernel is None:
        return _source(lambda: None, 0, "this kernel has no get_throttled, and {}".format(asked.reason))
    why = "without the monitor rpi_volt the kernel's get_throttled is not kept up to date, and {}".format(
        asked.reason
    )
    # What it says has been so; what it does not say is unknown.
    return _source(kernel.text, 0, why, kernel.close, is_set_only=True)


def _source(text, every_s, why=None, close=nothing, is_set_only=False):
    detail = {"unknown": why} if why else {}
    quantities = [
        quantity("raspberry_pi.{}{}".format(name, suffix), kind, RATIO, event=event, **detail)
        for kind, suffix in ((FLAG, ""), (LATCH, "_has_been"))
        for _, name, event in _BITS
    ]

    def read():
        mask = parsed(text())
        if mask is None:
            return [None] * len(quantities)
        values = [mask >> bit + shift & 1 for shift in (0, _LATCH_SHIFT) for bit, _, _ in _BITS]
        return [value or None for value in values] if is_set_only else values

    return Source(NAME, quantities, read, every_s, close)


def _mask_path(tree):
    for pattern in _MASKS:
        for path in tree.glob(pattern):
            if parsed(read_text(path)) is not None:
                return path
    return None


def _is_raspberry_pi(tree):
    return any(words in (tree.text(name) or "") for name, words in _IDENTITIES)


class _Vcgencmd:
    """Asks vcgencmd; ``reason`` says why its last answer is no mask."""

    def __init__(self, tree, command):
        self.reason = None
        self._command = command
        if command is None and tree.is_real:
            folders = os.pathsep.join((os.environ.get("PATH", os.defpath), _PROGRAM_FOLDER))
            program = shutil.which(_PROGRAM, path=folders)
            self._command = program and (program, "get_throttled")
            if program is None:
                self.reason = (
                    "vcgencmd is not installed (sudo apt install raspi-utils, or libraspberrypi-bin)"
                )
        elif command is None:
            self.reason = "vcgencmd is not asked about a copy of sysfs"

    def text(self):
        """Return what vcgencmd prints, None if it fails."""
        if self._command is None:
            return None
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            try:
                said = process.communicate(timeout=_COMMAND_LIMIT_S)[0].decode("utf-8", "replace").strip()
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                self.reason = "vcgencmd did not answer within {} s".format(_COMMAND_LIMIT_S)
                return None
        except OSError as error:
            self.reason = "vcgencmd cannot be run ({})".format(error.strerror)
            return None
        if process.returncode == 0 and parsed(said) is not None:
            return said
        self.reason = "vcgencmd failed with exit code {} ({}); is this user in the group video?".format(
            process.returncode, said.splitlines()[0] if said else "no output"
        )
        return None


def parsed(text):
    """Return the mask of ``50005``, ``0x50005`` or ``throttled=0x50005``; None for anything else."""
    try:
        mask = int((text or "").strip().rpartition("=")[2], 16)
    except ValueError:
        return None
    return mask if mask >= 0 else None
