"""Runs a module with an eye on each system call that touches a folder: notes them, or dies at one of them.

Arguments: the module, its arguments' file, the folder, then `note FILE`, or `before N`, `after N` or `half N`, where N
counts the calls from 1 and `half` writes half of the data before it dies. Runs on Python 2.7 and 3.5 and newer, so
there are no annotations.
"""

# mypy: ignore-errors

import fcntl
import json
import os
import runpy
import signal
import sys

if sys.version_info[0] > 2:  # noqa: UP036 - it runs on Python 2.7 as well
    # Up to 3.9 it keeps its own os.open, as a method. It must be the one that is not watched.
    import pathlib  # noqa: F401

MODULE, ARGUMENTS, FOLDER, HOW, WHICH = sys.argv[1:6]

paths = {}
notes = []


def name_of(target):
    """The path that a call's first argument means."""
    if isinstance(target, int):
        return paths.get(target)
    return target.decode("utf-8") if isinstance(target, bytes) else target


def watched(name, function):
    def call(*arguments):
        path = name_of(arguments[0])
        if path is None or not (path == FOLDER or path.startswith(FOLDER + "/")):
            return function(*arguments)
        note = [name, path]
        if name == "open":
            note.append(bool(arguments[1] & os.O_CREAT))
        elif name == "write":
            note.append(arguments[1].decode("latin-1"))
        elif name == "rename":
            note.append(name_of(arguments[1]))
        notes.append(note)
        last = HOW != "note" and len(notes) == int(WHICH)
        if last and HOW == "half" and name == "write":
            function(arguments[0], arguments[1][: len(arguments[1]) // 2])
        if last and HOW != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            result = function(*arguments)
        except (OSError, IOError):  # noqa: UP024 - two classes in Python 2
            note.append("failed")
            raise
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "open":
            paths[result] = path
        elif name == "close":
            del paths[arguments[0]]
        return result

    return call


for each in ("open", "write", "fchown", "fchmod", "fsync", "close", "rename", "unlink"):
    setattr(os, each, watched(each, getattr(os, each)))
fcntl.flock = watched("flock", fcntl.flock)

sys.argv = [MODULE, ARGUMENTS]
try:
    runpy.run_path(MODULE, run_name="__main__")
finally:
    if HOW == "note":
        with open(WHICH, "w") as out:
            json.dump(notes, out)
