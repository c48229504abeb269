"""What was measured: the head of the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench_report import inference, telemetry, text
from edgebench_report.aggregate import PROFILES, Column, Record
from edgebench_report.load import Loaded, Problem
from edgebench_report.tables import Facts

_ORDER = ("ok", "oom", "timeout", "failed", "unsupported")


@dataclass(frozen=True)
class Summary:
    """The head of the report; every entry of ``lines`` is a (name, value) for a list of facts."""

    headline: str
    lines: list[tuple[str, str]]
    banners: list[str]
    warnings: list[str]
    problems: list[Problem]


def summarise(loaded: Loaded, facts: Facts, more_warnings: Sequence[str] = (), drift: str = "") -> Summary:
    """Put the circumstances of everything that was read in words; ``drift`` is what is known of that, in words."""
    # Explanations have circumstances of their own, which count where there is nothing else.
    runs = loaded.runs + loaded.inferences or loaded.explanations
    workloads = {run["workload"] for run in runs}
    parts = [
        f"{text.plural(len(records), name)}: {_counts(records)}"
        for records, name in (
            (loaded.runs, "run"),
            (loaded.inferences, "inference measurement"),
            (loaded.explanations, "explanation"),
        )
        if records
    ]
    headline = (
        f"{text.plural(len(workloads), 'workload')} on {text.plural(len(facts.host_names), 'host')}, "
        f"{'; '.join(parts)}."
    )
    profiles = {run["profile"] for run in runs if "profile" in run}
    lines = [
        ("Runs", ", ".join(sorted({run["run_id"] for run in runs}))),
        ("Hosts", ", ".join(facts.host_names)),
        ("When", _span(runs)),
        ("Profile", ", ".join(each for each in PROFILES if each in profiles) or "none: explanations alone"),
        ("Data", _data(runs, facts)),
        ("Framework", "; ".join(_frameworks(runs)) or "unknown"),
        ("Device", ", ".join(_devices(runs)) or "unknown"),
        ("Runner", ", ".join(_runners(runs))),
    ]
    if loaded.inferences:
        lines.insert(-2, ("Engines", ", ".join(_engines(loaded.inferences)) or "unknown"))
    if loaded.superseded:
        kinds = {each["record"] for each in loaded.superseded}
        files = [
            name for kind, name in (("run", "runs.csv"), ("inference", "inferences.csv")) if kind in kinds
        ]
        count = text.plural(len(loaded.superseded), "earlier attempt")
        lines.append(("Retried", f"{count} not counted, in {' and '.join(files)}"))
    if loaded.duplicates:
        lines.append(
            ("Copies", f"{text.plural(loaded.duplicates, 'record')} read more than once, counted once")
        )
    # Explanations watch other programs by themselves.
    disturbed = telemetry.counted(loaded.runs + loaded.inferences)
    if disturbed:
        lines.append(("Disturbed", disturbed))
    if drift:
        lines.append(("Drift", drift))
    warnings = _warnings(runs, facts) + [text.one_line(each) for each in more_warnings]
    if warnings:
        lines.append(("Warnings", f"{len(warnings)}, listed below the tables"))
    banners = _failures(loaded) + _banners(loaded.runs, facts) + _inference_banners(loaded.inferences)
    return Summary(headline, lines, banners, warnings, loaded.problems)


def _failures(loaded: Loaded) -> list[str]:
    """Return a line for each host that a playbook could not follow to the end of a run."""
    records = loaded.runs + loaded.inferences + loaded.explanations
    recorded = {(each["run_id"], each["host"]) for each in records}
    return [
        f"{host} {'may have more than is here' if (run_id, host) in recorded else 'is missing: it has no record'} "
        f"of the run {run_id}. {text.shorten(said, 400)}"
        for run_id, host, said in loaded.failures
    ]


def _counts(records: list[Record]) -> str:
    statuses = [each["status"] for each in records]
    return ", ".join(f"{statuses.count(each)} {each}" for each in _ORDER if each in statuses)


def _engines(inferences: list[Record]) -> list[str]:
    return sorted({inference.library(each) for each in inferences if each["engine"]["library"]})


def _inference_banners(inferences: list[Record]) -> list[str]:
    found = []
    below = {
        f"{each['engine']['name']} {each['model']['id']} on {each['host']} ({text.percent(each['quality']['value'])} %)"
        for each in inferences
        if inference.is_below_target(each)
    }
    if below:
        found.append(
            f"Keyword spotting misses the {100 * inference.TOP1_TARGET:.0f} % of top-1 accuracy that MLPerf Tiny asks "
            f"for: {text.one_line(text.spoken_list(sorted(below)))}. The speed of a network that does not do its work "
            "is no result."
        )
    hosts = sorted({each["host"] for each in inferences if each["model"]["weights"] == "random"})
    if hosts:
        found.append(
            f"Keyword spotting ran with random weights on {text.spoken_list(hosts)}: latencies mean what they say, "
            "accuracy there is none."
        )
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
        text.one_line(f"edgebench {version} ({'sha256 ' + digest[:12] if digest else 'not packed, no hash'})")
        for version, digest in found
    )


def _banners(runs: list[Record], facts: Facts) -> list[str]:
    found = []
    synthetic = _synthetic(runs, facts)
    if synthetic:
        found.append(
            f"Synthetic data was used for {text.spoken_list(synthetic)}: it has the shape, type and sparsity "
            "of the real data, so times mean what they say, but accuracies and errors mean nothing."
        )
    if "quick" in facts.profiles:
        found.append(
            "The quick profile runs the same networks with fewer samples and epochs. "
            "Its figures must not be compared with the published ones, which are of the paper profile."
        )
    return found


def _warnings(runs: list[Record], facts: Facts) -> list[str]:
    counted: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        synthetic = (
            [f"why synthetic: {run['data']['note']}"]
            if run["data"]["synthetic"] and run["data"]["note"]
            else []
        )
        for warning in [*run["warnings"], *synthetic]:
            counted.setdefault((run["host"], text.shorten(text.one_line(warning), 600)), set()).add(
                run["workload"]
            )
    found = []
    for (host, warning), workloads in sorted(counted.items()):
        found.append(f"{host}, {', '.join(_titles(workloads, facts))}: {warning}")
    found += _contradictions(runs, facts)
    for column in facts.columns:
        runners = _runners(column.runs)
        if len(runners) > 1:
            found.append(
                f"{column.label} holds runs of {len(runners)} versions of the runner: {', '.join(runners)}"
            )
    return found


def _contradictions(runs: list[Record], facts: Facts) -> list[str]:
    """Name what cannot be: it is shown as it was recorded, so that a reader knows not to trust it."""
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
        f"{host}: the clock went back during {text.plural(number, 'run')}, which ended before it began; durations are "
        "not taken from it"
        for host, number in sorted(back.items())
    ]
    found += [
        f"{host}, {', '.join(_titles(names, facts))}: an accuracy above 100 % was recorded, which cannot be"
        for host, names in sorted(above.items())
    ]
    return found
