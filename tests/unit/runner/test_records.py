"""Records files: durable, append-only, tolerant of a torn last line and of nothing else."""

import contextlib
import errno
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgebench import records, storage
from edgebench.data import files
from edgebench.errors import RecordError, UsageError

from tests.messages import codes
from tests.unit.runner.builders import run_record


def _file(path: Path, *repeats: int) -> records.RecordFile:
    file = records.RecordFile(str(path))
    for repeat in repeats:
        file.append(run_record(repeat=repeat))
    return file


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "boromir.jsonl"
    _file(path, 1, 2).close()
    found, torn = records.read(str(path))
    assert ([each["repeat"] for each in found], torn) == ([1, 2], b"")


def test_a_record_is_on_the_disk_when_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _file(tmp_path / "boromir.jsonl")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor)[:7]))
    file.append(run_record(repeat=1))
    assert synced == [os.stat(file.path)[:7]]
    file.close()


def test_a_torn_last_line_is_moved_aside_and_the_rest_kept_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "boromir.jsonl"
    _file(path, 1, 2).close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"schema": 1, "rec')
    file = _file(path, 3)
    file.close()
    assert path.read_bytes().startswith(whole)
    assert len(path.read_bytes().splitlines()) == 3
    assert file.torn_path is not None
    assert Path(file.torn_path).read_bytes() == b'{"schema": 1, "rec\n'


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"garbage", "record-not-json"),
        (b'{"schema": 2}', "record-invalid"),
        (b"\xff\xfe", "record-not-json"),
    ],
)
def test_a_foreign_line_is_refused_by_file_and_line_and_the_file_left_alone(
    tmp_path: Path, line: bytes, code: str
) -> None:
    path = tmp_path / "boromir.jsonl"
    _file(path, 1).close()
    path.write_bytes(path.read_bytes() + line + b"\n")
    before = path.read_bytes()
    with pytest.raises(RecordError, match=r"boromir\.jsonl:2: ") as caught:
        records.RecordFile(str(path))
    assert caught.value.code == code
    assert path.read_bytes() == before


def test_an_invalid_record_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "boromir.jsonl"
    file = _file(path, 1)
    before = path.read_bytes()
    with pytest.raises(RecordError, match=r"record\.status: 'splendid'") as caught:
        file.append(run_record(status="splendid"))
    assert caught.value.code == "record-invalid"
    file.close()
    assert path.read_bytes() == before


def test_two_writers_of_one_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "boromir.jsonl"
    file = _file(path, 1)
    open_it = (
        "import sys; from edgebench import errors, records\n"
        f"try: records.RecordFile({str(path)!r})\n"
        "except errors.RecordError as error: sys.exit(errors.with_code(error, error.code))"
    )
    other = subprocess.run(
        [sys.executable, "-c", open_it],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(records.__file__).parents[1])},
    )
    file.close()
    assert other.returncode != 0
    assert codes(other.stderr) == ["records-locked"]
    assert str(path) in other.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with 400 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as handle, contextlib.suppress(OSError):
        while handle.write(bytes(4096)):
            pass
    return filler


def test_what_was_measured_is_recorded_though_the_disk_has_filled(small_disk: Path) -> None:
    path = small_disk / "boromir.jsonl"
    file = _file(path, 1)
    filler = _fill(small_disk)
    # More than what is left of the last block.
    file.append(run_record(repeat=2, warnings=["w" * 5000]))
    assert file.is_full
    assert not path.with_name(path.name + ".reserve").exists()
    whole = path.read_bytes()
    _fill(small_disk)
    # Two records are kept, and of the 0.4 MiB of the disk less than 0.1 MiB is free.
    full = rf"\b2\b.*{os.strerror(errno.ENOSPC)}.*\b0\.0 MiB\b.*\b0 "
    with pytest.raises(RecordError, match=full) as caught:
        file.append(run_record(repeat=3, warnings=["w" * 9000]))
    assert caught.value.code == "record-not-written"
    file.close()
    # Not torn, either.
    assert path.read_bytes() == whole
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        records.RecordFile(str(path))
    filler.unlink()
    again = records.RecordFile(str(path))
    assert [each["repeat"] for each in again.records] == [1, 2]
    again.close()
    assert sorted(each.name for each in small_disk.iterdir()) == ["boromir.jsonl"]


def test_a_full_disk_is_the_one_that_the_file_is_on(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an open file raises names no file; the working directory has another file system."""
    monkeypatch.chdir(tmp_path)
    _fill(small_disk)
    for make in (
        lambda: records.RecordFile(str(small_disk / "boromir.jsonl")),
        lambda: files.write_whole(str(small_disk / "set/x.npz"), [bytes(1 << 16)]),
    ):
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as caught:
            make()
        said = storage.explained(caught.value)
        assert str(small_disk) in said
        # Of 400 KiB.
        assert re.search(r"\b0\.0 MiB\b.*\b0 ", said)
    assert "MiB" not in storage.explained(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


@pytest.mark.parametrize("name", ["/dev/full", "/dev/null", "folder", "pipe"])
def test_records_are_a_regular_file(tmp_path: Path, name: str) -> None:
    """A device would be read to its end, which it does not have."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError) as caught:
        records.RecordFile(str(tmp_path / name))
    assert caught.value.code == "records-not-a-file"
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["/dev/full", "pipe"])
def test_a_device_is_not_replaced_by_a_file(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError) as caught:
        files.write_whole(str(tmp_path / name), [b"x"])
    assert caught.value.code == "output-not-a-file"
    assert not (tmp_path / name).is_file()


def test_records_of_a_newer_edgebench_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "boromir.jsonl"
    content = json.dumps({**run_record(), "schema": 3, "new": True}) + "\n"
    path.write_text(content)
    with pytest.raises(RecordError, match=r"boromir\.jsonl:1: .*\b3\b.*\b2\b.*--tags runner") as caught:
        records.RecordFile(str(path))
    assert caught.value.code == "schema-newer"
    assert path.read_text() == content


def test_every_prefix_of_a_file_keeps_its_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "boromir.jsonl"
    _file(path, 1, 2, 3).close()
    content = path.read_bytes()
    ends = [position + 1 for position, byte in enumerate(content) if byte == ord("\n")]
    for length in [*range(0, len(content), 97), *(end + off for end in ends for off in (-2, -1, 0))]:
        path.write_bytes(content[:length])
        path.with_name("boromir.jsonl.torn").unlink(missing_ok=True)
        file = records.RecordFile(str(path))
        file.close()
        kept = max((end for end in ends if end <= length), default=0)
        assert path.read_bytes() == content[:kept]
        assert (file.torn_path is not None) == (kept < length)
        if file.torn_path:
            assert Path(file.torn_path).read_bytes() == content[kept:length] + b"\n"


def test_numbers_json_does_not_have_become_null_with_a_reason() -> None:
    record = run_record()
    record["times"]["test_s"] = math.nan
    record["quality"]["epoch_losses"] = [1.0, math.inf]
    clean = records.explain_missing(records.without_nonfinite(record), "diverged")
    assert clean["times"]["test_s"] is None
    assert clean["missing"]["times.test_s"] == "diverged"
    json.dumps(clean, allow_nan=False)


def test_a_reason_given_before_stays() -> None:
    record = run_record(device=None, missing={"device": "import failed"})
    assert records.explain_missing(record, "other")["missing"]["device"] == "import failed"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EROFS, "disk-read-only"),
        (errno.EIO, "disk-failing"),
        (errno.EACCES, "file-unusable"),
    ],
)
def test_an_error_of_a_disk_has_a_code_and_names_the_file(tmp_path: Path, number: int, code: str) -> None:
    error = OSError(number, os.strerror(number), str(tmp_path / "x"))
    assert storage.code(error) == code
    assert storage.explained(error).startswith(f"{tmp_path}/x: {os.strerror(number)}")
