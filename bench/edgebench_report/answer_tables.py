"""The answer as tables, for all forms of the report: what one host can do, or which of several is the fastest."""

import math
from typing import Any

from edgebench_report import statistics, text
from edgebench_report.aggregate import Statistic
from edgebench_report.answer import Answer, Block, Entry, Line, Speed, Spotted, accuracy_gap
from edgebench_report.published import title_of
from edgebench_report.rates import Rate
from edgebench_report.table import MISSING, Cell, Footnotes, Heading, Row, Table
from edgebench_report.tables import Facts
from edgebench_report.text import Note

_INTERVAL = ("low", "high", "repeats")
_MORE_REPEATS = "ansible-playbook bench.yml -e bench_repeats={}"
_PAPER = "ansible-playbook bench.yml -e bench_profile=paper"
_NO_RATE = Note("rate-unknown", "the records have no sizes or no time for it")
_NOTHING_COMMON = Note("no-common-workload", "both have no workload that may be compared")
_INFERENCE_ONLY = Note("inference-only", "not trained: inference alone")
_WHOLE = Note("rate-of-all-epochs", "over all epochs: the run has one epoch, or did not time its epochs")


def tables(block: Block, facts: Facts, place: int = 0) -> list[Table]:
    """Return the tables of a block: what its only host can do, or the ranking and the speeds of several.

    ``place`` is that of the block among all, from 0, and numbers the tables.
    """
    first, second = (
        (_abilities(block, facts), _beside_published(block, facts))
        if block.is_single
        else (_ranking(block, facts), _speeds(block))
    )
    first.number = f"A{place + 1}" if place else "A"
    if second is None:
        return [first]
    second.number = f"{first.number}b"
    return [first, second]


def notices(block: Block, facts: Facts) -> list[Note]:
    """Return what holds for a whole block and is said once: too few repeats, and why nothing published is beside it."""
    found = []
    if block.has_too_few:
        needed = statistics.fewest()
        said = f"Fewer than {needed} repeats have no interval, and show no difference. For {needed}, run: "
        found.append(Note("too-few-repeats", said + _MORE_REPEATS.format(needed)))
    if block.disturbed and not block.is_single:
        named = [f"{name} ({text.plural(count, 'workload')})" for name, count in block.disturbed.items()]
        said = (
            f"Disturbed while measured: {text.some(named)}. At these workloads no host is called the fastest."
        )
        found.append(Note("hosts-disturbed", said))
    if block.is_single or block.profile != "paper":
        found += _not_beside_published(block, facts)
    return found


def _not_beside_published(block: Block, facts: Facts) -> list[Note]:
    if any(each.is_published for line in block.lines for each in line.entries):
        return []
    names = text.spoken_list([each["name"] for each in facts.published.hosts])
    said = f"Not comparable with the hosts of the 2019 report ({names}), which ran the paper profile on real data"
    if block.profile != "paper":
        return [Note("published-not-comparable", f"{said}. For a comparison, run: {_PAPER}")]
    why = dict.fromkeys(
        each.text.removeprefix("not comparable: ") for line in block.lines for each in line.apart.values()
    )
    return [
        Note("published-not-comparable", f"{said}: {'; '.join(why) or 'none of these workloads is in it'}.")
    ]


def _abilities(block: Block, facts: Facts) -> Table:
    """What one host can do: rates of training and inference, accuracy, energy."""
    [place] = block.measured
    host = block.names[place]
    notes = Footnotes()
    own = [(line, entry) for line in block.lines if (entry := line.entry(place)) is not None]
    has_energy = [
        any(each.energy_j is not None for _, each in own),
        any(each.inference_j is not None for _, each in own),
    ]
    rows = [_ability(line, entry, has_energy, notes) for line, entry in own]
    for each in block.spotted:
        cells = [
            Cell(MISSING, marks=[notes.mark(_INFERENCE_ONLY)]),
            _rate_cell(each.throughput, notes, each.anchor),
            _accuracy_cell(each, notes),
        ]
        cells += [Cell(MISSING)] if has_energy[0] else []
        if has_energy[1]:
            cells.append(_energy_cell(each.energy_j, 1e3))
        rows.append(Row(each.title, "kws", cells))
    headings = [
        _heading("Training", "samples/s", spread=True, ends=_INTERVAL),
        _heading("Inference", "samples/s", spread=True, ends=_INTERVAL),
        _heading("Accuracy", "%", spread=True, ends=("low", "high", "samples")),
    ]
    headings += [_heading("Energy of a training", "J")] * has_energy[0]
    headings += [_heading("Energy of an inference", "mJ")] * has_energy[1]
    return Table(
        number="",
        slug=f"answer_{block.profile}",
        title=f"Speed and accuracy of {host}, {block.profile} profile",
        corner="Workload",
        caption="Medians of the repeats with their 95 % intervals. Training: samples a second in the epochs after the "
        "first. Inference: samples a second in the test, in its batches; keyword spotting takes one input at a time, "
        "here with the fastest engine and model that reach the accuracy of MLPerf Tiny. Accuracy: 95 % score interval "
        "by the number of test samples.",
        bands=[],
        headings=headings,
        rows=rows,
        footnotes=notes.listed(),
        notices=notices(block, facts),
    )


def _heading(words: str, unit: str, **more: Any) -> Heading:
    return Heading(words, [unit], csv=f"{words} [{unit}]", **more)


def _ability(line: Line, entry: Entry, has_energy: list[bool], notes: Footnotes) -> Row:
    training = _rate_cell(entry.training, notes, entry.anchor)
    if entry.training is not None and not entry.training.is_steady:
        training.marks.append(notes.mark(_WHOLE))
    if entry.disturbed:
        training.marks.append(notes.mark(Note("run-disturbed", "disturbed while measured")))
    cells = [training, _rate_cell(entry.inference, notes, entry.anchor), _accuracy_cell(entry, notes)]
    cells += [_energy_cell(entry.energy_j)] if has_energy[0] else []
    cells += [_energy_cell(entry.inference_j, 1e3)] if has_energy[1] else []
    return Row(line.title, line.workload, cells)


def _rate_cell(rate: Rate | None, notes: Footnotes, link: str) -> Cell:
    if rate is None:
        return Cell(MISSING, marks=[notes.mark(_NO_RATE)])
    low, high = rate.interval or (math.nan, math.nan)
    detail = f"{text.rate(low)} to {text.rate(high)}" if rate.interval else f"n {rate.count}"
    known = Statistic(rate.median, low, high, rate.count)
    return Cell(text.rate(rate.median), detail, statistic=known, link=link)


def _accuracy_cell(entry: Entry | Spotted, notes: Footnotes) -> Cell:
    if entry.accuracy is None:
        assert isinstance(entry, Entry)
        return Cell(MISSING, marks=[notes.mark(accuracy_gap(entry))])
    low, high = (100 * each for each in entry.accuracy_interval or (math.nan, math.nan))
    detail = f"{low:.1f} to {high:.1f}" if entry.accuracy_interval else ""
    known = Statistic(100 * entry.accuracy, low, high, entry.samples)
    return Cell(text.percent(entry.accuracy), detail, statistic=known)


def _energy_cell(joules: float | None, scale: float = 1.0) -> Cell:
    if joules is None:
        return Cell(MISSING)
    return Cell(text.joules(joules * scale), value=float(f"{joules * scale:.6g}"))


def _beside_published(block: Block, facts: Facts) -> Table | None:
    """How many times as fast one host is as each published one; None where nothing may be compared."""
    names = [title_of(each) for each in facts.published.hosts]
    if not any(name in block.names for name in names):
        return None
    [place] = block.measured
    notes = Footnotes()
    rows = [
        Row(line.title, line.workload, [_factor_cell(line, block, name, notes) for name in names])
        for line in block.lines
    ]
    means = []
    for name in names:
        speed, counted = block.mean_speed(name)
        if counted:
            means.append(Cell(text.factor(speed), f"n {counted}", value=float(f"{speed:.4g}")))
        else:
            means.append(Cell(MISSING, marks=[notes.mark(_NOTHING_COMMON)]))
    rows.insert(0, Row("Overall", "overall", means))
    return Table(
        number="",
        slug=f"answer_{block.profile}_beside_published",
        title=f"How many times as fast {block.names[place]} trains as the hosts of the 2019 report",
        corner="Workload",
        caption="Published training time over the one measured here, both with building. Overall: the geometric mean "
        "over the n workloads that both have under the same circumstances. Published medians have no interval.",
        bands=[],
        headings=[
            Heading(host["name"], ["2019 report"], csv=name)
            for host, name in zip(facts.published.hosts, names, strict=True)
        ],
        rows=rows,
        footnotes=notes.listed(),
    )


def _factor_cell(line: Line, block: Block, name: str, notes: Footnotes) -> Cell:
    theirs = line.entry(block.names.index(name)) if name in block.names else None
    [place] = block.measured
    own = line.entry(place)
    if theirs is None or own is None:
        why = line.apart.get(name, Note("not-in-2019-report", "not part of the 2019 report"))
        return Cell(MISSING, marks=[notes.mark(why)])
    ratio = theirs.median_s / own.median_s
    return Cell(text.factor(ratio), value=float(f"{ratio:.4g}"), link=own.anchor)


def _ranking(block: Block, facts: Facts) -> Table:
    """Which host is the fastest at each workload, and at all of them."""
    notes = Footnotes()
    overall = block.overall()
    found = [*([overall.answer] if overall.answer else []), *block.answers()]
    rows = [Row(each.heading, each.heading, _ranked(each, block, notes)) for each in found]
    headings = [
        Heading("Fastest host", numeric=False),
        Heading("Training [s]"),
        Heading("Times as fast", spread=True, ends=_INTERVAL),
        Heading("Accuracy", numeric=False),
    ]
    headings += [Heading("Energy of a training", numeric=False)] * block.has_energy
    return Table(
        number="",
        slug=f"answer_{block.profile}",
        title=f"The fastest hosts, and how many times as fast as {block.names[block.baseline]}",
        corner="Workload",
        caption=f"Training with building, medians; factors with their 95 % intervals. {overall.said}",
        bands=[],
        headings=headings,
        rows=rows,
        footnotes=notes.listed(),
        notices=[*notices(block, facts), Note("overall", overall.said)],
    )


def _ranked(answer: Answer, block: Block, notes: Footnotes) -> list[Cell]:
    speed = answer.speed
    accuracy = f"{answer.accuracy} ({answer.accuracy_said.text})" if answer.accuracy_said else answer.accuracy
    cells = [
        Cell(answer.host, marks=[notes.mark(each) for each in answer.remarks], numeric=False),
        Cell(answer.seconds, value=float(f"{answer.seconds_value:.6g}"), link=answer.anchor),
        _speed_cell(speed),
        Cell(accuracy, numeric=False),
    ]
    energy = f"{answer.energy} ({answer.energy_said})" if answer.energy_said else answer.energy
    return cells + [Cell(energy, numeric=False)] * block.has_energy


def _speed_cell(speed: Speed) -> Cell:
    if speed.value is None:
        return Cell(MISSING)
    low, high = speed.ends or (math.nan, math.nan)
    return Cell(speed.shown, speed.said, statistic=Statistic(speed.value, low, high, 1), link=speed.anchor)


def _speeds(block: Block) -> Table:
    """How many times as fast as the baseline each host is at each workload, with accuracy and energy."""
    overall = block.overall()
    rows = []
    for place, name, speeds in block.rows():
        every = [*([overall.speeds[place]] if overall.answer else []), *speeds]
        cells = [
            Cell(each.shown, each.detail, value=float(f"{each.value:.4g}"), link=each.anchor)
            if each.value is not None
            else Cell(MISSING)
            for each in every
        ]
        rows.append(Row(name, name, cells))
    headings = [Heading(line.title, [line.note] if line.note else []) for line in block.lines]
    return Table(
        number="",
        slug=f"answer_{block.profile}_speeds",
        title=f"All hosts against {block.names[block.baseline]}",
        corner="Host",
        caption="How many times as fast at training, medians, with the accuracy and the energy of a training.",
        bands=[],
        headings=[*([Heading("Overall")] if overall.answer else []), *headings],
        rows=rows,
        footnotes=[],
        key_name="column",
    )
