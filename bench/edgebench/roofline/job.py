"""What runs in the worker for ``edgebench roofline``: peaks, networks and operators, a part a process.

Each part tells ``{"event": "update", "record": {…}}`` as soon as something is
known. A part that needs the framework fails as a run does where it is missing.
"""

import os
import time

import numpy

from edgebench import compat
from edgebench import inputs as feeding
from edgebench.errors import EdgebenchError, UnsupportedError, UsageError
from edgebench.roofline import cuda_copies, layers, networks, operators, peaks

_RUNS = 10
_TIMED_S = 0.6


def run(job, emit):
    """Do the part that ``job["part"]`` names: "peaks", "networks", "operators"."""
    {"peaks": _peaks, "networks": _networks, "operators": _operators}[job["part"]](job, emit)


def _peaks(job, emit):
    """Tell {"gemm", "bandwidth", "levels", "last_cache_bytes", "cuda_copies", "missing"} for job["threads"] threads."""
    threads, budget_s = job["threads"], job["budget_s"]
    found = {
        "gemm": [],
        "bandwidth": [],
        "levels": [],
        "cuda_copies": None,
        "missing": {},
        "last_cache_bytes": peaks.last_cache_bytes(),
    }
    emit("phase", phase="memory bandwidth, {}".format(_threads(threads)))
    available = feeding.available_memory_bytes()
    found["bandwidth"].append(peaks.stream(threads, found["last_cache_bytes"], available, 0.2 * budget_s))
    if job["first"]:
        emit("phase", phase="bandwidth of the caches")
        found["levels"] = peaks.levels(found["last_cache_bytes"] or 2**22, 0.1 * budget_s)
        emit("phase", phase="copies between host and GPU")
        try:
            found["cuda_copies"] = cuda_copies.measure()
        except UnsupportedError as error:
            found["missing"]["cuda_copies"] = str(error)
    # Told before the framework is touched, which may kill this process.
    emit("update", record=found)
    framework, reason = None, "TensorFlow kills the process on this CPU"
    if job["framework"]:
        emit("phase", phase="import")
        try:
            framework = compat.load(threads)
        except UsageError as error:
            reason = str(error)
    gemm = _cpu_gemm(framework, threads, 0.7 * budget_s, emit)
    missing = {}
    if framework is None:
        missing["gemm.framework"] = reason
    elif job["first"]:
        gemm += _gpu_gemm(framework, budget_s, emit)
    missing["gemm.int8"] = "no library here multiplies int8 matrices by itself"
    emit("update", record={"gemm": gemm, "missing": missing})


def _cpu_gemm(framework, threads, budget_s, emit):
    measured = []
    share_s = budget_s / (2 * len(peaks.PRECISIONS))
    for precision in peaks.PRECISIONS:
        emit("phase", phase="matrix products, {}, {}".format(precision, _threads(threads)))
        found = []
        # NumPy has no library for float16: it takes a loop, minutes for what takes milliseconds.
        if precision != "float16":
            found.append(("numpy", peaks.gemm(peaks.numpy_multiply(precision), peaks.SIZES, share_s)))
        if framework is not None:
            multiply = peaks.framework_multiply(framework, precision, "/cpu:0")
            found.append(("tensorflow", _none_if_refused(multiply, peaks.SIZES, share_s)))
        for library, best in found:
            if best is not None:
                measured.append(
                    dict(best, library=library, device="cpu", precision=precision, threads=threads)
                )
    return measured


def _gpu_gemm(framework, budget_s, emit):
    if framework.devices()[0]["kind"] != "gpu":
        return []
    measured = []
    for precision in peaks.PRECISIONS:
        emit("phase", phase="matrix products, {}, GPU".format(precision))
        multiply = peaks.framework_multiply(framework, precision, "/gpu:0")
        best = _none_if_refused(multiply, peaks.sizes_for("gpu"), budget_s / len(peaks.PRECISIONS))
        if best is not None:
            measured.append(dict(best, library="tensorflow", device="gpu", precision=precision, threads=None))
    return measured


def _none_if_refused(multiply, sizes, budget_s):
    try:
        return peaks.gemm(multiply, sizes, budget_s)
    # Which error says that a precision has no kernel differs between versions.
    except Exception:  # noqa: BLE001
        return None


def _threads(number):
    return "{} thread{}".format(number, "" if number == 1 else "s")


def _networks(job, emit):
    """Tell {name: {"layers": […], "batch", "times": {…}}} of each of job["names"], one after another."""
    emit("phase", phase="import")
    framework = compat.load(job["threads"], job["device"] != "cpu", job["device"] == "gpu")
    emit("update", record={"framework": _about(framework)})
    framework.set_precision(job["precision"])
    for done, name in enumerate(job["names"]):
        emit("phase", phase="{}, {} of {}".format(name, done + 1, len(job["names"])))
        subject = networks.subject(name)
        model = subject.build(framework)
        counted = layers.count(model, subject.input_shape)
        if layers.parameters(counted) != subject.parameters:
            raise EdgebenchError(
                "The network of {} has {} parameters, expected {} as published (Keras {})".format(
                    name, layers.parameters(counted), subject.parameters, framework.keras_version
                ),
                "parameters-different",
            )
        told = {
            "title": subject.title,
            "batch": job["batch"] or subject.batch,
            "input_shape": list(subject.input_shape),
            "layers": [dict(layer._asdict()) for layer in counted],
            "times": {},
        }
        if job["measure"]:
            told["times"] = _times(framework, model, subject, told["batch"])
        emit("update", record={"networks": {name: told}})


def _about(framework):
    return {
        "tensorflow": framework.tensorflow_version,
        "keras": framework.keras_version,
        "device": framework.devices()[0]["kind"],
    }


def _times(framework, model, subject, batch):
    """Return {"inference", "training": {batch as text: {"median_us", "runs"}}} of Keras' ``…_on_batch``."""
    times = {"inference": {}, "training": {}}  # type: ignore[var-annotated]
    if subject.loss is not None:
        loss, rate = subject.loss
        framework.compile(model, rate, loss, accuracy=False)
    for size in sorted({1, batch}):
        x, y = networks.batch_of(subject, model, size)
        times["inference"][str(size)] = _median(lambda x=x: model.predict_on_batch(x))
        if y is not None:
            times["training"][str(size)] = _median(lambda x=x, y=y: model.train_on_batch(x, y))
    return times


def _median(function):
    function()
    function()
    taken = []  # type: ignore[var-annotated]
    started = time.perf_counter()
    while len(taken) < _RUNS or time.perf_counter() - started < _TIMED_S:
        before = time.perf_counter()
        function()
        taken.append(time.perf_counter() - before)
    return {"median_us": 1e6 * float(numpy.median(taken)), "runs": len(taken)}


def _operators(job, emit):
    """Tell {name: operators} of TensorFlow for job["names"], and of LiteRT for job["models"]."""
    if job["names"]:
        emit("phase", phase="import")
        framework = compat.load(job["threads"], job["device"] != "cpu", job["device"] == "gpu")
        for name in job["names"]:
            emit("phase", phase="tensorflow, " + name)
            subject = networks.subject(name)
            model = subject.build(framework)
            x, _ = networks.batch_of(subject, model, 1)
            found = operators.tensorflow(framework, _traced(framework, model, x))
            emit("update", record={"operators": {"tensorflow " + name: found}})
    for path in job["models"]:
        from edgebench.kws.engines import litert_engine

        emit("phase", phase="litert, " + os.path.basename(path))
        library = litert_engine.open_library(job["threads"], False)
        found = operators.litert(library.interpreter, path, _fill)
        emit("update", record={"operators": {"litert " + os.path.basename(path): found}})


def _traced(framework, model, x):
    try:
        return framework.traced_inference(model, x)
    except ValueError as error:
        raise UnsupportedError(
            "Keras {} cannot freeze this network into a graph that can be traced: {}".format(
                framework.keras_version, str(error).splitlines()[0]
            ),
            "network-not-traceable",
        )


def _fill(interpreter):
    details = interpreter.get_input_details()[0]
    interpreter.set_tensor(details["index"], numpy.zeros(details["shape"], details["dtype"]))
