"""Targets: files of data sets, as a hostile mirror or another user of a shared directory would make them."""

import contextlib
import io
import os
import pickle
import pickletools
import struct
import wave
import zipfile
from types import SimpleNamespace
from typing import Any

import numpy
from edgebench.data import images, mnist, npz, sources, text, weather
from edgebench.errors import DataError, EdgebenchError
from edgebench.kws import inputs, speech
from PIL import Image

from tests.fuzz.target import Target, scratch, written


class Canary:
    """Unpickled by anything but a restricted unpickler, this writes a file."""

    path = "canary"

    def __reduce__(self) -> Any:
        return open, (str(scratch() / self.path), "w")


def _npy(array: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    numpy.lib.format.write_array(out, array, **options)
    return out.getvalue()


def _lists(*values: Any) -> Any:
    array = numpy.empty(len(values), object)
    array[:] = values
    return array


def _npz_of(data: bytes, *names: str) -> str:
    """Return a sound archive whose members hold ``data``: archives that are broken seldom get further than that."""
    path = scratch() / "members.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"{name}.npy", data)
    return str(path)


def _is_within_memory(data: bytes) -> bool:
    """Say whether no pickle in it asks for a huge memo: CPython's unpickler makes one of any size that is named.

    Nothing but the file's hash keeps that away.
    """
    with contextlib.suppress(Exception):
        start = data.find(b"\n") + 1
        for opcode, argument, _ in pickletools.genops(data[start:]):
            if "PUT" in opcode.name and isinstance(argument, int) and argument > 100_000:
                return False
    return True


def check_npy(data: bytes) -> None:
    if not _is_within_memory(data):
        return
    path = _npz_of(data, "x")
    # MemoryError: a count of bytes that no machine has.
    with contextlib.suppress(DataError, MemoryError):
        (array,) = npz.read(path, ["x"])
        assert isinstance(array, numpy.ndarray)
    assert not (scratch() / Canary.path).exists(), "a pickle opened a file"


def check_texts(data: bytes) -> None:
    if not _is_within_memory(data):
        return
    path = _npz_of(data, "x_train", "y_train", "x_test", "y_test", "x", "y")
    readers: tuple[tuple[Any, str], ...] = (
        (text.load_imdb, "imdb.npz"),
        (text.load_reuters, "reuters.npz"),
    )
    for load, name in readers:
        with contextlib.suppress(DataError, MemoryError):
            load(SimpleNamespace(paths={name: path}))
    assert not (scratch() / Canary.path).exists(), "a pickle opened a file"


def check_npz(data: bytes) -> None:
    with contextlib.suppress(DataError):
        mnist.load(SimpleNamespace(form="npz", paths={"mnist.npz": str(written(data, "mnist.npz"))}))


def check_idx(data: bytes) -> None:
    with contextlib.suppress(DataError):
        assert mnist.read_idx(str(written(data, "idx"))).dtype == numpy.uint8


def check_weather(data: bytes) -> None:
    for name in ("mpi.csv", "mpi.zip"):
        warnings: list[str] = []
        with contextlib.suppress(DataError):
            rows = weather.load(SimpleNamespace(paths={name: str(written(data, name))}), warnings)
            assert rows.shape[1] == weather.COLUMNS
            assert numpy.isfinite(rows).all()


def check_image(data: bytes) -> None:
    _, image = images._read(Image, str(written(data, "cat.jpg")))
    assert image is None or image.shape == (images.SIDE, images.SIDE, 3)


def check_wav(data: bytes) -> None:
    with contextlib.suppress(DataError):
        samples = speech.read_wav(str(written(data, "a.wav")))
        assert samples.dtype == numpy.int16
        assert 0 < 2 * len(samples) <= len(data)


def check_index(data: bytes) -> None:
    path = written(data, inputs.INDEX)
    listed = sources._listed(str(path.parent), path.name)
    with contextlib.suppress(EdgebenchError):
        names = [name for name, _ in inputs.read_index(str(path))]
        assert all(os.path.basename(name) == name for name in names)
    for name in listed:
        # Joined to a folder, it stays there.
        assert (path.parent / name).resolve() == path.parent / name


def _image(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 30), (200, 100, 50)).save(out, form)
    return out.getvalue()


def _zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
    return out.getvalue()


def _wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as handle:
        handle.setnchannels(1)
        handle.setsampwidth(2)
        handle.setframerate(16000)
        handle.writeframes(bytes(range(200)))
    return out.getvalue()


_WEATHER = (
    ",".join(["Date Time"] + [f"c{i}" for i in range(21)])
    + "\n"
    + "".join(f"d{row}" + f",{row}.5" * 21 + "\n" for row in range(3))
).encode()
_PICKLED = _npy(_lists([1, 5, 9996], [2], [20000]), allow_pickle=True)
_HOSTILE = _PICKLED[: _PICKLED.index(b"\n") + 1] + pickle.dumps(Canary(), 2)
_LARGE = _npy(numpy.zeros(4)).replace(b"(4,), }", b"(9999999999999,), }")
_SIZES = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00")

TARGETS = (
    Target(
        "npy",
        check_npy,
        "edgebench.data.npz",
        (_npy(numpy.zeros((2, 3), numpy.uint8)), _PICKLED, _HOSTILE, _LARGE),
        (
            b"|O",
            b"<f8",
            b"(1,)",
            b"'shape'",
            b"\x80\x02",
            b"cos\nsystem\n",
            b"cbuiltins\neval\n",
            b"R.",
            b"\x93NUMPY",
        ),
    ),
    Target(
        "texts",
        check_texts,
        "edgebench.data.text",
        (_PICKLED, _npy(numpy.arange(3)), _HOSTILE),
        (b"]q", b"K\x01", b"e"),
    ),
    Target(
        "npz",
        check_npz,
        "edgebench.data.npz",
        (_zipped(_npy(numpy.zeros(3))),),
        (b"PK\x03\x04", b"PK\x01\x02", *_SIZES),
    ),
    Target(
        "idx",
        check_idx,
        "edgebench.data.mnist",
        (struct.pack(">4B2I", 0, 0, 8, 2, 2, 3) + bytes(6), struct.pack(">4BI", 0, 0, 8, 1, 3) + bytes(3)),
        _SIZES,
    ),
    Target(
        "weather",
        check_weather,
        "edgebench.data.weather",
        (_WEATHER, _zipped(_WEATHER), _zipped(bytes(1000000))),
        (b",", b"\n", b"-9999", b"nan", b"inf", b"1e999", b"\xb0", b"#", b'"'),
    ),
    Target(
        "image",
        check_image,
        "edgebench.data.images",
        tuple(_image(form) for form in ("JPEG", "PNG", "GIF", "BMP")),
        (
            b"\xff\xd8",
            b"\xff\xc0",
            b"\xff\xda",
            b"IHDR",
            b"IDAT",
            b"zTXt",
            b"iCCP",
            b"GIF89a",
            b"BM",
            *_SIZES,
        ),
    ),
    Target(
        "wav",
        check_wav,
        "edgebench.kws.speech",
        (_wav(),),
        (b"RIFF", b"WAVE", b"fmt ", b"data", b"LIST", *_SIZES),
    ),
    Target(
        "index",
        check_index,
        "edgebench.kws.inputs",
        (b"tst_000000_Stop_7.bin, 12, 7\nb.bin,12,0\n", b'"' + b"a" * 140_000),
        (b"../", b"/", b"..", b'"', b"\0", b"\r", b"\n", b",12,3\n", b"\xff", b"."),
    ),
)
