"""What telemetry says of a run: its energy, and what disturbed it, which is marked in every table."""

from collections.abc import Iterable
from typing import Any

from edgebench_report import text
from edgebench_report.text import Note

# By the kinds of the record schema; docs/telemetry.md says from when on each counts.
_WORDS = {
    "throttled": "throttling",
    "under-voltage": "supply voltage too low",
    "over-current": "current limited",
    "load": "other processes used the CPU",
    "steal": "other guests of the hypervisor used the CPU",
    "memory": "low memory",
    "clock": "clock limit or governor changed",
    "battery": "on battery",
    "unseen": "gaps in the telemetry",
}
_EVENTS = {"throttled": "throttling", "under-voltage": "under-voltage", "over-current": "over-current"}


def kinds(record: dict[str, Any]) -> list[str]:
    """Return the kinds of what disturbed a run, [] for none and where nobody looked."""
    told = record["telemetry"]
    return list(told.get("disturbed", [])) if told else []


def remarks(records: Iterable[dict[str, Any]]) -> list[Note]:
    """Return a footnote for each kind that disturbed one or more of the records, without numbers: tables share them."""
    seen = {kind for record in records for kind in kinds(record)}
    return [
        Note(f"disturbed-{kind}", f"disturbed: {words}") for kind, words in _WORDS.items() if kind in seen
    ]


def unknowns(records: Iterable[dict[str, Any]]) -> list[Note]:
    """Return a footnote for each event of which a host cannot say whether it happened to one or more of the records."""
    found: dict[str, str] = {}
    for record in records:
        told = record["telemetry"]
        for kind, why in (told.get("unknown", {}) if told else {}).items():
            found.setdefault(kind, why)
    return [
        Note(f"unknown-{kind}", f"{words}: unknown, {text.shorten(text.one_line(found[kind]), 240)}")
        for kind, words in _EVENTS.items()
        if kind in found
    ]


def said(record: dict[str, Any]) -> str:
    """Return what disturbed a run in the record's own words, empty for nothing."""
    if not kinds(record):
        return ""
    return text.shorten(text.one_line("; ".join(record["telemetry"].get("warnings", []))), 240)


def by_kind(records: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many of the records each kind disturbed, without those that disturbed none."""
    counts = {kind: sum(kind in kinds(record) for record in records) for kind in _WORDS}
    return {kind: count for kind, count in counts.items() if count}


def counted(records: list[dict[str, Any]]) -> str:
    """Return how many of the records were disturbed by what, empty for none."""
    found = [f"{_WORDS[kind]} ({count})" for kind, count in by_kind(records).items()]
    if not found:
        return ""
    disturbed = sum(bool(kinds(record)) for record in records)
    return f"{disturbed} of {len(records)}, marked in the tables: {', '.join(found)}"


def train_energy_j(run: dict[str, Any]) -> float | None:
    """Return the joules of a training, of the whole board or of what the record says; None where unknown."""
    return _energy_j(run, "train")


def test_energy_j(run: dict[str, Any]) -> float | None:
    """Return the joules of a test, as ``train_energy_j`` does."""
    return _energy_j(run, "test")


def _energy_j(run: dict[str, Any], phase: str) -> float | None:
    value: Any = run["telemetry"]
    for name in ("phases", phase, "energy", "total_j"):
        value = value.get(name) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def energy_per_inference_uj(record: dict[str, Any]) -> float | None:
    """Return the energy of one inference [µJ], measured by the runner or imported; None where unknown."""
    told = (record["telemetry"] or {}).get("energy_per_inference_j")
    if told is not None:
        return 1e6 * float(told)
    imported = record.get("imported", {}).get("energy", {}).get("median_uj_per_inference")
    return None if imported is None else float(imported)
