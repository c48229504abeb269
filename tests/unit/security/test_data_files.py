"""Files of data sets that mean harm are refused before they cost anything."""

import http.server
import io
import pickle
import re
import struct
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from edgebench.data import bounded, images, npz, sources, text, weather
from edgebench.errors import DataError
from PIL import Image


class Touch:
    """Unpickled, this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def archive(path: Path, **members: bytes) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(f"{name}.npy", content)
    return str(path)


def npy(array: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    numpy.lib.format.write_array(out, array, **options)
    return out.getvalue()


def pickled(value: Any) -> bytes:
    """An array of one object, as numpy writes it, but with this pickle."""
    whole = npy(numpy.array([None], object), allow_pickle=True)
    return whole[: whole.index(b"\n") + 1] + pickle.dumps(value, 2)


def test_a_pickle_in_an_npz_calls_nothing(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.npz", x=pickled(Touch(tmp_path / "touched")))
    refused = r"UnpicklingError: \w+\.open\b"
    with pytest.raises(DataError, match=refused):
        npz.read(path, ["x"])
    with pytest.raises(DataError, match=refused):
        text.load_reuters(
            SimpleNamespace(
                paths={
                    "reuters.npz": archive(
                        tmp_path / "r.npz", x=pickled(Touch(tmp_path / "touched")), y=npy(numpy.zeros(1))
                    )
                }
            )
        )
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "call", ["os.system", "builtins.eval", "numpy.load", "numpy.lib.npyio.load", "subprocess.Popen"]
)
def test_no_name_but_those_of_arrays_is_found(call: str) -> None:
    module, _, name = call.rpartition(".")
    with pytest.raises(pickle.UnpicklingError, match=rf"^{re.escape(call)}\b"):
        npz.ArrayUnpickler(io.BytesIO(f"c{module}\n{name}\n.".encode())).load()


def test_a_header_that_promises_more_than_is_there_allocates_nothing(tmp_path: Path) -> None:
    content = npy(numpy.zeros(4)).replace(b"(4,), }", b"(99999999999,), }")
    path = archive(tmp_path / "x.npz", x=content)
    tracemalloc.start()
    with pytest.raises(DataError):
        npz.read(path, ["x"])
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("claimed", [None, 100])
def test_a_zip_bomb_ends_at_its_bound_whatever_the_archive_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claimed: int | None
) -> None:
    path = tmp_path / "mpi_roof.zip"
    content = bytes(8 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.csv", content)
    if claimed is not None:
        size = struct.pack("<L", len(content))
        path.write_bytes(path.read_bytes().replace(size, struct.pack("<L", claimed)))
    monkeypatch.setattr(weather, "_MOST_BYTES", 1 << 20)
    with pytest.raises(DataError):
        weather.load(SimpleNamespace(paths={"mpi_roof.zip": str(path)}), [])


def test_a_file_over_its_bound_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    with path.open("wb") as handle:
        handle.truncate(1 << 40)
    with pytest.raises(DataError, match=r"\b1000\b") as caught:
        bounded.read_file(str(path), 1000)
    assert caught.value.code == "file-too-large"


def test_an_image_of_endless_size_is_passed_over(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    path = tmp_path / "cat.1.jpg"
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
    assert images._read(Image, str(path)) == (None, None) or images._read(Image, str(path))[1] is None


def test_only_forms_of_images_that_are_wanted_reach_their_reader(tmp_path: Path) -> None:
    path = tmp_path / "cat.2.jpg"
    Image.new("RGB", (4, 4)).save(path, "TIFF")
    assert images._read(Image, str(path))[1] is None


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server on loopback, and what it answers: status, headers, pieces of the body."""
    answer: dict[str, Any] = {"status": 200, "headers": {}, "pieces": [b"data"]}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer["status"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            for piece in answer["pieces"]:
                try:
                    self.wfile.write(piece)
                except OSError:
                    return

        def log_message(self, *_: Any) -> None:
            pass

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}", answer
    found.shutdown()


def finder(url: str, cache: Path, **more: Any) -> sources.Finder:
    wanted = {"name": "toy.npz", "sha256": "0" * 64, "url": url, **more}
    form = {"name": "npz", "files": [wanted]}
    return sources.Finder({"toy": {"title": "Toy", "folder": "toy", "forms": [form]}}, None, str(cache))


@pytest.mark.parametrize(
    "url",
    ["http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://127.0.0.1.example.org/x"],
)
def test_nothing_but_https_is_fetched(tmp_path: Path, url: str) -> None:
    found_by = finder(url, tmp_path)
    with pytest.raises(DataError, match=url):
        found_by.find("toy")
    assert [each.code for each in found_by.failures] == ["url-not-https"]


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("http://example.org/x", "url-not-https"),
        # urllib itself refuses to be redirected to a file.
        ("file:///etc/passwd", "download-failed"),
        ("ftp://127.0.0.1/x", "url-not-https"),
    ],
)
def test_an_answer_that_leads_elsewhere_is_not_followed(
    tmp_path: Path, server: tuple[str, dict[str, Any]], to: str, code: str
) -> None:
    url, answer = server
    answer.update(status=302, headers={"Location": to}, pieces=[])
    found_by = finder(url + "/x", tmp_path)
    with pytest.raises(DataError, match=to):
        found_by.find("toy")
    assert [each.code for each in found_by.failures] == [code]
    assert not list(tmp_path.rglob("toy.npz*"))


def test_https_is_not_left_for_an_address_on_this_machine() -> None:
    with pytest.raises(DataError, match=r"127\.0\.0\.1/x.*https://example\.org/x") as caught:
        sources._require_https("http://127.0.0.1/x", came_from="https://example.org/x")
    assert caught.value.code == "url-not-https"


@pytest.mark.parametrize("size_bytes", [1000, 1 << 20])
def test_an_endless_answer_ends_at_the_size_that_the_manifest_tells(
    tmp_path: Path, server: tuple[str, dict[str, Any]], size_bytes: int
) -> None:
    url, answer = server
    answer["pieces"] = [bytes(1 << 20)] * 64
    found_by = finder(url + "/x", tmp_path, size_bytes=size_bytes)
    with pytest.raises(DataError, match=rf"\b{size_bytes}\b"):
        found_by.find("toy")
    assert [each.code for each in found_by.failures] == ["download-too-large"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", ".", "-rf", "a\0b", ""])
def test_an_index_that_names_paths_names_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "y.csv").write_text(f"good.bin, 12, 1\n{name}, 12, 1\n" if name else "\n")
    assert sources._listed(str(tmp_path), "y.csv") == []
