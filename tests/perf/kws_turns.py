"""One process that runs keyword spotting by turns through LiteRT and TensorFlow, and matrix products in between.

``python kws_turns.py ZIPAPP DATA_DIR CACHE_DIR TURNS`` prints one JSON line a turn: the core's SGEMM peak in GFLOP/s
and microseconds an inference of each model, by the median and by the best time. One thread everywhere. Turn by turn
all find the machine in the same state, which whole processes minutes apart do not.
"""

import functools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

zipapp, data_dir, cache_dir, turns = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
# Read when NumPy is loaded, and never again.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
sys.path.insert(0, zipapp)

import numpy  # noqa: E402
from edgebench.data import manifest, sources  # noqa: E402
from edgebench.kws import engines, models, network, tflite_form  # noqa: E402
from edgebench.kws.inputs import SHAPE, Features  # noqa: E402
from edgebench.roofline import peaks  # noqa: E402

SHARE_S = 0.25
SIZES = (256, 384, 512, 768, 1024)


def main() -> None:
    found = {
        (each.id, each.form): each
        for each in models.find(sources.Finder(manifest.load(), data_dir, cache_dir, offline=True))
    }
    references = [("reference_int8", "tflite"), ("reference_saved_model", "saved_model")]
    missing = [name for name, form in references if (name, form) not in found]
    if missing:
        raise SystemExit(
            f"{', '.join(missing)} not found in {data_dir}: name the folder by EDGEBENCH_DATA_DIR"
        )
    tensorflow = engines.open_library("tensorflow", 1)
    litert = engines.open_library("litert", 1)
    values = numpy.random.RandomState(0).randn(100, *SHAPE).astype("float32") * 50
    framework = tensorflow.tensorflow
    keras_model = network.network(framework)
    # Random weights: the time of an inference does not depend on them.
    float32 = opened(litert, "float32", tflite_form.float32(framework, keras_model))
    own_int8 = opened(litert, "int8", tflite_form.int8(framework, keras_model, values))
    int8, saved_model = litert.open(found[references[0]]), tensorflow.open(found[references[1]])
    for engine in (float32, own_int8, int8, saved_model):
        engine.set_input(Features(values[0]))
    products = [
        multiply_of(size)
        for multiply_of in (
            peaks.numpy_multiply("float32"),
            peaks.framework_multiply(framework, "float32", "/cpu:0"),
        )
        for size in SIZES
    ]
    measures: dict[str, Callable[[], dict[str, float]]] = {
        "sgemm_numpy_gflop_per_s": functools.partial(sgemm, products[: len(SIZES)]),
        "sgemm_tensorflow_gflop_per_s": functools.partial(sgemm, products[len(SIZES) :]),
        "litert_float32_us": functools.partial(inference_us, float32.invoke),
        "litert_int8_us": functools.partial(inference_us, own_int8.invoke),
        "litert_reference_int8_us": functools.partial(inference_us, int8.invoke),
        "saved_model_us": functools.partial(inference_us, saved_model.invoke),
    }
    for turn in range(turns):
        order = list(measures) if turn % 2 else list(reversed(measures))
        told: dict[str, Any] = {name: measures[name]() for name in order}
        told["litert"] = f"{litert.name} {litert.version}"
        print(json.dumps(told), flush=True)


def opened(litert: Any, precision: str, content: bytes) -> Any:
    """Return an engine of a .tflite file's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, precision + ".tflite")
        with open(path, "wb") as handle:
            handle.write(content)
        return litert.open(models.Model(precision, "tflite", precision, "random", path, None, len(content)))


def sgemm(products: list[Callable[[], object]]) -> dict[str, float]:
    """Return the rate of the fastest product, by its median and by its best time."""
    times = [taken_s(product, SHARE_S / len(products)) for product in products]
    flop = [2.0 * size**3 for size in SIZES]
    return {
        "median": max(each / statistics.median(taken) for each, taken in zip(flop, times, strict=True)) / 1e9,
        "best": max(each / min(taken) for each, taken in zip(flop, times, strict=True)) / 1e9,
    }


def inference_us(invoke: Callable[[], object]) -> dict[str, float]:
    """Return the time of an inference, the median and the best."""
    taken = taken_s(invoke, SHARE_S)
    return {"median": 1e6 * statistics.median(taken), "best": 1e6 * min(taken)}


def taken_s(function: Callable[[], object], budget_s: float) -> list[float]:
    """Return the times of a function that is called until the budget is spent, after some that are not counted."""
    for _ in range(3):
        function()
    taken: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < budget_s or len(taken) < 5:
        before = time.perf_counter()
        function()
        taken.append(time.perf_counter() - before)
    return taken


main()
