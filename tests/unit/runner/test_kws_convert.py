"""What a conversion refuses, replaces and checks, without the packages that convert."""

import json
from pathlib import Path

import numpy
import pytest
from edgebench.errors import DataError, UnsupportedError, UsageError
from edgebench.kws import convert, network, onnx_form, speech, tflite_form, train


class OldFramework:
    """A framework that is too old to convert, as far as that is asked of it."""

    tensorflow_version = "1.15.5"
    keras_version = "2.3.1"


@pytest.fixture
def source() -> convert.Source:
    random = numpy.random.default_rng(1)
    return convert.Source("trained", "0" * 64, [random.random(shape) for _, shape in network.VARIABLES])


def _written(out: Path, source: convert.Source, content: bytes = b"a model") -> dict[str, object]:
    products = [("tflite", "float32", content), ("tflite", "int8", content[::-1])]
    told: dict[str, object] = convert._write(str(out), source, numpy.zeros((1, 49, 10, 1)), products, {})
    return told


def test_a_stack_that_cannot_says_what_could_and_writes_nothing(
    tmp_path: Path, source: convert.Source
) -> None:
    with pytest.raises(UnsupportedError, match=r"1\.15\.5.*\b2\.4\b.*--form onnx") as caught:
        convert.convert(str(tmp_path / "out"), source, [], ("tflite",), OldFramework())
    assert caught.value.code == "tensorflow-too-old"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named() -> None:
    with pytest.raises(UnsupportedError, match=r"'no_such_package'.*--form tflite") as caught:
        onnx_form._imported("no_such_package")
    assert caught.value.code == "onnx-packages-missing"


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match=r"converted\.json.*--out") as caught:
        convert.check(str(tmp_path), ())
    assert caught.value.code == "output-folder-foreign"
    with pytest.raises(UsageError, match=r"letter\.txt.*--out") as caught:
        convert.check(str(tmp_path / "letter.txt"), ())
    assert caught.value.code == "output-not-a-folder"


def test_a_conversion_is_replaced_as_a_whole(tmp_path: Path, source: convert.Source) -> None:
    out = tmp_path / "out"
    _written(out, source)
    (out / "kws_float32.onnx").write_bytes(b"of an earlier time")
    told = _written(out, source, b"another")
    assert sorted(each.name for each in out.iterdir()) == [
        "converted.json",
        "kws_float32.tflite",
        "kws_int8.tflite",
        "kws_weights.npz",
    ]
    assert convert.read_index(str(out)) == told
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_what_fails_half_way_leaves_the_old_folder(tmp_path: Path, source: convert.Source) -> None:
    out = tmp_path / "out"
    told = _written(out, source)
    with pytest.raises(TypeError):
        _written(out, source, None)  # type: ignore[arg-type]
    assert convert.read_index(str(out)) == told
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_weights_out_of_a_conversion_stay_what_they_are(tmp_path: Path, source: convert.Source) -> None:
    source.weights = "reference"
    _written(tmp_path / "out", source)
    again = convert.from_file(str(tmp_path / "out" / "kws_weights.npz"))
    assert again.weights == "reference"
    network.save_weights(str(tmp_path / "own.npz"), again.arrays)
    assert convert.from_file(str(tmp_path / "own.npz")).weights == "trained"


def test_a_changed_file_is_found(tmp_path: Path, source: convert.Source) -> None:
    _written(tmp_path / "out", source)
    (tmp_path / "out" / "kws_int8.tflite").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"kws_int8\.tflite.*edgebench kws convert") as caught:
        convert.read_index(str(tmp_path / "out"))
    assert caught.value.code == "conversion-changed"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1, "files": 3}', "\x00"])
def test_a_broken_index_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "converted.json").write_text(text)
    with pytest.raises(DataError, match=r"converted\.json") as caught:
        convert.read_index(str(tmp_path))
    assert caught.value.code == "conversion-unreadable"


def test_an_index_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "converted.json").write_text(json.dumps({"version": 9, "files": {}}))
    with pytest.raises(DataError, match=r"\b9\b.*\b1\b") as caught:
        convert.read_index(str(tmp_path))
    assert caught.value.code == "conversion-version-unknown"


@pytest.mark.parametrize(
    ("least", "greatest", "scale", "zero_point"),
    [(0.0, 25.5, 0.1, -128), (-123.372314453125, 25.7269287109375, 0.5847029, 83), (0.0, 0.0, 1.0, -128)],
)
def test_ranges_are_quantised_as_tensorflow_lite_does(
    least: float, greatest: float, scale: float, zero_point: int
) -> None:
    found = onnx_form._activation_quantization(least, greatest)
    assert found.scale == pytest.approx(scale, rel=1e-6)
    assert found.zero_point == zero_point


@pytest.mark.parametrize("version", ["2.4.0", "2.21.0"])
def test_what_can_convert_is_not_refused(version: str) -> None:
    framework = OldFramework()
    framework.tensorflow_version = version
    framework.tensorflow = type("Module", (), {"lite": None})  # type: ignore[attr-defined]
    tflite_form.check(framework)


@pytest.mark.parametrize(("epochs", "steps"), [(36, [12, 12, 12]), (3, [1, 1, 1]), (1, [1])])
def test_the_learning_rate_goes_down_in_three_equal_steps(epochs: int, steps: list[int]) -> None:
    rates = [train.learning_rate(epoch, epochs) for epoch in range(epochs)]
    assert rates == [
        rate for rate, count in zip((5e-4, 1e-4, 2e-5), steps, strict=False) for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("samples", "moved"), [(0, [1, 2, 3]), (1, [0, 1, 2]), (-1, [2, 3, 0]), (3, [0, 0, 0])]
)
def test_a_shift_leaves_zeros(samples: int, moved: list[int]) -> None:
    assert speech.shifted(numpy.array([1, 2, 3]), samples).tolist() == moved
