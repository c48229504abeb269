"""Load and clock of an integrated GPU.

- Jetson: ``load`` in per mille, /sys/devices/gpu.0 on JetPack 4, elsewhere
  later (Jetson Linux Developer Guide; jetson_stats reads the same files).
- AMD: gpu_busy_percent (Documentation/gpu/amdgpu/thermal.rst).
- any: /sys/class/devfreq/*/cur_freq in hertz
  (Documentation/ABI/testing/sysfs-class-devfreq).
"""

import os

from edgebench.telemetry.quantity import GAUGE, MEGAHERTZ, RATIO, quantity
from edgebench.telemetry.sources.source import of_files, scaled

NAME = "GPU load and devfreq"

# The first that is there; the same file shows under several names.
_LOADS = (
    "/sys/devices/gpu.0/load",
    "/sys/devices/platform/gpu.0/load",
    "/sys/devices/*.gpu/load",
    "/sys/devices/platform/*.gpu/load",
    "/sys/devices/platform/*/*.gpu/load",
    "/sys/devices/*.g[apv]1[01]b/load",
    "/sys/devices/platform/*.g[apv]1[01]b/load",
    "/sys/class/devfreq/*gpu*/device/load",
)


def find(tree):
    """Return the Source; raises AbsentError."""
    entries = []
    loads = [path for pattern in _LOADS for path in tree.glob(pattern)][:1]
    for path in loads:
        entries.append((quantity("gpu.load", GAUGE, RATIO), path, scaled(1000.0)))
    for path in tree.glob("/sys/class/drm/card[0-9]*/device/gpu_busy_percent"):
        card = path.split(os.sep)[-3]
        entries.append((quantity("gpu.load." + card, GAUGE, RATIO), path, scaled(100.0)))
    # Some kernels keep the class empty, and the device has it.
    clocks = tree.glob("/sys/class/devfreq/*/cur_freq") or tree.glob("/sys/devices/*.gpu/devfreq/*/cur_freq")
    for path in clocks:
        name = os.path.basename(os.path.dirname(path))
        entries.append((quantity("clock." + name, GAUGE, MEGAHERTZ), path, scaled(1e6)))
    return of_files(
        NAME, entries, "no integrated GPU reports its load, and /sys/class/devfreq has no devices"
    )
