"""Standard output and error that take any text, whatever the locale, and name themselves when they fail."""

import codecs
import io
import os
import sys

from edgebench import storage

# What an OSError of writing the standard output names as its file.
NAME = "standard output"

_ERRORS = "edgebench"
_PLAIN = {"°": "", "…": "...", "×": "x", "µ": "u", "–": "-", "·": "|", "→": ">", "“": '"', "”": '"', "’": "'"}
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF


def _replaced(error):
    """Return what stands for the first character that cannot be encoded: the byte it is of, plain text, or "?"."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if _FIRST_BYTE <= ord(character) <= _LAST_BYTE:
        # A byte of a file's name, as Python keeps it.
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return _PLAIN.get(character, "?"), error.start + 1


class _Output:
    """Standard output, whose errors name it."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        with storage.named(NAME):
            return self._stream.write(text)

    def flush(self):
        with storage.named(NAME):
            self._stream.flush()

    def __getattr__(self, name):
        return getattr(self._stream, name)


def prepare():
    """Have the standard streams replace what their encoding lacks, which is most of Unicode under LC_ALL=C."""
    codecs.register_error(_ERRORS, _replaced)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)
        elif isinstance(stream, io.TextIOWrapper):
            # Before Python 3.7.
            buffered, encoding, is_by_line = stream.buffer, stream.encoding, stream.line_buffering
            stream.detach()
            setattr(sys, name, io.TextIOWrapper(buffered, encoding, _ERRORS, line_buffering=is_by_line))
    if sys.stdout is not None and not isinstance(sys.stdout, _Output):
        sys.stdout = _Output(sys.stdout)


def flush():
    """Write what is still held back. Raises OSError."""
    if sys.stdout is not None:
        sys.stdout.flush()


def discard():
    """Send all further output nowhere: what is left of it would fail once more when Python ends."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.close(sink)
