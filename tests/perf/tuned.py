"""``make perf-tuned``: the paper profile and the tuned one in turns on this host, and what the tuned one gains.

Each turn trains every workload once under the framework's own settings and
once under those that the search of the first turn found, the two in changing
order, so that both find the machine in the same states. Exits with 1 unless
three of the eight train at least 1.8 times faster, one at least 4 times, none
slower, and all to the same result within noise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from edgebench_report import statistics
from edgebench_report.tuned import settings_of

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".edgebench"
WORKLOADS = (
    "reuters",
    "imdb",
    "mnist_1d",
    "imdb_embedded",
    "weather",
    "weather_conv",
    "mnist_2d",
    "dogs_vs_cats",
)
MANY, MANY_BOUND, ONE_BOUND = 3, 1.8, 4.0
# What two medians of a few turns differ by where nothing differs.
SLOWER_BOUND = 0.97
# Of an error in standard deviations, where no count of samples gives an interval.
ERROR_TOLERANCE = 0.05

Record = dict[str, Any]


def measure(options: argparse.Namespace, folder: Path) -> dict[tuple[str, str], list[Record]]:
    """Run all turns; return {(workload, profile): its finished records}, the order of turns changing."""
    for workload in options.workload:
        for turn in range(options.turns):
            profiles = ("paper", "tuned") if turn % 2 == 0 else ("tuned", "paper")
            for profile in profiles:
                _run(options, folder, workload, profile, turn + 1)
    found: dict[tuple[str, str], list[Record]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if record["record"] == "run" and record["status"] == "ok":
                found.setdefault((record["workload"], record["profile"]), []).append(record)
    return found


def _run(options: argparse.Namespace, folder: Path, workload: str, profile: str, repeats: int) -> None:
    """Have so many repeats: the runner does what has no record yet, here the last of them."""
    out = folder / f"{profile}.jsonl"
    command = [options.python, options.zipapp, "run", "-w", workload, "--profile", profile]
    command += ["--repeats", str(repeats), "--run-id", "perf-tuned", "--host", "here", "--out", out]
    command += ["--data", options.data, "--offline", "--progress", "none"]
    if options.search_limit:
        command += ["--search-limit", str(options.search_limit)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=dict(os.environ, EDGEBENCH_HOME=str(HOME))
    )
    if done.returncode != 0:
        raise SystemExit(f"{workload}, {profile}: exit code {done.returncode}: {done.stdout}{done.stderr}")


def same_result(paper: list[Record], tuned: list[Record]) -> bool:
    """Tell whether the results of two profiles agree within noise."""
    first, second = ([run["quality"]["value"] for run in runs] for runs in (paper, tuned))
    if paper[0]["quality"]["metric"] == "accuracy":
        samples = paper[0]["sizes"]["test_samples"]
        told = statistics.accuracy_difference(median(first), samples, median(second), samples).told
        # Repeats with other seeds may differ by more than another test set would.
        return not told or min(first) <= median(second) <= max(first)
    reach = max(max(first) - min(first), ERROR_TOLERANCE * median(first))
    return bool(abs(median(second) - median(first)) <= reach)


def judge(found: dict[tuple[str, str], list[Record]], workloads: list[str]) -> bool:
    """Print one line a workload and tell whether the bounds hold."""
    print(
        f"{'workload':<14} {'paper s':>8} {'tuned s':>8} {'faster':>7} {'interval':>13} {'build s':>13} {'search s':>9}"
    )
    ratios, same = {}, True
    for workload in workloads:
        paper, tuned = (found[workload, profile] for profile in ("paper", "tuned"))
        times = [[run["times"]["train_s"] for run in runs] for runs in (paper, tuned)]
        builds = [median(run["times"]["build_s"] for run in runs) for runs in (paper, tuned)]
        ratios[workload] = median(times[0]) / median(times[1])
        interval = ""
        if min(map(len, times)) > 1:
            told = statistics.ratio_interval(times[0], times[1])
            interval = f"{told.low:.2f} to {told.high:.2f}"
        results = [median(run["quality"]["value"] for run in runs) for runs in (paper, tuned)]
        agree = same_result(paper, tuned)
        same = same and agree
        searched = [run["times"]["search_s"] for run in tuned if "search_s" in run["times"]]
        print(
            f"{workload:<14} {median(times[0]):>8.2f} {median(times[1]):>8.2f} {ratios[workload]:>7.2f} {interval:>13} "
            f"{builds[0]:>5.1f}, {builds[1]:>5.1f}  {sum(searched):>9.0f}  result {results[0]:.4f}, {results[1]:.4f}"
            f"{'' if agree else ' NOT THE SAME'}  {settings_of(tuned[0])}",
            flush=True,
        )
    many = sum(each >= MANY_BOUND for each in ratios.values())
    slower = sorted(name for name, each in ratios.items() if each < SLOWER_BOUND)
    best = max(ratios.values())
    print(
        f"{many} at least {MANY_BOUND} times faster (at least {MANY}), one {best:.2f} times (at least {ONE_BOUND})"
    )
    print(f"slower: {', '.join(slower) or 'none'}; results {'the same' if same else 'NOT the same'}")
    return many >= MANY and best >= ONE_BOUND and not slower and same


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="turns of each workload (default: %(default)s)")
    parser.add_argument(
        "--python", type=Path, default=HOME / "venv/bin/python", help="Python with the framework"
    )
    parser.add_argument("--zipapp", type=Path, default=HOME / "edgebench.pyz", help="the runner")
    parser.add_argument("-w", "--workload", nargs="+", default=WORKLOADS, choices=WORKLOADS, metavar="NAME")
    parser.add_argument("--data", choices=("auto", "synthetic"), default="synthetic")
    parser.add_argument("--search-limit", type=int, metavar="S", help="seconds of each search")
    parser.add_argument("--out", type=Path, help="folder for the records; what is there is not run again")
    options = parser.parse_args()
    if not options.python.exists() or not options.zipapp.exists():
        print(f"{options.python} or {options.zipapp} is missing: run `make bench` first.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="edgebench-") as scratch:
        found = measure(options, options.out or Path(scratch))
    return 0 if judge(found, list(options.workload)) else 1


if __name__ == "__main__":
    sys.exit(main())
