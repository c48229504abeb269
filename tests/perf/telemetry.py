"""``make perf-telemetry``: the runner's training with the sampler beside it, over that without, in pairs.

One process of the framework trains in turns, by the runner's own code: with, without, without, with, and so
on, so that both find the machine in the same state. The ratio of a pair is that of its training times; told are the
median ratio and a bootstrap interval that holds it with 95 %. Beside it stand the same for the CPU time of the
training, which others' work shifts less than its duration, and what the sampler says it used.
Exits with 0 where the whole interval is at most 1.01, with 1 where all of it is above, with 3 where it says neither:
then the machine was too busy, or the pairs too few.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".edgebench"
BOUND = 1.01
RESAMPLES = 10_000
UNDECIDED = 3


def interval(ratios: list[float], seed: int = 1) -> tuple[float, float]:
    """Return the bootstrap interval (95 %, percentiles) of the median of ``ratios``."""
    drawn = random.Random(seed)
    medians = sorted(statistics.median(drawn.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]


def verdict(low: float, high: float) -> int:
    """Return the exit code for an interval."""
    if high <= BOUND:
        return 0
    return 1 if low > BOUND else UNDECIDED


def train_in_turns(zipapp: str, workload: str, pairs: int, epochs: int) -> None:
    """Print a JSON line for each pair: seconds with and without, and what the sampler told of itself."""
    sys.path.insert(0, zipapp)
    from edgebench import compat, worker, workloads
    from edgebench.data.access import Job
    from edgebench.telemetry import summary
    from edgebench.telemetry.sampling import Sampling

    # Standard input is the lifeline of this process, as it is for every worker.
    threading.Thread(target=worker._end_with_parent, daemon=True).start()
    module = workloads.get(workload)
    spec = module.SPEC
    framework = compat.load()
    options = {name: values[0] for name, values in spec.options.items()}
    job = Job(spec.dataset, "quick", spec.quick, options, "synthetic", "dense_float32", None)
    train, _, _ = module.inputs(job)
    model = worker._built(framework, module, options)
    worker._first_steps(framework, model, train)

    def train_s() -> tuple[float, float]:
        told: list[dict[str, Any]] = []
        began_s = time.process_time()
        worker._train(framework, model, train, epochs, lambda event, **values: told.append(values))
        return float(told[-1]["record"]["times"]["train_s"]), time.process_time() - began_s

    def sampled_s(path: str) -> tuple[tuple[float, float], dict[str, Any]]:
        with Sampling(path) as taken:
            if taken.reason:
                raise SystemExit(taken.reason)
            began_s = time.monotonic()
            seconds = train_s()
            ended_s = time.monotonic()
        told, missing = summary.of_file(path, {"train": (began_s, ended_s)}, "train")
        if told is None:
            raise SystemExit(missing["telemetry"])
        return seconds, told

    with tempfile.TemporaryDirectory() as folder:
        for pair in range(-1, pairs):
            path = os.path.join(folder, f"{pair}.jsonl")
            if pair % 2:
                without = train_s()
                seconds, told = sampled_s(path)
            else:
                seconds, told = sampled_s(path)
                without = train_s()
            others = told["phases"]["train"]["cpu"]["others_share"]
            line = {
                "with_s": seconds[0],
                "without_s": without[0],
                "with_cpu_s": seconds[1],
                "without_cpu_s": without[1],
                "samples": told["samples"],
                "share_of_core": told["sampler"]["share_of_core"],
                "others_share": others,
            }
            # The first pair warms up.
            if pair >= 0:
                print(json.dumps(line), flush=True)


def measured(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the pairs in a process of the framework and return its lines."""
    command: list[str | Path] = [options.python, __file__, "--in-framework"]
    command += ["--zipapp", options.zipapp, "-w", options.workload]
    command += ["--pairs", str(options.pairs), "--epochs", str(options.epochs)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # Read beside it, or a framework that talks much would stop for a full pipe.
        said: list[str] = []
        listener = threading.Thread(
            target=lambda: said.append(process.stderr.read() if process.stderr else "")
        )
        listener.start()
        lines = [json.loads(line) for line in process.stdout]
        listener.join()
    if process.returncode != 0:
        raise SystemExit(f"exit code {process.returncode}: {''.join(said).strip()[-2000:]}")
    return lines


def main() -> int:
    """Measure, print what was found, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of a training (default: %(default)s)")
    parser.add_argument("-w", "--workload", default="mnist_1d", help="default: %(default)s")
    parser.add_argument(
        "--python", type=Path, default=HOME / "venv/bin/python", help="Python with the framework"
    )
    parser.add_argument("--zipapp", type=Path, default=HOME / "edgebench.pyz", help="the runner")
    parser.add_argument("--in-framework", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_framework:
        train_in_turns(str(options.zipapp), options.workload, options.pairs, options.epochs)
        return 0
    if not options.python.exists() or not options.zipapp.exists():
        print(f"{options.python} or {options.zipapp} is missing: run `make bench` first.", file=sys.stderr)
        return 2
    lines = measured(options)
    ratios = [line["with_s"] / line["without_s"] for line in lines]
    low, high = interval(ratios)
    share = statistics.median(line["share_of_core"] for line in lines)
    others = [line["others_share"] for line in lines if line["others_share"] is not None]
    print(
        f"{options.workload}: {len(lines)} pairs of {statistics.median(line['without_s'] for line in lines):.2f} s, "
        f"ratio {statistics.median(ratios):.4f}, 95 % interval {low:.4f} to {high:.4f} (at most {BOUND})"
    )
    cpu_ratios = [line["with_cpu_s"] / line["without_cpu_s"] for line in lines]
    cpu_low, cpu_high = interval(cpu_ratios)
    print(
        f"CPU time of the training: ratio {statistics.median(cpu_ratios):.4f}, 95 % interval {cpu_low:.4f} to "
        f"{cpu_high:.4f}"
    )
    print(
        f"the sampler used {100 * share:.3f} % of one core, {100 * share / (os.cpu_count() or 1):.3f} % of "
        f"{os.cpu_count()}; others used {100 * statistics.median(others):.0f} % of the CPU meanwhile"
        if others
        else f"the sampler used {100 * share:.3f} % of one core"
    )
    code = verdict(low, high)
    words = {
        0: f"at most {BOUND}: shown",
        1: f"above {BOUND}",
        UNDECIDED: "not decided: a quieter machine or more --pairs",
    }
    print(words[code])
    return code


if __name__ == "__main__":
    sys.exit(main())
