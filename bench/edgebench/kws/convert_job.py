"""The conversion of the reference model in the worker's process, before anything is measured."""

import os

from edgebench.errors import UnsupportedError
from edgebench.kws import convert, models

# Both forms at best; where a host's packages cannot write one of them, the other.
_CHOICES = (("tflite", "onnx"), ("tflite",), ("onnx",))
_MADE = ("float32", "int8")


def is_wanted(model_ids, folders):
    """Tell whether models of ``model_ids`` (None: all) are to be made: no folder of ``folders`` holds any."""
    held = [os.path.join(each, models.CONVERTED, convert.INDEX) for each in folders if each]
    asked = model_ids is None or any(each in _MADE for each in model_ids)
    return asked and not any(os.path.exists(each) for each in held)


def describe(references, inputs, cache_dir):
    """Return the worker's job. references, inputs: the data.sources.Found of the models and of the inputs."""
    return {
        "kind": "convert",
        "reference_folder": os.path.join(references.folder, "kws_ref_model"),
        "inputs_folder": inputs.folder,
        "out": os.path.join(cache_dir, models.CONVERTED),
    }


def run(job, emit):
    """Write the folder ``out`` of ``job`` from its reference_folder, calibrated on the set in its inputs_folder.

    Tells why a form was ``refused``. Raises UnsupportedError where this host's packages can write neither.
    """
    from edgebench import compat
    from edgebench.kws.inputs import read_set

    emit("phase", phase="import")
    framework = compat.load(use_gpu=False)
    emit("phase", phase="convert")
    samples = read_set(job["inputs_folder"])
    source = convert.from_reference(framework, job["reference_folder"])
    refused = []  # type: ignore[var-annotated]
    for forms in _CHOICES:
        try:
            convert.convert(job["out"], source, samples, forms, framework)
            emit("update", record={"refused": refused[:1]})
            return
        except UnsupportedError as error:
            refused.append(str(error))
    raise UnsupportedError("; ".join(refused[1:]), "no-form-writable")
