"""The survey that ``edgebench roofline`` makes: its parts in processes of their own, their numbers put together."""

import os
import tempfile
from collections import namedtuple
from contextlib import contextmanager

from edgebench import __version__, child, verdict
from edgebench.errors import UsageError
from edgebench.roofline import analysis, networks
from edgebench.roofline.layers import Layer

Wish = namedtuple(
    "Wish",
    "names batch precision threads device measure operators peaks peaks_budget_s finder",
)
Wish.__doc__ = """What to survey. names: of networks. batch: None for each workload's own. threads: None for all
processors. measure: whether anything is timed. operators: whether to profile. peaks: measured before, None to measure.
peaks_budget_s: seconds for that. finder: a data.sources.Finder for the models of kws, or None for no engines."""

_LIMIT_S = 900
_ENGINE_WINDOW_S = 1.0
_ENGINE_WINDOWS = 3
# OpenBLAS, MKL and OpenMP read these when NumPy is loaded, and never again.
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def processors():
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make(wish, say, tick):
    """Return the survey as plain values. say(line) tells how it goes, tick() is called meanwhile."""
    threads = wish.threads or processors()
    result = {
        "survey": "roofline",
        "schema": 1,
        "runner": __version__,
        "precision": wish.precision,
        "threads": threads,
        "framework": None,
        "peaks": wish.peaks,
        "networks": {},
        "kws_engines": [],
        "operators": {},
        "missing": {},
    }
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        parts = _Parts(folder, say, tick)
        if wish.peaks is None and wish.measure:
            result["peaks"] = _peaks(parts, sorted({1, threads}), wish.peaks_budget_s)
        _networks(parts, wish, threads, result)
        if wish.measure and wish.finder is not None and networks.KWS in wish.names:
            _engines(parts, wish, result)
        if wish.operators:
            _operators(parts, wish, result)
    return result


def peaks_of_host(threads, budget_s, say, tick):
    """Return this host's peaks alone, measured with one thread and with ``threads``; see ``peaks`` for their form."""
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        return _peaks(_Parts(folder, say, tick), sorted({1, threads}), budget_s)


class _Parts:
    """Runs parts, each in a worker, and gathers what they tell."""

    def __init__(self, folder, say, tick):
        self._folder = folder
        self._say = say
        self._tick = tick
        self._count = 0

    def run(self, job, threads=None, python=None):
        """Return (what the part told, its status, its reason)."""
        told = {}  # type: ignore[var-annotated]
        ends = []

        def on_event(event):
            if event["event"] == "update":
                _merge(told, event["record"])
            elif event["event"] == "phase":
                self._say(event["phase"])
            elif event["event"] == "unusable":
                ends.append(("unsupported", event["reason"]))
            elif event["event"] == "end" and not ends:
                ends.append((event["status"], event["reason"]))

        self._count += 1
        log_path = os.path.join(self._folder, "{}.log".format(self._count))
        with _threads_of_libraries(threads):
            ended = child.run(job, log_path, _LIMIT_S, on_event, self._tick, python=python)
        status, reason = ends[0] if ends else verdict.judge(ended)
        return told, status, reason


@contextmanager
def _threads_of_libraries(threads):
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    if threads is not None:
        os.environ.update({name: str(threads) for name in _THREAD_VARIABLES})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _merge(told, record):
    """Put what a part tells into what it has told: dicts merge, lists grow, all else replaces."""
    for key, value in record.items():
        if isinstance(value, dict) and isinstance(told.get(key), dict):
            _merge(told[key], value)
        elif isinstance(value, list) and isinstance(told.get(key), list):
            told[key] = told[key] + value
        else:
            told[key] = value


def _peaks(parts, numbers_of_threads, budget_s):
    found = {}  # type: ignore[var-annotated]
    for threads in numbers_of_threads:
        job = {
            "kind": "roofline",
            "part": "peaks",
            "threads": threads,
            "first": threads == numbers_of_threads[0],
            "framework": True,
            "budget_s": budget_s / float(len(numbers_of_threads)),
        }
        told, status, reason = parts.run(job, threads)
        if status != "ok":
            told, status, again = parts.run(dict(job, framework=False), threads)
            told.setdefault("missing", {})["gemm.framework"] = reason
            if status != "ok":
                raise UsageError(
                    "Measuring the peaks of this host failed: {}. Take them from a file: --peaks FILE".format(
                        again
                    ),
                    "peaks-not-measurable",
                )
        _merge(found, {key: told[key] for key in _PEAKS if key in told})
    return found


_PEAKS = ("gemm", "bandwidth", "levels", "last_cache_bytes", "cuda_copies", "missing")


def _networks(parts, wish, threads, result):
    job = {
        "kind": "roofline",
        "part": "networks",
        "names": list(wish.names),
        "threads": wish.threads,
        "device": wish.device,
        "precision": wish.precision,
        "batch": wish.batch,
        "measure": wish.measure,
    }
    told, status, reason = parts.run(job)
    result["framework"] = told.get("framework")
    for name in wish.names:
        if name in told.get("networks", {}):
            result["networks"][name] = _network(
                told["networks"][name],
                wish.precision,
                result["peaks"],
                result["framework"]["device"],
                threads,
            )
        else:
            result["missing"]["networks." + name] = reason or status


def _network(told, precision, peaks, device, threads):
    counted = [Layer(**dict(each, output_shape=tuple(each["output_shape"]))) for each in told["layers"]]
    batch = told["batch"]
    network = {
        "title": told["title"],
        "input_shape": told["input_shape"],
        "batch": batch,
        "layers": [dict(each) for each in told["layers"]],
        "runs": [],
        "missing": {},
    }
    wanted = [("inference", 1)] + [("inference", batch)] * (batch != 1)
    if told["times"].get("training") or not told["times"]:
        wanted.append(("training", batch))
    for purpose, size in wanted:
        footprint = analysis.footprint_bytes(counted, size, precision)
        peak = analysis.peak_for(peaks, device, precision, threads, footprint) if peaks else None
        rows = analysis.table(counted, size, precision, peak, training=purpose == "training")
        run = {
            "purpose": purpose,
            "batch": size,
            "layers": rows,
            "total": analysis.total(rows),
            "peak": dict(peak._asdict()) if peak else None,
        }
        taken = told["times"].get(purpose, {}).get(str(size))
        if taken and peak:
            run.update(analysis.judged(run["total"], taken["median_us"], peak))
        elif taken:
            run["measured_us"] = taken["median_us"]
        if peaks and peak is None:
            network["missing"]["peak"] = "no peak measured for {} on {} with {} threads".format(
                precision, device, threads
            )
        network["runs"].append(run)
    return network


def _engines(parts, wish, result):
    """Measure KWS by every engine and model that this host has, one thread, and set it against the peaks."""
    from edgebench.kws import plan

    counted = None
    if networks.KWS in result["networks"]:
        counted = [Layer(**each) for each in result["networks"][networks.KWS]["layers"]]
    try:
        combinations = plan.combinations(wish.finder)
    except UsageError as error:
        result["missing"]["kws_engines"] = str(error)
        return
    for engine, model, threads in combinations:
        job = {
            "kind": "inference",
            "engine": engine,
            "model": dict(model._asdict()),
            "threads": threads,
            "device": wish.device,
            "windows": _ENGINE_WINDOWS,
            "window_s": _ENGINE_WINDOW_S,
            "min_inferences": 10,
            "inputs_folder": None,
            "seed": 0,
        }
        told, status, reason = parts.run(job, python=plan.python_of(engine))
        entry = {
            "engine": engine,
            "library": _library(told.get("engine") or {}),
            "model": model.id,
            "form": model.form,
            "precision": model.precision,
            "threads": threads,
            "status": status,
            "reason": reason,
        }
        percentiles = (told.get("latency") or {}).get("percentiles_us")
        if percentiles:
            entry["measured_us"] = percentiles[50]
            if counted and result["peaks"]:
                entry.update(
                    _judged_engine(counted, model.precision, threads, percentiles[50], result["peaks"])
                )
        result["kws_engines"].append(entry)


def _library(told):
    return {key: told.get(key) for key in ("library", "version", "delegate")}


def _judged_engine(counted, precision, threads, measured_us, peaks):
    # Weights of dynamic models are int8, their sums are floats.
    kind = {"dynamic": "float32"}.get(precision, precision)
    footprint = analysis.footprint_bytes(counted, 1, kind)
    for against in (kind, "float32"):
        peak = analysis.peak_for(peaks, "cpu", against, threads, footprint)
        if peak is not None:
            total = analysis.total(analysis.table(counted, 1, kind, peak))
            told = analysis.judged(total, measured_us, peak)
            if against != kind:
                # The least time by another precision's peak says nothing about what lies beyond it.
                told["overhead_share"] = None
            told.update(
                theoretical_us=total["theoretical_us"], peak_precision=against, peak=dict(peak._asdict())
            )
            return told
    return {}


def _operators(parts, wish, result):
    # One by one: what kills one process must not take the others along.
    for name in wish.names:
        _operators_of(parts, wish, [name], [], None, result)
    if networks.KWS not in wish.names:
        return
    from edgebench.kws import plan

    try:
        combinations = plan.combinations(wish.finder, ("litert",))
    except UsageError as error:
        result["missing"]["operators.litert"] = str(error)
        return
    for engine, model, _ in combinations:
        if model.path is not None:
            _operators_of(parts, wish, [], [model.path], plan.python_of(engine), result)


def _operators_of(parts, wish, names, paths, python, result):
    job = {
        "kind": "roofline",
        "part": "operators",
        "names": names,
        "models": paths,
        "threads": 1,
        "device": wish.device,
    }
    told, status, reason = parts.run(job, python=python)
    result["operators"].update(told.get("operators", {}))
    if status != "ok":
        subject = names[0] if names else os.path.basename(paths[0])
        result["missing"]["operators." + subject] = reason or status
