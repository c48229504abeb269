"""Output of nvprof and nsys, old and new, and what is not such output."""

from pathlib import Path

import pytest
from edgebench.errors import DataError
from edgebench.roofline import kernels

# The 2021 report's table in the form of nvprof of CUDA 10.2, with a copy and a call of the host.
NVPROF = """==1234== NVPROF is profiling process 1234, command: bin/infer
==1234== Profiling application: bin/infer
==1234== Profiling result:
"Type","Time(%)","Time","Calls","Avg","Min","Max","Name"
,%,ms,,us,us,us,
"GPU activities",21.29,89.681000,4004,22.397000,20.1,30.2,"precomputed_convolve_sgemm(int, float*)"
"GPU activities",17.52,73.824000,9009,8.194000,7.1,9.0,"tf::FusedBatchNormInferenceMetaKernel"
"GPU activities",0.50,2.100000,1001,2.098000,1.9,3.0,"[CUDA memcpy HtoD]"
"API calls",78.0,7570.567921,11,688233.447,684.1,694.1,"cudaMemcpyAsync"
"""
NVPROF_CUDA_8 = """==7== Profiling result:
"Time(%)","Time","Calls","Avg","Min","Max","Name"
%,us,,us,us,us,
75.0,300.0,3,100.0,90.0,110.0,"sgemm"
25.0,100.0,1,100.0,100.0,100.0,"[CUDA memset]"

==7== API calls:
"Time(%)","Time","Calls","Avg","Min","Max","Name"
%,ms,,us,us,us,
100.0,9.0,3,3000.0,1.0,9000.0,"cudaLaunch"
"""
NSYS = """Generating SQLite file profile.sqlite from profile.nsys-rep
Processing [profile.sqlite] with [cuda_gpu_kern_sum.py]...

Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
75.0,3000000,30,100000.0,1.0,1,2,0.0,"void sgemm<float, 4>(float *)"
25.0,1000000,10,100000.0,1.0,1,2,0.0,small

Time (%),Total Time (ns),Count,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Operation
100.0,500000,5,100000.0,1.0,1,2,0.0,[CUDA memcpy Host-to-Device]

Total (MB),Count,Avg (MB),Med (MB),Min (MB),Max (MB),StdDev (MB),Operation
16.0,5,1.0,1.0,1.0,1.0,0.0,[CUDA memcpy Host-to-Device]

Time (%),Total Time (ns),Num Calls,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name
100.0,99999999,5,1.0,1.0,1,2,0.0,cudaLaunchKernel
"""
NSYS_2020 = """Time(%),Total Time (ns),Instances,Average,Minimum,Maximum,Name
100.0,2000000,20,100000.0,1,2,sgemm
"""
NSYS_MICROSECONDS = """Time (%),Total Time (\u03bcs),Instances,Avg (\u03bcs),Name
100.0,2000,20,100.0,sgemm
"""


def written(folder: Path, text: str) -> str:
    path = folder / "profile.csv"
    path.write_text(text)
    return str(path)


def test_nvprof(tmp_path: Path) -> None:
    rows = kernels.read(written(tmp_path, NVPROF), "nvprof")
    assert [(row["calls"], row["copy"]) for row in rows] == [(4004, False), (9009, False), (1001, True)]
    assert rows[0]["name"] == "precomputed_convolve_sgemm(int, float*)"
    assert rows[0]["total_us"] == pytest.approx(89681)
    assert rows[0]["mean_us"] == pytest.approx(22.398, abs=0.001)
    assert sum(row["share"] for row in rows) == pytest.approx(1)


def test_nvprof_before_cuda_9(tmp_path: Path) -> None:
    rows = kernels.read(written(tmp_path, NVPROF_CUDA_8), "nvprof")
    assert [(row["name"], row["total_us"]) for row in rows] == [("sgemm", 300.0), ("[CUDA memset]", 100.0)]


def test_nsys(tmp_path: Path) -> None:
    rows = kernels.read(written(tmp_path, NSYS), "nsys")
    assert [row["name"] for row in rows] == [
        "void sgemm<float, 4>(float *)",  # not prose
        "small",
        "[CUDA memcpy Host-to-Device]",
    ]
    assert [row["total_us"] for row in rows] == pytest.approx([3000, 1000, 500])
    assert [row["copy"] for row in rows] == [False, False, True]


@pytest.mark.parametrize("text", [NSYS_2020, NSYS_MICROSECONDS])
def test_nsys_of_other_releases_and_units(tmp_path: Path, text: str) -> None:
    rows = kernels.read(written(tmp_path, text), "nsys")
    assert [(row["calls"], row["total_us"], row["mean_us"]) for row in rows] == [
        (20, pytest.approx(2000), pytest.approx(100))
    ]


def test_the_summary_redoes_the_report(tmp_path: Path) -> None:
    rows = kernels.read(written(tmp_path, NVPROF), "nvprof")
    told = kernels.summary(rows, 1001, 4527.335, 15116.220)
    assert told["kernels_us"] == pytest.approx(89681 + 73824)
    assert told["copies_us"] == pytest.approx(2100)
    assert told["gpu_us_each"] == pytest.approx((89681 + 73824 + 2100) / 1001)
    assert told["runtime_share"] == pytest.approx(1 - 165.605 / 4527.335)
    assert told["profiler_overhead"] == pytest.approx(2.339, abs=0.001)
    assert kernels.summary(rows)["gpu_us_each"] is None


@pytest.mark.parametrize(
    ("tool", "text"),
    [("nvprof", ""), ("nvprof", NSYS), ("nsys", NVPROF), ("nvprof", "\x00\xff\x01 noise\n" * 50)],
)
def test_files_without_lines_of_the_tool_are_refused(tmp_path: Path, tool: str, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=rf"{path} .*\b{tool} ") as caught:
        kernels.read(path, tool)
    assert caught.value.code == "profile-empty"


@pytest.mark.parametrize(
    ("tool", "text", "told"),
    [
        ("nvprof", NVPROF.replace(",%,ms,,us,us,us,", ",1,2,,3,4,5,"), "5: .*',1,2,,3,4,5,'"),
        ("nvprof", NVPROF.replace("%,ms", "%,fortnights"), "6: .*'fortnights'.* ms"),
        ("nvprof", NVPROF.replace("89.681000", "much"), "6: .*'much'.*'4004'"),
        ("nvprof", NVPROF.replace(",4004,", ",4004,9,"), r"6: .*\b9\b.*\b8\b"),
        ("nsys", NSYS.replace("3000000", "x"), "5: .*'x'.*'30'"),
        (
            "nsys",
            NSYS.replace('"void sgemm<float, 4>(float *)"', "void sgemm<float, 4>(float *)"),
            r"5: .*\b10\b.*\b9\b",
        ),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, tool: str, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=f"{path}:{told}") as caught:
        kernels.read(path, tool)
    assert caught.value.code == "profile-malformed"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path} .* nsys stats") as caught:
        kernels.read(str(tmp_path), "nsys")
    assert caught.value.code == "profile-unreadable"
