"""An external power meter, read by a command of the user's that prints JSON lines.

A line is ``{"power_w": 4.2}``, the power now, or ``{"energy_j": 1234.5}``, a
counter that only rises; ``"name"`` tells several meters apart (default
``meter``), ``"range_j"`` is the highest value of a counter that begins anew.
The first lines within five seconds declare what there is. The command gets an
open standard input and ends when that ends.
"""

import json
import math
import os
import select
import shlex
import signal
import subprocess
import time

from edgebench.telemetry.quantity import JOULE, WATT, rail
from edgebench.telemetry.sources.source import AbsentError, Source

FIRST_LINE_LIMIT_S = 5.0

_NAME = "meter"
_RANK = 10
_SETTLE_S = 0.2
_HELD_S = 2.0
_PIECE_BYTES = 65536
_LONGEST_LINE_BYTES = 4096
_MOST_NAMES = 16


def find(command, limit_s=FIRST_LINE_LIMIT_S):
    """Return the Source of one command, a string as for a shell but without one; raises AbsentError."""
    try:
        words = shlex.split(command)
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError, IndexError) as error:
        raise AbsentError(
            "the meter's command {!r} cannot be run: {}".format(
                command, getattr(error, "strerror", None) or error
            )
        )
    meter = Meter(process)
    meter.wait(limit_s)
    if not meter.columns:
        meter.close()
        raise AbsentError(
            "the meter's command {!r} printed no line such as {} within {:g} s".format(
                command, '{"power_w": 4.2}', limit_s
            )
        )
    return Source("meter " + words[0], meter.quantities(), meter.read, 0, meter.close)


class Meter:
    """What a meter's command has printed since it was last asked."""

    def __init__(self, process):
        self._process = process
        self._output = process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._pending = b""
        # (name, "power_w" or "energy_j") in the order in which they came, with the range of a counter
        self.columns = []
        self._heard = {}
        self._last = {}

    def wait(self, limit_s):
        """Wait for a first line, and a moment longer for those of other names."""
        ends = time.monotonic() + limit_s
        while not self.columns and time.monotonic() < ends and self._process.poll() is None:
            select.select([self._output], [], [], max(0, ends - time.monotonic()))
            self._listen(True)
            if not self.columns and self._process.poll() is None:
                time.sleep(0.01)
        if self.columns:
            time.sleep(_SETTLE_S)
            self._listen(True)

    def quantities(self):
        """Return a Quantity for each column."""
        made = []
        for name, kind, highest in self.columns:
            detail = {} if highest is None else {"range": highest}
            made.append(rail(name, WATT if kind == "power_w" else JOULE, "board", _RANK, **detail))
        return made

    def read(self):
        """Return for each column the mean power since the last call, or the last count.

        Where nothing came a power holds for two seconds; then, and for a count, it is None.
        """
        self._listen(False)
        now_s = time.monotonic()
        heard, self._heard = self._heard, {}
        values = []
        for name, kind, _ in self.columns:
            told = heard.get((name, kind))
            if told:
                value = sum(told) / len(told) if kind == "power_w" else told[-1]
                self._last[name, kind] = (now_s, value)
                values.append(value)
            else:
                last_s, value = self._last.get((name, kind), (0.0, None))
                # A meter as slow as the sampling is sometimes a moment late.
                values.append(value if kind == "power_w" and now_s - last_s <= _HELD_S else None)
        return values

    def close(self):
        """End the command, by its standard input first."""
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                pipe.close()
            except OSError:
                pass
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                try:
                    os.killpg(self._process.pid, number)
                except (ProcessLookupError, PermissionError):
                    pass
            try:
                self._process.wait(0.5)
                return
            except subprocess.TimeoutExpired:
                continue

    def _listen(self, is_new_allowed):
        while True:
            try:
                piece = os.read(self._output, _PIECE_BYTES)
            except BlockingIOError:
                return
            if not piece:
                return
            lines = (self._pending + piece).split(b"\n")
            self._pending = lines.pop()[-_LONGEST_LINE_BYTES:]
            for line in lines:
                self._hear(line, is_new_allowed)

    def _hear(self, line, is_new_allowed):
        try:
            told = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            return
        if not isinstance(told, dict):
            return
        name = told.get("name", _NAME)
        for kind in ("power_w", "energy_j"):
            value = _number(told.get(kind))
            if value is None or not isinstance(name, str) or not name.strip():
                continue
            known = [each[:2] for each in self.columns]
            if is_new_allowed and (name, kind) not in known and len(known) < _MOST_NAMES:
                self.columns.append((name, kind, _number(told.get("range_j"))))
            self._heard.setdefault((name, kind), []).append(value)


def _number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
