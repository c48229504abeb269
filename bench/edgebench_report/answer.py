"""The head of the page: which host for which workload, how many times faster, how accurate, at what energy.

Hosts stand beside one another only where they computed the same: profile, variant, precision, data, options and sizes.
What differs is a block of its own. The interval of a ratio comes from those of its two medians by the method of
variance estimates recovery (Zou & Donner, Statistics in Medicine 27, 2008) on the logarithms, because that takes
nothing but the medians and their intervals, so that the page can do it for any baseline.
"""

import json
import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from statistics import median

from edgebench_report import aggregate, inference, rates, statistics, telemetry, text
from edgebench_report.aggregate import Column, Group, Record
from edgebench_report.errors import ReportError
from edgebench_report.published import Published, title_of
from edgebench_report.results import TRAINING, not_as_published
from edgebench_report.table import records_anchor
from edgebench_report.tables import Facts
from edgebench_report.text import Note

_WHAT = ("profile", "variant", "precision", "synthetic", "sha256", "sizes")
PUBLISHED = "published"
# The place, in the page's elements, of what holds for all workloads together.
ALL = "all"
_LEAST_MOST = 1e-9


@dataclass(frozen=True)
class Entry:
    """One host at one workload: training time with its interval [s], accuracy with its own, energy, rates [1/s].

    ``interval_s`` is None where the repeats are too few to say anything. ``energy_j`` is that of a training,
    ``inference_j`` that of one inference in the test. ``anchor`` leads to the records.
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
    inference_j: float | None = None
    training: rates.Rate | None = None
    inference: rates.Rate | None = None
    is_regression: bool = False
    synthetic: bool = False
    disturbed: bool = False
    is_published: bool = False


@dataclass
class Line:
    """One workload under the same circumstances: its entries, the fastest first.

    ``apart``: by the published hosts that are not among the entries, the reason.
    """

    title: str
    note: str
    entries: list[Entry]
    workload: str = ""
    apart: dict[str, Note] = field(default_factory=dict)

    @property
    def measured(self) -> list[Entry]:
        """The entries that were measured, the fastest first."""
        return [each for each in self.entries if not each.is_published]

    def entry(self, place: int) -> Entry | None:
        """Return the entry of a host, None where it has none here."""
        return next((each for each in self.entries if each.place == place), None)


@dataclass
class Block:
    """All that may be compared in one profile; ``baseline`` is the place of the host that is 1."""

    profile: str
    names: list[str]
    lines: list[Line]
    baseline: int = 0
    # The fastest keyword spotting, if the only host trained here is the only one that did it.
    spotted: list["Spotted"] = field(default_factory=list)

    @property
    def has_energy(self) -> bool:
        """Whether any record in it has the energy of its training."""
        return any(each.energy_j is not None for line in self.lines for each in line.entries)

    @property
    def measured(self) -> list[int]:
        """The places of the hosts that finished a workload here, published ones left out."""
        return sorted({each.place for line in self.lines for each in line.measured})

    @property
    def is_single(self) -> bool:
        """Whether one host alone was measured, so that nothing here can be ranked."""
        return len(self.measured) == 1

    @property
    def has_too_few(self) -> bool:
        """Whether any measurement has too few repeats for an interval."""
        return any(each.interval_s is None for line in self.lines for each in line.measured)

    @property
    def disturbed(self) -> dict[str, int]:
        """The hosts that were disturbed while they were measured, with the number of workloads."""
        found: dict[str, int] = {}
        for each in (each for line in self.lines for each in line.measured if each.disturbed):
            found[self.names[each.place]] = found.get(self.names[each.place], 0) + 1
        return found

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
        told = {"lines": lines, "measured": self.measured, "titles": [each.title for each in self.lines]}
        return json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")

    def answers(self) -> list["Answer"]:
        """Return a sentence's worth for each workload."""
        return [
            _answer(line.title, line.note, {each.place: [each] for each in line.entries}, self)
            for line in self.lines
        ]

    def rows(self) -> list[tuple[int, str, list["Speed"]]]:
        """Return the speed of every host at every workload over the baseline."""
        found = []
        for place, name in enumerate(self.names):
            pairs = [(line.entry(place), line.entry(self.baseline)) for line in self.lines]
            found.append((place, name, [_speed(_listed(own), _listed(base)) for own, base in pairs]))
        return found

    def mean_speed(self, name: str) -> tuple[float, int]:
        """Return how many times as fast the only host is as a published one: geometric mean, number of workloads."""
        [place] = self.measured
        other = self.names.index(name) if name in self.names else -1
        pairs = [(line.entry(other), line.entry(place)) for line in self.lines]
        known = [(base, own) for base, own in pairs if base is not None and own is not None]
        if not known:
            return math.nan, 0
        base, own = ([*each] for each in zip(*known, strict=True))
        return math.exp(_mean_gap(base, own)), len(known)

    def overall(self) -> "Overall":
        """Return the speeds over all workloads together that the measured hosts and the baseline have."""
        return _overall(self)


@dataclass(frozen=True)
class Speed:
    """How many times as fast as the baseline, in words for a cell; ``told`` whether that is a difference.

    ``ends`` are those of its interval. ``detail``: what else is known of the host at this workload.
    """

    shown: str
    said: str
    told: bool
    anchor: str
    value: float | None
    ends: tuple[float, float] | None = None
    detail: str = ""


@dataclass(frozen=True)
class Overall:
    """All workloads together: geometric means of speeds over the ``lines`` (places) that all compared hosts have.

    ``titles`` are those of these lines, ``left_out`` those of the others. ``speeds`` are by the place of the host.
    ``answer`` is None where fewer than two workloads can be put together.
    """

    lines: list[int]
    titles: list[str]
    left_out: list[str]
    speeds: dict[int, Speed]
    answer: "Answer | None"

    @property
    def said(self) -> str:
        """Which workloads these are, in a sentence."""
        some = text.plural(len(self.titles), "workload")
        said = f"Overall: the geometric mean over the {some} that all compared hosts ran under the same circumstances"
        if self.answer is None:
            said = f"No overall speed: all compared hosts ran {some} under the same circumstances"
        return f"{said}; left out: {', '.join(self.left_out) or 'none'}."


@dataclass(frozen=True)
class Answer:
    """The row of one workload in the head: who is fastest, what qualifies that (``remarks``), and what it is worth.

    ``is_shown``: whether the intervals of all others show that it is the fastest, and nothing was disturbed.
    """

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
    accuracy_said: Note | None
    energy: str
    energy_said: str
    is_shown: bool
    seconds_value: float

    @property
    def heading(self) -> str:
        """The workload with what tells it from others of its name."""
        return f"{self.title} ({self.note})" if self.note else self.title


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
            if block.is_single:
                host = facts.columns[shown[block.measured[0]]].host
                block.spotted = _spotted(facts.inferences, profile, host)
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
        entry = _entry(group, place, records_anchor(index, workload), facts.published)
        if entry is not None:
            alike.setdefault(_what(group), []).append((entry, group))
    found = []
    for key, members in sorted(alike.items(), key=lambda each: -len(each[1])):
        entries = [entry for entry, _ in members]
        differs = [value for value in _words(key, list(alike)) if value]
        line = Line(facts.title(workload), ", ".join(differs), entries, workload)
        if profile == "paper" and workload in facts.published.workloads:
            _add_published(facts, line, members[0][1], names)
        entries.sort(key=lambda each: each.median_s)
        found.append(line)
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
                "sha256": f"data {str(value)[:8]}" if value else "data of unknown hash",
                "sizes": "own sizes",
                "options": ", ".join(f"{n.removeprefix('option ')} {v}" for n, v in value)
                if isinstance(value, tuple)
                else "",
            }.get(name, str(value))
            found.append(text.one_line(shown))
    return found


def _entry(group: Group, place: int, link: str, published: Published) -> Entry | None:
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
        accuracy=_accuracy(group),
        accuracy_interval=accuracy_interval(group),
        samples=group.ok[0]["sizes"]["test_samples"] or 0,
        energy_j=median(joules) if joules else None,
        inference_j=_inference_j(group),
        training=rates.training(group, published),
        inference=rates.inference(group),
        is_regression=group.ok[0]["quality"]["metric"] == "mae",
        synthetic=any(run["data"]["synthetic"] for run in group.ok),
        disturbed=bool(telemetry.remarks(group.ok)),
    )


def _inference_j(group: Group) -> float | None:
    known = [(telemetry.test_energy_j(run), rates.samples_tested(run)) for run in group.ok]
    found = [joules / samples for joules, samples in known if joules is not None and samples]
    return median(found) if found else None


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


def _add_published(facts: Facts, line: Line, group: Group, names: list[str]) -> None:
    """Add the published hosts that computed the same as ``group`` to a line, and the reason for each other one."""
    for host in facts.published.hosts:
        name = title_of(host)
        value = facts.published.measured(line.workload, TRAINING.published, host["id"])
        obstacle = not_as_published(facts, group, host)
        if obstacle is not None or value is None:
            why = obstacle or facts.published.reason(line.workload, TRAINING.published, host["id"])
            line.apart[name] = why
            continue
        if name not in names:
            names.append(name)
        accuracy = facts.published.measured(line.workload, "accuracy_percent", host["id"])
        line.entries.append(
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


def _slowest(block: Block) -> int:
    """Return the measured host with the most workloads, and of those the slowest: so the factors are above 1."""
    score: dict[int, list[float]] = {}
    for line in block.lines:
        for each in (each for each in line.entries if not each.is_published):
            score.setdefault(each.place, []).append(math.log(each.median_s))
    return max(score, key=lambda each: (len(score[each]), sum(score[each])))


def _speed(own: list[Entry] | None, base: list[Entry] | None) -> Speed:
    """Return the speed of one host over another: the geometric mean over entries at the same workloads."""
    if own is None:
        return Speed("–", "not measured", False, "", None)
    anchor = own[0].anchor if len(own) == 1 else ""
    detail = _detail(own[0]) if len(own) == 1 else ""
    if base is None:
        return Speed("–", "the baseline has no result", False, anchor, None, detail=detail)
    if own[0].place == base[0].place:
        return Speed("1", "the baseline", False, anchor, 1.0, detail=detail)
    ratio = math.exp(_mean_gap(base, own))
    ends = _ratio_interval(base, own)
    if ends is None:
        said, told = "too few repeats for an interval", False
        if any(each.is_published for each in [*own, *base]):
            said = "published medians have no interval"
    else:
        told = not ends[0] <= 1 <= ends[1]
        said = f"{text.factor(ends[0])} to {text.factor(ends[1])}" + ("" if told else ": no difference shown")
    return Speed(text.factor(ratio), said, told, anchor, ratio, ends, detail)


def _listed(entry: Entry | None) -> list[Entry] | None:
    return None if entry is None else [entry]


def _detail(entry: Entry) -> str:
    known = [] if entry.accuracy is None else [f"{text.percent(entry.accuracy)} %"]
    known += [] if entry.energy_j is None else [f"{text.joules(entry.energy_j)} J"]
    return ", ".join(known)


def ratio_interval(base: Entry, own: Entry) -> tuple[float, float] | None:
    """Return the interval of base / own from those of both medians; None without one of them."""
    return _ratio_interval([base], [own])


def _mean_gap(base: list[Entry], own: list[Entry]) -> float:
    gaps = [math.log(one.median_s / other.median_s) for one, other in zip(base, own, strict=True)]
    return sum(gaps) / len(gaps)


def _ratio_interval(base: list[Entry], own: list[Entry]) -> tuple[float, float] | None:
    gap, down, up = _mean_gap(base, own), 0.0, 0.0
    for one, other in zip(base, own, strict=True):
        if one.interval_s is None or other.interval_s is None:
            return None
        down = math.hypot(
            down, math.log(one.median_s / one.interval_s[0]), math.log(other.interval_s[1] / other.median_s)
        )
        up = math.hypot(
            up, math.log(one.interval_s[1] / one.median_s), math.log(other.median_s / other.interval_s[0])
        )
    return math.exp(gap - down / len(base)), math.exp(gap + up / len(base))


def _overall(block: Block) -> Overall:
    compared = {*block.measured, block.baseline}
    lines = [
        number for number, line in enumerate(block.lines) if compared <= {each.place for each in line.entries}
    ]
    titles = [block.lines[each].title for each in lines]
    left_out = [each for each in dict.fromkeys(line.title for line in block.lines) if each not in titles]
    if len(lines) < 2:
        return Overall(lines, titles, left_out, {}, None)
    entries: dict[int, list[Entry]] = {}
    for place in range(len(block.names)):
        own = [each for each in (block.lines[number].entry(place) for number in lines) if each is not None]
        if len(own) == len(lines):
            entries[place] = own
    base = entries[block.baseline]
    speeds = {
        place: _speed(entries[place], base)
        if place in entries
        else Speed("–", "not all of these workloads", False, "", None)
        for place in range(len(block.names))
    }
    answer = _answer("Overall", "", entries, block)
    return Overall(lines, titles, left_out, speeds, answer)


def _answer(title: str, note: str, entries: dict[int, list[Entry]], block: Block) -> Answer:
    """Say which host is the fastest: ``entries`` are those of each place, at the same workloads in the same order."""
    # Others' numbers say how fast it may be done, not which host to take.
    measured = {place: own for place, own in entries.items() if not own[0].is_published}
    first = next(iter(measured.values()))
    fastest = max(measured, key=lambda place: _mean_gap(first, measured[place]))
    best = measured[fastest]
    remarks, is_shown = _remarks(fastest, measured, block)
    anchor = best[0].anchor if len(best) == 1 else ""
    total = sum(each.median_s for each in best)
    return Answer(
        title,
        note,
        fastest,
        block.names[fastest],
        anchor,
        text.seconds(total),
        min(each.count for each in best),
        _speed(best, entries.get(block.baseline)),
        remarks,
        *_accuracy_of(best, entries, block),
        *_energy_of(fastest, measured, block),
        is_shown,
        total,
    )


def _remarks(fastest: int, measured: dict[int, list[Entry]], block: Block) -> tuple[list[Note], bool]:
    """Return what qualifies that a host is the fastest, and whether it is shown to be."""
    best = measured[fastest]
    rivals, is_shown = [], len(measured) > 1
    for place, own in measured.items():
        if place == fastest:
            continue
        ends = _ratio_interval(own, best)
        if ends is not None and ends[0] <= 1:
            rivals.append(block.names[place])
        is_shown = is_shown and ends is not None and ends[0] > 1
    disturbed = [block.names[place] for place, own in measured.items() if any(each.disturbed for each in own)]
    remarks = []
    if len(measured) == 1:
        remarks.append(Note("no-rival", "the only host with this workload"))
    if rivals:
        remarks.append(Note("not-told-apart", f"not told apart from {text.some(rivals)}"))
    if disturbed:
        # The fastest host first: it is the one that the row is about.
        named = sorted(disturbed, key=lambda each: each != block.names[fastest])
        remarks.append(Note("run-disturbed", f"disturbed: {text.some(named)}"))
    return remarks, is_shown and not disturbed


def _accuracy_of(best: list[Entry], entries: dict[int, list[Entry]], block: Block) -> tuple[str, Note | None]:
    if len(best) > 1:
        return "", None
    own = best[0]
    shown = "–" if own.accuracy is None else f"{100 * own.accuracy:.1f} %"
    return shown, _accuracy_said(own, [each for [each] in entries.values()], block)


def accuracy_gap(entry: Entry) -> Note:
    """Return why an entry has no accuracy."""
    if entry.is_regression:
        return Note("accuracy-of-regression", "regression: see Table 6b")
    if entry.synthetic:
        return Note("synthetic-data", "synthetic data")
    return Note("accuracy-unknown", "not recorded")


def _accuracy_said(best: Entry, entries: list[Entry], block: Block) -> Note:
    if best.accuracy is None:
        return accuracy_gap(best)
    interval = ""
    if best.accuracy_interval is not None:
        low, high = best.accuracy_interval
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
    better = [
        each
        for each in entries
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


def _energy_of(fastest: int, measured: dict[int, list[Entry]], block: Block) -> tuple[str, str]:
    """Return the energy of the fastest host's trainings, and which host needs the least."""
    known = {}
    for place, own in measured.items():
        joules = [each.energy_j for each in own if each.energy_j is not None]
        if len(joules) == len(own):
            known[place] = sum(joules)
    shown = f"{text.joules(known[fastest])} J" if fastest in known else "–"
    if not known:
        return shown, ""
    least = min(known, key=lambda place: known[place])
    if least == fastest:
        return shown, "the least" if len(known) > 1 else ""
    return shown, f"{block.names[least]}: {text.joules(known[least])} J"


@dataclass(frozen=True)
class Spotted:
    """The fastest measurement of keyword spotting that does its work: inferences a second, top-1, energy of each."""

    title: str
    throughput: rates.Rate
    accuracy: float
    accuracy_interval: tuple[float, float] | None
    samples: int
    energy_j: float | None
    anchor: str


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
        able = _able(records, profile)
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


def _able(records: list[Record], profile: str) -> list[Record]:
    return [
        each
        for each in records
        if each["profile"] == profile
        and each["status"] == "ok"
        and each["throughput_per_s"] is not None
        and each["quality"]["value"] is not None
        and not inference.is_below_target(each)
    ]


def _spotted(records: list[Record], profile: str, host: str) -> list[Spotted]:
    """Return the fastest keyword spotting of a profile as a list of one; [] if there is none, or of other hosts too."""
    if {each["host"] for each in records if each["profile"] == profile} != {host}:
        return []
    able = _able(records, profile)
    if not able:
        return []
    best = max(able, key=lambda each: each["throughput_per_s"])
    windows = [each["throughput_per_s"] for each in best["windows"] if each["throughput_per_s"]]
    throughput = rates.rate(windows or [best["throughput_per_s"]])
    assert throughput is not None
    energy = telemetry.energy_per_inference_uj(best)
    title = text.one_line(f"{best['title']}, {best['engine']['name']} {best['model']['id']}")
    accuracy, samples = best["quality"]["value"], best["quality"]["samples"] or 0
    score = statistics.wilson(accuracy * samples, samples) if samples and accuracy <= 1 else None
    return [
        Spotted(
            title,
            throughput,
            accuracy,
            (score.low, score.high) if score else None,
            samples,
            energy and energy / 1e6,
            inference.anchor(best),
        )
    ]
