"""The command as it is called, without a framework: arithmetic, profiles, wrong usage."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.messages import codes
from tests.unit.runner.test_roofline_kernels import NVPROF


def call(zipapp: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, zipapp, "roofline", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_like_nano_2021(zipapp: Path) -> None:
    done = call(zipapp, "--like", "nano-2021")
    assert done.returncode == 0, done.stderr
    assert "2,656,768" in done.stdout
    assert "28.24" in done.stdout
    told = json.loads(call(zipapp, "--like", "nano-2021", "--json").stdout)
    assert told["right"]["maccs"] == 2656768


def test_a_profile_as_table_and_json(zipapp: Path, tmp_path: Path) -> None:
    path = tmp_path / "profile.csv"
    path.write_text(NVPROF)
    given = ["--nvprof", path, "--inferences", 1001, "--elapsed-ms", 4527.335, "--profiled-ms", 15116.22]
    done = call(zipapp, *given)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\b234 %", done.stdout)
    told = json.loads(call(zipapp, *given, "--json").stdout)
    assert told["kernels"][0]["calls"] == 4004
    assert told["summary"]["profiler_overhead"] == pytest.approx(2.339, abs=0.001)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["-w", "mnist_9d"], "workload-unknown", "'mnist_9d'.* mnist_1d"),
        (["--nvprof", "/none/there.csv"], "profile-unreadable", "/none/there.csv.* nvprof --csv"),
        (["--peaks", "/none/there.json"], "peaks-unreadable", "/none/there.json"),
        (["--inferences", "7"], "profile-required", "--inferences.*--nvprof FILE.*--nsys FILE"),
        (["--profiled-ms", "7", "--nsys", "x"], "elapsed-ms-required", "--profiled-ms.*--elapsed-ms"),
        (["--like", "nano-2021", "--nsys", "x"], "options-exclusive", "--like.*--nsys"),
        (["--batch", "0"], "number-too-small", r"argument --batch: .*\b0\b"),
    ],
)
def test_wrong_usage(zipapp: Path, arguments: list[str], code: str, told: str) -> None:
    done = call(zipapp, *arguments)
    assert done.returncode == 2
    assert codes(done.stderr) == [code]
    assert re.search(told, done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--elapsed-ms", "0", "--nsys", "x"], "argument --elapsed-ms:.*'0'"),
        (["--elapsed-ms", "nan", "--nsys", "x"], "argument --elapsed-ms:.*'nan'"),
        (["--nsys", "x", "--nvprof", "y"], "argument --nvprof: .*--nsys"),
        (["--like", "nano-1821"], "argument --like: .*'nano-1821'"),
    ],
)
def test_wrong_usage_that_argparse_finds(zipapp: Path, arguments: list[str], told: str) -> None:
    done = call(zipapp, *arguments)
    assert done.returncode == 2
    assert re.search(told, done.stderr)
    assert "Traceback" not in done.stderr


def test_without_a_framework_the_peaks_are_measured_and_the_rest_is_explained(zipapp: Path) -> None:
    done = call(zipapp, "-w", "mnist_1d", "--budget", "1", "--threads", "1", "--json", "--offline")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    reason = told["missing"]["networks.mnist_1d"]
    assert sys.executable in reason
    assert "provision.yml" in reason
    assert told["peaks"]["missing"]["gemm.framework"]
    assert {each["library"] for each in told["peaks"]["gemm"]} == {"numpy"}
    assert told["peaks"]["bandwidth"][0]["triad_gb_per_s"] > 0
