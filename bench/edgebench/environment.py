"""Inherited settings that can change a measurement: the runner overrides them or records them.

Keras is overridden: its backend is TensorFlow, in float32, with channels last,
regardless of ``KERAS_*`` and keras.json. Other variables that libraries read
(threads, XLA, allocators, preloaded libraries), the limits that the kernel
sets for the process and the settings of the host's clocks stay, and each record
has them as circumstances.
"""

import hashlib
import json
import os
import re

from edgebench import host
from edgebench.errors import with_code

BACKEND = "tensorflow"
FLOATX = "float32"
IMAGE_DATA_FORMAT = "channels_last"
# No file can be there, so that Keras finds no keras.json and writes none: it ignores that it cannot.
_NO_FOLDER = "/dev/null/keras"
_DECIDED = {"KERAS_BACKEND": BACKEND, "KERAS_HOME": _NO_FOLDER, "PYTHONHASHSEED": "0"}
# KERAS_MAX_EPOCHS and others shorten a training; TF_USE_LEGACY_KERAS makes tf.keras another package.
_REMOVED = re.compile(r"KERAS_|TF_USE_LEGACY_KERAS$")

# Read by TensorFlow, XLA, oneDNN, OpenMP, the BLAS libraries, NumPy, CUDA, the engines, the loader or the allocators.
_READ = re.compile(
    "(TF|TF2|XLA|PJRT|ORT|TFLITE|XNNPACK|ONEDNN|DNNL|MKLDNN|MKL|ZENDNN|OMP|GOMP|KMP|TBB|OPENBLAS|GOTO|BLIS|ARMPL"
    "|NVPL|VECLIB|NPY|CUDA|CUDNN|CUBLAS|NCCL|HIP|HSA|ROCR|LD|MALLOC|TCMALLOC|MIMALLOC|QEMU)_"
    "|(NVIDIA_TF32_OVERRIDE|NVIDIA_VISIBLE_DEVICES|GLIBC_TUNABLES|_RJEM_MALLOC_CONF|PYTHONMALLOC|PYTHONDEVMODE"
    "|PYTHONOPTIMIZE|PYTHONTRACEMALLOC|PYTHON_GIL|PYTHON_JIT|PYTHON_CPU_COUNT|EDGEBENCH_WORKER_PREFIX)$"
)
# Lines of logs that are left out, and Terraform's variables, which begin like TensorFlow's and can hold secrets.
_NOT_READ = re.compile(
    "TF_CPP_MIN_LOG_LEVEL$|TF_(ACC|APPEND|CLI|CLOUD|ENCRYPTION|HTTP|IGNORE|IN|PLUGIN|PROVIDER|REATTACH|REGISTRY|STATE"
    "|TOKEN|VAR)_|TF_(ACC|DATA_DIR|ENCRYPTION|IGNORE|INPUT|LOG|LOG_CORE|LOG_PATH|LOG_PROVIDER|WORKSPACE)$"
    "|.*(PASSPHRASE|PASSWORD|SECRET|TOKEN|CREDENTIAL)"
)
# A value that does not begin with a dash is the name of a file with flags.
_FLAGS = ("XLA_FLAGS", "TF_XLA_FLAGS")
# Of the circumstances, those of the host's clocks.
CLOCKS = ("boost", "governor", "power_mode")
_POLICIES = {1: "fifo", 2: "rr", 3: "batch", 5: "idle", 6: "deadline"}


def decide(environ):
    """Settle what the runner decides in ``environ``, a process's environment, in place; return it."""
    for name in [each for each in environ if _REMOVED.match(each)]:
        del environ[name]
    environ.update(_DECIDED)
    return environ


def of_worker():
    """Return the environment of a worker."""
    return decide(dict(os.environ))


def spare_openblas(environ, l4t):
    """Name the CPU to OpenBLAS on L4T 32, unless it is named; l4t: a release such as "32.7.1", or None.

    OpenBLAS of NumPy 1.19.5 asks the CPU itself, which the kernel 4.9 of
    JetPack 4 answers by SIGILL (numpy issues 18131 and 18468).
    """
    if l4t is not None and l4t.startswith("32."):
        environ.setdefault("OPENBLAS_CORETYPE", "ARMV8")


def circumstances():
    """Return {name: text} of what a worker inherits and may run otherwise by; sorted, {} for nothing.

    In capitals variables of the environment, as they are set; in small letters
    what the kernel was told: "cpus" it may run on if not on all ("0,2-3"),
    "cpu_quota" in CPUs if there is one, "nice" if not 0, "scheduler" if not the ordinary one,
    and CLOCKS: "boost" if it is off, "governor", "power_mode" of a Jetson.
    """
    environ = of_worker()
    found = {name: _text(name, environ[name]) for name in environ if is_recorded(name, environ[name])}
    found.update(_of_process())
    found.update({name: text for name, text in zip(CLOCKS, host.clocks()) if text is not None})
    return {name: found[name] for name in sorted(found)}


def is_recorded(name, value):
    """Tell whether a variable of the environment is a circumstance of what is measured.

    An empty one is as good as none, except where it hides every device.
    """
    is_read = bool(_READ.match(name)) and not _NOT_READ.match(name) and not _REMOVED.match(name)
    return is_read and (value != "" or name.endswith("_VISIBLE_DEVICES"))


def differences(then, now):
    """Return [(name, then, now)] of circumstances that differ, None for one that is not set; None as ``then``: none."""
    if then is None:
        return []
    names = sorted(set(then) | set(now))
    return [(name, then.get(name), now.get(name)) for name in names if then.get(name) != now.get(name)]


def tell_overruled(say):
    """Say what of the user's settings for Keras is not used, if any is; say: called with a line."""
    found = overruled()
    if found:
        said = "environment: not used, because edgebench computes on {} in {} with {} images: {}".format(
            BACKEND, FLOATX, IMAGE_DATA_FORMAT, "; ".join(found)
        )
        say(with_code(said, "keras-setting-ignored"))


def overruled():
    """Return what this user has set for Keras and the runner decides otherwise: ["KERAS_BACKEND=jax"]."""
    found = [
        "{}={}".format(name, _text(name, value))
        for name, value in sorted(os.environ.items())
        if _REMOVED.match(name) and name != "KERAS_HOME" and _DECIDED.get(name) != value
    ]
    path = os.path.join(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"), "keras.json")
    try:
        with open(path, "rb") as handle:
            said = json.loads(handle.read(1 << 16).decode("utf-8"))
    except (OSError, ValueError):
        return found
    ours = {"backend": BACKEND, "floatx": FLOATX, "image_data_format": IMAGE_DATA_FORMAT, "epsilon": 1e-7}
    if isinstance(said, dict):
        found += [
            "{}: {}={}".format(path, name, said[name])
            for name in sorted(said)
            if name in ours and said[name] != ours[name]
        ]
    return found


def _text(name, value):
    content = os.fsencode(value)
    if name in _FLAGS and value and not value.lstrip().startswith("-"):
        try:
            with open(value.strip(), "rb") as handle:
                content += b" (SHA-256 " + hashlib.sha256(handle.read()).hexdigest().encode("ascii") + b")"
        except OSError:
            pass
    # The same text whatever the locale, and one that JSON can hold.
    return content.decode("utf-8", "backslashreplace")


def _of_process():
    found = {}
    if hasattr(os, "sched_getaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < os.sysconf("SC_NPROCESSORS_ONLN"):
            found["cpus"] = _ranges(allowed)
        policy = os.sched_getscheduler(0)
        if policy & 0xFF:
            found["scheduler"] = _POLICIES.get(policy & 0xFF, str(policy))
    if os.nice(0):
        found["nice"] = str(os.nice(0))
    quota = _cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup")
    if quota is not None:
        found["cpu_quota"] = "{:g}".format(quota)
    return found


def _cpu_quota(groups_path, root):
    """Return how many CPUs' time the process's control groups allow, None for no limit; root: their mount point."""
    try:
        with open(groups_path) as handle:
            groups = [line.rstrip("\n").split(":", 2) for line in handle]
    except (IOError, OSError):
        return None
    found = []
    for _, controllers, group in groups:
        if controllers and "cpu" not in controllers.split(","):
            continue
        folder = os.path.join(root, controllers)
        while True:
            place = folder + group.rstrip("/")
            quota, period = (_words(place + "/cpu.max") + [None, None])[:2]
            if controllers:
                quota, period = (
                    (_words(place + "/cpu.cfs_" + name) + [None])[0] for name in ("quota_us", "period_us")
                )
            # "max" and -1 are no limit.
            if quota and period and quota.isdigit():
                found.append(int(quota) / float(period))
            if not group.strip("/"):
                break
            group = os.path.dirname(group.rstrip("/"))
    return min(found) if found else None


def _words(path):
    try:
        with open(path) as handle:
            return handle.read().split()
    except (IOError, OSError):
        return []


def _ranges(numbers):
    """Return sorted numbers as the kernel writes a list of CPUs: "0,2-3"."""
    parts = []  # type: ignore[var-annotated]
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(low) if low == high else "{}-{}".format(low, high) for low, high in parts)


spare_openblas(os.environ, host.l4t_release())
