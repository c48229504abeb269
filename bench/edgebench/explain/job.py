"""What runs in the worker for ``edgebench explain``: one workload's counts and times, told as parts of its record."""

import os

import numpy

from edgebench.errors import EdgebenchError
from edgebench.explain import gpu, measure
from edgebench.inputs import available_memory_bytes
from edgebench.roofline import layers, networks

_ACTIVATION_COPIES = 3
_FLOAT_BYTES = 4


def run(framework, spec, model, train, job, emit):
    """Measure ``model``, built and compiled, with its ``train`` input as job["budget_s"] allows.

    Tells {"counted": […], "measured": {…}}: layers as ``roofline.layers`` counts
    them, and the samples of ``measure``.
    """
    subject = networks.subject(spec.name)
    counted = layers.count(model, _sample_shape(spec, subject, job["options"]))
    emit(
        "update",
        record={
            "counted": [dict(each._asdict()) for each in counted],
            "sizes": {"batch": spec.paper.batch, "parameters": layers.parameters(counted)},
        },
    )
    if measure.steps_in(train) < measure.LEAST_STEPS:
        raise EdgebenchError(
            "The input of {} makes {} steps, the measurement needs at least {}".format(
                spec.name, measure.steps_in(train), measure.LEAST_STEPS
            ),
            "input-too-short",
        )
    plan = measure.plan_of(
        spec.paper.batch, _bytes_each(counted), available_memory_bytes(), float(job["budget_s"])
    )
    busy = gpu.Busy()
    subjects = measure.Subjects(
        framework, model, _dense(framework, 1), _dense(framework, spec.parameters), train, plan, busy
    )

    def tell(done, left_s):
        emit("epoch", done=done, of=None)
        emit("expect", seconds=left_s)

    emit("phase", phase="warmup")
    subjects.warm()
    own, all_ = _own_cpu_s(), _all_cpu_s()
    emit("phase", phase="rounds")
    rounds = subjects.rounds(tell)
    told = dict(subjects.told(), rounds=rounds, gpu_busy_share=busy.share, others_cpu_share=None)
    if all_ is not None:
        passed = _all_cpu_s() - all_
        told["others_cpu_share"] = max(0.0, 1 - (_own_cpu_s() - own) / passed) if passed > 0 else 0.0
    emit("update", record={"measured": told})


def _sample_shape(spec, subject, options):
    rows = options.get("lookback_rows")
    if rows is None:
        return subject.input_shape
    from edgebench.workloads import weather

    return (rows // weather.STEP_ROWS,) + tuple(spec.input_shape[1:])


def _bytes_each(counted):
    """Return what training holds for one sample: its input, and every activation a few times over."""
    values = counted[0].input_values + sum(layer.output_values for layer in counted)
    return _ACTIVATION_COPIES * _FLOAT_BYTES * values


def _dense(framework, weights):
    """Return (model, x, y) of one square layer of about so many ``weights``, and a batch of one for it."""
    side = max(1, int(weights**0.5))
    model = framework.sequential((side,), [framework.output(side)])
    framework.compile(model, 1e-3, "mae", accuracy=False)
    return model, numpy.zeros((1, side), "float32"), numpy.zeros((1, side), "float32")


def _own_cpu_s():
    return sum(os.times()[:4])


def _all_cpu_s():
    """Return the CPU time of all processes since boot, in seconds; None where the kernel does not tell (proc(5))."""
    try:
        with open("/proc/stat") as handle:
            fields = [int(each) for each in handle.readline().split()[1:9]]
    except (IOError, OSError, ValueError):
        return None
    user, nice, system, _, _, irq, softirq, steal = fields + [0] * (8 - len(fields))
    return (user + nice + system + irq + softirq + steal) / float(os.sysconf("SC_CLK_TCK"))
