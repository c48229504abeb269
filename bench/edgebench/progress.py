"""What a person sees while something takes its time: a bar on a terminal, plain lines elsewhere.

Every command shows its progress by a display of this module. It tells the display
what is to be done (``plan``), what begins (``start``, ``aside``) and how it ends
(``finish``, ``end``); whoever waits calls ``tick`` about twice a second, or waits in
``during``. The display adds the seconds and the time left.
"""

import shutil
import sys
import threading
import time
from contextlib import contextmanager

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
    "tune": "trying",
    "rounds": "measuring",
}
# What an "epoch" is in each phase that tells of some.
_COUNTED = {
    "train": "epoch",
    "accuracy": "input",
    "windows": "window",
    "tune": "setting",
    "rounds": "round",
}
# The playbook looks every ten seconds, and finds a line each time.
_HEARTBEAT_S = 9
_QUICK_S = 1.0
_TICK_S = 0.5
_LEAST_SHARE = 0.1
# Begins a line that says only that something still runs; the playbook shows fewer of them for many hosts.
STILL = "\u2026 "


class Step:
    """Something a display shows, as a task of ``tasks`` is shown.

    label: for people. pace: a word that steps of about the same length share; None
    for the label. guess_s: seconds it takes, before any of its pace was timed; None
    for unknown. scales: whether the guess is wrong by the same factor as others are,
    as on a host that is slower than thought.
    """

    def __init__(self, label, pace=None, guess_s=None, scales=False):
        self.label = label
        self.pace = pace or label
        self.guess_s = guess_s
        self.scales = scales


def display(kind, stream=None):
    """Return the display for ``kind``: "bar", "plain", "none", or "auto", a bar on a terminal, else plain lines."""
    stream = sys.stderr if stream is None else stream
    if kind == "auto":
        kind = "bar" if stream.isatty() else "plain"
    return {"bar": Bar, "plain": Plain, "none": Silent}[kind](stream)


class _Paces:
    """How long steps take: measured ones of the same pace, or guesses scaled by how wrong the others were."""

    def __init__(self):
        self._guesses_s = {}
        self._scaled = set()
        self._taken_s = {}

    def guess(self, step):
        """Take the guess of a step."""
        if step.guess_s is not None:
            self._guesses_s[step.pace] = step.guess_s
            if step.scales:
                self._scaled.add(step.pace)

    def took(self, step, seconds):
        """Note how long a step took."""
        self._taken_s.setdefault(step.pace, []).append(seconds)

    def is_known(self, step):
        """Tell whether a step of this pace was timed."""
        return step.pace in self._taken_s

    def expected_s(self, step):
        """Return the seconds a step is expected to take; None for unknown."""
        pace = step.pace
        if pace in self._taken_s:
            return _mean(self._taken_s[pace])
        if pace not in self._guesses_s:
            return None
        return self._guesses_s[pace] * (self._scale() if pace in self._scaled else 1)

    def _scale(self):
        timed = [pace for pace in self._scaled if pace in self._taken_s]
        guessed_s = sum(self._guesses_s[pace] for pace in timed)
        if not guessed_s:
            return 1
        return sum(_mean(self._taken_s[pace]) for pace in timed) / guessed_s


def _mean(values):
    return sum(values) / len(values)


class Silent:
    """Shows nothing; the base of the others."""

    def __init__(self, stream):
        self._stream = stream
        self._total = 0
        self._index = 0
        self._paces = _Paces()
        self._upcoming = []
        self._asides = []
        self._step = None

    def say(self, line):
        """Tell one line that is not about the run under way."""

    def plan(self, pending, kept=0, noun="run", asides=()):
        """Announce the steps to come, and how many are done already.

        pending: tasks or Steps. noun: what one of them is. asides: Steps that come between
        them and are not counted.
        """
        self._upcoming = list(pending)
        self._asides = list(asides)
        self._total = len(self._upcoming)
        for step in self._upcoming + self._asides:
            self._paces.guess(step)

    def start(self, step):
        """Announce the next step of the plan."""
        self._index += 1
        self._begin(step)

    def aside(self, step):
        """Announce a step that is not counted."""
        self._paces.guess(step)
        self._begin(step)

    def _begin(self, step):
        self._step = step
        self._started = time.monotonic()
        self._until = None
        self.phase("start")

    def phase(self, phase):
        """Tell that the step under way has entered another phase."""
        self._phase = phase
        self._phase_started = time.monotonic()
        self._epoch = None

    def epoch(self, done, of):
        """Tell how many epochs of training, or other parts of a phase, are done; of: None for unknown."""
        self._epoch = (done, of)

    def expect(self, seconds):
        """Tell that the step under way takes about so many seconds more."""
        self._until = time.monotonic() + seconds

    def tick(self):
        """Called about twice a second while a step is under way."""

    @contextmanager
    def during(self, label, guess_s=None):
        """Show a step that is not counted while the body runs, which needs not tick.

        Nothing is shown of a step that ends within a second, unless it was expected to take longer.
        """
        step = Step(label, guess_s=guess_s)
        ended = threading.Event()
        if guess_s is not None:
            self.aside(step)

        def watch():
            if guess_s is None:
                if ended.wait(_QUICK_S):
                    return
                self.aside(step)
            while not ended.wait(_TICK_S):
                self.tick()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            self._step = None
            self.done()

    def disturbed(self, record):
        """Tell that the run under way was disturbed, and is to be repeated once the host has calmed down."""

    def again(self):
        """Tell that the next to start is the run under way, once more."""
        self._index -= 1

    def finish(self, record):
        """Tell how the run under way ended."""
        self.end(outcome(record))

    def end(self, line=None):
        """Tell in a line how the step under way ended; None tells nothing."""
        self._paces.took(self._step, time.monotonic() - self._started)
        for steps in (self._upcoming, self._asides):
            if self._step in steps:
                steps.remove(self._step)
        self._step = None

    def done(self):
        """End the display."""

    def left_s(self):
        """Return the seconds left; None while they are unknown."""
        waiting = [each for each in self._upcoming + self._asides if each is not self._step]
        expected_s = [self._expected_s(each) for each in waiting]
        if self._step is not None:
            expected_s.append(self._left_of_step_s())
        if not expected_s or None in expected_s:
            return None
        return sum(expected_s)

    def _expected_s(self, step):
        """Return what a step to come takes: no less than the one under way of its pace, where none has ended."""
        expected_s = self._paces.expected_s(step)
        under_way = self._step
        if (
            expected_s is None
            or under_way is None
            or under_way.pace != step.pace
            or self._paces.is_known(step)
        ):
            return expected_s
        return max(expected_s, time.monotonic() - self._started)

    def _left_of_step_s(self):
        now = time.monotonic()
        # Of a step that takes longer than expected, nothing is known but that it is not over.
        least_s = _LEAST_SHARE * (now - self._started)
        if self._until is not None:
            return max(least_s, self._until - now)
        if self._phase == "train" and self._epoch and self._epoch[0] and not self._paces.is_known(self._step):
            done, of = self._epoch
            return (now - self._phase_started) * (of - done) / done
        expected_s = self._paces.expected_s(self._step)
        return None if expected_s is None else max(least_s, expected_s - (now - self._started))

    def _left(self):
        """Return the time left as text, "" while it is unknown."""
        left_s = self.left_s()
        return "" if left_s is None else "about {} left".format(_duration(left_s))

    def _place(self):
        """Return which step of the plan is under way as text, "" for one that is not counted."""
        return "[{}/{}] ".format(self._index, self._total) if self._step in self._upcoming else ""

    def _now(self):
        doing = _PHASES.get(self._phase, self._phase)
        if self._epoch and (self._epoch[0] or self._epoch[1]) and self._phase in _COUNTED:
            done, of = self._epoch
            counted = str(done) if of is None else "{}/{}".format(done, of)
            doing += ", {} {} done".format(_COUNTED[self._phase], counted)
        label = self._step.label if self._step else ""
        return label if self._phase == "start" else "{}: {}".format(label, doing)


class Plain(Silent):
    """One line a step, and one every few seconds while it lasts: for logs, and for Ansible."""

    def __init__(self, stream):
        super().__init__(stream)
        self._told = time.monotonic()
        # A ticking thread and what it waits for both write.
        self._writing = threading.Lock()

    def say(self, line):
        self._write(line)

    def aside(self, step):
        super().aside(step)
        expected_s = self._paces.expected_s(step)
        self._write(step.label + ("" if expected_s is None else ", about {}".format(_duration(expected_s))))

    def plan(self, pending, kept=0, noun="run", asides=()):
        super().plan(pending, kept, noun, asides)
        self._write(_plan_line(self._total, kept, noun, self.left_s()))

    def tick(self):
        if self._step is not None and time.monotonic() - self._told >= _HEARTBEAT_S:
            passed = _duration(time.monotonic() - self._started)
            left = self._left()
            self._write(
                "{}{}{}, {}{}".format(STILL, self._place(), self._now(), passed, left and "; " + left)
            )

    def disturbed(self, record):
        self._write("[{}/{}] {}; to be repeated".format(self._index, self._total, outcome(record)))

    def end(self, line=None):
        place = self._place()
        super().end(line)
        if line is not None:
            left = self._left() if place else ""
            self._write("{}{}{}".format(place, line, left and "; " + left))

    def _write(self, line):
        self._put(line + "\n")
        self._told = time.monotonic()

    def _put(self, text):
        # A log on a full disk, or a terminal that is gone, is no reason to end a run of hours.
        try:
            with self._writing:
                self._stream.write(text)
                self._stream.flush()
        except OSError:
            pass


class Bar(Plain):
    """A bar on the last line of the terminal, finished runs above it."""

    _WIDTH = 20

    def _begin(self, step):
        super()._begin(step)
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
        if self._step is None:
            return
        bar = ""
        if self._total:
            finished = self._total - len(self._upcoming)
            filled = self._WIDTH * finished // self._total
            bar = "[{}] {}/{} ".format("#" * filled + "-" * (self._WIDTH - filled), finished, self._total)
        elapsed = _duration(time.monotonic() - self._started)
        parts = ["{}{} {}".format(bar, self._now(), elapsed), self._left()]
        line = "  ".join(part for part in parts if part)
        self._put("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])


class Amount:
    """Tells every few seconds how much of something is done, and the time left.

    say: called with a line. label: what is done. total: the whole, None for
    unknown. unit: (its name, how many make one).
    """

    def __init__(self, say, label, total, unit=("MB", 1e6)):
        self._say, self._label, self._total, self._unit = say, label, total, unit
        self._done = 0
        self._started = self._told = time.monotonic()

    def add(self, amount):
        """Tell that so much more is done."""
        self._done += amount
        now = time.monotonic()
        if now - self._told < _HEARTBEAT_S:
            return
        self._told = now
        name, size = self._unit
        line = "{}{}: {:.0f}".format(STILL, self._label, self._done / size)
        if self._total:
            line += " of {:.0f}".format(self._total / size)
        line += " {}".format(name)
        if self._total and self._done:
            left_s = (now - self._started) * (self._total - self._done) / self._done
            line += "; about {} left".format(_duration(max(0.0, left_s)))
        self._say(line)


def _plan_line(total, kept, noun, left_s):
    line = "{} {}{} to do".format(total, noun, "" if total == 1 else "s")
    if kept:
        line += ", {} already recorded and kept".format(kept)
    return line + (", about {}".format(_duration(left_s)) if left_s is not None else "")


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
