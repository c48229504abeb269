"""Faults of disks, memory and clocks, tried on this machine.

    python -m tests.faults.machine [full readonly power prefix neighbour clock …]

The real runner with a real TensorFlow, below a home of its own; needs root for file systems and control groups.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.faults import fleet, ledger
from tests.faults.chosen import chosen
from tests.faults.disks import Disk, mounted
from tests.stacks.conftest import stack_python

STACK = "py36-tf1.5.0"
MIB = 2**20
WORK = ["--data", "synthetic", "--threads", "1", "-w", "imdb_embedded"]
# Appends real records for ever and tells each one after it was written.
WRITER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from edgebench import records
record = json.loads(sys.stdin.readline())
file = records.RecordFile(sys.argv[2])
while True:
    record["repeat"] += 1
    file.append(record)
    print(record["repeat"], flush=True)
"""
# Takes the memory that it is told, and keeps it.
HOG = """
import sys, time
kept = bytearray(int(sys.argv[1]))
kept[::4096] = b"x" * len(kept[::4096])
time.sleep(600)
"""
# Opens a file as the next run does, and tells what it finds.
READER = """
import sys
sys.path.insert(0, sys.argv[1])
from edgebench import records
file = records.RecordFile(sys.argv[2])
print(*[each["repeat"] for each in file.records])
file.close()
"""


class Home:
    """A home of edgebench with the real launcher's place taken by one for a stack of the tests."""

    def __init__(self, folder: Path, zipapp: Path, run_id: str = "r1") -> None:
        self.folder, self.run_id = folder, run_id
        (folder / "bin").mkdir(parents=True)
        shutil.copy(ledger.ROOT / "roles/runner/files/edgebench-detached", folder / "bin")
        (folder / "bin/edgebench-detached").chmod(0o755)
        launcher = folder / "bin/edgebench"
        launcher.write_text(
            f'#!/bin/sh\nEDGEBENCH_HOME={folder}\nexport EDGEBENCH_HOME\nexec {stack_python(STACK)} {zipapp} "$@"\n'
        )
        launcher.chmod(0o755)
        self.out = folder / "results" / run_id / "nano.jsonl"

    def arguments(self, repeats: int, *more: str) -> list[str]:
        """Return the arguments of a run."""
        named = ["run", "--run-id", self.run_id, "--host", "nano", "--progress", "plain"]
        return [*named, "--repeats", str(repeats), *more, *WORK]

    def run(self, repeats: int, *more: str, **options: Any) -> tuple[int, str]:
        """Run to the end; return exit code and what was said."""
        process = self.start(repeats, *more, **options)
        said, _ = process.communicate(timeout=900)
        return process.returncode, said

    def start(self, repeats: int, *more: str, **options: Any) -> "subprocess.Popen[str]":
        """Start the runner."""
        return subprocess.Popen(
            [str(self.folder / "bin/edgebench"), *self.arguments(repeats, *more)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def detached(self, action: str, *words: str) -> tuple[int, str]:
        """Call the script that runs it apart from a connection."""
        command = [str(self.folder / "bin/edgebench-detached"), action, "nano", self.run_id, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    @property
    def lines(self) -> list[bytes]:
        """The whole lines of the records."""
        return self.out.read_bytes().split(b"\n")[:-1] if self.out.exists() else []

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The records of runs."""
        return [each for each in map(json.loads, self.lines) if each["record"] == "run"]

    def wait_for(self, count: int, process: "subprocess.Popen[str] | None" = None) -> None:
        """Wait until so many runs are recorded."""
        deadline = time.monotonic() + 900
        while len(self.runs) < count:
            if process is not None and process.poll() is not None:
                raise RuntimeError(f"the runner has ended: {process.communicate()[0]}")
            if time.monotonic() > deadline:
                raise RuntimeError("the runner makes no progress")
            time.sleep(0.05)


def lost(before: Sequence[bytes], now: Sequence[bytes]) -> int:
    """Return how many lines are not there as they were, in their order."""
    return sum(1 for number, line in enumerate(before) if number >= len(now) or now[number] != line)


def expect(what: bool, said: object) -> None:
    """Stop where something is not so."""
    if not what:
        raise SystemExit(f"not as it should be: {said}")


def once_each(home: Home, repeats: int) -> None:
    """Stop where not every repeat has one record that is ok."""
    there = sorted((each["repeat"], each["status"]) for each in home.runs)
    expect(there == [(repeat, "ok") for repeat in range(1, repeats + 1)], there)


def line_with(said: str, word: str) -> str:
    """Return the line of what was said that has the word, without the folder of the trial."""
    found = next((line for line in said.splitlines() if word in line), "")
    expect(bool(found), said)
    return found


def full(folder: Path, zipapp: Path) -> None:
    """The disk fills while a run is under way, and is full when one begins."""
    reported = gone = 0
    seen = ""
    for trial in range(5):
        disk = Disk(folder / f"full-{trial}", 24)
        try:
            home = Home(disk.mount / "home", zipapp)
            # Installed long ago.
            subprocess.run(["sync", "-f", disk.mount], check=True)
            process = home.start(4)
            home.wait_for(1 + trial % 2)
            filler = disk.fill()
            said, _ = process.communicate(timeout=900)
            before = home.lines
            expect(process.returncode == 2, said)
            told = said.count(": ok ")
            expect(told == len(home.runs), (told, len(home.runs), said))
            seen = line_with(said, "edgebench: ")
            # With the room that was kept, nothing is begun, either; and with none.
            code, refused = home.run(4)
            expect(code == 2 and "No space left" in refused, refused)
            disk.fill()
            code, refused = home.detached("start", "600", "0", "trial", *home.arguments(4))
            expect(code != 0 and "No space left" in refused, refused)
            filler.unlink()
            code, said = home.run(4)
            expect(code == 0, said)
            once_each(home, 4)
            reported, gone = reported + len(before), gone + lost(before, home.lines)
            expect(not home.out.with_name("nano.jsonl.reserve").exists(), "the reserve is left")
        finally:
            disk.close()
    ledger.keep(
        "disk-full",
        30,
        ledger.Trials(
            fault="disk full",
            injected="ext4 of 24 MiB filled to the last block while a run was under way; runs begun on it",
            trials=5,
            reported=reported,
            lost=gone,
            seen=shortened(seen, folder),
            notes="room for one record is kept, so that the run under way is recorded, too",
        ),
    )


def shortened(said: str, folder: Path) -> str:
    """Return a message with the trial's folder, which means nothing to a reader, left out."""
    for path in sorted(folder.glob("*"), key=lambda path: -len(str(path))):
        said = said.replace(f"{path}/disk/home", "HOME").replace(str(path), "HOME")
    return said.strip()


def readonly(folder: Path, zipapp: Path) -> None:
    """The kernel makes the disk read-only after an error of the file system."""
    reported = gone = 0
    seen = ""
    for trial in range(5):
        disk = Disk(folder / f"readonly-{trial}", 24)
        try:
            home = Home(disk.mount / "home", zipapp)
            # Installed long ago.
            subprocess.run(["sync", "-f", disk.mount], check=True)
            process = home.start(4)
            home.wait_for(1 + trial % 2)
            before = home.lines
            disk.fail()
            said, _ = process.communicate(timeout=900)
            expect(process.returncode == 2, said)
            seen = line_with(said, "edgebench: ")
            code, refused = home.detached("start", "600", "0", "trial", *home.arguments(4))
            expect(code != 0 and "Read-only" in refused and "dmesg" in refused, refused)
            disk.repair()
            code, said = home.run(4)
            expect(code == 0, said)
            once_each(home, 4)
            reported, gone = reported + len(before), gone + lost(before, home.lines)
        finally:
            disk.close()
    ledger.keep(
        "read-only",
        31,
        ledger.Trials(
            fault="file system turns read-only",
            injected="an error of ext4 (trigger_fs_error, errors=remount-ro) while a run was under way; then e2fsck",
            trials=5,
            reported=reported,
            lost=gone,
            seen=shortened(seen, folder),
            notes="the run under way is not recorded and is done again",
        ),
    )


def a_record(folder: Path, zipapp: Path) -> dict[str, Any]:
    """Return a record of a real run."""
    home = Home(folder / "one", zipapp)
    code, said = home.run(1)
    expect(code == 0, said)
    return home.runs[0]


def power(folder: Path, zipapp: Path, trials: int = 100) -> None:
    """The power is cut while records are written."""
    record = a_record(folder, zipapp)
    chance = fleet.generator(7)
    disk = Disk(folder / "power", 16)
    reported = gone = torn = 0
    try:
        for trial in range(trials):
            path = disk.mount / f"{trial}.jsonl"
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITER, str(ledger.ROOT / "bench"), str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write(json.dumps({**record, "repeat": 0}) + "\n")
            writer.stdin.flush()
            told = [int(writer.stdout.readline()) for _ in range(1 + trial % 5)]
            time.sleep(chance.uniform(0, 0.02))
            writer.send_signal(signal.SIGSTOP)
            # A name of its own: a loop device may outlive its unmounting for a moment.
            copy = folder / f"after-{trial}.raw"
            while not disk.as_after_a_power_cut(copy):
                time.sleep(0.01)
            # What it told until then counts as well; more of it comes than was read.
            writer.kill()
            told += [int(line) for line in writer.stdout.read().split("\n") if line]
            writer.wait()
            with mounted(copy, folder / "after") as after:
                there = (after / path.name).read_bytes()
                torn += not there.endswith(b"\n") and bool(there)
                done = subprocess.run(
                    [sys.executable, "-c", READER, str(ledger.ROOT / "bench"), str(after / path.name)],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                expect(done.returncode == 0, done.stderr)
                found = [int(each) for each in done.stdout.split()]
            expect(found == list(range(1, len(found) + 1)), found)
            reported += len(told)
            gone += len(set(told) - set(found))
            copy.unlink()
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".reserve").unlink(missing_ok=True)
    finally:
        disk.close()
    ledger.keep(
        "power-cut",
        20,
        ledger.Trials(
            fault="power lost while a record is written",
            injected="the disk copied from below ext4 at a chance moment of writing, without what the kernel's memory "
            "held; mounted, with its journal replayed, and the file opened again",
            trials=trials,
            reported=reported,
            lost=gone,
            seen="what was told as written is there; an unfinished line would be moved to FILE.torn, and said",
            notes="a disk that says it has written what it has not would lose more than ext4 can know",
            counts={"torn lines": torn},
        ),
    )


def prefix(folder: Path, zipapp: Path, trials: int = 20) -> None:
    """Any prefix of a run's file and the rest of the run make the whole run."""
    whole = Home(folder / "whole", zipapp)
    code, said = whole.run(5)
    expect(code == 0, said)
    content = whole.out.read_bytes()
    chance = fleet.generator(11)
    reported = gone = 0
    for trial in range(trials):
        home = Home(folder / f"prefix-{trial}", zipapp)
        home.out.parent.mkdir(parents=True)
        home.out.write_bytes(content[: chance.randrange(len(content))])
        before = home.lines
        code, said = home.run(5)
        expect(code == 0, said)
        once_each(home, 5)
        results = {each["repeat"]: each["quality"]["test_loss"] for each in home.runs}
        expect(results == {each["repeat"]: each["quality"]["test_loss"] for each in whole.runs}, results)
        reported, gone = reported + len(before), gone + lost(before, home.lines)
    ledger.keep(
        "any-prefix",
        11,
        ledger.Trials(
            fault="runner killed at any point of its file",
            injected="the records of a whole run cut at a chance byte, and the run given again",
            trials=trials,
            reported=reported,
            lost=gone,
            seen="3 runs to do, 2 already recorded and kept",
            notes="the results of the rest are the same numbers as those of the whole run",
        ),
    )


def neighbour(folder: Path, zipapp: Path) -> None:
    """Another process takes the memory that the runs need."""
    parent = Path("/sys/fs/cgroup/memory")
    expect(
        parent.is_dir(),
        f"{parent} is not there; the trial needs the memory controller of control groups, version 1",
    )
    group = parent / f"edgebench-faults-{os.getpid()}"
    reported = gone = 0
    seen = ""
    trials = 3
    for trial in range(trials):
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(400 * MIB))

        def enter() -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

        home = Home(folder / f"neighbour-{trial}", zipapp)
        process = home.start(4, preexec_fn=enter)
        home.wait_for(1)
        before = home.lines
        hog = subprocess.Popen([sys.executable, "-c", HOG, str(300 * MIB)], preexec_fn=enter)
        home.wait_for(2)
        hog.kill()
        hog.wait()
        said, _ = process.communicate(timeout=900)
        killed = [each for each in home.runs if each["status"] == "oom"]
        expect(process.returncode == 1 and bool(killed), (said, [each["status"] for each in home.runs]))
        seen = line_with(said, ": oom (")
        code, said = home.run(4, "--retry", preexec_fn=enter)
        expect(code == 0, said)
        newest = {each["repeat"]: each["status"] for each in home.runs}
        expect(newest == dict.fromkeys(range(1, 5), "ok"), newest)
        reported, gone = reported + len(before), gone + lost(before, home.lines)
        time.sleep(0.2)
        group.rmdir()
    ledger.keep(
        "neighbour",
        60,
        ledger.Trials(
            fault="memory exhausted by a neighbour",
            injected="a control group of 400 MiB, in which another process takes 300 MiB while the runs go on",
            trials=trials,
            reported=reported,
            lost=gone,
            seen=seen,
            notes="the runs go on after the one that is killed; --retry does that one again",
        ),
    )


def clock(folder: Path, zipapp: Path) -> None:
    """The wall clock jumps to and fro while runs are timed."""
    library = os.environ.get("LIBFAKETIME") or next(
        map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), ""
    )
    expect(
        bool(library),
        "libfaketime is not there: apt install libfaketime, or name it by LIBFAKETIME=…/libfaketime.so.1",
    )
    home = Home(folder / "clock", zipapp)
    offset = folder / "offset"
    offset.write_text("+0\n")
    environment = {
        **os.environ,
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    jumps = ["-2d", "+400d", "-3600", "+0", "-30d", "+1d"]
    begin = time.monotonic()
    process = home.start(len(jumps), env=environment)
    for number, jump in enumerate(jumps):
        home.wait_for(number, process)
        # In the middle of the next one.
        time.sleep(1.5)
        # Whole at any time, for each process reads it whenever it asks for the time.
        offset.with_name("new").write_text(jump + "\n")
        offset.with_name("new").replace(offset)
    said, _ = process.communicate(timeout=600)
    took_s = time.monotonic() - begin
    expect(process.returncode == 0, said)
    once_each(home, len(jumps))
    walls_s = [each["times"]["wall_s"] for each in home.runs]
    expect(all(0 < each < took_s for each in walls_s) and sum(walls_s) < took_s, (walls_s, took_s))
    expect(all(each["times"]["train_s"] < each["times"]["wall_s"] for each in home.runs), walls_s)
    days = {each["started_utc"][:10] for each in home.runs} | {
        each["finished_utc"][:10] for each in home.runs
    }
    expect(len(days) > 3, f"the clock did not jump: {days}")
    before = home.lines
    # Under the same environment, which is a circumstance of the run.
    offset.write_text("+0\n")
    code, said = home.run(len(jumps) + 1, env=environment)
    expect(code == 0, said)
    once_each(home, len(jumps) + 1)
    program = Path(sys.executable).with_name("edgebench-report")
    built = subprocess.run(
        [program, "build", home.out.parent, "--out", folder / "clock-report"],
        capture_output=True,
        text=True,
        check=False,
    )
    expect(built.returncode == 0, built.stderr)
    ledger.keep(
        "clock",
        50,
        ledger.Trials(
            fault="clock jumping",
            injected="the wall clock of runner and workers (libfaketime) set to and fro by an hour to 400 days in the "
            "middle of runs",
            trials=len(jumps),
            reported=len(before),
            lost=lost(before, home.lines),
            seen="times are right, for none is taken by the wall clock; a record's dates are those that the host had",
        ),
    )


TRIALS: dict[str, Callable[[Path, Path], None]] = {
    each.__name__: each for each in (full, readonly, power, prefix, neighbour, clock)
}


def main() -> int:
    """Try all faults of this machine, or those named."""
    names = chosen("Try faults on this machine.", TRIALS)
    folder = Path(tempfile.mkdtemp(prefix="edgebench-faults-"))
    zipapp = folder / "edgebench.pyz"
    subprocess.run(
        [sys.executable, ledger.ROOT / "bench/build_zipapp.py", "--out", zipapp],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for name in names:
        each = folder / name
        each.mkdir()
        TRIALS[name](each, zipapp)
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
