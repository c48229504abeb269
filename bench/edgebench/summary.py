"""The tables a suite ends with: one of trainings, one of inference."""

import statistics

from edgebench import observation, progress, workloads


def tables(results):
    """Return the tables a suite ends with, of what there is."""
    trainings = [record for record in results if record["record"] == "run"]
    inferences = [record for record in results if record["record"] == "inference"]
    shown = [_trainings(trainings)] if trainings else []
    return "\n\n".join(shown + ([_inferences(inferences)] if inferences else []))


def _inferences(results):
    """Return one line for each engine, model and number of threads."""
    rows = []
    for record in results:
        is_ok = record["status"] == "ok"
        notes = [] if is_ok else ["{}: {}".format(record["status"], record["reason"])]
        if is_ok and record["valid_windows"] is False:
            notes.append("windows shorter than 10 s")
        if record["model"]["weights"] == "random":
            notes.append("random weights")
        if is_ok and observation.disturbances(record):
            notes.append("disturbed: {}".format(", ".join(observation.disturbances(record))))
        cells = progress.inference_figures(record) if is_ok else ("-", "-", "-")
        model = "{} ({})".format(record["model"]["id"], record["model"]["form"])
        head = (record["engine"]["name"], model, str(record["threads"]["intra"]))
        rows.append(head + tuple(cells) + ("; ".join(notes),))
    return _aligned(
        [("kws engine", "model", "threads", "throughput", "latency", "result", "")] + rows, words=2
    )


def _trainings(results):
    """Return one line a workload, medians over its good repeats."""
    rows = [("workload", "ok", "build s", "train s", "test s", "result", "")]
    for name in workloads.NAMES:
        of_name = [record for record in results if record["workload"] == name]
        if not of_name:
            continue
        good = [record for record in of_name if record["status"] == "ok"]
        cells = [name, "{}/{}".format(len(good), len(of_name))]
        for part in ("build_s", "train_s", "test_s"):
            cells.append("{:.2f}".format(statistics.median(r["times"][part] for r in good)) if good else "-")
        middle = sorted(good, key=lambda r: r["quality"]["value"])[len(good) // 2] if good else None
        cells.append(progress.quality(middle) if middle else "-")
        notes = sorted({"{}: {}".format(r["status"], r["reason"]) for r in of_name if r["status"] != "ok"})
        if any(record["data"]["synthetic"] for record in good):
            notes.append("synthetic data")
        kinds = [observation.disturbances(record) for record in good]
        if any(kinds):
            every = ", ".join(sorted({kind for each in kinds for kind in each}))
            notes.append("disturbed {}/{}: {}".format(sum(map(bool, kinds)), len(good), every))
        rows.append(tuple(cells) + ("; ".join(notes),))
    return _aligned(rows, words=1)


def _aligned(rows, words):
    """Return rows of seven cells as text: the first ``words`` to the left, the last, a note, as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        first = [cell.ljust(width) for cell, width in zip(row[:words], widths)]
        rest = [cell.rjust(width) for cell, width in zip(row[words:6], widths[words:])]
        lines.append("  ".join(first + rest + [row[6]]).rstrip())
    return "\n".join(lines)
