"""Session folders as MLCommons' own runner for MLPerf Tiny writes them, for tests that read such.

The form is that of benchmark/runner of mlcommons/tiny at commit 1afd2c9 (May 2026), taken from sessions in which it
drove a device of this project: its log has each window twice, the second time without stamp and with more decimals,
and prints a window for each single inference of accuracy mode.
"""

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

LABELS = ["Down", "Go", "Left", "No", "Off", "On", "Right", "Stop", "Up", "Yes", "Silence", "Unknown"]
WALLS_S = (10.862042, 10.854678, 10.847215, 10.862036, 10.836234)
RULE = "-" * 57
Outputs = Callable[[int], Sequence[float]]


def sure(label: int) -> list[float]:
    return [0.996 if each == label else 0.0 for each in range(len(LABELS))]


def _head(stamp: str, name: str | None, model: str) -> list[str]:
    if name is None:
        told = ["WARNING: Failed to get name.", "Retrying _get_name (1/3)..."] * 2
    else:
        told = ["WARNING: Ignoring undecodeable byte: b'\\xff'", f"Device name retrieved: {name}"]
    return [
        f"Logging initialized. Writing output to sessions\\{stamp}\\log.txt",
        "Initializing SerialDevice on port: COM33 at 115200 baud",
        "SerialDevice entering port COM33, entry_count (before increment) = 0",
        "Retrieving name from DUT ...",
        *told,
        "Device profile retrieved: ULPMark for tinyML Firmware V0.0.1",
        f"Device model retrieved: {model}",
    ]


def session(
    folder: Path,
    mode: str,
    walls_s: Iterable[float] = WALLS_S,
    inferences: int = 250,
    name: str | None = "VENDOR",
    model: str = "kws01",
    outputs: Outputs = sure,
    top1: float = 90.2,
    error: str | None = None,
    has_summary: bool = True,
    ends: str = "\r\n",
    stamp: str = "20250726_010147",
) -> Path:
    """Write log.txt, results.txt and results.json of a session and return ``folder``.

    mode: "p" or "a". error: "error 1" or "error 2". has_summary: the older runner printed the median alone.
    """
    tag = f"{stamp[4:8]}.{stamp[9:]} ulp-mlperf:"
    count = inferences if mode == "p" else 1
    log, summary, entries = _head(stamp, name, model), [], []
    if mode == "a":
        log.append("No loop count specified.  Using full set (1000 test files)")
    for number, wall_s in enumerate(walls_s):
        label = number % len(LABELS)
        file = f"tst_{number:06}_{LABELS[label]}_{label}.bin"
        rate = count / wall_s
        log += [
            f"{tag} Loading file {file} segment 0",
            f"{tag} Load complete.",
            f"Running inference with {int(mode == 'p')}/{count} (warmup/measured) iterations ...",
            "done",
            f"{tag} Performance results for window {number + 1}:",
            f"{tag}   # Inferences : {count:>13}",
            f"{tag}   Runtime      : {wall_s:>10.3f} sec.",
            f"{tag}   Throughput   : {rate:>10.3f} inf./sec.",
            f"{tag}   m-results    : {[float(each) for each in outputs(label)]}",
        ]
        if mode == "p" and has_summary:
            summary += [
                f"Performance results for window {number + 1}",
                f"    # Inferences : {count}",
                f"    Runtime: {wall_s} sec.",
                f"    Throughput: {rate} inf./sec.",
                *(["    Runtime requirements have been met."] if wall_s > 10 else []),
            ]
        entries.append(_entry(file, label, list(outputs(label)), count, wall_s, mode))
    if error == "error 2":
        summary.append(f"{tag} ERROR 2 - loop exited before 10 seconds elapsed.")
    elif mode == "p":
        median = statistics.median(each["infer"]["throughput"] for each in entries)
        summary += [
            f"{tag} {each}" for each in (RULE, f"Median throughput is {median:>10.3f} inf./sec.", RULE)
        ]
    else:
        summary += [f"{tag} Top 1% = {top1}", f"{tag} AUC = 0.995"]
    if error:
        entries.append({"error": error, "mode": mode})
    # The runner strips what goes to its log.
    log += ["-" * 20, *(each.strip() for each in summary)]
    log.append(f"Session logged in file sessions\\{stamp}\\log.txt")
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, lines in (("log.txt", log), ("results.txt", summary)):
        (folder / file_name).write_bytes("".join(each + ends for each in lines).encode())
    (folder / "results.json").write_text(json.dumps(entries))
    return folder


def _entry(
    file: str, label: int, results: list[float], count: int, wall_s: float, mode: str
) -> dict[str, Any]:
    infer: dict[str, Any] = {
        "start_time": 114879046,
        "end_time": 114879046 + round(wall_s * 1e6),
        "results": results,
        "elapsed_time": round(wall_s * 1e6),
        "total_inferences": 1,
        "iterations": count,
        "warmups": 1,
    }
    if mode == "p":
        infer["throughput"] = count / wall_s
    # The number of classes stands as the truth file has it, with its blanks.
    return {
        "file": file,
        "classes": " 12",
        "class": f" {label}",
        "bytes_to_send": None,
        "stride": None,
        "total_length": None,
        "infer": infer,
        "mode": mode,
    }


def energy(
    folder: Path, costs_uj: Sequence[float] = (1431.422, 1430.668, 1429.902, 1431.299, 1429.659)
) -> Path:
    """Write the session of a run in energy mode, and return its folder."""
    lines = ["Power Edition Output"]
    for number, cost_uj in enumerate(costs_uj):
        lines += [
            f"Energy data for trial {number}",
            "  Elapsed time  : 10.886000000000001",
            "  Inferences    : 250",
            "  Power         : 32.8730 mW.",
            f"  Total Energy  : {250 * cost_uj:.3f} uJ",
            f"  Energy/Inf    : {cost_uj:.3f} uJ/inf",
        ]
    lines += [RULE, f"Median energy cost is {statistics.median(costs_uj):5.4f} uJ/inf.", RULE]
    entries = [
        {
            "file": f"tst_{number:06}_Stop_7.bin",
            "classes": "12",
            "class": "7",
            "infer": {"results": sure(7), "total_inferences": 1, "iterations": 250, "warmups": 1},
            "power": {"samples": [1.5e-05] * 9, "timestamps": [["1", 2], ["2", 7]], "voltage": 1.8},
            "mode": "e",
        }
        for number in range(5)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    log = [*_head("20250726_102344", "VENDOR", "kws01"), *(each.strip() for each in lines)]
    (folder / "log.txt").write_text("\n".join(log) + "\n")
    (folder / "results.txt").write_text("\n".join(lines) + "\n")
    (folder / "results.json").write_text(json.dumps(entries))
    return folder
