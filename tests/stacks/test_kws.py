"""Keyword spotting with real engines and models: accuracy as published, on old stacks, today's and a Phenom."""

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from edgebench.kws import tables

from tests.messages import codes
from tests.stacks import environments
from tests.stacks.conftest import run_edgebench, stack_python

TODAY = environments.TODAY
_LIMIT_S = 1500

Results = dict[tuple[str, str, str], dict[str, Any]]


def _accuracy(
    python: Path, zipapp: Path, mirror: Path, home: Path, *arguments: str, **environment: str
) -> Results:
    done = run_edgebench(
        python,
        zipapp,
        home,
        "kws",
        "accuracy",
        "--json",
        "--offline",
        "--data-dir",
        mirror,
        *arguments,
        **environment,
    )
    assert done.returncode in (0, 1), done.stderr
    return {
        (each["engine"]["name"], each["model"]["id"], each["model"]["form"]): each
        for each in json.loads(done.stdout)
    }


def _top1(results: Results, *key: str) -> float:
    engine, model, form = key
    result = results[engine, model, form]
    assert result["status"] == "ok", result["reason"]
    value: float = result["quality"]["value"]
    return value


@pytest.fixture(scope="module")
def today(zipapp: Path, converted: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return _accuracy(
        stack_python(TODAY), zipapp, converted, tmp_path_factory.mktemp("home"), "--device", "cpu"
    )


@pytest.mark.stacks
def test_every_engine_with_every_model_is_as_right_as_it_should_be(today: Results) -> None:
    assert {
        key: (each["status"], each["reason"]) for key, each in today.items() if each["status"] != "ok"
    } == {}
    found = {key: (each["quality"]["value"], round(each["quality"]["auc"], 4)) for key, each in today.items()}
    # To the input where the arithmetic is fixed by the model; XNNPACK and oneDNN choose kernels by the CPU.
    assert found["tensorflow", "reference_saved_model", "saved_model"] == (
        pytest.approx(0.913, abs=0.0011),
        pytest.approx(0.9968, abs=2e-4),
    )
    assert found["litert", "reference_int8", "tflite"][0] == pytest.approx(0.902, abs=0.0011)
    # scikit-learn's roc_auc_score gives 0.9953 for the same answers.
    assert found["litert", "reference_int8", "tflite"][1] == pytest.approx(0.9953, abs=3e-4)
    assert found["litert", "reference_dynamic", "tflite"][0] == pytest.approx(0.900, abs=0.006)
    for key in (
        ("tensorflow", "float32", "keras"),
        ("litert", "float32", "tflite"),
        ("onnxruntime", "float32", "onnx"),
    ):
        assert found[key][0] == pytest.approx(0.913, abs=0.0011), key
    assert len(found) == 8


@pytest.mark.stacks
def test_confusion_and_classes_add_up(today: Results) -> None:
    for each in today.values():
        quality = each["quality"]
        rows = quality["confusion"]
        assert sum(map(sum, rows)) == quality["samples"] == 1000
        assert [sum(row) for row in rows] == [entry["samples"] for entry in quality["per_class"]]
        assert [row[index] for index, row in enumerate(rows)] == [
            entry["correct"] for entry in quality["per_class"]
        ]
        assert sum(entry["correct"] for entry in quality["per_class"]) == round(1000 * quality["value"])


@pytest.mark.stacks
def test_raw_bytes_score_as_the_2021_report_did_and_are_refused(zipapp: Path, data_dir: Path) -> None:
    script = Path(__file__).with_name("kws_raw_bytes.py")
    done = subprocess.run(
        [stack_python(TODAY), script, zipapp, data_dir], capture_output=True, text=True, timeout=_LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["uint8"] == {"top1": 0.086, "told": ["unknown"]}
    assert told["int8"]["top1"] == pytest.approx(0.086, abs=0.002)
    assert told["right"]["top1"] == pytest.approx(0.913, abs=0.0011)
    assert len(told["refused"]) == 2


# Runs in each engine's Python; the engines' labels are compared here.
_LABELS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from edgebench.kws import engines, inputs, job
from edgebench.kws.models import Model
samples = inputs.read_set(sys.argv[2] + "/kws01")
engine = engines.open_engine(sys.argv[3], Model(**json.loads(sys.argv[4])), int(sys.argv[5]))
print(json.dumps(job.answers(engine, samples).argmax(axis=1).tolist()))
"""


def _labels(python: Path, zipapp: Path, mirror: Path, name: str, model: dict[str, Any]) -> list[int]:
    done = subprocess.run(
        [python, "-c", _LABELS, zipapp, mirror, name, json.dumps(model), "1"],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    labels: list[int] = json.loads(done.stdout)
    return labels


@pytest.mark.stacks
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_engines_agree_on_the_labels_of_the_same_model(
    today: Results, zipapp: Path, converted: Path, engines_python: Path, precision: str
) -> None:
    labels = {}
    for (name, model_id, form), result in today.items():
        # The reference's SavedModel is our float32 network with the same weights.
        if model_id in (precision, {"float32": "reference_saved_model"}.get(precision)):
            labels[name, form, "today"] = _labels(
                stack_python(TODAY), zipapp, converted, name, result["model"]
            )
            if name != "tensorflow":
                labels[name, form, "older"] = _labels(
                    engines_python, zipapp, converted, name, result["model"]
                )
    assert len(labels) == {"float32": 6, "int8": 4}[precision]
    for one, other in itertools.combinations(labels, 2):
        same = sum(map(int.__eq__, labels[one], labels[other])) / 1000
        least = 0.995
        if precision == "int8" and one[1] != other[1]:
            # The weights of the ONNX model have 7 bits, those of the other 8.
            least = 0.98
        elif precision == "int8" and ("litert", "tflite", "older") in (one, other):
            # tflite-runtime 2.14 has no XNNPACK for int8, and its own kernels round twice.
            least = 0.99
        assert same >= least, f"{one} and {other} agree on {same:.1%}"


@pytest.mark.stacks
@environments.needed("py36-tf1.13.2", "py37-tf1.15.5", "py39-tf2.15.1")
@pytest.mark.parametrize(
    ("stack", "expected", "unsupported"),
    [
        (
            "py36-tf1.13.2",
            {("tensorflow", "float32", "keras"): 0.913, ("onnxruntime", "float32", "onnx"): 0.913},
            # Its operators are older than these models.
            {("tensorflow", "reference_saved_model", "saved_model"), ("litert", "reference_int8", "tflite")},
        ),
        (
            "py37-tf1.15.5",
            {
                ("tensorflow", "reference_saved_model", "saved_model"): 0.913,
                ("tensorflow", "float32", "keras"): 0.913,
                ("litert", "reference_int8", "tflite"): 0.901,
                ("litert", "int8", "tflite"): 0.914,
                ("onnxruntime", "float32", "onnx"): 0.913,
            },
            set(),
        ),
        (
            "py39-tf2.15.1",
            {
                ("tensorflow", "reference_saved_model", "saved_model"): 0.913,
                ("tensorflow", "float32", "keras"): 0.913,
                ("litert", "reference_int8", "tflite"): 0.902,
                ("litert", "float32", "tflite"): 0.913,
                ("onnxruntime", "float32", "onnx"): 0.913,
            },
            set(),
        ),
    ],
)
def test_older_stacks(
    stack: str,
    expected: dict[tuple[str, str, str], float],
    unsupported: set[tuple[str, str, str]],
    zipapp: Path,
    converted: Path,
    tmp_path: Path,
) -> None:
    results = _accuracy(stack_python(stack), zipapp, converted, tmp_path, "--device", "cpu")
    for key, value in expected.items():
        assert _top1(results, *key) == pytest.approx(value, abs=0.002), key
    for key in unsupported:
        assert results[key]["status"] == "unsupported", key
        assert results[key]["reason"]


@pytest.mark.stacks
@environments.needed("py36-tf1.5.0")
def test_an_old_tensorflow_with_engines_beside_it(
    zipapp: Path, converted: Path, engines_python: Path, tmp_path: Path
) -> None:
    results = _accuracy(
        stack_python("py36-tf1.5.0"),
        zipapp,
        converted,
        tmp_path,
        EDGEBENCH_ENGINES_PYTHON=str(engines_python),
    )
    assert _top1(results, "tensorflow", "float32", "keras") == pytest.approx(0.913, abs=0.0011)
    assert _top1(results, "litert", "float32", "tflite") == pytest.approx(0.913, abs=0.0011)
    assert _top1(results, "onnxruntime", "int8", "onnx") == pytest.approx(0.916, abs=0.003)
    assert results["litert", "reference_int8", "tflite"]["engine"]["library"] == "tflite-runtime"


@pytest.mark.phenom
@environments.needed("py36-tf1.5.0")
def test_the_emulated_phenom_spots_keywords(
    phenom: str, zipapp: Path, converted: Path, engines_python: Path, tmp_path: Path
) -> None:
    out = tmp_path / "host.jsonl"
    done = run_edgebench(
        stack_python("py36-tf1.5.0"),
        zipapp,
        tmp_path,
        *("kws", "performance", "--quick", "--offline", "--data-dir", converted, "--out", out),
        *("--engine", "litert", "onnxruntime", "--model", "reference_int8", "float32"),
        EDGEBENCH_ENGINES_PYTHON=str(engines_python),
        EDGEBENCH_WORKER_PREFIX=phenom,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(line) for line in out.read_text().splitlines()]
    found = {
        (each["engine"]["name"], each["model"]["id"]): each["quality"]["value"]
        for each in records
        if each["record"] == "inference"
    }
    assert found == {
        ("litert", "reference_int8"): pytest.approx(0.901, abs=0.002),
        ("litert", "float32"): pytest.approx(0.913, abs=0.0011),
        ("onnxruntime", "float32"): pytest.approx(0.913, abs=0.0011),
    }


@pytest.mark.phenom
def test_todays_litert_on_a_phenom_is_unsupported(
    phenom: str, zipapp: Path, converted: Path, tmp_path: Path
) -> None:
    results = _accuracy(
        stack_python(TODAY),
        zipapp,
        converted,
        tmp_path,
        *("--engine", "litert", "--model", "reference_int8"),
        EDGEBENCH_WORKER_PREFIX=phenom,
    )
    result = results["litert", "reference_int8", "tflite"]
    assert result["status"] == "unsupported"
    assert "SIGILL" in result["reason"]


@pytest.mark.stacks
def test_five_windows_of_ten_seconds_and_the_log_of_the_eembc_runner(
    zipapp: Path, data_dir: Path, tmp_path: Path
) -> None:
    out, log = tmp_path / "host.jsonl", tmp_path / "log.txt"
    done = run_edgebench(
        stack_python(TODAY),
        zipapp,
        tmp_path,
        *("kws", "performance", "--offline", "--data-dir", data_dir, "--out", out, "--log", log),
        *("--engine", "litert", "--model", "reference_int8"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = [
        each for each in map(json.loads, out.read_text().splitlines()) if each["record"] == "inference"
    ]
    assert len(record["windows"]) == 5
    assert all(each["wall_s"] >= 10 and each["inferences"] >= 10 for each in record["windows"])
    assert record["valid_windows"] is True
    assert record["threads"]["intra"] == 1
    assert record["latency"]["samples"] == sum(each["inferences"] for each in record["windows"])
    assert tables.VALID_WINDOWS in done.stdout
    text = log.read_text()
    assert f"Median throughput is {record['throughput_per_s']:.3f} inf./sec." in text  # not prose
    assert "Top-1: 90." in text


@pytest.mark.today
def test_random_weights_are_timed_and_not_scored(zipapp: Path, tmp_path: Path) -> None:
    python, out = stack_python(TODAY), tmp_path / "host.jsonl"
    arguments = ("kws", "performance", "--quick", "--offline", "--out", out, "--engine", "tensorflow")
    done = run_edgebench(python, zipapp, tmp_path, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables.RANDOM_WEIGHTS in done.stdout
    record = json.loads(out.read_text().splitlines()[-1])
    assert (record["model"]["weights"], record["quality"]["value"]) == ("random", None)
    assert "random" in record["missing"]["quality.value"]
    assert record["latency"]["samples"] > 10


@pytest.mark.today
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ("performance", "--log", "x"),
            "log-needs-one-measurement",
            "--log x .*--engine .*--model .*--threads ",
        ),
        (("performance", "--engine", "tflite"), "engine-unknown", "'tflite'"),
        (("performance", "--host", "a/b"), "name-invalid", "--host 'a/b' "),
        (("accuracy", "--model", "nothing"), "model-unknown", "'nothing'"),
        (("accuracy", "--data-dir", "/nowhere"), "data-dir-missing", "/nowhere"),
        (("models", "--data-dir", "/nowhere"), "data-dir-missing", "/nowhere"),
    ],
)
def test_wrong_usage_is_named_and_nothing_is_done(
    zipapp: Path, data_dir: Path, tmp_path: Path, arguments: tuple[str, ...], code: str, told: str
) -> None:
    done = run_edgebench(
        stack_python(TODAY),
        zipapp,
        tmp_path,
        *("kws", *arguments, "--offline"),
        EDGEBENCH_DATA_DIR=str(data_dir),
    )
    assert done.returncode == 2
    assert codes(done.stderr)[-1:] == [code]
    assert re.search(told, done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.today
def test_accuracy_without_inputs_says_where_they_are_had(zipapp: Path, tmp_path: Path) -> None:
    done = run_edgebench(stack_python(TODAY), zipapp, tmp_path, "kws", "accuracy", "--offline")
    assert done.returncode == 2
    assert codes(done.stderr)[-1:] == ["data-unavailable"]
    assert "kws01" in done.stderr
    assert "--data-dir" in done.stderr


@pytest.mark.stacks
def test_models_are_listed_with_what_runs_them(zipapp: Path, converted: Path, tmp_path: Path) -> None:
    done = run_edgebench(
        stack_python(TODAY), zipapp, tmp_path, "kws", "models", "--json", "--offline", "--data-dir", converted
    )
    rows = {(row["id"], row["form"]): row["installed"] for row in json.loads(done.stdout)}
    assert rows["reference_int8", "tflite"] == ["litert"]
    assert rows["float32", "onnx"] == ["onnxruntime"]
    assert rows["reference_saved_model", "saved_model"] == ["tensorflow"]
