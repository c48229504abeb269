"""The head of the page: which host for which workload, how many times faster, how accurate, at what energy.

Hosts stand beside one another only where they computed the same: profile, variant, precision, data, options and sizes.
What differs is a block of its own. The interval of a ratio comes from those of its two medians by the method of
variance estimates recovery (Zou & Donner, Statistics in Medicine 27, 2008) on the logarithms, because that takes
nothing but the medians and their intervals, so that the page can do it for any baseline.
"""

import json
import math
from collections.abc import Hashable
from dataclasses import dataclass
from statistics import median

from edgebench_report import aggregate, inference, statistics, telemetry, text
from edgebench_report.aggregate import Column, Group, Record
from edgebench_report.errors import ReportError
from edgebench_report.results import not_as_published
from edgebench_report.table import records_anchor
from edgebench_report.tables import Facts
from edgebench_report.text import Note

_WHAT = ("profile", "variant", "precision", "synthetic", "sha256", "sizes")
PUBLISHED = "published"
_LEAST_MOST = 1e-9


@dataclass(frozen=True)
class Entry:
    """One host at one workload: training time with its interval [s], accuracy with its own, energy.

    ``interval_s`` is None where the repeats are too few to say anything. ``anchor`` leads to the records.
    """

    place: int
    median_s: float
    interval_s: tuple[float, float] | None
    count: int
    anchor: str
    accuracy: float | None = None
    accuracy_interval: tuple[float, float] | None = None
    samples: int = 0
    energy_j: float | None = None
    synthetic: bool = False
    disturbed: bool = False
    is_published: bool = False


@dataclass
class Line:
    """One workload under the same circumstances: its entries, the fastest first."""

    title: str
    note: str
    entries: list[Entry]


@dataclass
class Block:
    """All that may be compared in one profile; ``baseline`` is the place of the host that is 1."""

    profile: str
    names: list[str]
    lines: list[Line]
    baseline: int = 0

    @property
    def has_energy(self) -> bool:
        """Whether any record in it has the energy of its training."""
        return any(each.energy_j is not None for line in self.lines for each in line.entries)

    @property
    def slug(self) -> str:
        """What the block's elements are called."""
        return f"answer-{self.profile}"

    def data(self) -> str:
        """The numbers for the page's script; safe inside of a script element."""
        lines = [
            {
                str(each.place): [
                    float(f"{each.median_s:.6g}"),
                    *([float(f"{end:.6g}") for end in each.interval_s] if each.interval_s else []),
                ]
                for each in line.entries
            }
            for line in self.lines
        ]
        return json.dumps(lines, separators=(",", ":")).replace("<", "\\u003c")

    def answers(self) -> list["Answer"]:
        """Return a sentence's worth for each workload."""
        return [_answer(line, self) for line in self.lines]

    def rows(self) -> list[tuple[int, str, list["Speed"]]]:
        """Return the speed of every host at every workload over the baseline."""
        found = []
        for place, name in enumerate(self.names):
            cells = []
            for line in self.lines:
                own = next((each for each in line.entries if each.place == place), None)
                base = next((each for each in line.entries if each.place == self.baseline), None)
                cells.append(_speed(own, base))
            found.append((place, name, cells))
        return found


@dataclass(frozen=True)
class Speed:
    """How many times as fast as the baseline, in words for a cell; ``told`` whether that is a difference."""

    shown: str
    said: str
    told: bool
    anchor: str
    value: float | None


@dataclass(frozen=True)
class Answer:
    """The row of one workload in the head: who is fastest, what qualifies that (``remarks``), and what it is worth."""

    title: str
    note: str
    place: int
    host: str
    anchor: str
    seconds: str
    repeats: int
    speed: Speed
    remarks: list[Note]
    accuracy: str
    accuracy_said: Note
    energy: str
    energy_said: str


def blocks(facts: Facts, against: str | None = None) -> list[Block]:
    """Arrange what may be compared, profile by profile.

    ``against``: the name of the baseline, "published" for that of the published hosts with which most can be compared.
    Raises ReportError where nothing can be compared with it.
    """
    found = []
    for profile in (each for each in ("paper", "tuned", "quick") if each in facts.profiles):
        shown = [index for index, column in enumerate(facts.columns) if column.profile == profile]
        names = _labels([facts.columns[each] for each in shown])
        lines = [
            line for workload in facts.workloads for line in _lines(facts, workload, shown, profile, names)
        ]
        if lines:
            block = Block(profile, names, lines)
            block.baseline = _slowest(block)
            found.append(block)
    if against is not None:
        _choose(found, against)
    return found


def _choose(found: list[Block], against: str) -> None:
    chosen = 0
    for block in found:
        score: dict[int, int] = {}
        for each in (each for line in block.lines for each in line.entries):
            is_meant = each.is_published if against == PUBLISHED else block.names[each.place] == against
            if is_meant:
                score[each.place] = score.get(each.place, 0) + 1
        if score:
            block.baseline = max(score, key=lambda place: (score[place], -place))
            chosen += 1
    if chosen:
        return
    if against == PUBLISHED:
        raise ReportError(
            "--against published: none of these records can be compared with the published hosts, which ran the paper "
            "profile on real data. Run it first: edgebench run --profile paper",
            "published-not-comparable",
        )
    names = sorted({name for block in found for name in block.names})
    raise ReportError(
        f"--against {text.one_line(against)}: no host of this name can be compared. Name one of: "
        f"{text.one_line(', '.join(names[:20])) or 'none'}",
        "baseline-unknown",
    )


def _labels(columns: list[Column]) -> list[str]:
    return [
        " · ".join([column.host, *tags])
        for column, tags in zip(columns, aggregate.own_tags(columns), strict=True)
    ]


def _lines(facts: Facts, workload: str, shown: list[int], profile: str, names: list[str]) -> list[Line]:
    alike: dict[tuple[Hashable, ...], list[tuple[Entry, Group]]] = {}
    for place, index in enumerate(shown):
        group = facts.columns[index].groups.get(workload)
        if group is None or not group.ok:
            continue
        entry = _entry(group, place, records_anchor(index, workload))
        if entry is not None:
            alike.setdefault(_what(group), []).append((entry, group))
    found = []
    for key, members in sorted(alike.items(), key=lambda each: -len(each[1])):
        entries = [entry for entry, _ in members]
        differs = [value for value in _words(key, list(alike)) if value]
        is_theirs = profile == "paper" and workload in facts.published.workloads
        if is_theirs and not not_as_published(facts, members[0][1]):
            entries += _published(facts, workload, names)
        entries.sort(key=lambda each: each.median_s)
        found.append(Line(facts.title(workload), ", ".join(differs), entries))
    return found


def _what(group: Group) -> tuple[Hashable, ...]:
    facts = group.circumstances
    options = tuple(sorted((name, str(value)) for name, value in facts.items() if name.startswith("option ")))
    return (*(facts[each] for each in _WHAT), options)


def _words(key: tuple[Hashable, ...], others: list[tuple[Hashable, ...]]) -> list[str]:
    if len(others) < 2:
        return []
    names = [*_WHAT, "options"]
    found = []
    for name, value, *rest in zip(names, key, *others, strict=True):
        if len(set(rest)) > 1:
            shown = {
                "synthetic": {True: "synthetic data", False: "real data"}.get(bool(value), ""),
                "sha256": f"data {str(value)[:8]}" if value else "data without a hash",
                "sizes": "own sizes",
                "options": ", ".join(f"{n.removeprefix('option ')} {v}" for n, v in value)
                if isinstance(value, tuple)
                else "",
            }.get(name, str(value))
            found.append(text.one_line(shown))
    return found


def _entry(group: Group, place: int, link: str) -> Entry | None:
    times = [
        each
        for each in (aggregate.measured(run)["train_total_s"] for run in group.ok)
        if each is not None and each > _LEAST_MOST
    ]
    if not times:
        return None
    interval = None
    if len(times) >= statistics.fewest():
        found = statistics.median_interval(times)
        interval = (found.low, found.high)
    joules = [each for each in map(telemetry.train_energy_j, group.ok) if each is not None]
    return Entry(
        place,
        median(times),
        interval,
        len(times),
        link,
        _accuracy(group),
        accuracy_interval(group),
        group.ok[0]["sizes"]["test_samples"] or 0,
        median(joules) if joules else None,
        any(run["data"]["synthetic"] for run in group.ok),
        bool(telemetry.remarks(group.ok)),
    )


def _accuracy(group: Group) -> float | None:
    """Return the median accuracy on real data as ratio 0..1, None where there is none."""
    first = group.ok[0] if group.ok else None
    if first is None or first["quality"]["metric"] != "accuracy" or not first["sizes"]["test_samples"]:
        return None
    values = [run["quality"]["value"] for run in group.ok if run["quality"]["value"] is not None]
    if not values or any(run["data"]["synthetic"] for run in group.ok):
        return None
    accuracy = median(values)
    # What cannot be is a warning of the report, and no accuracy.
    return accuracy if accuracy <= 1 else None


def accuracy_interval(group: Group) -> tuple[float, float] | None:
    """Return the 95 % score interval of a group's median accuracy, ratios 0..1; None where there is no accuracy."""
    accuracy = _accuracy(group)
    if accuracy is None:
        return None
    samples = group.ok[0]["sizes"]["test_samples"]
    score = statistics.wilson(accuracy * samples, samples)
    return score.low, score.high


def _published(facts: Facts, workload: str, names: list[str]) -> list[Entry]:
    found = []
    for host in facts.published.hosts:
        value = facts.published.measured(workload, "train_s", host["id"])
        if value is None:
            continue
        name = f"{host['name']} (published 2019)"
        if name not in names:
            names.append(name)
        accuracy = facts.published.measured(workload, "accuracy_percent", host["id"])
        found.append(
            Entry(
                names.index(name),
                value,
                None,
                facts.published.source["repeats"],
                "table_4_training_time",
                None if accuracy is None else accuracy / 100,
                is_published=True,
            )
        )
    return found


def _slowest(block: Block) -> int:
    """Return the measured host with the most workloads, and of those the slowest: so the factors are above 1."""
    score: dict[int, list[float]] = {}
    for line in block.lines:
        for each in (each for each in line.entries if not each.is_published):
            score.setdefault(each.place, []).append(math.log(each.median_s))
    return max(score, key=lambda each: (len(score[each]), sum(score[each])))


def _speed(own: Entry | None, base: Entry | None) -> Speed:
    if own is None:
        return Speed("–", "not measured", False, "", None)
    if base is None:
        return Speed("–", "no baseline here", False, own.anchor, None)
    if own.place == base.place:
        return Speed("1", "the baseline", False, own.anchor, 1.0)
    ratio = base.median_s / own.median_s
    ends = ratio_interval(base, own)
    if ends is None:
        said, told = "no interval", False
    else:
        told = not ends[0] <= 1 <= ends[1]
        said = f"{text.factor(ends[0])} to {text.factor(ends[1])}" + ("" if told else ": no difference shown")
    return Speed(text.factor(ratio), said, told, own.anchor, ratio)


def ratio_interval(base: Entry, own: Entry) -> tuple[float, float] | None:
    """Return the interval of base / own from those of both medians; None without one of them."""
    if base.interval_s is None or own.interval_s is None:
        return None
    gap = math.log(base.median_s / own.median_s)
    down = math.hypot(
        math.log(base.median_s / base.interval_s[0]), math.log(own.interval_s[1] / own.median_s)
    )
    up = math.hypot(math.log(base.interval_s[1] / base.median_s), math.log(own.median_s / own.interval_s[0]))
    return math.exp(gap - down), math.exp(gap + up)


def _answer(line: Line, block: Block) -> Answer:
    # Others' numbers say how fast it may be done, not which host to take.
    best = next(each for each in line.entries if not each.is_published)
    base = next((each for each in line.entries if each.place == block.baseline), None)
    rivals = []
    for each in (each for each in line.entries if each is not best):
        ends = ratio_interval(each, best)
        if ends is not None and ends[0] <= 1 <= ends[1]:
            rivals.append(block.names[each.place])
    remarks = []
    if rivals:
        more = f" and {len(rivals) - 3} more" if len(rivals) > 3 else ""
        remarks.append(
            Note("not-told-apart", f"not told apart from {text.spoken_list(rivals[:3])}{more}"),
        )
    if best.disturbed:
        remarks.append(Note("run-disturbed", "disturbed while measured"))
    energy = "–" if best.energy_j is None else f"{best.energy_j:.0f} J"
    return Answer(
        line.title,
        line.note,
        best.place,
        block.names[best.place],
        best.anchor,
        text.seconds(best.median_s),
        best.count,
        _speed(best, base),
        remarks,
        "–" if best.accuracy is None else f"{100 * best.accuracy:.1f} %",
        _accuracy_said(best, line, block),
        energy,
        _thriftiest(best, line, block),
    )


def _accuracy_said(best: Entry, line: Line, block: Block) -> Note:
    if best.accuracy is None and best.synthetic:
        return Note("synthetic-data", "synthetic data")
    if best.accuracy is None:
        return Note("accuracy-unknown", "unknown, or a regression")
    interval = ""
    if best.accuracy_interval is not None:
        low, high = best.accuracy_interval
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
    better = [
        each
        for each in line.entries
        if each.accuracy is not None
        and each.samples
        and best.samples
        and each.accuracy > best.accuracy
        and statistics.accuracy_difference(each.accuracy, each.samples, best.accuracy, best.samples).told
    ]
    if better:
        first = max(better, key=lambda each: each.accuracy or 0.0)
        said = f"{interval}; {block.names[first.place]} is better: {100 * (first.accuracy or 0):.1f} %"
        return Note("accuracy-beaten", said)
    return Note("accuracy-interval", interval)


def _thriftiest(best: Entry, line: Line, block: Block) -> str:
    known = [each for each in line.entries if each.energy_j is not None]
    if not known:
        return ""
    least = min(known, key=lambda each: each.energy_j or 0.0)
    if least.place == best.place or least.energy_j is None:
        return "the least" if len(known) > 1 else ""
    return f"{block.names[least.place]}: {least.energy_j:.0f} J"


@dataclass(frozen=True)
class Spotting:
    """The fastest measurement of keyword spotting in one profile that does its work, in words."""

    profile: str
    said: str
    rate: str
    rest: str
    anchor: str


def spotting(records: list[Record]) -> list[Spotting]:
    """Return, for each profile, the fastest keyword spotting of those that reach MLPerf Tiny's accuracy."""
    found = []
    for profile in ("paper", "tuned", "quick"):
        able = [
            each
            for each in records
            if each["profile"] == profile
            and each["status"] == "ok"
            and each["throughput_per_s"] is not None
            and each["quality"]["value"] is not None
            and not inference.is_below_target(each)
        ]
        if not able:
            continue
        best = max(able, key=lambda each: each["throughput_per_s"])
        hosts = len({each["host"] for each in able})
        latency = best["latency"]["percentiles_us"]
        rest = [f"top-1 {text.percent(best['quality']['value'])} %"]
        rest += [f"half of them within {text.microseconds(latency[50])} µs"] if latency else []
        energy = telemetry.energy_per_inference_uj(best)
        rest += [f"{text.microseconds(energy)} µJ each"] if energy else []
        said = f"{best['host']} with {best['engine']['name']} {best['model']['id']}, the fastest of "
        said += f"{text.plural(len(able), 'measurement')} on {text.plural(hosts, 'host')} that reach 90 %"
        found.append(
            Spotting(
                profile,
                text.one_line(said),
                text.rate(best["throughput_per_s"]),
                ", ".join(rest),
                inference.anchor(best),
            )
        )
    return found
