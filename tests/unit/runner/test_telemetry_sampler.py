"""The sampler as a process: real starts, real ends and kills, real load beside it."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from edgebench.telemetry import sampler, sampling, series, summary
from edgebench.telemetry.quantity import GAUGE, quantity
from edgebench.telemetry.sampling import Sampling
from edgebench.telemetry.sources.source import Source

from tests.unit.runner import sysfs

ROOT = Path(__file__).resolve().parents[3]
BURN = "import time\nwhile time.process_time() < {}: pass"


def sampler_pid(taken: Sampling) -> int:
    assert taken._process is not None
    return int(taken._process.pid)


def test_series_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "series.jsonl"
    began = time.monotonic()
    with Sampling(str(path), 0.1) as taken:
        assert taken.reason is None
        assert len(series.read(str(path)).samples) >= 1
        assert os.getpriority(os.PRIO_PROCESS, sampler_pid(taken)) >= os.getpriority(os.PRIO_PROCESS, 0) + 1
        time.sleep(1.0)
    read = series.read(str(path))
    assert read.end is not None
    assert read.end["end"] is None
    assert not read.is_torn
    assert 8 <= len(read.samples) <= 14
    assert began <= read.samples[0].monotonic_s <= read.samples[-1].monotonic_s <= time.monotonic()
    telemetry, _ = summary.of_file(str(path))
    assert telemetry["sampler"]["share_of_core"] < 0.2
    assert len(telemetry["series"]["sha256"]) == 64


def test_killed_sampler_leaves_all_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "series.jsonl"
    taken = Sampling(str(path), 0.05)
    taken.start()
    time.sleep(0.5)
    os.kill(sampler_pid(taken), signal.SIGKILL)
    taken.stop()
    read = series.read(str(path))
    assert len(read.samples) >= 5
    assert read.end is None
    killed, _ = summary.summarise(read)
    ended, _ = summary.summarise(read._replace(end={"end": None, "lost": 0}))
    assert len(killed["notes"]) == len(ended["notes"]) + 1


def test_sampler_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_END_LIMIT_S", 0.2)
    taken = Sampling(str(tmp_path / "series.jsonl"), 0.05)
    taken.start()
    pid = sampler_pid(taken)
    os.kill(pid, signal.SIGSTOP)
    taken.stop()
    assert not Path(f"/proc/{pid}").exists()


def test_sampler_ends_with_whoever_started_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]);"
        "from edgebench.telemetry.sampling import Sampling; taken = Sampling(sys.argv[2], 0.05); taken.start();"
        "print(taken._process.pid, flush=True); time.sleep(60)"
    )
    path = tmp_path / "series.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(ROOT / "bench"), str(path)], stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        pid = int(runner.stdout.readline())
        runner.kill()
    ends = time.monotonic() + 10
    while time.monotonic() < ends and _is_running(pid):
        time.sleep(0.05)
    assert not _is_running(pid)
    assert series.read(str(path)).end is not None


def _is_running(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_series_that_cannot_be_written_is_a_reason_and_no_error(tmp_path: Path) -> None:
    with Sampling(str(tmp_path / "nowhere" / "series.jsonl")) as taken:
        assert str(tmp_path / "nowhere") in (taken.reason or "")
    (tmp_path / "series.jsonl").write_text("old")
    with Sampling(str(tmp_path / "series.jsonl")) as taken:
        assert os.strerror(errno.EEXIST) in (taken.reason or "")
    assert (tmp_path / "series.jsonl").read_text() == "old"


def test_no_python_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling.sys, "executable", "/nowhere/python")
    with Sampling(str(tmp_path / "series.jsonl")) as taken:
        assert "/nowhere/python" in (taken.reason or "")


def test_own_children_are_the_benchmark_and_others_are_others(tmp_path: Path) -> None:
    path = tmp_path / "series.jsonl"
    # Detached from this process, as another user's work would be.
    other = (
        "import os, subprocess, sys\nif os.fork(): os._exit(0)\nos.setsid()\n"
        f"subprocess.run([sys.executable, '-c', {BURN.format(0.8)!r}])"
    )
    with Sampling(str(path), 0.1) as taken:
        assert taken.reason is None
        middle = time.monotonic()
        subprocess.run([sys.executable, "-c", BURN.format(0.8)], check=True)
        then = time.monotonic()
        subprocess.run([sys.executable, "-c", other], check=True)
        time.sleep(0.8)
        ends = time.monotonic()
    phases = {"own": (middle, then), "other": (then, ends)}
    told = summary.of_file(str(path), phases)[0]["phases"]
    # Seconds, not shares: on a busy machine the first phase lasts longer.
    taken_s = {
        name: told[name]["cpu"]["benchmark_share"] * (end - begin) for name, (begin, end) in phases.items()
    }
    assert taken_s["own"] > 3 * taken_s["other"]
    assert told["other"]["cpu"]["others_share"] > 0.1


def test_meter_is_part_of_the_series(tmp_path: Path) -> None:
    meter = tmp_path / "meter.sh"
    meter.write_text("#!/bin/sh\nwhile echo '{\"power_w\": 5}'; do sleep 0.05; done\n")
    meter.chmod(0o755)
    path = tmp_path / "series.jsonl"
    with Sampling(str(path), 0.1, meters=[str(meter), "/nowhere/meter"]):
        time.sleep(1.2)
    telemetry, _ = summary.of_file(str(path))
    energy = telemetry["phases"]["run"]["energy"]
    assert energy["total_rails"] == ["meter"]
    assert energy["mean_w"] == pytest.approx(5.0)
    assert os.strerror(errno.ENOENT) in telemetry["absent"]["meter /nowhere/meter"]


def test_budget_makes_a_dear_sample_rarer() -> None:
    def burn() -> list[float]:
        ends = time.process_time() + 0.02
        while time.process_time() < ends:
            pass
        return [1.0]

    source = Source("dear", [quantity("x", GAUGE, "celsius")], burn, 0, lambda: None)
    taker = sampler.Sampler([source], 1.0)
    for _ in range(15):
        taker.sample()
    assert taker.interval_s == pytest.approx(0.02 / sampler.BUDGET, rel=0.3)


def test_source_that_is_asked_seldom_says_nothing_between() -> None:
    source = Source("seldom", [quantity("x", GAUGE, "celsius")], lambda: [1.0], 3600.0, lambda: None)
    taker = sampler.Sampler([source], 1.0)
    assert [taker.sample().values for _ in range(3)] == [[1.0], [None], [None]]


def test_sampler_imports_little() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from edgebench.telemetry import sampler;"
        "print([name for name in sys.modules if name.split('.')[0] in ('numpy', 'tensorflow', 'argparse')])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "bench")], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_zipapp_shows_a_boards_sources(zipapp: Path, tmp_path: Path) -> None:
    root = sysfs.jetson_jetpack4(tmp_path)
    command = [sys.executable, str(zipapp), "telemetry", "--root", str(root), "--seconds"]
    # Both at once, since each samples for a while; an energy needs three samples.
    with subprocess.Popen([*command, "1", "--json"], stdout=subprocess.PIPE, text=True) as as_json:
        told = subprocess.run(
            [*command, "2"], capture_output=True, text=True, env={"LC_ALL": "C"}, check=False
        )
        assert told.returncode == 0, told.stderr
        content = json.loads(as_json.communicate()[0])
    assert as_json.returncode == 0
    assert "power.POM_5V_IN                    3.456 W" in told.stdout
    assert re.search("^absent  RAPL: .*/sys/class/powercap/", told.stdout, re.MULTILINE)
    assert told.stdout.count("\nlive  ") == 3
    # On a busy machine two seconds may be some tenths more, of 3.456 W each.
    energy = re.search(r"energy  ([\d.]+) J in ([\d.]+) s, 3\.456 W", told.stdout)
    assert energy is not None, told.stdout
    assert float(energy[1]) == pytest.approx(3.456 * float(energy[2]), abs=0.2)
    assert content["telemetry"]["quantities"]["gpu.load"]["median"] == 0.345
    assert set(content) == {"sources", "absent", "telemetry", "missing"}


def test_zipapp_starts_the_sampler(zipapp: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from edgebench.telemetry.sampling import Sampling; taken = Sampling(sys.argv[2], 0.1);"
        "print(taken.start()); taken.stop()"
    )
    path = tmp_path / "series.jsonl"
    told = subprocess.run(
        [sys.executable, "-c", code, str(zipapp), str(path)], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "None"
    assert len(series.read(str(path)).samples) == 2
