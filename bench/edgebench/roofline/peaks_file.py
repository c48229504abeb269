"""Peaks from a file: of an earlier survey, or written by hand from a data sheet."""

import json

from edgebench.data import bounded
from edgebench.errors import UsageError

_MOST_BYTES = 64 << 20

_EXAMPLE = (
    '{"gemm": [{"precision": "float32", "threads": 4, "gflop_per_s": 30.0}], '
    '"bandwidth": [{"threads": 4, "triad_gb_per_s": 9.5}]}'
)


def read(path):
    """Return the peaks of a JSON file: a survey's, or an object such as the example in the messages.

    ``device`` defaults to "cpu", ``threads`` of a GPU may be left out. Raises
    UsageError that names the file and what is wrong with it.
    """
    try:
        value = json.loads(bounded.read_file(path, _MOST_BYTES).decode("utf-8"))
    except (IOError, OSError) as error:
        raise UsageError(
            "{} is unreadable: {}. Name a file of peaks with --peaks.".format(path, error.strerror or error),
            "peaks-unreadable",
        )
    except (ValueError, RecursionError) as error:
        raise UsageError(
            "{} is not JSON: {}. Expected the output of edgebench roofline --json, or an object such as {}".format(
                path, error, _EXAMPLE
            ),
            "peaks-not-json",
        )
    if isinstance(value, dict) and "survey" in value:
        value = value.get("peaks")
        if value is None:
            raise UsageError(
                "{} is a survey without peaks. Measure them: edgebench roofline --json".format(path),
                "peaks-not-measured",
            )
    if not isinstance(value, dict) or not isinstance(value.get("gemm"), list) or not value["gemm"]:
        raise UsageError(
            "{} has no list 'gemm' of peaks. Expected an object such as {}".format(path, _EXAMPLE),
            "peaks-missing",
        )
    for key in ("bandwidth", "levels"):
        if not isinstance(value.get(key, []), list):
            raise _invalid(path, "{!r} must be a list".format(key))
    missing = value.get("missing", {})
    if not isinstance(missing, dict):
        raise _invalid(path, "'missing' is {!r}, must be an object of reasons by name".format(missing))
    copies = value.get("cuda_copies")
    if copies is not None:
        copies = {name: _rate(path, copies, name) for name in _COPIES}
    return {
        "gemm": [_gemm(path, each) for each in value["gemm"]],
        "bandwidth": [_memory(path, each) for each in value.get("bandwidth", [])],
        "levels": [
            {"bytes": _rate(path, each, "bytes"), "gb_per_s": _rate(path, each, "gb_per_s")}
            for each in value.get("levels", [])
        ],
        "last_cache_bytes": _rate(path, value, "last_cache_bytes") if value.get("last_cache_bytes") else None,
        "cuda_copies": copies,
        "missing": missing,
    }


_COPIES = ("host_to_device_gb_per_s", "device_to_host_gb_per_s", "device_to_device_gb_per_s")
_KERNELS = ("copy_gb_per_s", "scale_gb_per_s", "add_gb_per_s", "triad_gb_per_s")


def _gemm(path, entry):
    rate = _rate(path, entry, "gflop_per_s")
    precision = entry.get("precision")
    if precision not in ("float32", "float64", "float16", "int8"):
        raise _invalid(path, "precision is {!r}, must be float32, float64, float16 or int8".format(precision))
    return {
        "device": entry.get("device", "cpu"),
        "precision": precision,
        "threads": _threads(path, entry),
        "gflop_per_s": rate,
        "size": entry.get("size", "-"),
        "library": entry.get("library", "given"),
    }


def _memory(path, entry):
    told = {name: _rate(path, entry, name) for name in _KERNELS if isinstance(entry, dict) and name in entry}
    if not told:
        raise _invalid(path, "{!r} needs one of {}".format(entry, ", ".join(_KERNELS)))
    best = max(told.values())
    filled = {name: told.get(name, best) for name in _KERNELS}
    return dict(
        filled, threads=_threads(path, entry), array_bytes=entry.get("array_bytes", 0), beyond_cache=True
    )


def _threads(path, entry):
    value = entry.get("threads")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise _invalid(path, "threads of {!r} must be a whole number of 1 or more".format(entry))
    return value


def _rate(path, entry, name):
    value = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise _invalid(path, "{} of {!r} must be a number above 0".format(name, entry))
    return value


def _invalid(path, why):
    return UsageError("{}: {}. Correct the file.".format(path, why), "peaks-invalid")
