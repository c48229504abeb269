"""``make perf``: the runner's training time over that of bare Keras calls for the same workload.

Both train in turns in one process on the framework of this checkout's local
host; the ratio of a workload is the median over its turns. Exits with 1 when
the median of the eight ratios is above 1.02 or one of them above 1.05.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".edgebench"
ALTERNATE = Path(__file__).with_name("alternate.py")
MEDIAN_BOUND, WORST_BOUND = 1.02, 1.05
WORKLOADS = (
    "mnist_1d",
    "imdb",
    "reuters",
    "mnist_2d",
    "dogs_vs_cats",
    "imdb_embedded",
    "weather",
    "weather_conv",
)


def turns_s(python: Path, zipapp: Path, workload: str, turns: int) -> list[tuple[float, float]]:
    """Return for each turn the seconds of the runner's training and of bare Keras'; the first turn warms up."""
    command: list[str | Path] = [python, ALTERNATE, zipapp, workload, str(turns + 1)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        # Standard input stays open: it is the lifeline of the runner's code.
        assert process.stdout is not None
        assert process.stderr is not None
        printed, errors = process.stdout.read(), process.stderr.read()
    if process.returncode != 0:
        raise SystemExit(f"{workload}: exit code {process.returncode}: {errors.strip()}")
    pairs = [tuple(map(float, line.split())) for line in printed.splitlines()]
    return [(ours, bare) for ours, bare in pairs[1:]]


def main() -> int:
    """Measure, print one line a workload as it is done, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15, help="turns of each workload (default: %(default)s)")
    parser.add_argument(
        "--python", type=Path, default=HOME / "venv/bin/python", help="Python with the framework"
    )
    parser.add_argument("--zipapp", type=Path, default=HOME / "edgebench.pyz", help="the runner")
    parser.add_argument("-w", "--workload", nargs="+", default=WORKLOADS, choices=WORKLOADS, metavar="NAME")
    options = parser.parse_args()
    if not options.python.exists() or not options.zipapp.exists():
        print(f"{options.python} or {options.zipapp} is missing: run `make bench` first.", file=sys.stderr)
        return 2
    print(
        f"{'workload':<14} {'bare s':>8} {'runner s':>8} {'ratio':>6}  middle half of {options.turns} turns"
    )
    ratios = []
    for workload in options.workload:
        pairs = turns_s(options.python, options.zipapp, workload, options.turns)
        each = sorted(ours / bare for ours, bare in pairs)
        ratios.append(statistics.median(each))
        quarter = len(each) // 4
        print(
            f"{workload:<14} {statistics.median(b for _, b in pairs):>8.3f} "
            f"{statistics.median(o for o, _ in pairs):>8.3f} {ratios[-1]:>6.3f}"
            f"  {each[quarter]:.3f} to {each[-1 - quarter]:.3f}",
            flush=True,
        )
    middle, worst = statistics.median(ratios), max(ratios)
    print(f"median ratio {middle:.3f} (at most {MEDIAN_BOUND}), highest {worst:.3f} (at most {WORST_BOUND})")
    return 0 if middle <= MEDIAN_BOUND and worst <= WORST_BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
