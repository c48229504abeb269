"""Makes inputs that are nearly right: a seed with a few edits, the words of its target among them."""

from typing import Any

from hypothesis import strategies as st

from tests.fuzz.target import Target


def inputs(target: Target) -> "st.SearchStrategy[bytes]":
    """Return a strategy of inputs for a target: edited seeds mostly, seeds joined, and any bytes at all."""
    edits = st.lists(_edits(target.words), max_size=6)
    edited = st.builds(_edited, st.sampled_from(target.seeds), edits)
    return st.one_of(
        edited, edited, edited, st.builds(bytes.__add__, edited, edited), st.binary(max_size=200)
    )


def _edits(words: tuple[bytes, ...]) -> "st.SearchStrategy[Any]":
    place = st.floats(0, 1)
    length = st.one_of(st.integers(0, 8), st.integers(0, 4000))
    content = st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(words or (b"\0",)))
    return st.tuples(
        st.sampled_from(("replace", "insert", "delete", "repeat", "flip", "cut")), place, length, content
    )


def _edited(seed: bytes, edits: list[tuple[str, float, int, bytes]]) -> bytes:
    data = seed
    for kind, share, length, content in edits:
        at = int(share * len(data))
        if kind == "replace":
            data = data[:at] + content + data[at + len(content) :]
        elif kind == "insert":
            data = data[:at] + content + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + length :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + length] * 2 + data[at + length :]
        elif kind == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << length % 8)]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
    return data
