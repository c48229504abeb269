"""What a network is fed: whole arrays, or batches made while it trains; and the choice between them."""

import os

import numpy

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

MULTI_HOT_KINDS = ("dense_float32", "dense_uint8", "streamed")


class Arrays:
    """Samples in memory: x (n, …), y (n, …), fed ``batch`` at a time."""

    streamed = False

    def __init__(self, x, y, batch):
        self.x = x
        self.y = y
        self.batch = batch

    @property
    def kind(self):
        """The name of this input in a record."""
        return "dense_" + self.x.dtype.name

    @property
    def steps(self):
        """The batches of an epoch, the last of which may be smaller."""
        return -(-len(self.x) // self.batch)

    def each_shape(self):
        """Return the input cut down to one batch of each shape: a whole one, and a smaller one where the last is."""
        return self.part(2 if len(self.x) % self.batch else 1)

    def part(self, steps):
        """Return the input cut down to so many batches, the last as small as that of the whole."""
        rows = _rows_of(steps, len(self.x), self.batch)
        return Arrays(self.x[:rows], self.y[:rows], self.batch)

    def as_bytes(self):
        """Return the input with x, whole numbers from 0 to 255, as uint8: a fourth of float32's memory traffic."""
        return Arrays(self.x.astype(numpy.uint8), self.y, self.batch)


class Stream:
    """Samples made per batch: ``make_batches()`` gives an endless generator of (x, y), ``steps`` make an epoch."""

    streamed = True
    kind = "streamed"

    def __init__(self, make_batches, steps):
        self.batches = make_batches
        self.steps = steps

    def part(self, steps):
        """Return the input cut down to so many batches an epoch."""
        return Stream(self.batches, min(steps, self.steps))


def _rows_of(steps, rows, batch):
    """Return how many rows make ``steps`` batches of which the last is as small as the last of ``rows``."""
    return min(rows, (steps - 1) * batch + (rows % batch or batch))


def rows_in_batches(samples, batch, shuffled):
    """Yield for ever the row numbers, int64 (≤ batch,), of one batch after another; each epoch holds every row once."""
    while True:
        order = numpy.random.permutation(samples) if shuffled else numpy.arange(samples)
        for start in range(0, samples, batch):
            yield order[start : start + batch]


def choose_multi_hot(rows, columns, available_bytes):
    """Return how to hold two-valued rows: "dense_float32", "dense_uint8" or "streamed", the first that fits.

    A framework may copy its input once, and half the available memory is left
    to the network and the system. available_bytes None (unknown) streams.
    """
    if available_bytes is None:
        return "streamed"
    budget = available_bytes / 2
    for kind, bytes_each in (("dense_float32", 4), ("dense_uint8", 1)):
        if 2 * rows * columns * bytes_each <= budget:
            return kind
    return "streamed"


def available_memory_bytes():
    """Return the memory this process may still take: the least of what the system, its cgroup and its limits leave."""
    bounds = [
        bound for bound in (_system_bytes(), _cgroup_bytes(), _address_space_bytes()) if bound is not None
    ]
    return min(bounds) if bounds else None


def _system_bytes():
    try:
        with open("/proc/meminfo") as handle:
            fields = dict(line.split(":", 1) for line in handle)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (IOError, OSError, KeyError, ValueError):
        return None


def _cgroup_bytes():
    for limit_path, used_path in _cgroup_files():
        try:
            with open(limit_path) as limit, open(used_path) as used:
                return max(0, int(limit.read()) - int(used.read()))
        except (IOError, OSError, ValueError):
            continue
    return None


def _cgroup_files():
    try:
        with open("/proc/self/cgroup") as handle:
            lines = [line.rstrip("\n").split(":", 2) for line in handle]
    except (IOError, OSError):
        return
    for _, controllers, group in lines:
        if controllers == "":
            root = "/sys/fs/cgroup" + group
            yield os.path.join(root, "memory.max"), os.path.join(root, "memory.current")
        elif "memory" in controllers.split(","):
            root = "/sys/fs/cgroup/memory" + group
            yield os.path.join(root, "memory.limit_in_bytes"), os.path.join(root, "memory.usage_in_bytes")


def _address_space_bytes():
    if resource is None:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        with open("/proc/self/statm") as handle:
            used = int(handle.read().split()[0]) * resource.getpagesize()
    except (IOError, OSError):
        used = 0
    return max(0, limit - used)
