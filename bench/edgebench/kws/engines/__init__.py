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
_PACKAGES = {
    "tensorflow": ("tensorflow",),
    "litert": ("ai_edge_litert", "tflite_runtime", "tensorflow"),
    "onnxruntime": ("onnxruntime",),
}


def can_run(name, model):
    """Return whether the engine ``name`` reads the form of ``model``; whether it is installed is another matter."""
    return model.form in _FORMS[checked(name)]


def packages(name):
    """Return the modules of which one has to be installed for the engine ``name``."""
    return _PACKAGES[checked(name)]


def checked(name):
    """Return ``name`` where it is an engine's; raise UsageError that lists them else."""
    if name not in NAMES:
        raise UsageError(
            "The engine {!r} does not exist. Choose from {}.".format(name, ", ".join(NAMES)), "engine-unknown"
        )
    return name


def open_library(name, threads=1, use_gpu=True):
    """Import the library of the engine ``name`` and return it as a Library, whose ``open(model)`` gives an Engine.

    threads: how many threads compute, 1 or more. use_gpu: False hides every
    GPU. Raises UnsupportedError where the library is not installed. May kill
    the process on a CPU that lacks what the library was compiled for.
    """
    return importlib.import_module(_MODULES[checked(name)]).open_library(threads, use_gpu)


def open_engine(name, model, threads=1, use_gpu=True):
    """Import the library, load ``model`` (a models.Model) and return an Engine that is ready for input.

    The arguments and errors of ``open_library``; besides, raises UsageError for
    a form that the engine does not read, and UnsupportedError for a model that
    this release of the library cannot load.
    """
    if not can_run(name, model):
        raise UsageError(
            "{} does not read models of the form {}; it reads {}. To see what reads which, run: edgebench kws "
            "models".format(name, model.form, " and ".join(_FORMS[name])),
            "model-form-unsupported",
        )
    return open_library(name, threads, use_gpu).open(model)
