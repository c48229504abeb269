"""The lab's hosts for the faults, and playbooks that are run against them."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lab import declared, fleet
from tests.faults.ledger import ROOT

NAME = "faults"
# Beside those of the campaign: hosts for what is tried one by one.
OTHERS = ["Rosie", "Fatty"]
INVENTORY = Path(__file__).with_name("hosts.yml")
HOME = "/home/edgebench"
# The workload that ends soonest, on one thread, so that its results are the same each time.
OPTIONS = {
    "bench_workloads": ["imdb_embedded"],
    "bench_data": "synthetic",
    "bench_threads": 1,
    "bench_poll_s": 1,
}
FINISHED = re.compile(r"^(\S+) \| \[\d+/\d+\] (\S+) repeat (\d+): ok ", re.M)


def lab() -> fleet.Lab:
    """Return the lab as the inventory declares it."""
    return fleet.Lab(NAME, tuple(declared.read(INVENTORY)))


def provision(folder: Path, first: str, others: list[str]) -> None:
    """Start the hosts, those that are not up: the first one provisioned, the others as copies of it."""
    there = lab()
    by_name = {host.name: host for host in there.hosts}
    if fleet.is_running(there, by_name[first]) and all(
        fleet.is_running(there, by_name[each]) for each in others
    ):
        return
    fleet.up(there, [by_name[first]], print)
    done = Playbook("provision.yml", folder / "provision.log", "-l", first)
    if done.wait() != 0:
        raise SystemExit(f"{first} could not be provisioned; see {done.log}")
    fleet.power_off(there, by_name[first])
    fleet.up(there, [by_name[each] for each in others], print, like=by_name[first])
    fleet.power_on(there, by_name[first])
    fleet.wait_for(there, by_name[first])
    # Each host's unit names the host.
    for each in others:
        done = Playbook("provision.yml", folder / "provision.log", "-l", each, "--tags", "runner")
        if done.wait() != 0:
            raise SystemExit(f"{each} could not be provisioned; see {done.log}")


class Board:
    """One host of the lab: its power and its shell."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lab = lab()
        self._host = next(host for host in self._lab.hosts if host.name == name)
        self.link = self._host.link

    def shell(self, script: str, check: bool = True) -> str:
        """Run a script as root on the host and return what it prints; "" where it fails and that may be."""
        command = fleet.ssh(self._lab, self._host, "sudo", "sh")
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {script!r} failed: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else ""

    def cut_power(self) -> None:
        """Kill all of the host at once, and start it again with the disk it had."""
        fleet.power_off(self._lab, self._host)
        self.start()

    def off(self) -> None:
        """Kill all of the host at once."""
        fleet.power_off(self._lab, self._host)

    def start(self) -> None:
        """Start the host again, and wait until it answers."""
        fleet.power_on(self._lab, self._host)
        fleet.wait_for(self._lab, self._host)

    def reboot(self) -> None:
        """Have the host reboot in order."""
        before = self.shell("cat /proc/sys/kernel/random/boot_id")
        self.shell("systemctl reboot", check=False)
        deadline = time.monotonic() + 180
        while self.shell("cat /proc/sys/kernel/random/boot_id", check=False) in ("", before):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not come back")
            time.sleep(0.3)

    def runner(self) -> int | None:
        """Return the process of the suite on the host, None where none runs."""
        found = self.shell(
            "pgrep -o -u edgebench -f 'python[^ ]* [^ ]*edgebench.pyz run '", check=False
        ).split()
        return int(found[0]) if found else None

    def worker(self) -> int | None:
        """Return the process of the task under way, None where none runs."""
        found = self.shell("pgrep -n -u edgebench -f 'edgebench.pyz worker'", check=False).split()
        return int(found[0]) if found else None

    def records(self, run_id: str) -> bytes:
        """Return the host's own records of a run, b"" where there are none."""
        return self.shell(f"cat {HOME}/results/{run_id}/{self.name}.jsonl", check=False).encode()


class Playbook:
    """A playbook under way, in a session of its own; what it says is in ``log``."""

    def __init__(
        self, name: str, log: Path, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        self.log = log
        self._begin = log.stat().st_size if log.exists() else 0
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [program, "-i", str(INVENTORY), name, *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**kept, "LC_ALL": "C.UTF-8", **(environment or {})},
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """What it has said until now."""
        with self.log.open("rb") as handle:
            handle.seek(self._begin)
            return handle.read().decode("utf-8", "replace")

    def ended(self) -> int | None:
        """Return its exit code, None while it goes on."""
        return self._process.poll()

    def wait(self, seconds: float = 900) -> int:
        """Wait for its end and return the exit code."""
        return self._process.wait(seconds)

    def wait_until(self, what: Callable[[], bool], seconds: float = 300) -> bool:
        """Wait until something is so; False where the playbook ended before."""
        deadline = time.monotonic() + seconds
        while not what():
            if self.ended() is not None:
                return what()
            if time.monotonic() > deadline:
                raise RuntimeError(f"not so after {seconds} s; see {self.log}")
            time.sleep(0.2)
        return True

    def kill(self) -> None:
        """End it, its workers and its connections' masters at once, as when the controller loses power."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def bench(folder: Path, host: str, run_id: str, repeats: int, results: Path, **more: object) -> Playbook:
    """Start bench.yml for one host."""
    options = {
        **OPTIONS,
        "bench_repeats": repeats,
        "bench_run_id": run_id,
        "bench_results_dir": str(results),
        "bench_report": False,
        **more,
    }
    paths = folder / f"cp-{host}"
    paths.mkdir(exist_ok=True)
    return Playbook(
        "bench.yml",
        folder / f"{host}.log",
        "-l",
        host,
        "-e",
        json.dumps(options),
        environment={"ANSIBLE_SSH_CONTROL_PATH_DIR": str(paths)},
    )


def finished(said: str) -> set[tuple[str, str, int]]:
    """Return (host, workload, repeat) of the runs that a playbook said are recorded."""
    return {(host, workload, int(repeat)) for host, workload, repeat in FINISHED.findall(said)}


def generator(seed: int) -> random.Random:
    """Return the source of the trials' chances."""
    return random.Random(seed)
