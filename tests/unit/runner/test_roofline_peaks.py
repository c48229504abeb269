"""Peaks really measured, in little time; the file they are read from; copies where there is no GPU."""

import ctypes.util
import json
from pathlib import Path

import pytest
from edgebench.errors import UnsupportedError, UsageError
from edgebench.roofline import cuda_copies, peaks, peaks_file


def test_gemm_takes_the_best_of_the_sizes() -> None:
    best = peaks.gemm(peaks.numpy_multiply("float32"), (32, 256), 0.5)
    assert best is not None
    assert {each["size"] for each in best["tried"]} == {32, 256}
    assert best["gflop_per_s"] == max(each["gflop_per_s"] for each in best["tried"])
    assert 0.01 < best["gflop_per_s"] < 10000


def test_gemm_does_not_begin_what_it_cannot_end_in_time() -> None:
    best = peaks.gemm(peaks.numpy_multiply("float32"), (32, 20000), 0.05)
    assert best is not None
    assert [each["size"] for each in best["tried"]] == [32]


@pytest.mark.parametrize("threads", [1, 3])
def test_stream_moves_what_it_says(threads: int) -> None:
    found = peaks.stream(threads, 2**20, None, 0.2)
    assert found["array_bytes"] == 2**25
    assert found["beyond_cache"]
    for name in ("copy", "scale", "add", "triad"):
        assert 0.1 < found[name + "_gb_per_s"] < 10000


def test_stream_kernels_compute_what_stream_computes() -> None:
    # a = 1, b = 2, c = 0; copy c = a; scale b = 3 c; add c = a + b; triad a = b + 3 c.
    arrays = peaks.stream_arrays(50001)
    for kernel in peaks.stream_kernels(arrays, 1).values():
        kernel(0, 0, 50001)
    a, b, c = arrays
    assert set(b) == {3.0}
    assert set(c) == {4.0}
    assert set(a) == {15.0}


def test_stream_says_when_memory_is_too_small_for_the_rule() -> None:
    found = peaks.stream(1, 2**28, 9 * 2**22, 0.05)
    assert found["array_bytes"] == 2**22
    assert not found["beyond_cache"]


def test_levels_grow_to_twice_the_cache() -> None:
    found = peaks.levels(2**20, 0.1)
    assert [each["bytes"] for each in found] == [2**18, 2**19, 2**20, 2**21]


def test_the_last_cache_is_known_here() -> None:
    size = peaks.last_cache_bytes()
    assert size is None or size >= 2**17


def test_a_library_that_is_no_cuda_runtime(tmp_path: Path) -> None:
    wrong = tmp_path / "libcudart.so"
    wrong.write_text("not a library")
    with pytest.raises(UnsupportedError, match=str(wrong)) as caught:
        cuda_copies.measure(str(wrong))
    assert caught.value.code == "cuda-runtime-not-loadable"


def test_a_library_without_the_calls() -> None:
    with pytest.raises(UnsupportedError, match="cudaGetErrorString") as caught:
        cuda_copies.measure(ctypes.util.find_library("c"))
    assert caught.value.code == "cuda-runtime-foreign"


def test_where_there_is_no_gpu_the_reason_is_told() -> None:
    if Path("/dev/nvidia0").exists() or Path("/dev/nvhost-gpu").exists():
        found = cuda_copies.measure()
        assert all(rate > 0 for rate in found.values())
        return
    with pytest.raises(UnsupportedError) as caught:
        cuda_copies.measure()
    assert caught.value.code in ("cuda-runtime-missing", "cuda-call-failed", "cuda-device-missing")


GEMM = {"precision": "float32", "threads": 4, "gflop_per_s": 30}


def test_peaks_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "peaks.json"
    path.write_text(json.dumps({"gemm": [GEMM], "bandwidth": [{"threads": 4, "triad_gb_per_s": 9.5}]}))
    found = peaks_file.read(str(path))
    assert found["gemm"][0]["device"] == "cpu"
    assert found["bandwidth"][0]["copy_gb_per_s"] == 9.5


def test_peaks_of_a_survey(tmp_path: Path) -> None:
    path = tmp_path / "survey.json"
    path.write_text(json.dumps({"survey": "roofline", "peaks": {"gemm": [GEMM], "bandwidth": []}}))
    assert peaks_file.read(str(path))["gemm"][0]["gflop_per_s"] == 30


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", "peaks-not-json"),
        ("[]", "peaks-missing"),
        ('{"survey": "roofline", "peaks": null}', "peaks-not-measured"),
        (json.dumps({"gemm": []}), "peaks-missing"),
    ],
)
def test_files_without_peaks_are_named(tmp_path: Path, content: str, code: str) -> None:
    path = tmp_path / "peaks.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=str(path)) as caught:
        peaks_file.read(str(path))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (json.dumps({"gemm": [dict(GEMM, gflop_per_s=0)]}), "gflop_per_s"),
        (json.dumps({"gemm": [dict(GEMM, gflop_per_s="fast")]}), "gflop_per_s"),
        (json.dumps({"gemm": [dict(GEMM, precision="bfloat3")]}), "bfloat3"),
        (json.dumps({"gemm": [GEMM], "bandwidth": {}}), "bandwidth"),
        (json.dumps({"gemm": [GEMM], "bandwidth": [{"threads": 1}]}), "triad_gb_per_s"),
        (json.dumps({"gemm": [7]}), r"\b7\b"),
        (json.dumps({"gemm": [dict(GEMM, threads="all")]}), "threads"),
        (json.dumps({"gemm": [GEMM], "bandwidth": [3]}), r"\b3\b"),
        (json.dumps({"gemm": [GEMM], "last_cache_bytes": "big"}), "last_cache_bytes.*'big'"),
        (json.dumps({"gemm": [GEMM], "missing": 3}), "missing"),
    ],
)
def test_bad_values_of_peaks_are_named(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "peaks.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=f"{path}.*{told}") as caught:
        peaks_file.read(str(path))
    assert caught.value.code == "peaks-invalid"


def test_no_file_of_peaks(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=str(tmp_path / "none.json")) as caught:
        peaks_file.read(str(tmp_path / "none.json"))
    assert caught.value.code == "peaks-unreadable"
