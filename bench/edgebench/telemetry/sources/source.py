"""What all sources are made of: quantities, and a function that reads them all."""

from collections import namedtuple

from edgebench.errors import EdgebenchError
from edgebench.telemetry.tree import Channel

Source = namedtuple("Source", "name quantities read every_s close")
Source.__doc__ = """Something this host tells.

name: of the module. quantities: list of Quantity. read: function without
arguments that returns as many values, None for what cannot be had now.
every_s: seconds between two readings, 0 for every sample. close: function.
"""


class AbsentError(EdgebenchError):
    """This host has no such source; the text says why."""


def of_files(name, entries, absent):
    """Return a Source that reads one file for each quantity, leaving out those that say nothing now.

    entries: (Quantity, path, function from text to value). absent: the reason
    of the AbsentError raised where nothing is left.
    """
    kept = []
    for quantity, path, convert in entries:
        channel = Channel(path)
        if convert_text(channel.text(), convert) is None:
            channel.close()
        else:
            kept.append((quantity, channel, convert))
    if not kept:
        raise AbsentError(absent)

    def read():
        return [convert_text(channel.text(), convert) for _, channel, convert in kept]

    def close():
        for _, channel, _ in kept:
            channel.close()

    return Source(name, [quantity for quantity, _, _ in kept], read, 0, close)


def convert_text(text, convert):
    """Return ``convert(text)``, or None where there is no text or it is not what it should be."""
    if text is None:
        return None
    try:
        return convert(text)
    except (ValueError, IndexError):
        return None


def scaled(divisor):
    """Return a function that reads a whole number and divides it."""
    return lambda text: int(text) / divisor


def is_set(text):
    """Return 1 for a number that is not 0, else 0."""
    return int(int(text) != 0)


def nothing():
    """Close nothing."""
