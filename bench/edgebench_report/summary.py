"""What was measured: the head of the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench_report import inference, telemetry, text
from edgebench_report.aggregate import PROFILES, Column, Record
from edgebench_report.certainty import Examined
from edgebench_report.load import Loaded, Problem
from edgebench_report.tables import Facts
from edgebench_report.text import Note

_ORDER = ("ok", "oom", "timeout", "failed", "unsupported")
_KINDS = {"run": "run", "inference": "inference measurement", "explanation": "explanation"}


@dataclass(frozen=True)
class Fact:
    """One fact about all that was read; ``code`` identifies it, ``name`` and ``value`` are shown."""

    code: str
    name: str
    value: str


@dataclass(frozen=True)
class Summary:
    """The head of the report; ``counts`` are the records of each kind by status: {"run": {"ok": 3, "oom": 1}}.

    ``failures`` are hosts with missing records, ``banners`` what else a reader should know first.
    """

    headline: str
    counts: dict[str, dict[str, int]]
    facts: list[Fact]
    failures: list[Note]
    banners: list[Note]
    warnings: list[Note]
    problems: list[Problem]


def summarise(
    loaded: Loaded, facts: Facts, more_warnings: Sequence[Note] = (), drift: Examined | None = None
) -> Summary:
    """Put the circumstances of everything that was read in words."""
    # Explanations have circumstances of their own, which count where there is nothing else.
    runs = loaded.runs + loaded.inferences or loaded.explanations
    workloads = {run["workload"] for run in runs}
    read = {"run": loaded.runs, "inference": loaded.inferences, "explanation": loaded.explanations}
    counts = {kind: _counts(records) for kind, records in read.items() if records}
    parts = [
        f"{text.plural(sum(found.values()), _KINDS[kind])}: "
        + ", ".join(f"{count} {status}" for status, count in found.items())
        for kind, found in counts.items()
    ]
    headline = (
        f"{text.plural(len(workloads), 'workload')} on {text.plural(len(facts.host_names), 'host')}, "
        f"{'; '.join(parts)}."
    )
    profiles = {run["profile"] for run in runs if "profile" in run}
    shown = [
        Fact("run-ids", "Runs", ", ".join(sorted({run["run_id"] for run in runs}))),
        Fact("hosts", "Hosts", ", ".join(facts.host_names)),
        Fact("when", "When", _span(runs)),
        Fact(
            "profiles",
            "Profile",
            ", ".join(each for each in PROFILES if each in profiles) or "none: explanations only",
        ),
        Fact("data", "Data", _data(runs, facts)),
        Fact("frameworks", "Framework", "; ".join(_frameworks(runs)) or "unknown"),
        Fact("devices", "Device", ", ".join(_devices(runs)) or "unknown"),
        Fact("runners", "Runner", ", ".join(_runners(runs))),
    ]
    if loaded.inferences:
        shown.insert(-2, Fact("engines", "Engines", ", ".join(_engines(loaded.inferences)) or "unknown"))
    if loaded.superseded:
        kinds = {each["record"] for each in loaded.superseded}
        files = [
            name for kind, name in (("run", "runs.csv"), ("inference", "inferences.csv")) if kind in kinds
        ]
        count = text.plural(len(loaded.superseded), "earlier attempt")
        shown.append(Fact("retried", "Retried", f"{count} not counted; see {' and '.join(files)}"))
    if loaded.duplicates:
        copies = f"{text.plural(loaded.duplicates, 'record')} read more than once, counted once"
        shown.append(Fact("copies", "Copies", copies))
    # Explanations watch other programs by themselves.
    disturbed = telemetry.counted(loaded.runs + loaded.inferences)
    if disturbed:
        shown.append(Fact("disturbed", "Disturbed", disturbed))
    if drift is not None:
        shown.append(Fact("drift", "Drift", drift.said))
    warnings = _warnings(runs, facts) + [Note(each.code, text.one_line(each.text)) for each in more_warnings]
    if warnings:
        shown.append(Fact("warnings", "Warnings", f"{len(warnings)}, listed below the tables"))
    banners = _banners(loaded.runs, facts) + _inference_banners(loaded.inferences)
    return Summary(headline, counts, shown, _failures(loaded), banners, warnings, loaded.problems)


def _failures(loaded: Loaded) -> list[Note]:
    """Return a line for each host that a playbook could not follow to the end of a run."""
    records = loaded.runs + loaded.inferences + loaded.explanations
    recorded = {(each["run_id"], each["host"]) for each in records}
    found = []
    for run_id, host, said in loaded.failures:
        if (run_id, host) in recorded:
            code, what = "host-incomplete", f"{host} may have more records of the run {run_id} than are here."
        else:
            code, what = "host-missing", f"{host} is missing: it has no record of the run {run_id}."
        found.append(Note(code, f"{what} {text.shorten(said, 400)}"))
    return found


def _counts(records: list[Record]) -> dict[str, int]:
    statuses = [each["status"] for each in records]
    return {each: statuses.count(each) for each in _ORDER if each in statuses}


def _engines(inferences: list[Record]) -> list[str]:
    return sorted({inference.library(each) for each in inferences if each["engine"]["library"]})


def _inference_banners(inferences: list[Record]) -> list[Note]:
    found = []
    below = {
        f"{each['engine']['name']} {each['model']['id']} on {each['host']} ({text.percent(each['quality']['value'])} %)"
        for each in inferences
        if inference.is_below_target(each)
    }
    if below:
        said = (
            f"Keyword spotting is below the {100 * inference.TOP1_TARGET:.0f} % top-1 accuracy that MLPerf Tiny "
            f"requires: {text.one_line(text.spoken_list(sorted(below)))}. "
            "Do not use the speed of these networks as a result."
        )
        found.append(Note("below-target", said))
    hosts = sorted({each["host"] for each in inferences if each["model"]["weights"] == "random"})
    if hosts:
        said = (
            f"Keyword spotting ran with random weights on {text.spoken_list(hosts)}. Its latencies are valid, but it "
            "has no accuracy."
        )
        found.append(Note("random-weights", said))
    return found


def circumstance_rows(columns: list[Column]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return for every column its label and all its circumstances, for a list of them."""
    return [
        (column.label, [*column.circumstances, ("runs", ", ".join(_run_ids(column)))]) for column in columns
    ]


def _run_ids(column: Column) -> list[str]:
    return sorted({run["run_id"] for run in column.runs})


def _span(runs: list[Record]) -> str:
    runs = [run for run in runs if run["started_utc"] and run["finished_utc"]]
    if not runs:
        return "unknown"
    first, last = min(run["started_utc"] for run in runs), max(run["finished_utc"] for run in runs)
    if first[:10] == last[:10]:
        return f"{first[:10]}, {first[11:16]} to {last[11:16]} UTC"
    return f"{first[:10]} {first[11:16]} to {last[:10]} {last[11:16]} UTC"


def _synthetic(runs: list[Record], facts: Facts) -> list[str]:
    return _titles({run["workload"] for run in runs if run["data"]["synthetic"]}, facts)


def _titles(used: set[str], facts: Facts) -> list[str]:
    return [facts.title(each) for each in facts.every_workload if each in used]


def _data(runs: list[Record], facts: Facts) -> str:
    synthetic = _synthetic(runs, facts)
    real_used = {run["workload"] for run in runs if run["data"]["synthetic"] is False}
    real = _titles(real_used, facts)
    parts = ["real: " + ", ".join(real)] if real else []
    parts += ["synthetic: " + ", ".join(synthetic)] if synthetic else []
    return "; ".join(parts) or "unknown"


def _frameworks(runs: list[Record]) -> list[str]:
    found = set()
    for run in runs:
        used = run["framework"]
        if used["version"]:
            parts = [
                f"Keras {used['keras']}" if used["keras"] else "",
                f"NumPy {used['numpy']}" if used["numpy"] else "",
            ]
            name = f"{text.framework(used['name'])} {used['version']}"
            parts.append(f"Python {used['python']}" if used["python"] else "")
            found.add(", ".join([name, *filter(None, parts)]))
    return sorted(text.one_line(each) for each in found)


def _devices(runs: list[Record]) -> list[str]:
    used = [run["device"] for run in runs if run["device"]]
    found = set()
    for each in used:
        kind, name = each["kind"].upper(), text.one_line(each["name"] or "")
        found.add(f"{kind} ({name})" if name.upper() not in ("", kind) else kind)
    return sorted(found)


def _runners(runs: list[Record]) -> list[str]:
    found = {(run["runner"]["version"], run["runner"]["sha256"]) for run in runs if "imported" not in run}
    formats = {run["imported"]["format"] for run in runs if "imported" in run}
    return [text.one_line(f"imported from {each}") for each in sorted(formats)] + sorted(
        text.one_line(
            f"edgebench {version} ({'sha256 ' + digest[:12] if digest else 'run from a checkout, no hash'})"
        )
        for version, digest in found
    )


def _banners(runs: list[Record], facts: Facts) -> list[Note]:
    found = []
    synthetic = _synthetic(runs, facts)
    if synthetic:
        said = f"Synthetic data for {text.spoken_list(synthetic)}: times are valid, accuracies and errors are not."
        found.append(Note("synthetic-data", said))
    return found


def _warnings(runs: list[Record], facts: Facts) -> list[Note]:
    counted: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        synthetic = (
            [f"reason for synthetic data: {run['data']['note']}"]
            if run["data"]["synthetic"] and run["data"]["note"]
            else []
        )
        for warning in [*run["warnings"], *synthetic]:
            counted.setdefault((run["host"], text.shorten(text.one_line(warning), 600)), set()).add(
                run["workload"]
            )
    found = []
    for (host, warning), workloads in sorted(counted.items()):
        found.append(Note("run-warning", f"{host}, {', '.join(_titles(workloads, facts))}: {warning}"))
    found += _contradictions(runs, facts)
    for column in facts.columns:
        runners = _runners(column.runs)
        if len(runners) > 1:
            said = f"{column.label} has runs of {len(runners)} runner versions: {', '.join(runners)}"
            found.append(Note("runners-differ", said))
    return found


def _contradictions(runs: list[Record], facts: Facts) -> list[Note]:
    """Name impossible values: they are shown as recorded, so that a reader knows not to trust them."""
    back: dict[str, int] = {}
    above: dict[str, set[str]] = {}
    for run in runs:
        if run["started_utc"] and run["finished_utc"] and run["finished_utc"] < run["started_utc"]:
            back[run["host"]] = back.get(run["host"], 0) + 1
        # An explanation measures time alone.
        quality = run.get("quality") or {"metric": "none", "value": None}
        value = quality["value"]
        if quality["metric"] != "mae" and value is not None and value > 1:
            above.setdefault(run["host"], set()).add(run["workload"])
    found = [
        Note(
            "clock-went-back",
            f"{host}: the clock was set back during {text.plural(number, 'run')}, so the end is before the start. "
            "Durations are not affected",
        )
        for host, number in sorted(back.items())
    ]
    found += [
        Note(
            "accuracy-impossible",
            f"{host}, {', '.join(_titles(names, facts))}: an accuracy above 100 % was recorded, which is impossible",
        )
        for host, names in sorted(above.items())
    ]
    return found
