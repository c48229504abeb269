"""Makes the record of an explanation: from the samples that the worker told, the curve, the parts and the checks."""

from collections import namedtuple

from edgebench import recording, records, workloads
from edgebench.explain import curve, parts
from edgebench.roofline import analysis
from edgebench.roofline.layers import Layer

SUM_WITHIN = 0.10
PREDICTION_WITHIN = 0.15
NO_GPU = "the device is not a GPU"
NO_GPU_COUNTER = "the load of this GPU is not readable"
_BUSY_WITH_OTHERS = 0.10
_FOLLOWING = (
    "measured",
    "peak",
    "counts",
    "curve",
    "step",
    "parts",
    "training",
    "checks",
    "bound",
    "ceiling",
    "published",
)

Doubt = namedtuple("Doubt", "code text")
Doubt.__doc__ = """A reason not to trust an explanation: its stable code, and the warning for readers."""


def template(settings, session, name):
    """Return the record of workload ``name`` before anything is known of it. settings: a survey.Wish."""
    spec = workloads.get(name).SPEC
    record = recording.heading("explanation", settings, session)
    record.update(
        started_utc=records.utc_now(),
        workload=name,
        title=spec.title,
        options=recording.options_of(settings, name),
        framework=dict(recording.NO_FRAMEWORK),
        device=None,
        precision=settings.precision,
        threads={"intra": settings.threads, "inter": settings.threads},
        times=dict.fromkeys(("import_s", "data_s", "build_s", "wall_s")),
        memory={"peak_bytes": None, "framework_bytes": None},
        warnings=[],
        missing={},
    )
    leave_out(record)
    record["sizes"] = {"batch": spec.paper.batch, "parameters": None}
    record["data"] = dict.fromkeys(("source", "synthetic", "sha256", "note", "input"))
    record["data"]["name"] = spec.dataset
    return record


def leave_out(record):
    """Take what an explanation that came to no end had measured out of its record: the half of it explains nothing."""
    record.pop("counted", None)
    record.update(dict.fromkeys(_FOLLOWING))


def dataset_of(name):
    """Return the data set that workload ``name`` is fed from."""
    return workloads.get(name).SPEC.dataset


def explain(record, peaks, threads):
    """Fill in what follows from record["measured"] and record["counted"], which it takes out of the record.

    peaks: of a roofline survey, or None. threads: that computed. Raises
    EdgebenchError where the samples cannot be fitted.
    """
    counted = [
        Layer(**dict(each, output_shape=tuple(each["output_shape"]))) for each in record.pop("counted")
    ]
    measured, batch, precision = record["measured"], record["sizes"]["batch"], record["precision"]
    _typical_of_all(measured)
    turn_s = _turn_s(measured, batch, "")
    for each in measured["sweep"] + [measured["empty"], measured["update"]]:
        each["step_s"] = _step_s(each, turn_s, "")
    step_s = {each["batch"]: each["step_s"] for each in measured["sweep"]}
    fitted = curve.fit([(each["batch"], each["step_s"]) for each in measured["sweep"] if not each["check"]])
    record["curve"] = dict(fitted._asdict(), holds=curve.holds(fitted))

    footprint = analysis.footprint_bytes(counted, batch, precision)
    peak = peaks and analysis.peak_for(peaks, record["device"]["kind"], precision, threads, footprint)
    least = parts.least(counted, batch, precision, peak) if peak else None
    flop = sum(
        analysis.training_cost(layer, batch, precision, index == 0).flop
        for index, layer in enumerate(counted)
    )
    record["counts"] = {"flop": flop, "moved_bytes": least.moved_bytes if least else None}
    record["peak"] = dict(peak._asdict()) if peak else None

    whole = measured["fed"][-1]
    fed = parts.fed(
        *((each["steps"], each["first_typical_s"], each["later_typical_s"]) for each in measured["fed"])
    )
    split = parts.split(
        curve.at(fitted, batch),
        fitted.overhead_s,
        measured["empty"]["step_s"],
        measured["update"]["step_s"],
        fed.step_s - step_s[batch],
        least,
    )
    summed_s = sum(split.values())
    record["parts"] = dict(split, sum_s=summed_s)
    record["step"] = {
        "held_s": step_s[batch],
        "fed_s": fed.step_s,
        "cpu_s": next(each["cpu_typical_s"] for each in measured["sweep"] if each["batch"] == batch),
    }
    # A fit returns later than its last epoch ends where it waits for threads of its input to notice.
    end_s = max(whole["typical_s"] - whole["first_typical_s"] - whole["later_typical_s"], 0.0)
    predicted_s = end_s + parts.training_s(fed, summed_s, whole["epochs"], whole["steps"])
    record["training"] = {
        "epochs": whole["epochs"],
        "steps": whole["steps"],
        "start_s": fed.start_s + fed.start_s_per_step * whole["steps"],
        "turn_s": fed.turn_s,
        "end_s": end_s,
        "explained_s": predicted_s,
        "measured_s": whole["typical_s"],
    }
    record["checks"] = _checks(record["training"], measured["sweep"], fitted, split)
    record["checks"].update(_cpu_checks(measured, batch))
    record["bound"] = parts.bound(split)
    record["ceiling"] = parts.ceiling(split)
    record["published"] = _published(record["workload"], fed, summed_s)
    record["warnings"] += [each.text for each in doubts(record)]


def _typical_of_all(measured):
    for each in measured["sweep"] + [measured["empty"], measured["update"]]:
        each["typical_s"] = _typical(each["samples_s"])
        each["cpu_typical_s"] = _typical(each["cpu_samples_s"])
    for each in measured["fed"]:
        for kind in ("", "cpu_"):
            each[kind + "typical_s"] = _typical(each[kind + "samples_s"])
            each[kind + "first_typical_s"] = _typical(each[kind + "first_s"])
            each[kind + "later_typical_s"] = _typical(each[kind + "later_s"])


def _step_s(steps, turn_s, kind):
    return max(steps[kind + "typical_s"] - turn_s / steps["steps"], 0.25 * steps[kind + "typical_s"])


def _turn_s(measured, batch, kind):
    """Return what turning to the next epoch takes where the batch is at hand, from epochs of one step and of many."""
    single_s = _typical(measured[kind + "single_s"])
    many = next(each for each in measured["sweep"] if each["batch"] == batch)
    if many["steps"] < 2:
        return 0.0
    step_s = (many[kind + "typical_s"] * many["steps"] - single_s) / (many["steps"] - 1)
    return min(max(single_s - step_s, 0.0), single_s)


def _checks(training, sweep, fitted, split):
    predictions = [
        {
            "batch": each["batch"],
            "predicted_s": curve.at(fitted, each["batch"]),
            "measured_s": each["step_s"],
            "error": curve.at(fitted, each["batch"]) / each["step_s"] - 1,
        }
        for each in sweep
        if each["check"]
    ]
    sum_error = training["explained_s"] / training["measured_s"] - 1
    worst = max(abs(each["error"]) for each in predictions) if predictions else None
    return {
        "predictions": predictions,
        "prediction_error": worst,
        "prediction_holds": None if worst is None else worst <= PREDICTION_WITHIN,
        "sum_error": sum_error,
        "sum_holds": abs(sum_error) <= SUM_WITHIN,
        "peak_holds": split["below_peak_s"] >= -SUM_WITHIN * sum(split.values()),
    }


def _cpu_checks(measured, batch):
    """Return both checks by CPU time of all threads instead of the clock: other programs disturb it much less.

    The parts are not in it, for what a thread waits costs no CPU time; a step is
    the curve's, and what its input adds.
    """
    turn_s = _turn_s(measured, batch, "cpu_")
    step_s = {each["batch"]: _step_s(each, turn_s, "cpu_") for each in measured["sweep"]}
    fitted = curve.fit(
        [(each["batch"], step_s[each["batch"]]) for each in measured["sweep"] if not each["check"]]
    )
    errors = [
        abs(curve.at(fitted, each["batch"]) / step_s[each["batch"]] - 1)
        for each in measured["sweep"]
        if each["check"]
    ]
    fed = parts.fed(
        *(
            (each["steps"], each["cpu_first_typical_s"], each["cpu_later_typical_s"])
            for each in measured["fed"]
        )
    )
    whole = measured["fed"][-1]
    told_s = curve.at(fitted, batch) + max(fed.step_s - step_s[batch], 0.0)
    told_s = parts.training_s(fed, told_s, whole["epochs"], whole["steps"])
    return {
        "cpu_prediction_error": max(errors) if errors else None,
        "cpu_sum_error": told_s / whole["cpu_typical_s"] - 1,
    }


def _published(name, fed, step_s):
    """Return what the published training would take by this explanation: its epochs, steps and seconds."""
    sizes = workloads.get(name).SPEC.paper
    steps = sizes.steps_per_epoch or -(-sizes.train_samples // sizes.batch)
    return {
        "epochs": sizes.epochs,
        "steps": steps,
        "explained_s": parts.training_s(fed, step_s, sizes.epochs, steps),
    }


def doubts(record):
    """Return the Doubts of an explained record: which of its checks fail, and by how much."""
    checks, found = record["checks"], []
    if not record["curve"]["holds"]:
        told = (
            "no curve fits the time of a step over its batch: the worst point is {:.0%} off, so overhead and cost of "
            "a sample are not reliable"
        )
        found.append(Doubt("curve-fails", told.format(record["curve"]["worst_residual"])))
    if not checks["sum_holds"]:
        told = "the parts add up to {:.2f} times the measured training, so they do not explain it"
        found.append(Doubt("sum-fails", told.format(1 + checks["sum_error"])))
    if checks["prediction_holds"] is False:
        told = (
            "the prediction for a batch outside the fit is {:.0%} off, so it is not valid for other batches"
        )
        found.append(Doubt("prediction-fails", told.format(checks["prediction_error"])))
    if not checks["peak_holds"]:
        told = "the measured step is shorter than the measured peaks allow, so the peaks are too low"
        found.append(Doubt("peak-fails", told))
    share = record["measured"]["others_cpu_share"]
    if share is not None and share > _BUSY_WITH_OTHERS:
        told = "other programs took {:.0%} of the CPU time: measure again on an idle machine"
        found.append(Doubt("machine-busy", told.format(share)))
    return found


def finished(record):
    """Give every null its reason and return the record, without what JSON does not have."""
    record = records.without_nonfinite(record)
    missing = record["missing"]
    if record["data"]["synthetic"]:
        missing["data.sha256"] = "synthetic data has no file"
    if record["threads"]["intra"] is None:
        missing["threads.intra"] = missing["threads.inter"] = "the framework's default"
    if record["runner"]["sha256"] is None:
        missing["runner.sha256"] = "run from a checkout, not from the zipapp"
    if record["status"] == "ok":
        missing["measured.gpu_busy_share"] = NO_GPU_COUNTER if record["device"]["kind"] == "gpu" else NO_GPU
        missing["peak"] = missing["counts.moved_bytes"] = "no peak was measured for this device and precision"
    for path in ("curve.knee_batch", "curve.beyond_s_per_sample"):
        missing[path] = "one line fits all sizes"
    for path in ("checks.prediction_error", "checks.prediction_holds", "checks.cpu_prediction_error"):
        missing[path] = "memory left no other size to check with"
    missing["ceiling"] = "nothing but arithmetic was found in a step"
    for path in [each for each in missing if not _is_null(record, path=each)]:
        del missing[path]
    why = "the measurement ended as {}: {}".format(record["status"], record["reason"])
    return records.explain_missing(
        record, why if record["status"] != "ok" else "the framework does not report it"
    )


def _is_null(record, path):
    for name in path.split("."):
        if not isinstance(record, dict) or name not in record:
            return False
        record = record[name]
    return record is None


def _typical(values):
    """Return the mean without what took over three times the median, which something else did.

    Means alone add up: the lower quartile of a training is not the sum of the
    lower quartiles of its parts, which are shorter and so scatter more.
    """
    ordered = sorted(values)
    most = 3 * ordered[len(ordered) // 2]
    kept = [each for each in ordered if each <= most]
    return sum(kept) / len(kept)
