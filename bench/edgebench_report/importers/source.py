"""A file of another program: its lines, and how its numbers and names are to be read."""

import codecs
import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

from edgebench_report import text
from edgebench_report.load import Problem, unreadable

MOST_BYTES = 64 * 2**20
NOT_A_LOG = "If this is not a log of a benchmark, move it out of the folder or name other files."
MEND = "Correct the line and rerun the import, or ignore this message."

_LINE_END = re.compile(r"\r\n|\n|\r")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# Noise of a serial line stands in logs; more of it is another kind of file.
_MOST_CONTROLS = 1 / 200
_GROUPING = re.compile(r"[ '\u00a0\u202f]")


@dataclass(frozen=True)
class Source:
    """One file: where it is, the SHA-256 of its bytes, and its lines without their ends."""

    path: Path
    sha256: str
    lines: list[str]

    def at(self, number: int) -> str:
        """Return "file:line" of a line counted from 1."""
        return f"{self.path}:{number}"

    def problem(self, number: int, what: str, code: str, remedy: str = MEND) -> Problem:
        """Return the problem of a line, which is quoted."""
        line = text.shorten(text.one_line(self.lines[number - 1]), 80)
        return Problem(self.at(number), f"{what}: “{line}”", remedy, code)

    @property
    def said(self) -> dict[str, str]:
        """The file as ``imported.files`` of a record has it."""
        return {"name": text.one_line(self.path.name), "sha256": self.sha256}


def read_source(path: Path) -> Source | Problem:
    """Read a file as text in whatever encoding it has; a Problem where it is none, or cannot be read."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            said = f"the file has {size} bytes, more than the {MOST_BYTES} that a log may have"
            return Problem(str(path), said, NOT_A_LOG, "file-too-large")
        if not path.is_file():
            return Problem(str(path), "not a regular file", NOT_A_LOG, "file-not-regular")
        content = path.read_bytes()
    except OSError as failure:
        return unreadable(str(path), failure)
    if not content.strip():
        return Problem(str(path), "the file is empty", NOT_A_LOG, "file-empty")
    decoded = _decoded(content)
    if decoded is None:
        return Problem(str(path), "the file is binary, not text", NOT_A_LOG, "file-not-text")
    return Source(path, hashlib.sha256(content).hexdigest(), _LINE_END.split(decoded))


def _decoded(content: bytes) -> str | None:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError:
                return None
    if len(_CONTROLS.findall(content)) > _MOST_CONTROLS * len(content):
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # Old logs of a system in another encoding; what is to be read is ASCII in all of them.
        return content.decode("latin-1")


def decimal(written: str) -> float | None:
    """Read a number with decimals, with a point or a comma, with or without marks at the thousands.

    The last mark is the decimal one: what is read by this was printed with decimals. None unless it is a finite
    number of 0 or more.
    """
    compact = _GROUPING.sub("", written.strip()).replace(",", ".")
    if not re.fullmatch(r"[0-9][0-9.]*", compact):
        return None
    whole, mark, fraction = compact.rpartition(".")
    value = float(whole.replace(".", "") + mark + fraction)
    return value if math.isfinite(value) else None


def integer(written: str) -> int | None:
    """Read a count, with or without marks at the thousands; None where it is none."""
    digits = _GROUPING.sub("", written.strip()).replace(".", "").replace(",", "")
    return int(digits) if re.fullmatch(r"[0-9]{1,15}", digits) else None


def host_name(written: str) -> str:
    """Return ``written`` as the name of a host: letters, digits, point, dash and underscore; may be empty."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", written).strip("-._")[:100]
