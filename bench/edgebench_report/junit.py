"""Runs and comparisons as JUnit's XML, which CI systems show as tests.

What is written holds against the schema of Jenkins (its xunit plugin's junit-10.xsd), which lets a test case have no
properties: what was measured is in its ``system-out``, a column of the export a line.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

# It writes and never reads, so there is nothing to be defused.
from xml.etree import ElementTree

from edgebench_report import text
from edgebench_report.compare import Comparison, Outcome, Pair
from edgebench_report.export import COLUMNS, Value
from edgebench_report.load import Problem
from edgebench_report.statistics import CONFIDENCE

# Beyond printable characters XML 1.0 has no place for these.
_NOT_XML = re.compile("[\ufffe\uffff]")
_LONGEST = 4000
OUTCOMES = ("passed", "failure", "error", "skipped")
# What all runs of a host usually share: properties of the suite, where they do.
_SHARED = (
    *("run_id", "profile", "framework", "framework_version", "keras", "numpy", "python"),
    *("device_kind", "device_name", "runner_version", "runner_sha256"),
)


@dataclass(frozen=True)
class Case:
    """One test. ``outcome`` is one of OUTCOMES; ``time_s`` is None where unknown."""

    group: str
    name: str
    outcome: str = "passed"
    kind: str = ""
    message: str = ""
    time_s: float | None = None
    output: str = ""


@dataclass
class Suite:
    """Tests under a name; ``started_utc`` is ISO 8601 or empty, ``properties`` are names and values."""

    name: str
    cases: list[Case] = field(default_factory=list)
    host: str = ""
    started_utc: str = ""
    properties: dict[str, str] = field(default_factory=dict)

    def counted(self, outcome: str) -> int:
        """Return how many cases came out so."""
        return sum(each.outcome == outcome for each in self.cases)


def of_runs(
    rows: Iterable[dict[str, Value]],
    left_out: Sequence[Problem] = (),
    unfinished: Sequence[tuple[str, str, str]] = (),
) -> list[Suite]:
    """Return a suite for each run of a host, a case for each row of the export that counts.

    A run that is not ok is a failure, one that the host cannot do (``unsupported``) is skipped. Each of ``left_out`` is
    an error, and so is each of ``unfinished``: (run id, host, why) of a host that the playbook could not follow to the
    end.
    """
    by_run: dict[tuple[str, str], list[dict[str, Value]]] = {}
    for row in rows:
        if row["counts"]:
            by_run.setdefault((str(row["host"]), str(row["run_id"])), []).append(row)
    why = {(host, run_id): said for run_id, host, said in unfinished}
    hosts = [host for host, _ in {**by_run, **why}]
    suites = []
    for host, run_id in sorted({**by_run, **why}):
        members = by_run.get((host, run_id), [])
        # A name stays the same from run to run, so that CI systems know a test again; two runs in one file need two.
        name = host if hosts.count(host) == 1 else f"{host}.{run_id}"
        started = min((str(each["started_utc"]) for each in members if each["started_utc"]), default="")
        suite = Suite(name, host=host, started_utc=started, properties=_shared(members))
        suite.cases += [_run(name, row) for row in members]
        if (host, run_id) in why:
            suite.cases.append(
                Case(name, "completed", "error", "host-unfinished", why[host, run_id] or "no reason recorded")
            )
        suites.append(suite)
    if left_out:
        lines = [(each.code, text.one_line(str(each))) for each in left_out]
        cases = [Case("records", line, "error", code, line) for code, line in lines]
        suites.append(Suite("records", cases))
    return suites


def _shared(rows: list[dict[str, Value]]) -> dict[str, str]:
    found = {name: {row[name] for row in rows} - {None} for name in _SHARED}
    return {name: str(*values) for name, values in found.items() if len(values) == 1}


def _run(group: str, row: dict[str, Value]) -> Case:
    status = str(row["status"])
    outcome = {"ok": "passed", "unsupported": "skipped"}.get(status, "failure")
    is_training = row["record"] == "run"
    took = row["train_total_s"] if is_training and status == "ok" else row["wall_s"]
    known = [(column.name, row[column.name]) for column in COLUMNS if row[column.name] not in (None, "[]")]
    return Case(
        group=f"{group}.{row['workload']}",
        name=_training(row) if is_training else _inference(row),
        outcome=outcome,
        kind="" if outcome == "passed" else status,
        message="" if outcome == "passed" else str(row["reason"] or status),
        time_s=None if took is None else float(took),
        output="".join(f"{name}: {value}\n" for name, value in known),
    )


def _training(row: dict[str, Value]) -> str:
    variant = "" if row["variant"] == "published" else f"{row['variant']} "
    options = "" if row["options"] == "{}" else f" {row['options']}"
    return f"{row['profile']} {variant}{row['precision']}{options} repeat {row['repeat']}"


def _inference(row: dict[str, Value]) -> str:
    threads = f"{row['threads_intra'] or '?'} thread{'' if row['threads_intra'] == 1 else 's'}"
    return (
        f"{row['profile']} {row['engine']} {row['model']} ({row['model_form'] or 'unknown form'}), {threads}"
    )


def of_comparison(found: Comparison) -> list[Suite]:
    """Return a suite for each two things that were compared, a case for each quantity, and what was set apart.

    A regression is a failure; what has too few repeats, or finishes on neither side, or was set apart is skipped.
    Where nothing can be told (exit code 2) there is an error, so that no gate passes by comparing nothing.
    """
    suites: dict[str, Suite] = {}
    for pair in found.pairs:
        first, second = pair.first.facts["host"], pair.second.facts["host"]
        group = str(first) if first == second else f"{first} to {second}"
        suite = suites.setdefault(group, Suite(group, properties=_sides(found)))
        suite.cases += [_outcome(found, group, pair, each) for each in pair.outcomes]
    made = list(suites.values())
    if found.apart:
        cases = [
            Case(
                f"not compared.{each.workload}",
                f"{each.side}: {each.reason}",
                "skipped",
                each.code,
                each.reason,
            )
            for each in found.apart
        ]
        made.append(Suite("not compared", cases, properties=_sides(found)))
    if found.exit_code == 2:
        code, message = (
            ("repeats-too-few", "too few repeats to show a difference")
            if found.pairs
            else ("nothing-compared", "nothing could be compared")
        )
        case = Case("compare", "comparable", "error", code, message)
        made.append(Suite("compare", [case], properties=_sides(found)))
    return made


def _sides(found: Comparison) -> dict[str, str]:
    return {
        "a": found.names[0],
        "b": found.names[1],
        "threshold": f"{found.threshold:g}",
        "accuracy_threshold": f"{found.accuracy_threshold:g}",
        "confidence": f"{CONFIDENCE:g}",
    }


def _outcome(found: Comparison, group: str, pair: Pair, outcome: Outcome) -> Case:
    facts = pair.second.facts
    parts = [outcome.quantity, str(facts["profile"])]
    if "engine" in facts:
        parts += [str(facts["engine"]), str(facts["model"])]
    unit = f" {outcome.unit}" if outcome.unit else ""
    said = f"{outcome.quantity}: {outcome.shown[0]}{unit} in A, {outcome.shown[1]}{unit} in B"
    if outcome.interval is not None:
        low, high = (
            f"{100 * each:+.2f}" if outcome.is_difference else f"{each:.3f}" for each in outcome.interval
        )
        said += f", {'B - A' if outcome.is_difference else 'B / A'} within {low} … {high}"
    said += f": {outcome.said}"
    differing = "".join(f"differs: {name} {one} to {other}\n" for name, one, other in pair.differing)
    untold = outcome.verdict == "too few" or (outcome.quantity == "finishes" and outcome.verdict == "none")
    result = "failure" if outcome.regression else "skipped" if untold else "passed"
    return Case(
        group=f"{group}.{outcome.workload}",
        name=", ".join(parts),
        outcome=result,
        kind=outcome.verdict if result == "failure" else "",
        message="" if result == "passed" else said,
        time_s=median(outcome.second) if outcome.unit == "s" and outcome.second else None,
        output=f"{said}\n{differing}",
    )


def as_xml(suites: Sequence[Suite]) -> str:
    """Return suites as a JUnit document. What no XML may hold, and what steers the reader, is left out of all texts."""
    root = ElementTree.Element("testsuites", _counts(suites))
    for suite in suites:
        attributes = {"name": clean(suite.name), **_counts([suite]), "skipped": str(suite.counted("skipped"))}
        if suite.host:
            attributes["hostname"] = clean(suite.host)
        if suite.started_utc:
            # The form has no zone, it is UTC by custom.
            attributes["timestamp"] = clean(suite.started_utc).removesuffix("Z")
        element = ElementTree.SubElement(root, "testsuite", attributes)
        if suite.properties:
            properties = ElementTree.SubElement(element, "properties")
            for name, value in suite.properties.items():
                ElementTree.SubElement(properties, "property", {"name": clean(name), "value": clean(value)})
        taken: dict[tuple[str, str], int] = {}
        for case in suite.cases:
            _add(element, case, taken)
    ElementTree.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def _counts(suites: Sequence[Suite]) -> dict[str, str]:
    times = [case.time_s for suite in suites for case in suite.cases if case.time_s is not None]
    return {
        "tests": str(sum(len(each.cases) for each in suites)),
        "failures": str(sum(each.counted("failure") for each in suites)),
        "errors": str(sum(each.counted("error") for each in suites)),
        "time": f"{sum(times):.3f}",
    }


def _add(suite: ElementTree.Element, case: Case, taken: dict[tuple[str, str], int]) -> None:
    group, name = clean(case.group), clean(case.name)
    number = taken[group, name] = taken.get((group, name), 0) + 1
    # Of two tests of one name CI systems show one.
    attributes = {"classname": group, "name": name if number == 1 else f"{name} ({number})"}
    if case.time_s is not None:
        attributes["time"] = f"{case.time_s:.3f}"
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.outcome != "passed":
        result = ElementTree.SubElement(element, case.outcome, {"message": clean(case.message)})
        if case.kind:
            result.set("type", clean(case.kind))
        if case.outcome != "skipped":
            # GitLab shows this and not the attribute.
            result.text = clean(case.message)
    if case.output:
        ElementTree.SubElement(element, "system-out").text = clean(case.output, _LONGEST * 4)


def clean(words: str, longest: int = _LONGEST) -> str:
    """Return ``words`` as XML 1.0 can hold them, lines kept, without controls and at most ``longest`` characters.

    ``[[``, which makes Jenkins and GitLab publish the file that a host names in its output, is taken apart.
    """
    kept = "".join(
        each for each in words if each == "\n" or unicodedata.category(each) not in ("Cc", "Cf", "Cs")
    )
    return text.shorten(re.sub(r"\[(?=\[)", "[ ", _NOT_XML.sub("", kept)), longest)
