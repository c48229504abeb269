"""Disks of emulated hosts: made of a tree, copied, written into without mounting them."""

import tempfile
from pathlib import Path

from .commands import run
from .identity import File

# A partition begins at the first mebibyte, as everywhere.
PARTITION_OFFSET = 1 << 20
_MEGABYTE = 1_000_000


def empty(disk: Path, size_mb: int) -> None:
    """Make a disk of nothing; it takes no room until it is written to."""
    with disk.open("wb") as handle:
        handle.truncate(size_mb * _MEGABYTE)


def make(tree: Path, disk: Path, size_mb: int) -> None:
    """Make a disk that is one file system, labelled root, with what the tree holds."""
    empty(disk, size_mb)
    run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree, disk)


def make_partitioned(tree: Path, disk: Path, size_mb: int, partition: str) -> None:
    """Make a disk with a GPT and on it one partition of that name, with what the tree holds."""
    empty(disk, size_mb)
    first = PARTITION_OFFSET // 512
    run("sfdisk", "--quiet", disk, stdin=f'label: gpt\nstart={first}, name="{partition}"\n')
    # The table's copy takes the last 33 sectors; the file system ends a mebibyte before the disk does.
    blocks = (size_mb * _MEGABYTE - 2 * PARTITION_OFFSET) // 4096
    run(
        *("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-E", f"offset={PARTITION_OFFSET}", "-d", tree),
        *(disk, str(blocks)),
    )


def clone(disk: Path, copy: Path) -> None:
    """Copy a disk; what was never written to takes no room in the copy either."""
    run("cp", "--sparse=always", "--reflink=auto", disk, copy)


def write(disk: Path, files: list[File], offset: int = 0) -> None:
    """Write files into the file system that begins at this byte of the disk."""
    file_system = f"{disk}?offset={offset}" if offset else str(disk)
    with tempfile.TemporaryDirectory() as scratch:
        commands = []
        for number, file in enumerate(files):
            source = Path(scratch) / str(number)
            source.write_bytes(file.content)
            # debugfs takes a mode with the type of the file before it: 010 is a regular one.
            commands += [
                f"rm {file.path}",
                f"write {source} {file.path}",
                f"set_inode_field {file.path} mode 010{file.mode:04o}",
                f"set_inode_field {file.path} uid {file.owner}",
                f"set_inode_field {file.path} gid {file.owner}",
            ]
        run("debugfs", "-w", "-f", "/dev/stdin", file_system, stdin="\n".join(commands) + "\n")
        written = run("debugfs", "-R", f"cat {files[0].path}", file_system).encode()
    assert files[0].content in written, "debugfs wrote nothing"
