"""``make perf-report``: medians of 450,000 records by the reporter, and by Python's standard library.

Both read the same folder, 10,000 hosts' files with 9 workloads × 5 repeats each, in processes of their own and
one after the other; the medians of both are compared. Exits with 1 where the reporter takes more than 2 s, 500 MB or
a fifth of the standard library's time.
"""

import argparse
import csv
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WALL_BOUND_S, MEMORY_BOUND_BYTES, RATIO_BOUND = 2.0, 500_000_000, 5.0
QUERY = """\
SELECT host, workload, train_total_s AS first, quality AS second FROM medians
UNION ALL
SELECT host, workload, median(throughput_per_s), median(quality) FROM inferences GROUP BY host, workload;
"""


@dataclass(frozen=True)
class Cost:
    """What a process took: wall-clock and CPU seconds, and the most memory it held."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def templates() -> list[tuple[str, dict[str, Any]]]:
    """Return a valid record of each workload."""
    from tests.unit.report.conftest import WORKLOADS, Maker  # the tests' own, not needed by the peer

    make = Maker()
    return [(name, make.run(name, profile="paper")) for name in WORKLOADS] + [("kws", make.inference())]


def generate(folder: Path, hosts: int, repeats: int, hosts_a_file: int = 1) -> int:
    """Write the records of ``hosts`` hosts, files of ``hosts_a_file`` hosts each; return their bytes."""
    chance = random.Random(20190612)
    forms = []
    for _, record in templates():
        record.update(host="HOST", repeat="REPEAT", session="SESSION")
        if record["record"] == "run":
            record["times"].update(train_s="FIRST", build_s=0.5)
        else:
            record["throughput_per_s"] = "FIRST"
        record["quality"]["value"] = "SECOND"
        forms.append(json.dumps(record, sort_keys=True, ensure_ascii=False))
    written = 0
    for number in range(hosts):
        lines = []
        session = f"{number:012x}"
        for repeat in range(1, repeats + 1):
            for form in forms:
                line = form.replace('"HOST"', f'"edge-{number:05d}"').replace('"REPEAT"', str(repeat))
                line = line.replace("SESSION", session).replace('"FIRST"', f"{chance.uniform(1, 500):.4f}")
                lines.append(line.replace('"SECOND"', f"{chance.uniform(0.5, 1):.6f}"))
        content = "\n".join(lines) + "\n"
        written += len(content)
        with (folder / f"edge-{number // hosts_a_file:05d}.jsonl").open("a", encoding="utf-8") as handle:
            handle.write(content)
    return written


def by_standard_library(folder: Path) -> Iterator[tuple[str, str, float, float]]:
    """Yield host, workload and two medians of each measurement, as a script of twenty lines does."""
    groups: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as handle:
            for line in handle:
                record = json.loads(line)
                if record["status"] != "ok":
                    continue
                sizes, data, framework = record.get("sizes", {}), record["data"], record["framework"]
                key = (
                    *(record[each] for each in ("host", "workload", "profile", "variant")),
                    *(framework[each] for each in ("name", "version", "keras", "numpy", "python")),
                    *(sizes.get(each) for each in ("train_samples", "test_samples", "epochs", "batch")),
                    *(data[each] for each in ("synthetic", "sha256", "input")),
                    *(record["threads"][each] for each in ("intra", "inter")),
                    *(record.get("precision"), record["device"]["kind"], json.dumps(record["options"])),
                )
                if record["record"] == "run":
                    times = record["times"]
                    first = times["build_s"] + times["train_s"]
                else:
                    first = record["throughput_per_s"]
                groups.setdefault(key, []).append((first, record["quality"]["value"]))
    for key, values in groups.items():
        first, second = (statistics.median(each) for each in zip(*values, strict=True))
        yield key[0], key[1], first, second


def measured(command: list[str | Path], output: Path) -> Cost:
    """Run a command with its output in a file. Raises SystemExit where it fails."""
    with output.open("wb") as target:
        started = time.monotonic()
        process = subprocess.Popen(
            command, stdout=target, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command}: exit code {process.returncode}")
    return Cost(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def medians(path: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """Read what either printed."""
    with path.open(newline="") as handle:
        return {(row[0], row[1]): (float(row[2]), float(row[3])) for row in list(csv.reader(handle))[1:]}


def told(name: str, cost: Cost) -> None:
    """Print what a process took."""
    print(
        f"{name:<34} {cost.wall_s:6.2f} s  {cost.cpu_s:6.2f} CPU s  {cost.peak_bytes / 1e6:6.0f} MB",
        flush=True,
    )


def aggregated(scratch: Path, hosts: int, turns: int, hosts_a_file: int) -> list[str]:
    """Measure both, print it, and return what is beyond the bounds."""
    records = scratch / "records"
    records.mkdir()
    size = generate(records, hosts, 5, hosts_a_file)
    print(
        f"{hosts * 9 * 5} records of {hosts} hosts, {size / 1e6:.0f} MB of JSON lines, load {os.getloadavg()[0]:.1f}"
    )
    query, ours, theirs = (scratch / name for name in ("query.sql", "ours.csv", "theirs.csv"))
    query.write_text(QUERY, "utf-8")
    report: list[str | Path] = [sys.executable, "-m", "edgebench_report", "aggregate"]
    costs, peers = [], []
    for _ in range(turns):
        costs.append(measured([*report, records, "--sql", query], ours))
        told("edgebench-report aggregate", costs[-1])
        peers.append(measured([sys.executable, __file__, "--peer", records], theirs))
        told("the standard library", peers[-1])
    one, other = medians(ours), medians(theirs)
    if one.keys() != other.keys() or len(one) != hosts * 9:
        raise SystemExit(f"the two do not agree: {len(one)} and {len(other)} medians")
    for key, values in one.items():
        if not all(map(math.isclose, values, other[key])):
            raise SystemExit(f"the two do not agree: {key}: {values} and {other[key]}")
    wall_s = statistics.median(each.wall_s for each in costs)
    ratio = statistics.median(peer.wall_s / own.wall_s for peer, own in zip(peers, costs, strict=True))
    cpu_ratio = statistics.median(peer.cpu_s / own.cpu_s for peer, own in zip(peers, costs, strict=True))
    peak_bytes = max(each.peak_bytes for each in costs)
    print(
        f"{wall_s:.2f} s (bound {WALL_BOUND_S:g}), {peak_bytes / 1e6:.0f} MB (bound {MEMORY_BOUND_BYTES / 1e6:.0f}), "
        f"{ratio:.1f} times as fast as the standard library (bound {RATIO_BOUND:g}), by CPU time {cpu_ratio:.1f} times"
    )
    beyond = {
        "time": wall_s > WALL_BOUND_S,
        "memory": peak_bytes > MEMORY_BOUND_BYTES,
        "ratio": ratio < RATIO_BOUND,
    }
    return [name for name, is_beyond in beyond.items() if is_beyond]


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=10_000, help="hosts (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="turns of both (default: %(default)s)")
    parser.add_argument("--hosts-a-file", type=int, default=1, help="hosts in a file (default: %(default)s)")
    parser.add_argument("--peer", type=Path, metavar="DIR", help="print the medians by the standard library")
    options = parser.parse_args()
    if options.peer:
        writer = csv.writer(sys.stdout)
        writer.writerow(("host", "workload", "first", "second"))
        writer.writerows(by_standard_library(options.peer))
        return 0
    with tempfile.TemporaryDirectory(prefix="edgebench-") as scratch:
        beyond = aggregated(Path(scratch), options.hosts, options.turns, options.hosts_a_file)
    print("Within the bounds." if not beyond else f"Beyond the bounds: {', '.join(beyond)}")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
