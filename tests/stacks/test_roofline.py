"""``edgebench roofline`` on real frameworks, old and new: counts against values by hand, times, operators."""

import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.messages import codes
from tests.stacks import environments
from tests.stacks.conftest import stack_python

STACKS = ("py36-tf1.5.0", "py36-tf1.13.2", "py37-tf1.15.5", "py39-tf2.15.1", "py311-tf2.21.0")
pytestmark = [pytest.mark.stacks, environments.needed(*STACKS)]

# MACCs by hand, from the architectures of the 2019 report's table 3: a dense layer multiplies inputs by units; a
# convolution multiplies its kernel by input channels, by output channels, by places of the output ("valid" borders).
BY_HAND = {
    "mnist_1d": [784 * 512, 512 * 10],
    "imdb": [10000 * 16, 16 * 16, 16 * 1],
    "reuters": [10000 * 64, 64 * 64, 64 * 46],
    # 28 -3+1 26, pool 13, -3+1 11, pool 5, -3+1 3
    "mnist_2d": [26 * 26 * 32 * 9 * 1, 11 * 11 * 64 * 9 * 32, 3 * 3 * 64 * 9 * 64, 3 * 3 * 64 * 64, 64 * 10],
    # 150 148 pool 74, 72 pool 36, 34 pool 17, 15 pool 7
    "dogs_vs_cats": [
        148 * 148 * 32 * 9 * 3,
        72 * 72 * 64 * 9 * 32,
        34 * 34 * 128 * 9 * 64,
        15 * 15 * 128 * 9 * 128,
        7 * 7 * 128 * 512,
        512 * 1,
    ],
    # The embedding looks up and multiplies nothing.
    "imdb_embedded": [50 * 8 * 1],
    # 1440 rows by steps of 6 are 240 times; a GRU has three gates, each of inputs and state by units.
    "weather": [240 * 3 * (21 * 32 + 32 * 32), 32 * 1],
    # 240 -5+1 236, pool 3 78, -5+1 74 times
    "weather_conv": [236 * 5 * 21 * 32, 74 * 5 * 32 * 32, 74 * 3 * (32 * 32 + 32 * 32), 32 * 1],
    "kws": [320000] + 4 * [72000, 512000] + [768],
}
PARAMETERS = {
    "mnist_1d": 407050,
    "imdb": 160305,
    "reuters": 647214,
    "mnist_2d": 93322,
    "dogs_vs_cats": 3453121,
    "imdb_embedded": 80401,
    "weather": 5217,
    "weather_conv": 14817,
    "kws": 24908,
}


@cache
def counted(zipapp: Path, stack: str) -> dict[str, Any]:
    done = call(zipapp, stack, "--no-measure")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def call(zipapp: Path, stack: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [stack_python(stack), zipapp, "roofline", "--offline", "--json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=dict(os.environ))


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("workload", BY_HAND)
def test_counts_are_those_by_hand(zipapp: Path, stack: str, workload: str) -> None:
    run = counted(zipapp, stack)["networks"][workload]["runs"][0]
    assert [row["maccs"] for row in run["layers"] if row["maccs"]] == BY_HAND[workload]
    assert run["total"]["maccs"] == sum(BY_HAND[workload])
    assert run["total"]["flop"] == 2 * sum(BY_HAND[workload])
    assert run["total"]["parameters"] == PARAMETERS[workload]


@pytest.mark.parametrize("stack", STACKS)
def test_bytes_by_hand(zipapp: Path, stack: str) -> None:
    networks = counted(zipapp, stack)["networks"]
    first = networks["mnist_1d"]["runs"][0]["layers"][0]
    assert first["activation_bytes"] == 4 * (784 + 512)
    assert first["weight_bytes"] == 4 * (784 * 512 + 512)
    table = networks["imdb_embedded"]["runs"][0]["layers"][0]
    assert table["parameters"] == 80000
    assert table["weight_bytes"] == 4 * 50 * 8
    assert table["activation_bytes"] == 4 * 50 + 4 * 50 * 8
    whole = networks["kws"]["runs"][0]["total"]
    assert whole["weight_bytes"] == 99632


@pytest.mark.parametrize("stack", STACKS)
def test_layers_of_kws_are_the_published_ones(zipapp: Path, stack: str, repository: Path) -> None:
    published = yaml.safe_load((repository / "files" / "published_kws_2021.yml").read_text())
    rows = counted(zipapp, stack)["networks"]["kws"]["runs"][0]["layers"]
    assert [(row["output_shape"], row["parameters"]) for row in rows] == [
        (layer["shape"], layer["parameters"]) for layer in published["report"]["layers"][1:]
    ]


@pytest.mark.parametrize("stack", ["py36-tf1.5.0", "py311-tf2.21.0"])
def test_a_survey_with_times_and_operators(zipapp: Path, stack: str) -> None:
    done = call(zipapp, stack, "-w", "mnist_1d", "kws", "--budget", "4", "--threads", "1", "--operators")
    told = json.loads(done.stdout)
    assert {each["precision"] for each in told["peaks"]["gemm"]} >= {"float32", "float64"}
    assert {each["library"] for each in told["peaks"]["gemm"]} == {"numpy", "tensorflow"}
    purposes = [(run["purpose"], run["batch"]) for run in told["networks"]["mnist_1d"]["runs"]]
    assert purposes == [("inference", 1), ("inference", 128), ("training", 128)]
    for run in told["networks"]["mnist_1d"]["runs"]:
        assert run["measured_us"] > 0
        assert 0 < run["utilisation"] < 1.2
        assert run["overhead_share"] < 1
        assert run["utilisation"] == pytest.approx(
            run["total"]["flop"] / run["measured_us"] / 1e3 / run["peak"]["gflop_per_s"]
        )
    traced = told["operators"]["tensorflow kws"]
    kinds = " ".join(each["kind"] for each in traced["operators"])
    assert "Conv2D" in kinds
    assert "DepthwiseConv2dNative" in kinds
    assert 0 < sum(each["total_us"] for each in traced["operators"]) < 3 * traced["with_us"]
    assert traced["with_us"] > 0
    assert {(each["engine"], each["status"]) for each in told["kws_engines"]} >= {("tensorflow", "ok")}


def test_litert_operators_add_up_to_the_whole(zipapp: Path, data_dir: Path) -> None:
    done = call(
        zipapp,
        "py311-tf2.21.0",
        "-w",
        "kws",
        "--budget",
        "2",
        "--threads",
        "1",
        "--operators",
        "--data-dir",
        str(data_dir),
    )
    told = json.loads(done.stdout)
    cut = told["operators"]["litert kws_ref_model.tflite"]
    assert [each["kind"] for each in cut["operators"]].count("CONV_2D") == 5
    assert [each["kind"] for each in cut["operators"]].count("DEPTHWISE_CONV_2D") == 4
    assert sum(each["total_us"] for each in cut["operators"]) == pytest.approx(cut["with_us"])
    assert cut["with_us"] == pytest.approx(cut["without_us"], rel=0.3)
    float32 = [each for each in told["kws_engines"] if each["engine"] == "litert"]
    assert float32
    assert all(each["measured_us"] > 0 for each in float32)


_UNKNOWN = """
import sys
sys.path.insert(0, sys.argv[1])
from edgebench import compat
from edgebench.errors import UnsupportedError, with_code
from edgebench.roofline import layers
framework = compat.load()
model = framework.sequential((7, 3), [framework.layers.LSTM(4, name="memory")])
for shape in ((7, 3), (None, 3)):
    try:
        layers.count(model, shape)
    except UnsupportedError as error:
        print(with_code(error, error.code))
"""


@pytest.mark.parametrize("stack", ["py36-tf1.5.0", "py311-tf2.21.0"])
def test_a_kind_that_is_not_known_is_named(zipapp: Path, stack: str) -> None:
    command: list[str | Path] = [stack_python(stack), "-c", _UNKNOWN, zipapp]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert codes(done.stdout) == ["layer-kind-unsupported", "input-shape-open"]
    assert re.search(r"\bmemory\b.*\bLSTM\b", done.stdout)
    assert "open dimension" in done.stdout
