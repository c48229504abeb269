"""Time that tasks waited for CPU, memory or disk.

/proc/pressure/{cpu,memory,io}: lines ``some`` and ``full`` with ``total=`` in
microseconds (Documentation/accounting/psi.rst of the kernel). A benchmark of
more threads than cores waits for itself, so this judges nothing by itself but
for memory.
"""

from edgebench.telemetry.quantity import COUNTER, SECOND, quantity
from edgebench.telemetry.sources.source import AbsentError, Source
from edgebench.telemetry.tree import Channel, why_unreadable

NAME = "pressure"

_LINES = (("cpu", b"some"), ("memory", b"some"), ("memory", b"full"), ("io", b"some"), ("io", b"full"))
_MICRO = 1e6


def find(tree):
    """Return the Source, seconds; raises AbsentError."""
    channels = {name: Channel(tree.path("/proc/pressure/" + name)) for name in ("cpu", "memory", "io")}
    told = [(name, line) for name, line in _LINES if _total(channels[name].data(), line) is not None]
    if not told:
        why = why_unreadable(tree.path("/proc/pressure/cpu"))
        raise AbsentError("no /proc/pressure (Linux before 4.20, or switched off): {}".format(why))
    quantities = [
        quantity("pressure.{}.{}".format(name, line.decode("ascii")), COUNTER, SECOND) for name, line in told
    ]

    def read():
        data = {name: channel.data() for name, channel in channels.items()}
        return [_total(data[name], line) for name, line in told]

    def close():
        for channel in channels.values():
            channel.close()

    return Source(NAME, quantities, read, 0, close)


def _total(data, line):
    for each in (data or b"").splitlines():
        if each.startswith(line + b" "):
            number = each.rpartition(b"total=")[2]
            return int(number) / _MICRO if number.isdigit() else None
    return None
