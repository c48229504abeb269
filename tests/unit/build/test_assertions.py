"""Tests assert codes and values, not wording: messages can be reworded without touching a test."""

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
MOST_WORDS = 3
# On a line of a string that is data: a command, a file's content, output of another program.
MARK = "# not prose"
SAMPLE = """
def test_sample(text, value):
    assert "one two three" in text
    assert "one two three four" in text
    assert "one two three four" in text  # not prose
    assert text == (
        "one two three four "
        "five"  # not prose
    )
    assert f"one two three four {value}" in text
    with pytest.raises(ValueError, match="one two three four"):
        call("one two three four", other="one two three four")
    assert text, "why this must hold"


def helper(text):
    assert "one two three four" in text
"""


def prose(source: str) -> list[int]:
    """Return the line of each string of more than MOST_WORDS words that a test asserts, in `assert` or `match=`."""
    lines = source.splitlines()
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Assert):
                found += _long_strings(node.test, lines)
            elif isinstance(node, ast.Call):
                for keyword in node.keywords:
                    found += _long_strings(keyword.value, lines) if keyword.arg == "match" else []
    return sorted(found)


def _long_strings(expression: ast.expr, lines: list[str]) -> list[int]:
    nodes = list(ast.walk(expression))
    # Part of an f-string → the f-string, which has the lines.
    whole = {id(part): each for each in nodes if isinstance(each, ast.JoinedStr) for part in each.values}
    found = []
    for each in nodes:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            string = whole.get(id(each), each)
            marked = any(MARK in line for line in lines[string.lineno - 1 : string.end_lineno])
            if len(each.value.split()) > MOST_WORDS and not marked:
                found.append(string.lineno)
    return found


def test_prose_is_found_in_assertions_alone() -> None:
    assert prose(SAMPLE) == [4, 10, 11]


def test_no_test_asserts_prose() -> None:
    found = [
        f"{path.relative_to(TESTS.parent)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        for line in prose(path.read_text("utf-8"))
    ]
    assert found == [], f"assert the code and the values of a message, or end the line with `{MARK}`"
