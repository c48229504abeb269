"""One measurement in the worker's process: an engine, a model, its accuracy and its windows."""

import platform
import statistics
import time

import numpy

from edgebench import keyword_spotting, memory
from edgebench.errors import EdgebenchError
from edgebench.kws import engines, network, scoring, selfcheck, timing
from edgebench.kws.inputs import LABELS, SHAPE, Features, read_set
from edgebench.kws.models import Model

_LIVELY_S = 10.0
# By the weights of a model below the required accuracy.
_ADVICE = {
    "reference": "The reference weights reach it, so the engine or the conversion is at fault. Convert the model again "
    "(edgebench kws convert), or choose another engine or model.",
    "trained": "To see whether the weights or an engine is at fault, compare the engines: edgebench kws accuracy",
}


def run(job, emit):
    """Measure what ``job`` asks for, telling each part of the record as soon as it is known.

    job: dict of engine, model (a Model as dict), threads, windows (0: none),
    window_s, min_inferences, inputs_folder (None: no accuracy), and, where
    given, device ("cpu" hides GPUs), seed and warmup. emit: as of the worker.
    Raises EdgebenchError as engines do, and before anything is timed if the
    engine computes the model wrongly or less accurately than required.
    """
    model = Model(**job["model"])
    emit("phase", phase="import")
    started = time.perf_counter()
    library = engines.open_library(job["engine"], job["threads"], job.get("device") != "cpu")
    emit("update", record=_of_library(library, job, time.perf_counter() - started))

    emit("phase", phase="load")
    started = time.perf_counter()
    library.set_seed(job.get("seed", 0))
    engine = library.open(model)
    load_s = time.perf_counter() - started
    emit(
        "update",
        record={
            "times": {"load_s": load_s},
            "engine": {"delegate": engine.delegate},
            "model": {"parameters": network.PARAMETERS},
        },
    )
    samples = read_set(job["inputs_folder"]) if job.get("inputs_folder") else []
    if samples and model.weights != "random":
        _measure_accuracy(engine, samples, emit)
    else:
        selfcheck.check(engine)
    if job["windows"]:
        engine.set_input(samples[0].quantized if samples else Features(numpy.zeros(SHAPE, numpy.float32)))
        _measure_windows(engine, job, emit)


def answers(engine, samples, on_tick=lambda done: None):
    """Return the probabilities (n, 12) that an Engine gives for Samples; on_tick: called now and then with how many."""
    given = numpy.zeros((len(samples), len(LABELS)), numpy.float32)
    told = time.perf_counter()
    for index, sample in enumerate(samples):
        engine.set_input(sample.quantized)
        engine.invoke()
        given[index] = engine.output()
        if time.perf_counter() - told > _LIVELY_S:
            told = time.perf_counter()
            on_tick(index + 1)
    return given


def _of_library(library, job, import_s):
    # An engine that needs no framework has its Python and NumPy all the same.
    framework = {"python": platform.python_version(), "numpy": numpy.__version__}
    framework.update(library.framework())
    return {
        "times": {"import_s": import_s},
        "engine": {"name": job["engine"], "library": library.name, "version": library.version},
        "framework": framework,
        "device": library.device(),
        "memory": {"framework_bytes": memory.current_bytes()},
        "data": {"input": "int8"},
    }


def _measure_accuracy(engine, samples, emit):
    emit("phase", phase="accuracy")
    started = time.monotonic()
    given = answers(engine, samples, lambda done: emit("epoch", done=done, of=len(samples)))
    ended = time.monotonic()
    accuracy_s = ended - started
    emit("span", name="accuracy", start_s=started, end_s=ended)
    score = scoring.score(given, [sample.label for sample in samples])
    emit(
        "update",
        record={
            "times": {"accuracy_s": accuracy_s},
            "quality": {
                "metric": "top1",
                "value": score.top1,
                "unit": "ratio",
                "auc": score.auc,
                "samples": score.samples,
                "per_class": score.per_class,
                "confusion": score.confusion,
            },
        },
    )
    if score.top1 < keyword_spotting.REQUIRED_TOP1:
        raise EdgebenchError(
            "top-1 is {:.1%} of {:,} inputs; kws01 requires {:.0%}. {}".format(
                score.top1, score.samples, keyword_spotting.REQUIRED_TOP1, _ADVICE[engine.model.weights]
            ),
            "accuracy-below-required",
        )


def _measure_windows(engine, job, emit):
    emit("phase", phase="warmup")
    measured = timing.measure(
        engine,
        job["windows"],
        job["window_s"],
        job["min_inferences"],
        job.get("warmup", timing.WARMUP),
        on_window=_teller(emit, job["windows"]),
    )
    windows = [
        {
            "inferences": each.inferences,
            "wall_s": each.wall_s,
            "throughput_per_s": each.inferences / each.wall_s,
        }
        for each in measured.windows
    ]
    emit(
        "update",
        record={
            "times": {"warmup_s": measured.warmup_s},
            "windows": windows,
            "valid_windows": timing.valid(measured.windows),
            "throughput_per_s": statistics.median(each["throughput_per_s"] for each in windows),
            "latency": {
                "samples": measured.samples,
                "percentiles_us": measured.percentiles_us,
                "mean_us": measured.mean_us,
                "jitter_us": measured.jitter_us,
            },
        },
    )


def _teller(emit, windows):
    began_s = []

    def tell(done):
        # In difference to perf_counter, this clock is the sampler's by definition.
        began_s.append(time.monotonic())
        if done == windows:
            emit("span", name="windows", start_s=began_s[0], end_s=began_s[-1])
        emit("phase", phase="windows")
        emit("epoch", done=done, of=windows)

    return tell
