"""The models of keyword spotting that a host has: references, our own conversions, a network of random weights."""

import os
from collections import namedtuple

from edgebench.data import files
from edgebench.errors import DataError, WrongDataError, with_code
from edgebench.kws import convert

Model = namedtuple("Model", "id form precision weights path sha256 size_bytes")
Model.__doc__ = """One model.

id: see the documentation; form: tflite, saved_model, keras or onnx; precision: float32, dynamic (int8 weights, float
activations) or int8; weights: reference, trained or random; path: file or folder, None for random weights; sha256: of
the file, or of the set of a folder's files; size_bytes: of all its files.
"""

DATASET = "kws_models"
CONVERTED = "kws_converted"
RANDOM = Model("random", "keras", "float32", "random", None, None, None)
_INT8, _DYNAMIC = "kws_ref_model.tflite", "kws_ref_model_float32.tflite"
_SAVED_MODEL = "kws_ref_model"


def find(finder):
    """Return the Models there are, the references first; RANDOM alone where there are none.

    finder: a data.sources.Finder; what was found broken goes into its
    ``warnings``. Raises UsageError for a data directory that does not exist.
    """
    try:
        references = _references(finder.find(DATASET))
    except WrongDataError:
        raise
    except DataError as error:
        references = []
        finder.warnings.append(with_code(error, error.code))
    conversions = _conversions(finder)
    if any(each.form == "keras" for each in conversions):
        references = [each for each in references if each.form != "keras"]
    return references + conversions or [RANDOM]


def _references(found):
    folder = os.path.join(found.folder, _SAVED_MODEL)
    return [
        _reference("reference_int8", "tflite", "int8", os.path.join(found.folder, _INT8)),
        # Its name says float32, but the weights of its convolutions are int8.
        _reference("reference_dynamic", "tflite", "dynamic", os.path.join(found.folder, _DYNAMIC)),
        _reference("reference_saved_model", "saved_model", "float32", folder),
        _reference("float32", "keras", "float32", folder),
    ]


def _reference(identifier, form, precision, path):
    sha256, size_bytes = _measured(path)
    return Model(identifier, form, precision, "reference", path, sha256, size_bytes)


def _measured(path):
    """Return (SHA-256, bytes) of a file, or of the set of a folder's files."""
    if os.path.isfile(path):
        return files.sha256_of(path), os.path.getsize(path)
    paths = {}
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            paths[os.path.relpath(full, path)] = full
    hashes = [(name, files.sha256_of(full)) for name, full in paths.items()]
    return files.sha256_of_set(hashes), sum(os.path.getsize(full) for full in paths.values())


def _conversions(finder):
    """Return the Models of the first folder with conversions, of the user's directory and the cache."""
    for place in (finder.directory, finder.cache):
        folder = place and os.path.join(place, CONVERTED)
        if not folder or not os.path.isfile(os.path.join(folder, convert.INDEX)):
            continue
        try:
            told = convert.read_index(folder)
        except DataError as error:
            finder.warnings.append(with_code(error, error.code))
            continue
        found = [_conversion(folder, told, name, entry) for name, entry in told["files"].items()]
        return sorted(found, key=lambda model: (model.id, model.form))
    return []


def _conversion(folder, told, name, entry):
    return Model(
        entry["precision"],
        entry["form"],
        entry["precision"],
        told["weights"],
        os.path.join(folder, name),
        entry["sha256"],
        entry["size_bytes"],
    )
