"""The timestamp of energy mode: a falling edge on a GPIO line, through libgpiod.

Source: eembc/energyrunner, ``README.md`` (a falling edge held for at least
1 µs) and mlcommons/tiny, ``submitter_implemented.cpp`` (the line is high
between timestamps, the first of them at the start). The library is called as
it is, without bindings for Python, which no package of every release's Python
brings: libgpiod 1 (``libgpiod.so.1`` and ``.so.2``) and 2 (``libgpiod.so.3``).
"""

import ctypes
import os
import time

from edgebench.errors import UsageError

_CONSUMER = b"edgebench"
_OUTPUT_V2 = 3
_HOLD_S = 10e-6


class TimestampLine:
    """One GPIO line, kept high; ``edge`` takes it low for a moment. ``close`` gives it back."""

    def __init__(self, chip, offset):
        """Take line ``offset`` of ``chip`` ("gpiochip0", "0" or a path); raise UsageError where that cannot be."""
        path = _path_of(chip)
        if not os.path.exists(path):
            raise UsageError(
                "{} is not a GPIO chip of this host. Choose one with --gpio-chip; this host has: {}".format(
                    path, ", ".join(_chips()) or "none"
                ),
                "gpio-chip-missing",
            )
        self._line = _open_line(path, offset)
        self._line.set(1)

    def edge(self):
        """Make a falling edge, hold the line low for 10 µs or more, and raise it again."""
        make_edge(self._line.set)

    def close(self):
        """Give the line back."""
        self._line.close()


def make_edge(set_value):
    """Set a line low, hold it and set it high: ``set_value(0)``, at least 10 µs, ``set_value(1)``."""
    set_value(0)
    began_s = time.perf_counter()
    # To sleep would take as long as the kernel likes; this is over before it could.
    while time.perf_counter() - began_s < _HOLD_S:
        pass
    set_value(1)


def _path_of(chip):
    if chip.isdigit():
        chip = "gpiochip" + chip
    return chip if chip.startswith("/") else "/dev/" + chip


def _chips():
    try:
        return sorted(name for name in os.listdir("/dev") if name.startswith("gpiochip"))
    except OSError:
        return []


def _open_line(path, offset):
    for name, kind in (("libgpiod.so.3", _LineV2), ("libgpiod.so.2", _LineV1), ("libgpiod.so.1", _LineV1)):
        try:
            library = ctypes.CDLL(name, use_errno=True)
        except OSError:
            continue
        return kind(library, path, offset)
    raise UsageError(
        "libgpiod is not installed; energy mode needs it for timestamps. Install the package libgpiod3, libgpiod2 "
        "or, on Ubuntu 18.04, libgpiod1.",
        "libgpiod-missing",
    )


class _Line:
    def __init__(self, library, path, offset):
        self._library = library
        self._where = "line {} of {}".format(offset, path)
        self._chip = self._call("gpiod_chip_open", path.encode("utf-8"))

    def _call(self, name, *arguments):
        """Call a function that returns a pointer; raise UsageError where it returns none."""
        function = getattr(self._library, name)
        function.restype = ctypes.c_void_p
        result = function(*(_pointer(each) for each in arguments))
        if not result:
            raise self._error(name)
        return result

    def _do(self, name, *arguments):
        """Call a function that returns a number; raise UsageError where it is below 0."""
        function = getattr(self._library, name)
        function.restype = ctypes.c_int
        if function(*(_pointer(each) for each in arguments)) < 0:
            raise self._error(name)

    def _error(self, name):
        return UsageError(
            "{} is not available ({}: {}). Check with gpioinfo that the line is unused, and that this user may open "
            "the chip.".format(self._where, name, os.strerror(ctypes.get_errno())),
            "gpio-line-unavailable",
        )

    def _release(self, name, pointer):
        function = getattr(self._library, name)
        function.restype = None
        function(_pointer(pointer))


class _LineV1(_Line):
    """A line through libgpiod 1."""

    def __init__(self, library, path, offset):
        _Line.__init__(self, library, path, offset)
        self._line = self._call("gpiod_chip_get_line", self._chip, ctypes.c_uint(offset))
        self._do("gpiod_line_request_output", self._line, _CONSUMER, ctypes.c_int(1))

    def set(self, value):
        self._do("gpiod_line_set_value", self._line, ctypes.c_int(value))

    def close(self):
        self._release("gpiod_line_release", self._line)
        self._release("gpiod_chip_close", self._chip)


class _LineV2(_Line):
    """A line through libgpiod 2."""

    def __init__(self, library, path, offset):
        _Line.__init__(self, library, path, offset)
        self._offset = ctypes.c_uint(offset)
        settings = self._call("gpiod_line_settings_new")
        lines = self._call("gpiod_line_config_new")
        asking = self._call("gpiod_request_config_new")
        try:
            self._do("gpiod_line_settings_set_direction", settings, ctypes.c_int(_OUTPUT_V2))
            self._do("gpiod_line_settings_set_output_value", settings, ctypes.c_int(1))
            offsets = (ctypes.c_uint * 1)(offset)
            self._do("gpiod_line_config_add_line_settings", lines, offsets, ctypes.c_size_t(1), settings)
            self._name_consumer(asking)
            self._request = self._call("gpiod_chip_request_lines", self._chip, asking, lines)
        finally:
            self._release("gpiod_line_settings_free", settings)
            self._release("gpiod_line_config_free", lines)
            self._release("gpiod_request_config_free", asking)

    def _name_consumer(self, asking):
        function = self._library.gpiod_request_config_set_consumer
        function.restype = None
        function(_pointer(asking), _CONSUMER)

    def set(self, value):
        self._do("gpiod_line_request_set_value", self._request, self._offset, ctypes.c_int(value))

    def close(self):
        self._release("gpiod_line_request_release", self._request)
        self._release("gpiod_chip_close", self._chip)


def _pointer(value):
    # A bare int would be passed as a C int, which cuts a pointer in half.
    return ctypes.c_void_p(value) if isinstance(value, int) else value
