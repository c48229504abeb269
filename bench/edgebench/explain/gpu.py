"""How much of a training the GPU is busy, by its own counter: the rest of the time it waits."""

import threading

from edgebench.telemetry import tree
from edgebench.telemetry.sources import gpu, nvml
from edgebench.telemetry.sources.source import AbsentError

_INTERVAL_S = 0.1


class Busy:
    """Reads the GPU's load ten times a second while it is open, which it may be again and again.

    root: of the tree that is looked in; the host's own for NVML. Counters
    average over a time of their own (a sixth of a second and more), so only a
    mean over seconds says something.
    """

    def __init__(self, root="/"):
        self._values = []
        self._readers = []
        self._over = threading.Event()
        self._thread = None
        for module in (nvml, gpu):
            try:
                source = module.find(tree.Tree(root))
            except AbsentError:
                continue
            loads = [index for index, each in enumerate(source.quantities) if _is_load(each.name)]
            if loads:
                self._readers = [(source, loads[0])]
                break

    @property
    def share(self):
        """The mean of what was read, as a ratio; None where nothing tells it."""
        return sum(self._values) / len(self._values) if self._values else None

    def __enter__(self):
        if self._readers:
            self._over.clear()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error):
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None

    def _watch(self):
        while not self._over.wait(_INTERVAL_S):
            for source, index in self._readers:
                value = source.read()[index]
                if value is not None:
                    self._values.append(value)


def _is_load(name):
    return name.startswith("gpu") and ".load" in name
