"""The loaders on real formats and real rows, and the stand-ins they can be replaced by."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from edgebench.data import images, mnist, text, weather
from edgebench.data.sources import Found
from edgebench.errors import DataError, WrongDataError
from PIL import Image

from tests.unit.runner.builders import idx_bytes


def _seeded() -> numpy.random.RandomState:
    return numpy.random.RandomState(7)


def test_idx_files_are_read_and_cut_ones_refused(tmp_path: Path) -> None:
    values = numpy.arange(24, dtype=numpy.uint8).reshape(2, 3, 4)
    path = tmp_path / "x"
    path.write_bytes(idx_bytes(values))
    assert (mnist.read_idx(path) == values).all()
    path.write_bytes(idx_bytes(values)[:-1])
    with pytest.raises(DataError, match=r"\b23\b.*\(2, 3, 4\)") as caught:
        mnist.read_idx(path)
    assert caught.value.code == "idx-size-wrong"
    path.write_bytes(b"not idx")
    with pytest.raises(DataError, match=str(path)) as caught:
        mnist.read_idx(path)
    assert caught.value.code == "idx-format-wrong"


def _npz(path: Path, **arrays: Any) -> SimpleNamespace:
    ragged = {}
    for name, value in arrays.items():
        ragged[name] = numpy.empty(len(value), object) if name.startswith("x") else numpy.asarray(value)
        ragged[name][:] = value
    numpy.savez(path, allow_pickle=True, **ragged)
    return SimpleNamespace(paths={path.name: str(path)})


def test_imdb_is_read_as_keras_reads_it(tmp_path: Path) -> None:
    lists = [[1, 5, 9996, 9997, 20000], [2], [3, 3]]
    found = _npz(tmp_path / "imdb.npz", x_train=lists, y_train=[0, 1, 1], x_test=lists, y_test=[1, 0, 0])
    (texts, labels), _ = text.load_imdb(found)
    order = numpy.arange(3)
    numpy.random.RandomState(113).shuffle(order)
    row = int(numpy.flatnonzero(order == 0)[0])
    words = texts.words[texts.starts[row] : texts.starts[row + 1]]
    assert words.tolist() == [1, 4, 8, 9999, 2, 2]
    assert labels[row] == 0


def test_reuters_of_another_size_is_refused(tmp_path: Path) -> None:
    found = _npz(tmp_path / "reuters.npz", x=[[1], [2]], y=[3, 4])
    with pytest.raises(DataError, match=r"\b2\b.*\b11228\b") as caught:
        text.load_reuters(found)
    assert caught.value.code == "reuters-size-wrong"


def test_multi_hot_equals_the_obvious_way() -> None:
    (texts, _), _ = text.synthetic_imdb(_seeded(), 40, 1)
    rows = numpy.array([3, 0, 39])
    expected = numpy.zeros((3, text.VOCABULARY), numpy.float32)
    for i, row in enumerate(rows):
        expected[i, texts.words[texts.starts[row] : texts.starts[row + 1]]] = 1
    assert (texts.multi_hot(rows, numpy.ones_like(expected)) == expected).all()


def test_last_words_pads_before_and_cuts_the_front() -> None:
    texts = text.Texts.of([[10], [1, 2, 3, 4]])
    assert texts.last_words(3).tolist() == [[0, 1, 13], [5, 6, 7]]


def test_synthetic_texts_have_the_lengths_and_classes_of_the_real_ones() -> None:
    (texts, labels), _ = text.synthetic_imdb(_seeded(), 4000, 1)
    lengths = numpy.diff(texts.starts)
    assert 160 < numpy.median(lengths) < 195
    assert 215 < lengths.mean() < 260
    assert lengths.max() <= 2494
    assert 0.45 < labels.mean() < 0.55
    (wires, topics), _ = text.synthetic_reuters(_seeded(), 4000, 1)
    assert 85 < numpy.median(numpy.diff(wires.starts)) < 105
    assert 0.31 < (topics == 3).mean() < 0.40
    assert wires.words.max() < text.VOCABULARY


def test_synthetic_digits_look_like_digits_in_numbers() -> None:
    (x, y), (x_test, _) = mnist.synthetic(_seeded(), 500, 20)
    assert (x.shape, x.dtype, x_test.shape) == ((500, 28, 28), numpy.dtype("uint8"), (20, 28, 28))
    assert set(y) == set(range(10))
    assert 0.10 < (x > 0).mean() < 0.30


def test_real_weather_rows_are_parsed_and_their_gaps_filled(data_dir: Path) -> None:
    path = data_dir / "weather" / "mpi_roof_2024.csv"
    warnings: list[str] = []
    rows = weather.load(Found("weather", "csv", "directory", {path.name: str(path)}, None), warnings)
    assert rows.shape == (19132, 21)
    assert rows.dtype == numpy.float32
    assert rows[0, weather.TEMPERATURE] == pytest.approx(18.76)
    assert rows.min() > -500
    assert str(path) in warnings[0]
    assert "18 rows" in warnings[0]


def test_gaps_are_interpolated_between_their_neighbours() -> None:
    header = ",".join(["Date Time"] + [f"c{i}" for i in range(21)])
    lines = [",".join(["d"] + [str(value)] * 21) for value in (1, -9999.0, 3)]
    rows = weather.parse("\n".join([header, *lines]), "a.csv", [])
    assert rows[:, 5].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("body", "error", "code", "value"),
    [
        ("Date Time" + ",x" * 14 + "\n", WrongDataError, "weather-columns-wrong", "14"),
        ("Date Time" + ",x" * 21 + "\nd" + ",1" * 12 + "\n", DataError, "weather-file-incomplete", "13"),
        ("Date Time" + ",x" * 21 + "\nd" + ",1" * 20 + ",abc\n", DataError, "weather-file-incomplete", "abc"),
    ],
)
def test_other_or_cut_weather_files_are_refused(
    body: str, error: type[DataError], code: str, value: str
) -> None:
    with pytest.raises(error, match=rf"^a\.csv .*\b{value}\b") as caught:
        weather.parse(body, "a.csv", [])
    assert caught.value.code == code


def _kaggle(folder: Path, count: int, broken: tuple[str, ...] = ()) -> Found:
    paths = {}
    for word, colour in (("cat", 40), ("dog", 200)):
        for number in range(count):
            name = f"train/{word}.{number}.jpg"
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            if name in broken:
                path.write_bytes(b"\xff\xd8 cut short")
            else:
                Image.new("RGB", (30 + number, 20), (colour, number, 0)).save(path)
            paths[name] = str(path)
    return Found("dogs_vs_cats", "kaggle", "directory", paths, None)


def test_images_are_read_in_number_order_and_an_unreadable_one_is_passed_over_and_named(
    tmp_path: Path,
) -> None:
    found = _kaggle(tmp_path, 5, broken=("train/cat.1.jpg",))
    warnings: list[str] = []
    (x, y), (x_test, y_test) = images.load(found, 4, 2, warnings)
    assert (x.shape, x.dtype, x_test.shape) == ((4, 150, 150, 3), numpy.dtype("uint8"), (2, 150, 150, 3))
    assert (y.tolist(), y_test.tolist()) == ([0, 0, 1, 1], [0, 1])
    assert ["cat.1.jpg" in each for each in warnings] == [True]
    assert found.sha256 is not None


def test_too_few_images_is_an_error_that_counts_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\b2\b.*\bcat\b.*\b3\b") as caught:
        images.load(_kaggle(tmp_path, 2), 4, 2, [])
    assert caught.value.code == "images-too-few"
