"""Says explanations in words: a table of the parts of a step, and a paragraph on what an accelerator could do."""

BOUNDS = {
    "overhead": "overhead of the framework",
    "input": "input",
    "update": "the update of the weights",
    "arithmetic": "arithmetic and memory",
}
_BOUNDS_IN_ORDER = ("overhead", "input", "update", "arithmetic")
_COLUMNS = (
    ("workload", "{:<14}"),
    ("batch", "{:>5}"),
    ("step ms", "{:>9}"),
    ("loop %", "{:>7}"),
    ("operators %", "{:>12}"),
    ("update %", "{:>9}"),
    ("input %", "{:>8}"),
    ("arithmetic %", "{:>13}"),
    ("memory %", "{:>9}"),
    ("below peak %", "{:>13}"),
    ("limit x", "{:>8}"),
    ("sum error %", "{:>12}"),
    ("fit error %", "{:>12}"),
)
_PARTS = ("loop_s", "operators_s", "update_s", "input_s", "arithmetic_s", "memory_s", "below_peak_s")


def told(records):
    """Return the lines for explanation records: a table, a paragraph, and every warning."""
    explained = [record for record in records if record["status"] == "ok"]
    lines = ["  ".join(form.format(title) for title, form in _COLUMNS)]
    for record in explained:
        lines.append("  ".join(form.format(cell) for (_, form), cell in zip(_COLUMNS, _cells(record))))
    if explained:
        lines += [
            "",
            "loop, operators: the framework's own time, which does not depend on the batch size. arithmetic, memory:",
            "the minimum by the measured peaks. limit: the speed-up if arithmetic, memory and updates took no time.",
            "sum error: the sum of the parts compared with a real training. fit error: the prediction for batch",
            "sizes that the fit did not use.",
            "",
        ]
        lines += paragraph(explained)
    for record in records:
        if record["status"] != "ok":
            lines.append("{}: {}, {}".format(record["workload"], record["status"], record["reason"]))
        lines += ["{}: {}".format(record["workload"], each) for each in record["warnings"]]
    return lines


def in_a_line(record):
    """Return what an explanation says in a line, for when it is ready."""
    if record["status"] != "ok":
        return "{}: {}, {}".format(record["workload"], record["status"], record["reason"])
    split = record["parts"]
    shares = sorted(((split[name] / split["sum_s"], name[: -len("_s")]) for name in _PARTS), reverse=True)
    return "{}: {:.3g} ms a step: {}; {}".format(
        record["workload"],
        1e3 * split["sum_s"],
        ", ".join("{} {:.0f} %".format(name.replace("_", " "), 100 * share) for share, name in shares[:3]),
        _most(record),
    )


def _cells(record):
    split, checks = record["parts"], record["checks"]
    whole = split["sum_s"]
    shares = ["{:.1f}".format(100 * split[name] / whole) for name in _PARTS]
    off = checks["prediction_error"]
    return (
        [record["workload"], record["sizes"]["batch"], "{:.3f}".format(1e3 * whole)]
        + shares
        + [
            "-" if record["ceiling"] is None else "{:.1f}".format(record["ceiling"]),
            "{:+.1f}".format(100 * checks["sum_error"]),
            "-" if off is None else "{:.1f}".format(100 * off),
        ]
    )


def paragraph(records):
    """Return lines that answer which workloads an accelerator of arithmetic could help, from ``ok`` records."""
    return [
        "The largest part of a step goes to {}: {}.".format(
            BOUNDS[bound], ", ".join("{} ({})".format(each["title"], _most(each)) for each in there)
        )
        for bound, there in by_bound(records)
    ]


def by_bound(records):
    """Return [(bound, the records with this largest part of a step)] without empty groups."""
    groups = [
        (bound, [record for record in records if record["bound"] == bound]) for bound in _BOUNDS_IN_ORDER
    ]
    return [(bound, there) for bound, there in groups if there]


def _most(record):
    if record["ceiling"] is None:
        return "no known limit"
    return "at most {:.1f} times faster if arithmetic took no time".format(record["ceiling"])
