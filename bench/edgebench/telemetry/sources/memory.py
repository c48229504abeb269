"""Memory left, and swapping.

/proc/meminfo: MemAvailable, SwapTotal, SwapFree in kB; /proc/vmstat: pswpin,
pswpout in pages, oom_kill (proc(5)).
"""

import os

from edgebench.telemetry.quantity import BYTE, COUNT, COUNTER, GAUGE, quantity
from edgebench.telemetry.sources.source import AbsentError, Source
from edgebench.telemetry.tree import Channel

NAME = "memory"

_VMSTAT_BYTES = 16384


def find(tree):
    """Return the Source; raises AbsentError."""
    meminfo = Channel(tree.path("/proc/meminfo"))
    vmstat = Channel(tree.path("/proc/vmstat"), _VMSTAT_BYTES)
    total = _field(meminfo.data(), b"MemTotal:")
    if total is None:
        raise AbsentError("no /proc/meminfo")
    page = os.sysconf("SC_PAGE_SIZE")
    quantities = [
        quantity("memory.available", GAUGE, BYTE, total=total * 1024),
        quantity("memory.swap_used", GAUGE, BYTE),
        quantity("memory.swapped_in", COUNTER, BYTE),
        quantity("memory.swapped_out", COUNTER, BYTE),
        quantity("memory.oom_kills", COUNTER, COUNT),
    ]

    def read():
        info, pages = meminfo.data(), vmstat.data()
        swap = [_field(info, name) for name in (b"SwapTotal:", b"SwapFree:")]
        return [
            _times(_field(info, b"MemAvailable:"), 1024),
            None if None in swap else (swap[0] - swap[1]) * 1024,
            _times(_field(pages, b"pswpin "), page),
            _times(_field(pages, b"pswpout "), page),
            _field(pages, b"oom_kill "),
        ]

    def close():
        meminfo.close()
        vmstat.close()

    return Source(NAME, quantities, read, 0, close)


def _field(data, name):
    """Return the number of the line that begins with ``name``; None where there is none."""
    at = -1 if data is None else (b"\n" + data).find(b"\n" + name)
    if at < 0:
        return None
    words = data[at + len(name) :].split(None, 1)
    return int(words[0]) if words and words[0].isdigit() else None


def _times(number, factor):
    return None if number is None else number * factor
