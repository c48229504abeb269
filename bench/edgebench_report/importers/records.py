"""Records of our schema for what another program measured."""

import hashlib
import json
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from edgebench_report import text
from edgebench_report.errors import ReportError
from edgebench_report.importers.source import Source
from edgebench_report.load import SCHEMA_FILE, Record

NO_DATE = "the log has no date"
NOT_SAID = "the log does not say"


def common(kind: str, run_id: str, host: str, sources: list[Source]) -> Record:
    """Return what every record has; the session is made of the files, so that importing twice makes copies."""
    digest = hashlib.sha256("".join(sorted(each.sha256 for each in sources)).encode("ascii"))
    return {
        "schema": 2,
        "record": kind,
        "run_id": run_id,
        "session": digest.hexdigest()[:12],
        "host": host,
        "runner": {"version": "another program", "sha256": None},
    }


def imported(sources: list[Source], form: str, inferred: dict[str, str], **more: Any) -> Record:
    """Return the object that says where a record comes from; ``inferred`` by dotted path."""
    return {
        "files": [each.said for each in sources],
        "format": form,
        "inferred": dict(sorted(inferred.items())),
        **more,
    }


def measured_by_another() -> Record:
    """Return the parts of a run or an inference record that no log of another program knows."""
    return {
        "started_utc": None,
        "finished_utc": None,
        "profile": "paper",
        "variant": "published",
        "attempt": 1,
        "status": "ok",
        "reason": None,
        "traceback": None,
        "seed": None,
        "telemetry": None,
        "warnings": [],
    }


def fill_missing(record: Record, reasons: dict[str, str]) -> Record:
    """Give each null of ``record`` that has no reason yet one: from ``reasons``, else that the log does not say."""
    missing = record["missing"]
    for path in _nulls(record, ""):
        if path not in missing and path not in _PLAIN_NULLS:
            missing[path] = reasons.get(path, NOT_SAID)
    record["missing"] = dict(sorted(missing.items()))
    return record


# Null in a record of our own as well, where there is nothing to say.
_PLAIN_NULLS = ("reason", "traceback", "telemetry", "data.note", "runner.sha256", "imported.local_time")


def _nulls(value: Any, path: str) -> list[str]:
    if value is None:
        return [path]
    if isinstance(value, dict):
        return [
            found
            for name, each in value.items()
            if name != "missing"
            for found in _nulls(each, f"{path}.{name}" if path else name)
        ]
    return []


def lines(records: list[Record]) -> str:
    """Return records as JSON lines; raise ReportError, naming the fault, for one that is not valid.

    The latter is a fault of the importer and not of its input.
    """
    validator = Draft7Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))
    for record in records:
        wrong = best_match(validator.iter_errors(record))
        if wrong:
            names = ", ".join(each["name"] for each in record["imported"]["files"])
            what = text.shorten(text.one_line(f"{wrong.json_path}: {wrong.message}"), 200)
            raise ReportError(
                f"{names}: the importer made an invalid record: {what}. Report this as a bug.",
                "imported-record-invalid",
            )
    return "".join(json.dumps(each, sort_keys=True, allow_nan=False) + "\n" for each in records)
