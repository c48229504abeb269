"""Reads the summaries of NVIDIA's profilers: ``nvprof --csv`` and ``nsys stats --format csv``.

nvprof's header is Type, Time(%), Time, Calls, Avg, Min, Max, Name, before
CUDA 9 without Type; the line below it has the units, which change from file to
file. nsys' is Time (%), Total Time (ns), Instances (copies: Count), Avg (ns),
…, Name (copies: Operation); releases before 2022 write Average, and before
2021.2 no unit, which is nanoseconds. Both mix other lines in.
"""

import csv

from edgebench.data import bounded
from edgebench.errors import DataError

_MICROSECONDS = {"ns": 1e-3, "us": 1.0, "\u03bcs": 1.0, "\u00b5s": 1.0, "ms": 1e3, "s": 1e6}
_LONG_NAMES = {"nsec": "ns", "usec": "us", "msec": "ms", "sec": "s"}
# A summary has a line for each kernel.
_MOST_BYTES = 64 << 20
_COPY = ("[CUDA mem", "[CUDA Unified Memory")


def read(path, tool):
    """Return [{"name", "copy", "calls", "total_us", "mean_us", "share"}] of what the GPU did, the longest first.

    path: a file of ``tool``, "nvprof" or "nsys". copy: whether it is a copy or
    fill rather than a kernel. share: of the time of all rows, a ratio, worked out
    from the times. Raises DataError that names the file, the line and what to
    call instead.
    """
    try:
        text = bounded.read_file(path, _MOST_BYTES).decode("utf-8", "replace")
    except (IOError, OSError) as error:
        raise DataError(
            "{} is unreadable: {}. Make it with {}".format(path, error.strerror or error, _HOW[tool]),
            "profile-unreadable",
        )
    lines = text.lstrip("\ufeff").splitlines()
    rows = (_nvprof if tool == "nvprof" else _nsys)(path, lines)
    if not rows:
        raise DataError(
            "{} has no lines of {} about the GPU. Make it with {}".format(path, tool, _HOW[tool]),
            "profile-empty",
        )
    whole_us = sum(row["total_us"] for row in rows)
    for row in rows:
        row["share"] = row["total_us"] / whole_us if whole_us else 0.0
    return sorted(rows, key=lambda row: -row["total_us"])


_HOW = {
    "nvprof": "nvprof --csv --log-file FILE PROGRAM (its summary, without --print-gpu-trace).",
    "nsys": "nsys stats --report cuda_gpu_kern_sum --format csv PROFILE > FILE (before 2022.4: --report gpukernsum).",
}


def summary(rows, inferences=None, elapsed_ms=None, profiled_ms=None):
    """Return what the rows add up to, as the 2021 report's table does.

    Keys: kernels_us and copies_us (sums), gpu_us (both); with ``inferences``
    gpu_us_each; with elapsed_ms, the wall time of the same inferences without
    the profiler, runtime_share (the part of it in which the GPU did nothing) and,
    with profiled_ms, the wall time with it, profiler_overhead (added time over
    the time without). What was not given gives None.
    """
    kernels_us = sum(row["total_us"] for row in rows if not row["copy"])
    copies_us = sum(row["total_us"] for row in rows if row["copy"])
    gpu_us = kernels_us + copies_us
    return {
        "kernels_us": kernels_us,
        "copies_us": copies_us,
        "gpu_us": gpu_us,
        "gpu_us_each": gpu_us / inferences if inferences else None,
        "runtime_share": 1 - gpu_us / (elapsed_ms * 1e3) if elapsed_ms else None,
        "profiler_overhead": profiled_ms / elapsed_ms - 1 if elapsed_ms and profiled_ms else None,
    }


def _nvprof(path, lines):
    rows, header, units, api = [], None, None, False
    for number, line in enumerate(lines, 1):
        if line.startswith("=="):
            # Before CUDA 9 the calls of the host have a table of their own, under this title.
            api = api or "API calls" in line
            continue
        cells = _cells(line)
        if "Time(%)" in cells and "Name" in cells:
            header, units = cells, None
        elif header is None or len(cells) < 2:
            continue
        elif units is None:
            units = dict(zip(header, cells))
            if units.get("Time(%)") != "%":
                raise _malformed(path, number, "expected nvprof's line of units, found {!r}".format(line))
        elif len(cells) == len(header):
            row = dict(zip(header, cells))
            if not api and row.get("Type", "GPU activities") == "GPU activities":
                rows.append(_row(path, number, row["Name"], row["Calls"], (row["Time"], units["Time"])))
        else:
            raise _malformed(
                path, number, "{} values under {} columns: {!r}".format(len(cells), len(header), line)
            )
    return rows


def _nsys(path, lines):
    rows, header = [], None
    for number, line in enumerate(lines, 1):
        cells = _cells(line)
        columns = [cell.replace(" ", "") for cell in cells]
        if columns and columns[0] == "Time(%)":
            is_gpu = ("Name" in columns and "Instances" in columns) or "Operation" in columns
            # The table of sizes has Total and no times.
            header = columns if is_gpu and any(each.startswith("TotalTime") for each in columns) else None
        elif header is None or not line.strip():
            header = header if line.strip() else None
        elif len(cells) == len(header):
            row = dict(zip(header, cells))
            time_column = next(each for each in header if each.startswith("TotalTime"))
            unit = time_column[len("TotalTime") :].strip("()") or "ns"
            rows.append(
                _row(
                    path,
                    number,
                    row.get("Name") or row.get("Operation"),
                    row.get("Instances") or row.get("Count") or row.get("Operations"),
                    (row[time_column], unit),
                )
            )
        else:
            raise _malformed(
                path, number, "{} values under {} columns: {!r}".format(len(cells), len(header), line)
            )
    return rows


def _malformed(path, number, why):
    return DataError("{}:{}: {}".format(path, number, why), "profile-malformed")


def _cells(line):
    return next(csv.reader([line]), [])


def _row(path, number, name, calls, time):
    value, unit = time
    unit = _LONG_NAMES.get(unit, unit)
    try:
        total_us = float(value) * _MICROSECONDS[unit]
        count = int(calls)
    except KeyError:
        raise _malformed(
            path,
            number,
            "unknown unit of time {!r}, expected one of {}".format(unit, ", ".join(sorted(_MICROSECONDS))),
        )
    except (TypeError, ValueError):
        raise _malformed(path, number, "time {!r} and calls {!r} must be numbers".format(value, calls))
    return {
        "name": name,
        "copy": name.startswith(_COPY),
        "calls": count,
        "total_us": total_us,
        "mean_us": total_us / count if count else 0.0,
    }
