"""The module edgebench_usb_verify: a copy that is right passes, and whatever is wrong with one is named."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.messages import codes


@pytest.fixture(scope="module")
def module(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("modules/edgebench_usb_verify")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with everything that a root file system holds, and its copy."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "usr/bin").mkdir(parents=True)
    for number in range(40):
        (source / f"usr/bin/program{number}").write_text(f"program {number}\n" * 100)
    (source / "etc").mkdir()
    (source / "etc/fstab").write_text("/dev/root / ext4\n")
    (source / "etc/empty").touch()
    (source / "bin").symlink_to("usr/bin")
    (source / "dangling").symlink_to("nowhere")
    (source / "etc/ümläut name").write_text("x")
    os.mkfifo(source / "etc/fifo")
    shutil.copytree(
        source, target, symlinks=True, copy_function=shutil.copy2, ignore=shutil.ignore_patterns("fifo")
    )
    os.mkfifo(target / "etc/fifo")
    (target / "etc/fifo").chmod((source / "etc/fifo").stat().st_mode & 0o777)
    for folder in ("usr/bin", "usr", "etc"):
        shutil.copystat(source / folder, target / folder)
    return source, target


def compare(
    module: ModuleType, pair: tuple[Path, Path], checksums: str = "all", since: float = 0, **options: Any
) -> tuple[dict[str, int], list[str]]:
    excluded = options.get("exclude", set())
    told: tuple[dict[str, int], list[str]] = module.compare(
        str(pair[0]), str(pair[1]), excluded, checksums, options.get("sample", 10), since
    )
    return told


def test_a_right_copy_passes_and_is_counted(module: ModuleType, pair: tuple[Path, Path]) -> None:
    counts, problems = compare(module, pair)
    assert problems == []
    assert (counts["files"], counts["links"], counts["folders"], counts["others"]) == (43, 2, 3, 1)
    assert counts["compared"] == 42
    assert counts["bytes"] == sum(
        path.stat().st_size
        for path in pair[0].rglob("*")
        if path.is_file() and not path.is_symlink() and "bin/" not in str(path.relative_to(pair[0]))[:4]
    )
    assert compare(module, pair, "sample")[0]["compared"] == 10
    assert compare(module, pair, "none")[0]["compared"] == 0


@pytest.mark.parametrize(
    ("damage", "path", "code"),
    [
        ("missing", "/usr/bin/program7", "file-missing"),
        ("shorter", "/usr/bin/program7", "size-differs"),
        ("flipped", "/usr/bin/program7", "content-differs"),
        ("mode", "/usr/bin/program7", "mode-differs"),
        ("time", "/usr/bin/program7", "time-differs"),
        ("link", "/dangling", "target-differs"),
        ("kind", "/bin", "type-differs"),
        ("excess", "/etc/extra", "file-unexpected"),
    ],
)
def test_whatever_is_wrong_is_named(
    module: ModuleType, pair: tuple[Path, Path], damage: str, path: str, code: str
) -> None:
    program = pair[1] / "usr/bin/program7"
    old = program.stat()
    if damage == "missing":
        program.unlink()
    elif damage == "shorter":
        program.write_bytes(program.read_bytes()[:-1])
    elif damage == "flipped":
        program.write_bytes(b"P" + program.read_bytes()[1:])
        os.utime(program, ns=(old.st_atime_ns, old.st_mtime_ns))
    elif damage == "mode":
        program.chmod(0o600)
    elif damage == "time":
        os.utime(program, (1, 1))
    elif damage == "link":
        (pair[1] / "dangling").unlink()
        (pair[1] / "dangling").symlink_to("elsewhere")
    elif damage == "kind":
        (pair[1] / "bin").unlink()
        (pair[1] / "bin").write_text("no link")
    else:
        (pair[1] / "etc/extra").touch()
    _, problems = compare(module, pair)
    assert (path, [code]) in [(problem.split()[0], codes(problem)) for problem in problems]


@pytest.mark.parametrize("position", [4, 5], ids=["owner", "group"])
def test_another_owner_or_group_is_named(module: ModuleType, pair: tuple[Path, Path], position: int) -> None:
    found = (pair[0] / "usr/bin/program7").lstat()
    # Only root may change the owner of a file.
    changed = list(found)
    changed[position] += 1
    told = module.difference("/usr/bin/program7", found, os.stat_result(changed), *map(str, pair))
    assert codes(told) == ["owner-differs"]


def test_what_changed_since_may_differ_and_is_counted_apart(
    module: ModuleType, pair: tuple[Path, Path]
) -> None:
    since = (pair[0] / "etc").stat().st_ctime + 1000
    program = pair[0] / "usr/bin/program3"
    program.write_text("changed")
    os.utime(program, (since + 5, since + 5))
    counts, problems = compare(module, pair, since=since)
    assert problems == []
    assert counts["changed"] == 1
    assert compare(module, pair)[1]


def test_what_is_left_out_is_left_out_and_sockets_come_and_go(
    module: ModuleType, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (pair[1] / "etc/fstab").write_text("another")
    (pair[0] / "boot/edgebench").mkdir(parents=True)
    shutil.copytree(pair[0] / "boot", pair[1] / "boot")
    (pair[0] / "boot/edgebench/disk").touch()
    monkeypatch.chdir(pair[0])
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
        assert compare(module, pair, exclude={"/etc/fstab", "/boot/edgebench"})[1] == []


def test_a_sample_is_spread(module: ModuleType) -> None:
    paths = [str(number) for number in range(1000)]
    chosen = module.spread(paths, 10)
    assert chosen == [str(number) for number in range(0, 1000, 100)]
    assert module.spread(paths, 5000) == paths
