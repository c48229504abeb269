"""The kernel's files below a root, so that a copy of a board's sysfs can take the place of this host's."""

import errno
import glob
import os
import re

_READ_BYTES = 4096


class Tree:
    """sysfs and procfs below ``root``, which is / but for tests and copies."""

    def __init__(self, root="/"):
        self.root = root
        self.is_real = os.path.realpath(root) == "/"

    def path(self, name):
        """Return where the file ``name`` (absolute, such as /proc/stat) is below the root."""
        return os.path.join(self.root, name.lstrip("/"))

    def glob(self, pattern):
        """Return the paths that match an absolute pattern, policy2 before policy10."""
        return matching(self.path(""), pattern.lstrip("/"))

    def text(self, name):
        """Return the file's text without blanks around it, or None."""
        return read_text(self.path(name))


def matching(folder, pattern):
    """Return the paths below a folder that match, policy2 before policy10; the folder's own name may hold anything."""
    return sorted(glob.glob(os.path.join(glob.escape(folder), pattern)), key=_natural)


def read_text(path):
    """Return the file's text without blanks around it; None where it is empty or cannot be read."""
    channel = Channel(path)
    try:
        return channel.text()
    finally:
        channel.close()


def why_unreadable(path):
    """Return in words why a file cannot be read, None where it can."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        return _words(error, path)
    try:
        os.read(descriptor, 1)
    except OSError as error:
        return _words(error, path)
    finally:
        os.close(descriptor)
    return None


def _words(error, path):
    if error.errno in (errno.EACCES, errno.EPERM):
        return "{} can be read by root only".format(path)
    return "{}: {}".format(path, os.strerror(error.errno))


class Channel:
    """A file that is opened once and read again and again from its start.

    sysfs and procfs make their text anew for each read at offset 0
    (Documentation/filesystems/sysfs.rst and seq_file.rst of the kernel).
    """

    def __init__(self, path, size_bytes=_READ_BYTES):
        self.path = path
        self._size_bytes = size_bytes
        self._descriptor = None

    def data(self):
        """Return what the file holds now as bytes, at most ``size_bytes``; None where it cannot be read."""
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(self._descriptor, self._size_bytes, 0)
        except OSError:
            # A device that went away and came back has a new file.
            self.close()
            return None

    def text(self):
        """Return the file's text without blanks around it; None where it is empty or cannot be read."""
        data = self.data()
        return data.decode("utf-8", "replace").strip("\0 \n\t") or None if data else None

    def close(self):
        """Close the file; the next read opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _natural(path):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path)]
