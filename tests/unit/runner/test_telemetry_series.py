"""A series' form: what was written is read, wherever the file is cut and whatever stands in it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edgebench.errors import RecordError
from edgebench.telemetry import series, summary
from edgebench.telemetry.quantity import GAUGE, TEXT, quantity, rail
from edgebench.telemetry.sources.source import Source
from hypothesis import given
from hypothesis import strategies as st

SOURCE = Source(
    "all",
    [
        quantity("temperature.x", GAUGE, "celsius"),
        rail("package-0", "joule", "cpu", range=1000.0),
        quantity("governor.policy0", TEXT, None),
    ],
    list,
    0,
    lambda: None,
)


def written(path: Path, count: int) -> bytes:
    """Write ``count`` samples a second apart and return the file's bytes."""
    writer = series.Writer(str(path))
    writer.header(1.0, 50.0, 1.7e9, [SOURCE], {"RAPL": "none"})
    for n in range(count):
        values = [40.0 + n, 990.0 + n if n < 10 else n - 10.0, "performance"]
        writer.sample(series.Sample(50.0 + n, 1.7e9 + n, 0.01 * n, 1.0, values), 1.0)
    writer.end(None, 9_000_000)
    return path.read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("series") / "series.jsonl", 12)


def test_what_is_written_is_read(whole: bytes) -> None:
    read = series.parsed(whole)
    assert [tuple(each) for each in read.quantities] == [tuple(each) for each in SOURCE.quantities]
    assert [each.monotonic_s for each in read.samples] == [50.0 + n for n in range(12)]
    assert read.samples[3].values == [43.0, 993.0, "performance"]
    assert read.end == {"end": None, "lost": 0, "peak_bytes": 9_000_000}
    assert (read.is_torn, read.unreadable) == (False, 0)
    assert read.header["absent"] == {"RAPL": "none"}


def test_cut_at_any_byte_loses_at_most_the_cut_line(whole: bytes) -> None:
    for cut in range(len(whole) + 1):
        piece = whole[:cut]
        lines = piece.count(b"\n")
        read = series.parsed(piece)
        assert len(read.samples) == min(max(lines - 1, 0), 12)
        assert read.is_torn == (cut > 0 and not piece.endswith(b"\n"))
        assert read.unreadable == 0
        telemetry, missing = summary.summarise(read)
        if len(read.samples) < 2:
            assert telemetry is None
            assert re.search(rf"\b{len(read.samples)}\b", missing["telemetry"])
        else:
            assert telemetry["samples"] == len(read.samples)


@given(data=st.data())
def test_cut_and_gone_on_with(whole: bytes, data: st.DataObject) -> None:
    """What follows a line that could not be written whole is read again."""
    end = whole.index(b"\n") + 1
    cut = data.draw(st.integers(end, len(whole) - 1))
    later = series.Sample(500.0, 1.7e9 + 450, 0.5, 1.0, [1.0, 2.0, "x"])
    line = json.dumps({"t": later.monotonic_s, "u": later.utc_s, "c": later.cpu_s, "v": later.values})
    read = series.parsed(whole[:cut] + b"\n" + line.encode() + b"\n")
    assert read.samples[-1] == later


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda deeper: st.lists(deeper, max_size=4) | st.dictionaries(st.text(max_size=5), deeper, max_size=4),
    max_leaves=8,
)


@given(
    st.lists(st.one_of(st.binary(max_size=40), json_values.map(lambda v: json.dumps(v).encode())), max_size=6)
)
def test_foreign_lines_are_counted_never_fatal(whole: bytes, lines: list[bytes]) -> None:
    head, _, rest = whole.partition(b"\n")
    foreign = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    read = series.parsed(head + b"\n" + foreign + rest)
    assert len(read.samples) == 12
    summary.summarise(read)


@given(st.dictionaries(st.sampled_from(["t", "u", "c", "i", "v", "end", "lost"]), json_values))
def test_samples_of_wrong_types(whole: bytes, content: dict[str, Any]) -> None:
    read = series.parsed(whole + json.dumps(content).encode() + b"\n")
    assert len(read.samples) in (12, 13)
    summary.summarise(read)


@given(
    st.dictionaries(st.sampled_from(["interval_s", "quantities", "sources", "absent", "utc_s"]), json_values)
)
def test_headers_of_wrong_types(content: dict[str, Any]) -> None:
    header = json.dumps(dict(content, telemetry=1)).encode()
    width = len(series.parsed(header + b"\n").quantities)
    lines = [json.dumps({"t": n, "u": n, "c": 0, "v": [n] * width}).encode() for n in range(5)]
    read = series.parsed(b"\n".join([header, *lines, b""]))
    assert len(read.samples) == 5
    telemetry, _ = summary.summarise(read)
    assert telemetry is not None


def test_deep_and_huge_lines_are_unreadable(whole: bytes) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    huge = b'{"t": 1' + b"0" * 5000 + b', "u": 1, "c": 1, "v": [1, 2, 3]}'
    long = b'{"x": "' + b"y" * (2 << 20) + b'"}'
    read = series.parsed(b"\n".join([*whole.splitlines(), deep, huge, long, b""]))
    assert (len(read.samples), read.unreadable) == (12, 3)


def test_another_file_is_refused() -> None:
    for other in (b'{"schema": 1}\n', b"hello\n", b'{"telemetry": 99}\n', b"\n"):
        with pytest.raises(RecordError, match=r"^x\.jsonl ") as caught:
            series.parsed(other, "x.jsonl")
        assert caught.value.code == "series-unknown"


def test_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as handle:
        handle.truncate(series.LARGEST_BYTES + 1)
    with pytest.raises(
        RecordError, match=rf"\b{series.LARGEST_BYTES + 1}\b.*\b{series.LARGEST_BYTES}\b"
    ) as caught:
        series.read(str(path))
    assert caught.value.code == "series-too-large"
    assert summary.of_file(str(path))[0] is None


def test_an_older_series_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "series.jsonl"
    path.write_text("old")
    with pytest.raises(FileExistsError):
        series.Writer(str(path))
    assert path.read_text() == "old"


def test_a_series_that_is_as_long_as_may_be_counts_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "series.jsonl"
    writer = series.Writer(str(path), most_bytes=2000)
    writer.header(1.0, 50.0, 1.7e9, [SOURCE], {})
    for n in range(100):
        writer.sample(series.Sample(50.0 + n, 1.7e9 + n, 0.01 * n, 1.0, [43.0, 5, "performance"]), 1.0)
    writer.end(None, 9_000_000)
    read = series.read(str(path))
    assert path.stat().st_size < 2100
    assert read.end is not None
    assert len(read.samples) > 5
    assert read.end["lost"] == 100 - len(read.samples)


def test_full_disk_is_counted_and_the_rest_is_readable(tmp_path: Path) -> None:
    """The limit of a file's size stands for the disk's: the write that hits it is cut short, later ones fail."""
    path = tmp_path / "series.jsonl"
    code = (
        "import resource, signal, sys; sys.path[:0] = sys.argv[2:];"
        "from tests.unit.runner.test_telemetry_series import written; from pathlib import Path;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY));"
        "written(Path(sys.argv[1]), 12)"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code, str(path), str(root), str(root / "bench")], check=True)
    read = series.read(str(path))
    assert path.stat().st_size == 1000
    assert 2 < len(read.samples) < 12
    assert read.is_torn
