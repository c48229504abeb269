"""A table as data: what every form of the report (page, Markdown, CSV, terminal) is drawn from."""

import csv
import io
import math
from dataclasses import dataclass, field
from typing import Literal

from edgebench_report import text
from edgebench_report.aggregate import Statistic
from edgebench_report.text import Note

Side = Literal["measured", "published", "plain"]
MISSING = "-"


def records_anchor(column: int, workload: str) -> str:
    """Return the id, in the page, of the records of a workload in a column (its number)."""
    return f"r{column}-{workload}"


@dataclass
class Cell:
    """One cell: the text shown, a smaller detail beside it (the spread), footnote marks.

    ``statistic`` holds the numbers behind it in the table's unit, ``value`` a plain number, for the CSV; ``link``
    is the id of its records in the page.
    """

    text: str
    detail: str = ""
    marks: list[str] = field(default_factory=list)
    numeric: bool = True
    statistic: Statistic | None = None
    value: float | int | str | None = None
    link: str = ""

    @property
    def missing(self) -> bool:
        """Whether there is nothing to show here but the reason."""
        return self.text == MISSING


@dataclass
class Heading:
    """The head of a column; ``tags`` are the circumstances that tell it from others."""

    text: str
    tags: list[str] = field(default_factory=list)
    side: Side = "plain"
    spread: bool = False
    numeric: bool = True
    csv: str = ""
    # What the numbers beside the median are called in the CSV.
    ends: tuple[str, str, str] = ("min", "max", "repeats")

    @property
    def title(self) -> str:
        """The heading in one line, as it stands under its band."""
        return " · ".join([self.text, *self.tags])

    @property
    def label(self) -> str:
        """The heading in one line, unique in its table."""
        return self.csv or self.title


@dataclass
class Band:
    """A heading over several columns."""

    text: str
    span: int
    side: Side = "plain"


@dataclass
class Row:
    """One row; ``section`` opens a new part of the table under that name, ``side`` says whose it is as a whole."""

    name: str
    key: str
    cells: list[Cell]
    section: str = ""
    side: Side = "measured"

    def paired(self, headings: list[Heading]) -> list[tuple[Cell, Heading]]:
        """The cells, each with the heading of its column."""
        return list(zip(self.cells, headings, strict=True))


@dataclass
class Table:
    """A numbered table; ``slug`` names its CSV file and its anchor in the page, ``dense`` one of many columns."""

    number: str
    slug: str
    title: str
    corner: str
    caption: str
    bands: list[Band]
    headings: list[Heading]
    rows: list[Row]
    footnotes: list[tuple[str, Note]]
    key_name: str = "workload"
    notices: list[Note] = field(default_factory=list)
    dense: bool = False

    @property
    def sectioned(self) -> bool:
        """Whether the rows are in named parts."""
        return any(row.section for row in self.rows)

    def note(self, mark: str) -> Note:
        """The footnote of a mark."""
        return dict(self.footnotes)[mark]

    def html_width(self) -> int:
        """The number of columns where a spread has one of its own."""
        return 1 + sum(1 + heading.spread for heading in self.headings)

    def html_bands(self) -> list[Band]:
        """The bands, their spans counted with the columns of the spreads."""
        bands, start = [], 0
        for band in self.bands:
            inside = self.headings[start : start + band.span]
            bands.append(Band(band.text, sum(1 + heading.spread for heading in inside), band.side))
            start += band.span
        return bands

    def banded_labels(self) -> list[str]:
        """The headings in one line each, with the band in front where there are several."""
        bands = [band.text for band in self.bands for _ in range(band.span)]
        if len(self.bands) < 2:
            return [heading.title for heading in self.headings]
        return [f"{band}: {heading.title}" for band, heading in zip(bands, self.headings, strict=True)]

    def sections(self) -> list[tuple[str, list[Row]]]:
        """The rows, in their named parts; one part without a name where there are none."""
        parts: list[tuple[str, list[Row]]] = []
        for row in self.rows:
            if row.section or not parts:
                parts.append((row.section, []))
            parts[-1][1].append(row)
        return parts

    def csv(self) -> str:
        """The table as CSV, numbers unrounded, footnotes spelled out in note columns."""
        notes = dict(self.footnotes)
        noted = [any(row.cells[index].marks for row in self.rows) for index in range(len(self.headings))]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        header = [*(["part"] if self.sectioned else []), self.key_name, "title"]
        for heading, has_notes in zip(self.headings, noted, strict=True):
            header.append(heading.label)
            header += [f"{heading.label} {each}" for each in heading.ends] if heading.spread else []
            header += [f"{heading.label} note"] if has_notes else []
        writer.writerow(header)
        for section, rows in self.sections():
            for row in rows:
                line: list[object] = [*([section] if self.sectioned else []), row.key, row.name]
                for cell, heading, has_notes in zip(row.cells, self.headings, noted, strict=True):
                    line += _numbers(cell, heading)
                    line += ["; ".join(notes[mark].text for mark in cell.marks)] if has_notes else []
                writer.writerow(line)
        return out.getvalue()


def _numbers(cell: Cell, heading: Heading) -> list[object]:
    if not heading.spread:
        shown = "" if cell.missing else cell.text
        return [shown if cell.value is None else cell.value]
    if cell.statistic is None:
        return ["", "", "", 0]
    known = cell.statistic
    values = (known.median, known.low, known.high)
    return [*("" if math.isnan(each) else float(f"{each:.6g}") for each in values), known.count]


class Footnotes:
    """Hands out footnote letters in the order of first use; the same note keeps its letter."""

    def __init__(self) -> None:
        self._marks: dict[Note, str] = {}

    def mark(self, note: Note) -> str:
        """Return the letter of a note."""
        note = Note(note.code, text.one_line(note.text))
        return self._marks.setdefault(note, text.letter(len(self._marks)))

    def listed(self) -> list[tuple[str, Note]]:
        """All notes as (letter, note)."""
        return [(mark, note) for note, mark in self._marks.items()]
