"""Puts data sets into a cache, so that hosts can be given them before anything is timed."""

import os
import shutil

from edgebench.data import files, manifest
from edgebench.data.sources import Finder
from edgebench.errors import DataError


def stage(datasets, data_dir, cache_dir, offline, copy, say):
    """Find each data set and, with ``copy``, put what the user's directory holds into the cache as well.

    Returns a dict of ``datasets``, each with name, state ("ready" or
    "unavailable"), source, files (paths within the cache), sha256 and reason;
    ``warnings``; and ``wrong_files``, how many files had a wrong hash. say: called
    with one line of progress for each thing that takes time.
    """
    finder = Finder(manifest.load(), data_dir, cache_dir, offline, say)
    entries = [_staged(finder, name, cache_dir, copy) for name in datasets]
    return {"datasets": entries, "warnings": finder.warnings, "wrong_files": finder.wrong_files}


def _staged(finder, name, cache_dir, copy):
    entry = {
        "name": name,
        "state": "unavailable",
        "source": None,
        "files": [],
        "sha256": None,
        "reason": None,
    }
    try:
        found = finder.find(name)
    except DataError as error:
        entry["reason"] = str(error)
        return entry
    folder = os.path.join(cache_dir, finder.manifest[name]["folder"])
    if copy and found.source == "directory":
        _copy(found, folder)
    entry.update(state="ready", source=found.source, sha256=found.sha256)
    if copy or found.source != "directory":
        folder_name = finder.manifest[name]["folder"]
        entry["files"] = sorted("{}/{}".format(folder_name, each) for each in found.paths)
    return entry


def _copy(found, folder):
    for name, path in found.paths.items():
        target = os.path.join(folder, name)
        if os.path.exists(target) and files.sha256_of(target) == files.sha256_of(path):
            continue
        with open(path, "rb") as source:
            files.write_whole(target, iter(lambda: source.read(1 << 20), b""))
        shutil.copystat(path, target)
