"""Two sides measured alike, quantity by quantity: ratio, interval, and whether that is a difference.

A side is the records of a file or folder, or those that a selector picks. What was computed (workload, sizes, data,
precision, profile, options) must be the same on both sides, else it is set apart with the reason; how it was computed
(host, framework, device, threads) may differ, and is named.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from edgebench_report import aggregate, inference, statistics, text
from edgebench_report.aggregate import Record
from edgebench_report.errors import ReportError

# Names for --by: the circumstances each of them lets differ.
BY: dict[str, tuple[str, ...]] = {
    "host": ("host", "device", "threads", "clocks"),
    "stack": ("framework", "keras", "numpy", "python", "library", "delegate"),
    "run": (),
    "device": ("device",),
    "threads": ("threads",),
    "environment": ("environment",),
    # Governor, boost and power mode, which the records have as parts of the environment.
    "clocks": ("clocks",),
    "input": ("input",),
    "engine": ("engine", "library", "delegate", "form"),
    "model": ("model", "form", "weights", "model sha256", "precision"),
    "precision": ("precision",),
    "profile": ("profile",),
    "variant": ("variant",),
    "options": ("options",),
    "data": ("synthetic", "sha256"),
    "program": ("program",),
}
# How something was computed; all else says what was computed.
_HOW = frozenset(
    each
    for name in ("host", "stack", "device", "threads", "environment", "clocks", "input", "engine")
    for each in BY[name]
) - {"form"}
_NAMES = {
    "sha256": "data",
    "synthetic": "synthetic data",
    "keras": "Keras",
    "numpy": "NumPy",
    "python": "Python",
}


@dataclass(frozen=True)
class Measured:
    """Repeats of one measurement on one side; ``facts`` are the circumstances that all of them share."""

    workload: str
    title: str
    facts: dict[str, Hashable]
    records: list[Record]

    @property
    def ok(self) -> list[Record]:
        """The records of those that finished."""
        return [each for each in self.records if each["status"] == "ok"]


@dataclass(frozen=True)
class Quantity:
    """A number of a record: its name, unit, which way is worse, and how it is written and read."""

    name: str
    unit: str
    worse: str
    write: Callable[[float], str]
    read: Callable[[Record], float | None]
    words: tuple[str, str] = ("slower", "faster")


@dataclass(frozen=True)
class Outcome:
    """One quantity of one workload, B against A; ``change`` is B / A, for accuracies B - A as ratio.

    ``verdict``: "worse", "better", "none" (no difference shown), "too few" or "lost" (A finished, B never did).
    """

    title: str
    workload: str
    quantity: str
    unit: str
    first: list[float]
    second: list[float]
    shown: tuple[str, str]
    change: float | None
    interval: tuple[float, float] | None
    coverage: float | None
    verdict: str
    said: str
    regression: bool = False
    is_difference: bool = False


@dataclass(frozen=True)
class Pair:
    """Two measurements that may be compared: what differs between them, and what came out."""

    first: Measured
    second: Measured
    differing: list[tuple[str, str, str]]
    outcomes: list[Outcome]


@dataclass(frozen=True)
class Apart:
    """What was not compared, and why.

    ``code``: "circumstances-differ" (those of ``differing``: name, A, B), "counterparts-ambiguous" or
    "counterpart-missing".
    """

    title: str
    workload: str
    side: str
    code: str
    reason: str
    differing: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Comparison:
    """All of it: ``regressions`` are those beyond the thresholds."""

    names: tuple[str, str]
    threshold: float
    accuracy_threshold: float
    pairs: list[Pair] = field(default_factory=list)
    apart: list[Apart] = field(default_factory=list)

    @property
    def outcomes(self) -> list[Outcome]:
        """Every outcome of every pair."""
        return [outcome for pair in self.pairs for outcome in pair.outcomes]

    @property
    def regressions(self) -> list[Outcome]:
        """What is worse beyond the threshold, or never finished."""
        return [each for each in self.outcomes if each.regression]

    @property
    def exit_code(self) -> int:
        """0: no regression; 1: one or more; 2: nothing of it can be told."""
        if self.regressions:
            return 1
        timed = [each for each in self.outcomes if not each.is_difference]
        told = timed or self.outcomes
        return 0 if any(each.verdict != "too few" for each in told) else 2


def compare(
    first: tuple[str, Sequence[Record]],
    second: tuple[str, Sequence[Record]],
    threshold: float = 0.05,
    accuracy_threshold: float = 0.01,
    by: Iterable[str] = (),
) -> Comparison:
    """Compare the records of two named sides; ``by`` names of BY, the only circumstances that may differ.

    A regression is a difference that the interval shows, with a median worse by more than ``threshold`` (a ratio;
    for accuracies ``accuracy_threshold``, in points of the ratio), or a workload that no longer finishes. Raises
    ReportError where both sides hold the same record.
    """
    shared = {_identity(each) for each in first[1]} & {_identity(each) for each in second[1]}
    if shared:
        raise ReportError(
            f"A ({text.one_line(first[0])}) and B ({text.one_line(second[0])}) have "
            f"{text.plural(len(shared), 'record')} in common. Narrow one of them, for example: host=NAME,run=ID",
            "sides-overlap",
        )
    result = Comparison((first[0], second[0]), threshold, accuracy_threshold)
    names = list(by)
    sides = _measured(first[1], names), _measured(second[1], names)
    for workload in dict.fromkeys(each.workload for side in sides for each in side):
        here = tuple([each for each in side if each.workload == workload] for side in sides)
        _pair(result, here[0], here[1], names)
    return result


def _identity(record: Record) -> str:
    return json.dumps(record, sort_keys=True)


def _measured(records: Sequence[Record], by: list[str]) -> list[Measured]:
    runs = [each for each in records if each["record"] == "run"]
    found: list[Measured] = []
    for column in aggregate.columns(runs, []):
        for group in column.groups.values():
            found += _by_program(group.workload, _apart(group.circumstances), group.runs, "program" in by)
    alike: dict[tuple[Any, ...], list[Record]] = {}
    for record in (each for each in records if each["record"] == "inference"):
        facts = _apart(_inference_facts(record))
        alike.setdefault(tuple(sorted(facts.items(), key=lambda item: item[0])), []).append(record)
    for key, members in alike.items():
        facts = dict(key)
        found.append(
            Measured(members[0]["workload"], text.one_line(members[0]["title"]), dict(facts), members)
        )
    return found


def _apart(facts: Mapping[str, Hashable]) -> dict[str, Hashable]:
    """Return the facts with the host's clocks apart from what its processes inherit."""
    inherited, clocks = aggregate.without_clocks(facts["environment"])
    return {**facts, "environment": inherited, "clocks": clocks}


def _by_program(
    workload: str, facts: dict[str, Hashable], runs: list[Record], together: bool
) -> list[Measured]:
    parts: dict[str, list[Record]] = {}
    for run in runs:
        parts.setdefault(_program(run), []).append(run)
    if together:
        parts = {" / ".join(sorted(parts)): runs}
    return [
        Measured(workload, text.one_line(members[0]["title"]), {**facts, "program": program}, members)
        for program, members in sorted(parts.items())
    ]


def _program(record: Record) -> str:
    return str(record["imported"]["format"]) if "imported" in record else "edgebench"


def _inference_facts(record: Record) -> dict[str, Hashable]:
    engine, model, framework = record["engine"], record["model"], record["framework"]
    facts: dict[str, Hashable] = {
        **{name: record[name] for name in ("host", "profile", "variant")},
        "engine": engine["name"],
        "library": " ".join(each for each in (engine["library"], engine["version"]) if each) or None,
        "delegate": engine["delegate"],
        "model": model["id"],
        **{name: model[name] for name in ("form", "precision", "weights")},
        "model sha256": model["sha256"],
        "framework": framework["version"] and f"{framework['name']} {framework['version']}",
        **{name: framework[name] for name in ("keras", "numpy", "python")},
        "device": record["device"] and record["device"]["kind"],
        "threads": (record["threads"]["intra"], record["threads"]["inter"]),
        "environment": aggregate.environment(record),
        "synthetic": record["data"]["synthetic"],
        "sha256": record["data"]["sha256"],
        "program": _program(record),
    }
    return facts | {f"option {name}": json.dumps(value) for name, value in record["options"].items()}


def _pair(result: Comparison, first: list[Measured], second: list[Measured], by: list[str]) -> None:
    """Pair what may be compared, the most alike first, and set the rest apart."""
    bound = _bound(first, second, by)
    scored = []
    differing: dict[int, list[tuple[str, str, str]]] = {id(each): [] for each in first + second}
    ambiguous: set[int] = set()
    for one in first:
        for other in second:
            obstacles = _obstacles(one, other, by, bound)
            if obstacles:
                differing[id(one)] += obstacles
                differing[id(other)] += obstacles
            else:
                scored.append((_likeness(one, other), one, other))
    used: set[int] = set()
    for likeness, one, other in sorted(scored, key=lambda each: each[0], reverse=True):
        if id(one) in used or id(other) in used:
            continue
        rivals = any(
            score == likeness and (a is one) != (b is other) and used.isdisjoint((id(a), id(b)))
            for score, a, b in scored
        )
        if rivals:
            ambiguous |= {id(one), id(other)}
            continue
        used |= {id(one), id(other)}
        result.pairs.append(_compared(result, one, other))
    for name, members in zip(("A", "B"), (first, second), strict=True):
        for each in (each for each in members if id(each) not in used):
            obstacles = list(dict.fromkeys(differing[id(each)]))
            if id(each) in ambiguous:
                code, why = "counterparts-ambiguous", "several counterparts; narrow A and B, or use --by"
                obstacles = []
            elif obstacles:
                code = "circumstances-differ"
                why = "; ".join(f"{what} differs: {a} and {b}" for what, a, b in obstacles)
            else:
                code, why = "counterpart-missing", f"not in {'B' if name == 'A' else 'A'}"
            reason = f"{_called(each)}: {why}"
            result.apart.append(Apart(each.title, each.workload, name, code, reason, obstacles))


def _bound(first: list[Measured], second: list[Measured], by: list[str]) -> set[str]:
    """Find what must agree because a side has several of them: hosts of two runs of a fleet are no rivals."""
    bound = set()
    for name in _HOW - _allowed(by):
        values = [{each.facts.get(name) for each in side} - {None} for side in (first, second)]
        if max(map(len, values), default=0) > 1 and values[0] & values[1]:
            bound.add(name)
    return bound


def _allowed(by: list[str]) -> set[str]:
    return {fact for name in by for fact in BY[name]}


def _obstacles(one: Measured, other: Measured, by: list[str], bound: set[str]) -> list[tuple[str, str, str]]:
    allowed = _allowed(by)
    found = []
    for name in sorted(one.facts.keys() | other.facts.keys()):
        general = "options" if name.startswith("option ") else name
        if general in allowed or (not by and general in _HOW and name not in bound):
            continue
        values = one.facts.get(name, aggregate.UNSET), other.facts.get(name, aggregate.UNSET)
        if not _same(*values):
            found.append((_name(name), _value(name, values[0]), _value(name, values[1])))
    return found


def _same(one: Hashable, other: Hashable) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(_same(*pair) for pair in zip(one, other, strict=True))
    return one is None or other is None or one == other


def _likeness(one: Measured, other: Measured) -> tuple[bool, int]:
    same = [name for name, value in one.facts.items() if other.facts.get(name) == value]
    return "host" in same, len(same)


def _called(measured: Measured) -> str:
    parts = [str(measured.facts["host"]), str(measured.facts["profile"])]
    if "engine" in measured.facts:
        parts.append(f"{measured.facts['engine']} {measured.facts['model']}")
    return text.one_line(" · ".join(parts))


def _name(name: str) -> str:
    return text.one_line(_NAMES.get(name, name.replace("_", " ")))


def _value(name: str, value: Hashable) -> str:
    if value is None:
        return "unknown"
    if name == "synthetic":
        return "yes" if value is True else "no"
    if name == "clocks" and value == "{}":
        return "not reported"
    if name in ("environment", "clocks"):
        return aggregate.text_of_environment(value)
    if name.endswith("sha256"):
        return str(value)[:12]
    if isinstance(value, tuple):
        return "+".join("?" if each is None else str(each) for each in value)
    return text.shorten(text.one_line(str(value)), 80)


def _differing(one: Measured, other: Measured) -> list[tuple[str, str, str]]:
    found = []
    for name in sorted(one.facts.keys() | other.facts.keys()):
        values = one.facts.get(name, aggregate.UNSET), other.facts.get(name, aggregate.UNSET)
        if values[0] != values[1]:
            found.append((_name(name), _value(name, values[0]), _value(name, values[1])))
    return found


def _compared(result: Comparison, one: Measured, other: Measured) -> Pair:
    differing = _differing(one, other)
    if not one.ok or not other.ok:
        return Pair(one, other, differing, [_unfinished(one, other)])
    outcomes = []
    for quantity in _quantities(one.ok[0]):
        values = [
            [value for value in map(quantity.read, side.ok) if value is not None] for side in (one, other)
        ]
        if quantity.name == "throughput":
            values = [_windows(side.ok) for side in (one, other)]
        if values[0] and values[1]:
            outcomes.append(_ratio(result, one, quantity, values[0], values[1]))
    accuracy = _accuracy(result, one, other)
    return Pair(one, other, differing, outcomes + ([accuracy] if accuracy else []))


def _unfinished(one: Measured, other: Measured) -> Outcome:
    said = [_status(one), _status(other)]
    lost = bool(one.ok)
    return Outcome(
        title=one.title,
        workload=one.workload,
        quantity="finishes",
        unit="",
        first=[],
        second=[],
        shown=(said[0], said[1]),
        change=None,
        interval=None,
        coverage=None,
        verdict="lost" if lost else "better" if other.ok else "none",
        said="does not finish" if lost else "finishes now" if other.ok else "finishes on neither side",
        regression=lost,
    )


def _status(measured: Measured) -> str:
    return "ok" if measured.ok else ", ".join(sorted({each["status"] for each in measured.records}))


def _quantities(record: Record) -> list[Quantity]:
    if record["record"] == "inference":
        return [
            Quantity("throughput", "1/s", "less", text.rate, lambda each: each["throughput_per_s"]),
            *(
                Quantity(f"latency {name}", "µs", "greater", text.microseconds, _percentile(number))
                for name, number in (("median", 50), ("p99", 99))
            ),
        ]
    found = [
        Quantity(
            "training", "s", "greater", text.seconds, lambda each: aggregate.measured(each)["train_total_s"]
        ),
        Quantity("test", "s", "greater", text.seconds, lambda each: each["times"]["test_s"]),
    ]
    if record["quality"]["metric"] == "mae" and record["data"]["synthetic"] is not True:
        found.append(
            Quantity(
                *("error", "std. dev.", "greater", text.error, lambda each: each["quality"]["value"]),
                ("larger", "smaller"),
            )
        )
    return found


def _percentile(number: int) -> Callable[[Record], float | None]:
    def read(record: Record) -> float | None:
        known = record["latency"]["percentiles_us"]
        return None if known is None else float(known[number])

    return read


def _windows(records: list[Record]) -> list[float]:
    windows = [each["throughput_per_s"] for record in records for each in record["windows"]]
    medians = [each["throughput_per_s"] for each in records if each["throughput_per_s"] is not None]
    return windows or medians


def _ratio(
    result: Comparison, one: Measured, quantity: Quantity, first: list[float], second: list[float]
) -> Outcome:
    medians = median(first), median(second)
    change = interval = coverage = None
    verdict, said = "too few", "too few repeats"
    if min(first) <= 0 or min(second) <= 0:
        said = "too small to be measured: there is a zero"
    elif min(len(first), len(second)) < 2:
        change = medians[1] / medians[0]
    else:
        told = statistics.difference(second, first)
        change, coverage = told.ratio, told.interval.coverage
        interval = (told.interval.low, told.interval.high)
        if told.verdict == "none":
            verdict, said = "none", "no difference shown"
        elif told.told:
            verdict = "worse" if told.verdict == quantity.worse else "better"
            said = quantity.words[0] if verdict == "worse" else quantity.words[1]
    limit = 1 + result.threshold
    beyond = change is not None and (change > limit if quantity.worse == "greater" else change < 1 / limit)
    return Outcome(
        title=one.title,
        workload=one.workload,
        quantity=quantity.name,
        unit=quantity.unit,
        first=first,
        second=second,
        shown=(quantity.write(medians[0]), quantity.write(medians[1])),
        change=change,
        interval=interval,
        coverage=coverage,
        verdict=verdict,
        said=said,
        regression=verdict == "worse" and beyond,
    )


def _accuracy(result: Comparison, one: Measured, other: Measured) -> Outcome | None:
    sides = []
    for side in (one, other):
        # Of synthetic data and of random weights there is no accuracy.
        meaningless = side.facts["synthetic"] is True or side.facts.get("weights") == "random"
        values = [each["quality"]["value"] for each in side.ok if each["quality"]["value"] is not None]
        samples = _scored(side.ok[0])
        if side.ok[0]["quality"]["metric"] == "mae" or meaningless or not values or max(values) > 1:
            return None
        if not samples:
            return None
        sides.append((values, samples))
    (first, samples), (second, other_samples) = sides
    told = statistics.accuracy_difference(median(second), other_samples, median(first), samples)
    verdict = "none" if not told.told else "worse" if told.difference < 0 else "better"
    said = {"none": "no difference shown", "worse": "lower", "better": "higher"}[verdict]
    return Outcome(
        title=one.title,
        workload=one.workload,
        quantity="accuracy" if one.ok[0]["record"] == "run" else "top-1",
        unit="%",
        first=first,
        second=second,
        shown=(text.percent(median(first)), text.percent(median(second))),
        change=told.difference,
        interval=(told.interval.low, told.interval.high),
        coverage=told.interval.coverage,
        verdict=verdict,
        said=said,
        regression=verdict == "worse" and -told.difference > result.accuracy_threshold,
        is_difference=True,
    )


def _scored(record: Record) -> int | None:
    if record["record"] == "inference":
        known: int | None = record["quality"]["samples"]
        return known
    return record["sizes"]["test_samples"] or None


# Selectors


def _framework(record: Record) -> list[str]:
    used = record["framework"]
    return [str(used["version"]), f"{used['name']} {used['version']}", f"TF {used['version']}"]


_KEYS: dict[str, Callable[[Record], list[str]]] = {
    "host": lambda each: [each["host"]],
    "run": lambda each: [each["run_id"]],
    "session": lambda each: [each["session"]],
    "workload": lambda each: [each["workload"], each["title"]],
    "profile": lambda each: [each["profile"]],
    "variant": lambda each: [each["variant"]],
    "precision": lambda each: [str(each.get("precision") or each.get("model", {}).get("precision"))],
    "framework": _framework,
    "keras": lambda each: [str(each["framework"]["keras"])],
    "python": lambda each: [str(each["framework"]["python"])],
    "device": lambda each: [str((each["device"] or {}).get("kind"))],
    "threads": lambda each: [str(each["threads"]["intra"])],
    "engine": lambda each: [each["engine"]["name"]] if "engine" in each else [],
    "library": lambda each: [inference.library(each)] if "engine" in each else [],
    "model": lambda each: [each["model"]["id"]] if "model" in each else [],
    "input": lambda each: [str(each["data"]["input"])],
    "program": lambda each: [_program(each)],
}


def select(records: Iterable[Record], selector: str) -> list[Record]:
    """Return the records that ``selector`` picks: ``key=value``, several by commas; ``option.NAME=value`` too.

    ``environment.NAME=value`` picks by a variable of the environment, ``unset`` for one that was not set.

    Raises ReportError for a key that is not known, and where nothing is picked.
    """
    chosen = list(records)
    known = chosen
    for part in selector.split(","):
        key, _, value = (each.strip() for each in part.partition("="))
        if key.startswith("option."):
            name = key.removeprefix("option.")
            found = [each for each in chosen if str(each["options"].get(name, aggregate.UNSET)) == value]
        elif key.startswith("environment."):
            name = key.removeprefix("environment.")
            found = [
                each for each in chosen if each.get("environment", {}).get(name, aggregate.UNSET) == value
            ]
        elif key in _KEYS:
            found = [each for each in chosen if value in _KEYS[key](each)]
        else:
            raise ReportError(
                f"{text.one_line(part)}: not a selector. Use KEY=VALUE, where KEY is one of {', '.join(_KEYS)}, "
                "option.NAME or environment.NAME.",
                "selector-unknown",
            )
        if not found:
            values = (
                sorted({each for record in known for each in _KEYS[key](record)[:1]}) if key in _KEYS else []
            )
            known_values = text.one_line(text.shorten(", ".join(values), 200))
            remedy = (
                f"Expected {key} to be one of {known_values}." if values else "Check the name and the value."
            )
            raise ReportError(
                f"{text.one_line(selector)}: selects no record. {remedy}", "selector-matches-nothing"
            )
        chosen = found
    return chosen
