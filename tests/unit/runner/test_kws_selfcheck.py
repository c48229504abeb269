"""What keeps wrong results from being timed or served: the check on made inputs, and the required accuracy."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from edgebench.commands.kws import device
from edgebench.errors import EdgebenchError
from edgebench.kws import convert, engines, inputs, job, network, plan, selfcheck, tables
from edgebench.kws.engines import engine
from edgebench.kws.inputs import LABELS, QuantizedFeatures
from edgebench.kws.models import RANDOM, Model

from tests.messages import codes

REFERENCE = Model("int8", "onnx", "int8", "reference", "kws_int8.onnx", "0" * 64, 1)
MADE = [(label, selfcheck.made(points, seed)) for label, points, seed in selfcheck._INPUTS]

Answers = Callable[[QuantizedFeatures], "numpy.ndarray[Any, Any]"]


class Told(engine.Engine):
    """Answers what a function says of the input."""

    def __init__(self, model: Model, answers: Answers) -> None:
        library = engine.Library("library", "1.2.3", 1)
        engine.Engine.__init__(self, model, library, None, self._invoke)
        self._answers = answers
        self.invoked = 0

    def _invoke(self) -> None:
        self.invoked += 1
        self._result = self._answers(self._value)

    def _put(self, value: QuantizedFeatures) -> None:
        self._value = value

    def output(self) -> "numpy.ndarray[Any, Any]":
        return self._result


def _one(label: str) -> "numpy.ndarray[Any, Any]":
    values: numpy.ndarray[Any, Any] = numpy.eye(len(LABELS), dtype=numpy.float32)[LABELS.index(label)]
    return values


def _right_but(wrong: int) -> Answers:
    """Answers of the reference network, the first ``wrong`` of them replaced."""
    known = {
        value.values.tobytes(): _one("silence" if number < wrong else label)
        for number, (label, value) in enumerate(MADE)
    }
    return lambda value: known[value.values.tobytes()]


def test_the_made_inputs_are_the_same_everywhere() -> None:
    """The seeds were searched for with NumPy 2; NumPy 1.21 and its successors draw the same numbers."""
    content = b"".join(value.values.tobytes() for _, value in MADE)
    assert hashlib.sha256(content).hexdigest().startswith("280f2cbfdeeb49f8cb08d67c")


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_an_engine_that_answers_as_the_reference_is_right(wrong: int) -> None:
    told = Told(REFERENCE, _right_but(wrong))
    selfcheck.check(told)
    assert told.invoked == len(MADE)


@pytest.mark.parametrize(
    ("answers", "agreed"),
    [
        (_right_but(3), 9),
        (_right_but(12), 0),
        # What saturated products give, and the first scale of dense weights for all channels.
        (lambda value: _one("unknown"), 1),
        (lambda value: _one("go"), 2),
        (lambda value: numpy.full(12, numpy.nan, numpy.float32), 0),
        (lambda value: numpy.zeros(12, numpy.float32), 0),
    ],
)
def test_an_engine_that_answers_otherwise_is_refused(answers: Answers, agreed: int) -> None:
    with pytest.raises(
        EdgebenchError, match=rf"library 1\.2\.3.*\b{agreed} of 12\b.*80%.*kws convert"
    ) as caught:
        selfcheck.check(Told(REFERENCE, answers))
    assert caught.value.code == "engine-answers-wrong"


def test_random_weights_have_no_right_answer() -> None:
    told = Told(RANDOM, lambda value: _one("go"))
    selfcheck.check(told)
    assert told.invoked == 0


@pytest.fixture
def trained(tmp_path: Path) -> Model:
    """A model whose weights are drawn, with a last layer that makes it sure of its answers."""
    random = numpy.random.default_rng(3)
    arrays = [random.normal(0, 0.3, shape) for _, shape in network.VARIABLES]
    for (name, shape), array in zip(network.VARIABLES, arrays, strict=True):
        if name.endswith(("gamma", "moving_variance")):
            array[...] = random.uniform(0.5, 1.5, shape)
    arrays[-2] *= 100
    network.save_weights(str(tmp_path / convert.WEIGHTS), arrays)
    return Model("int8", "tflite", "int8", "trained", str(tmp_path / "kws_int8.tflite"), "0" * 64, 1)


def test_trained_weights_are_compared_with_the_network_in_numpy(trained: Model) -> None:
    arrays = network.load_weights(str(Path(str(trained.path)).parent / convert.WEIGHTS))
    right = Told(trained, lambda value: selfcheck.probabilities(arrays, value.features().values))
    selfcheck.check(right)
    assert right.invoked > 6
    with pytest.raises(EdgebenchError) as caught:
        selfcheck.check(Told(trained, lambda value: _one("silence")))
    assert caught.value.code == "engine-answers-wrong"


def test_trained_weights_that_are_not_here_are_not_checked(trained: Model) -> None:
    (Path(str(trained.path)).parent / convert.WEIGHTS).unlink()
    selfcheck.check(Told(trained, lambda value: _one("silence")))


class Library(engine.Library):
    """A library that opens a Told."""

    def __init__(self, answers: Answers) -> None:
        engine.Library.__init__(self, "library", "1.2.3", 1)
        self._answers = answers

    def open(self, model: Model) -> Told:
        return Told(model, self._answers)


@pytest.fixture
def inputs_folder(tmp_path: Path) -> Path:
    """The made inputs as a set of labelled ones, ten of each."""
    folder = tmp_path / "kws01"
    folder.mkdir()
    lines = []
    for number, (label, value) in enumerate(MADE * 10):
        (folder / f"{number}.bin").write_bytes(value.values.tobytes())
        lines.append(f"{number}.bin,12,{LABELS.index(label)}\n")
    (folder / inputs.INDEX).write_text("".join(lines))
    return folder


def _run(
    monkeypatch: pytest.MonkeyPatch, answers: Answers, folder: Path | None, model: Model = REFERENCE
) -> tuple[dict[str, Any], EdgebenchError | None]:
    """Return what a measurement of one short window told, and the error that it ended with."""
    monkeypatch.setattr(engines, "open_library", lambda *arguments: Library(answers))
    told: dict[str, Any] = {"phases": []}

    def emit(event: str, **values: Any) -> None:
        told["phases"] += [values["phase"]] if event == "phase" else []
        told.update(values.get("record", {}))

    asked = {"engine": "onnxruntime", "model": model._asdict(), "threads": 1, "windows": 1, "window_s": 0.01}
    try:
        job.run({**asked, "min_inferences": 1, "inputs_folder": folder and str(folder)}, emit)
    except EdgebenchError as error:
        return told, error
    return told, None


def test_what_is_accurate_enough_is_timed(monkeypatch: pytest.MonkeyPatch, inputs_folder: Path) -> None:
    told, error = _run(monkeypatch, _right_but(1), inputs_folder)
    assert error is None
    assert told["quality"]["value"] == pytest.approx(11 / 12)
    assert len(told["windows"]) == 1


@pytest.mark.parametrize("weights", ["reference", "trained"])
@pytest.mark.parametrize(("wrong", "top1"), [(2, r"83\.3%"), (11, r"8\.3%")])
def test_what_is_not_accurate_enough_is_not_timed(
    monkeypatch: pytest.MonkeyPatch, inputs_folder: Path, wrong: int, top1: str, weights: str
) -> None:
    told, error = _run(monkeypatch, _right_but(wrong), inputs_folder, REFERENCE._replace(weights=weights))
    assert error is not None
    assert error.code == "accuracy-below-required"
    # The accuracy itself stays in the record.
    assert told["quality"]["value"] == pytest.approx(1 - wrong / 12)
    assert "windows" not in told
    assert "warmup" not in told["phases"]
    assert re.search(rf"{top1} of 120\b.*90%.*edgebench kws", str(error))


def test_without_inputs_an_engine_is_checked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    told, error = _run(monkeypatch, lambda value: _one("unknown"), None)
    assert error is not None
    assert error.code == "engine-answers-wrong"
    assert "warmup" not in told["phases"]


def _result(top1: float | None, status: str = "ok", valid: bool = True) -> dict[str, Any]:
    return {
        "engine": {"name": "onnxruntime", "library": "onnxruntime", "version": "1.31.1"},
        "model": {"id": "int8", "form": "onnx", "weights": "reference" if top1 is not None else "random"},
        "threads": {"intra": 1},
        "status": status,
        "reason": None if status == "ok" else "why",
        "quality": {"value": top1, "auc": None, "samples": top1 and 1000},
        "windows": [{"inferences": 100, "wall_s": 10.1}] if status == "ok" else [],
        "valid_windows": valid,
        "throughput_per_s": 9.9,
        "latency": {"percentiles_us": [1.0] * 101, "jitter_us": 1.0},
        "times": {"accuracy_s": 1.0},
    }


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([_result(0.913)], tables.VALID_WINDOWS),
        ([_result(0.913), _result(0.086, "failed")], tables.VALID_WINDOWS),
        ([_result(0.913), _result(None)], tables.LONG_WINDOWS),
        ([_result(None)], tables.LONG_WINDOWS),
    ],
)
def test_only_what_is_accurate_is_valid(records: list[dict[str, Any]], said: str) -> None:
    assert [
        each for each in (tables.VALID_WINDOWS, tables.LONG_WINDOWS) if each in tables.performance(records)
    ] == [said]
    only_wrong = tables.performance([_result(0.086, "failed")])
    assert tables.VALID_WINDOWS not in only_wrong
    assert tables.LONG_WINDOWS not in only_wrong


def test_the_table_of_accuracies_has_the_figure_of_what_failed() -> None:
    found = type("Found", (), {"source": "cache"})
    result = {**_result(0.086, "failed"), "threads": 1}
    row = tables.accuracy([result], found).splitlines()[1]
    assert "8.6%" in row
    assert row.endswith("failed: why")


def test_an_engine_that_the_device_does_not_rank_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    new = REFERENCE._replace(id="int4", precision="int4")
    known = REFERENCE._replace(form="tflite")
    found = [(name, model, 1) for name in ("openvino", "tensorflow", "litert") for model in (new, known)]
    monkeypatch.setattr(plan, "combinations", lambda *arguments: found)
    monkeypatch.setattr(device.shared, "finder", lambda options: None)
    options = type("Options", (), {"engine": None, "model": None})
    assert [(name, model.id) for name, model in device._choices(options)] == [
        ("litert", "int8"),
        ("tensorflow", "int8"),
        ("openvino", "int8"),
        ("litert", "int4"),
        ("tensorflow", "int4"),
        ("openvino", "int4"),
    ]


def test_a_device_does_not_serve_an_engine_that_answers_wrongly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Told(REFERENCE, lambda value: _one("unknown"))
    monkeypatch.setattr(engines, "open_engine", lambda *arguments: told)
    options = type("Options", (), {"mode": "performance", "threads": 1})
    assert device._serve(options, "onnxruntime", REFERENCE) == device._CANNOT
    said = capsys.readouterr().err
    assert codes(said) == ["engine-answers-wrong"]
    assert " 1 of 12 " in said
