"""Builds a report: records in, a folder of files out."""

from dataclasses import dataclass
from pathlib import Path

from edgebench_report import aggregate, flat, page, plots, results, summary, tables, text
from edgebench_report.load import Loaded, load
from edgebench_report.published import read_published
from edgebench_report.summary import Summary
from edgebench_report.table import Table
from edgebench_report.writing import write

DEFAULT_TITLE = "Deep learning benchmarks"


@dataclass(frozen=True)
class Built:
    """A report that was written: its page, what it shows, and what was read for it."""

    page: Path
    summary: Summary
    tables: list[Table]
    loaded: Loaded


def build(paths: list[Path], out: Path, title: str = DEFAULT_TITLE) -> Built:
    """Read the records at ``paths`` (files or folders) and write the report into the folder ``out``.

    Raises ReportError when nothing can be read or ``out`` cannot be written. Lines that could not be
    used are in ``loaded.problems`` of the result, and in the report.
    """
    published = read_published()
    loaded = load(paths)
    columns = aggregate.columns(loaded.runs, published.workloads)
    frame = aggregate.samples(columns)
    facts = tables.Facts(columns, loaded.hosts, aggregate.statistics(frame), published)
    head = summary.summarise(loaded, facts)
    shown = [
        tables.hosts(facts),
        tables.workloads(facts),
        tables.architectures(facts),
        results.training_time(facts),
        results.time_split(facts),
        results.speed_ratio(facts),
        results.test_time(facts),
        results.accuracy(facts),
        results.weather_error(facts),
    ]
    present = [each for each in shown if each is not None]
    contents = page.Contents(
        text.one_line(title) or DEFAULT_TITLE, head, facts, present, plots.draw(facts, frame)
    )
    files: dict[str, str | bytes] = {f"{each.slug}.csv": each.csv() for each in present}
    files["runs.csv"] = flat.runs_csv(columns, loaded.superseded)
    for chart in contents.charts:
        files[f"plots/{chart.slug}.svg"] = chart.svg
        files[f"plots/{chart.slug}.png"] = chart.png
    files["report.md"] = page.markdown(contents)
    # Last: whoever finds the page finds all the rest.
    files["index.html"] = page.html(contents)
    for name, content in files.items():
        write(out / name, content)
    return Built(out / "index.html", head, present, loaded)
