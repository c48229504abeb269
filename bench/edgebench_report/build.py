"""Builds a report: records in, a folder of files out."""

from dataclasses import dataclass
from pathlib import Path

from edgebench_report import (
    aggregate,
    answer,
    answer_tables,
    beside,
    certainty,
    conditions,
    evidence,
    explanation,
    flat,
    inference,
    latency,
    page,
    plots,
    results,
    roofline,
    summary,
    tables,
    text,
    timeline,
    tuned,
)
from edgebench_report.load import Loaded, load
from edgebench_report.published import read_published, read_published_inference
from edgebench_report.summary import Summary
from edgebench_report.table import Table
from edgebench_report.writing import write

DEFAULT_TITLE = "Deep learning benchmarks"
# More are no page that a person reads, and it would take minutes to build.
MAX_HOSTS = 500


@dataclass(frozen=True)
class Built:
    """A report that was written: its page, what it shows (``answers``: the head as tables), what was read for it."""

    page: Path
    summary: Summary
    tables: list[Table]
    answers: list[Table]
    loaded: Loaded


def build(paths: list[Path], out: Path, title: str = DEFAULT_TITLE, against: str | None = None) -> Built:
    """Read the records at ``paths`` (files or folders) and write the report into the folder ``out``.

    ``against``: whom the answer compares with, as answer.blocks has it. Raises ReportError when nothing can
    be read or compared, or ``out`` cannot be written. Lines that could not be used are in
    ``loaded.problems`` of the result, and in the report.
    """
    published_inference = read_published_inference()
    loaded = load(paths, MAX_HOSTS)
    surveys, unreadable = roofline.load(paths)
    loaded.problems += unreadable
    facts = facts_of(loaded)
    columns = facts.columns
    answers = answer.blocks(facts, against)
    heads = [answer_tables.tables(each, facts, place) for place, each in enumerate(answers)]
    timelines = timeline.draw(loaded, facts)
    drifts, examined = certainty.drifts(facts)
    head = summary.summarise(loaded, facts, timelines.problems, examined)
    present = tables_of(facts, answers, surveys, drifts)
    if against == answer.PUBLISHED:
        present.insert(0, beside.table(facts))
    contents = page.Contents(
        text.one_line(title) or DEFAULT_TITLE,
        head,
        facts,
        present,
        [*plots.speeds(answers), *plots.draw(facts, facts.samples)] if columns else [],
        latency.draw(loaded.inferences, published_inference),
        published_inference,
        list(zip(answers, heads, strict=True)),
        evidence.parts(loaded, facts),
        roofline.draw(surveys),
        timelines.charts,
        explanation.section(loaded.explanations),
    )
    first = [each for tables in heads for each in tables]
    files: dict[str, str | bytes] = {f"{each.slug}.csv": each.csv() for each in [*first, *present]}
    if columns:
        files["runs.csv"] = flat.runs_csv(columns, loaded.superseded)
    if loaded.inferences:
        files["inferences.csv"] = flat.inferences_csv(loaded.inferences, loaded.superseded)
    for chart in contents.figures:
        files[f"plots/{chart.slug}.svg"] = chart.svg
        files[f"plots/{chart.slug}.png"] = chart.png
    files["report.md"] = page.markdown(contents)
    # Last: whoever finds the page finds all the rest.
    files["index.html"] = page.html(contents)
    for name, content in files.items():
        write(out / name, content)
    return Built(out / "index.html", head, present, first, loaded)


def facts_of(loaded: Loaded) -> tables.Facts:
    """Arrange what was loaded: everything that the tables rest on."""
    published = read_published()
    columns = aggregate.columns(loaded.runs, published.workloads)
    samples = aggregate.samples(columns)
    statistics = aggregate.statistics(samples)
    return tables.Facts(
        columns, loaded.hosts, statistics, published, loaded.inferences, loaded.explanations, samples
    )


def tables_of(
    facts: tables.Facts,
    answers: list[answer.Block],
    surveys: list[roofline.Survey],
    drifts: Table | None,
) -> list[Table]:
    """Return all tables that there is something to say in."""
    trained = [
        tables.workloads,
        tables.architectures,
        results.training_time,
        results.time_split,
        results.speed_ratio,
        tuned.beside_paper,
        results.test_time,
        results.accuracy,
        results.weather_error,
    ]
    shown: list[Table | None] = [tables.hosts(facts), conditions.table(facts)]
    shown += [table(facts) for table in trained] if facts.columns else []
    shown += [drifts, certainty.accuracies(answers)]
    shown.sort(key=lambda each: each.number if each else "")
    shown.append(inference.keyword_spotting(facts.inferences, read_published_inference()))
    shown.append(roofline.table(surveys))
    shown.append(explanation.table(facts.explanations))
    return [each for each in shown if each is not None]
