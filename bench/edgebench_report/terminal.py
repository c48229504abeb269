"""The tables as plain text for a terminal of limited width."""

import textwrap
from collections.abc import Sequence

from edgebench_report import text
from edgebench_report.summary import Summary
from edgebench_report.table import Table

NARROWEST, WIDEST = 80, 120
# Widths of text columns, tried in this order until a table fits.
_COLUMN_WIDTHS = (34, 26, 20, 16)
_FIRST_MAX = 30
_BETWEEN = 2


def render(summary: Summary, tables: list[Table], width: int, answers: Sequence[Table] = ()) -> str:
    """Return the head and all tables, no line longer than ``width`` (held to 80 … 120 characters).

    The ``answers`` are last: the end is what stands on the screen.
    """
    width = min(max(width, NARROWEST), WIDEST)
    blocks = ["\n".join(_wrapped(summary.headline, width))]
    blocks += [
        "\n".join(_wrapped(f"! {each.text}", width, "  ")) for each in summary.failures + summary.banners
    ]
    blocks += [table_lines(each, width) for each in tables]
    if summary.warnings:
        blocks.append(
            "\n".join(
                ["Warnings"]
                + [
                    line
                    for each in summary.warnings
                    for line in _wrapped(f"- {text.shorten(each.text, 240)}", width, "  ")
                ]
            )
        )
    blocks += [table_lines(each, width) for each in answers]
    return "\n\n".join(blocks) + "\n"


def _wrapped(line: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text.one_line(line), width, subsequent_indent=indent) or [""]


def table_lines(table: Table, width: int) -> str:
    """Return one table, no line longer than ``width`` characters where its columns allow it."""
    lines = _wrapped(f"Table {table.number}: {table.title}", width)
    for notice in table.notices:
        lines += _wrapped(f"! {notice.text}", width, "  ")
    first = min(_FIRST_MAX, max(len(each) for each in [table.corner, *(row.name for row in table.rows)]))
    room = width - first - _BETWEEN
    for limit in _COLUMN_WIDTHS:
        columns = [_column(table, index, limit) for index in range(len(table.headings))]
        blocks = _blocks([each.width for each in columns], room)
        if len(blocks) == 1:
            break
    if len(blocks) > 1:
        blocks = _blocks([each.width for each in columns], room, [band.span for band in table.bands])
    for start, end in blocks:
        lines += _block(table, first, columns[start:end], start)
    for mark, note in table.footnotes:
        lines += _wrapped(f"[{mark}] {note.text}", width, "    ")
    return "\n".join(lines)


class _Column:
    """One column: wrapped heading, wrapped cells, the width they need."""

    def __init__(self, heading: list[str], cells: list[list[str]], numeric: bool) -> None:
        self.heading, self.cells, self.numeric = heading, cells, numeric
        self.width = max(len(line) for lines in [heading, *cells] for line in lines)

    def aligned(self, line: str, head: bool = False) -> str:
        return line.rjust(self.width) if self.numeric and not head else line.ljust(self.width)


def _column(table: Table, index: int, limit: int) -> _Column:
    heading = table.headings[index]
    cells = [row.cells[index] for row in table.rows]
    # Numbers first, marks and spreads behind them, each at the same place in every row.
    numbers = max((len(each.text) for each in cells), default=0)
    marks = max((len(_marks(each.marks)) for each in cells), default=0)
    shown = []
    for cell in cells:
        if heading.numeric:
            line = (
                f"{cell.text.rjust(numbers)} {_marks(cell.marks).ljust(marks)}"
                if marks
                else cell.text.rjust(numbers)
            )
            line = f"{line}  {cell.detail}".rstrip() if heading.spread else line
            shown.append([line])
        else:
            shown.append(textwrap.wrap(text.one_line(f"{cell.text} {_marks(cell.marks)}"), limit) or [""])
    head = [
        line
        for each in [heading.text, " · ".join(heading.tags)]
        if each
        for line in textwrap.wrap(each, limit)
    ]
    return _Column(head, shown, heading.numeric and not heading.spread)


def _marks(marks: list[str]) -> str:
    return f"[{','.join(marks)}]" if marks else ""


def _blocks(widths: list[int], room: int, spans: Sequence[int] = ()) -> list[tuple[int, int]]:
    """Split columns in runs that fit in ``room``: (first, one past the last).

    What stands under one band (``spans`` columns each) stays together where it can.
    """
    whole = {sum(spans[:number]): sum(spans[: number + 1]) for number in range(len(spans))}
    found, start, used = [], 0, 0
    for index, width in enumerate(widths):
        band = (
            sum(widths[index : whole[index]]) + _BETWEEN * (whole[index] - index - 1) if index in whole else 0
        )
        if index > start and (used + width > room or used + band > room >= band):
            found.append((start, index))
            start, used = index, 0
        used += width + _BETWEEN
    return [*found, (start, len(widths))]


def _block(table: Table, first: int, columns: list[_Column], start: int) -> list[str]:
    gap = " " * _BETWEEN
    total = first + sum(_BETWEEN + each.width for each in columns)
    # A table that goes on below shares the rule that closed its part above.
    lines = ["-" * total] if start == 0 else []
    bands = _band_line(table, first, columns, start)
    lines += [bands] if bands else []
    height = max(len(each.heading) for each in columns)
    for level in range(height):
        # Headings stand on the rule, so the shorter ones begin further down.
        parts = [_level(each.heading, level - height + len(each.heading)) for each in columns]
        corner = table.corner if level == height - 1 else ""
        cells = [each.aligned(part, head=not each.numeric) for each, part in zip(columns, parts, strict=True)]
        lines.append(gap.join([corner.ljust(first), *cells]).rstrip())
    lines.append("-" * total)
    for number, row in enumerate(table.rows):
        if row.section:
            lines += _wrapped(row.section, total)
        name = textwrap.wrap(text.one_line(row.name), first) or [""]
        cells_of_row = [each.cells[number] for each in columns]
        for level in range(max(len(name), *(len(each) for each in cells_of_row))):
            parts = [
                each.aligned(_level(cell, level)) for each, cell in zip(columns, cells_of_row, strict=True)
            ]
            lines.append(gap.join([_level(name, level).ljust(first), *parts]).rstrip())
    lines.append("-" * total)
    return lines


def _band_line(table: Table, first: int, columns: list[_Column], start: int) -> str:
    if not table.bands:
        return ""
    names = [band.text for band in table.bands for _ in range(band.span)][start : start + len(columns)]
    line, index = " " * first, 0
    while index < len(columns):
        end = index
        while end < len(columns) and names[end] == names[index]:
            end += 1
        room = sum(each.width for each in columns[index:end]) + _BETWEEN * (end - index - 1)
        line += " " * _BETWEEN + text.shorten(names[index], room).ljust(room)
        index = end
    return line.rstrip()


def _level(lines: list[str], level: int) -> str:
    return lines[level] if 0 <= level < len(lines) else ""
