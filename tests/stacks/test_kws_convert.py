"""The network of keyword spotting and its conversions on real stacks, with the reference's weights and inputs."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.messages import codes
from tests.stacks import environments
from tests.stacks.conftest import stack_python

pytestmark = [
    pytest.mark.stacks,
    environments.needed("py36-tf1.5.0", "py36-tf1.13.2", "py37-tf1.15.5", "py39-tf2.15.1"),
]

# Runs in the stack's Python: builds the network, compares it with the table and scores it with the reference weights.
_NETWORK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy
from edgebench import compat
from edgebench.kws import inputs, mfcc, network

framework = compat.load(threads=1, use_gpu=False)
model = network.network(framework)
layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
shape = lambda layer: [int(each) for each in (getattr(layer, "output_shape", None) or layer.output.shape)[1:]]
found = [[each.name, type(each).__name__, shape(each), int(each.count_params())] for each in layers]
model.set_weights(network.reference_weights(framework, sys.argv[2] + "/models/kws_ref_model"))
samples = inputs.read_set(sys.argv[2] + "/kws01")
x = numpy.stack([sample.quantized.features().values for sample in samples])
answers = model.predict(x).argmax(1)
told = {
    "layers": found,
    "table": [[each.name, each.kind, list(each.output_shape), each.parameters] for each in network.LAYERS],
    "top1": float((answers == [sample.label for sample in samples]).mean()),
    "answers": answers.tolist(),
}
tensorflow = framework.tensorflow
if hasattr(tensorflow, "signal") and hasattr(tensorflow.signal, "mfccs_from_log_mel_spectrograms"):
    random = numpy.random.RandomState(1)
    sounds = numpy.stack([mfcc.normalized(random.randint(-size, size, 16000)) for size in (3, 900, 30000)])
    signal = tensorflow.signal
    spectra = tensorflow.abs(signal.stft(tensorflow.constant(sounds), 480, 320))
    weights = signal.linear_to_mel_weight_matrix(40, 257, 16000, 20.0, 4000.0)
    logarithms = tensorflow.math.log(tensorflow.tensordot(spectra, weights, 1) + 1e-6)
    values = signal.mfccs_from_log_mel_spectrograms(logarithms)[..., :10]
    values = values.numpy() if hasattr(values, "numpy") else framework.v1.Session().run(values)
    told["mfcc_difference"] = float(abs(values - mfcc.features(sounds)[..., 0]).max())
print(json.dumps(told))
"""


def _environment(home: Path) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**environment, "EDGEBENCH_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}


def _network(stack: str, zipapp: Path, data_dir: Path, home: Path) -> dict[str, Any]:
    done = subprocess.run(
        [stack_python(stack), "-c", _NETWORK, zipapp, data_dir],
        capture_output=True,
        text=True,
        env=_environment(home),
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _convert(
    stack: str, zipapp: Path, data_dir: Path, home: Path, *arguments: str | Path
) -> tuple[int, str, dict[str, Any]]:
    command: list[str | Path] = [stack_python(stack), zipapp, "kws", "convert", "--json"]
    done = subprocess.run(
        [*command, "--data-dir", data_dir, "--offline", *arguments],
        capture_output=True,
        text=True,
        env=_environment(home),
        timeout=600,
    )
    return done.returncode, done.stderr, json.loads(done.stdout) if done.stdout else {}


@pytest.mark.parametrize(
    "stack", ["py36-tf1.5.0", "py36-tf1.13.2", "py37-tf1.15.5", "py39-tf2.15.1", "py311-tf2.21.0"]
)
def test_the_network_is_the_published_one_and_scores_as_the_reference(
    stack: str, zipapp: Path, data_dir: Path, tmp_path: Path
) -> None:
    told = _network(stack, zipapp, data_dir, tmp_path)
    assert told["layers"] == told["table"]
    assert sum(layer[3] for layer in told["layers"]) == 24908
    assert told["top1"] == pytest.approx(0.913, abs=1e-9)
    # In single precision over sums of hundreds of values of up to 20.
    assert told.get("mfcc_difference", 0) < 2e-4


@pytest.mark.parametrize("stack", ["py39-tf2.15.1", "py311-tf2.21.0"])
def test_a_stack_of_today_converts_to_every_form(
    stack: str, zipapp: Path, data_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, errors, told = _convert(stack, zipapp, data_dir, tmp_path, "--out", out)
    assert code == 0, errors
    assert {path.name for path in out.iterdir()} == {*told["files"], "converted.json"}
    top1 = {each["file"]: each["top1"] for each in told["accuracies"]}
    assert top1["kws_weights.npz"] == pytest.approx(0.913)
    assert top1["kws_float32.tflite"] == pytest.approx(0.913)
    assert top1["kws_float32.onnx"] == pytest.approx(0.913)
    assert top1["kws_int8.tflite"] == pytest.approx(0.914, abs=0.003)
    assert top1["kws_int8.onnx"] == pytest.approx(0.916, abs=0.003)
    sizes = {name: entry["size_bytes"] for name, entry in told["files"].items()}
    # 24,908 parameters less those that fold away, 4 bytes each: float32 is not the dynamic range of the published file.
    assert 92_000 < sizes["kws_float32.tflite"] < 110_000
    assert 92_000 < sizes["kws_float32.onnx"] < 110_000
    assert sizes["kws_int8.tflite"] < 56_000
    again = _convert(stack, zipapp, data_dir, tmp_path, "--out", out)[2]
    assert again["files"] == told["files"]


_ANSWERS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from edgebench.kws import engines, inputs
from edgebench.kws.models import Model

answers = {}
samples = inputs.read_set(sys.argv[2] + "/kws01")
for name, engine in (("float32.tflite", "litert"), ("float32.onnx", "onnxruntime"),
                     ("int8.tflite", "litert"), ("int8.onnx", "onnxruntime")):
    precision, form = name.split(".")
    path = sys.argv[3] + "/kws_" + name
    opened = engines.open_engine(engine, Model(precision, form, precision, "reference", path, None, None), 1)
    answers[name] = []
    for sample in samples:
        opened.set_input(sample.quantized)
        opened.invoke()
        answers[name].append(int(opened.output().argmax()))
print(json.dumps(answers))
"""


def _agreement(one: list[int], other: list[int]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def test_conversions_answer_as_their_origin_and_as_each_other(
    zipapp: Path, data_dir: Path, tmp_path: Path
) -> None:
    stack, out = "py311-tf2.21.0", tmp_path / "out"
    origin = _network(stack, zipapp, data_dir, tmp_path)["answers"]
    assert _convert(stack, zipapp, data_dir, tmp_path, "--out", out)[0] == 0
    done = subprocess.run(
        [stack_python(stack), "-c", _ANSWERS, zipapp, data_dir, out],
        capture_output=True,
        text=True,
        env=_environment(tmp_path),
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    for name in ("float32.tflite", "float32.onnx"):
        assert _agreement(origin, answers[name]) >= 0.995
    # Weights of 8 bits and of 7.
    assert _agreement(answers["int8.tflite"], answers["int8.onnx"]) >= 0.98
    assert _agreement(origin, answers["int8.tflite"]) >= 0.97


@pytest.mark.parametrize("stack", ["py36-tf1.13.2", "py37-tf1.15.5"])
def test_a_stack_too_old_for_tflite_writes_the_same_onnx_files(
    stack: str, zipapp: Path, data_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, errors, _ = _convert(stack, zipapp, data_dir, tmp_path, "--out", out)
    assert code == 2
    assert codes(errors)[-1:] == ["tensorflow-too-old"]
    assert " 2.4 " in errors
    assert "--form onnx" in errors
    assert not out.exists()
    code, errors, told = _convert(stack, zipapp, data_dir, tmp_path, "--out", out, "--form", "onnx")
    assert code == 0, errors
    top1 = {each["file"]: each["top1"] for each in told["accuracies"]}
    assert top1["kws_float32.onnx"] == pytest.approx(0.913)
    assert top1["kws_int8.onnx"] == pytest.approx(0.916, abs=0.003)


def test_a_stack_without_the_packages_says_which(zipapp: Path, data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, errors, _ = _convert("py36-tf1.5.0", zipapp, data_dir, tmp_path, "--out", out, "--form", "onnx")
    assert code == 2
    assert codes(errors)[-1:] == ["onnx-packages-missing"]
    assert not out.exists()
