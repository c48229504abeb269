"""Makes records: of the host, of a run before anything is known of it, and with reasons for what stayed unknown."""

import functools
import os
import platform
import sys

from edgebench import __version__, environment, host, keyword_spotting, records, workloads
from edgebench.data import files
from edgebench.workloads.spec import sizes_for

VARIANT = "published"
NO_FRAMEWORK = {
    "name": "tensorflow",
    "version": None,
    "keras": None,
    "numpy": None,
    "python": platform.python_version(),
}


def heading(kind, settings, session):
    """Return what all records of a suite begin with. kind: "host", "run" or "inference"; session: 12 hex digits."""
    return {
        "schema": records.SCHEMA_VERSION,
        "record": kind,
        "run_id": settings.run_id,
        "session": session,
        "host": settings.host,
        "runner": {"version": __version__, "sha256": own_sha256()},
        "environment": environment.circumstances(),
    }


def host_record(settings, session, told, probe_reason, engines=None, sources=None, checked=None):
    """Return the record of this host.

    told, probe_reason: as for ``host_part``. engines: {name: whether
    installed}. sources: of telemetry, ``{"sources", "absent"}``. checked: list
    of the conditions it was found in.
    """
    record = heading("host", settings, session)
    record["time_utc"] = records.utc_now()
    record.update(host_part(told, probe_reason))
    if engines:
        record["facts"]["engines"] = engines
    if sources:
        record["telemetry"] = sources
    if checked is not None:
        record["conditions"] = checked
    return record


def host_part(told, probe_reason):
    """Return ``facts`` and ``missing`` of a host record: told by a probe of the framework, or why it told nothing."""
    facts = host.facts()
    facts["framework"] = dict(NO_FRAMEWORK, **told.get("framework", {}))
    facts["devices"] = told.get("devices", [])
    part = {"facts": facts, "missing": {}}
    part["missing"] = {path: why for path, why in host.reasons().items() if _at(part, path) is None}
    return records.explain_missing(part, probe_reason or "the host does not report it")


def options_of(settings, workload):
    """Return the options of a workload as set; {} for one without."""
    spec = workloads.get(workload).SPEC
    return {"lookback_rows": settings.lookback_rows} if "lookback_rows" in spec.options else {}


def requested(settings):
    """Return what was asked for where the record also says what came of it."""
    return {"data": settings.data_mode, "input": settings.input_mode, "device": settings.device}


def run_template(settings, session, workload, repeat, attempt):
    """Return a run's record before anything is known of it."""
    spec = workloads.get(workload).SPEC
    sizes = sizes_for(spec, settings.profile)
    is_accuracy = spec.metric == "accuracy"
    quality_part = {
        "metric": spec.metric,
        "value": None,
        "unit": "ratio" if is_accuracy else "standard deviations",
        "test_loss": None,
        "epoch_losses": [],
    }
    if not is_accuracy:
        quality_part["mae_celsius"] = None
    record = heading("run", settings, session)
    record.update(
        started_utc=records.utc_now(),
        workload=workload,
        title=spec.title,
        profile=settings.profile,
        variant=VARIANT,
        options=options_of(settings, workload),
        repeat=repeat,
        attempt=attempt,
        times=dict.fromkeys(("import_s", "data_s", "build_s", "train_s", "test_s", "wall_s")),
        quality=quality_part,
        sizes=dict(
            {name: value for name, value in sizes._asdict().items() if name != "steps_per_epoch"},
            parameters=None,
        ),
        data=dict.fromkeys(("source", "synthetic", "sha256", "note", "input"), None),
        framework=dict(NO_FRAMEWORK),
        device=None,
        precision=settings.precision,
        threads={"intra": settings.threads, "inter": settings.threads},
        memory={"peak_bytes": None, "framework_bytes": None},
        seed=settings.seed + repeat,
        requested=requested(settings),
        telemetry=None,
        warnings=[],
        missing={},
    )
    record["times"]["epochs_s"] = []
    record["data"]["name"] = spec.dataset
    if sizes.steps_per_epoch:
        record["sizes"]["steps_per_epoch"] = sizes.steps_per_epoch
    return record


def inference_template(settings, session, task, inputs, attempt):
    """Return the record of a tasks.Inference before anything is known of it; inputs: a data.sources.Found or None."""
    model = task.model
    record = heading("inference", settings, session)
    record.update(
        started_utc=records.utc_now(),
        workload=keyword_spotting.NAME,
        title=keyword_spotting.TITLE,
        profile=settings.profile,
        variant=VARIANT,
        options=keyword_spotting.options_for(settings.profile),
        engine={"name": task.engine, "library": None, "version": None, "delegate": None},
        model={
            "id": model.id,
            "form": model.form,
            "precision": model.precision,
            "weights": model.weights,
            "sha256": model.sha256,
            "size_bytes": model.size_bytes,
            "parameters": None,
        },
        threads={"intra": task.threads, "inter": task.threads},
        repeat=1,
        attempt=attempt,
        times=dict.fromkeys(("import_s", "load_s", "warmup_s", "accuracy_s", "wall_s")),
        windows=[],
        valid_windows=None,
        throughput_per_s=None,
        latency=dict.fromkeys(("samples", "percentiles_us", "mean_us", "jitter_us")),
        quality=dict.fromkeys(("value", "auc", "samples", "per_class", "confusion")),
        data={
            "name": keyword_spotting.INPUTS,
            "source": inputs.source if inputs else "synthetic",
            "synthetic": not inputs,
            "sha256": inputs.sha256 if inputs else None,
            "note": None,
            "input": None,
        },
        framework=dict(NO_FRAMEWORK),
        device=None,
        memory={"peak_bytes": None},
        seed=settings.seed + 1,
        requested={"data": settings.data_mode, "device": settings.device},
        telemetry=None,
        warnings=[],
        missing={},
    )
    record["quality"].update(metric="top1", unit="ratio")
    return record


def merge(target, update):
    """Merge nested dicts of ``update`` into ``target``; other values replace."""
    for name, value in update.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            merge(target[name], value)
        else:
            target[name] = value


def explained(record):
    """Give every null of a run's or an inference's record that has none a reason, and return the record."""
    missing = record["missing"]
    if record["data"]["synthetic"]:
        missing["data.sha256"] = "synthetic data has no file"
    if record["threads"]["intra"] is None:
        missing["threads.intra"] = missing["threads.inter"] = "the framework's default"
    if record["runner"]["sha256"] is None:
        missing["runner.sha256"] = "run from a checkout, not from the zipapp"
    if record["record"] == "inference" and record["status"] == "ok":
        _explain_inference(record, missing)
    why = "the run ended as {}: {}".format(record["status"], record["reason"])
    return records.explain_missing(
        record, why if record["status"] != "ok" else "the framework does not report it"
    )


def _explain_inference(record, missing):
    is_random = record["model"]["weights"] == "random"
    unscored = "random weights: latency only" if is_random else "no inputs with labels: latency only"
    reasons = {
        unscored: ["quality." + each for each in ("value", "auc", "samples", "per_class", "confusion")],
        "random weights have no file": ["model.sha256", "model.size_bytes"],
        "the engine needs none": ["framework." + each for each in ("version", "keras", "numpy")],
    }
    reasons[unscored].append("times.accuracy_s")
    for why, paths in reasons.items():
        for path in paths:
            if _at(record, path) is None:
                missing.setdefault(path, why)


def _at(record, path):
    for name in path.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


@functools.lru_cache(maxsize=None)
def own_sha256():
    """Return the SHA-256 of the zipapp this program runs from; None when it runs from a checkout."""
    program = os.path.abspath(sys.argv[0])
    return files.sha256_of(program) if program.endswith(".pyz") and os.path.isfile(program) else None
