"""Puts counts and peaks together: the least time a network can take, and how far a measured one is from it.

A layer's theoretical time is the longer of its operations at the peak of the
matrix product and its bytes at the memory's bandwidth (Williams, Waterman and
Patterson, CACM 52(4), 2009). Operations are two a MACC, as in the 2021 report;
the others do not count. Layers that are fused into the one before cost nothing.
All of this is a lower bound on purpose: utilisation can only be overstated.
"""

from collections import namedtuple

ELEMENT_BYTES = {"float64": 8, "float32": 4, "float16": 2, "int8": 1}
_INDEX_BYTES = 4

Peak = namedtuple("Peak", "gflop_per_s gb_per_s")
Peak.__doc__ = (
    """What a host can at most. gflop_per_s: 10^9 operations a second; gb_per_s: 10^9 bytes a second."""
)

Cost = namedtuple("Cost", "flop activation_bytes weight_bytes")
Cost.__doc__ = (
    """What a layer costs a batch: floating point operations, bytes of activations and of weights."""
)


def inference_cost(layer, batch, precision):
    """Return the Cost of one batch through a layers.Layer: inputs and weights read once, outputs written once."""
    width = ELEMENT_BYTES[precision]
    activations = batch * (_input_bytes(layer, width) + layer.output_values * width)
    return Cost(2 * layer.maccs * batch, activations, _weights_read(layer, batch) * width)


def training_cost(layer, batch, precision, is_first):
    """Return the Cost of one step of training by RMSprop, a lower bound.

    Operations: once forward, once for the gradient of the weights, and, but
    for the first layer, once for that of the inputs. Activations: forward as in
    inference; backward the input and the output's gradient are read, the
    input's gradient is written. Weights: read forward and backward, the
    gradient written and read, weight and moment read and written.
    """
    width = ELEMENT_BYTES[precision]
    into, out = _input_bytes(layer, width), layer.output_values * width
    passes = 1 + (1 if layer.maccs else 0) + (0 if is_first else 1)
    activations = batch * (into + out + into + out + (0 if is_first else into))
    return Cost(
        2 * layer.maccs * batch * passes if layer.maccs else 0,
        activations,
        8 * _weights_read(layer, batch) * width,
    )


def _input_bytes(layer, width):
    return layer.input_values * (_INDEX_BYTES if layer.kind == "Embedding" else width)


def _weights_read(layer, batch):
    if layer.lookup_values is None:
        return layer.parameters
    return min(batch * layer.lookup_values, layer.parameters)


def footprint_bytes(layers, batch, precision):
    """Return what has to be at hand while a network runs: all weights, and the largest layer's activations."""
    width = ELEMENT_BYTES[precision]
    weights = sum(layer.parameters for layer in layers) * width
    return weights + max(inference_cost(layer, batch, precision).activation_bytes for layer in layers)


def table(layers, batch, precision, peak=None, training=False):
    """Return one dict a layer: counts, intensity and, given a Peak, theoretical time and what bounds it.

    Keys: name, kind, output_shape, parameters, maccs and other_ops (of one
    sample), flop, activation_bytes, weight_bytes (of the batch),
    flop_per_byte, fused, theoretical_us, bound ("compute", "memory", "fused").
    """
    rows = []
    for index, layer in enumerate(layers):
        if training:
            cost = training_cost(layer, batch, precision, is_first=index == 0)
        else:
            cost = inference_cost(layer, batch, precision)
        moved = cost.activation_bytes + cost.weight_bytes
        row = {
            "name": layer.name,
            "kind": layer.kind,
            "output_shape": list(layer.output_shape),
            "parameters": layer.parameters,
            "maccs": layer.maccs,
            "other_ops": layer.other_ops,
            "flop": cost.flop,
            "activation_bytes": cost.activation_bytes,
            "weight_bytes": cost.weight_bytes,
            "flop_per_byte": cost.flop / float(moved) if moved else 0.0,
            "fused": layer.fused,
        }
        if peak is not None:
            row["theoretical_us"], row["bound"] = _bound(layer, cost, peak)
        rows.append(row)
    return rows


def _bound(layer, cost, peak):
    if layer.fused:
        return 0.0, "fused"
    compute_us = cost.flop / peak.gflop_per_s / 1e3
    memory_us = (cost.activation_bytes + cost.weight_bytes) / peak.gb_per_s / 1e3
    return max(compute_us, memory_us), "compute" if compute_us >= memory_us else "memory"


def total(rows):
    """Return the sums of ``table``'s rows; moved_bytes and flop_per_byte leave out what is fused.

    Where the rows have it, theoretical_us and memory_bound_share, the part of
    it in layers that the memory bounds.
    """
    summed = {
        name: sum(row[name] for row in rows)
        for name in ("parameters", "maccs", "other_ops", "flop", "activation_bytes", "weight_bytes")
    }
    moved = sum(row["activation_bytes"] + row["weight_bytes"] for row in rows if not row["fused"])
    summed["moved_bytes"] = moved
    summed["flop_per_byte"] = summed["flop"] / float(moved) if moved else 0.0
    if rows and "theoretical_us" in rows[0]:
        summed["theoretical_us"] = sum(row["theoretical_us"] for row in rows)
        summed["memory_bound_share"] = _share(
            sum(row["theoretical_us"] for row in rows if row["bound"] == "memory"), summed["theoretical_us"]
        )
    return summed


def judged(summed, measured_us, peak):
    """Return what a measured time says: measured_us, gflop_per_s, utilisation, overhead_share.

    summed: of ``total``. utilisation: operations a second over the peak of the
    matrix product, as a ratio. overhead_share: the part of the measured time
    that the theoretical does not explain, 1 - theoretical / measured.
    """
    rate = summed["flop"] / measured_us / 1e3
    return {
        "measured_us": measured_us,
        "gflop_per_s": rate,
        "utilisation": rate / peak.gflop_per_s,
        "overhead_share": 1 - summed["theoretical_us"] / measured_us,
    }


def peak_for(peaks, device, precision, threads, footprint):
    """Return the Peak of measured ``peaks`` for a network of ``footprint`` bytes; None where it was not measured.

    What is run again and again finds in the cache what fits into it, so a
    footprint below the last cache has the bandwidth measured at its size, a
    larger one the best of STREAM's four. Peaks of fewer threads count as well:
    two threads of one core may be slower than one. int8 products stand against the int8
    peak, or nothing.
    """
    rates = [
        each["gflop_per_s"]
        for each in peaks["gemm"]
        if (each["device"], each["precision"]) == (device, precision)
        and (device == "gpu" or each["threads"] is None or each["threads"] <= threads)
    ]
    bandwidth = _bandwidth(peaks, device, threads, footprint)
    if not rates or bandwidth is None:
        return None
    return Peak(max(rates), bandwidth)


def _bandwidth(peaks, device, threads, footprint):
    if device == "gpu":
        copies = peaks.get("cuda_copies")
        return copies["device_to_device_gb_per_s"] if copies else None
    memory = [each for each in peaks["bandwidth"] if each["threads"] is None or each["threads"] <= threads]
    if not memory:
        return None
    best = max(each[name] for each in memory for name in each if name.endswith("_gb_per_s"))
    if footprint <= (peaks.get("last_cache_bytes") or 0):
        cached = [each["gb_per_s"] for each in peaks["levels"] if each["bytes"] >= footprint]
        # Each thread has caches of its own, at best.
        best = max([best] + [threads * each for each in cached])
    return best


def _share(part, whole):
    return part / float(whole) if whole else 0.0
