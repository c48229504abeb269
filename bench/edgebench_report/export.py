"""Records as a tidy table for other programs: a row a run or measurement, columns that stay.

``COLUMNS`` is the schema; docs/export.md is its description, and a test holds the two together. A column is never
renamed or given another meaning within one ``VERSION``; new ones come at the end.
"""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench_report import aggregate, telemetry, text
from edgebench_report.load import Loaded, Record

VERSION = 1
METADATA_KEY = "edgebench_export_schema"

Value = str | int | float | bool | None
_Read = Callable[[Record], Any]


@dataclass(frozen=True)
class Field:
    """One column: its name with the unit, its type in SQL, how it is read from a record."""

    name: str
    kind: str
    read: _Read


def _at(path: str) -> _Read:
    names = path.split(".")

    def read(record: Record) -> Any:
        value: Any = record
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return read


def _listed(path: str, name: str | None = None) -> _Read:
    """Read a list as JSON text: tables have no lists that every program knows."""
    find = _at(path)

    def read(record: Record) -> str | None:
        found = find(record)
        if found is None:
            return None
        return json.dumps([each[name] for each in found] if name else found)

    return read


def _percentile(number: int) -> _Read:
    def read(record: Record) -> float | None:
        known = _at("latency.percentiles_us")(record)
        return None if known is None else float(known[number])

    return read


def _total(record: Record) -> float | None:
    return aggregate.measured(record)["train_total_s"] if record["record"] == "run" else None


def _options(record: Record) -> str:
    return json.dumps(record["options"], sort_keys=True)


def _precision(record: Record) -> str | None:
    known: str | None = (record if record["record"] == "run" else record["model"])["precision"]
    return known


def _warnings(record: Record) -> str:
    return json.dumps([text.one_line(each) for each in record["warnings"]], ensure_ascii=False)


_TEXT, _INTEGER, _REAL, _TRUTH = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN"


def _fields(kind: str, *paths: str, prefix: str = "") -> list[Field]:
    return [Field(prefix + path.rsplit(".", 1)[-1], kind, _at(path)) for path in paths]


COLUMNS: tuple[Field, ...] = (
    Field("export_schema", _INTEGER, lambda _: VERSION),
    *_fields(_TEXT, "record", "run_id", "session", "host", "workload", "title", "profile", "variant"),
    Field("options", _TEXT, _options),
    *_fields(_INTEGER, "repeat", "attempt"),
    Field("counts", _TRUTH, _at("counts")),
    *_fields(_TEXT, "status", "reason", "started_utc", "finished_utc"),
    # Circumstances
    Field("framework", _TEXT, _at("framework.name")),
    Field("framework_version", _TEXT, _at("framework.version")),
    *_fields(_TEXT, "framework.keras", "framework.numpy", "framework.python"),
    Field("device_kind", _TEXT, _at("device.kind")),
    Field("device_name", _TEXT, _at("device.name")),
    Field("precision", _TEXT, _precision),
    Field("threads_intra", _INTEGER, _at("threads.intra")),
    Field("threads_inter", _INTEGER, _at("threads.inter")),
    Field("seed", _INTEGER, _at("seed")),
    *_fields(_TEXT, "data.name", "data.source", prefix="data_"),
    Field("data_synthetic", _TRUTH, _at("data.synthetic")),
    *_fields(_TEXT, "data.sha256", "data.input", prefix="data_"),
    *_fields(
        _INTEGER,
        *("sizes.train_samples", "sizes.test_samples", "sizes.epochs", "sizes.batch", "sizes.test_batch"),
    ),
    Field(
        "parameters",
        _INTEGER,
        lambda each: (each["sizes"] if each["record"] == "run" else each["model"])["parameters"],
    ),
    # Times
    *_fields(_REAL, "times.import_s", "times.data_s", "times.build_s", "times.train_s"),
    Field("train_total_s", _REAL, _total),
    *_fields(_REAL, "times.test_s", "times.wall_s"),
    Field("epochs_s", _TEXT, _listed("times.epochs_s")),
    # Quality
    Field("metric", _TEXT, _at("quality.metric")),
    Field("quality", _REAL, _at("quality.value")),
    Field("quality_unit", _TEXT, _at("quality.unit")),
    *_fields(_REAL, "quality.mae_celsius", "quality.test_loss"),
    Field("epoch_losses", _TEXT, _listed("quality.epoch_losses")),
    # Inference
    Field("engine", _TEXT, _at("engine.name")),
    *_fields(_TEXT, "engine.library", "engine.version", "engine.delegate", prefix="engine_"),
    Field("model", _TEXT, _at("model.id")),
    *_fields(_TEXT, "model.form", "model.weights", "model.sha256", prefix="model_"),
    Field("model_size_bytes", _INTEGER, _at("model.size_bytes")),
    Field("throughput_per_s", _REAL, _at("throughput_per_s")),
    Field("valid_windows", _TRUTH, _at("valid_windows")),
    Field("windows_inferences", _TEXT, _listed("windows", "inferences")),
    Field("windows_s", _TEXT, _listed("windows", "wall_s")),
    *(Field(f"latency_p{number}_us", _REAL, _percentile(number)) for number in (0, 50, 90, 99, 100)),
    *_fields(_REAL, "latency.mean_us", "latency.jitter_us", prefix="latency_"),
    Field("latency_samples", _INTEGER, _at("latency.samples")),
    Field("auc", _REAL, _at("quality.auc")),
    Field("scored_samples", _INTEGER, _at("quality.samples")),
    Field("energy_uj_per_inference", _REAL, telemetry.energy_per_inference_uj),
    # The rest
    Field("peak_bytes", _INTEGER, _at("memory.peak_bytes")),
    Field("runner_version", _TEXT, _at("runner.version")),
    Field("runner_sha256", _TEXT, _at("runner.sha256")),
    Field("imported_format", _TEXT, _at("imported.format")),
    Field("warnings", _TEXT, _warnings),
    Field("train_energy_j", _REAL, telemetry.train_energy_j),
    Field("disturbed", _TEXT, lambda each: json.dumps(telemetry.kinds(each))),
    Field("environment", _TEXT, aggregate.environment),
)


def rows(loaded: Loaded) -> list[dict[str, Value]]:
    """Return every run and measurement as a row, also attempts that a later one replaced (``counts`` false)."""
    found: list[dict[str, Value]] = []
    marked = [(each, True) for each in [*loaded.runs, *loaded.inferences]]
    marked += [(each, False) for each in loaded.superseded]
    for record, counts in sorted(marked, key=lambda each: _order(*each)):
        known = {**record, "counts": counts}
        found.append({field.name: _typed(field, field.read(known)) for field in COLUMNS})
    return found


def _order(record: Record, counts: bool) -> tuple[Any, ...]:
    engine, model = record.get("engine", {}), record.get("model", {})
    return (
        *(record["record"] != "run", record["host"], record["run_id"], record["workload"]),
        *(engine.get("name", ""), model.get("id", ""), model.get("form") or ""),
        *(record["threads"]["intra"] or 0, record["profile"], record["repeat"], record["attempt"]),
        *(record["session"], counts),
    )


def _typed(field: Field, value: Any) -> Value:
    if value is None:
        return None
    if field.kind == _TEXT:
        return text.one_line(str(value))
    if field.kind == _REAL:
        return float(value)
    return bool(value) if field.kind == _TRUTH else int(value)


def as_csv(found: Iterable[dict[str, Value]]) -> str:
    """Return rows as CSV, missing values empty, truths ``true`` and ``false``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in COLUMNS])
    for row in found:
        writer.writerow([_plain(row[field.name]) for field in COLUMNS])
    return out.getvalue()


def _plain(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value


def as_json(found: Iterable[dict[str, Value]]) -> str:
    """Return ``{"schema", "columns", "rows"}``: rows are objects with all columns."""
    columns = [{"name": field.name, "type": field.kind} for field in COLUMNS]
    value = {METADATA_KEY: VERSION, "columns": columns, "rows": list(found)}
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_parquet(found: Iterable[dict[str, Value]]) -> bytes:
    """Return rows as Parquet with the types of COLUMNS; the file's metadata has the version of the schema."""
    import duckdb

    names = ", ".join(f'"{field.name}" {field.kind}' for field in COLUMNS)
    with tempfile.TemporaryDirectory(prefix="edgebench-export-") as folder:
        table, out = Path(folder, "rows.jsonl"), Path(folder, "rows.parquet")
        table.write_text(
            "".join(json.dumps(row, allow_nan=False) + "\n" for row in found), encoding="utf-8", newline="\n"
        )
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE rows ({names})")
            source, target = (str(each).replace("'", "''") for each in (table, out))
            # The types are the table's.
            connection.execute(f"COPY rows FROM '{source}' (FORMAT json)")
            connection.execute(
                f"COPY rows TO '{target}' (FORMAT parquet, COMPRESSION zstd, "
                f"KV_METADATA {{{METADATA_KEY}: '{VERSION}'}})"
            )
        return out.read_bytes()
