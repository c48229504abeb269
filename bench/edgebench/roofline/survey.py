"""The survey that ``edgebench roofline`` makes: its parts in processes of their own, their numbers put together."""

import os
import tempfile
from collections import namedtuple
from contextlib import contextmanager

from edgebench import __version__, child, tasks, verdict
from edgebench.errors import UsageError
from edgebench.progress import Step
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
# Before anything was timed: what a part takes beside its measurements, a network, and operators.
_AROUND_S, _NETWORK_S, _OPERATORS_S = 8.0, 3.0, 15.0
# OpenBLAS, MKL and OpenMP read these when NumPy is loaded, and never again.
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def processors():
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make(wish, display):
    """Return the survey as plain values, telling ``display``, one of ``progress``, how it goes."""
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
        parts = _Parts(folder, display)
        of_peaks = peak_steps(threads, wish.peaks_budget_s) if wish.peaks is None and wish.measure else []
        of_networks = Step("networks", guess_s=_AROUND_S + _NETWORK_S * len(wish.names) * wish.measure)
        of_engines = _engine_steps(wish, result)
        of_operators = _operator_steps(wish, result)
        display.plan(
            of_peaks + [of_networks] + [step for step, _ in of_engines] + [step for step, _ in of_operators],
            noun="step",
        )
        if of_peaks:
            result["peaks"] = _peaks(parts, of_peaks, sorted({1, threads}), wish.peaks_budget_s)
        _networks(parts, of_networks, wish, threads, result)
        _engines(parts, of_engines, wish, result)
        _operators(parts, of_operators, wish, result)
    return result


def peak_steps(threads, budget_s):
    """Return the Steps of ``peaks_of_host``."""
    numbers = sorted({1, threads})
    share_s = budget_s / float(len(numbers))
    return [
        Step("peaks of {} thread{}".format(each, "" if each == 1 else "s"), "peaks", _AROUND_S + share_s)
        for each in numbers
    ]


def peaks_of_host(threads, budget_s, steps, display):
    """Return this host's peaks alone, measured with one thread and with ``threads``; see ``peaks`` for their form.

    steps: of ``peak_steps``, in the plan of ``display``.
    """
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        return _peaks(_Parts(folder, display), steps, sorted({1, threads}), budget_s)


class _Parts:
    """Runs parts, each in a worker, and gathers what they tell."""

    def __init__(self, folder, display):
        self._folder = folder
        self.display = display
        self._count = 0

    def run(self, job, threads=None, python=None):
        """Return (what the part told, its status, its reason)."""
        told = {}  # type: ignore[var-annotated]
        ends = []

        def on_event(event):
            if event["event"] == "update":
                _merge(told, event["record"])
            elif event["event"] == "phase":
                self.display.phase(event["phase"])
            elif event["event"] == "epoch":
                self.display.epoch(event["done"], event["of"])
            elif event["event"] == "unusable":
                ends.append(("unsupported", event["reason"]))
            elif event["event"] == "end" and not ends:
                ends.append((event["status"], event["reason"]))

        self._count += 1
        log_path = os.path.join(self._folder, "{}.log".format(self._count))
        with _threads_of_libraries(threads):
            ended = child.run(job, log_path, _LIMIT_S, on_event, self.display.tick, python=python)
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


def _peaks(parts, steps, numbers_of_threads, budget_s):
    found = {}  # type: ignore[var-annotated]
    for step, threads in zip(steps, numbers_of_threads):
        parts.display.start(step)
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
        parts.display.end("{}: {}".format(step.label, _fastest(told["gemm"])))
    return found


def _fastest(products):
    """Return the fastest matrix product of each precision in words."""
    best = {}  # type: ignore[var-annotated]
    for each in products:
        best[each["precision"]] = max(best.get(each["precision"], 0), each["gflop_per_s"])
    return ", ".join("{} {:.1f} GFLOPS".format(name, best[name]) for name in sorted(best)) or "none"


_PEAKS = ("gemm", "bandwidth", "levels", "last_cache_bytes", "cuda_copies", "missing")


def _networks(parts, step, wish, threads, result):
    parts.display.start(step)
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
    parts.display.end("{}: {} of {}".format(step.label, len(result["networks"]), len(wish.names)))


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


def _combinations(wish, result, missing, names=None):
    """Return what KWS can be measured with; none, and the reason as result["missing"][missing], where nothing can."""
    from edgebench.kws import plan

    if wish.finder is None or networks.KWS not in wish.names:
        return []
    try:
        return plan.combinations(wish.finder, names)
    except UsageError as error:
        result["missing"][missing] = str(error)
        return []


def _engine_steps(wish, result):
    """Return [(Step, (engine, model, threads))] of KWS by every engine and model that this host has, one thread."""
    if not wish.measure:
        return []
    guess_s = _ENGINE_WINDOWS * _ENGINE_WINDOW_S + _AROUND_S / 2
    return [
        (Step(tasks.inference_label(engine, model.id, model.form, threads), engine, guess_s), each)
        for each in _combinations(wish, result, "kws_engines")
        for engine, model, threads in (each,)
    ]


def _engines(parts, steps, wish, result):
    """Measure KWS by engines and models and set them against the peaks. steps: of ``_engine_steps``."""
    from edgebench.kws import plan

    counted = None
    if networks.KWS in result["networks"]:
        counted = [Layer(**each) for each in result["networks"][networks.KWS]["layers"]]
    for step, (engine, model, threads) in steps:
        parts.display.start(step)
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
        how = "median {:.0f} us".format(percentiles[50]) if percentiles else "{}, {}".format(status, reason)
        parts.display.end("{}: {}".format(step.label, how))


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


def _operator_steps(wish, result):
    """Return [(Step, (names, paths, engine))] of operators, one by one: what kills one process takes no other along."""
    if not wish.operators:
        return []
    combinations = _combinations(wish, result, "operators.litert", ("litert",))
    parts = [([name], [], None) for name in wish.names]  # type: ignore[var-annotated]
    parts += [([], [model.path], engine) for engine, model, _ in combinations if model.path is not None]
    return [
        (Step("operators of " + _subject(names, paths), "operators", _OPERATORS_S), (names, paths, engine))
        for names, paths, engine in parts
    ]


def _subject(names, paths):
    return names[0] if names else os.path.basename(paths[0])


def _operators(parts, steps, wish, result):
    from edgebench.kws import plan

    for step, (names, paths, engine) in steps:
        parts.display.start(step)
        job = {
            "kind": "roofline",
            "part": "operators",
            "names": names,
            "models": paths,
            "threads": 1,
            "device": wish.device,
        }
        told, status, reason = parts.run(job, python=plan.python_of(engine) if engine else None)
        result["operators"].update(told.get("operators", {}))
        if status != "ok":
            result["missing"]["operators." + _subject(names, paths)] = reason or status
        parts.display.end("{}: {}".format(step.label, status))
