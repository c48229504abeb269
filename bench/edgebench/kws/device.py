"""This host as a device under test: the protocol on a serial line, for as long as nobody ends it."""

import sys
import time

from edgebench.errors import UsageError, with_code
from edgebench.kws.serial_line import LineGoneError, LineStuckError, SerialLine

BAUDS = {"performance": 115200, "accuracy": 115200, "energy": 9600}
_REOPEN_S = 0.5


def default_baud(mode):
    """Return the rate that hosts expect in a mode: 115200, in energy mode 9600."""
    return BAUDS[mode]


def says_boot(path):
    """Return whether a device on this port says its boot text by default.

    A USB gadget's port keeps what nobody reads until a host opens it, and the
    MLCommons runner (``serial_device.py``), which reads up to ``m-ready`` after
    each command, would take the boot text for the reply to its first command
    and every reply for that to the command before.
    """
    return "ttyGS" not in path


def serve(protocol, path, baud, boot, wait, say=None):
    """Answer on ``path`` until an exception such as KeyboardInterrupt ends it.

    protocol: a protocol.Protocol. boot: whether to say the boot text once.
    wait: whether to wait for a port that is not there yet; one that disappears
    later is always waited for, and opened again. Raises LineGoneError for a port
    that is missing and not waited for, UsageError for one that cannot be used.
    say: callable for lines about what happens, standard error by default.
    """
    say = say or _say
    line = _opened(path, baud, wait, say)
    say("{} at {} baud: ready".format(path, baud))
    pieces = protocol.boot() if boot else ()
    while True:
        with line:
            try:
                _send(line, pieces, say)
                while True:
                    _send(line, protocol.feed(line.read()), say)
            except LineGoneError as error:
                say("{} has gone ({}); waiting for it".format(path, error))
        # What a peer left half said is not the beginning of what the next one says.
        protocol.forget()
        pieces = ()
        time.sleep(_REOPEN_S)
        line = _reopened(path, baud)
        say("{} is back".format(path))


def _opened(path, baud, wait, say):
    told = False
    while True:
        try:
            return SerialLine(path, baud)
        except LineGoneError as error:
            if not wait:
                raise
            if not told:
                say(with_code("waiting for the port: {}".format(error), error.code))
                told = True
            time.sleep(_REOPEN_S)


def _reopened(path, baud):
    while True:
        try:
            return SerialLine(path, baud)
        # A port that comes back belongs to root alone until udev has set its group.
        except (LineGoneError, UsageError):
            time.sleep(_REOPEN_S)


def _send(line, pieces, say):
    """Write pieces as they come; a peer that does not read loses them, and the device goes on."""
    stuck = False
    for piece in pieces:
        if stuck:
            continue
        try:
            line.write(piece)
        except LineStuckError as error:
            stuck = True
            say(with_code("the host does not read; dropping the rest of the reply", error.code))
            line.drop_unsent()


def _say(text):
    sys.stderr.write("edgebench: {}\n".format(text))
    sys.stderr.flush()
