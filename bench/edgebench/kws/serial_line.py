"""A serial line through pyserial: a UART, a USB gadget's port or a pty, with errors that say what to do.

8 data bits, no parity, 1 stop bit, no flow control, as
``benchmark/runner/serial_device.py`` of mlcommons/tiny opens it.
"""

import errno
import importlib
import os
import stat
import sys

from edgebench.errors import EdgebenchError, UsageError

_BUSY = (errno.EBUSY, errno.EAGAIN)


class LineGoneError(EdgebenchError):
    """The other end, or the port itself, has disappeared; opening it again may help."""

    code = "serial-port-missing"


class LineStuckError(EdgebenchError):
    """The other end has not taken what was sent for longer than the line waits; it is lost."""

    code = "serial-line-stuck"


class SerialLine:
    """An open line. ``close`` it, or use it in a with statement."""

    def __init__(self, path, baud, read_s=0.2, write_s=5.0):
        """Open ``path`` at ``baud``, for this program alone.

        read_s: how long ``read`` waits for a byte. write_s: how long ``write``
        waits for the line to take what it is given. Raises LineGoneError where there
        is no such port at this moment, UsageError where there can be none.
        """
        self._library = _pyserial()
        if os.path.exists(path) and not stat.S_ISCHR(os.stat(path).st_mode):
            raise _not_a_port(path, "it is not a character device")
        try:
            self._port = self._library.Serial(
                path, baud, timeout=read_s, write_timeout=write_s, exclusive=True
            )
        except (ValueError, OverflowError) as error:
            raise UsageError(
                "{} does not support {} baud ({}). Choose another rate with --baud.".format(
                    path, baud, error
                ),
                "baud-rate-unsupported",
            )
        except EnvironmentError as error:
            raise _refused(path, error)
        except importlib.import_module("termios").error as error:
            raise _not_a_port(path, error.args[-1])

    def read(self):
        """Return what has come, at least one byte; nothing where none came in ``read_s``. Raises LineGoneError."""
        with self._translated():
            data = self._port.read(1)
            return data + self._port.read(self._port.in_waiting) if data else data

    def write(self, data):
        """Send all of ``data``; raises LineGoneError; LineStuckError where it is not taken in ``write_s``."""
        with self._translated():
            self._port.write(data)

    def drop_unsent(self):
        """Forget what was written and not yet taken."""
        with self._translated():
            self._port.reset_output_buffer()

    def close(self):
        """Let go of the port, gone or not."""
        try:
            self._port.close()
        except Exception:  # noqa: BLE001, S110 - what is gone cannot be closed, in more ways than pyserial knows
            pass

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.close()

    def _translated(self):
        return _Translated(self._library)


class _Translated:
    """Turns what pyserial and the kernel raise of a line into LineGoneError and LineStuckError."""

    def __init__(self, library):
        self._library = library

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, self._library.SerialTimeoutException):
            raise LineStuckError(str(error))
        # The port's descriptor is gone when another thread closed it: TypeError. termios has an error of its own.
        if (
            isinstance(error, (EnvironmentError, TypeError))
            or kind is importlib.import_module("termios").error
        ):
            raise LineGoneError(str(error))
        return False


def _pyserial():
    try:
        return importlib.import_module("serial")
    except ImportError:
        raise UsageError(
            "pyserial is not installed for {0}. Serial lines need it. Provision this host again, or run: {0} -m pip "
            "install pyserial".format(sys.executable),
            "pyserial-missing",
        )


def _not_a_port(path, why):
    return UsageError(
        "{} is not a serial port: {}. Name a device such as /dev/ttyGS0 with --port.".format(path, why),
        "not-a-serial-port",
    )


def _refused(path, error):
    number = error.errno
    if "configure port" in str(error):
        return _not_a_port(path, error)
    if number == errno.EACCES or number == errno.EPERM:
        return UsageError(
            "This user may not open {0}; its group ({1}) may. Add the user to the group and log in again: "
            "sudo usermod -aG {1} USER".format(path, _group(path)),
            "serial-port-forbidden",
        )
    if number in _BUSY or "exclusively lock" in str(error):
        return UsageError(
            "{} is in use by another program. Stop that program; a login console stops with: systemctl stop "
            "serial-getty@{}".format(path, os.path.basename(path)),
            "serial-port-busy",
        )
    return LineGoneError("{}: {}".format(path, os.strerror(number) if number else error))


def _group(path):
    try:
        return importlib.import_module("grp").getgrgid(os.stat(path).st_gid).gr_name
    except (ImportError, KeyError, OSError):
        return "dialout"
