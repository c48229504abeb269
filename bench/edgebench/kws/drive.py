"""The host's side of the MLPerf Tiny protocol: drives a device over a serial line and judges what it says.

Source: mlcommons/tiny, ``benchmark/runner/device_under_test.py`` (31 bytes of
input per ``db``, 26 in energy mode; ``infer`` always with its warm-up),
``serial_device.py`` (a reply is read line by line up to ``m-ready``, 5 s a
line), ``script.py`` and ``main.py`` (five inputs for performance, all for
accuracy; the median; the top class of each input). Of a window, the rules ask
for at least 10 s or at least 10 inferences; this asks for both.
"""

import re
import time
from collections import namedtuple

from edgebench.errors import EdgebenchError, with_code
from edgebench.kws.inputs import LABELS

CHUNK_BYTES = 31
REPLY_S = 5.0
INFER_S = 30.0
DETECT_S = 2.0
WINDOW_S = 10.0
MIN_INFERENCES = 10
WARMUP = 10
# How far a device's clock may be from this host's before it is said to count something else.
CLOCK_SHARE = 0.02

# A window is planned longer than it has to be, for no run is as fast as the one before.
_MARGIN = 1.1
_SPENT_SHARE = 0.8
_TRIAL_S = 1.0
_NAMING_ATTEMPTS = 3
# Where a device counts microseconds in 32 bits, as most microcontrollers do.
_WRAP_US = 2**32
# What a busy host may take to notice a line; a difference below that says nothing.
_NOTICED_S = 0.1

Inference = namedtuple("Inference", "inferences device_s host_s results")
Inference.__doc__ = """What one infer command gave.

inferences: how many; device_s: by the device's timestamps; host_s: by this host's clock, between the arrivals of the
two timestamps; results: tuple of 12 probabilities.
"""

Performance = namedtuple("Performance", "windows warnings")
Performance.__doc__ = (
    """Windows (each an Inference) of the last attempt, and warnings, each ending in its code."""
)


class DeviceError(EdgebenchError):
    """A device is silent, or says what the protocol does not provide for."""


class Driver:
    """A device at the other end of an open line (a serial_line.SerialLine)."""

    def __init__(self, line, say=None):
        """Take a line. say: called with each line of the dialogue, for a log: ``(seconds, direction, text)``."""
        self._line = line
        self._say = say or (lambda when_s, direction, text: None)
        self._pending = b""
        self.name = self.model = self.profile = None

    def identify(self):
        """Find out name, profile and model; raises DeviceError where nobody answers, or it is no kws01 device.

        What the device said before, its boot text above all, is thrown away
        first: a reply is what follows a command.
        """
        self._drain()
        for attempt in range(_NAMING_ATTEMPTS):
            try:
                self.name = _found(self.command("name", DETECT_S), r"m-name-(.*)$")
            except DeviceError:
                if attempt == _NAMING_ATTEMPTS - 1:
                    raise DeviceError(
                        "No device answers name% on this line within {:g} s. Check that the device is running, and "
                        "that --port and --baud are right.".format(DETECT_S),
                        "device-silent",
                    )
                self._drain()
            if self.name:
                break
        profile = self.command("profile")
        self.profile = _found(profile, r"m-profile-\[(.*)\]$")
        self.model = _found(profile, r"m-model-\[(.*)\]$")
        if self.model != "kws01":
            raise DeviceError(
                "The device runs the model {!r}, expected 'kws01'. Start its keyword spotting firmware.".format(
                    self.model
                ),
                "device-model-wrong",
            )

    def command(self, text, line_s=REPLY_S):
        """Send a command and return its reply, [(arrival in seconds, line)] without the closing m-ready.

        line_s: how long each line may take. Raises DeviceError at a silence,
        and for a reply that holds an error (``e-[…]``).
        """
        self._say(time.time(), ">", text + "%")
        self._line.write((text + "%").encode("ascii"))
        reply = []
        while True:
            arrived_s, line = self._read_line(text, line_s)
            if line == "m-ready":
                break
            reply.append((arrived_s, line))
        errors = [line for _, line in reply if line.startswith("e-[")]
        if errors:
            raise DeviceError("The device answers {}% with {}".format(text, errors[0]), "device-error-reply")
        return reply

    def load(self, data):
        """Send an input of 490 bytes; raises DeviceError where the device does not take all of it."""
        self.command("db load {}".format(len(data)))
        reply = []
        for start in range(0, len(data), CHUNK_BYTES):
            chunk = data[start : start + CHUNK_BYTES]
            reply = self.command("db " + "".join("{:02x}".format(byte) for byte in bytearray(chunk)))
        if "m-load-done" not in [line for _, line in reply]:
            raise DeviceError(
                "The device got {} bytes of input and did not answer m-load-done. Check the line, then run "
                "the same command again.".format(len(data)),
                "device-load-incomplete",
            )

    def infer(self, inferences, warmup):
        """Run inferences on the loaded input and return an Inference; raises DeviceError for an odd reply."""
        command = "infer {} {}".format(inferences, warmup)
        reply = self.command(command, INFER_S)
        laps = [
            (arrived_s, int(line[len("m-lap-us-") :]))
            for arrived_s, line in reply
            if re.match(r"m-lap-us-\d+$", line)
        ]
        results = _found(reply, r"m-results-\[([^]]*)\]$")
        if len(laps) != 2:
            raise DeviceError(
                "{}% gave {} timestamps, expected 2. In energy mode a device sends none: start it in performance "
                "mode.".format(command, len(laps)),
                "device-timestamps-missing",
            )
        (first_s, first_us), (last_s, last_us) = laps
        elapsed_us = last_us - first_us
        if elapsed_us < 0:
            elapsed_us %= _WRAP_US
        return Inference(inferences, elapsed_us / 1e6, last_s - first_s, _probabilities(command, results))

    def _read_line(self, command, line_s):
        deadline_s = time.perf_counter() + line_s
        while b"\n" not in self._pending:
            if time.perf_counter() > deadline_s:
                raise DeviceError(
                    "The device did not answer {}% within {:g} s".format(command, line_s),
                    "device-reply-timeout",
                )
            self._pending += self._line.read()
        arrived_s = time.perf_counter()
        line, _, self._pending = self._pending.partition(b"\n")
        text = line.decode("ascii", "replace").replace("\r", "").replace("\0", "")
        self._say(time.time(), "<", text)
        return arrived_s, text

    def _drain(self):
        """Read until nothing comes any more, for at most as long as hosts wait for a device to start."""
        deadline_s = time.perf_counter() + DETECT_S
        self._pending = b""
        while self._line.read() and time.perf_counter() < deadline_s:
            pass


def accuracy(driver, samples, progress=None):
    """Run every sample once and return the probabilities, a list of tuples of 12 in the order of the samples.

    samples: inputs.Samples. progress: called with (done, all) after each.
    """
    probabilities = []
    for done, sample in enumerate(samples, 1):
        driver.load(sample.quantized.values.tobytes())
        probabilities.append(driver.infer(1, 0).results)
        if progress:
            progress(done, len(samples))
    return probabilities


def performance(
    driver, samples, windows=5, window_s=WINDOW_S, inferences=None, calibrate=True, progress=None
):
    """Run windows on the first samples and return a Performance.

    inferences: a window's; found out where None. calibrate: raise them and
    begin anew while a window is shorter than window_s; else windows stay as
    they are and the warnings say so. A device so slow that one inference takes
    longer than hosts wait raises DeviceError.
    """
    count = inferences or _calibrated(driver, samples[0], window_s)
    while True:
        done = []
        for number in range(windows):
            driver.load(samples[number % len(samples)].quantized.values.tobytes())
            done.append(driver.infer(count, WARMUP))
            if progress:
                progress(number + 1, windows)
            if calibrate and done[-1].device_s < window_s:
                break
        short = [each for each in done if each.device_s < window_s]
        if not (calibrate and short):
            return Performance(done, _warnings(done, window_s))
        count = _more(count, short[-1].device_s, window_s)


def _calibrated(driver, sample, window_s):
    """Return how many inferences fill a window, from trials that grow until one is long enough to tell."""
    driver.load(sample.quantized.values.tobytes())
    count = 1
    while True:
        trial = driver.infer(count, min(count, WARMUP))
        # By this host's clock: a device's may stand still, or tick a thousand times a second.
        if trial.host_s >= min(_TRIAL_S, window_s):
            break
        count = int(count * min(20.0, max(2.0, 1.2 * _TRIAL_S / max(trial.host_s, 1e-6))))
    filling = _more(count, trial.device_s, window_s)
    affordable = int(_SPENT_SHARE * INFER_S * count / trial.host_s)
    return max(filling, min(MIN_INFERENCES, affordable))


def _more(count, taken_s, window_s):
    if taken_s <= 0:
        raise DeviceError(
            "The device's clock does not advance: {} inferences in {:g} s".format(count, taken_s),
            "device-clock-stopped",
        )
    return count if taken_s >= window_s else max(count + 1, int(count * _MARGIN * window_s / taken_s))


def _warnings(windows, window_s):
    found = []
    for number, each in enumerate(windows, 1):
        if each.device_s < WINDOW_S and each.inferences < MIN_INFERENCES:
            told = "window {} is not valid: {:.3f} s and {} inferences; the rules ask for {:g} s or {} inferences"
            code = "window-invalid"
        elif each.device_s < WINDOW_S or each.inferences < MIN_INFERENCES:
            told = "window {} has {:.3f} s and {} inferences; this program asks for {:g} s and {} inferences"
            code = "window-short"
        else:
            continue
        told = told.format(number, each.device_s, each.inferences, WINDOW_S, MIN_INFERENCES)
        found.append(with_code(told, code))
    for number, each in enumerate(windows, 1):
        apart_s = each.device_s - each.host_s
        if abs(apart_s) > max(_NOTICED_S, CLOCK_SHARE * each.host_s):
            told = (
                "window {}: the device counts {:.3f} s, this host {:.3f} s ({:+.1f} %). The device's timestamps must "
                "follow wall-clock time{}".format(
                    number,
                    each.device_s,
                    each.host_s,
                    100 * apart_s / each.host_s,
                    "" if apart_s > 0 else "; a clock of CPU time stops while the device waits",
                )
            )
            found.append(with_code(told, "device-clock-fast" if apart_s > 0 else "device-clock-slow"))
    return found


def valid(windows):
    """Return whether all windows have at least 10 s and at least 10 inferences."""
    return bool(windows) and all(
        each.device_s >= WINDOW_S and each.inferences >= MIN_INFERENCES for each in windows
    )


def _found(reply, pattern):
    for _, line in reply:
        match = re.match(pattern, line)
        if match:
            return match.group(1)
    return None


def _probabilities(command, results):
    try:
        values = tuple(float(each) for each in (results or "").split(","))
    except ValueError:
        values = ()
    if len(values) != len(LABELS):
        raise DeviceError(
            "{}% gave the results {!r}, expected {} numbers".format(command, results, len(LABELS)),
            "device-results-malformed",
        )
    return values
