"""What a conversion starts from, found, and what its files are worth, measured."""

import os

import numpy

from edgebench.data import manifest, sources
from edgebench.errors import DataError, EdgebenchError
from edgebench.kws import engines, inputs, network
from edgebench.kws.models import Model


def finder(directory, cache, offline):
    """Return a sources.Finder for the inputs and the reference models."""
    return sources.Finder(manifest.load(), directory, cache, offline)


def samples(found_by):
    """Return the inputs.Samples of the set kws01. Raises DataError."""
    return inputs.read_set(_folder_of(found_by.find("kws01"), inputs.INDEX))


def reference_folder(found_by):
    """Return the folder of the reference SavedModel. Raises DataError."""
    return os.path.dirname(_folder_of(found_by.find("kws_models"), "variables.index"))


def _folder_of(found, name):
    for path in found.paths.values():
        if os.path.basename(path) == name:
            return os.path.dirname(path)
    raise DataError(
        "The data set {} lacks {}. Get it again: edgebench data fetch -w kws".format(found.name, name),
        "data-set-incomplete",
    )


def accuracies(folder, told, samples_, framework=None):
    """Return a dict of file, engine, top1 and reason for each converted file of ``folder`` and engine that reads it.

    told: what its converted.json says. framework: the compat.Framework of this
    process, to measure the weights with, or None, which leaves them out. top1:
    of the Samples, as a ratio; None with a reason where an engine does not run
    here.
    """
    measured = []
    for name, entry in sorted(told["files"].items()):
        path = os.path.join(folder, name)
        if entry["form"] == "keras":
            if framework is not None:
                top1 = _top1_of_weights(framework, path, samples_)
                measured.append({"file": name, "engine": "keras", "top1": top1, "reason": None})
            continue
        model = Model(
            id=entry["precision"],
            form=entry["form"],
            precision=entry["precision"],
            weights=told["weights"],
            path=path,
            sha256=entry["sha256"],
            size_bytes=entry["size_bytes"],
        )
        for engine in engines.NAMES:
            if engines.can_run(engine, model):
                top1, reason = _top1(engine, model, samples_)
                measured.append({"file": name, "engine": engine, "top1": top1, "reason": reason})
    return measured


def _top1_of_weights(framework, path, samples_):
    model = network.network(framework)
    model.set_weights(network.load_weights(path))
    probabilities = model.predict(
        numpy.stack([each.quantized.features().values for each in samples_]), verbose=0
    )
    return float((probabilities.argmax(1) == [each.label for each in samples_]).mean())


def _top1(name, model, samples_):
    try:
        engine = engines.open_engine(name, model, 1)
    except (EdgebenchError, ImportError) as error:
        return None, str(error)
    right = 0
    for sample in samples_:
        engine.set_input(sample.quantized)
        engine.invoke()
        right += int(engine.output().argmax()) == sample.label
    return right / float(len(samples_)), None
