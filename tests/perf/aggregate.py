"""``make perf-report``: medians of 450,000 records by the reporter, and by Python's standard library.

Both read the same folder, 10,000 hosts' files with 9 workloads × 5 repeats each, in processes of their own and
one after the other, take the newest attempt of each run, and the medians of both are compared. Then the same of half
of the hosts, whose records have telemetry, as `edgebench run` writes them unless told not to. Exits with 1 where the
reporter takes more than 2 s for 360 MB (the size that 450,000 records were thought to have; they have twice that, and
with telemetry nine times), 500 MB of memory or a fifth of the standard library's time.
"""

import argparse
import copy
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
WALL_BOUND_S_PER_BYTE, MEMORY_BOUND_BYTES, RATIO_BOUND = 2.0 / 360e6, 500_000_000, 5.0
QUERY = """\
SELECT host, workload, train_total_s AS first, quality AS second FROM medians
UNION ALL
SELECT host, workload, median(throughput_per_s), median(quality) FROM inferences GROUP BY host, workload;
"""
# TensorFlow, Keras, NumPy, Python of the fleet's hosts, each on two and on four cores.
STACKS = (("2.21.0", "3.15.1", "2.4.6", "3.11.9"), ("1.15.5", "2.3.1", "1.18.5", "3.6.9"))
# Of so many hosts one had to do a run again.
RETRIED = 50
SAMPLED_S = 4.0


@dataclass(frozen=True)
class Cost:
    """What a process took: wall-clock and CPU seconds, and the most memory it held."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def observed(scratch: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Sample this machine for some seconds; return ``telemetry`` of a record and why parts of it are null."""
    from edgebench.telemetry import sampling, summary

    series = scratch / "series.jsonl"
    with sampling.Sampling(str(series)) as taken:
        started_s = time.monotonic()
        time.sleep(SAMPLED_S)
    if taken.reason is not None:
        raise SystemExit(f"no telemetry: {taken.reason}")
    telemetry, missing = summary.of_file(str(series), {"train": (started_s, time.monotonic())}, "train")
    return telemetry, missing


def templates(scratch: Path, is_observed: bool) -> list[dict[str, Any]]:
    """Return a record of each workload."""
    from tests.unit.report.conftest import WORKLOADS, Maker  # the tests' own, not needed by the peer

    make = Maker()
    telemetry, missing = observed(scratch) if is_observed else (None, {"telemetry": "not asked for"})
    same: dict[str, Any] = {"schema": 2, "profile": "paper", "telemetry": telemetry, "missing": missing}
    return [*(make.run(name, **same) for name in WORKLOADS), make.inference(**same)]


def forms(scratch: Path, is_observed: bool) -> list[list[str]]:
    """Return for each stack the lines of the workloads, with words where hosts and repeats differ.

    Raises SystemExit where one is no valid record.
    """
    from edgebench_report.load import Validator

    validator, plain = Validator(), templates(scratch, is_observed)
    result = []
    for version, keras, numpy, python in STACKS:
        for cores in (2, 4):
            lines = []
            for record in copy.deepcopy(plain):
                record["framework"].update(version=version, keras=keras, numpy=numpy, python=python)
                record["threads"].update(intra=cores)
                problem = validator.problem(record["workload"], record)
                if problem is not None:
                    raise SystemExit(f"the generator's record: {problem}")
                record.update(host="HOST", repeat="REPEAT", session="SESSION", attempt="ATTEMPT")
                if record["record"] == "run":
                    record["times"].update(train_s="FIRST", build_s=0.5)
                else:
                    record["throughput_per_s"] = "FIRST"
                record["quality"]["value"] = "SECOND"
                lines.append(json.dumps(record, sort_keys=True, ensure_ascii=False))
            result.append(lines)
    return result


def generate(
    folder: Path, hosts: int, repeats: int, hosts_a_file: int = 1, is_observed: bool = False
) -> tuple[int, int]:
    """Write the records of ``hosts`` hosts, files of ``hosts_a_file`` hosts each; return their number and bytes."""
    chance = random.Random(20190612)
    stacks = forms(folder.parent, is_observed)
    records = written = 0
    for number in range(hosts):
        lines = []
        wanted = [(repeat, 1) for repeat in range(1, repeats + 1)]
        wanted += [(1, 2)] if number % RETRIED == 0 else []
        for repeat, attempt in wanted:
            for form in stacks[number % len(stacks)]:
                line = form.replace('"HOST"', f'"edge-{number:05d}"').replace('"REPEAT"', str(repeat))
                line = line.replace("SESSION", f"{number:012x}").replace('"ATTEMPT"', str(attempt))
                line = line.replace('"FIRST"', f"{chance.uniform(1, 500):.4f}")
                lines.append(line.replace('"SECOND"', f"{chance.uniform(0.5, 1):.6f}"))
        records += len(lines)
        content = "\n".join(lines) + "\n"
        written += len(content.encode())
        with (folder / f"edge-{number // hosts_a_file:05d}.jsonl").open("a", encoding="utf-8") as handle:
            handle.write(content)
    return records, written


def by_standard_library(folder: Path) -> Iterator[tuple[str, str, float, float]]:
    """Yield host, workload and two medians of each measurement, as a script of forty lines does."""
    newest: dict[tuple[Any, ...], tuple[int, tuple[Any, ...], float, float] | tuple[int]] = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as handle:
            for line in handle:
                record = json.loads(line)
                attempt, options = record["attempt"], json.dumps(record["options"], sort_keys=True)
                asked = (
                    *(
                        record[each]
                        for each in ("host", "workload", "profile", "variant", "run_id", "repeat")
                    ),
                    *(options, record.get("precision"), record["threads"]["intra"]),
                )
                if record["record"] == "inference":
                    model = record["model"]
                    asked += (record["engine"]["name"], model["id"], model["form"])
                if asked in newest and newest[asked][0] > attempt:
                    continue
                if record["status"] != "ok":
                    newest[asked] = (attempt,)
                    continue
                sizes, data, framework = record.get("sizes", {}), record["data"], record["framework"]
                key = (
                    *(record[each] for each in ("host", "workload", "profile", "variant")),
                    *(framework[each] for each in ("name", "version", "keras", "numpy", "python")),
                    *(sizes.get(each) for each in ("train_samples", "test_samples", "epochs", "batch")),
                    *(data[each] for each in ("synthetic", "sha256", "input")),
                    *(record["threads"][each] for each in ("intra", "inter")),
                    *(record.get("precision"), record["device"]["kind"], options, *asked[9:]),
                )
                if record["record"] == "run":
                    times = record["times"]
                    first = times["build_s"] + times["train_s"]
                else:
                    first = record["throughput_per_s"]
                newest[asked] = (attempt, key, first, record["quality"]["value"])
    groups: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for each in newest.values():
        if len(each) > 1:
            _, key, first, second = each
            groups.setdefault(key, []).append((first, second))
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


def told(name: str, cost: Cost, size_bytes: int) -> None:
    """Print what a process took."""
    print(
        f"{name:<34} {cost.wall_s:6.2f} s  {cost.wall_s / size_bytes * 1e8:5.2f} s a 100 MB  {cost.cpu_s:6.2f} CPU s  "
        f"{cost.peak_bytes / 1e6:6.0f} MB",
        flush=True,
    )


def aggregated(scratch: Path, hosts: int, turns: int, hosts_a_file: int, is_observed: bool) -> list[str]:
    """Measure both, print it, and return what is beyond the bounds."""
    folder = scratch / "records"
    folder.mkdir()
    records, size_bytes = generate(folder, hosts, 5, hosts_a_file, is_observed)
    form = "with" if is_observed else "without"
    print(
        f"{records} records of {hosts} hosts {form} telemetry, {size_bytes / 1e6:.0f} MB of JSON lines, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    query, ours, theirs = (scratch / name for name in ("query.sql", "ours.csv", "theirs.csv"))
    query.write_text(QUERY, "utf-8")
    report: list[str | Path] = [sys.executable, "-m", "edgebench_report", "aggregate"]
    costs, peers = [], []
    for _ in range(turns):
        costs.append(measured([*report, folder, "--sql", query], ours))
        told("edgebench-report aggregate", costs[-1], size_bytes)
        peers.append(measured([sys.executable, __file__, "--peer", folder], theirs))
        told("the standard library", peers[-1], size_bytes)
    one, other = medians(ours), medians(theirs)
    if one.keys() != other.keys() or len(one) != hosts * 9:
        raise SystemExit(f"the two do not agree: {len(one)} and {len(other)} medians")
    for key, values in one.items():
        if not all(map(math.isclose, values, other[key])):
            raise SystemExit(f"the two do not agree: {key}: {values} and {other[key]}")
    wall_s = statistics.median(each.wall_s for each in costs)
    bound_s = WALL_BOUND_S_PER_BYTE * size_bytes
    ratio = statistics.median(peer.wall_s / own.wall_s for peer, own in zip(peers, costs, strict=True))
    cpu_ratio = statistics.median(peer.cpu_s / own.cpu_s for peer, own in zip(peers, costs, strict=True))
    peak_bytes = max(each.peak_bytes for each in costs)
    print(
        f"{wall_s:.2f} s (bound {bound_s:.2f}: 2 s for 360 MB), {peak_bytes / 1e6:.0f} MB "
        f"(bound {MEMORY_BOUND_BYTES / 1e6:.0f}), {ratio:.1f} times as fast as the standard library "
        f"(bound {RATIO_BOUND:g}), by CPU time {cpu_ratio:.1f} times"
    )
    beyond = {
        "time": wall_s > bound_s,
        "memory": peak_bytes > MEMORY_BOUND_BYTES,
        "ratio": ratio < RATIO_BOUND,
    }
    return [f"{name} {form} telemetry" for name, is_beyond in beyond.items() if is_beyond]


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
    beyond = []
    for hosts, is_observed in ((options.hosts, False), (max(1, options.hosts // 2), True)):
        with tempfile.TemporaryDirectory(prefix="edgebench-") as scratch:
            beyond += aggregated(Path(scratch), hosts, options.turns, options.hosts_a_file, is_observed)
    print("Within the bounds." if not beyond else f"Beyond the bounds: {', '.join(beyond)}")
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
