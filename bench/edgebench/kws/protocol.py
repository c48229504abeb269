"""The device's side of the MLPerf Tiny protocol as a state machine: bytes in, bytes out.

Source: mlcommons/tiny, ``benchmark/api/internally_implemented.cpp`` and ``.h``
(commands, messages, the buffer of 80 characters, what ``atoi`` and ``strtok``
make of odd words), ``reference_submissions/keyword_spotting/
submitter_implemented.cpp`` (results, the check of the input's size) and
``benchmark/runner/serial_device.py`` (what a host can read). The words are
those of the source, the code is not. Where this differs on purpose:

- A ``%`` without a command ends in ``m-ready``; the source passes a null pointer on.
- CR, LF and NUL are dropped, as the runner drops them from what it reads: a
  person at a terminal types them, a line that goes up or down sends them.
- Bytes outside printable ASCII are echoed as ``?``: the runner's reader dies of
  a byte that is not UTF-8.
- ``db`` digits that no ``db load`` asked for are read and not kept; the source
  writes on behind its buffer. ``db load`` of a negative number is one of "must
  be >0"; the source makes a huge number of it.
- A probability of 1 is ``0.999``; the source writes ``0.1000``, which reads as 0.1.
- An ``infer`` that would be silent for longer than hosts wait is refused, see
  ``Protocol``; the source has no such case, for nothing that drives it waits
  for more than it can do.
"""

import gc
import itertools
import math

from edgebench.errors import with_code
from edgebench.kws.inputs import SIZE_BYTES, QuantizedFeatures

MODES = ("performance", "accuracy", "energy")
COMMAND_BYTES = 80
BUFFER_BYTES = 27648
READY = b"m-ready\r\n"
DEFAULT_WARMUP = 10

# The MLCommons runner waits 30 s for a line of the reply to infer.
SILENCE_S = 28.0
# An estimate is refused a little earlier than a run is broken off, so that the latter stays rare.
_REFUSED_SHARE = 0.9
_CHUNK_S = 0.25
_WARM_INVOCATIONS = 20
_WARM_S = 3.0
_INT_MAX = 2**31 - 1
_DROPPED = b"\r\n\0"

_HELP = (
    "ULPMark for tinyML Firmware V0.0.1",
    "",
    "help         : show this text",
    "name         : name of this device",
    "profile      : firmware and model",
    "timestamp    : take a timestamp",
    "db load N    : expect N bytes of input",
    "db HH[HH]*   : take these bytes, two hex digits each, until N are there",
    "db print     : show the N bytes",
    "infer N [W]  : run N inferences on the input after W others to warm up (10)",
    "results      : probabilities of the last inference",
)


class Protocol:
    """One device and what it has been told so far.

    engine: has ``set_input(QuantizedFeatures)``, ``invoke()`` and ``output()``
    (12 probabilities). clock: returns seconds that only ever grow. mode: one of
    MODES; accuracy answers as performance does. edge: for energy mode, the
    callable that makes the falling edge of a timestamp. silence_s: how long
    hosts wait for a line; an ``infer`` whose warm-up or whose inferences would
    take longer, as those before them ran, is refused with ``e-[Inference
    iterations must be <=M, …]``, and one that turns out to is broken off with
    ``e-[Inference stopped after K of N, …]``. say: callable for one line about
    each ``infer`` that is refused or broken off, and about errors of engine and
    edge; None says nothing.

    ``boot`` and ``feed`` return iterators of bytes to be sent as they come:
    between two of them time passes in inferences. Neither ever raises an
    Exception, whatever it is fed and whatever engine and edge raise.
    """

    def __init__(self, engine, clock, mode="performance", edge=None, silence_s=SILENCE_S, say=None):
        if mode not in MODES or (mode == "energy") != (edge is not None):
            raise ValueError("mode {!r} with edge {!r}".format(mode, edge))
        self._engine = engine
        self._clock = clock
        self._edge = edge
        self._silence_s = silence_s
        self._say = say or (lambda line: None)
        self._started_s = clock()
        self._results = (0.0,) * 12
        self._command = bytearray()
        self._expected = bytearray()
        self._loaded = 0
        self._invoke_s = None
        self._commands = {
            b"name": self._name,
            b"timestamp": self._timestamp,
            b"profile": self._profile,
            b"help": self._help,
            b"db": self._db,
            b"infer": self._infer,
            b"results": self._say_results,
        }

    def warm(self):
        """Run a few inferences of silence, so that the first one asked for is as fast as the others.

        Raises what the engine raises: a device that cannot infer does not say
        that it is ready. Ends after about three seconds on a slow host.
        """
        self._engine.set_input(QuantizedFeatures.from_bytes(bytes(SIZE_BYTES)))
        began_s = self._clock()
        times_s = []  # type: ignore[var-annotated]
        while len(times_s) < _WARM_INVOCATIONS and (self._clock() - began_s < _WARM_S or not times_s):
            before_s = self._clock()
            self._engine.invoke()
            times_s.append(self._clock() - before_s)
        self._invoke_s = sorted(times_s)[len(times_s) // 2]

    def boot(self):
        """Return what a device says when it starts, as an iterator of bytes."""
        yield _line("m-timestamp-mode-" + ("energy" if self._edge else "performance"))
        for piece in self._guarded(self._stamp()):
            yield piece
        yield _line("m-init-done")
        yield READY

    def forget(self):
        """Drop the half of a command that a peer left behind; what was loaded stays."""
        del self._command[:]

    def feed(self, data):
        """Take bytes from the line; return the replies as an iterator of bytes, each command's ending in READY."""
        for byte in bytearray(data):
            if byte == 0x25:  # the percent sign that ends a command
                words = bytes(self._command).split(b" ")
                del self._command[:]
                for piece in self._guarded(self._reply([word for word in words if word])):
                    yield piece
                yield READY
            # What is too much is dropped, so that the first 80 characters are the command.
            elif len(self._command) < COMMAND_BYTES and byte not in _DROPPED:
                self._command.append(byte)

    def _guarded(self, pieces):
        try:
            for piece in pieces:
                yield piece
        except Exception as error:  # noqa: BLE001 - a device answers, whatever happens in it
            told = "{}: {}".format(type(error).__name__, _shown(str(error).encode("utf-8")))
            self._say(with_code("the device answers with an error: {}".format(told), "device-error"))
            yield _line("e-[{}]".format(told))

    def _reply(self, words):
        if not words:
            return ()
        command = self._commands.get(words[0])
        if command is None:
            return (_line("e-[Unknown command: {}]".format(_shown(words[0]))),)
        return command(words[1:])

    def _name(self, words):
        yield _line("m-name-dut-[unspecified]")

    def _profile(self, words):
        yield _line("m-profile-[ULPMark for tinyML Firmware V0.0.1]")
        yield _line("m-model-[kws01]")

    def _help(self, words):
        for text in _HELP:
            yield _line(text)

    def _timestamp(self, words):
        return self._stamp()

    def _stamp(self):
        if self._edge:
            self._edge()
        else:
            yield _line("m-lap-us-{}".format(int((self._clock() - self._started_s) * 1e6)))

    def _db(self, words):
        if not words:
            yield _line("e-[Command 'db' requires a subcommand]")
        elif words[0] == b"load":
            yield self._db_load(words[1:])
        elif words[0] == b"print":
            for start in range(0, len(self._expected), 8):
                row = self._expected[start : start + 8]
                yield _line("m-buffer-" + "-".join("{:02x}".format(byte) for byte in row))
        else:
            for piece in self._db_digits(words[0]):
                yield piece

    def _db_load(self, words):
        if not words:
            return _line("e-[Command 'db load' requires the # of bytes]")
        size = _number(words[0])
        accepted = 0 < size <= BUFFER_BYTES
        self._expected = bytearray(size if accepted else 0)
        self._loaded = 0
        if size <= 0:
            return _line("e-[Command 'db load' must be >0 bytes]")
        if not accepted:
            return _line("Supplied buffer size {} exceeds maximum of {}".format(size, BUFFER_BYTES))
        return _line("m-[Expecting {} bytes]".format(size))

    def _db_digits(self, digits):
        if len(digits) % 2:
            yield _line("e-[Insufficent number of hex digits]")
            return
        for start in range(0, len(digits), 2):
            pair = digits[start : start + 2]
            byte = _hex_byte(pair)
            if byte is None:
                yield _line("e-[Invalid hex digit '{}']".format(_shown(pair)))
                return
            if self._loaded == len(self._expected):
                continue
            self._expected[self._loaded] = byte
            self._loaded += 1
            if self._loaded == len(self._expected):
                yield _line("m-load-done")
                return

    def _say_results(self, words):
        yield _line("m-results-[{}]".format(",".join(_decimal(value) for value in self._results)))

    def _infer(self, words):
        iterations = _number(words[0]) if words else 1
        warmup = _number(words[1]) if len(words) > 1 else DEFAULT_WARMUP
        if iterations <= 0:
            yield self._refused("Inference iterations must be >0", iterations, warmup)
            return
        if warmup < 0:
            yield self._refused("Inference warmup must be >=0", iterations, warmup)
            return
        most = self._most()
        for what, count in (("iterations", iterations), ("warmup", warmup)):
            if count > most:
                told = "Inference {} must be <={}, more take longer than the {:g} s that hosts wait".format(
                    what, most, self._silence_s
                )
                yield self._refused(told, iterations, warmup)
                return
        if self._loaded >= SIZE_BYTES:
            self._engine.set_input(QuantizedFeatures.from_bytes(bytes(self._expected[:SIZE_BYTES])))
        else:
            yield _line("Input db has {} elemented, expected {}".format(self._loaded, SIZE_BYTES))
        yield _line("m-warmup-start-{}".format(warmup))
        done, _ = self._repeat(warmup)
        if done < warmup:
            yield self._stopped(done, warmup, iterations, warmup)
            return
        yield _line("m-warmup-done")
        yield _line("m-infer-start-{}".format(iterations))
        for piece in self._stamp():
            yield piece
        done, taken_s = self._repeat(iterations)
        if done < iterations:
            yield self._stopped(done, iterations, iterations, warmup)
            return
        for piece in self._stamp():
            yield piece
        # The fastest known: a single hiccup must not make a long window look longer than hosts wait.
        self._invoke_s = min(self._invoke_s or taken_s, taken_s / iterations)
        self._results = tuple(self._engine.output())
        yield _line("m-infer-done")
        for piece in self._say_results(()):
            yield piece

    def _most(self):
        """Return how many inferences fit into the time that hosts wait, by those that ran before."""
        if not self._invoke_s:
            return _INT_MAX
        return max(1, min(_INT_MAX, int(_REFUSED_SHARE * self._silence_s / self._invoke_s)))

    def _stopped(self, done, asked, iterations, warmup):
        told = "Inference stopped after {} of {}, more take longer than the {:g} s that hosts wait".format(
            done, asked, self._silence_s
        )
        return self._refused(told, iterations, warmup, "infer-stopped")

    def _refused(self, told, iterations, warmup, code="infer-refused"):
        self._say(with_code("infer {} {}: {}".format(iterations, warmup, told), code))
        return _line("e-[{}]".format(told))

    def _repeat(self, count):
        """Invoke ``count`` times, nothing else in between but a look at the clock a few times a second.

        Returns how many were done, fewer where time ran out, and the seconds taken.
        """
        invoke, clock = self._engine.invoke, self._clock
        left, chunk = count, 1
        collects = gc.isenabled()
        gc.disable()
        try:
            began_s = looked_s = clock()
            while left:
                now = min(left, chunk)
                for _ in itertools.repeat(None, now):
                    invoke()
                left -= now
                before_s, looked_s = looked_s, clock()
                if left and looked_s - began_s > self._silence_s:
                    break
                # Grows from one, so that even an engine a thousand times slower than it was is seen in time.
                chunk = chunk * 2 if looked_s - before_s < _CHUNK_S / 2 else max(1, chunk // 2)
            return count - left, looked_s - began_s
        finally:
            if collects:
                gc.enable()


def _line(text):
    return (text + "\r\n").encode("ascii", "replace")


def _shown(data):
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in bytearray(data))


def _number(word):
    """Return what ``atoi`` of a 32-bit device makes of a word: leading sign and digits, 0 without, at most 2^31-1."""
    negative = word[:1] == b"-"
    value = 0
    for byte in bytearray(word[1:] if word[:1] in (b"-", b"+") else word):
        if not 0x30 <= byte <= 0x39:
            break
        value = min(_INT_MAX, value * 10 + byte - 0x30)
    return -value if negative else value


def _hex_byte(pair):
    # Python's int() would also take signs, underscores and blanks.
    if all(byte in b"0123456789abcdefABCDEF" for byte in bytearray(pair)):
        return int(pair.decode("ascii"), 16)
    return None


def _decimal(probability):
    """Return a probability as ``0.ddd``, cut off behind the third digit as the source does."""
    value = float(probability)
    thousandths = 0 if math.isnan(value) else int(min(max(value, 0.0), 1.0) * 1000)
    return "0.{:03d}".format(min(thousandths, 999))
