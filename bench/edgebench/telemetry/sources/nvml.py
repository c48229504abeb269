"""Load, power, temperature and throttling of NVIDIA's GPUs, through the driver's library.

libnvidia-ml.so.1, which comes with the driver and nvidia-smi: NVML API
Reference, "Device Queries" and "NvmlClocksEventReasons". No context is made on
the GPU. A query that a GPU does not support is left out.
"""

import ctypes

from edgebench.telemetry.quantity import (
    BYTE,
    CELSIUS,
    FLAG,
    GAUGE,
    JOULE,
    MEGAHERTZ,
    RATIO,
    THROTTLED,
    WATT,
    quantity,
    rail,
)
from edgebench.telemetry.sources.source import AbsentError, Source

NAME = "NVIDIA GPU"

_LIBRARY = "libnvidia-ml.so.1"
_SUCCESS = 0
_TEMPERATURE_GPU = 0
_CLOCK_SM = 1
# Hardware slowdown, thermal slowdown by software and by hardware, power brake.
_SLOWED = 0x08 | 0x20 | 0x40 | 0x80


class _Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def find(tree, library=None):
    """Return the Source; raises AbsentError. library: what ctypes would load, for tests."""
    if library is None:
        if not tree.is_real:
            raise AbsentError("not looked for in a copied tree")
        try:
            library = ctypes.CDLL(_LIBRARY)
        except OSError:
            raise AbsentError("no {} (no NVIDIA driver)".format(_LIBRARY))
    code = library.nvmlInit_v2()
    if code != _SUCCESS:
        raise AbsentError("NVML does not start (code {}): is the driver loaded?".format(code))
    count = _asked(library, "nvmlDeviceGetCount_v2", ctypes.c_uint) or 0
    columns = []
    for index in range(count):
        device = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(device)) == _SUCCESS:
            columns += _columns(library, device, "gpu{}".format(index))
    if not columns:
        library.nvmlShutdown()
        raise AbsentError("NVML finds no GPU with readings")
    return Source(
        NAME,
        [column for column, _ in columns],
        lambda: [read() for _, read in columns],
        0,
        library.nvmlShutdown,
    )


def _columns(library, device, name):
    def query(function, kind, *middle):
        return lambda: _asked(library, function, kind, device, *middle)

    utilization = query("nvmlDeviceGetUtilizationRates", _Utilization)
    memory = query("nvmlDeviceGetMemoryInfo", _Memory)
    energy = query("nvmlDeviceGetTotalEnergyConsumption", ctypes.c_ulonglong)
    power = query("nvmlDeviceGetPowerUsage", ctypes.c_uint)
    reasons = query("nvmlDeviceGetCurrentClocksThrottleReasons", ctypes.c_ulonglong)
    candidates = [
        (quantity(name + ".load", GAUGE, RATIO), _then(utilization, lambda found: found.gpu / 100.0)),
        (quantity(name + ".memory_used", GAUGE, BYTE), _then(memory, lambda found: found.used)),
        (
            quantity("temperature." + name, GAUGE, CELSIUS),
            query("nvmlDeviceGetTemperature", ctypes.c_uint, ctypes.c_uint(_TEMPERATURE_GPU)),
        ),
        (
            quantity("clock." + name, GAUGE, MEGAHERTZ),
            query("nvmlDeviceGetClockInfo", ctypes.c_uint, ctypes.c_uint(_CLOCK_SM)),
        ),
        (
            quantity(name + ".throttled", FLAG, RATIO, event=THROTTLED),
            _then(reasons, lambda found: int(bool(found & _SLOWED))),
        ),
    ]
    # The counter misses nothing between two samples; GPUs before Volta have none.
    if energy() is not None:
        candidates.append((rail(name, JOULE, "gpu"), _then(energy, lambda found: found / 1000.0)))
    else:
        candidates.append((rail(name, WATT, "gpu"), _then(power, lambda found: found / 1000.0)))
    return [(column, read) for column, read in candidates if read() is not None]


def _then(query, convert):
    def read():
        found = query()
        return None if found is None else convert(found)

    return read


def _asked(library, function, kind, *arguments):
    """Return what a query tells, a number or a structure; None where the driver or the GPU does not know it."""
    told = kind()
    try:
        code = getattr(library, function)(*(arguments + (ctypes.byref(told),)))
    except AttributeError:
        return None
    if code != _SUCCESS:
        return None
    return told if isinstance(told, ctypes.Structure) else told.value
