"""``runs.csv`` and ``inferences.csv``: every record and every sample of it, one row each, nothing summarised."""

import json

import pandas as pd

from edgebench_report import telemetry, text
from edgebench_report.aggregate import Column, Record, measured

_MODEL = ("id", "form", "precision", "weights", "sha256", "size_bytes", "parameters")


def runs_csv(columns: list[Column], superseded: list[Record]) -> str:
    """Return all runs as CSV; attempts that a later one replaced have ``counts`` false, and no column."""
    rows = [_row(run, column.label) for column in columns for run in column.runs]
    replaced = [run for run in superseded if run["record"] == "run"]
    rows += [_row(run, None) for run in sorted(replaced, key=_order)]
    return pd.DataFrame(rows, dtype=object).to_csv(index=False, lineterminator="\n")


def inferences_csv(inferences: list[Record], superseded: list[Record]) -> str:
    """Return all measurements of inference as CSV; attempts that a later one replaced have ``counts`` false."""
    replaced = [each for each in superseded if each["record"] == "inference"]
    rows = [_inference_row(each, counts=True) for each in sorted(inferences, key=_inference_order)]
    rows += [_inference_row(each, counts=False) for each in sorted(replaced, key=_inference_order)]
    return pd.DataFrame(rows, dtype=object).to_csv(index=False, lineterminator="\n")


def _inference_order(record: Record) -> tuple[object, ...]:
    model = record["model"]
    own = (record["engine"]["name"], model["id"], model["form"] or "", record["threads"]["intra"] or 0)
    return (record["host"], record["run_id"], *own, record["attempt"], record["started_utc"] or "")


def _inference_row(record: Record, counts: bool) -> dict[str, object]:
    device, latency, quality = record["device"] or {}, record["latency"], record["quality"]
    percentiles = latency["percentiles_us"]
    return {
        **{name: record[name] for name in ("run_id", "host", "session")},
        "counts": counts,
        **{name: record[name] for name in ("workload", "profile", "variant", "repeat", "attempt", "status")},
        "reason": None if record["reason"] is None else text.one_line(record["reason"]),
        **{name: record[name] for name in ("started_utc", "finished_utc")},
        **{f"engine_{name}": record["engine"][name] for name in ("name", "library", "version", "delegate")},
        **{f"model_{name}": record["model"][name] for name in _MODEL},
        "threads_intra": record["threads"]["intra"],
        "threads_inter": record["threads"]["inter"],
        "throughput_per_s": record["throughput_per_s"],
        "valid_windows": record["valid_windows"],
        **{
            f"windows_{name}": " ".join(str(each[name]) for each in record["windows"])
            for name in ("inferences", "wall_s", "throughput_per_s")
        },
        "latency_samples": latency["samples"],
        **{
            f"latency_p{number}_us": None if percentiles is None else percentiles[number]
            for number in (0, 50, 90, 99, 100)
        },
        "latency_mean_us": latency["mean_us"],
        "latency_jitter_us": latency["jitter_us"],
        "latency_percentiles_us": " ".join(str(each) for each in percentiles or []),
        "top1": quality["value"],
        "auc": quality["auc"],
        "scored_samples": quality["samples"],
        **{
            name: record["times"].get(name)
            for name in ("import_s", "load_s", "warmup_s", "accuracy_s", "wall_s")
        },
        **{
            f"data_{name}": record["data"][name]
            for name in ("name", "source", "synthetic", "sha256", "note", "input")
        },
        "framework": record["framework"]["name"],
        "framework_version": record["framework"]["version"],
        **{name: record["framework"][name] for name in ("keras", "numpy", "python")},
        "device_kind": device.get("kind"),
        "device_name": device.get("name"),
        "peak_bytes": record["memory"]["peak_bytes"],
        "seed": record["seed"],
        "options": json.dumps(record["options"], sort_keys=True),
        "warnings": " | ".join(text.one_line(each) for each in record["warnings"]),
        "disturbed": " ".join(telemetry.kinds(record)),
        "energy_uj_per_inference": telemetry.energy_per_inference_uj(record),
        "runner_version": record["runner"]["version"],
        "runner_sha256": record["runner"]["sha256"],
    }


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
        "disturbed": " ".join(telemetry.kinds(run)),
        "train_energy_j": telemetry.train_energy_j(run),
        "runner_version": run["runner"]["version"],
        "runner_sha256": run["runner"]["sha256"],
    }
