"""What a disk that is full or failing means, in words."""

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


def explained(error, path=None):
    """Return an OSError as a line with its remedy. path: of the file, where the error does not say it."""
    path = error.filename or path
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


def _room(path):
    folder = os.path.dirname(os.path.abspath(str(path or ".")))
    try:
        found = os.statvfs(folder)
    except OSError:
        return "no space left"
    return "{:.1f} MiB free of {:.0f} on its file system".format(
        found.f_bavail * found.f_frsize / 2**20, found.f_blocks * found.f_frsize / 2**20
    )
