"""The page and the Markdown file, from templates; everything that comes from records is escaped."""

import base64
import hashlib
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from edgebench_report import answer, inference, markup
from edgebench_report.answer import Block
from edgebench_report.drawing import Chart
from edgebench_report.evidence import Part
from edgebench_report.explanation import Section
from edgebench_report.published import PublishedInference
from edgebench_report.summary import Summary, circumstance_rows
from edgebench_report.table import Table
from edgebench_report.tables import Facts

_TALL_IN = 4.0


@dataclass(frozen=True)
class Contents:
    """All that a report shows; ``answers`` are the blocks of its head, each with its tables."""

    title: str
    summary: Summary
    facts: Facts
    tables: list[Table]
    charts: list[Chart]
    inference_charts: list[Chart]
    published_inference: PublishedInference
    answers: list[tuple[Block, list[Table]]]
    evidence: list[Part]
    rooflines: list[Chart]
    timelines: list[Chart]
    explained: Section | None = None

    @property
    def figures(self) -> list[Chart]:
        """All charts, each of which is in files, too."""
        explained = self.explained.charts if self.explained else []
        return [*self.charts, *self.inference_charts, *explained, *self.rooflines, *self.timelines]


def html(contents: Contents) -> str:
    """Return the report as one self-contained HTML page, without outside requests.

    All of it is there without its script, which only sorts, changes the baseline and the colours.
    """
    return _render("index.html.j2", contents)


def markdown(contents: Contents) -> str:
    """Return the report as Markdown; the charts are files in the folder ``plots`` beside it."""
    return _render("report.md.j2", contents).rstrip() + "\n"


def _render(template: str, contents: Contents) -> str:
    environment = Environment(
        loader=PackageLoader("edgebench_report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
    )
    environment.filters["md"] = lambda value: Markup(markup.escape_markdown(value))  # noqa: S704 - escaped there
    style = _source(environment, "style.css")
    # The policy of the page allows this very script and no other.
    script = _source(environment, "page.js")
    return environment.get_template(template).render(
        title=contents.title,
        summary=contents.summary,
        tables=contents.tables,
        charts=contents.charts,
        inference_charts=contents.inference_charts,
        # Two tall charts leave room for the two lower ones in one column beside them.
        stacked=len(contents.charts) == 4
        and contents.charts[0].height_in > _TALL_IN
        and not contents.charts[0].slug.startswith("speed"),
        rooflines=contents.rooflines,
        timelines=contents.timelines,
        circumstances=circumstance_rows(contents.facts.columns)
        + inference.circumstance_rows(contents.facts.inferences),
        source=contents.facts.published.source,
        inference_source=contents.published_inference.source if contents.facts.inferences else None,
        csv_files=_flat_files(contents.facts),
        answers=contents.answers,
        spotting=[
            each
            for each in answer.spotting(contents.facts.inferences)
            if not any(block.spotted and block.profile == each.profile for block, _ in contents.answers)
        ],
        evidence=contents.evidence,
        explained=contents.explained,
        script=Markup(script),  # noqa: S704 - the package's own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
        style=Markup(style),  # noqa: S704 - the package's own file
    )


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _flat_files(facts: Facts) -> list[str]:
    return ["runs.csv"] * bool(facts.columns) + ["inferences.csv"] * bool(facts.inferences)
