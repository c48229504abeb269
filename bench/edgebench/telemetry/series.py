"""The form of a series: JSON lines, a header, a line for each sample, and an end.

    {"telemetry": 1, "interval_s": 1.0, "monotonic_s": …, "utc_s": …, "quantities": [[name, kind, unit, detail]],
     "sources": [name], "absent": {name: reason}}
    {"t": monotonic seconds, "u": seconds since 1970, "c": CPU seconds of the sampler, "v": [a value for each quantity]}
    {"end": null or why it ended early, "peak_bytes": …, "lost": samples that could not be written}

Each line is written by one call, so a killed sampler leaves whole lines and at
most one torn one. A sample that was taken at another interval than the header
says has it as ``"i"``.
"""

import json
import math
import os
from collections import namedtuple

from edgebench.errors import RecordError
from edgebench.telemetry.quantity import KINDS, Quantity

VERSION = 1

# More than a day at one sample a second; a longer file is not of this program.
LARGEST_BYTES = 64 << 20
# Eight hours of a host that tells a hundred quantities; samples beyond are counted, not kept.
MOST_WRITTEN_BYTES = 32 << 20
_LONGEST_LINE_BYTES = 1 << 20
# Each makes the disk work, which a benchmark that reads its data can feel.
_SYNC_EVERY_S = 30.0

_DETAIL_TEXTS = ("rail", "covers", "event", "cpus", "unknown")

Sample = namedtuple("Sample", "monotonic_s utc_s cpu_s interval_s values")
Sample.__doc__ = (
    """One sample: times in seconds, CPU seconds of the sampler so far, a value for each quantity."""
)

Series = namedtuple("Series", "header quantities samples end is_torn unreadable")
Series.__doc__ = """A series as read.

header: dict. quantities: list of Quantity. samples: list of Sample in order of
time. end: dict of the last line, None where the sampler did not end by itself.
is_torn: whether the file ends within a line. unreadable: number of whole lines
that are none of these.
"""


class Writer:
    """Writes a series; what cannot be written is counted, for a full disk must not end a benchmark."""

    def __init__(self, path, most_bytes=MOST_WRITTEN_BYTES):
        # Never over an older series.
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._is_mid_line = False
        self._synced_s = 0.0
        self._left_bytes = most_bytes
        self.lost = 0

    def header(self, interval_s, monotonic_s, utc_s, found, absent):
        """Write the header. found: list of sources.Source; absent: {name: reason}."""
        quantities = [list(quantity) for source in found for quantity in source.quantities]
        self._line(
            {
                "telemetry": VERSION,
                "interval_s": interval_s,
                "monotonic_s": monotonic_s,
                "utc_s": utc_s,
                "quantities": quantities,
                "sources": [source.name for source in found],
                "absent": absent,
            }
        )
        self._sync(monotonic_s)

    def sample(self, sample, usual_interval_s):
        """Write one sample."""
        line = {
            "t": round(sample.monotonic_s, 6),
            "u": round(sample.utc_s, 6),
            "c": round(sample.cpu_s, 6),
            "v": [round(each, 6) if isinstance(each, float) else each for each in sample.values],
        }
        if sample.interval_s != usual_interval_s:
            line["i"] = round(sample.interval_s, 3)
        self._line(line, self._left_bytes)
        if sample.monotonic_s - self._synced_s >= _SYNC_EVERY_S:
            self._sync(sample.monotonic_s)

    def end(self, reason, peak_bytes):
        """Write the end and close the file."""
        self._line({"end": reason, "peak_bytes": peak_bytes, "lost": self.lost})
        self._sync(0.0)
        os.close(self._descriptor)

    def _line(self, content, most_bytes=MOST_WRITTEN_BYTES):
        data = (json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n").encode("ascii")
        if self._is_mid_line:
            data = b"\n" + data
        try:
            written = os.write(self._descriptor, data) if len(data) <= most_bytes else 0
        except OSError:
            written = 0
        self._left_bytes -= written
        if written < len(data):
            self.lost += 1
        if written:
            self._is_mid_line = written < len(data)

    def _sync(self, now_s):
        self._synced_s = now_s
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            pass


def read(path):
    """Return the Series of a file, however it ends. Raises RecordError where it is none, and OSError."""
    size = os.path.getsize(path)
    if size > LARGEST_BYTES:
        raise RecordError(
            "{} has {} bytes, a series has at most {}".format(path, size, LARGEST_BYTES), "series-too-large"
        )
    with open(path, "rb") as handle:
        return parsed(handle.read(LARGEST_BYTES), path)


def parsed(data, path="the series"):
    """Return the Series in bytes that may be cut anywhere. Raises RecordError where the first line is another's."""
    *lines, rest = data.split(b"\n")
    header = _object(lines[0]) if lines else {}
    if lines and (header is None or header.get("telemetry") != VERSION):
        raise RecordError(
            '{} is not a series of this version: its first line lacks "telemetry": {}'.format(path, VERSION),
            "series-unknown",
        )
    quantities = _quantities(header or {})
    usual_s = _number((header or {}).get("interval_s")) or 1.0
    if header:
        header.update(
            interval_s=usual_s,
            sources=[each for each in _as(list, header.get("sources")) if isinstance(each, str)],
            absent={
                name: why for name, why in _as(dict, header.get("absent")).items() if isinstance(why, str)
            },
        )
    samples, end, unreadable = [], None, 0  # type: ignore[var-annotated]
    for line in lines[1:]:
        content = _object(line)
        if content is not None and "end" in content:
            end = content
            continue
        sample = None if content is None else _sample(content, len(quantities), usual_s)
        if sample is not None and (not samples or sample.monotonic_s >= samples[-1].monotonic_s):
            samples.append(sample)
        else:
            unreadable += 1
    return Series(header or {}, quantities, samples, end, bool(rest), unreadable)


def _as(kind, value):
    return value if isinstance(value, kind) else kind()


def _object(line):
    """Return the object of a line, None where it is none."""
    if len(line) > _LONGEST_LINE_BYTES:
        return None
    try:
        content = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _quantities(header):
    found = []
    for each in _as(list, header.get("quantities")):
        if (
            isinstance(each, list)
            and len(each) == 4
            and isinstance(each[0], str)
            and each[1] in KINDS
            and isinstance(each[3], dict)
        ):
            detail = {name: value for name, value in each[3].items() if _fits(name, value)}
            unit = each[2] if isinstance(each[2], str) else None
            found.append(Quantity(each[0], each[1], unit, detail))
        else:
            # Its place must be kept, for the samples are in this order.
            found.append(Quantity("unreadable.{}".format(len(found)), "text", None, {}))
    return found


def _fits(name, value):
    return isinstance(value, str) if name in _DETAIL_TEXTS else _number(value) is not None


def _sample(content, width, usual_s):
    numbers = [_number(content.get(name)) for name in ("t", "u", "c")]
    values = content.get("v")
    if None in numbers or not isinstance(values, list) or len(values) != width:
        return None
    return Sample(
        numbers[0],
        numbers[1],
        numbers[2],
        _number(content.get("i")) or usual_s,
        [each if isinstance(each, str) else _number(each) for each in values],
    )


def _number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # A number of a thousand digits is no float, and no measurement either.
    return value if abs(value) < 1e300 and math.isfinite(value) else None
