"""Int8 models on CPUs and readers that compute some forms of them wrongly: right, or neither timed nor called ok."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from edgebench.kws import tables

from tests.stacks import environments
from tests.stacks.conftest import run_edgebench, stack_python

pytestmark = [
    pytest.mark.phenom,
    pytest.mark.needs("x86_64", "qemu-x86_64-static", "data"),
]

TODAY = environments.TODAY
# qemu 7.2 emulates no AVX-512. Products of uint8 and int8 saturate on the first, which has AVX2 but no VNNI.
CPUS = ("Haswell", "SandyBridge", "Nehalem")
INPUTS = 40
EXACT = "CPUExecutionProvider, session.x64quantprecision=1"

# Runs in the Python of an engine; prints what it answers to the first inputs, or the code of its refusal.
_ANSWERS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from edgebench.errors import EdgebenchError
from edgebench.kws import engines, inputs, job, selfcheck
from edgebench.kws.models import Model
samples = inputs.read_set(sys.argv[2] + "/kws01")[:int(sys.argv[3])]
told = {}
for path in sys.argv[4:]:
    name, form = {"tflite": ("litert", "tflite"), "onnx": ("onnxruntime", "onnx")}[path.rsplit(".", 1)[1]]
    precision = "float32" if "float32" in path else "int8"
    model = Model("m", form, precision, "reference", path, None, None)
    try:
        engine = engines.open_engine(name, model, 1)
        answers = job.answers(engine, samples).argmax(axis=1)
        right = sum(a == s.label for a, s in zip(answers.tolist(), samples))
        told[path] = {"delegate": engine.delegate, "right": right}
        selfcheck.check(engine)
    except EdgebenchError as error:
        told.setdefault(path, {})["code"] = error.code
print(json.dumps(told))
"""

# Runs in today's Python; writes the int8 models as edgebench did before it knew of these faults.
_OLD_FORMS = """
import os, sys
sys.path.insert(0, sys.argv[1])
import numpy
from edgebench import compat
from edgebench.kws import convert, inputs, network, onnx_form, tflite_form
onnx_form._GREATEST_WEIGHT = 127
onnx_form._IntegerGraph.metadata = {}
tflite_form._check_dense_scales = lambda *arguments: None
make = tflite_form._converter

class Converter:
    def __init__(self, *arguments):
        object.__setattr__(self, "real", make(*arguments))
    def __setattr__(self, name, value):
        if "dense_layers" not in name:
            setattr(self.real, name, value)
    def __getattr__(self, name):
        return getattr(self.real, name)

tflite_form._converter = Converter
samples = inputs.read_set(sys.argv[2] + "/kws01")
source = convert.from_file(sys.argv[2] + "/kws_converted/kws_weights.npz")
convert.convert(sys.argv[3] + "/kws_converted", source, samples, framework=compat.load(use_gpu=False))
"""


@pytest.fixture(scope="module")
def old_forms(
    zipapp: Path, converted: Path, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A mirror as ``converted``, with dense weights by channel in .tflite and weights of 8 bits in ONNX."""
    mirror = tmp_path_factory.mktemp("old-forms")
    for name in ("kws01", "models"):
        (mirror / name).symlink_to(data_dir / name)
    done = subprocess.run(
        [stack_python(TODAY), "-c", _OLD_FORMS, zipapp, converted, mirror],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return mirror


@pytest.fixture(scope="session")
def old_reader() -> Path:
    """The interpreter of an environment with tflite-runtime 2.7.0, which takes one scale for all dense weights."""
    stack = environments.Stack(
        name="tflite-2.7",
        pythons=("3.9", "3.8"),
        architectures=("x86_64",),
        lock=Path(__file__).with_name("tflite-2.7.txt"),
        bootstrap=None,
    )
    return environments.python(stack)


def _answers(
    python: Path, zipapp: Path, mirror: Path, names: list[str], cpu: str = ""
) -> dict[str, dict[str, Any]]:
    """Return what each model of a mirror is computed to by a Python's engines, by the model's file name."""
    prefix = ["qemu-x86_64-static", "-cpu", cpu] if cpu else []
    paths = [mirror / name for name in names]
    done = subprocess.run(
        [*prefix, python, "-c", _ANSWERS, zipapp, mirror, str(INPUTS), *paths],
        capture_output=True,
        text=True,
        timeout=600,
        env={name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return {Path(path).name: each for path, each in told.items()}


MODELS = [
    "models/kws_ref_model.tflite",
    *(
        f"kws_converted/kws_{precision}.{form}"
        for precision in ("float32", "int8")
        for form in ("tflite", "onnx")
    ),
]


@pytest.mark.parametrize("cpu", ["", *CPUS])
@pytest.mark.parametrize(
    "environment", ["today", pytest.param("older", marks=pytest.mark.needs("python3.11/3.10/3.9"))]
)
def test_every_engine_is_right_on_every_cpu(
    zipapp: Path, converted: Path, request: pytest.FixtureRequest, environment: str, cpu: str
) -> None:
    python = stack_python(TODAY) if environment == "today" else request.getfixturevalue("engines_python")
    told = _answers(python, zipapp, converted, MODELS, cpu)
    # 37 of the first 40 by the float32 network; quantisation may change an answer.
    assert {name: each["right"] for name, each in told.items()} == {
        Path(name).name: pytest.approx(37, abs=1) for name in MODELS
    }
    assert [name for name, each in told.items() if "code" in each] == []
    # Weights of 7 bits need no slower kernels.
    assert {told[name]["delegate"] for name in told if name.endswith(".onnx")} == {"CPUExecutionProvider"}


@pytest.mark.parametrize("cpu", CPUS)
def test_weights_of_8_bits_are_computed_exactly_without_vnni(
    zipapp: Path, old_forms: Path, engines_python: Path, cpu: str
) -> None:
    for python in (stack_python(TODAY), engines_python):
        told = _answers(python, zipapp, old_forms, ["kws_converted/kws_int8.onnx"], cpu)["kws_int8.onnx"]
        assert told["right"] == pytest.approx(37, abs=1)
        assert told["delegate"] == (EXACT if cpu == "Haswell" else "CPUExecutionProvider")
        assert "code" not in told


@environments.needed("py37-tf1.15.5")
@pytest.mark.parametrize(("cpu", "code"), [("Haswell", "int8-saturates"), ("SandyBridge", None)])
def test_an_onnx_runtime_without_exact_products_refuses_weights_of_8_bits(
    zipapp: Path, old_forms: Path, converted: Path, cpu: str, code: str | None
) -> None:
    python, name = stack_python("py37-tf1.15.5"), "kws_converted/kws_int8.onnx"
    assert _answers(python, zipapp, old_forms, [name], cpu)["kws_int8.onnx"].get("code") == code
    told = _answers(python, zipapp, converted, [name], cpu)["kws_int8.onnx"]
    assert (told["right"], told.get("code")) == (pytest.approx(37, abs=1), None)


@pytest.mark.needs("python3.9/3.8")
@pytest.mark.parametrize("cpu", ["", "Haswell"])
def test_an_old_reader_of_tflite_is_right_or_found_out(
    zipapp: Path, converted: Path, old_forms: Path, old_reader: Path, cpu: str
) -> None:
    name = "kws_converted/kws_int8.tflite"
    told = _answers(old_reader, zipapp, converted, [name], cpu)["kws_int8.tflite"]
    assert (told["right"], told.get("code")) == (pytest.approx(37, abs=1), None)
    told = _answers(old_reader, zipapp, old_forms, [name], cpu)["kws_int8.tflite"]
    assert told["right"] < 6
    assert told["code"] == "engine-answers-wrong"


@pytest.mark.needs("python3.9/3.8")
def test_what_an_old_reader_computes_wrongly_is_not_timed_and_not_ok(
    zipapp: Path, old_forms: Path, converted: Path, old_reader: Path, tmp_path: Path
) -> None:
    def call(command: str, mirror: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        chosen = ("--engine", "litert", "--model", "int8", "--offline", "--data-dir", mirror)
        return run_edgebench(old_reader, zipapp, tmp_path, "kws", command, *chosen, *arguments)

    done = call("accuracy", old_forms, "--json")
    assert done.returncode == 1, done.stderr
    (wrong,) = json.loads(done.stdout)
    assert wrong["status"] == "failed"
    assert wrong["quality"]["value"] == pytest.approx(0.092, abs=0.005)
    assert "top-1 is 9.2%" in wrong["reason"]
    assert "90%" in wrong["reason"]
    assert "9.2%" in call("accuracy", old_forms).stdout

    out = tmp_path / "wrong.jsonl"
    done = call("performance", old_forms, "--quick", "--out", out)
    assert done.returncode == 1, done.stderr
    assert tables.VALID_WINDOWS not in done.stdout
    record = json.loads(out.read_text().splitlines()[-1])
    assert (record["status"], record["windows"], record["throughput_per_s"]) == ("failed", [], None)
    assert record["quality"]["value"] == pytest.approx(0.092, abs=0.005)

    done = call("accuracy", converted, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["quality"]["value"] == pytest.approx(0.914, abs=0.002)


def test_a_suite_without_vnni_records_how_it_computed(
    zipapp: Path, old_forms: Path, engines_python: Path, tmp_path: Path
) -> None:
    out = tmp_path / "host.jsonl"
    done = run_edgebench(
        engines_python,
        zipapp,
        tmp_path,
        *("kws", "performance", "--quick", "--offline", "--data-dir", old_forms, "--out", out),
        *("--engine", "onnxruntime", "--model", "int8"),
        EDGEBENCH_WORKER_PREFIX="qemu-x86_64-static -cpu Haswell",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(out.read_text().splitlines()[-1])
    assert (record["status"], record["engine"]["delegate"]) == ("ok", EXACT)
    assert record["quality"]["value"] == pytest.approx(0.914, abs=0.002)
