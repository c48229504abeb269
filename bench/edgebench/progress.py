"""What a person sees while a suite runs: a bar on a terminal, plain lines elsewhere."""

import shutil
import sys
import time

from edgebench import observation, tasks

_PHASES = {
    "start": "starting",
    "import": "loading the framework",
    "data": "reading data",
    "build": "building",
    "train": "training",
    "test": "testing",
    "load": "loading the model",
    "warmup": "warming up",
    "accuracy": "scoring",
    "windows": "measuring",
}
# What an "epoch" is in each phase that tells of some.
_COUNTED = {"train": "epoch", "accuracy": "input", "windows": "window"}
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
        """Announce the tasks to come (see ``tasks``) and how many are done already."""
        self._upcoming = list(pending)
        self._total = len(pending)

    def start(self, task):
        """Announce the next task."""
        self._index += 1
        self._task = task
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

    def disturbed(self, record):
        """Tell that the run under way was disturbed, and is to be repeated once the host has calmed down."""

    def again(self):
        """Tell that the next to start is the run under way, once more."""
        self._index -= 1

    def finish(self, record):
        """Tell how the run under way ended."""
        self._durations_s.setdefault(self._task.pace, []).append(time.monotonic() - self._started)
        self._upcoming = self._upcoming[1:]

    def done(self):
        """End the display."""

    def _left(self):
        """Return the time left as text, "" until something of every pace to come has been timed."""
        if not self._upcoming or any(task.pace not in self._durations_s for task in self._upcoming):
            return ""
        expected_s = 0.0
        for task in self._upcoming:
            expected_s += sum(self._durations_s[task.pace]) / len(self._durations_s[task.pace])
        return "about {} left".format(_duration(expected_s))

    def _now(self):
        doing = _PHASES.get(self._phase, self._phase)
        if self._epoch and self._phase in _COUNTED:
            doing += ", {} {}/{} done".format(_COUNTED[self._phase], *self._epoch)
        return "{}: {}".format(self._task.label, doing)


class Plain(Silent):
    """One line a run, and one a minute while a run lasts: for logs, and for Ansible."""

    def start(self, task):
        super().start(task)
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

    def disturbed(self, record):
        self._write("[{}/{}] {}; to be repeated".format(self._index, self._total, outcome(record)))

    def finish(self, record):
        super().finish(record)
        left = self._left()
        self._write("[{}/{}] {}{}".format(self._index, self._total, outcome(record), left and "; " + left))

    def _write(self, line):
        self._put(line + "\n")

    def _put(self, text):
        # A log on a full disk, or a terminal that is gone, is no reason to end a run of hours.
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            pass


class Bar(Plain):
    """A bar on the last line of the terminal, finished runs above it."""

    _WIDTH = 20

    def start(self, task):
        super().start(task)
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
        self._put("\r\x1b[K")

    def _write(self, line):
        super()._write("\r\x1b[K" + line)

    def _draw(self):
        finished = self._index - 1
        filled = self._WIDTH * finished // max(1, self._total)
        bar = "#" * filled + "-" * (self._WIDTH - filled)
        elapsed = _duration(time.monotonic() - self._started)
        parts = ["[{}] {}/{} {} {}".format(bar, finished, self._total, self._now(), elapsed), self._left()]
        line = "  ".join(part for part in parts if part)
        self._put("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])


def _plan_line(pending, skipped):
    line = "{} run{} to do".format(len(pending), "" if len(pending) == 1 else "s")
    return line + (", {} already recorded and kept".format(skipped) if skipped else "")


def outcome(record):
    """Return one line that says how a run or an inference ended."""
    is_inference = record["record"] == "inference"
    if is_inference:
        head = "{}: {}".format(_inference_label(record), record["status"])
    else:
        head = "{} repeat {}: {}".format(record["workload"], record["repeat"], record["status"])
    if record["status"] != "ok":
        return "{} ({})".format(head, record["reason"])
    if is_inference:
        return head + "  " + "  ".join(inference_figures(record)) + _disturbed(record)
    times = record["times"]
    line = "{}  train {:.2f} s  test {:.2f} s  {}".format(
        head, times["train_s"], times["test_s"], quality(record)
    )
    return line + ("  (synthetic data)" if record["data"]["synthetic"] else "") + _disturbed(record)


def _disturbed(record):
    said = observation.words(record)
    return "  (disturbed: {})".format(said) if said else ""


def inference_figures(record):
    """Return an inference's throughput, median latency and accuracy as texts with their units."""
    per_s, percentiles_us = record["throughput_per_s"], record["latency"]["percentiles_us"]
    value = record["quality"]["value"]
    return (
        "-" if per_s is None else "{:.{}f} inferences/s".format(per_s, 0 if per_s >= 100 else 2),
        "-" if percentiles_us is None else "median {:.0f} us".format(percentiles_us[50]),
        "latency only" if value is None else "top-1 {:.1f} %".format(100 * value),
    )


def _inference_label(record):
    model = record["model"]
    return tasks.inference_label(
        record["engine"]["name"], model["id"], model["form"], record["threads"]["intra"]
    )


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
