"""Puts data sets into a cache, so that hosts can be given them before anything is timed."""

import os
import shutil

from edgebench import progress
from edgebench.data import files, manifest, sources
from edgebench.errors import DataError


def stage(datasets, data_dir, cache_dir, offline, copy, say):
    """Find each data set and, with ``copy``, put what the user's directory holds into the cache as well.

    Returns a dict of ``datasets``, each with name, state ("ready" or
    "unavailable"), source, folder, size_bytes, files (paths within the cache),
    sha256, reason, failures (of downloads), homepage, fetchable and wrong_files;
    ``warnings``; and ``wrong_files``, how many files had a wrong hash. say: called
    with one line of progress for each thing that takes time.
    """
    finder = sources.Finder(manifest.load(), data_dir, cache_dir, offline, say)
    entries = [_staged(finder, name, cache_dir, copy) for name in datasets]
    return {"datasets": entries, "warnings": finder.warnings, "wrong_files": finder.wrong_files}


def _staged(finder, name, cache_dir, copy):
    entry = {
        "name": name,
        "state": "unavailable",
        "source": None,
        "folder": None,
        "size_bytes": None,
        "files": [],
        "sha256": None,
        "reason": None,
        "failures": [],
        "homepage": sources.homepage(finder.manifest[name]),
        "fetchable": sources.is_fetchable(finder.manifest[name]),
        "wrong_files": 0,
    }
    failed_before, wrong_before = len(finder.failures), finder.wrong_files
    try:
        found = finder.find(name)
    except DataError as error:
        entry.update(
            reason=str(error),
            failures=[str(each) for each in finder.failures[failed_before:]],
            wrong_files=finder.wrong_files - wrong_before,
        )
        return entry
    folder = os.path.join(cache_dir, finder.manifest[name]["folder"])
    if copy and found.source == "directory":
        _copy(found, folder, progress.Amount(finder.say, "copying files", len(found.paths), ("files", 1)))
    entry.update(
        state="ready",
        source=found.source,
        folder=folder if copy else found.folder,
        size_bytes=sum(os.path.getsize(path) for path in found.paths.values()),
        sha256=found.sha256,
        wrong_files=finder.wrong_files - wrong_before,
    )
    if copy or found.source != "directory":
        folder_name = finder.manifest[name]["folder"]
        entry["files"] = sorted("{}/{}".format(folder_name, each) for each in found.paths)
    return entry


def _copy(found, folder, amount):
    for name, path in found.paths.items():
        amount.add(1)
        target = os.path.join(folder, name)
        if os.path.exists(target) and files.sha256_of(target) == files.sha256_of(path):
            continue
        with open(path, "rb") as source:
            files.write_whole(target, iter(lambda: source.read(1 << 20), b""))
        shutil.copystat(path, target)
