"""The engines that run a network, behind one small interface: load, set input, invoke, output.

An engine's module is imported when it is opened, for it draws in a whole
framework. Open engines in a process of their own (``edgebench.kws.job``): a
CPU without the instructions kills the process that tries.
"""

import importlib

from edgebench.errors import UsageError

NAMES = ("tensorflow", "litert", "onnxruntime")
_MODULES = {
    "tensorflow": "edgebench.kws.engines.tensorflow_engine",
    "litert": "edgebench.kws.engines.litert_engine",
    "onnxruntime": "edgebench.kws.engines.onnxruntime_engine",
}
_FORMS = {"tensorflow": ("saved_model", "keras"), "litert": ("tflite",), "onnxruntime": ("onnx",)}


def can_run(name, model):
    """Return whether the engine ``name`` reads the form of ``model``; whether it is installed is another matter."""
    return model.form in _FORMS[checked(name)]


def checked(name):
    """Return ``name`` where it is an engine's; raise UsageError that lists them else."""
    if name not in NAMES:
        raise UsageError("{} is no engine; those are: {}".format(name, ", ".join(NAMES)))
    return name


def open_engine(name, model, threads=1):
    """Load ``model`` (a models.Model) and return an Engine that is ready for input.

    threads: how many threads compute, 1 or more. Raises UsageError for a form
    that the engine does not read, UnsupportedError where the library is not
    installed or cannot do it here. May kill the process on a CPU that lacks
    what the library was compiled for.
    """
    if not can_run(name, model):
        raise UsageError(
            "{} does not read models of the form {}; it reads {}".format(
                name, model.form, " and ".join(_FORMS[name])
            )
        )
    return importlib.import_module(_MODULES[name]).open_model(model, threads)
