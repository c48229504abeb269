"""The 2021 report's arithmetic done again: from its own peaks, with its own count of MACCs and with the right one."""

from edgebench.kws import network

LIKE = ("nano-2021",)


def redone(data):
    """Return the report's figures three times: as printed, from its printed MACCs, from the right ones.

    data: of ``load``. Each dict has the same keys; ``printed`` has what the
    report prints, rounded as it is.
    """
    report = data["report"]
    hardware, told = report["hardware"], report["computation"]
    peak = told["operations_per_core_and_cycle"] * hardware["gpu_cores"] * hardware["gpu_clock_mhz"] / 1e3
    # The throughput is more exact than the 4.2 ms that the report divides by.
    throughput = sorted(each["throughput_per_s"] for each in report["windows"])[len(report["windows"]) // 2]
    printed = {
        "maccs": told["maccs"],
        "flop": told["flop"],
        "theoretical_us": told["theoretical_us"],
        "theoretical_us_by_float16_peak": told["theoretical_us_by_float16_peak"],
        "bandwidth_needed_mb_per_s": told["bandwidth_needed_mb_per_s"],
        "actual_us": told["actual_ms"] * 1e3,
        "utilisation_percent": told["utilisation_percent"],
    }
    return {
        "peak_gflop_per_s": peak,
        "printed": printed,
        "recomputed": _figures(told["maccs"], told, hardware, peak, told["actual_ms"] * 1e3),
        "right": _figures(network.MACCS, told, hardware, peak, 1e6 / throughput),
        "right_two_operations_a_cycle": _figures(network.MACCS, told, hardware, 2 * peak, 1e6 / throughput),
        "layers": _layers(report["layers"]),
        "profile": _profile(report["profile"]),
    }


def _figures(maccs, told, hardware, peak, actual_us):
    theoretical_us = 2 * maccs / peak / 1e3
    return {
        "maccs": maccs,
        "flop": 2 * maccs,
        "theoretical_us": theoretical_us,
        "theoretical_us_by_float16_peak": 2 * maccs / hardware["float16_peak_gflop_per_s"] / 1e3,
        "bandwidth_needed_mb_per_s": (told["input_bytes"] + told["output_bytes"]) / theoretical_us,
        "actual_us": actual_us,
        "utilisation_percent": 100 * theoretical_us / actual_us,
    }


def _layers(printed):
    """Return the report's layers with their MACCs by its own formulas, which only their shapes and parameters enter."""
    rows, shape = [], None
    for layer in printed:
        rows.append(dict(layer, maccs=_maccs(layer, shape)))
        shape = layer["shape"]
    return rows


def _maccs(layer, source):
    """Return the MACCs of a printed layer: each weight but the biases is used once at each place of the output."""
    kind = layer["name"].rsplit("_", 1)[0] if layer["name"][-1].isdigit() else layer["name"]
    if kind not in ("conv2d", "depthwise_conv2d", "dense") or source is None:
        return 0
    places = 1
    for size in layer["shape"][:-1]:
        places *= size
    return (layer["parameters"] - layer["shape"][-1]) * places


def _profile(told):
    """Return what follows from the profiler's table: calls, the time of all kernels, the runtime's share."""
    kernels = [dict(each, calls=round(each["total_ms"] * 1e3 / each["mean_us"])) for each in told["kernels"]]
    listed_ms = sum(each["total_ms"] for each in kernels)
    listed_share = sum(each["share_percent"] for each in kernels) / 100
    all_ms = listed_ms / listed_share
    without_ms = told["without_profiler_ms"]
    return {
        "kernels": kernels,
        "listed_ms": listed_ms,
        "listed_share": listed_share,
        "all_kernels_ms": all_ms,
        "gpu_ms_each": all_ms / told["inferences"],
        "runtime_share_by_listed": 1 - listed_ms / without_ms,
        "runtime_share": 1 - all_ms / without_ms,
        "profiler_overhead": told["with_profiler_ms"] / without_ms - 1,
        "printed": {
            "gpu_ms_each": told["gpu_ms_each"],
            "runtime_percent": told["runtime_percent"],
            "profiler_overhead_percent": told["profiler_overhead_percent"],
        },
    }
