"""Output: files that are either the old ones or the new ones, never half of one; and the standard output."""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from edgebench import output, storage

from edgebench_report import text
from edgebench_report.errors import ReportError

STDOUT = Path("-")


def write(path: Path, content: str | bytes) -> None:
    """Write ``content`` (text as UTF-8) to ``path`` by a temporary file beside it, fsync and rename.

    Creates the folder. Raises ReportError, with the file at ``path`` as it was, when that fails.
    """
    data = _encoded(content)
    if path.exists() and not path.is_file():
        raise ReportError(
            f"{path}: exists and is not a regular file, so it is not replaced. Name a new file.",
            "output-not-file",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(data)
                handle.flush()
                os.fchmod(handle.fileno(), 0o644)
                os.fsync(handle.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as failure:
        raise ReportError(
            f"{path}: cannot be written ({failure.strerror or failure}). "
            "Free disk space, or name a writable folder with --out.",
            "output-not-writable",
        ) from failure


def to_stdout(content: str | bytes | BinaryIO) -> None:
    """Write ``content`` (text as UTF-8, or what a binary file holds) to the standard output.

    If its reader closes it early, as ``head`` does, the rest is dropped without an error. Raises OSError.
    """
    source = io.BytesIO(_encoded(content)) if isinstance(content, str | bytes) else content
    sys.stdout.flush()
    with storage.named(output.NAME):
        try:
            shutil.copyfileobj(source, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Python would fail once more at its end, by what is left in its buffer.
            output.discard()


def _encoded(content: str | bytes) -> bytes:
    return text.legible(content).encode("utf-8") if isinstance(content, str) else content


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
