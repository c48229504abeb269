"""The 2021 report's arithmetic, redone: what is printed, what follows from it, what is right."""

from typing import Any

import pytest
from edgebench import facts
from edgebench.kws import network
from edgebench.roofline import published


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return dict(facts.read("published_kws_2021"))


@pytest.fixture(scope="module")
def redone(data: dict[str, Any]) -> dict[str, Any]:
    return dict(published.redone(data))


def test_the_printed_layers_have_the_published_parameters_and_the_right_maccs(redone: dict[str, Any]) -> None:
    layers = redone["layers"]
    assert sum(layer["parameters"] for layer in layers) == 24908
    assert [layer["maccs"] for layer in layers if layer["maccs"]] == [320000] + 4 * [72000, 512000] + [768]
    assert sum(layer["maccs"] for layer in layers) == 2656768


def test_our_layer_table_equals_the_printed_shapes_and_parameters(data: dict[str, Any]) -> None:
    printed = [layer for layer in data["report"]["layers"] if not layer["name"].startswith("input")]
    assert [tuple(layer["shape"]) for layer in printed] == [layer.output_shape for layer in network.LAYERS]
    assert [layer["parameters"] for layer in printed] == [layer.parameters for layer in network.LAYERS]


def test_no_subset_of_the_layers_sums_to_the_printed_maccs(redone: dict[str, Any]) -> None:
    sums = {0}
    for layer in redone["layers"]:
        sums |= {each + layer["maccs"] for each in sums}
    assert 2656768 in sums
    assert redone["printed"]["maccs"] == 1664768
    assert 1664768 not in sums


def test_theoretical_times(redone: dict[str, Any]) -> None:
    # 128 cores x 921 MHz x 1 operation a cycle = 117.888 GFLOP/s; 3,329,536 / 117.888e9 s = 28.24 us.
    assert redone["recomputed"]["theoretical_us"] == pytest.approx(28.243, abs=0.001)
    assert redone["printed"]["theoretical_us"] == 28.42
    # 5,313,536 / 117.888e9 s
    assert redone["right"]["theoretical_us"] == pytest.approx(45.073, abs=0.001)
    assert redone["recomputed"]["theoretical_us_by_float16_peak"] == pytest.approx(6.503)


def test_utilisation(redone: dict[str, Any]) -> None:
    assert (
        round(redone["recomputed"]["utilisation_percent"], 2)
        == redone["printed"]["utilisation_percent"]
        == 0.67
    )
    # 45.073 us of 1 / 232.260 s
    assert redone["right"]["utilisation_percent"] == pytest.approx(1.0469, abs=0.0001)


def test_the_profile(redone: dict[str, Any]) -> None:
    profile = redone["profile"]
    # 9 batch normalisations and biases, 4 depthwise convolutions, 1 pooling in each of 1001 inferences.
    calls = {each["name"].split("::")[-1]: each["calls"] for each in profile["kernels"]}
    assert calls["pooling_fw_4d_kernel"] == 1001
    assert calls["DepthwiseConv2dGPUKernelNCHWSmall"] == 4004
    assert calls["BiasNCHWKernel"] == pytest.approx(9009, abs=1)
    assert profile["listed_ms"] == pytest.approx(395.45)
    # The nine rows printed are 93.87 % of the profile.
    assert profile["all_kernels_ms"] == pytest.approx(395.45 / 0.9387)
    assert profile["runtime_share"] == pytest.approx(0.907, abs=0.001)
    assert profile["profiler_overhead"] == pytest.approx(2.339, abs=0.001)


def test_annotations_exist(data: dict[str, Any]) -> None:
    named = [note for result in data["results"] for note in result["notes"]]
    report = data["report"]
    for part in (report["hardware"], report["computation"], report["profile"]):
        named += part["annotations"]
    named += report["windows_annotations"]
    assert set(named) == set(data["annotations"])


def test_what_is_null_is_explained(data: dict[str, Any]) -> None:
    for result in data["results"]:
        unknown = {name for name, value in result.items() if value is None}
        assert unknown == set(result.get("missing", {})), result["id"]
