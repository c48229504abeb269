"""What a disk that is full or failing means, in words."""

import errno
import os

_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error):
    """Tell whether an OSError says that there is no room left."""
    return error.errno in _FULL


def explained(error, path=None):
    """Return an OSError as a line with its remedy. path: of the file, where the error does not say it."""
    path = error.filename or path
    said = "{}: {}".format(path, error.strerror) if path and error.strerror else str(error)
    if is_full(error):
        return "{} ({}). Free some room and go on with the same command.".format(said, _room(path))
    if error.errno == errno.EROFS:
        return said + (
            ". The kernel makes a failing or damaged disk read-only; `dmesg` says why. Back up what is on it, and go "
            "on with the same command when it can be written again."
        )
    if error.errno == errno.EIO:
        return said + ". The disk fails; back up what is on it."
    return said


def _room(path):
    folder = os.path.dirname(os.path.abspath(str(path or ".")))
    try:
        found = os.statvfs(folder)
    except OSError:
        return "no room left"
    return "{:.1f} MiB free of {:.0f} on its file system".format(
        found.f_bavail * found.f_frsize / 2**20, found.f_blocks * found.f_frsize / 2**20
    )
