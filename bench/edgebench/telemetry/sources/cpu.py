"""CPU time of the host, and of the benchmark's processes among it.

/proc/stat, its first line in ticks: user, nice, system, idle, iowait, irq,
softirq, steal; /proc/PID/stat: ppid (4), utime, stime, cutime, cstime (14 to
17), starttime (22); /proc/PID/task/PID/children (proc(5)). What others use is
the host's busy time less the benchmark's; interrupts are nobody's.
"""

import os
import time

from edgebench.telemetry.quantity import COUNTER, SECOND, quantity
from edgebench.telemetry.sources.source import AbsentError, Source
from edgebench.telemetry.tree import Channel

NAME = "CPU time"

_TICKS_PER_S = float(os.sysconf("SC_CLK_TCK"))
# Looking at every process of the host costs milliseconds; the children of the known ones are looked up each time.
_LOOK_AT_ALL_EVERY_S = 10.0


def find(tree, root_pid, clock=time.monotonic):
    """Return the Source, seconds; raises AbsentError.

    root_pid: the process that the benchmark consists of with all below it;
    None for none. clock: function to seconds.
    """
    stat = Channel(tree.path("/proc/stat"))
    cores = len([line for line in (tree.text("/proc/stat") or "").splitlines() if line[:3] == "cpu"]) - 1
    if parsed_total(stat.data()) is None:
        raise AbsentError("no /proc/stat")
    family = None if root_pid is None else Family(tree.path("/proc"), root_pid, clock)
    quantities = [
        quantity("cpu.total", COUNTER, SECOND, cores=max(cores, 1)),
        quantity("cpu.busy", COUNTER, SECOND),
        quantity("cpu.steal", COUNTER, SECOND),
    ]
    if family is not None:
        quantities.append(quantity("cpu.benchmark", COUNTER, SECOND))

    def read():
        values = list(parsed_total(stat.data()) or (None, None, None))
        return values if family is None else values + [family.cpu_s()]

    return Source(NAME, quantities, read, 0, stat.close)


def parsed_total(data):
    """Return (all, busy without interrupts, stolen) CPU seconds since boot from the text of /proc/stat, or None."""
    words = (data or b"").partition(b"\n")[0].split()
    if len(words) < 5 or words[0] != b"cpu" or not all(word.isdigit() for word in words[1:]):
        return None
    # Guests' time is contained in that of users.
    ticks = ([int(word) for word in words[1:9]] + [0] * 8)[:8]
    return sum(ticks) / _TICKS_PER_S, sum(ticks[:3]) / _TICKS_PER_S, ticks[7] / _TICKS_PER_S


class Family:
    """A process and all below it, and the CPU time they have used together, ended ones included."""

    def __init__(self, proc, root_pid, clock):
        self._proc = proc
        self._root = root_pid
        self._clock = clock
        # pid to (start in ticks, parent, ticks of it and of the children it has waited for)
        self._members = {}
        self._left_ticks = 0
        self._most_ticks = 0
        self._next_look = None

    def cpu_s(self):
        """Return the seconds used so far; None where even the first process cannot be seen."""
        members = self._alive()
        now = self._clock()
        if self._next_look is None or now >= self._next_look:
            self._next_look = now + _LOOK_AT_ALL_EVERY_S
            self._add_from_all(members)
        else:
            self._add_children(members)
        for pid, (start, parent, ticks) in self._members.items():
            # The time of a process goes to the parent that waits for it; where that is gone, it is kept here.
            if (pid not in members or members[pid][0] != start) and parent not in members:
                self._left_ticks += ticks
        self._members = members
        if not members and not self._left_ticks:
            return None
        # A child that ends between two looks is seen twice or not at all for one sample.
        self._most_ticks = max(self._most_ticks, self._left_ticks + sum(each[2] for each in members.values()))
        return self._most_ticks / _TICKS_PER_S

    def _alive(self):
        members = {}
        for pid in self._members or [self._root]:
            found = self._stat(pid)
            known = self._members.get(pid)
            if found is not None and (known is None or known[0] == found[0]):
                members[pid] = found
        return members

    def _add_children(self, members):
        pending = list(members)
        while pending:
            pid = pending.pop()
            try:
                with open("{}/{}/task/{}/children".format(self._proc, pid, pid)) as handle:
                    children = [int(word) for word in handle.read().split()]
            except (IOError, OSError, ValueError):
                continue
            for child in children:
                found = None if child in members else self._stat(child)
                if found is not None:
                    members[child] = found
                    pending.append(child)

    def _add_from_all(self, members):
        try:
            names = os.listdir(self._proc)
        except OSError:
            return
        others = {int(name): self._stat(int(name)) for name in names if name.isdigit()}
        is_new = True
        while is_new:
            is_new = False
            for pid, found in others.items():
                if found is not None and pid not in members and found[1] in members:
                    members[pid] = found
                    is_new = True

    def _stat(self, pid):
        try:
            with open("{}/{}/stat".format(self._proc, pid), "rb") as handle:
                return parsed_process(handle.read())
        except (IOError, OSError):
            return None


def parsed_process(data):
    """Return (start, parent, ticks) from the text of /proc/PID/stat, or None; a name may hold blanks and brackets."""
    words = data.rpartition(b")")[2].split()
    try:
        return int(words[19]), int(words[1]), sum(int(word) for word in words[11:15])
    except (IndexError, ValueError):
        return None
