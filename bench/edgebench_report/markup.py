"""A table as Markdown for a README, and as LaTeX (booktabs) for a paper."""

import re

from markupsafe import escape

from edgebench_report import text
from edgebench_report.table import Cell, Table

_MARKDOWN = re.compile(r"([\\`*_\[\]|#~!])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    # At the start of a row they would be an option of the line break before.
    "[": "{[}",
    "]": "{]}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "“": "``",
    "”": "''",
    "–": "--",
    "…": r"\ldots{}",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "°": r"\textdegree{}",
    "µ": r"\textmu{}",
    '"': "''",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "\u2212": "$-$",
}


def escape_markdown(value: str) -> str:
    """Return ``value`` on one line, with nothing in it that Markdown or HTML would take for its own."""
    flat = str(escape(text.one_line(value)))
    return _MARKDOWN.sub(r"\\\1", flat).replace("&\\#", "&#")


def escape_latex(value: str) -> str:
    """Return ``value`` on one line, with nothing in it that LaTeX would take for its own."""
    return "".join(_LATEX.get(each, each) for each in text.one_line(value))


def markdown(table: Table) -> str:
    """Return a table with its title, its caption and its footnotes as Markdown."""
    lines = [
        f"### Table {table.number}: {escape_markdown(table.title)}",
        "",
        escape_markdown(table.caption),
        "",
    ]
    for notice in table.notices:
        lines += [f"> {escape_markdown(notice.text)}", ""]
    names = [escape_markdown(each) for each in [table.corner, *table.banded_labels()]]
    lines.append(f"| {' | '.join(names)} |")
    lines.append(f"| :-- | {' | '.join('--:' if each.numeric else ':--' for each in table.headings)} |")
    for section, rows in table.sections():
        if section:
            lines.append(f"| **{escape_markdown(section)}** |{' |' * len(table.headings)}")
        for row in rows:
            cells = " | ".join([escape_markdown(row.name), *(_markdown_cell(each) for each in row.cells)])
            lines.append(f"| {cells} |")
    lines.append("")
    lines += [f"<sup>{mark}</sup> {escape_markdown(note.text)}  " for mark, note in table.footnotes]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_cell(cell: Cell) -> str:
    detail = f" ({escape_markdown(cell.detail)})" if cell.detail else ""
    marks = f" <sup>{' '.join(cell.marks)}</sup>" if cell.marks else ""
    return f"{escape_markdown(cell.text)}{detail}{marks}"


def latex(table: Table) -> str:
    r"""Return a table as a ``table`` environment of the package booktabs.

    Footnotes stand below it in small print, so that no package but booktabs is asked for.
    """
    columns = "l" + "".join("r" if each.numeric else "l" for each in table.headings)
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape_latex(table.title)}. {escape_latex(table.caption)}}}",
        rf"  \label{{tab:{table.slug}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
    ]
    if table.bands:
        lines += _latex_bands(table)
    # Bands stand above; a heading names what it is alone.
    names = [escape_latex(each) for each in [table.corner, *(each.title for each in table.headings)]]
    lines += [f"    {' & '.join(names)} \\\\", r"    \midrule"]
    for section, rows in table.sections():
        if section:
            lines.append(
                rf"    \multicolumn{{{1 + len(table.headings)}}}{{l}}{{\textbf{{{escape_latex(section)}}}}} \\"
            )
        for row in rows:
            cells = [escape_latex(row.name), *(_latex_cell(each) for each in row.cells)]
            lines.append(f"    {' & '.join(cells)} \\\\")
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    if table.footnotes:
        notes = r" \\ ".join(
            rf"\textsuperscript{{{mark}}} {escape_latex(note.text)}" for mark, note in table.footnotes
        )
        lines += [r"  \par\smallskip", rf"  \parbox{{\linewidth}}{{\footnotesize {notes}}}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _latex_bands(table: Table) -> list[str]:
    cells, rules, start = [""], [], 2
    for band in table.bands:
        cells.append(rf"\multicolumn{{{band.span}}}{{c}}{{{escape_latex(band.text)}}}")
        if band.text:
            rules.append(rf"\cmidrule(lr){{{start}-{start + band.span - 1}}}")
        start += band.span
    return [f"    {' & '.join(cells)} \\\\", f"    {' '.join(rules)}"]


def _latex_cell(cell: Cell) -> str:
    detail = rf" {{\small({escape_latex(cell.detail)})}}" if cell.detail else ""
    marks = rf"\textsuperscript{{{','.join(cell.marks)}}}" if cell.marks else ""
    return f"{'--' if cell.missing else escape_latex(cell.text)}{marks}{detail}"
