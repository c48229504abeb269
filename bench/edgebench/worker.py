"""One run in a process of its own: reads its job on standard input, tells what happens on standard output.

The parent keeps standard input open as a lifeline: when it ends, however the
parent died, the worker ends too. Events are JSON lines:
``{"event": "phase", "phase": …}``, ``{"event": "epoch", "done": …, "of": …}``,
``{"event": "span", "name": …, "start_s": …, "end_s": …}`` (monotonic seconds, the same clock as the sampler's),
``{"event": "update", "record": {…}}`` (a part of the record, told as soon as it
is known, so that a killed worker leaves what it had), ``{"event": "unusable",
"reason": …, "code": …}`` where no run could work on this host, and, last,
``{"event": "end", "status": …, "reason": …, "traceback": …}``. A job is a probe
of the framework, a training run, the inference of one engine with one model, or
a part of ``edgebench roofline`` or ``edgebench explain``.
"""

import json
import math
import os
import platform
import sys
import threading
import time
import traceback

from edgebench import compat, memory, workloads
from edgebench.data import manifest
from edgebench.data.access import Job
from edgebench.data.sources import Finder
from edgebench.errors import DataError, EdgebenchError, UnsupportedError, UsageError
from edgebench.workloads.spec import sizes_for


class _Log:
    """A stream whose reader may lose lines: a log on a full disk is no reason for a measurement to fail."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        try:
            self._stream.write(text)
        except OSError:
            pass
        return len(text)

    def flush(self):
        try:
            self._stream.flush()
        except OSError:
            pass

    def __getattr__(self, name):
        return getattr(self._stream, name)


def main():
    """Run the job given on standard input and end the process, without the framework's slow teardown."""
    events = os.fdopen(os.dup(1), "w")
    # Whatever the framework prints goes to the log, not between the events.
    os.dup2(2, 1)
    sys.stdout, sys.stderr = _Log(sys.stdout), _Log(sys.stderr)

    def emit(event, **values):
        values["event"] = event
        events.write(json.dumps(values) + "\n")
        events.flush()

    job = json.loads(_read_line(0))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    status, reason, trace = "ok", None, None
    try:
        _JOBS[job["kind"]](job, emit)
    except MemoryError:
        status, reason, trace = "oom", "Python could not allocate memory", traceback.format_exc()
    except UsageError as error:
        emit("unusable", reason=str(error), code=error.code)
    except UnsupportedError as error:
        status, reason = "unsupported", str(error)
    except EdgebenchError as error:
        status, reason = "failed", str(error)
    except Exception as error:  # noqa: BLE001 - whatever the framework raises becomes a record
        status = "oom" if type(error).__name__ == "ResourceExhaustedError" else "failed"
        reason, trace = "{}: {}".format(type(error).__name__, _first_line(error)), traceback.format_exc()
    emit("update", record={"memory": {"peak_bytes": memory.peak_bytes()}})
    emit("end", status=status, reason=reason, traceback=trace)
    sys.stderr.flush()
    os._exit(0)


def _read_line(descriptor):
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        if not piece:
            break
        line += piece
    return line.decode("utf-8")


def _end_with_parent():
    while os.read(0, 4096):
        pass
    os._exit(70)


def _first_line(error):
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message"


def _load_framework(job, emit):
    emit("phase", phase="import")
    started = time.monotonic()
    framework = compat.load(job.get("threads"), job.get("device") != "cpu", job.get("device") == "gpu")
    import numpy

    devices = framework.devices()
    emit(
        "update",
        record={
            "times": {"import_s": time.monotonic() - started},
            "framework": {
                "name": "tensorflow",
                "version": framework.tensorflow_version,
                "keras": framework.keras_version,
                "numpy": numpy.__version__,
                "python": platform.python_version(),
            },
            "device": devices[0],
            "memory": {"framework_bytes": memory.current_bytes()},
        },
    )
    return framework, devices


def _probe(job, emit):
    framework, devices = _load_framework(job, emit)
    emit("update", record={"framework": {"build": framework.build_flags()}, "devices": devices})


def _infer(job, emit):
    from edgebench.kws import job as kws_job

    kws_job.run(job, emit)


def _convert(job, emit):
    from edgebench.kws import convert_job

    convert_job.run(job, emit)


def _analyse(job, emit):
    from edgebench.roofline import job as roofline_job

    roofline_job.run(job, emit)


def _tune(job, emit):
    from edgebench.tuning import job as tuning_job

    framework, _ = _load_framework(job, emit)
    module = workloads.get(job["workload"])
    framework.set_precision(job["precision"])

    def read():
        data = _data_job(job, module.SPEC)
        return module.inputs(data)[0], data.input_kinds if job["input_mode"] == "auto" else ()

    def build(train):
        framework.set_seed(job["seed"])
        model = _built(framework, module, job["options"])
        _first_steps(framework, model, train)
        return model

    tuning_job.run(framework, read, build, sizes_for(module.SPEC, job["profile"]), job, emit)


def _explain(job, emit):
    from edgebench.explain import job as explain_job

    framework, spec, _, model, (train, _, _) = _ready(job, emit)
    explain_job.run(framework, spec, model, train, job, emit)


def _run(job, emit):
    framework, spec, data, model, (train, test, extra) = _ready(job, emit)
    emit("phase", phase="train")
    framework.set_seed(job["seed"])
    losses = _train(framework, model, train, data.sizes.epochs, emit)
    emit("update", record={"quality": {"epoch_losses": [each for each in losses if math.isfinite(each)]}})
    if not all(math.isfinite(each) for each in losses):
        raise EdgebenchError("the training loss is not finite: {}".format(losses), "loss-not-finite")

    emit("phase", phase="test")
    started = time.monotonic()
    values = framework.evaluate(model, test)
    ended = time.monotonic()
    emit("span", name="test", start_s=started, end_s=ended)
    emit("update", record={"times": {"test_s": ended - started}})
    emit("update", record={"quality": _quality(spec, values, extra)})
    if framework.gpu_peak_bytes() is not None:
        emit("update", record={"memory": {"gpu_peak_bytes": framework.gpu_peak_bytes()}})


def _ready(job, emit):
    """Return (framework, spec, data.access.Job, compiled model, what the workload's inputs gives), ready to train."""
    framework, _ = _load_framework(job, emit)
    module = workloads.get(job["workload"])
    spec = module.SPEC
    framework.set_precision(job["precision"])
    framework.set_seed(job["seed"])
    execution = job.get("execution", {})
    framework.execute_with(execution)

    emit("phase", phase="data")
    started = time.monotonic()
    data = _data_job(dict(job, input_mode=execution.get("input", job["input_mode"])), spec)
    try:
        fed = module.inputs(data)
        data.described["input"] = fed[0].kind
    finally:
        emit("update", record={"data": data.described, "warnings": data.warnings})
    emit("update", record={"times": {"data_s": time.monotonic() - started}})

    emit("phase", phase="build")
    started = time.monotonic()
    model = _built(framework, module, job["options"])
    emit("update", record={"sizes": {"parameters": model.count_params()}})
    _first_steps(framework, model, fed[0])
    emit("update", record={"times": {"build_s": time.monotonic() - started}})
    return framework, spec, data, model, fed


def _data_job(job, spec):
    # The parent has fetched what can be fetched; a worker only ever looks on the disk.
    finder = Finder(manifest.load(), job["data_dir"], job["cache_dir"], offline=True)
    sizes = sizes_for(spec, job["profile"])
    return Job(
        spec.dataset, job["profile"], sizes, job["options"], job["data_mode"], job["input_mode"], finder
    )


def _built(framework, module, options):
    spec = module.SPEC
    model = module.network(framework, options)
    if model.count_params() != spec.parameters:
        raise EdgebenchError(
            "the network of {} has {} parameters with Keras {}, the published one has {}".format(
                spec.name, model.count_params(), framework.keras_version, spec.parameters
            ),
            "parameters-differ",
        )
    framework.compile(model, spec.learning_rate, spec.loss, accuracy=spec.metric == "accuracy")
    return model


def _first_steps(framework, model, train):
    """Take the first steps, which build and compile, and undo them, so that training starts where it should."""
    weights = model.get_weights()
    try:
        few = train.part(framework.steps_at_once) if train.streamed else train.each_shape()
        loss = framework.fit(model, few, epochs=1)[0]
    except (MemoryError, DataError):
        raise
    except Exception as error:
        if framework.precision == "float16" and type(error).__name__ != "ResourceExhaustedError":
            raise UnsupportedError(
                "float16 does not work here: {}".format(_first_line(error)), "float16-unsupported"
            )
        raise
    if framework.precision == "float16" and not math.isfinite(loss):
        raise UnsupportedError(
            "float16 does not work here: the first training step gives a loss of {}".format(loss),
            "float16-unsupported",
        )
    model.set_weights(weights)
    framework.reset_optimizer(model)


def _train(framework, model, train, epochs, emit):
    marks = [time.monotonic()]

    def on_epoch(done):
        marks.append(time.monotonic())
        emit("epoch", done=done, of=epochs)

    losses = framework.fit(model, train, epochs, on_epoch)
    ended = time.monotonic()
    train_s = ended - marks[0]
    emit("span", name="train", start_s=marks[0], end_s=ended)
    epochs_s = [later - earlier for earlier, later in zip(marks, marks[1:])]
    emit("update", record={"times": {"train_s": train_s, "epochs_s": epochs_s}})
    return losses


def _quality(spec, values, extra):
    if spec.metric == "accuracy":
        return {"test_loss": values[0], "value": values[1]}
    return {"test_loss": values[0], "value": values[0], "mae_celsius": values[0] * extra["celsius_per_unit"]}


_JOBS = {
    "probe": _probe,
    "run": _run,
    "tune": _tune,
    "inference": _infer,
    "convert": _convert,
    "roofline": _analyse,
    "explain": _explain,
}

if __name__ == "__main__":
    main()
