"""What a person sees while a suite runs: a bar on a terminal, plain lines elsewhere."""

import shutil
import sys
import time

_PHASES = {
    "start": "starting",
    "import": "loading the framework",
    "data": "reading data",
    "build": "building",
    "train": "training",
    "test": "testing",
}
_HEARTBEAT_S = 60


def display(kind, stream=None):
    """Return the display for ``kind``: "bar", "plain", "none", or "auto", a bar on a terminal, else plain lines."""
    stream = sys.stderr if stream is None else stream
    if kind == "auto":
        kind = "bar" if stream.isatty() else "plain"
    return {"bar": Bar, "plain": Plain, "none": Silent}[kind](stream)


class Silent:
    """Shows nothing; the base of the others."""

    def __init__(self, stream):
        self._stream = stream
        self._total = 0
        self._index = 0
        self._durations_s = {}
        self._upcoming = []

    def say(self, line):
        """Tell one line that is not about the run under way."""

    def plan(self, pending, skipped):
        """Announce the (workload, repeat) pairs to come and how many are done already."""
        self._upcoming = list(pending)
        self._total = len(pending)

    def start(self, workload, repeat, repeats):
        """Announce the next run."""
        self._index += 1
        self._run = (workload, repeat, repeats)
        self._phase = "start"
        self._epoch = None
        self._started = time.monotonic()

    def phase(self, phase):
        """Tell that the run under way has entered another phase."""
        self._phase = phase

    def epoch(self, done, of):
        """Tell how many epochs of training are done."""
        self._epoch = (done, of)

    def tick(self):
        """Called about twice a second while a run is under way."""

    def finish(self, record):
        """Tell how the run under way ended."""
        workload = self._run[0]
        self._durations_s.setdefault(workload, []).append(time.monotonic() - self._started)
        self._upcoming = self._upcoming[1:]

    def done(self):
        """End the display."""

    def _left(self):
        """Return the time left as text, "" until every workload to come has been timed once."""
        if not self._upcoming or any(workload not in self._durations_s for workload, _ in self._upcoming):
            return ""
        expected_s = 0.0
        for workload, _ in self._upcoming:
            expected_s += sum(self._durations_s[workload]) / len(self._durations_s[workload])
        return "about {} left".format(_duration(expected_s))

    def _now(self):
        workload, repeat, repeats = self._run
        doing = _PHASES.get(self._phase, self._phase)
        if self._epoch and self._phase == "train":
            doing += ", epoch {}/{} done".format(*self._epoch)
        return "{} repeat {}/{}: {}".format(workload, repeat, repeats, doing)


class Plain(Silent):
    """One line a run, and one a minute while a run lasts: for logs, and for Ansible."""

    def start(self, workload, repeat, repeats):
        super().start(workload, repeat, repeats)
        self._told = time.monotonic()

    def say(self, line):
        self._write(line)

    def plan(self, pending, skipped):
        super().plan(pending, skipped)
        self._write(_plan_line(pending, skipped))

    def tick(self):
        if time.monotonic() - self._told >= _HEARTBEAT_S:
            self._told = time.monotonic()
            self._write("[{}/{}] {}".format(self._index, self._total, self._now()))

    def finish(self, record):
        super().finish(record)
        left = self._left()
        self._write("[{}/{}] {}{}".format(self._index, self._total, outcome(record), left and "; " + left))

    def _write(self, line):
        self._stream.write(line + "\n")
        self._stream.flush()


class Bar(Plain):
    """A bar on the last line of the terminal, finished runs above it."""

    _WIDTH = 20

    def start(self, workload, repeat, repeats):
        super().start(workload, repeat, repeats)
        self._draw()

    def phase(self, phase):
        super().phase(phase)
        self._draw()

    def epoch(self, done, of):
        super().epoch(done, of)
        self._draw()

    def tick(self):
        self._draw()

    def done(self):
        self._stream.write("\r\x1b[K")
        self._stream.flush()

    def _write(self, line):
        super()._write("\r\x1b[K" + line)

    def _draw(self):
        finished = self._index - 1
        filled = self._WIDTH * finished // max(1, self._total)
        bar = "#" * filled + "-" * (self._WIDTH - filled)
        elapsed = _duration(time.monotonic() - self._started)
        parts = ["[{}] {}/{} {} {}".format(bar, finished, self._total, self._now(), elapsed), self._left()]
        line = "  ".join(part for part in parts if part)
        self._stream.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
        self._stream.flush()


def _plan_line(pending, skipped):
    line = "{} run{} to do".format(len(pending), "" if len(pending) == 1 else "s")
    return line + (", {} already recorded and kept".format(skipped) if skipped else "")


def outcome(record):
    """Return one line that says how a run ended."""
    head = "{} repeat {}: {}".format(record["workload"], record["repeat"], record["status"])
    if record["status"] != "ok":
        return "{} ({})".format(head, record["reason"])
    times = record["times"]
    line = "{}  train {:.2f} s  test {:.2f} s  {}".format(
        head, times["train_s"], times["test_s"], quality(record)
    )
    return line + ("  (synthetic data)" if record["data"]["synthetic"] else "")


def quality(record):
    """Return a record's accuracy or error as text with its unit."""
    value = record["quality"]["value"]
    if value is None:
        return "-"
    if record["quality"]["metric"] == "accuracy":
        return "accuracy {:.1f} %".format(100 * value)
    return "MAE {:.2f} °C".format(record["quality"]["mae_celsius"])


def _duration(seconds):
    seconds = int(seconds)
    if seconds < 60:
        return "{} s".format(seconds)
    if seconds < 3600:
        return "{}:{:02d} min".format(seconds // 60, seconds % 60)
    return "{}:{:02d} h".format(seconds // 3600, seconds % 3600 // 60)
