"""Many small files, read as few: opening a file takes a database longer than reading what a host leaves in it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

# So much of small files is read as one; a larger one is by itself.
BATCH_BYTES = 128 * 2**20
# Of a fleet the first files bring most of what is new, for which they are read twice.
FIRST_BYTES = 8 * 2**20


def batches(sizes: Iterable[tuple[Path, int]]) -> Iterator[list[Path]]:
    """Yield files, given with their sizes in bytes, in lists of about BATCH_BYTES, but for a smaller first one."""
    batch: list[Path] = []
    together, most = 0, min(FIRST_BYTES, BATCH_BYTES)
    for path, size in sizes:
        if batch and together + size > most:
            yield batch
            batch, together, most = [], 0, BATCH_BYTES
        batch.append(path)
        together += size
    if batch:
        yield batch


def join(target: Path, paths: list[Path]) -> Path:
    """Make ``target`` hold all of the files, a line's end after each; a single one is a link to it.

    What is written over need not be given back and asked for again. A file that cannot be read becomes a line that is
    no record.
    """
    if target.is_symlink():
        target.unlink()
    if len(paths) == 1:
        target.unlink(missing_ok=True)
        target.symlink_to(paths[0].absolute())
        return target
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for path in paths:
            _append(descriptor, path)
        os.ftruncate(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR))
    finally:
        os.close(descriptor)
    return target


def _append(target: int, path: Path) -> None:
    try:
        source = os.open(path, os.O_RDONLY)
        try:
            left, done = os.fstat(source).st_size, 0
            while left > 0 and (sent := os.sendfile(target, source, done, left)):
                done += sent
                left -= sent
        finally:
            os.close(source)
        os.write(target, b"\n")
    except OSError:
        os.write(target, b"\nunreadable\n")
