"""Costs, bounds and utilisation by hand, and the choice of the peak."""

from typing import Any

import pytest
from edgebench.roofline import analysis
from edgebench.roofline.layers import Layer


def dense(inputs: int, units: int, **changes: Any) -> Layer:
    values: dict[str, Any] = {
        "name": "dense",
        "kind": "Dense",
        "output_shape": (units,),
        "parameters": inputs * units + units,
        "maccs": inputs * units,
        "other_ops": 2 * units,
        "input_values": inputs,
        "output_values": units,
        "lookup_values": None,
        "fused": False,
    }
    return Layer(**dict(values, **changes))


EMBEDDING = dense(
    50,
    8,
    name="embedding",
    kind="Embedding",
    parameters=80000,
    maccs=0,
    other_ops=0,
    output_values=400,
    lookup_values=400,
)


def test_inference_cost() -> None:
    # 784 x 512 at batch 2: 2 operations a MACC; 4-byte values in and out; the weights once.
    cost = analysis.inference_cost(dense(784, 512), 2, "float32")
    assert cost == (2 * 784 * 512 * 2, 2 * (784 + 512) * 4, (784 * 512 + 512) * 4)
    assert analysis.inference_cost(dense(784, 512), 2, "float16").weight_bytes == cost.weight_bytes / 2


def test_an_embedding_reads_the_rows_it_looks_up_and_int32_indices() -> None:
    cost = analysis.inference_cost(EMBEDDING, 32, "float16")
    assert cost == (0, 32 * (50 * 4 + 400 * 2), 32 * 400 * 2)
    assert analysis.inference_cost(EMBEDDING, 512, "float32").weight_bytes == 80000 * 4


@pytest.mark.parametrize(("is_first", "passes"), [(True, 2), (False, 3)])
def test_training_computes_each_product_twice_or_thrice(is_first: bool, passes: int) -> None:
    layer = dense(10, 4)
    cost = analysis.training_cost(layer, 8, "float32", is_first)
    assert cost.flop == 2 * 40 * 8 * passes
    assert cost.activation_bytes == 8 * 4 * (10 + 4 + 10 + 4 + (0 if is_first else 10))
    assert cost.weight_bytes == 8 * 44 * 4


def test_which_of_the_two_bounds() -> None:
    # Batch 1: 80,000 bytes for 40,000 operations; batch 1000: the same weights for a thousand times the work.
    layer = dense(100, 200, parameters=20000)
    peak = analysis.Peak(gflop_per_s=10.0, gb_per_s=1.0)
    row = analysis.table([layer], 1, "float32", peak)[0]
    assert row["bound"] == "memory"
    assert row["theoretical_us"] == pytest.approx((80000 + 1200) / 1e3)
    assert row["flop_per_byte"] == pytest.approx(40000 / 81200)
    row = analysis.table([layer], 1000, "float32", peak)[0]
    assert row["bound"] == "compute"
    assert row["theoretical_us"] == pytest.approx(40e6 / 10e3)


def test_a_fused_layer_costs_nothing_and_counts_all_the_same() -> None:
    layers = [dense(10, 4), dense(4, 4, kind="BatchNormalization", maccs=0, parameters=16, fused=True)]
    rows = analysis.table(layers, 1, "float32", analysis.Peak(1.0, 1.0))
    total = analysis.total(rows)
    assert (rows[1]["theoretical_us"], rows[1]["bound"]) == (0.0, "fused")
    assert total["theoretical_us"] == rows[0]["theoretical_us"]
    assert total["parameters"] == 44 + 16
    assert total["moved_bytes"] == rows[0]["activation_bytes"] + rows[0]["weight_bytes"]


def test_judged() -> None:
    told = analysis.judged({"flop": 5313536, "theoretical_us": 50.0}, 100.0, analysis.Peak(106.27072, 10.0))
    assert told["gflop_per_s"] == pytest.approx(53.13536)
    assert told["utilisation"] == pytest.approx(0.5)
    assert told["overhead_share"] == pytest.approx(0.5)


def peaks(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "gemm": [
            {"device": "cpu", "precision": "float32", "threads": 1, "gflop_per_s": 100.0},
            {"device": "cpu", "precision": "float32", "threads": 1, "gflop_per_s": 90.0},
            {"device": "cpu", "precision": "float32", "threads": 2, "gflop_per_s": 180.0},
            {"device": "gpu", "precision": "float32", "threads": None, "gflop_per_s": 9000.0},
        ],
        "bandwidth": [
            {"threads": 1, "copy_gb_per_s": 20.0, "triad_gb_per_s": 18.0, "array_bytes": 10**9},
            {"threads": 2, "copy_gb_per_s": 24.0, "triad_gb_per_s": 25.0, "array_bytes": 10**9},
        ],
        "levels": [{"bytes": 2**18, "gb_per_s": 90.0}, {"bytes": 2**22, "gb_per_s": 60.0}],
        "last_cache_bytes": 2**22,
        "cuda_copies": None,
    }
    return dict(found, **changes)


@pytest.mark.parametrize(
    ("threads", "footprint", "expected"),
    [
        (1, 10**9, (100.0, 20.0)),
        (2, 10**9, (180.0, 25.0)),
        (1, 10**5, (100.0, 90.0)),
        (1, 10**6, (100.0, 60.0)),
        # Each thread has caches of its own.
        (2, 10**5, (180.0, 180.0)),
    ],
)
def test_the_peak_fits_threads_and_footprint(
    threads: int, footprint: int, expected: tuple[float, float]
) -> None:
    assert analysis.peak_for(peaks(), "cpu", "float32", threads, footprint) == expected


def test_no_peak_is_no_number() -> None:
    assert analysis.peak_for(peaks(), "cpu", "int8", 1, 10**5) is None
    assert analysis.peak_for(peaks(), "gpu", "float32", 1, 10**5) is None
    copies = {"device_to_device_gb_per_s": 16.7}
    assert analysis.peak_for(peaks(cuda_copies=copies), "gpu", "float32", 1, 10**5) == (9000.0, 16.7)
