"""The command as it is called, without a framework: arithmetic, profiles, wrong usage."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert "profiler overhead 234 %" in done.stdout
    told = json.loads(call(zipapp, *given, "--json").stdout)
    assert told["kernels"][0]["calls"] == 4004
    assert told["summary"]["profiler_overhead"] == pytest.approx(2.339, abs=0.001)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-w", "mnist_9d"], "mnist_9d"),
        (["--nvprof", "/none/there.csv"], "/none/there.csv"),
        (["--peaks", "/none/there.json"], "/none/there.json"),
        (["--inferences", "7"], "--inferences belongs to"),
        (["--elapsed-ms", "0", "--nsys", "x"], "0"),
        (["--elapsed-ms", "nan", "--nsys", "x"], "nan"),
        (["--profiled-ms", "7", "--nsys", "x"], "needs --elapsed-ms"),
        (["--nsys", "x", "--nvprof", "y"], "not allowed with"),
        (["--like", "nano-2021", "--nsys", "x"], "two questions"),
        (["--batch", "0"], "is not 1 or more"),
        (["--like", "nano-1821"], "nano-1821"),
    ],
)
def test_wrong_usage(zipapp: Path, arguments: list[str], told: str) -> None:
    done = call(zipapp, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_framework_the_peaks_are_measured_and_the_rest_is_explained(zipapp: Path) -> None:
    done = call(zipapp, "-w", "mnist_1d", "--budget", "2", "--threads", "1", "--json", "--offline")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert "TensorFlow is not installed" in told["missing"]["networks.mnist_1d"]
    assert told["peaks"]["missing"]["gemm.framework"]
    assert {each["library"] for each in told["peaks"]["gemm"]} == {"numpy"}
    assert told["peaks"]["bandwidth"][0]["triad_gb_per_s"] > 0
