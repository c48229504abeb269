"""What was measured: the head of the report."""

from dataclasses import dataclass

from edgebench_report import text
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


def summarise(loaded: Loaded, facts: Facts) -> Summary:
    """Put the circumstances of everything that was read in words."""
    runs = loaded.runs
    statuses = [run["status"] for run in runs]
    counts = ", ".join(f"{statuses.count(each)} {each}" for each in _ORDER if each in statuses)
    workloads = {run["workload"] for run in runs}
    headline = (
        f"{text.plural(len(workloads), 'workload')} on {text.plural(len(facts.host_names), 'host')}, "
        f"{text.plural(len(runs), 'run')}: {counts}."
    )
    lines = [
        ("Runs", ", ".join(sorted({run["run_id"] for run in runs}))),
        ("Hosts", ", ".join(facts.host_names)),
        ("When", _span(runs)),
        ("Profile", ", ".join(each for each in PROFILES if each in facts.profiles)),
        ("Data", _data(runs, facts)),
        ("Framework", "; ".join(_frameworks(runs)) or "unknown"),
        ("Device", ", ".join(_devices(runs)) or "unknown"),
        ("Runner", ", ".join(_runners(runs))),
    ]
    if loaded.superseded:
        lines.append(
            ("Retried", f"{text.plural(len(loaded.superseded), 'earlier attempt')} not counted, in runs.csv")
        )
    if loaded.duplicates:
        lines.append(
            ("Copies", f"{text.plural(loaded.duplicates, 'record')} read more than once, counted once")
        )
    warnings = _warnings(runs, facts)
    if warnings:
        lines.append(("Warnings", f"{len(warnings)}, listed below the tables"))
    return Summary(headline, lines, _banners(runs, facts), warnings, loaded.problems)


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
    used = {run["workload"] for run in runs if run["data"]["synthetic"]}
    return [facts.title(each) for each in facts.workloads if each in used]


def _data(runs: list[Record], facts: Facts) -> str:
    synthetic = _synthetic(runs, facts)
    real_used = {run["workload"] for run in runs if run["data"]["synthetic"] is False}
    real = [facts.title(each) for each in facts.workloads if each in real_used]
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
        names = [facts.title(each) for each in facts.workloads if each in workloads]
        found.append(f"{host}, {', '.join(names)}: {warning}")
    for column in facts.columns:
        runners = _runners(column.runs)
        if len(runners) > 1:
            found.append(
                f"{column.label} holds runs of {len(runners)} versions of the runner: {', '.join(runners)}"
            )
    return found
