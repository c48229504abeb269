"""Kills runner, controller and host at random during one campaign of runs, and looks what is left.

    python -m tests.faults.campaign [--kills 100] [--repeats 12] [--seed N]

For each of two hosts of the lab a bench.yml goes on at any time. Something of it is killed after a chance number of
seconds; whatever ends before its work is done is started again as a person would, with the same run id. In the end:

- every record that a playbook said was written, or that once lay on the controller, is there, to the byte;
- no run has two records, and none is missing;
- the report on each run, with the times of a run that nobody disturbed put in, is that run's report to the byte.
"""

import argparse
import functools
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from lab.errors import LabError
from tests.faults import fleet, ledger
from tests.faults.fleet import Board

HOSTS = ("Merry", "Pippin")
UNDER_WAY = ", apart from this connection."
KINDS = ("runner", "everything of a run", "controller", "host: power", "host: reboot")
WEIGHTS = (25, 5, 25, 35, 10)
LONGEST_S = 14.0
# Of ten kills, this many wait until a run is under way; the others come at any time of a playbook.
DURING_RUNS = 0.8
# What was measured in seconds, bytes and watts, and what names a run and its sessions.
VARYING = (
    "run_id",
    "session",
    "started_utc",
    "finished_utc",
    "times",
    "memory",
    "telemetry",
    "warnings",
    "missing",
)


def _is_under_way(play: fleet.Playbook) -> bool:
    return UNDER_WAY in play.said


class Victim:
    """One host with its playbooks: what was done to it, and what it said."""

    def __init__(self, name: str, folder: Path, repeats: int, chance: Random, budget: "Budget") -> None:
        self.board = Board(name)
        self.folder, self.repeats, self.chance, self.budget = folder, repeats, chance, budget
        self.results = folder / "results"
        self.kills: Counter[str] = Counter()
        self.said: dict[str, set[tuple[str, str, int]]] = {}
        self.earlier: dict[str, bytes] = {}
        self.playbooks = 0
        self.broken: list[str] = []

    def go(self) -> None:
        """Do one run after the other, disturbed, until there is nobody left to kill."""
        number = 0
        while self.budget.left():
            number += 1
            self._run(f"k{number:02d}-{self.board.name}")

    def _run(self, run_id: str) -> None:
        said = self.said.setdefault(run_id, set())
        while True:
            self.playbooks += 1
            play = fleet.bench(self.folder, self.board.name, run_id, self.repeats, self.results)
            while play.ended() is None:
                if self.chance.random() < DURING_RUNS:
                    play.wait_until(functools.partial(_is_under_way, play), 1800)
                deadline = time.monotonic() + self.chance.uniform(0.5, LONGEST_S)
                while play.ended() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
                if play.ended() is None and self.budget.left():
                    self._kill(play)
                elif not self.budget.left():
                    play.wait(1800)
            said |= fleet.finished(play.said)
            self._look(run_id)
            if play.ended() == 0:
                return

    def _kill(self, play: fleet.Playbook) -> None:
        kind = self.chance.choices(KINDS, WEIGHTS)[0]
        if not self.budget.take():
            return
        try:
            done = self._killed(kind, play)
        except (RuntimeError, LabError, subprocess.TimeoutExpired) as error:
            self.broken.append(f"{kind}: {error}")
            done = False
        if done:
            self.kills[kind] += 1
            print(f"{self.board.name}: {kind} ({self.budget.done()})", flush=True)
        else:
            self.budget.give_back()

    def _killed(self, kind: str, play: fleet.Playbook) -> bool:
        if kind == "controller":
            play.kill()
        elif kind == "host: power":
            self.board.cut_power()
        elif kind == "host: reboot":
            self.board.reboot()
        else:
            pid = self.board.runner()
            if pid is None:
                return False
            session = f"-s $(ps -o sid= -p {pid})"
            victim = f"kill -KILL {pid}" if kind == "runner" else f"pkill -KILL {session}"
            return bool(self.board.shell(f"{victim} && echo done", check=False))
        return True

    def _look(self, run_id: str) -> None:
        """Hold the controller's records against what they were: they may only have grown."""
        path = self.results / run_id / f"{self.board.name}.jsonl"
        now = path.read_bytes() if path.exists() else b""
        if not now.startswith(self.earlier.get(run_id, b"")):
            self.broken.append(
                f"{run_id}: the controller's records are not a continuation of the earlier ones"
            )
        self.earlier[run_id] = now


class Budget:
    """How many kills are left, for all hosts together; none when the time for them is over."""

    def __init__(self, kills: int, limit_s: float) -> None:
        self._kills, self._done, self._lock = kills, 0, threading.Lock()
        self._end = time.monotonic() + limit_s

    def take(self) -> bool:
        """Take one, if there is one."""
        with self._lock:
            if not self.left():
                return False
            self._done += 1
            return True

    def give_back(self) -> None:
        """Give one back that was not used."""
        with self._lock:
            self._done -= 1

    def left(self) -> bool:
        """Return whether there are any."""
        return self._done < self._kills and time.monotonic() < self._end

    def done(self) -> str:
        """Return how many were used, of how many."""
        return f"{self._done}/{self._kills}"


def check(victim: Victim) -> tuple[int, int, list[str]]:
    """Return how many records were reported, how many of them are lost, and in words all that is wrong."""
    reported = lost = 0
    wrong = list(victim.broken)
    for run_id, said in victim.said.items():
        path = victim.results / run_id / f"{victim.board.name}.jsonl"
        content = path.read_bytes() if path.exists() else b""
        if content != victim.board.records(run_id):
            wrong.append(f"{run_id}: host and controller have different records")
        runs = [each for each in map(json.loads, content.splitlines()) if each["record"] == "run"]
        there = Counter((each["host"], each["workload"], each["repeat"]) for each in runs)
        wrong += [f"{run_id}: {each} has {count} records" for each, count in there.items() if count > 1]
        wrong += [
            f"{run_id}: {each['repeat']} is {each['status']}" for each in runs if each["status"] != "ok"
        ]
        missing = said - set(there)
        wrong += [f"{run_id}: {each} was reported and is lost" for each in missing]
        if len(there) != victim.repeats:
            wrong.append(f"{run_id}: {len(there)} records, expected {victim.repeats}")
        reported += len(said)
        lost += len(missing)
    return reported, lost, wrong


def report(folder: Path, run_id: str, like: str | None = None) -> dict[str, bytes]:
    """Build the report on a run and return its files.

    With the run ``like``, what was measured in seconds, bytes and watts is taken from that run's record of the same
    repeat, and the names of runs and sessions with it: all the rest is the run's own.
    """
    lines = _lines(folder, run_id)
    if like is not None:
        measured = {each["repeat"]: each for each in _lines(folder, like) if each["record"] == "run"}
        own = [
            {**each, **_of(measured[each["repeat"]], VARYING)} for each in lines if each["record"] == "run"
        ]
        # A host is described once a session, and there are as many of these as it was interrupted.
        lines = [each for each in _lines(folder, like) if each["record"] == "host"] + own
    out = folder / "reports" / run_id
    shutil.rmtree(out, ignore_errors=True)
    records = out / "records.jsonl"
    records.parent.mkdir(parents=True)
    ordered = sorted(lines, key=lambda each: (each["record"], each.get("repeat", 0)))
    records.write_text("".join(json.dumps(each, sort_keys=True) + "\n" for each in ordered))
    program = Path(sys.executable).with_name("edgebench-report")
    # By the same name for all of them, for the report names what it was made of.
    command = [str(program), "build", "records.jsonl", "--out", "report", "--quiet"]
    subprocess.run(command, cwd=out, check=True, capture_output=True)
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def _lines(folder: Path, run_id: str) -> list[dict[str, Any]]:
    (path,) = (folder / "results" / run_id).glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def _of(record: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: record[name] for name in names if name in record}


def main() -> int:
    """Run the campaign; 1 where anything was lost, doubled, or reported otherwise."""
    parser = argparse.ArgumentParser(description="Kill at random, go on, and look what is lost.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--minutes", type=float, default=600, help="no kill after so many minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--folder", type=Path, help="where everything of it is kept (default: a temporary one)"
    )
    parser.add_argument("--slug", default="random-kills", help="name of the file of results")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="edgebench-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "results", ignore_errors=True)
    print(f"seed {given.seed}, all of it in {folder}", flush=True)
    fleet.provision(folder, HOSTS[0], [*HOSTS[1:], *fleet.OTHERS])
    for name in HOSTS:
        Board(name).shell(f"rm -rf {fleet.HOME}/results/*")
    begin = time.monotonic()
    budget = Budget(given.kills, 60 * given.minutes)
    victims = [
        Victim(name, folder, given.repeats, fleet.generator(given.seed + number), budget)
        for number, name in enumerate(HOSTS)
    ]
    threads = [threading.Thread(target=victim.go) for victim in victims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.monotonic() - begin
    wrong: list[str] = []
    reported = lost = 0
    for victim in victims:
        quiet = f"quiet-{victim.board.name}"
        play = fleet.bench(folder, victim.board.name, quiet, given.repeats, victim.results)
        if play.wait(1800) != 0:
            wrong.append(f"{quiet}: the undisturbed run failed, see {play.log}")
            continue
        found = check(victim)
        reported, lost, wrong = reported + found[0], lost + found[1], wrong + found[2]
        undisturbed = report(folder, quiet)
        for run_id in victim.said:
            disturbed = report(folder, run_id, like=quiet)
            wrong += [
                f"{run_id}: {name} differs from an undisturbed run's"
                for name in sorted({*undisturbed, *disturbed})
                if disturbed.get(name) != undisturbed.get(name)
            ]
    kills = sum((victim.kills for victim in victims), Counter())
    print(f"kills: {dict(kills)}; {took_s:.0f} s", *wrong, sep="\n", flush=True)
    runs = sum(len(victim.said) for victim in victims)
    playbooks = sum(victim.playbooks for victim in victims)
    if not wrong:
        ledger.keep(
            given.slug,
            10,
            ledger.Trials(
                fault="runner, controller or host killed at random",
                injected=f"in {runs} runs of {given.repeats} on {len(HOSTS)} lab hosts: SIGKILL of the runner's suite, "
                "of all processes of a run, of ansible-playbook; containers killed as a whole; reboots",
                trials=sum(kills.values()),
                reported=reported,
                lost=lost,
                seen="the same command goes on; a host that was down takes its run up by itself; the reports equal "
                "an undisturbed run's but for times",
                notes="compared byte by byte, with the undisturbed run's times put in. A container that is killed "
                "loses its processes, not its kernel's cache of the disk; for that see the power cuts below",
                counts={**dict(kills), "playbooks": playbooks, "seed": given.seed},
            ),
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
