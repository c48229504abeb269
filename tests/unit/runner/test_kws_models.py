"""Which models a host has, and what is planned with them."""

import json
import sys
from pathlib import Path

import pytest
from edgebench.data import files, manifest
from edgebench.data.sources import Finder
from edgebench.errors import UsageError
from edgebench.kws import models, plan, tables

from tests.messages import codes


@pytest.fixture
def finder(data_dir: Path, tmp_path: Path) -> Finder:
    return Finder(manifest.load(), str(data_dir), str(tmp_path), offline=True)


def _convert(folder: Path, weights: str = "reference") -> None:
    entries = {}
    for name, form, precision in (
        ("kws_weights.npz", "keras", "float32"),
        ("kws_float32.tflite", "tflite", "float32"),
        ("kws_int8.tflite", "tflite", "int8"),
        ("kws_float32.onnx", "onnx", "float32"),
        ("kws_int8.onnx", "onnx", "int8"),
    ):
        path = folder / "kws_converted" / name
        sha = files.write_whole(str(path), [name.encode()])
        entries[name] = {"form": form, "precision": precision, "sha256": sha, "size_bytes": len(name)}
    told = {"version": 1, "weights": weights, "files": entries}
    (folder / "kws_converted" / "converted.json").write_text(json.dumps(told))


def test_the_references_and_their_precision(finder: Finder) -> None:
    found = {model.id: model for model in models.find(finder)}
    assert {each: (model.form, model.precision) for each, model in found.items()} == {
        "reference_int8": ("tflite", "int8"),
        # The file that calls itself float32 holds int8 weights.
        "reference_dynamic": ("tflite", "dynamic"),
        "reference_saved_model": ("saved_model", "float32"),
        "float32": ("keras", "float32"),
    }
    assert found["reference_int8"].sha256.startswith("aeea4368007")
    assert found["reference_int8"].size_bytes == 53936
    assert {model.weights for model in found.values()} == {"reference"}


def test_conversions_stand_beside_the_references(finder: Finder, tmp_path: Path) -> None:
    _convert(tmp_path, weights="trained")
    found = [(model.id, model.form, model.weights) for model in models.find(finder)]
    assert found == [
        ("reference_int8", "tflite", "reference"),
        ("reference_dynamic", "tflite", "reference"),
        ("reference_saved_model", "saved_model", "reference"),
        ("float32", "keras", "trained"),
        ("float32", "onnx", "trained"),
        ("float32", "tflite", "trained"),
        ("int8", "onnx", "trained"),
        ("int8", "tflite", "trained"),
    ]


def test_a_changed_conversion_is_not_used_and_named(finder: Finder, tmp_path: Path) -> None:
    _convert(tmp_path)
    (tmp_path / "kws_converted" / "kws_int8.tflite").write_bytes(b"other")
    assert "int8" not in {model.id for model in models.find(finder)}
    [warning] = finder.warnings
    assert codes(warning) == ["conversion-changed"]
    assert "kws_int8.tflite" in warning


def test_without_any_model_there_are_random_weights(tmp_path: Path) -> None:
    finder = Finder(manifest.load(), None, str(tmp_path), offline=True)
    assert models.find(finder) == [models.RANDOM]
    assert "data-unavailable" in codes(" ".join(finder.warnings))


def test_what_is_asked_for_is_planned_though_it_is_not_installed(finder: Finder) -> None:
    planned = plan.combinations(finder, ["litert"], ["reference_int8", "reference_dynamic"], [1, 2])
    assert [(name, model.id, threads) for name, model, threads in planned] == [
        ("litert", "reference_int8", 1),
        ("litert", "reference_int8", 2),
        ("litert", "reference_dynamic", 1),
        ("litert", "reference_dynamic", 2),
    ]


@pytest.mark.parametrize(
    ("names", "ids", "code", "told"),
    [
        (["tflite"], None, "engine-unknown", "'tflite'.*tensorflow, litert, onnxruntime"),
        (["litert"], ["reference"], "model-unknown", "'reference'.* float32, reference_dynamic"),
        (
            ["onnxruntime"],
            ["reference_int8"],
            "engines-read-no-model",
            "onnxruntime.*reference_int8 \\(tflite\\)",
        ),
    ],
)
def test_what_cannot_be_planned_is_named(
    finder: Finder, names: list[str], ids: list[str] | None, code: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        plan.combinations(finder, names, ids)
    assert caught.value.code == code


def test_engines_are_looked_for_in_the_python_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plan.ENGINES_PYTHON, sys.executable)
    assert plan.python_of("litert") == sys.executable
    assert plan.python_of("tensorflow") is None
    assert plan._has_one(sys.executable, ("no_such_module", "numpy"))
    assert not plan._has_one(sys.executable, ("no_such_module",))
    monkeypatch.setenv(plan.ENGINES_PYTHON, "/nowhere/python")
    with pytest.raises(UsageError, match=r"EDGEBENCH_ENGINES_PYTHON .*/nowhere/python") as caught:
        plan.installed()
    assert caught.value.code == "engines-python-broken"


def test_the_table_names_what_is_not_installed(finder: Finder) -> None:
    rows = [dict(model._asdict(), engines=["litert"], installed=[]) for model in models.find(finder)[:1]]
    table = tables.models(rows)
    assert "litert (no)" in table
    assert "53,936" in table
