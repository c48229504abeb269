"""What a conversion starts from, found, and what its files are worth, measured."""

import os

from edgebench.data import manifest, sources
from edgebench.errors import DataError, EdgebenchError
from edgebench.kws import engines, inputs
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
    raise DataError("{} has no {}: get the set again".format(found.name, name))


def accuracies(folder, told, samples_):
    """Return a dict of file, engine, top1 and reason for each converted file of ``folder`` and engine that reads it.

    told: what its converted.json says. top1: of the Samples, as a ratio; None
    with a reason where the engine does not run here.
    """
    measured = []
    for name, entry in sorted(told["files"].items()):
        model = Model(
            id=entry["precision"],
            form=entry["form"],
            precision=entry["precision"],
            weights=told["weights"],
            path=os.path.join(folder, name),
            sha256=entry["sha256"],
            size_bytes=entry["size_bytes"],
        )
        for engine in engines.NAMES:
            if engines.can_run(engine, model):
                top1, reason = _top1(engine, model, samples_)
                measured.append({"file": name, "engine": engine, "top1": top1, "reason": reason})
    return measured


def _top1(name, model, samples_):
    try:
        engine = engines.open_engine(name, model, 1)
    except (EdgebenchError, ImportError) as error:
        return None, str(error)
    try:
        right = 0
        for sample in samples_:
            engine.set_input(sample.quantized)
            engine.invoke()
            right += int(engine.output().argmax()) == sample.label
    finally:
        engine.close()
    return right / float(len(samples_)), None
