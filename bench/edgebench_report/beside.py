"""Table 0: this fleet beside the four hosts of the 2019 report, over all workloads that may be compared with them."""

import math

from edgebench_report import text
from edgebench_report.aggregate import Column, Statistic
from edgebench_report.published import title_of
from edgebench_report.results import TRAINING, not_as_published
from edgebench_report.table import MISSING, Cell, Footnotes, Heading, Row, Table
from edgebench_report.tables import Facts
from edgebench_report.text import Note


def table(facts: Facts) -> Table:
    """Return the geometric mean of how many times as fast each host trains as each published one.

    Over the workloads of the paper profile on real data that both have; their number stands beside it. The published
    hosts stand in the same table, measured by the same means.
    """
    notes = Footnotes()
    rows = [
        Row(column.label, column.label, _cells(facts, _times(facts, index, column), notes))
        for index, column in enumerate(facts.columns)
        if column.profile == "paper"
    ]
    for host in facts.published.hosts:
        own = {
            each: facts.published.measured(each, TRAINING.published, host["id"])
            for each in facts.published.workloads
        }
        times = {name: value for name, value in own.items() if value}
        of_each = {each["id"]: times for each in facts.published.hosts}
        rows.append(Row(title_of(host), host["id"], _cells(facts, of_each, notes), side="published"))
    return Table(
        number="0",
        slug="table_0_beside_published",
        title="Training speed of all workloads relative to the published hosts",
        corner="Host",
        key_name="column",
        caption="Published training time divided by that of the host in the row: geometric mean over the n comparable "
        "workloads that both ran, then the smallest and the largest ratio. Table 4c has the ratio of each workload.",
        bands=[],
        headings=[
            Heading(f"vs {facts.published_name(host)}", side="measured", spread=True)
            for host in facts.published.hosts
        ],
        rows=rows,
        footnotes=notes.listed(),
    )


def _times(facts: Facts, index: int, column: Column) -> dict[str, dict[str, float]]:
    """Return, by published host, the training times [s] of the workloads that may be compared with it."""
    found: dict[str, dict[str, float]] = {host["id"]: {} for host in facts.published.hosts}
    for workload, group in column.groups.items():
        known = facts.statistics.get((index, workload, TRAINING.metric))
        if workload not in facts.published.workloads or not group.ok or known is None or known.median <= 0:
            continue
        for host in facts.published.hosts:
            if not not_as_published(facts, group, host):
                found[host["id"]][workload] = known.median
    return found


def _cells(facts: Facts, times: dict[str, dict[str, float]], notes: Footnotes) -> list[Cell]:
    cells = []
    for host in facts.published.hosts:
        ratios = []
        for workload, own in times[host["id"]].items():
            theirs = facts.published.measured(workload, TRAINING.published, host["id"])
            if theirs:
                ratios.append(theirs / own)
        if not ratios:
            why = Note("no-common-workload", "no comparable workload in common")
            cells.append(Cell(MISSING, marks=[notes.mark(why)]))
            continue
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        spread = f"{text.factor(min(ratios))}–{text.factor(max(ratios))}, n {len(ratios)}"
        cells.append(
            Cell(text.factor(mean), spread, statistic=Statistic(mean, min(ratios), max(ratios), len(ratios)))
        )
    return cells
