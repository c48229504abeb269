"""Schema-valid records of hosts and runs that were never there, and the files that hold them."""

import copy
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench_report.build import Built, build

Record = dict[str, Any]

# name: (title, paper sizes, quick sizes, parameters, accuracy or error, seconds of a paper training)
WORKLOADS: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], int, float, float]] = {
    "mnist_1d": ("MNIST Digits 1D", (60000, 10000, 5, 128), (12800, 2000, 2, 128), 407050, 0.980, 21.0),
    "imdb": ("IMDB", (25000, 25000, 4, 512), (8192, 2048, 2, 512), 160305, 0.883, 6.1),
    "reuters": ("Reuters", (8982, 2246, 9, 512), (6144, 1024, 3, 512), 647214, 0.790, 7.4),
    "mnist_2d": ("MNIST Digits 2D", (60000, 10000, 5, 64), (3200, 1000, 2, 64), 93322, 0.991, 182.0),
    "dogs_vs_cats": ("Dogs vs Cats", (2000, 1000, 15, 20), (120, 40, 1, 20), 3453121, 0.722, 480.0),
    "imdb_embedded": ("IMDB Embedded", (25000, 25000, 10, 32), (6400, 2048, 2, 32), 80401, 0.819, 68.0),
    "weather": ("MPI Weather", (200000, 120406, 10, 128), (12000, 5000, 2, 128), 5217, 0.29, 210.0),
    "weather_conv": (
        "MPI Weather Conv.",
        (200001, 120407, 10, 128),
        (12000, 5000, 2, 128),
        14817,
        0.31,
        165.0,
    ),
}
# (engine, model): library, form, weights, median latency in us, top-1.
KWS: dict[tuple[str, str], tuple[str, str, str, float, float]] = {
    ("tensorflow", "reference_saved_model"): ("tensorflow", "saved_model", "reference", 539.0, 0.913),
    ("litert", "reference_int8"): ("ai-edge-litert", "tflite", "reference", 44.0, 0.902),
    ("litert", "float32"): ("ai-edge-litert", "tflite", "reference", 60.0, 0.913),
    ("onnxruntime", "float32"): ("onnxruntime", "onnx", "reference", 65.0, 0.913),
    ("onnxruntime", "int8"): ("onnxruntime", "onnx", "reference", 55.0, 0.881),
}
RUNNER = {"version": "0.1.0", "sha256": "a" * 64}


class Maker:
    """Makes records; what is given by keyword replaces what a plain finished run would have."""

    def host(self, host: str = "edge-01", run_id: str = "r1", **changes: Any) -> Record:
        record: Record = {
            "schema": 1,
            "record": "host",
            "run_id": run_id,
            "session": "0123456789ab",
            "host": host,
            "runner": RUNNER,
            "time_utc": "2026-05-04T08:00:00Z",
            "missing": {"facts.board.model": "neither a device tree nor DMI names the board"},
            "facts": {
                "cpu": {
                    "model": "Intel(R) Core(TM) i3-8145U CPU @ 2.10GHz",
                    "vendor": "GenuineIntel",
                    "architecture": "x86_64",
                    "flags": ["avx", "avx2"],
                    "cores_physical": 2,
                    "cores_logical": 4,
                    "caches_bytes": {"L1d": 65536},
                    "governor": "performance",
                    "clock_min_mhz": 400.0,
                    "clock_max_mhz": 3900.0,
                    "clock_current_mhz": 2100.0,
                },
                "memory": {"total_bytes": 8 * 2**30, "available_bytes": 6 * 2**30, "swap_total_bytes": 0},
                "os": {"name": "Debian GNU/Linux", "version": "12", "kernel": "6.1.0-18-amd64"},
                "board": {"model": None},
                "framework": _framework("2.21.0"),
                "devices": [{"kind": "cpu", "name": "CPU", "memory_bytes": None}],
            },
        }
        return merge(record, changes)

    def run(
        self, workload: str = "mnist_1d", repeat: int = 1, profile: str = "quick", **changes: Any
    ) -> Record:
        title, paper, quick, parameters, quality, seconds = WORKLOADS[workload]
        sizes = dict(
            zip(
                ("train_samples", "test_samples", "epochs", "batch"),
                quick if profile == "quick" else paper,
                strict=True,
            )
        )
        is_weather = workload.startswith("weather")
        if is_weather:
            sizes["steps_per_epoch"] = 16 if profile == "quick" else 500
        train_s = seconds * (0.01 if profile == "quick" else 1.0)
        record: Record = {
            "schema": 1,
            "record": "run",
            "run_id": "r1",
            "session": "0123456789ab",
            "host": "edge-01",
            "runner": RUNNER,
            "started_utc": "2026-05-04T08:00:00Z",
            "finished_utc": "2026-05-04T08:01:00Z",
            "workload": workload,
            "title": title,
            "profile": profile,
            "variant": "published",
            "options": {"lookback_rows": 1440} if is_weather else {},
            "repeat": repeat,
            "attempt": 1,
            "status": "ok",
            "reason": None,
            "traceback": None,
            "times": {
                "import_s": 1.5,
                "data_s": 0.25,
                "build_s": 0.5,
                "train_s": train_s,
                "test_s": 0.125,
                "epochs_s": [train_s / sizes["epochs"]] * sizes["epochs"],
                "wall_s": train_s + 3.0,
            },
            "quality": {
                "metric": "mae" if is_weather else "accuracy",
                "value": quality,
                "unit": "standard deviations" if is_weather else "ratio",
                "mae_celsius": quality * 8.2 if is_weather else None,
                "test_loss": 0.1,
                "epoch_losses": [0.5, 0.25],
            },
            "sizes": {**sizes, "test_batch": 32, "parameters": parameters},
            "data": {
                "name": workload,
                "source": "cache",
                "synthetic": False,
                "sha256": "b" * 64,
                "note": None,
                "input": "dense_float32",
            },
            "framework": _framework("2.21.0"),
            "device": {"kind": "cpu", "name": "CPU", "memory_bytes": None},
            "precision": "float32",
            "threads": {"intra": 2, "inter": 2},
            "memory": {"peak_bytes": 700_000_000, "framework_bytes": 400_000_000},
            "seed": 100 + repeat,
            "requested": {"data": "auto", "input": "auto", "device": "auto"},
            "telemetry": None,
            "warnings": [],
            "missing": {},
        }
        return merge(record, changes)

    def unfinished(
        self, status: str, reason: str | None, workload: str = "mnist_1d", repeat: int = 1, **changes: Any
    ) -> Record:
        """A run that did not finish and knows neither its data nor its results."""
        unknown: Record = {
            "status": status,
            "reason": reason,
            "times": {"train_s": None, "test_s": None, "build_s": None, "epochs_s": []},
            "quality": {"value": None, "mae_celsius": None, "test_loss": None, "epoch_losses": []},
            "data": {"source": None, "synthetic": None, "sha256": None, "input": None},
            "memory": {"peak_bytes": None},
            "missing": {"times.train_s": reason or status, "quality.value": reason or status},
        }
        return merge(self.run(workload, repeat, changes.get("profile", "quick")), merge(unknown, changes))

    def inference(
        self, engine: str = "litert", model: str = "reference_int8", /, profile: str = "quick", **changes: Any
    ) -> Record:
        """One engine with one model, as in the notes of what was measured on one core of a server."""
        library, form, weights, median_us, top1 = KWS[engine, model]
        window_s = 1.0 if profile == "quick" else 10.0
        percentiles = [median_us * (0.95 + 0.05 * min(each, 50) / 50) for each in range(101)]
        percentiles[51:] = [median_us * (1 + 0.004 * (each - 50)) for each in range(51, 100)] + [
            3 * median_us
        ]
        inferences = [int(window_s * 1e6 / (median_us * factor)) for factor in (1.0, 1.01, 1.02, 1.03, 1.06)]
        rates = [each / window_s for each in inferences]
        record: Record = {
            "schema": 2,
            "record": "inference",
            "run_id": "r1",
            "session": "0123456789ab",
            "host": "edge-01",
            "runner": RUNNER,
            "started_utc": "2026-05-04T09:00:00Z",
            "finished_utc": "2026-05-04T09:01:00Z",
            "workload": "kws",
            "title": "Keyword Spotting",
            "profile": profile,
            "variant": "published",
            "options": {"window_s": window_s, "windows": 5, "min_inferences": 10},
            "engine": {"name": engine, "library": library, "version": "2.1.0", "delegate": "XNNPACK"},
            "model": {
                "id": model,
                "form": form,
                "precision": "int8" if "int8" in model else "float32",
                "weights": weights,
                "sha256": "c" * 64,
                "size_bytes": 53936,
                "parameters": 24908,
            },
            "threads": {"intra": 1, "inter": 1},
            "repeat": 1,
            "attempt": 1,
            "status": "ok",
            "reason": None,
            "traceback": None,
            "times": {"import_s": 0.3, "load_s": 0.02, "warmup_s": 0.1, "accuracy_s": 0.1, "wall_s": 5.9},
            "windows": [
                {"inferences": count, "wall_s": window_s + 0.0001, "throughput_per_s": rate}
                for count, rate in zip(inferences, rates, strict=True)
            ],
            "valid_windows": profile != "quick",
            "throughput_per_s": rates[2],
            "latency": {
                "samples": sum(inferences),
                "percentiles_us": percentiles,
                "mean_us": 1.02 * median_us,
                "jitter_us": 0.06 * median_us,
            },
            "quality": {
                "metric": "top1",
                "value": top1,
                "unit": "ratio",
                "auc": 0.9962,
                "samples": 1000,
                "per_class": None,
                "confusion": None,
            },
            "data": {
                "name": "kws01",
                "source": "cache",
                "synthetic": False,
                "sha256": "d" * 64,
                "note": None,
                "input": "int8",
            },
            "framework": _framework("2.21.0"),
            "device": {"kind": "cpu", "name": "CPU", "memory_bytes": None},
            "memory": {"peak_bytes": 90_000_000},
            "seed": 1,
            "requested": {"data": "auto", "device": "auto"},
            "telemetry": None,
            "warnings": [],
            "missing": {},
        }
        return merge(record, changes)

    def not_inferred(self, status: str, reason: str | None, *what: str, **changes: Any) -> Record:
        """An engine that did not get as far as a window."""
        unknown: Record = {
            "status": status,
            "reason": reason,
            "engine": {"library": None, "version": None, "delegate": None},
            "windows": [],
            "valid_windows": None,
            "throughput_per_s": None,
            "latency": dict.fromkeys(("samples", "percentiles_us", "mean_us", "jitter_us")),
            "quality": dict.fromkeys(("value", "auc", "samples", "per_class", "confusion")),
            "device": None,
            "missing": {"throughput_per_s": reason or status},
        }
        return merge(self.inference(*what), merge(unknown, changes))

    def suite(
        self, repeats: int = 3, noise: float = 0.04, speed: float = 1.0, seed: int = 1, **changes: Any
    ) -> list[Record]:
        """All eight workloads, ``repeats`` times, with host record, times scattered by ``noise``."""
        chance = random.Random(seed)
        shared = {name: changes[name] for name in ("host", "run_id", "session") if name in changes}
        records = [self.host(**shared)]
        for repeat in range(1, repeats + 1):
            for workload in WORKLOADS:
                record = self.run(workload, repeat, **copy.deepcopy(changes))
                times = record["times"]
                for name in ("data_s", "build_s", "train_s", "test_s"):
                    times[name] = round(times[name] * speed * chance.uniform(1 - noise, 1 + 2 * noise), 4)
                before = record["times"]["epochs_s"]
                times["epochs_s"] = [times["train_s"] / len(before)] * len(before)
                times["wall_s"] = (
                    sum(times[name] for name in ("data_s", "build_s", "train_s", "test_s")) + 1.8
                )
                record["quality"]["value"] *= chance.uniform(0.995, 1.005)
                records.append(record)
        return records


def _framework(version: str) -> Record:
    return {"name": "tensorflow", "version": version, "keras": "3.15.1", "numpy": "2.4.6", "python": "3.11.9"}


def merge(base: Record, changes: Record) -> Record:
    """Return ``base`` with ``changes`` put in, dictionaries merged key by key."""
    result = copy.deepcopy(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict) and name != "options"
        result[name] = merge(result[name], value) if both else copy.deepcopy(value)
    return result


def lines(records: list[Record]) -> str:
    """Return records as the runner writes them."""
    return "".join(json.dumps(each, sort_keys=True) + "\n" for each in records)


@pytest.fixture(scope="session")
def make() -> Maker:
    return Maker()


@pytest.fixture
def records_file(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes records to a file and gives its path."""

    def write(records: list[Record], name: str = "edge-01.jsonl") -> Path:
        return write_records(tmp_path / "records" / name, records)

    return write


def write_records(path: Path, records: list[Record]) -> Path:
    """Write records to ``path`` and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines(records), "utf-8")
    return path


def complaints(said: bytes) -> list[str]:
    """Return the lines of standard error but those that show that a slow command is at work."""
    lines = said.decode().splitlines()
    return [each for each in lines if not each.startswith("…") and not each.endswith("reading and computing")]


def marked(page: str) -> dict[str, list[str]]:
    """Return the notes of a page, or of a part of one: the HTML of each by its code."""
    found: dict[str, list[str]] = {}
    pattern = r'<(\w+)[^>]* data-code="([a-z0-9-]+)">(.*?)</\1>'
    for _, code, content in re.findall(pattern, page, re.DOTALL):
        found.setdefault(code, []).append(content)
    return found


HOSTILE = '<script>alert("x")</script> | `$x$` \x1b[31m\n# not a heading & [a](javascript:1)'


@pytest.fixture
def mixed(make: Maker, tmp_path: Path) -> Path:
    """A folder with the records of ``mixed_records``."""
    return write_records(tmp_path / "records" / "all.jsonl", mixed_records(make)).parent


@pytest.fixture(scope="session")
def mixed_report(make: Maker, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The report of ``mixed_records``, built once for the tests that only read it."""
    folder = tmp_path_factory.mktemp("mixed")
    write_records(folder / "records" / "all.jsonl", mixed_records(make))
    return build([folder / "records"], folder / "report", title=HOSTILE)


def mixed_records(make: Maker) -> list[Record]:
    """Two hosts in two profiles, with synthetic data, failures and hostile words."""
    records = make.suite(2)
    for record in records:
        if record.get("workload") == "imdb":
            record["data"].update(synthetic=True, sha256=None, source="synthetic", note=HOSTILE)
            record["warnings"] = [HOSTILE]
    records += make.suite(2, profile="paper", host="nano-01", run_id="r2", session="b" * 12)
    records += [make.unfinished("failed", HOSTILE, repeat=3)]
    records += [make.inference(*what) for what in KWS]
    nano = {"host": "nano-01", "run_id": "r2", "session": "b" * 12}
    records += [make.inference(*what, profile="paper", **nano) for what in list(KWS)[:3]]
    records += [make.not_inferred("unsupported", HOSTILE, "onnxruntime", "int8", "paper", **nano)]
    records[0]["facts"]["cpu"]["model"] = HOSTILE
    return records
