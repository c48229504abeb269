"""The survey, the 2021 report's arithmetic and profiles as tables for people."""

_PURPOSES = {"inference": "inference", "training": "training step"}


def survey(result, layers_of):
    """Return the lines of a survey; layers_of: names of the networks whose layers are shown one by one."""
    lines = []
    if result["peaks"]:
        lines += peaks(result["peaks"])
    if result["networks"]:
        lines += ["", *_counts(result["networks"])]
    for name in layers_of:
        if name in result["networks"]:
            lines += ["", *_layers(name, result["networks"][name])]
    if any("measured_us" in run for each in result["networks"].values() for run in each["runs"]):
        lines += ["", *_times(result)]
    if result["kws_engines"]:
        lines += ["", *_engines(result["kws_engines"])]
    for name, found in sorted(result["operators"].items()):
        lines += ["", *_operators(name, found)]
    for name, reason in sorted(result["missing"].items()):
        lines += ["", "missing: {}: {}".format(name, reason)]
    return lines


def _aligned(head, rows):
    """Return the lines of a table; the first column to the left, the others to the right."""
    cells = [[str(each) for each in row] for row in [head] + rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in cells
    ]


def peaks(found):
    """Return the lines that tell measured peaks."""
    best = {}  # type: ignore[var-annotated]
    for each in found["gemm"]:
        key = (each["device"], each["precision"], each["threads"])
        if key not in best or each["gflop_per_s"] > best[key]["gflop_per_s"]:
            best[key] = each
    rows = [
        [
            "{} {}".format(each["device"], each["precision"]),
            each["threads"] or "-",
            _number(each["gflop_per_s"]),
            each["size"],
            each["library"],
        ]
        for _, each in sorted(best.items(), key=lambda item: str(item[0]))
    ]
    lines = ["Peaks of this host"]
    lines += _aligned(["matrix product", "threads", "GFLOP/s", "n", "library"], rows)
    rows = [
        ["memory", each["threads"]]
        + [_number(each[name + "_gb_per_s"]) for name in ("copy", "scale", "add", "triad")]
        + ["{:,} MB".format(each["array_bytes"] // 10**6)]
        for each in found["bandwidth"]
    ]
    lines += ["", *_aligned(["bandwidth, GB/s", "threads", "copy", "scale", "add", "triad", "arrays"], rows)]
    if any(not each["beyond_cache"] for each in found["bandwidth"]):
        lines.append(
            "The arrays are smaller than four times the last cache: these rates are partly those of the cache."
        )
    if found["levels"]:
        lines.append(
            "in {}: {} GB/s".format(
                ", ".join(_size(each["bytes"]) for each in found["levels"]),
                ", ".join(_number(each["gb_per_s"]) for each in found["levels"]),
            )
        )
    copies = found["cuda_copies"]
    if copies:
        lines.append(
            "CUDA copies, pinned, GB/s: host to device {}, device to host {}, device to device {}".format(
                *(
                    _number(copies[name + "_gb_per_s"])
                    for name in ("host_to_device", "device_to_host", "device_to_device")
                )
            )
        )
    for name, reason in sorted(found["missing"].items()):
        lines.append("not measured: {}: {}".format(name, reason))
    return lines


def _counts(networks):
    rows = []
    for name, each in networks.items():
        total = each["runs"][0]["total"]
        rows.append(
            [
                name,
                "{:,}".format(total["parameters"]),
                "{:,}".format(total["maccs"]),
                "{:,.3f}".format(2 * total["maccs"] / 1e6),
                "{:,.1f}".format(total["activation_bytes"] / 1e3),
                "{:,.1f}".format(total["weight_bytes"] / 1e3),
                "{:,.1f}".format(total["moved_bytes"] / 1e3),
                _number(total["flop_per_byte"]),
            ]
        )
    return ["Networks, one sample"] + _aligned(
        ["workload", "parameters", "MACCs", "MFLOP", "activations kB", "weights kB", "moved kB", "FLOP/byte"],
        rows,
    )


def _layers(name, network):
    run = network["runs"][0]
    known = run["peak"] is not None
    head = ["layer", "kind", "output", "parameters", "MACCs", "other ops", "activ. B", "weights B", "FLOP/B"]
    rows = []
    for row in run["layers"]:
        cells = [row["name"], row["kind"], "x".join(str(size) for size in row["output_shape"])]
        for key in ("parameters", "maccs", "other_ops", "activation_bytes", "weight_bytes"):
            cells.append("{:,}".format(row[key]))
        cells.append("-" if row["fused"] else _number(row["flop_per_byte"]))
        if known:
            cells += ["-" if row["fused"] else _number(row["theoretical_us"]), row["bound"]]
        rows.append(cells)
    if known:
        head += ["least us", "bound by"]
    return ["Layers of {}, one sample".format(network["title"])] + _aligned(head, rows)


def _times(result):
    rows = []
    for name, network in result["networks"].items():
        for run in network["runs"]:
            if "measured_us" in run:
                rows.append(
                    [
                        name,
                        _PURPOSES[run["purpose"]],
                        run["batch"],
                        _number(run["total"].get("theoretical_us")),
                    ]
                    + _judgement(run)
                    + ["{:.0f} %".format(100 * run["total"].get("memory_bound_share", 0))]
                )
    head = [
        "Keras",
        "what",
        "batch",
        "least us",
        "measured us",
        "GFLOP/s",
        "utilisation",
        "overhead",
        "memory-bound",
    ]
    about = result["framework"]
    return [
        "Measured with TensorFlow {}, Keras {}, {}, {} threads, against the peaks".format(
            about["tensorflow"], about["keras"], about["device"].upper(), result["threads"]
        )
    ] + _aligned(head, rows)


def _judgement(run):
    return [
        _number(run["measured_us"]),
        _number(run.get("gflop_per_s")),
        _percent(run.get("utilisation")),
        _percent(run.get("overhead_share")),
    ]


def _engines(entries):
    rows = []
    for each in entries:
        label = "{} {} ({})".format(each["engine"], each["model"], each["form"])
        if "measured_us" in each:
            rows.append(
                [label, each["threads"], _number(each.get("theoretical_us"))]
                + _judgement(each)
                + [each.get("peak_precision", "-")]
            )
        else:
            rows.append([label, each["threads"], "-", each["status"], "-", "-", "-", "-"])
    head = [
        "Keyword spotting",
        "threads",
        "least us",
        "median us",
        "GFLOP/s",
        "utilisation",
        "overhead",
        "peak of",
    ]
    lines = _aligned(head, rows)
    for each in entries:
        if each["reason"]:
            lines.append("{} {}: {}".format(each["engine"], each["model"], each["reason"]))
    if any(each.get("peak_precision", each["precision"]) != each["precision"] for each in entries):
        lines.append("int8 and dynamic models are compared with the float32 peak and may exceed it.")
    return lines


def _operators(name, found):
    whole = sum(each["total_us"] for each in found["operators"]) or 1.0
    rows = [
        [
            each["name"][:60],
            each["kind"],
            "{:g}".format(each["calls"]),
            _number(each["total_us"]),
            _percent(each["total_us"] / whole),
        ]
        for each in found["operators"][:15]
    ]
    lines = ["Operators of {}".format(name)] + _aligned(["operator", "kind", "calls", "us", "share"], rows)
    if len(found["operators"]) > 15:
        lines.append("and {} more".format(len(found["operators"]) - 15))
    if found["method"] == "trace":
        lines.append(
            "an inference takes {} us, {} us with the profiler: its overhead is {}".format(
                _number(found["without_us"]), _number(found["with_us"]), _percent(found["overhead"])
            )
        )
    else:
        lines.append(
            "estimated from the model cut off after each operator; an inference takes {} us".format(
                _number(found["without_us"])
            )
        )
    return lines


def published(redone):
    """Return the lines that set the 2021 report's figures beside the same ones worked out again."""
    columns = ("printed", "recomputed", "right", "right_two_operations_a_cycle")
    rows = []
    for key, label in (
        ("maccs", "MACCs"),
        ("flop", "FLOP"),
        ("theoretical_us", "theoretical time, us"),
        ("theoretical_us_by_float16_peak", "by 512 GFLOP/s, us"),
        ("bandwidth_needed_mb_per_s", "bandwidth needed, MB/s"),
        ("actual_us", "actual time, us"),
        ("utilisation_percent", "utilisation, %"),
    ):
        values = [redone[column][key] for column in columns]
        rows.append(
            [label] + ["{:,}".format(v) if isinstance(v, int) else "{:,.2f}".format(v) for v in values]
        )
    lines = [
        "The 2021 report's arithmetic: 128 cores x 921 MHz x 1 operation = {:.1f} GFLOP/s".format(
            redone["peak_gflop_per_s"]
        )
    ]
    lines += _aligned(
        ["", "printed", "from printed MACCs", "from right MACCs", "and 2 operations a cycle"], rows
    )
    lines += ["", "Its layers, its formulas: where the MACCs are"]
    counted = [row for row in redone["layers"] if row["maccs"]]
    rows = [
        [
            row["name"],
            "x".join(str(size) for size in row["shape"]),
            "{:,}".format(row["parameters"]),
            "{:,}".format(row["maccs"]),
        ]
        for row in counted
    ]
    rows.append(
        [
            "all layers",
            "",
            "{:,}".format(sum(row["parameters"] for row in redone["layers"])),
            "{:,}".format(sum(row["maccs"] for row in counted)),
        ]
    )
    lines += _aligned(["layer", "output", "parameters", "MACCs"], rows)
    profile = redone["profile"]
    rows = [
        [
            each["name"],
            "{:.2f}".format(each["share_percent"]),
            "{:.3f}".format(each["total_ms"]),
            each["calls"],
            "{:.3f}".format(each["mean_us"]),
        ]
        for each in profile["kernels"]
    ]
    lines += ["", *_aligned(["kernel", "share %", "ms", "calls", "mean us"], rows)]
    printed = profile["printed"]
    lines += [
        "listed {:.2f} ms, which is {:.1f} % of the profile: all kernels took {:.1f} ms, {:.3f} ms an inference "
        "(printed {:.3f})".format(
            profile["listed_ms"],
            100 * profile["listed_share"],
            profile["all_kernels_ms"],
            profile["gpu_ms_each"],
            printed["gpu_ms_each"],
        ),
        "share of the runtime {} (printed {} %); profiler overhead {} (printed {} %)".format(
            _percent(profile["runtime_share"]),
            printed["runtime_percent"],
            _percent(profile["profiler_overhead"]),
            printed["profiler_overhead_percent"],
        ),
    ]
    return lines


def kernels(path, rows, summed):
    """Return the lines of a GPU profile, in the form of the 2021 report's table."""
    shown = [
        [
            "{:.2f} %".format(100 * row["share"]),
            "{:,.3f}".format(row["total_us"] / 1e3),
            row["calls"],
            "{:,.3f}".format(row["mean_us"]),
            row["name"][:80],
        ]
        for row in rows
    ]
    lines = ["GPU time in {}".format(path)] + _aligned(["share", "ms", "calls", "mean us", "name"], shown)
    lines.append(
        "kernels {:,.3f} ms, copies {:,.3f} ms".format(summed["kernels_us"] / 1e3, summed["copies_us"] / 1e3)
    )
    if summed["gpu_us_each"] is not None:
        lines.append("GPU time an inference {:,.3f} ms".format(summed["gpu_us_each"] / 1e3))
    if summed["runtime_share"] is not None:
        lines.append("share of the runtime {}".format(_percent(summed["runtime_share"])))
    if summed["profiler_overhead"] is not None:
        lines.append("profiler overhead {}".format(_percent(summed["profiler_overhead"])))
    return lines


def _number(value):
    if value is None:
        return "-"
    return "{:,.0f}".format(value) if abs(value) >= 1000 else "{:.3g}".format(value)


def _percent(ratio):
    if ratio is None:
        return "-"
    return "{:.3g} %".format(100 * ratio)


def _size(size_bytes):
    return (
        "{} MiB".format(size_bytes // 2**20) if size_bytes >= 2**20 else "{} KiB".format(size_bytes // 2**10)
    )
