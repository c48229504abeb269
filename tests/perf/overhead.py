"""``make perf``: the runner's training time over that of a bare Keras script of the same workload.

Both are run in turn, pair by pair, in fresh processes on the framework of
this checkout's local host, so that drift of the machine hits both alike; the
ratio of a workload is the median over its pairs. Exits with 1 when the median
of the eight ratios is above 1.02 or one of them above 1.05.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".edgebench"
BARE = Path(__file__).with_name("bare_keras.py")
MEDIAN_BOUND, WORST_BOUND = 1.02, 1.05
WORKLOADS = (
    "mnist_1d imdb reuters mnist_2d dogs_vs_cats imdb_embedded weather weather_conv".split()  # table order
)


def bare_train_s(python: Path, workload: str) -> float:
    """Return the seconds of fit of the bare script."""
    done = subprocess.run(
        [python, BARE, workload], capture_output=True, text=True, check=True, env=dict(os.environ, PYTHONHASHSEED="0")
    )
    return float(done.stdout.split()[-1])


def runner_train_s(python: Path, zipapp: Path, workload: str, folder: str, pair: int) -> float:
    """Return ``train_s`` of one run of the runner."""
    out = Path(folder) / f"{workload}.{pair}.jsonl"
    command = [python, zipapp, "run", "-w", workload, "--repeats", "1", "--data", "synthetic", "--out", out]
    command += ["--input", "dense_float32", "--progress", "none", "--host", "perf"]
    subprocess.run(command, capture_output=True, text=True, check=True)
    record = json.loads(out.read_text().splitlines()[-1])
    return float(record["times"]["train_s"])


def main() -> int:
    """Measure, print one line a workload as it is done, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7, help="pairs of runs a workload (default: %(default)s)")
    parser.add_argument("--python", type=Path, default=HOME / "venv/bin/python", help="Python with the framework")
    parser.add_argument("--zipapp", type=Path, default=HOME / "edgebench.pyz", help="the runner")
    parser.add_argument("-w", "--workload", nargs="+", default=WORKLOADS, choices=WORKLOADS, metavar="NAME")
    options = parser.parse_args()
    if not options.python.exists() or not options.zipapp.exists():
        print(f"{options.python} or {options.zipapp} is missing: run `make bench` first.", file=sys.stderr)
        return 2
    print(f"{'workload':<14} {'bare s':>8} {'runner s':>8} {'ratio':>6}  lowest to highest of {options.pairs} pairs")
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for workload in options.workload:
            bare, ours = [], []
            for pair in range(options.pairs):
                # Who goes first alternates, so that neither always finds the machine as the other left it.
                if pair % 2:
                    ours.append(runner_train_s(options.python, options.zipapp, workload, folder, pair))
                bare.append(bare_train_s(options.python, workload))
                if not pair % 2:
                    ours.append(runner_train_s(options.python, options.zipapp, workload, folder, pair))
            pairs = sorted(o / b for o, b in zip(ours, bare, strict=True))
            ratios.append(statistics.median(pairs))
            print(
                f"{workload:<14} {statistics.median(bare):>8.3f} {statistics.median(ours):>8.3f} {ratios[-1]:>6.3f}"
                f"  {pairs[0]:.3f} to {pairs[-1]:.3f}",
                flush=True,
            )
    middle, worst = statistics.median(ratios), max(ratios)
    good = middle <= MEDIAN_BOUND and worst <= WORST_BOUND
    print(f"median ratio {middle:.3f} (at most {MEDIAN_BOUND}), highest {worst:.3f} (at most {WORST_BOUND})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
