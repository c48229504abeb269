"""What a disk that is full or failing means, in words."""

import contextlib
import errno
import os

_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error):
    """Tell whether an OSError says that there is no room left."""
    return error.errno in _FULL


def code(error):
    """Return the code of an OSError, for scripts: "disk-full", "disk-read-only", "disk-failing", or "file-unusable"."""
    if is_full(error):
        return "disk-full"
    return {errno.EROFS: "disk-read-only", errno.EIO: "disk-failing"}.get(error.errno, "file-unusable")


@contextlib.contextmanager
def named(path):
    """Have every OSError name the file that it is about: those of writing to an open file do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise


def explained(error, path=None):
    """Return an OSError as a line with its remedy. path: of the file, where the error does not say it."""
    path = error.filename or path
    if path is None and error.errno == errno.ENOENT and not _has_working_directory():
        return "The working directory no longer exists. Change to another one, for example: cd"
    said = "{}: {}".format(path, error.strerror) if path and error.strerror else str(error)
    if is_full(error):
        return "{} ({}). Free some space, then run the same command again.".format(said, _room(path))
    if error.errno == errno.EROFS:
        return said + (
            ". The kernel makes a failing or damaged disk read-only; for the reason, run: dmesg. Back up the disk, "
            "then run the same command again when the disk is writable."
        )
    if error.errno == errno.EIO:
        return said + ". The disk is failing. Back it up and replace it."
    return said


def _has_working_directory():
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _room(path):
    """Return how full the file system of a file is; path: None where the error does not say which file it was."""
    if path is None:
        return "no space left"
    folder = os.path.dirname(os.path.abspath(os.fsdecode(path)))
    # A file that could not be made may have lacked its folder, too.
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    try:
        found = os.statvfs(folder)
    except OSError:
        return "no space left"
    return "{:.1f} MiB free of {:.0f} on its file system".format(
        found.f_bavail * found.f_frsize / 2**20, found.f_blocks * found.f_frsize / 2**20
    )
