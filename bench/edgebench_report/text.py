"""Numbers, names and remarks as people read them."""

import re
import unicodedata
from dataclasses import dataclass

_BYTES = re.compile("[\udc80-\udcff]")
_CONTROL = re.compile(r"\s+")


@dataclass(frozen=True)
class Note:
    """A remark for readers of a report; ``code`` identifies it for scripts and tests ("synthetic-data")."""

    code: str
    text: str


def legible(text: str) -> str:
    """Return ``text`` with what Python keeps of undecoded bytes, as in names of files, read as UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if _BYTES.search(text) else text


def one_line(text: str) -> str:
    """Return ``text`` on one line without control characters: it cannot steer a terminal or a table."""
    flat = _CONTROL.sub(" ", legible(text))
    return "".join(each for each in flat if unicodedata.category(each) not in ("Cc", "Cf", "Cs")).strip()


def shorten(text: str, limit: int) -> str:
    """Return ``text`` with at most ``limit`` characters, the cut marked by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def seconds(value: float) -> str:
    """Format a time in seconds: one decimal as in the 2019 report, below ten seconds more."""
    if value >= 9.95:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.3f}"


def milliseconds(value_s: float) -> str:
    """Format a time in seconds as milliseconds with three significant digits or more, without the unit."""
    value = 1e3 * value_s
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.3g}"


def microseconds(value: float) -> str:
    """Format a time in microseconds with three significant digits or more, no exponent."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def joules(value: float) -> str:
    """Format an energy with three significant digits or more, without the unit."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}" if value >= 0.001 else f"{value:.1g}"


def rate(value: float) -> str:
    """Format a number of inferences a second with three significant digits or more."""
    return microseconds(value)


def percent(ratio: float) -> str:
    """Format a ratio 0..1 as percent with one decimal, without the sign."""
    return f"{100 * ratio:.1f}"


def error(value: float) -> str:
    """Format an error (standard deviations or °C) with three significant digits or so."""
    return f"{value:.3f}" if value < 9.995 else f"{value:.1f}"


def count(value: int) -> str:
    """Format a count plainly, as the 2019 report does: 407050."""
    return str(value)


def gibibytes(value_bytes: int) -> str:
    """Format bytes as GiB with one decimal, whole numbers without."""
    return f"{value_bytes / 2**30:.1f}".removesuffix(".0")


def factor(value: float) -> str:
    """Format a ratio of two times with three significant digits."""
    if value >= 99.5:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def framework(name: str) -> str:
    """Return the name of a framework as it writes itself."""
    return {"tensorflow": "TensorFlow"}.get(name, name)


def spoken_list(words: list[str]) -> str:
    """Join words as in a sentence: "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""


def some(words: list[str], most: int = 3) -> str:
    """Join words as ``spoken_list`` does, but no more than ``most``, with the number of the others."""
    if len(words) <= most:
        return spoken_list(words)
    return f"{', '.join(words[:most])} and {len(words) - most} more"


def plural(number: int, singular: str, plural_form: str = "") -> str:
    """Return "1 run", "2 runs"."""
    return f"{number} {singular if number == 1 else plural_form or singular + 's'}"


def letter(index: int) -> str:
    """Return the footnote mark of a number counted from 0: a to z, then aa, ab and so on."""
    mark = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        mark = chr(ord("a") + rest) + mark
    return mark
