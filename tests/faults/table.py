"""Writes the table of docs/reliability.md from what the trials found: python -m tests.faults.table [--check]."""

import argparse
import json
import sys
from typing import Any

from tests.faults.ledger import RESULTS, ROOT

PAGE = ROOT / "docs/reliability.md"
# Counted, but no trials.
_ASIDE = ("seed", "playbooks", "torn lines")
BEGIN, END = "<!-- written by python -m tests.faults.table -->", "<!-- end of the table -->"


def rows() -> list[dict[str, Any]]:
    """Return what was found, in the order of the table."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")]
    return sorted(found, key=lambda row: (row["order"], row["fault"]))


def table(found: list[dict[str, Any]]) -> str:
    """Return the table as Markdown."""
    lines = [
        "| fault | how it was made to happen | trials | records before it | lost | what the user sees | day |",
        "|---|---|--:|--:|--:|---|---|",
    ]
    for row in found:
        counted = [f"{count} {name}" for name, count in sorted(row["counts"].items()) if name not in _ASIDE]
        trials = f"{row['trials']}" + (f" ({', '.join(counted)})" if counted else "")
        seen = row["seen"] + (f" — {row['notes']}" if row["notes"] else "")
        cells = [row["fault"], row["injected"], trials, row["reported"], row["lost"], seen, row["day"]]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    text = " ".join(str(value).split())
    for sign in "|<>*_`":
        text = text.replace(sign, "\\" + sign)
    return text


def page(old: str, found: list[dict[str, Any]]) -> str:
    """Return the page with the present table in place of its old one; ValueError without the marks."""
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} lacks the line {BEGIN!r} or {END!r}")
    return f"{head}{BEGIN}\n\n{table(found)}\n{END}{tail}"


def main() -> int:
    """Write the page, or say whether it is as it should be."""
    parser = argparse.ArgumentParser(description="Write the table of docs/reliability.md.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; 1 where the page is not up to date"
    )
    given = parser.parse_args()
    old = PAGE.read_text(encoding="utf-8")
    new = page(old, rows())
    if given.check:
        return int(new != old)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
