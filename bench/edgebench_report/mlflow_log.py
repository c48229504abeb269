"""Records as runs of MLflow: parameters are the circumstances, metrics what was measured."""

import importlib
import time
from collections.abc import Iterable
from typing import Any

from edgebench_report import text
from edgebench_report.errors import ReportError
from edgebench_report.export import COLUMNS, VERSION, Value

EXPERIMENT = "edgebench"
_METRICS = tuple(
    field.name
    for field in COLUMNS
    if field.kind == "DOUBLE" or field.name in ("peak_bytes", "model_size_bytes")
)
_TAGS = ("record", "run_id", "session", "status", "reason", "started_utc", "warnings")
_LONGEST = 5000


def log(uri: str, rows: Iterable[dict[str, Value]]) -> int:
    """Log rows of the export to the MLflow at ``uri``, each once, and return how many were new.

    Raises ReportError where MLflow is not installed, or cannot be reached.
    """
    try:
        tracking: Any = importlib.import_module("mlflow.tracking")
        exceptions: Any = importlib.import_module("mlflow.exceptions")
    except ImportError as failure:
        raise ReportError(
            f"--mlflow: MLflow cannot be imported ({failure}). It is not part of this project's environment. "
            "Install it: .venv/bin/pip install mlflow-skinny",
            "mlflow-missing",
        ) from failure
    try:
        client = tracking.MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
        return sum(_log(client, number, row) for row in rows)
    except (exceptions.MlflowException, OSError) as failure:
        raise ReportError(
            f"--mlflow {text.one_line(uri)}: {text.shorten(text.one_line(str(failure)), 300)}. Name the address of a "
            "tracking server, sqlite:///FILE or a folder.",
            "mlflow-failed",
        ) from failure


def _log(client: Any, experiment: str, row: dict[str, Value]) -> int:
    key = "/".join(str(row[each]) for each in _IDENTITY)
    if client.search_runs(
        [experiment], f"tags.`edgebench.key` = '{key.replace(chr(39), '')}'", max_results=1
    ):
        return 0
    name = f"{row['host']} {row['workload']} {row['profile']} {row['repeat']}"
    tags = {f"edgebench.{each}": str(row[each])[:_LONGEST] for each in _TAGS if row[each] is not None}
    tags |= {"edgebench.key": key.replace("'", ""), "edgebench.export_schema": str(VERSION)}
    run = client.create_run(experiment, run_name=name, tags=tags)
    entities: Any = importlib.import_module("mlflow.entities")
    known = {
        field.name: row[field.name]
        for field in COLUMNS
        if row[field.name] is not None and field.name not in (*_TAGS, "export_schema")
    }
    now_ms = int(1000 * time.time())
    client.log_batch(
        run.info.run_id,
        metrics=[
            entities.Metric(name, float(value or 0), now_ms, 0)
            for name, value in known.items()
            if name in _METRICS
        ],
        params=[
            entities.Param(name, str(value)[:_LONGEST])
            for name, value in known.items()
            if name not in _METRICS
        ],
    )
    client.set_terminated(run.info.run_id, "FINISHED" if row["status"] == "ok" else "FAILED")
    return 1


_IDENTITY = (
    *(
        "run_id",
        "host",
        "session",
        "workload",
        "profile",
        "variant",
        "options",
        "precision",
        "engine",
        "model",
    ),
    *("model_form", "threads_intra", "repeat", "attempt", "started_utc"),
)
