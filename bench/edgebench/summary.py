"""The table a suite ends with."""

import statistics

from edgebench import progress, workloads


def table(results):
    """Return the table a suite ends with: one line a workload, medians over its good repeats."""
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
        rows.append(tuple(cells) + ("; ".join(notes),))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:6], widths[1:])]
        lines.append("  ".join([first] + rest + [row[6]]).rstrip())
    return "\n".join(lines)
