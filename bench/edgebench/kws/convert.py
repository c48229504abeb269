"""Converts the keyword spotting network into the forms that engines load: .tflite and ONNX, float32 and int8.

Float32 means float32 here: the file that MLPerf Tiny calls
kws_ref_model_float32.tflite holds int8 weights. The folder is written whole or
not at all.
"""

import json
import os
import platform
import shutil

import numpy

from edgebench import __version__, compat
from edgebench.data import files
from edgebench.errors import DataError, UsageError
from edgebench.kws import network, onnx_form, tflite_form
from edgebench.kws.quiet import quiet

FORMS = ("tflite", "onnx")
INDEX = "converted.json"
WEIGHTS = "kws_weights.npz"
NAMES = {
    ("tflite", "float32"): "kws_float32.tflite",
    ("tflite", "int8"): "kws_int8.tflite",
    ("onnx", "float32"): "kws_float32.onnx",
    ("onnx", "int8"): "kws_int8.onnx",
}

_VERSION = 1


class Source:
    """Weights to convert.

    weights: "reference" or "trained". sha256: of the file, or of the set of a
    folder's files, that they come from. arrays: in the order of
    ``network.VARIABLES``.
    """

    def __init__(self, weights, sha256, arrays):
        self.weights = weights
        self.sha256 = sha256
        self.arrays = arrays


def from_reference(framework, folder):
    """Return the Source of the reference SavedModel in ``folder``. Raises DataError."""
    arrays = network.reference_weights(framework, folder)
    names = ("variables.data-00000-of-00001", "variables.index")
    hashes = [(name, files.sha256_of(os.path.join(folder, "variables", name))) for name in names]
    return Source("reference", files.sha256_of_set(hashes), arrays)


def from_file(path):
    """Return the Source of an npz file that ``edgebench kws train`` or ``convert`` wrote. Raises EdgebenchError."""
    arrays = network.load_weights(path)
    sha256 = files.sha256_of(path)
    return Source(_weights_of(path, sha256), sha256, arrays)


def _weights_of(path, sha256):
    """Return "reference" for what an earlier conversion took from the reference, else "trained"."""
    folder, name = os.path.split(os.path.abspath(path))
    try:
        told = read_index(folder)
    except DataError:
        return "trained"
    return told["weights"] if told["files"].get(name, {}).get("sha256") == sha256 else "trained"


def convert(out, source, samples, forms=FORMS, framework=None, say=lambda line: None):
    """Write the folder ``out`` with a Source in ``forms`` and return what its converted.json says.

    samples: inputs.Samples that calibrate the int8 models. framework: a
    compat.Framework, needed for the form tflite alone; loaded where it is
    None. A folder of an earlier conversion is replaced; any other that holds
    something is refused with UsageError. Raises UnsupportedError where this
    host's packages cannot write one of the forms, and then writes nothing.
    """
    framework, versions = check(out, forms, framework)
    calibration = numpy.stack([sample.quantized.features().values for sample in samples])
    products = []
    for form, write in (("tflite", _tflite), ("onnx", _onnx)):
        if form in forms:
            say("converting to {}".format(form))
            # Both converters advise much that does not apply to this network.
            with quiet():
                float32, int8 = write(source, calibration, framework)
            products += [(form, "float32", float32), (form, "int8", int8)]
    return _write(os.path.abspath(out), source, calibration, products, versions)


def check(out, forms=FORMS, framework=None):
    """Return the compat.Framework, where one is needed, and the versions of what will convert; write nothing.

    Raises UsageError where ``out`` must not be replaced, UnsupportedError where
    this host's packages cannot write one of the forms.
    """
    _check_replaceable(os.path.abspath(out))
    versions = {"python": platform.python_version(), "numpy": numpy.__version__}
    if "onnx" in forms:
        versions.update(onnx_form.versions())
    if "tflite" in forms:
        framework = framework or compat.load(use_gpu=False)
        tflite_form.check(framework)
        versions.update(tensorflow=framework.tensorflow_version, keras=framework.keras_version)
    return framework, versions


def _tflite(source, calibration, framework):
    model = network.network(framework)
    model.set_weights(source.arrays)
    return tflite_form.float32(framework, model), tflite_form.int8(framework, model, calibration)


def _onnx(source, calibration, framework):
    return onnx_form.float32(source.arrays), onnx_form.int8(source.arrays, calibration)


def _write(out, source, calibration, products, versions):
    partial = "{}.part-{}".format(out, os.getpid())
    try:
        told = {
            "version": _VERSION,
            "runner": __version__,
            "weights": source.weights,
            "source_sha256": source.sha256,
            "calibration_inputs": len(calibration),
            "versions": versions,
            "files": {},
        }
        sha = network.save_weights(os.path.join(partial, WEIGHTS), source.arrays)
        told["files"][WEIGHTS] = _entry(partial, WEIGHTS, sha, source, "keras", "float32")
        for form, precision, content in products:
            name = NAMES[form, precision]
            sha = files.write_whole(os.path.join(partial, name), [content])
            told["files"][name] = _entry(partial, name, sha, source, form, precision)
        text = json.dumps(told, indent=2, sort_keys=True) + "\n"
        files.write_whole(os.path.join(partial, INDEX), [text.encode("utf-8")])
        _put_in_place(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return told


def _entry(folder, name, sha256, source, form, precision):
    return {
        "form": form,
        "precision": precision,
        "sha256": sha256,
        "size_bytes": os.path.getsize(os.path.join(folder, name)),
        "source_sha256": source.sha256,
    }


def _check_replaceable(out):
    if not os.path.lexists(out):
        return
    if not os.path.isdir(out):
        raise UsageError(
            "{} is a file. Converted models need a folder: name a new or an empty one with --out.".format(
                out
            ),
            "output-not-a-folder",
        )
    if os.listdir(out) and not os.path.isfile(os.path.join(out, INDEX)):
        raise UsageError(
            "{} has files but no {}, so it is not an earlier conversion and is not replaced. Name a new or an empty "
            "folder with --out.".format(out, INDEX),
            "output-folder-foreign",
        )


def _put_in_place(partial, out):
    # A folder that holds something cannot be replaced in one step: for an instant there is none, never half a one.
    old = "{}.old-{}".format(out, os.getpid())
    if os.path.isdir(out):
        os.replace(out, old)
    try:
        os.replace(partial, out)
    except OSError:
        if os.path.isdir(old):
            os.replace(old, out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_index(folder):
    """Return what the converted.json of a folder says, its files checked by their hashes. Raises DataError."""
    path = os.path.join(folder, INDEX)
    try:
        with open(path) as handle:
            told = json.load(handle)
        version, entries = told["version"], sorted(told["files"].items())
    except (IOError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            "{} is unreadable: {}. Convert again: edgebench kws convert".format(path, error),
            "conversion-unreadable",
        )
    if version != _VERSION:
        raise DataError(
            "{} has version {}; this edgebench reads version {}. Convert again: edgebench kws convert".format(
                path, version, _VERSION
            ),
            "conversion-version-unknown",
        )
    for name, entry in entries:
        found = os.path.join(folder, name)
        sha = files.sha256_of(found) if os.path.isfile(found) else None
        if sha != entry["sha256"]:
            raise DataError(
                "{} changed after the conversion: SHA-256 {}, expected {}. Convert again: edgebench kws "
                "convert".format(found, sha, entry["sha256"]),
                "conversion-changed",
            )
    return told
