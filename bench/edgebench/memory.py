"""How much memory this process uses and has used."""

import sys

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]


def current_bytes():
    """Return the memory this process holds now (resident set), in bytes; None where the system does not say."""
    return _status_bytes("VmRSS")


def peak_bytes():
    """Return the most memory this process ever held, in bytes.

    From VmHWM of /proc/self/status (proc(5)), which starts anew with the
    program; getrusage's ru_maxrss, which can carry over the parent's, elsewhere.
    """
    peak = _status_bytes("VmHWM")
    if peak is None and resource is not None:
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return peak


def _status_bytes(field):
    try:
        with open("/proc/self/status") as handle:
            for line in handle:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
    except (IOError, OSError):
        pass
    return None
