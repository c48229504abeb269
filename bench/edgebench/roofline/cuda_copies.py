"""Measures copies between host and GPU through the CUDA runtime, as NVIDIA's bandwidthTest sample does.

Pinned host memory, 32 MB at a time, the best of several; a copy within the GPU
counts its bytes twice, for it reads and writes them.
"""

import ctypes
import ctypes.util
import glob
import os
import time

from edgebench.errors import UnsupportedError

SIZE_BYTES = 32000000
_TO_DEVICE, _TO_HOST, _WITHIN = 1, 2, 3
_RUNS = 20
_FOLDERS = ("/usr/local/cuda*/lib64", "/usr/local/cuda*/targets/*/lib", "/usr/lib/*-linux-gnu")


def measure(library_path=None):
    """Return {"size_bytes", "host_to_device_gb_per_s", "device_to_host_gb_per_s", "device_to_device_gb_per_s"}.

    library_path: of libcudart, else it is looked for. Raises UnsupportedError,
    which says why, where there is no CUDA runtime, no GPU, or a call fails.
    """
    runtime = _Runtime(library_path or find_library())
    runtime.check_device()
    host = runtime.pinned(SIZE_BYTES)
    try:
        first = runtime.device_memory(SIZE_BYTES)
        try:
            second = runtime.device_memory(SIZE_BYTES)
            try:
                return {
                    "size_bytes": SIZE_BYTES,
                    "host_to_device_gb_per_s": runtime.gb_per_s(first, host, _TO_DEVICE, 1),
                    "device_to_host_gb_per_s": runtime.gb_per_s(host, first, _TO_HOST, 1),
                    "device_to_device_gb_per_s": runtime.gb_per_s(second, first, _WITHIN, 2),
                }
            finally:
                runtime.free(second)
        finally:
            runtime.free(first)
    finally:
        runtime.free_pinned(host)


def find_library():
    """Return the path or name of libcudart; raise UnsupportedError where there is none."""
    # What the framework has loaded already comes first: two runtimes in a process are one too many.
    for path in _loaded():
        return path
    for folder in _FOLDERS:
        for path in sorted(glob.glob(os.path.join(folder, "libcudart.so*"))):
            return path
    name = ctypes.util.find_library("cudart")
    if name is None:
        raise UnsupportedError("This host has no CUDA runtime (libcudart)", "cuda-runtime-missing")
    return name


def _loaded():
    try:
        with open("/proc/self/maps") as handle:
            return sorted({line.split()[-1] for line in handle if "libcudart.so" in line})
    except (IOError, OSError):
        return []


class _Runtime:
    """The few calls of the CUDA runtime API that copying takes."""

    def __init__(self, path):
        try:
            self._library = ctypes.CDLL(path)
        except OSError as error:
            raise UnsupportedError(
                "The CUDA runtime does not load: {}".format(error), "cuda-runtime-not-loadable"
            )
        try:
            self._library.cudaGetErrorString.restype = ctypes.c_char_p
        except AttributeError as error:
            raise UnsupportedError("{} is not a CUDA runtime: {}".format(path, error), "cuda-runtime-foreign")

    def _call(self, name, *arguments):
        code = getattr(self._library, name)(*arguments)
        if code:
            text = self._library.cudaGetErrorString(code) or b""
            raise UnsupportedError(
                "{}: {} ({})".format(name, text.decode("utf-8", "replace"), code), "cuda-call-failed"
            )

    def check_device(self):
        count = ctypes.c_int()
        self._call("cudaGetDeviceCount", ctypes.byref(count))
        if not count.value:
            raise UnsupportedError("The CUDA runtime finds no GPU", "cuda-device-missing")

    def pinned(self, size):
        pointer = ctypes.c_void_p()
        self._call("cudaMallocHost", ctypes.byref(pointer), ctypes.c_size_t(size))
        # Pages that nobody has written to may not be there yet.
        ctypes.memset(pointer, 1, size)
        return pointer

    def device_memory(self, size):
        pointer = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer

    def free(self, pointer):
        self._library.cudaFree(pointer)

    def free_pinned(self, pointer):
        self._library.cudaFreeHost(pointer)

    def gb_per_s(self, target, source, direction, moves):
        """Return the best rate of copying SIZE_BYTES, each byte moved ``moves`` times."""
        best = float("inf")
        for _ in range(_RUNS):
            before = time.perf_counter()
            self._call("cudaMemcpy", target, source, ctypes.c_size_t(SIZE_BYTES), ctypes.c_int(direction))
            # A copy within the device returns before it is done.
            self._call("cudaDeviceSynchronize")
            took = time.perf_counter() - before
            best = min(best, took)
        return moves * SIZE_BYTES / best / 1e9
