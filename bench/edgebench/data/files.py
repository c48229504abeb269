"""Files of a data set: hashing, writing whole or not at all, setting wrong ones aside."""

import hashlib
import os
import re

from edgebench import storage
from edgebench.errors import UsageError

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 512
_HTML = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S
)


def sha256_of(path):
    """Return the SHA-256 of a file's content as 64 hex digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for chunk in iter(lambda: handle.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_set(named_hashes):
    """Return one SHA-256 for several files: that of the lines ``<sha256>  <name>`` in order of name."""
    lines = "".join("{}  {}\n".format(sha, name) for name, sha in sorted(named_hashes))
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()


def is_html(path):
    """Tell whether a file is an HTML page: what a site answers in place of data if it wants a login, or lacks it."""
    with open(path, "rb") as handle:
        head = handle.read(_HEAD_BYTES)
    return _HTML.match(head) is not None


def write_whole(path, chunks):
    """Write an iterable of bytes to ``path`` through a temporary file, fsync and rename; return the SHA-256.

    Raises UsageError where a device or a pipe is at ``path``: renaming would replace it.
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise UsageError(
            "{} is not a regular file, so it is not replaced. Name another one.".format(path),
            "output-not-a-file",
        )
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    digest = hashlib.sha256()
    partial = "{}.part-{}".format(path, os.getpid())
    try:
        with storage.named(path), open(partial, "wb") as handle:
            for chunk in chunks:
                digest.update(chunk)
                handle.write(chunk)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
    return digest.hexdigest()


def set_aside(path, found_sha256):
    """Rename a wrong file out of the way and return its new path; nothing is deleted."""
    aside = "{}.wrong-{}".format(path, found_sha256[:8])
    os.replace(path, aside)
    return aside
