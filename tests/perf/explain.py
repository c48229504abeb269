"""``make perf-explain``: whether explanations hold on this machine, over the eight workloads in one run.

Runs ``edgebench explain`` and reads its records. Exits with 1 when the parts of
a step miss a real training by more than 10 %, or a batch that the fit left out
is predicted more than 15 % off, for any workload.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".edgebench"
SUM_BOUND, PREDICTION_BOUND = 0.10, 0.15


def explanations(options: argparse.Namespace, out: Path) -> list[dict[str, Any]]:
    """Explain and return the records."""
    command: list[str | Path] = [options.python, options.zipapp, "explain", "--data", "synthetic"]
    command += ["--run-id", "perf-explain", "--host", "perf", "--out", out, "--budget", str(options.budget)]
    command += ["-w", *options.workload] if options.workload else []
    command += ["--peaks", options.peaks] if options.peaks else []
    done = subprocess.run(command, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.returncode)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    return [each for each in found if each["record"] == "explanation"]


def main() -> int:
    """Measure, print one line a workload, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--python", type=Path, default=HOME / "venv/bin/python", help="Python with the framework"
    )
    parser.add_argument("--zipapp", type=Path, default=HOME / "edgebench.pyz", help="the runner")
    parser.add_argument("--budget", type=int, default=180, help="seconds a workload (default: %(default)s)")
    parser.add_argument("--peaks", type=Path, help="file with peaks, instead of measuring them")
    parser.add_argument("--out", type=Path, help="keep the records in this file, and go on with it")
    parser.add_argument("-w", "--workload", nargs="+", metavar="NAME")
    options = parser.parse_args()
    if not options.python.exists() or not options.zipapp.exists():
        print(f"{options.python} or {options.zipapp} is missing: run `make bench` first.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        found = explanations(options, options.out or Path(folder) / "perf.jsonl")
    missed = 0
    heads = ("parts / training", "worst prediction", "worst residual", "by CPU time")
    print(f"{'workload':<14} " + " ".join(f"{each:>16}" for each in heads) + "  others' CPU")
    for each in found:
        if each["status"] != "ok":
            print(f"{each['workload']:<14} {each['status']}: {each['reason']}")
            missed += 1
            continue
        checks = each["checks"]
        off = checks["prediction_error"]
        holds = abs(checks["sum_error"]) <= SUM_BOUND and off is not None and off <= PREDICTION_BOUND
        missed += not holds
        print(
            f"{each['workload']:<14} {1 + checks['sum_error']:>16.3f} "
            f"{'-' if off is None else f'{100 * off:.1f} %':>16} {100 * each['curve']['worst_residual']:>14.1f} %"
            f" {1 + checks['cpu_sum_error']:>7.3f} {100 * (checks['cpu_prediction_error'] or 0):>6.1f} %"
            f"  {100 * (each['measured']['others_cpu_share'] or 0):.0f} %{'' if holds else '  MISSED'}"
        )
    print(
        f"{len(found) - missed} of {len(found)} explanations hold: parts within {100 * SUM_BOUND:.0f} % of a training, "
        f"other batches within {100 * PREDICTION_BOUND:.0f} %"
    )
    return 1 if missed or not found else 0


if __name__ == "__main__":
    sys.exit(main())
