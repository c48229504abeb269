"""Measures what this host can at most: matrix products, memory bandwidth.

Every figure is the best of many runs, for a peak is what nothing disturbed.
The bandwidth's four kernels, and which bytes count, are those of STREAM
(McCalpin, "Memory Bandwidth and Machine Balance in Current High Performance
Computers", IEEE TCCA Newsletter, 1995): copy and scale move two words an
element, add and triad three; that a cache reads a line before writing it is not
counted. Arrays are to be four times the last cache at least, as STREAM asks.
"""

import functools
import glob
import os
import re
import threading
import time
from collections import OrderedDict

import numpy

SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
_GPU_SIZES = (512, 1024, 2048, 4096, 8192)
PRECISIONS = ("float32", "float64", "float16")
_WORD = 8
_RULE_CACHES = 4
_WORDS = {"copy": 2, "scale": 2, "add": 3, "triad": 3}
_CHUNK = 16384
_LEVELS_BYTES = tuple(2**power for power in (18, 19, 20, 21, 22, 23, 24, 25))


def gemm(multiply_of, sizes, budget_s):
    """Return {"gflop_per_s", "size", "tried"}, the best over square matrices of ``sizes``, or None for none in time.

    multiply_of(n): gives a function that multiplies two n x n matrices and
    returns when that is done. budget_s: seconds to spend; a size that the
    rate so far does not let end in time is not begun.
    """
    started = time.perf_counter()
    best, tried = None, []
    for position, size in enumerate(sizes):
        left_s = budget_s - (time.perf_counter() - started)
        flop = 2.0 * size**3
        if best is not None and 2 * flop / (best["gflop_per_s"] * 1e9) > left_s:
            break
        share_s = max(left_s, 0) / (len(sizes) - position)
        seconds = best_s(multiply_of(size), share_s)
        rate = flop / seconds / 1e9
        tried.append({"size": size, "gflop_per_s": rate})
        if best is None or rate > best["gflop_per_s"]:
            best = {"gflop_per_s": rate, "size": size}
    return dict(best, tried=tried) if best else None


def best_s(function, budget_s, least=3):
    """Return the shortest of a function's times in seconds: ``least`` runs after a first, more while time lasts."""
    function()
    started = time.perf_counter()
    best, runs = float("inf"), 0
    while runs < least or time.perf_counter() - started < budget_s:
        before = time.perf_counter()
        function()
        took = time.perf_counter() - before
        best = min(best, took)
        runs += 1
    return max(best, 1e-9)


def numpy_multiply(dtype):
    """Return multiply_of for NumPy's BLAS."""

    def multiply_of(size):
        a, b = _matrices(size, dtype)
        product = numpy.empty_like(a)
        return lambda: numpy.dot(a, b, out=product)

    return multiply_of


def framework_multiply(framework, dtype, device):
    """Return multiply_of for the framework's matrix product on ``device`` ("/cpu:0", "/gpu:0")."""
    v1 = framework.v1

    def multiply_of(size):
        # A graph of its own, in the way of TensorFlow 1, runs alike on every version.
        with framework.tensorflow.Graph().as_default(), v1.device(device):
            a, b = (v1.Variable(each) for each in _matrices(size, dtype))
            product = v1.matmul(a, b)
            # Fetching one number waits for a GPU to end; fetching all would time the copy.
            probe = product[0, 0]
            done = product.op
            session = v1.Session(config=framework.session_options())
            session.run(v1.global_variables_initializer())
        return session.make_callable(probe if "gpu" in device else done)

    return multiply_of


def _matrices(size, dtype):
    random = numpy.random.RandomState(size)
    # Around 1/sqrt(n), so that float16 sums stay far from its limits.
    return [(random.rand(size, size) / size**0.5).astype(dtype) for _ in range(2)]


def last_cache_bytes():
    """Return the bytes of all the caches of the last level together, None where the kernel does not tell."""
    found = {}  # type: ignore[var-annotated]
    for folder in glob.glob("/sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*"):
        level, size, sharing = (_text(os.path.join(folder, each)) for each in _CACHE_FILES)
        match = re.match(r"(\d+)([KM]?)$", size)
        if level.isdigit() and match:
            bytes_ = int(match.group(1)) * {"": 1, "K": 2**10, "M": 2**20}[match.group(2)]
            found.setdefault(int(level), {})[sharing] = bytes_
    return sum(found[max(found)].values()) if found else None


_CACHE_FILES = ("level", "size", "shared_cpu_list")


def _text(path):
    try:
        with open(path) as handle:
            return handle.read().strip()
    except (IOError, OSError):
        return ""


def sizes_for(device):
    """Return the matrix sizes to sweep."""
    return _GPU_SIZES if device == "gpu" else SIZES


def stream(threads, last_cache_bytes, available_bytes, budget_s):
    """Return the memory's bandwidth as STREAM counts it, all four kernels on float64.

    threads: how many move at once, each its share. last_cache_bytes: of all
    last-level caches, None where unknown (then 32 MiB is taken). available_bytes:
    memory that may be taken, of which this uses at most a third. Returns
    {"copy_gb_per_s", "scale_gb_per_s", "add_gb_per_s", "triad_gb_per_s",
    "array_bytes", "threads", "beyond_cache"}; beyond_cache is False where memory
    did not suffice for arrays four times the cache.
    """
    rule_bytes = _RULE_CACHES * (last_cache_bytes or 2**25)
    wanted = max(rule_bytes, 2**25)
    allowed = wanted if available_bytes is None else min(wanted, available_bytes // 9)
    elements = max(int(allowed // _WORD), 2**17)
    result = _kernels(elements, threads, budget_s)
    result.update(
        array_bytes=elements * _WORD, threads=threads, beyond_cache=elements * _WORD >= rule_bytes - _WORD
    )
    return result


def levels(last_bytes, budget_s):
    """Return [{"bytes", "gb_per_s"}]: bandwidth of add on one thread with all three arrays in so many bytes.

    Grows from 256 KiB, below which calling NumPy takes longer than the moving,
    to twice ``last_bytes``; what fits into a cache is faster than memory.
    """
    found = []
    wanted = [size for size in _LEVELS_BYTES if size <= 2 * max(last_bytes, _LEVELS_BYTES[0])]
    for size in wanted:
        elements = size // (3 * _WORD)
        a, b, c = (numpy.ones(elements) for _ in range(3))
        seconds = best_s(functools.partial(numpy.add, a, b, out=c), budget_s / len(wanted), 20)
        found.append({"bytes": size, "gb_per_s": 3 * _WORD * elements / seconds / 1e9})
    return found


def stream_arrays(elements):
    """Return STREAM's arrays a, b and c, float64."""
    return [numpy.full(elements, value) for value in (1.0, 2.0, 0.0)]


def stream_kernels(arrays, threads):
    """Return {name: kernel(part, low, high)}, STREAM's four in its order, each working on a share of the arrays."""
    a, b, c = arrays
    spare = [numpy.empty(_CHUNK) for _ in range(threads)]

    def copy(part, low, high):
        numpy.copyto(c[low:high], a[low:high])

    def scale(part, low, high):
        numpy.multiply(c[low:high], 3.0, out=b[low:high])

    def add(part, low, high):
        numpy.add(a[low:high], b[low:high], out=c[low:high])

    def triad(part, low, high):
        # Piece by piece: the product in between has to stay in the cache, or it would be moved as well.
        for start in range(low, high, _CHUNK):
            end = min(high, start + _CHUNK)
            between = spare[part][: end - start]
            numpy.multiply(c[start:end], 3.0, out=between)
            numpy.add(b[start:end], between, out=a[start:end])

    return OrderedDict((("copy", copy), ("scale", scale), ("add", add), ("triad", triad)))


def _kernels(elements, threads, budget_s):
    bounds = [elements * part // threads for part in range(threads + 1)]
    result = {}
    for name, kernel in stream_kernels(stream_arrays(elements), threads).items():
        with _Crew(kernel, bounds) as crew:
            seconds = best_s(crew.run, budget_s / len(_WORDS))
        result[name + "_gb_per_s"] = _WORDS[name] * _WORD * elements / seconds / 1e9
    return result


class _Crew:
    """Threads that wait, each with its share of the arrays, and all work when ``run`` is called."""

    def __init__(self, kernel, bounds):
        self._kernel = kernel
        self._shares = list(enumerate(zip(bounds, bounds[1:])))
        self._begin = threading.Barrier(len(self._shares))
        self._end = threading.Barrier(len(self._shares))
        self._over = False
        self._threads = [
            threading.Thread(target=self._work, args=share, daemon=True) for share in self._shares[1:]
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._over = True
        self._begin.wait()
        for thread in self._threads:
            thread.join()

    def _work(self, part, share):
        while True:
            self._begin.wait()
            if self._over:
                return
            self._kernel(part, *share)
            self._end.wait()

    def run(self):
        """Work once; return when the last thread has ended."""
        self._begin.wait()
        self._kernel(0, *self._shares[0][1])
        self._end.wait()
