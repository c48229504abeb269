"""What keyword spotting can be measured with on this host: engines, models and numbers of threads."""

import importlib.util
import json
import os
import subprocess
import sys

from edgebench.errors import UsageError
from edgebench.kws import engines, models

ENGINES_PYTHON = "EDGEBENCH_ENGINES_PYTHON"
_LOOK_LIMIT_S = 60
_LOOK = (
    "import importlib.util, json, sys\n"
    "print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name)]))\n"
)


def combinations(finder, names=None, model_ids=None, threads=None):
    """Return [(engine, Model, threads)] to measure, engine by engine.

    finder: a data.sources.Finder. names: engines asked for, None for all that
    are installed. model_ids: of models asked for, None for all that are there.
    threads: numbers of threads, None for 1 alone. One that is asked for by
    name is in the list although it is not installed here, so that its record
    says so. Raises UsageError for unknown names, and where nothing is left.
    """
    found = models.find(finder)
    chosen = _chosen(found, model_ids)
    asked = [engines.checked(name) for name in names] if names else installed()
    pairs = [(name, model) for name in engines.NAMES if name in asked for model in chosen]
    pairs = [(name, model) for name, model in pairs if engines.can_run(name, model)]
    if not pairs:
        raise _nothing_left(asked, chosen, finder)
    return [(name, model, count) for name, model in pairs for count in threads or (1,)]


def python_of(name):
    """Return the interpreter that the engine ``name`` runs in; None for this program's own."""
    return None if name == "tensorflow" else os.environ.get(ENGINES_PYTHON) or None


def installed():
    """Return the engines whose library is installed here. None is imported: that is for a process of its own."""
    return [name for name in engines.NAMES if _has_one(python_of(name), engines.packages(name))]


def _has_one(python, packages):
    if python is None:
        return any(importlib.util.find_spec(each) is not None for each in packages)
    try:
        told = subprocess.check_output([python, "-c", _LOOK] + list(packages), timeout=_LOOK_LIMIT_S)
        return bool(json.loads(told.decode("utf-8")))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UsageError(
            "{} is {}, which does not run ({}). Provision this host again, or unset the variable.".format(
                ENGINES_PYTHON, python, error
            ),
            "engines-python-broken",
        )


def _chosen(found, model_ids):
    if not model_ids:
        return found
    known = sorted({model.id for model in found})
    for each in model_ids:
        if each not in known:
            raise UsageError(
                "This host has no model {!r}; it has {}. To see where they are, run: edgebench kws models. To make "
                "float32 and int8, run: edgebench kws convert".format(each, ", ".join(known)),
                "model-unknown",
            )
    return [model for model in found if model.id in model_ids]


def _nothing_left(asked, chosen, finder):
    if not asked:
        return UsageError(
            "No engine of keyword spotting is installed for {}. Provision this host (ansible-playbook "
            "provision.yml -l HOST), or install ai-edge-litert, tflite-runtime, onnxruntime or TensorFlow.".format(
                sys.executable
            ),
            "engine-not-installed",
        )
    told = "None of the engines {} reads any of the models {}. To see what they read, run: edgebench kws models".format(
        ", ".join(asked), ", ".join(sorted({"{} ({})".format(each.id, each.form) for each in chosen}))
    )
    return UsageError("; ".join([told] + finder.warnings), "engines-read-no-model")
