"""Records files: durable, append-only, tolerant of a torn last line and of nothing else."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from edgebench import records
from edgebench.errors import RecordError

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
    ("line", "told"),
    [(b"garbage", "not JSON"), (b'{"schema": 3}', "not a valid record"), (b"\xff\xfe", "not JSON")],
)
def test_a_foreign_line_is_refused_by_file_and_line_and_the_file_left_alone(
    tmp_path: Path, line: bytes, told: str
) -> None:
    path = tmp_path / "boromir.jsonl"
    _file(path, 1).close()
    path.write_bytes(path.read_bytes() + line + b"\n")
    before = path.read_bytes()
    with pytest.raises(RecordError, match=f"boromir.jsonl:2: {told}"):
        records.RecordFile(str(path))
    assert path.read_bytes() == before


def test_an_invalid_record_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "boromir.jsonl"
    file = _file(path, 1)
    before = path.read_bytes()
    with pytest.raises(RecordError, match="'splendid' is not one of"):
        file.append(run_record(status="splendid"))
    file.close()
    assert path.read_bytes() == before


def test_two_writers_of_one_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "boromir.jsonl"
    file = _file(path, 1)
    other = subprocess.run(
        [sys.executable, "-c", f"from edgebench import records; records.RecordFile({str(path)!r})"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(records.__file__).parents[1])},
    )
    file.close()
    assert other.returncode != 0
    assert "is being written by another edgebench" in other.stderr


def test_numbers_json_does_not_have_become_null_with_a_reason() -> None:
    record = run_record()
    record["times"]["test_s"] = math.nan
    record["quality"]["epoch_losses"] = [1.0, math.inf]
    clean = records.explain_missing(records.without_nonfinite(record), "the loss ran away")
    assert clean["times"]["test_s"] is None
    assert clean["missing"]["times.test_s"] == "the loss ran away"
    json.dumps(clean, allow_nan=False)


def test_a_reason_given_before_stays() -> None:
    record = run_record(device=None, missing={"device": "import failed"})
    assert records.explain_missing(record, "other")["missing"]["device"] == "import failed"
