"""Tables of keyword spotting for a terminal."""

from edgebench.keyword_spotting import REQUIRED_TOP1
from edgebench.kws import timing
from edgebench.kws.inputs import LABELS

RANDOM_WEIGHTS = "random weights: latency only"
VALID_WINDOWS = "valid for MLPerf Tiny."
LONG_WINDOWS = (
    "long enough for MLPerf Tiny, which also requires a top-1 of {:.0%}; some lines have none.".format(
        REQUIRED_TOP1
    )
)


def models(rows):
    """Return the models there are. rows: dicts of a Model with ``engines`` that read it and those ``installed``."""
    lines = [("model", "form", "precision", "weights", "bytes", "engines (installed)", "path")]
    for row in rows:
        engines = ", ".join(
            "{}{}".format(name, "" if name in row["installed"] else " (no)") for name in row["engines"]
        )
        size = "-" if row["size_bytes"] is None else "{:,}".format(row["size_bytes"])
        lines.append(
            (row["id"], row["form"], row["precision"], row["weights"], size, engines, row["path"] or "-")
        )
    return aligned(lines, right=(4,))


def accuracy(results, inputs):
    """Return one line for each result of ``edgebench kws accuracy``, and what was asked. inputs: the Found set."""
    lines = [("engine", "library", "model", "form", "threads", "top-1", "AUC", "seconds", "")]
    for each in results:
        lines.append(_head(each) + (str(each["threads"]),) + _scores(each))
    table = aligned(lines, right=(4, 5, 6, 7))
    samples = next((each["quality"]["samples"] for each in results if each["quality"]), None)
    if samples is None:
        return table
    return "{}\n{:,} inputs of kws01 from the {}; MLPerf Tiny requires a top-1 of {:.0%}.".format(
        table, samples, inputs.source, REQUIRED_TOP1
    )


def _scores(result):
    quality = result["quality"]
    note = "" if result["status"] == "ok" else "{}: {}".format(result["status"], result["reason"])
    if not quality:
        return "-", "-", "-", note
    auc = "-" if quality["auc"] is None else "{:.4f}".format(quality["auc"])
    return "{:.1%}".format(quality["value"]), auc, "{:.2f}".format(result["times"]["accuracy_s"]), note


def _head(result):
    engine, model = result["engine"], result["model"]
    library = " ".join(filter(None, (engine["library"], engine["version"]))) or "-"
    return engine["name"], library, model["id"], model["form"]


def confusion(result):
    """Return the classes of one result and what was taken for what: a row for each true label."""
    quality = result["quality"]
    lines = [("label", "samples", "right", "") + LABELS]  # type: list[tuple[str, ...]]
    for entry, counts in zip(quality["per_class"], quality["confusion"]):
        share = "{:.1%}".format(entry["correct"] / float(entry["samples"])) if entry["samples"] else "-"
        lines.append(
            (entry["label"], str(entry["samples"]), str(entry["correct"]), share)
            + tuple(str(count) if count else "." for count in counts)
        )
    title = "{0[0]} ({0[1]}), {0[2]} ({0[3]}): rows are true, columns are predicted".format(_head(result))
    return title + "\n" + aligned(lines, right=range(1, 4 + len(LABELS)))


def performance(records):
    """Return one line for each record of inference, and whether its windows count."""
    head = (
        "engine",
        "library",
        "model",
        "form",
        "threads",
        "inf./s",
        "p50 us",
        "p90",
        "p99",
        "max",
        "jitter",
    )
    lines = [head + ("top-1", "")]
    for record in records:
        lines.append(_head(record) + (str(record["threads"]["intra"]),) + _figures(record))
    return "\n".join([aligned(lines, right=range(4, 12))] + _window_lines(records))


def _figures(record):
    if record["status"] != "ok":
        return ("-",) * 7 + ("{}: {}".format(record["status"], record["reason"]),)
    percentiles = record["latency"]["percentiles_us"]
    top1 = record["quality"]["value"]
    return (
        ("{:,.1f}".format(record["throughput_per_s"]),)
        + tuple("{:.1f}".format(percentiles[each]) for each in (50, 90, 99, 100))
        + ("{:.1f}".format(record["latency"]["jitter_us"]), "-" if top1 is None else "{:.1%}".format(top1))
        + (RANDOM_WEIGHTS if record["model"]["weights"] == "random" else "",)
    )


def _window_lines(records):
    windows = [each for record in records if record["status"] == "ok" for each in record["windows"]]
    if not windows:
        return []
    shortest, fewest = min(each["wall_s"] for each in windows), min(each["inferences"] for each in windows)
    told = "{} windows a line, the shortest {:.2f} s of wall clock, the fewest inferences {:,}: ".format(
        max(len(record["windows"]) for record in records), shortest, fewest
    )
    measured = [record for record in records if record["status"] == "ok"]
    if all(record["valid_windows"] for record in measured):
        # Records below the required accuracy are not ok.
        is_scored = all(record["quality"]["value"] is not None for record in measured)
        told += VALID_WINDOWS if is_scored else LONG_WINDOWS
    else:
        told += "too short for MLPerf Tiny, which requires {:.0f} s and {} inferences.".format(
            timing.VALID_WINDOW_S, timing.VALID_INFERENCES
        )
    return [
        told,
        "Throughput is the median of the windows; latencies are of all inferences, jitter is their standard"
        " deviation.",
    ]


def aligned(lines, right=()):
    """Return rows of texts as a table with a heading; right: columns to align to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    )
