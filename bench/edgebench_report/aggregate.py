"""What may be compared with what.

Runs of one workload whose circumstances are the same form a ``Group``: repeats of one
measurement, which a median may summarise. A ``Column`` collects groups of different workloads
on one host under circumstances that have the same meaning for all of them. Two groups of the
same workload never share a column, so nothing is ever averaged over what differs.
"""

import json
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgebench.environment import CLOCKS

from edgebench_report import text

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]
Circumstances = dict[str, Hashable]

PROFILES = ("quick", "paper", "tuned")
UNSET = "unset"
# Of what is shown of an environment: flags of XLA and paths of libraries can be pages.
_LONGEST = 80

# Of the host and the software: they mean the same for every workload.
_WIDE = (
    "host",
    "profile",
    "variant",
    "precision",
    "framework",
    "keras",
    "numpy",
    "python",
    "device",
    "threads",
    "environment",
)
# Each is told apart only among runs that agree in those before it: a version of Keras that
# comes with its version of TensorFlow says nothing new.
_NESTED = ("framework", "keras", "numpy", "python")
_METRICS = (
    "train_total_s",
    "data_s",
    "build_s",
    "train_s",
    "test_s",
    "other_s",
    "wall_s",
    "quality",
    "mae_celsius",
)


@dataclass
class Group:
    """Repeats of one measurement: runs of one workload on one host under the same circumstances."""

    workload: str
    circumstances: Circumstances
    runs: list[Record] = field(default_factory=list)

    @property
    def ok(self) -> list[Record]:
        """The runs that finished."""
        return [run for run in self.runs if run["status"] == "ok"]


@dataclass
class Column:
    """One column of the tables: a host under one set of circumstances.

    ``differs`` holds just those circumstances, as short texts, that not all columns share, the
    profile first; ``circumstances`` holds all of them, as (name, value) texts.
    """

    host: str
    profile: str
    groups: dict[str, Group]
    wide: Circumstances
    differs: list[str] = field(default_factory=list)
    circumstances: list[tuple[str, str]] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The column in one line, as in a CSV header."""
        return " · ".join([self.host, *self.differs])

    @property
    def runs(self) -> list[Record]:
        """All runs of the column, workload by workload."""
        return [run for group in self.groups.values() for run in group.runs]


@dataclass(frozen=True)
class Statistic:
    """Median, extremes and number of the finished repeats; times in seconds, accuracy as ratio 0..1."""

    median: float
    low: float
    high: float
    count: int


def own_tags(found: list[Column]) -> list[list[str]]:
    """Return, for each column, of what tells it from others what tells it from others of its own host."""
    by_host: dict[str, list[Column]] = {}
    for column in found:
        by_host.setdefault(column.host, []).append(column)
    shared = {
        host: set.intersection(*(set(each.differs) for each in members)) for host, members in by_host.items()
    }
    return [[tag for tag in column.differs if tag not in shared[column.host]] for column in found]


def circumstances(run: Record) -> Circumstances:
    """Return everything about a run that makes its numbers incomparable with another's; None is unknown."""
    sizes, data, framework, threads = run["sizes"], run["data"], run["framework"], run["threads"]
    result: Circumstances = {
        "host": run["host"],
        "profile": run["profile"],
        "variant": run["variant"],
        "precision": run["precision"],
        "framework": None if framework["version"] is None else f"{framework['name']} {framework['version']}",
        "keras": framework["keras"],
        "numpy": framework["numpy"],
        "python": framework["python"],
        "device": run["device"] and run["device"]["kind"],
        "threads": (threads["intra"], threads["inter"]),
        "environment": environment(run),
        "synthetic": data["synthetic"],
        "sha256": data["sha256"],
        "input": data["input"],
        "sizes": tuple(sizes[each] for each in ("train_samples", "test_samples", "epochs", "batch")),
    }
    for name, value in run["options"].items():
        result[f"option {name}"] = (
            value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)
        )
    return result


def environment(record: Record) -> str | None:
    """Return what the process of a record inherited, as a JSON text that is equal for equal ones; None is unknown."""
    known = record.get("environment")
    return None if known is None else json.dumps(known, sort_keys=True, ensure_ascii=False)


def without_clocks(known: Hashable) -> tuple[str | None, str | None]:
    """Split a text of ``environment`` in two: without the settings of the clocks, and these alone; None is unknown."""
    variables = _variables(known)
    if variables is None:
        return None, None
    clocks = {name: value for name, value in variables.items() if name in CLOCKS}
    parts = {name: value for name, value in variables.items() if name not in CLOCKS}, clocks
    return tuple(json.dumps(each, sort_keys=True, ensure_ascii=False) for each in parts)  # type: ignore[return-value]


def columns(runs: Iterable[Record], workload_order: Iterable[str]) -> list[Column]:
    """Arrange runs in columns, sorted by host and profile; workloads in ``workload_order``, then by name."""
    ordered = sorted(runs, key=_run_order)
    groups = _groups(ordered)
    order = list(workload_order)
    found = _place(groups, order)
    for column in found:
        known = [each for each in order if each in column.groups]
        column.groups = {
            each: column.groups[each] for each in known + sorted(set(column.groups) - set(known))
        }
    _name(found, groups)
    return sorted(
        found, key=lambda each: (each.host, PROFILES.index(each.profile), each.differs, each.circumstances)
    )


def samples(found: list[Column]) -> "pd.DataFrame":
    """Return one row a run: the column's number, the workload, the status and every measured value."""
    import pandas as pd  # takes longer to import than all the rest that aggregating needs

    rows = [
        {"column": number, "workload": name, "status": run["status"], **measured(run)}
        for number, column in enumerate(found)
        for name, group in column.groups.items()
        for run in group.runs
    ]
    known = ["column", "workload", "status", *_METRICS]
    return pd.DataFrame(rows, columns=known).astype(dict.fromkeys(_METRICS, "float64"))


def measured(run: Record) -> dict[str, float | None]:
    """Return the values of a run in seconds, the quality in its unit, the error in °C; None where missing.

    ``train_total_s`` is building and training together, the counterpart of the 2019 report's training
    time; ``other_s`` is what of the run's wall clock time is neither data, build, training nor test.
    """
    times = run["times"]
    parts = [times[each] for each in ("data_s", "build_s", "train_s", "test_s")]
    whole = None not in parts and times["wall_s"] is not None
    return {
        "train_total_s": _train_total(run),
        **{each: times[each] for each in ("data_s", "build_s", "train_s", "test_s", "wall_s")},
        # Times are rounded apart, so that a sum may pass the whole by a hair.
        "other_s": max(0.0, times["wall_s"] - sum(parts)) if whole else None,
        "quality": run["quality"]["value"],
        "mae_celsius": run["quality"].get("mae_celsius"),
    }


def _train_total(run: Record) -> float | None:
    built, trained = run["times"]["build_s"], run["times"]["train_s"]
    if built is None and run.get("imported", {}).get("train_includes_build"):
        built = 0.0
    return None if built is None or trained is None else float(built + trained)


def statistics(frame: "pd.DataFrame") -> dict[tuple[int, str, str], Statistic]:
    """Summarise the finished runs of ``samples``: (column number, workload, metric) to its Statistic."""
    ok = frame[frame["status"] == "ok"]
    long = ok.melt(id_vars=["column", "workload"], value_vars=list(_METRICS), var_name="metric").dropna()
    table = long.groupby(["column", "workload", "metric"])["value"].agg(["median", "min", "max", "count"])
    return {
        (int(column), str(workload), str(metric)): Statistic(
            float(row[0]), float(row[1]), float(row[2]), int(row[3])
        )
        for (column, workload, metric), row in zip(table.index, table.to_numpy(), strict=True)
    }


def _run_order(run: Record) -> tuple[Any, ...]:
    return (
        run["host"],
        run["run_id"],
        run["workload"],
        run["repeat"],
        run["started_utc"] or "",
        run["session"],
    )


def _groups(runs: list[Record]) -> list[Group]:
    exact: dict[tuple[Any, ...], Group] = {}
    for run in runs:
        facts = circumstances(run)
        key = (run["workload"], *sorted(facts.items(), key=lambda item: item[0]))
        exact.setdefault(key, Group(run["workload"], facts)).runs.append(run)
    finished = [each for each in exact.values() if each.ok]
    result = list(finished)
    for group in exact.values():
        if not group.ok:
            _join_unfinished(group, finished, result)
    return result


def _join_unfinished(group: Group, finished: list[Group], result: list[Group]) -> None:
    """Add a group that never finished to the repeats it belongs to: it may not know all its circumstances."""
    home = [each for each in finished if each.workload == group.workload and _agree(group, each)]
    if not home:
        home = [each for each in result if each not in finished and each.workload == group.workload]
        home = [each for each in home if _agree(group, each)]
    if home:
        sessions = {run["session"] for run in group.runs}
        home.sort(key=lambda each: sessions.isdisjoint(run["session"] for run in each.runs))
        home[0].runs.extend(group.runs)
        home[0].runs.sort(key=_run_order)
    else:
        result.append(group)


def _agree(one: Group, other: Group) -> bool:
    names = one.circumstances.keys() | other.circumstances.keys()
    return all(
        _same(one.circumstances.get(each, UNSET), other.circumstances.get(each, UNSET)) for each in names
    )


def _same(one: Hashable, other: Hashable) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(_same(*pair) for pair in zip(one, other, strict=True))
    return one is None or other is None or one == other


def _telling(groups: list[Group]) -> set[tuple[str, str, str]]:
    """Find what tells groups of one workload and profile apart: (workload, profile, circumstance)."""
    found: set[tuple[str, str, str]] = set()
    for workload, profile in {(each.workload, str(each.circumstances["profile"])) for each in groups}:
        peers = [
            each for each in groups if each.workload == workload and each.circumstances["profile"] == profile
        ]
        for name in {name for each in peers for name in each.circumstances} - set(_WIDE):
            # Synthetic data has another hash than the real one as a matter of course.
            kinds = {each.circumstances["synthetic"] for each in peers} if name == "sha256" else {None}
            for kind in kinds:
                alike = [each for each in peers if kind is None or each.circumstances["synthetic"] == kind]
                values = {each.circumstances.get(name, UNSET) for each in alike} - {None}
                if any(not _same(one, other) for one in values for other in values):
                    found.add((workload, profile, name))
    return found


def _telling_by_scope(groups: list[Group]) -> dict[tuple[Hashable, ...], set[str]]:
    """Find what tells the groups of one host and software apart: by the scope of a group, names."""
    scopes: dict[tuple[Hashable, ...], list[Group]] = {}
    for group in groups:
        scopes.setdefault(_scope(group.circumstances), []).append(group)
    return {scope: {name for _, _, name in _telling(members)} for scope, members in scopes.items()}


def _scope(facts: Circumstances) -> tuple[Hashable, ...]:
    return tuple(facts[each] for each in _WIDE)


def _place(groups: list[Group], order: list[str]) -> list[Column]:
    told_apart = _telling_by_scope(groups)
    several: dict[tuple[Hashable, str], int] = {}
    for group in groups:
        key = (group.circumstances["host"], group.workload)
        several[key] = several.get(key, 0) + 1

    def first_those_that_decide(group: Group) -> tuple[Any, ...]:
        facts = group.circumstances
        position = order.index(group.workload) if group.workload in order else len(order)
        return (
            str(facts["host"]),
            sum(facts[each] is None for each in _WIDE),
            not group.ok,
            -several[facts["host"], group.workload],
            position,
            group.workload,
            bool(facts["synthetic"]),
            repr(sorted(facts.items(), key=lambda item: item[0])),
        )

    found: list[Column] = []
    for group in sorted(groups, key=first_those_that_decide):
        fitting = [
            each for each in found if group.workload not in each.groups and _fits(group, each, told_apart)
        ]
        if fitting:
            best = max(fitting, key=lambda each: _likeness(group, each))
            best.groups[group.workload] = group
        else:
            facts = group.circumstances
            wide = {each: facts[each] for each in _WIDE}
            found.append(Column(str(facts["host"]), str(facts["profile"]), {group.workload: group}, wide))
    return found


def _fits(group: Group, column: Column, told_apart: dict[tuple[Hashable, ...], set[str]]) -> bool:
    if not all(_same(group.circumstances[each], column.wide[each]) for each in _WIDE):
        return False
    # Known before anything is run, so that only older and imported records do not tell it.
    if group.circumstances["environment"] != column.wide["environment"]:
        return False
    # An option given by the user, and whether data is real, have one meaning for all workloads;
    # the hash, the form of the input and the sizes are each workload's own.
    names = told_apart.get(_scope(column.wide), set())
    for name in (each for each in names if each == "synthetic" or each.startswith("option ")):
        own = group.circumstances.get(name)
        if any(not _same(own, other.circumstances.get(name)) for other in column.groups.values()):
            return False
    return True


def _likeness(group: Group, column: Column) -> int:
    return sum(
        other.circumstances.get(name) == value
        for other in column.groups.values()
        for name, value in group.circumstances.items()
        if name not in _WIDE
    )


def _name(found: list[Column], groups: list[Group]) -> None:
    telling, by_scope = _telling(groups), _telling_by_scope(groups)
    shown = ["profile"] + [each for each in _WIDE[2:-1] if _told_apart(found, each)]
    variables = _environment_tags(found)
    for column in found:
        column.differs = [text.one_line(wide_text(name, column.wide[name])) for name in shown]
        column.differs += variables[id(column)]
        names = {name for _, profile, name in telling if profile == column.profile}
        if "synthetic" not in by_scope.get(_scope(column.wide), ()):
            # Another host's data says nothing about this one; every cell on synthetic data is marked.
            names.discard("synthetic")
        for name in sorted(names):
            values = {
                own_text(name, group.circumstances.get(name))
                for group in column.groups.values()
                if (group.workload, column.profile, name) in telling
                and group.circumstances.get(name) is not None
            }
            if values:
                # Sizes are many numbers, and each workload has its own: Table 2 is the place for them.
                brief = (
                    "sizes: see Table 2"
                    if name == "sizes" and len(values) > 1
                    else " / ".join(sorted(values))
                )
                column.differs.append(text.one_line(brief))
        column.circumstances = [(name, wide_text(name, column.wide[name])) for name in _WIDE[1:]]
        for name in sorted(
            {name for group in column.groups.values() for name in group.circumstances} - set(_WIDE)
        ):
            if name not in ("sha256", "sizes"):
                values = {own_text(name, group.circumstances.get(name)) for group in column.groups.values()}
                column.circumstances.append(
                    (name.removeprefix("option ").replace("_", " "), " / ".join(sorted(values)))
                )
    _number_namesakes(found)


def _environment_tags(found: list[Column]) -> dict[int, list[str]]:
    """Return for each column, by its ``id``, the variables that tell it from others, as short texts.

    A variable that is set is named if it is not the same everywhere; one that is not, only if it is set on the same
    host under other circumstances.
    """
    known = {id(column): _variables(column.wide["environment"]) for column in found}
    result: dict[int, list[str]] = {}
    for column in found:
        own = known[id(column)]
        peers = [known[id(each)] for each in found if each.host == column.host]
        if own is None:
            is_told = any(each is not None for each in peers)
            result[id(column)] = [text_of_environment(None)] if is_told else []
            continue
        telling = {
            name for name in own if any((each or {}).get(name) != own[name] for each in known.values())
        }
        unset = sorted({name for each in peers for name in each or {}} - set(own))
        tags = [text_of_environment(json.dumps({name: own[name] for name in telling}))] if telling else []
        if unset:
            tags.append(text.shorten(text.one_line(", ".join(unset)), _LONGEST) + f" {UNSET}")
        result[id(column)] = tags
    return result


def _variables(value: Hashable) -> dict[str, str] | None:
    return None if value is None else json.loads(str(value))


def text_of_environment(value: Hashable) -> str:
    """Return what ``environment`` told, as a short text: "OMP_NUM_THREADS=1"."""
    variables = _variables(value)
    if variables is None:
        return "environment unknown"
    told = ", ".join(f"{name}={each}" for name, each in sorted(variables.items()))
    return text.shorten(text.one_line(told), _LONGEST) or "default environment"


def _told_apart(found: list[Column], name: str) -> bool:
    outer = _NESTED[: _NESTED.index(name)] if name in _NESTED else ()
    values: dict[tuple[Hashable, ...], set[Hashable]] = {}
    for column in found:
        values.setdefault(tuple(column.wide[each] for each in outer), set()).add(column.wide[name])
    return any(len(each) > 1 for each in values.values())


def _number_namesakes(found: list[Column]) -> None:
    by_label: dict[str, list[Column]] = {}
    for column in found:
        by_label.setdefault(column.label, []).append(column)
    for namesakes in by_label.values():
        for number, column in enumerate(namesakes[1:], 2):
            column.differs.append(f"set {number}")


def wide_text(name: str, value: Hashable) -> str:
    """Return a circumstance of the host or the software as a short text: "TF 2.21.0", "2 threads"."""
    if name == "threads":
        intra, inter = value if isinstance(value, tuple) else (None, None)
        if not intra:
            return "default threads"
        return (
            text.plural(intra, "thread")
            if inter in (intra, None, 0)
            else f"{intra} intra-op, {inter} inter-op threads"
        )
    if name == "environment":
        return text_of_environment(value)
    if name == "device":
        return "device unknown" if value is None else str(value).upper()
    if value is None:
        return f"{name} unknown"
    if name == "framework":
        return str(value).replace("tensorflow", "TF")
    proper = {"keras": "Keras", "numpy": "NumPy", "python": "Python"}
    return f"{proper[name]} {value}" if name in proper else str(value)


def own_text(name: str, value: Hashable) -> str:
    """Return a circumstance of a workload as a short text: "synthetic data", "steps per execution 10"."""
    if name == "synthetic":
        return "data unknown" if value is None else "synthetic data" if value is True else "real data"
    if name == "sha256":
        return "data hash unknown" if value is None else f"data {str(value)[:8]}"
    if name == "input":
        return "input form unknown" if value is None else f"{str(value).replace('_', ' ')} input"
    if name == "sizes" and isinstance(value, tuple):
        train, test, epochs, batch = ("?" if each is None else each for each in value)
        return f"{train}+{test} samples, {epochs} epochs, batch {batch}"
    return f"{name.removeprefix('option ').replace('_', ' ')} {UNSET if value is None else value}"
