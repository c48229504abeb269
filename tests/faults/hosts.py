"""Faults of links, power, controllers and versions, tried on hosts of the lab.

python -m tests.faults.hosts [link boots away controllers versions …]
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults import fleet, ledger
from tests.faults.campaign import HOSTS
from tests.faults.chosen import chosen
from tests.faults.fleet import HOME, Board
from tests.faults.machine import expect, line_with, lost

ROSIE, FATTY = fleet.OTHERS
LINK_DOWN_S = 150


def lines(path: Path) -> list[bytes]:
    """Return the lines of records on the controller."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def runs(path: Path) -> list[dict[str, Any]]:
    """Return the records of runs."""
    return [each for each in map(json.loads, lines(path)) if each["record"] == "run"]


def whole(path: Path, repeats: int) -> list[dict[str, Any]]:
    """Return the records of runs; stop where not every repeat has one that is ok."""
    found = runs(path)
    there = sorted((each["repeat"], each["status"]) for each in found)
    expect(there == [(repeat, "ok") for repeat in range(1, repeats + 1)], there)
    return found


def begun(play: fleet.Playbook, host: str) -> None:
    """Wait until the host has recorded a run."""
    expect(play.wait_until(lambda: f"{host} | [1/" in play.said, 400), play.said[-3000:])


def link(folder: Path) -> None:
    """The network between controller and host is gone for minutes."""
    results = folder / "results"
    board = Board(ROSIE)
    play = fleet.bench(folder, ROSIE, "link", 12, results)
    begun(play, ROSIE)
    before = len(fleet.finished(play.said))
    subprocess.run(["ip", "link", "set", board.link, "down"], check=True)
    time.sleep(LINK_DOWN_S)
    subprocess.run(["ip", "link", "set", board.link, "up"], check=True)
    expect(play.wait(900) == 0, play.said[-3000:])
    expect("connected again" in play.said, play.said[-3000:])
    found = whole(results / f"link/{ROSIE}.jsonl", 12)
    expect(len({each["session"] for each in found}) == 1, "it was started twice")
    ledger.keep(
        "link",
        40,
        ledger.Trials(
            fault="link dropped for minutes",
            injected=f"the host's network interface taken down for {LINK_DOWN_S} s while bench.yml followed its run",
            trials=1,
            reported=before,
            lost=len(
                fleet.finished(play.said) - {(ROSIE, each["workload"], each["repeat"]) for each in found}
            ),
            seen=line_with(play.said, "connection lost") + " … " + line_with(play.said, "connected again"),
        ),
    )


def boots(folder: Path) -> None:
    """The host loses power in the middle of a run, once more often than it takes the run up by itself."""
    results = folder / "results"
    board = Board(ROSIE)
    play = fleet.bench(folder, ROSIE, "boots", 8, results, bench_resume_boots=1)
    begun(play, ROSIE)
    before = board.records("boots").split(b"\n")[:-1]
    board.cut_power()
    taken_up = "[run-resumed]"
    expect(play.wait_until(lambda: taken_up in play.said, 300), play.said[-3000:])
    seen = line_with(play.said, taken_up)
    play.wait_until(lambda: play.said.rpartition(taken_up)[2].count(": ok ") > 0, 300)
    before_again = board.records("boots").split(b"\n")[:-1]
    board.cut_power()
    expect(play.wait(600) == 2, play.said[-3000:])
    expect("[run-not-resumed]" in play.said, play.said[-3000:])
    expect("[run-lost]" in play.said and "-e bench_run_id=boots" in play.said, play.said[-3000:])
    again = fleet.bench(folder, ROSIE, "boots", 8, results, bench_resume_boots=1)
    expect(again.wait(900) == 0, again.said[-3000:])
    whole(results / f"boots/{ROSIE}.jsonl", 8)
    after = lines(results / f"boots/{ROSIE}.jsonl")
    ledger.keep(
        "boots",
        12,
        ledger.Trials(
            fault="host reboots or loses power in the middle",
            injected="all of a container killed twice in a run that a boot may take up once; see also the first row",
            trials=2,
            reported=len(before_again),
            lost=lost(before, after) + lost(before_again, after),
            seen=f"{seen}; then: {line_with(play.said, '[run-not-resumed]')}",
        ),
    )


def away(folder: Path) -> None:
    """A host goes and stays away; another one goes on. A day later it is back."""
    results = folder / "results"
    options = {
        **fleet.OPTIONS,
        "bench_repeats": 6,
        "bench_run_id": "away",
        "bench_results_dir": str(results),
        "bench_reconnect_s": 20,
    }
    log = folder / "away.log"

    def collect(host: str) -> fleet.Playbook:
        named = json.dumps({"bench_run_id": "away", "bench_results_dir": str(results)})
        return fleet.Playbook("collect.yml", log, "-l", host, "-e", named)

    play = fleet.Playbook("bench.yml", log, "-l", f"{ROSIE},{FATTY}", "-e", json.dumps(options))
    begun(play, FATTY)
    gone = Board(FATTY)
    before = gone.records("away").split(b"\n")[:-1]
    gone.off()
    expect(play.wait(900) == 2, play.said[-3000:])
    whole(results / f"away/{ROSIE}.jsonl", 6)
    page = (results / "away/report/report.md").read_text()
    missing = line_with(page, f"{FATTY} is missing")
    gone.start()
    back = collect(FATTY)
    expect(back.wait(600) == 0, back.said[-3000:])
    # Up again, it went on by itself.
    deadline = time.monotonic() + 300
    while "exit-0" not in gone.shell(f"{HOME}/bin/edgebench-detached poll {FATTY} away 999999"):
        expect(time.monotonic() < deadline, "it does not end")
        time.sleep(1)
    back = collect(FATTY)
    expect(back.wait(600) == 0, back.said[-3000:])
    whole(results / f"away/{FATTY}.jsonl", 6)
    # As a name it stands in the tables now.
    page = (results / "away/report/report.md").read_text()
    expect(not re.search(rf"{FATTY} (is missing|may have)", page), "the report still misses it")
    ledger.keep(
        "away",
        41,
        ledger.Trials(
            fault="host that does not come back",
            injected="one of two hosts switched off in the middle of its run, and on again when bench.yml had ended",
            trials=1,
            reported=len(before),
            lost=lost(before, lines(results / f"away/{FATTY}.jsonl")),
            seen=missing.lstrip("> ").replace("\\", ""),
            notes="the other host's run ends and is reported; collect.yml fetches the rest, and the report is whole",
        ),
    )


def controllers(folder: Path) -> None:
    """Two controllers want the same host."""
    results = folder / "results"
    first = fleet.bench(folder, ROSIE, "ours", 10, results)
    begun(first, ROSIE)
    other = fleet.Playbook(
        "bench.yml",
        folder / "other.log",
        "-l",
        ROSIE,
        "-e",
        json.dumps({**fleet.OPTIONS, "bench_run_id": "theirs", "bench_results_dir": str(folder / "theirs")}),
        environment={"LOGNAME": "anna"},
    )
    expect(other.wait(300) == 2, other.said[-3000:])
    told = re.search(
        r"(another run, ours, is under way .*?) \(started by .*?\), (and .*?)\. ",
        " ".join(other.said.split()),
    )
    if told is None:
        raise SystemExit(other.said[-3000:])
    seen = f"{told[1]} (started by USER on CONTROLLER, TIME), {told[2]}"
    same = fleet.Playbook(
        "bench.yml",
        folder / "same.log",
        "-l",
        ROSIE,
        "-e",
        json.dumps(
            {
                **fleet.OPTIONS,
                "bench_run_id": "ours",
                "bench_repeats": 10,
                "bench_results_dir": str(folder / "same"),
            }
        ),
        environment={"LOGNAME": "anna"},
    )
    expect(same.wait(900) == 0 and first.wait(900) == 0, same.said[-3000:])
    expect("was already under way (started by" in same.said, same.said[-3000:])
    found = whole(results / f"ours/{ROSIE}.jsonl", 10)
    expect(len({each["session"] for each in found}) == 1, "it was started twice")
    expect(
        lines(folder / f"same/ours/{ROSIE}.jsonl") == lines(results / f"ours/{ROSIE}.jsonl"), "they differ"
    )
    said = fleet.finished(first.said) | fleet.finished(same.said)
    ledger.keep(
        "controllers",
        42,
        ledger.Trials(
            fault="two controllers at once",
            injected="a second bench.yml while the first one's run was under way: of another run, and of the same one",
            trials=2,
            reported=len(said),
            lost=len(said - {(ROSIE, each["workload"], each["repeat"]) for each in found}),
            seen=seen,
            notes="of the same run, the second follows; both have the same records",
        ),
    )


def versions(folder: Path) -> None:
    """The runner on the host is another one; its records are of a schema that is not known yet."""
    results = folder / "results"
    board = Board(ROSIE)
    # A runner of another version is at work.
    board.shell(f"printf '# another version\\n' >> {HOME}/bin/edgebench-detached")
    play = fleet.bench(folder, ROSIE, "versions", 8, results)
    expect(play.wait(900) == 0, play.said[-3000:])
    expect("another version" not in board.shell(f"cat {HOME}/bin/edgebench-detached"), "it was not replaced")
    before = board.records("versions").split(b"\n")[:-1]
    more = fleet.bench(folder, ROSIE, "versions", 16, results)
    expect(more.wait_until(lambda: f"{ROSIE} | [1/8]" in more.said, 300), more.said[-3000:])
    board.shell(f"printf '# another version\\n' >> {HOME}/bin/edgebench-detached")
    provisioned = fleet.Playbook("provision.yml", folder / "provision.log", "-l", ROSIE, "--tags", "runner")
    provisioned.wait(300)
    expect("[runner-in-use]" in provisioned.said, provisioned.said[-3000:])
    expect("the run versions" in " ".join(provisioned.said.split()), provisioned.said[-3000:])
    expect(
        "another version" in board.shell(f"cat {HOME}/bin/edgebench-detached"), "it was replaced under a run"
    )
    expect(more.wait(900) == 0, more.said[-3000:])
    whole(results / f"versions/{ROSIE}.jsonl", 16)
    gone = lost(before, lines(results / f"versions/{ROSIE}.jsonl"))
    # A record of tomorrow's edgebench.
    record = json.loads(before[-1])
    record["schema"] = 3
    path = f"{HOME}/results/tomorrow/{ROSIE}.jsonl"
    record["run_id"] = "tomorrow"
    line = json.dumps(record)
    board.shell(f"install -d -o edgebench {HOME}/results/tomorrow && cat > {path} <<'END'\n{line}\nEND\n")
    board.shell(f"chown edgebench {path}")
    newer = fleet.bench(folder, ROSIE, "tomorrow", 1, results)
    expect(newer.wait(600) == 2, newer.said[-3000:])
    seen = line_with(newer.said, "written by a newer edgebench").partition("| ")[2] or line_with(
        newer.said, "written by a newer edgebench"
    )
    expect(board.records("tomorrow").decode().strip() == line, "the file was changed")
    ledger.keep(
        "versions",
        70,
        ledger.Trials(
            fault="out-of-date runner or schema on the host",
            injected="the host's runner changed before a run and during one; a records file of schema version 3",
            trials=3,
            reported=len(before) + 1,
            lost=gone,
            seen=seen.strip(),
            notes="a host gets the controller's runner before a run; one that is at work is not replaced",
        ),
    )


TRIALS: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (link, boots, away, controllers, versions)
}


def main() -> int:
    """Try all faults of hosts, or those named."""
    names = chosen("Try faults on hosts of the lab.", TRIALS)
    folder = Path(tempfile.mkdtemp(prefix="edgebench-faults-"))
    print(f"all of it in {folder}", flush=True)
    fleet.provision(folder, HOSTS[0], [*HOSTS[1:], *fleet.OTHERS])
    for name in names:
        for host in fleet.OTHERS:
            Board(host).shell(f"rm -rf {HOME}/results/* {HOME}/*.resume")
        each = folder / name
        each.mkdir()
        TRIALS[name](each)
    return 0


if __name__ == "__main__":
    sys.exit(main())
