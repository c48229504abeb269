"""Reading what others made: never more bytes than can be right, and one error whatever a library makes of it.

Files are known by their hashes before they are read. This is for those of
which nobody publishes one, and in case a hash was of the wrong file.
"""

import contextlib
import zipfile

from edgebench.errors import DataError, EdgebenchError


@contextlib.contextmanager
def refusing(path):
    """Turn whatever reading ``path`` raises into a DataError that names it.

    A hostile file makes libraries raise nearly anything, so nothing is listed
    here. Memory that is short is no fault of the file: MemoryError goes on.
    """
    try:
        yield
    except (EdgebenchError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise DataError(
            "{} is not readable ({}: {}). Download it again.".format(path, type(error).__name__, error),
            "file-unreadable",
        )


def read_file(path, most_bytes):
    """Return a file's bytes. Raises DataError for one with more than ``most_bytes``, and OSError."""
    with open(path, "rb") as handle:
        return _checked(handle.read(most_bytes + 1), most_bytes, path)


def read_member(path, most_bytes, name=None):
    """Return the bytes of a zip's member, the first without ``name``.

    Raises DataError for one with more than ``most_bytes``, whatever the
    archive says of its size, KeyError for one that is not there, and what
    zipfile raises.
    """
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if not names:
            raise DataError("{} is an empty archive. Download it again.".format(path), "archive-empty")
        with archive.open(names[0] if name is None else name) as member:
            return _checked(member.read(most_bytes + 1), most_bytes, path)


def _checked(content, most_bytes, path):
    if len(content) > most_bytes:
        raise DataError(
            "{} is larger than {} bytes, so it is the wrong file. Name another one, or download it "
            "again.".format(path, most_bytes),
            "file-too-large",
        )
    return content
