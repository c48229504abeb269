"""``make perf-kws``: keyword spotting by LiteRT against the core's own limit, and against TensorFlow.

One process, one thread, all by turns; a ratio is the median over the turns. Exits with 1 when LiteRT's float32
network computes at less than 80 % of the core's SGEMM peak as NumPy's BLAS reaches it (operations: two a MACC), or
its int8 one is less than 10 times faster an inference than the reference SavedModel in our engine of TensorFlow.
Beside them, unjudged, stands the higher peak that TensorFlow's own library reaches.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".edgebench"
TURNS = Path(__file__).with_name("kws_turns.py")
MFLOP = 2 * 2.656768
NAMES = (
    "sgemm_numpy_gflop_per_s",
    "sgemm_tensorflow_gflop_per_s",
    "litert_float32_us",
    "litert_int8_us",
    "litert_reference_int8_us",
    "saved_model_us",
)
PEAK_BOUND, SAVED_MODEL_BOUND = 0.80, 10.0


def turns_of(python: Path, zipapp: Path, data_dir: Path, turns: int) -> list[dict[str, Any]]:
    """Return what each turn measured; the first warms up and is left out."""
    with tempfile.TemporaryDirectory() as cache:
        command: list[str | Path] = [python, TURNS, zipapp, data_dir, cache, str(turns + 1)]
        ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise SystemExit(f"exit code {ended.returncode}: {ended.stderr.strip()[-2000:]}")
    return [json.loads(line) for line in ended.stdout.splitlines()][1:]


def main() -> int:
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15, help="turns (default: %(default)s)")
    parser.add_argument(
        "--python", type=Path, default=HOME / "venv/bin/python", help="Python with TensorFlow and LiteRT"
    )
    parser.add_argument("--zipapp", type=Path, default=HOME / "edgebench.pyz", help="the runner")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("EDGEBENCH_DATA_DIR") or ROOT.parent / "shared" / "data"),
        help="folder with the reference models (EDGEBENCH_DATA_DIR)",
    )
    options = parser.parse_args()
    if not options.python.exists() or not options.zipapp.exists():
        print(f"{options.python} or {options.zipapp} is missing: run `make bench` first.", file=sys.stderr)
        return 2
    each = turns_of(options.python, options.zipapp, options.data_dir, options.turns)
    print(f"{each[0]['litert']}, one thread, medians of {len(each)} turns")
    print(f"{'':<25} {'median':>9} {'best':>9}")
    for name in NAMES:
        middle, best = (statistics.median(turn[name][kind] for turn in each) for kind in ("median", "best"))
        print(f"{name:<25} {middle:>9.1f} {best:>9.1f}")

    # Best against best: a peak is what nothing disturbed, and so is what is set against it.
    def of_peak(library: str) -> list[float]:
        name = f"sgemm_{library}_gflop_per_s"
        return [1e3 * MFLOP / turn["litert_float32_us"]["best"] / turn[name]["best"] for turn in each]

    faster = [turn["saved_model_us"]["median"] / turn["litert_int8_us"]["median"] for turn in each]
    fine = True
    for label, values, bound in (
        ("LiteRT float32 of NumPy's SGEMM peak", of_peak("numpy"), PEAK_BOUND),
        ("LiteRT float32 of TensorFlow's", of_peak("tensorflow"), None),
        ("LiteRT int8 faster than SavedModel", faster, SAVED_MODEL_BOUND),
    ):
        ordered = sorted(values)
        quarter = len(ordered) // 4
        middle = statistics.median(ordered)
        fine = fine and (bound is None or middle >= bound)
        print(
            f"{label:<37} {middle:6.2f}  middle half {ordered[quarter]:.2f} to {ordered[-1 - quarter]:.2f}"
            f"  {'' if bound is None else f'(at least {bound:g})'}".rstrip()
        )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
