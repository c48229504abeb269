"""``runs.csv``: every run and every sample of it, one row each, nothing summarised."""

import json

import pandas as pd

from edgebench_report import text
from edgebench_report.aggregate import Column, Record, measured


def runs_csv(columns: list[Column], superseded: list[Record]) -> str:
    """Return all runs as CSV; attempts that a later one replaced have ``counts`` false, and no column."""
    rows = [_row(run, column.label) for column in columns for run in column.runs]
    rows += [_row(run, None) for run in sorted(superseded, key=_order)]
    return pd.DataFrame(rows, dtype=object).to_csv(index=False, lineterminator="\n")


def _order(run: Record) -> tuple[object, ...]:
    return (
        run["host"],
        run["run_id"],
        run["workload"],
        run["repeat"],
        run["attempt"],
        run["started_utc"] or "",
    )


def _row(run: Record, column: str | None) -> dict[str, object]:
    values = measured(run)
    device = run["device"] or {}
    return {
        "run_id": run["run_id"],
        "host": run["host"],
        "session": run["session"],
        "column": column,
        "counts": column is not None,
        **{name: run[name] for name in ("workload", "profile", "variant", "repeat", "attempt", "status")},
        "reason": None if run["reason"] is None else text.one_line(run["reason"]),
        "started_utc": run["started_utc"],
        "finished_utc": run["finished_utc"],
        "import_s": run["times"].get("import_s"),
        **{
            name: values[name]
            for name in ("data_s", "build_s", "train_s", "train_total_s", "test_s", "other_s", "wall_s")
        },
        "epochs_s": " ".join(str(each) for each in run["times"]["epochs_s"]),
        "metric": run["quality"]["metric"],
        "value": run["quality"]["value"],
        "unit": run["quality"]["unit"],
        "mae_celsius": values["mae_celsius"],
        "test_loss": run["quality"].get("test_loss"),
        "epoch_losses": " ".join(str(each) for each in run["quality"]["epoch_losses"]),
        **{name: run["sizes"][name] for name in sorted(run["sizes"])},
        **{
            f"data_{name}": run["data"][name]
            for name in ("name", "source", "synthetic", "sha256", "note", "input")
        },
        "framework": run["framework"]["name"],
        "framework_version": run["framework"]["version"],
        **{name: run["framework"][name] for name in ("keras", "numpy", "python")},
        "device_kind": device.get("kind"),
        "device_name": device.get("name"),
        "precision": run["precision"],
        "threads_intra": run["threads"]["intra"],
        "threads_inter": run["threads"]["inter"],
        "peak_bytes": run["memory"]["peak_bytes"],
        "framework_bytes": run["memory"]["framework_bytes"],
        "seed": run["seed"],
        "options": json.dumps(run["options"], sort_keys=True),
        "warnings": " | ".join(text.one_line(each) for each in run["warnings"]),
        "runner_version": run["runner"]["version"],
        "runner_sha256": run["runner"]["sha256"],
    }
