"""What is taken from a host's archive, and what the controller keeps."""

import fcntl
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def collect(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("action/edgebench_collect")


def archive(*members: tuple[str, bytes], link: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    return buffer.getvalue()


def test_files_of_the_run_are_taken(collect: ModuleType) -> None:
    packed = archive(
        ("r1/nano.jsonl", b"{}\n"),
        ("r1/nano.logs/imdb.1.1.log", b"x"),
        ("r1/nano.telemetry/imdb.1.1.jsonl", b"{}\n"),
        ("r1/nano.progress.log", b"y"),
    )
    assert collect.unpack(packed, "nano", ["r1"]) == {
        "r1/nano.jsonl": b"{}\n",
        "r1/nano.logs/imdb.1.1.log": b"x",
        "r1/nano.telemetry/imdb.1.1.jsonl": b"{}\n",
        "r1/nano.progress.log": b"y",
    }


@pytest.mark.parametrize(
    "name",
    [
        "../nano.jsonl",
        "/r1/nano.jsonl",
        "r2/nano.jsonl",
        "r1/other.jsonl",
        "r1/nano.logs/../../x",
        "r1/report/index.html",
        "r1/nano.telemetry/a/b.jsonl",
        "r1/nano.telemetry/.hidden.jsonl",
        "r1/nano.telemetry/<b>.jsonl",
        "r1/nano.telemetry/x.html",
        "r1/nano.telemetry/../nano.jsonl",
        "r1/other.telemetry/x.jsonl",
        "nano.jsonl",
    ],
)
def test_anything_else_is_refused(collect: ModuleType, name: str) -> None:
    with pytest.raises(ValueError, match=r"\[file-not-of-run\]$"):
        collect.unpack(archive((name, b"x")), "nano", ["r1"])


def test_links_are_refused(collect: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"\[file-not-of-run\]$"):
        collect.unpack(archive(link="r1/nano.logs/x.log"), "nano", ["r1"])


def test_a_record_that_is_being_written_waits(collect: ModuleType) -> None:
    assert collect.whole_lines(b'{"a": 1}\n{"b"') == b'{"a": 1}\n'
    assert collect.whole_lines(b'{"a"') == b""


def test_records_are_only_added_to(collect: ModuleType) -> None:
    assert collect.merge_records("f", b"", b"1\n") == b"1\n"
    assert collect.merge_records("f", b"1\n", b"1\n2\n") == b"1\n2\n"
    assert collect.merge_records("f", b"1\n2\n", b"1\n") == b"1\n2\n"
    with pytest.raises(ValueError, match=r"^f .*\[records-diverged\]$"):
        collect.merge_records("f", b"1\n3\n", b"1\n2\n")


def run(workload: str, status: str, attempt: int = 1, **more: Any) -> bytes:
    record = {
        "record": "run",
        "workload": workload,
        "repeat": 1,
        "attempt": attempt,
        "status": status,
        **more,
    }
    return json.dumps(record).encode() + b"\n"


def test_the_newest_attempt_counts(collect: ModuleType) -> None:
    records = (
        b'{"record": "host"}\n'
        + run("imdb", "oom", reason="killed")
        + run("weather", "failed", reason=None)
        + run("imdb", "ok", attempt=2)
    )
    assert collect.summarise(records) == {
        "records": 2,
        "not_ok": ["weather repeat 1: failed"],  # not prose
        "disturbed": [],
    }


def test_runs_with_other_options_are_other_runs(collect: ModuleType) -> None:
    records = run("weather", "ok", options={"lookback": 1440}) + run(
        "weather", "oom", options={"lookback": 720}, reason="r"
    )
    told = collect.summarise(records)
    assert (told["records"], told["not_ok"]) == (2, ["weather repeat 1: oom, r"])  # not prose


def test_a_run_that_was_disturbed_is_told(collect: ModuleType) -> None:
    records = (
        run("imdb", "ok", telemetry={"disturbed": ["load"]})
        + run("imdb", "ok", attempt=2, telemetry={"disturbed": []})
        + run("weather", "ok", telemetry={"disturbed": ["throttled", "load"]})
        + run("reuters", "ok", telemetry=None)
    )
    assert collect.summarise(records)["disturbed"] == ["weather repeat 1: throttled, load"]  # not prose


def inference(engine: str, status: str, attempt: int = 1, **more: Any) -> bytes:
    record = {
        "record": "inference",
        "workload": "kws",
        "engine": {"name": engine},
        "model": {"id": "int8", "form": "tflite"},
        "threads": {"intra": 1},
        "repeat": 1,
        "attempt": attempt,
        "status": status,
        **more,
    }
    return json.dumps(record).encode() + b"\n"


def test_inferences_count_too_each_engine_by_itself(collect: ModuleType) -> None:
    records = (
        run("imdb", "ok")
        + inference("litert", "failed", reason="r")
        + inference("litert", "ok", attempt=2)
        + inference("onnxruntime", "unsupported", reason="no such instruction")
        + inference("litert", "ok", threads={"intra": 2})
    )
    told = ["kws onnxruntime int8: unsupported, no such instruction"]
    assert collect.summarise(records) == {"records": 4, "not_ok": told, "disturbed": []}


def test_a_file_is_written_whole_or_not_at_all(collect: ModuleType, tmp_path: Path) -> None:
    target = tmp_path / "r1/nano.jsonl"
    collect.write_whole(target, [b"ol", b"d\n"])
    target.with_name("taken").mkdir()
    with pytest.raises(OSError):
        collect.write_whole(target.with_name("taken"), [b"new\n"])
    assert sorted(path.name for path in target.parent.iterdir()) == ["nano.jsonl", "taken"]
    assert target.read_bytes() == b"old\n"


def test_two_that_collect_into_a_folder_take_turns(collect: ModuleType, tmp_path: Path) -> None:
    with collect.alone(tmp_path / "r1"):
        other = (tmp_path / "r1/.lock").open("rb+")
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_is_not_as_promised_is_not_written(collect: ModuleType, tmp_path: Path) -> None:
    target = tmp_path / "nano.logs"
    good = hashlib.sha256(b"onetwo").hexdigest()
    collect.write_whole(target, collect.checked([b"one", b"two"], "n", good))
    with pytest.raises(ValueError, match=r"^n .*\[checksum-differs\]$"):
        collect.write_whole(target, collect.checked([b"one", b"tw0"], "n", good))
    assert [path.name for path in tmp_path.iterdir()] == ["nano.logs"]
    assert target.read_bytes() == b"onetwo"
    assert collect.same_content(target, 6, good)
    assert not collect.same_content(target, 6, "0" * 64)
    assert not collect.same_content(tmp_path / "none", 6, good)


def test_files_come_in_batches_with_the_records_last(collect: ModuleType) -> None:
    names = collect.records_last(["r1/nano.jsonl", "r1/nano.logs/a", "r1/nano.exit"])
    assert names == ["r1/nano.exit", "r1/nano.logs/a", "r1/nano.jsonl"]
    sizes = {"a": 4, "b": 6, "c": 1, "large": 50, "d": 10}
    assert list(collect.batches(sizes, 10)) == [["a", "b"], ["c"], ["large"], ["d"]]
    assert list(collect.batches({}, 10)) == []


def test_the_listing_of_a_host(collect: ModuleType) -> None:
    text = (
        "3 r1/nano.jsonl\n9 r1/nano.logs/with space\n"
        "abc *r1/nano.logs/with space\ndef *r1/nano.logs/new\nfed *r1/nano.jsonl\n"
    )
    assert collect.listed(text, "nano", ["r1"]) == {
        "r1/nano.logs/with space": (9, "abc"),
        "r1/nano.jsonl": (3, "fed"),
    }
    with pytest.raises(ValueError, match=r"\[file-not-of-run\]$"):
        collect.listed("3 r1/../../etc/passwd\n", "nano", ["r1"])


def test_a_large_file_comes_in_pieces(
    collect: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shell(_: Any, script: str) -> str:
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout

    (tmp_path / "r1").mkdir()
    (tmp_path / "r1/nano.progress.log").write_bytes(b"0123456789")
    monkeypatch.setattr(collect, "PIECE", 4)
    monkeypatch.setattr(collect.ActionModule, "_shell", shell)
    action = object.__new__(collect.ActionModule)
    pieces = action._pieces(str(tmp_path), "r1/nano.progress.log", 10)
    assert list(pieces) == [b"0123", b"4567", b"89"]
    with pytest.raises(ValueError, match=r"\[transfer-truncated\]$"):
        list(action._pieces(str(tmp_path), "r1/nano.progress.log", 11))
