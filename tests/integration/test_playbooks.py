"""The playbooks against this machine and against hosts behind a real sshd, with the real runner and TensorFlow."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.messages import codes

from .conftest import Controller, Sshd

SMALL = [
    "-e",
    '{"bench_workloads": ["mnist_1d", "reuters"]}',
    "-e",
    "bench_data=synthetic",
    "-e",
    "bench_poll_s=1",
]
TINY = [
    *["-e", '{"bench_workloads": ["mnist_1d"]}', "-e", "bench_data=synthetic", "-e", "bench_poll_s=1"],
    *["-e", "bench_repeats=1", "-e", "bench_run_id=r1"],
]
Remote = Callable[[str], dict[str, object]]


def recap(text: str) -> dict[str, dict[str, int]]:
    """Return host → counter → number from a playbook's last lines."""
    lines = text.split("PLAY RECAP")[1].splitlines()[1:]
    return {
        line.split()[0]: {key: int(number) for key, number in re.findall(r"(\w+)=(\d+)", line)}
        for line in lines
        if "ok=" in line
    }


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return path → size and time of change of all files below a folder, links not followed."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent) / name
            stat = path.lstat()
            found[str(path)] = (stat.st_size if path.is_file() else 0, stat.st_mtime_ns)
    return found


def runs(path: Path) -> list[dict[str, Any]]:
    """Return the run records of a file."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [record for record in records if record["record"] == "run"]


def recorded(stdout: str, run_id: str) -> tuple[int, int]:
    """Return how many runs collecting found recorded and how many of them are not ok."""
    match = re.search(rf"\b{run_id}: (\d+) [^,]*, (\d+) ", stdout)
    assert match, stdout
    return int(match[1]), int(match[2])


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.2)


@pytest.mark.local
def test_provisioning_this_machine_again_changes_nothing(provisioned: Path, repository: Path) -> None:
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    for more in ([], ["--check", "--diff"]):
        done = subprocess.run(
            [program, "provision.yml", "-l", "local", *more],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert recap(done.stdout)["localhost"]["changed"] == 0
    assert (provisioned / "bin/edgebench").exists()


@pytest.mark.integration
def test_a_bare_host_in_check_mode_is_left_bare(controller: Controller, remote: Remote) -> None:
    variables = remote("frodo")
    home = Path(str(variables["edgebench_home"]))
    (home / "venv").unlink()
    controller.inventory({"x86": {"frodo": variables}})
    before = tree(home)
    done = controller.run("provision.yml", "--check", "--diff")
    assert done.returncode == 0, done.stdout
    assert recap(done.stdout)["frodo"]["changed"] > 0
    assert tree(home) == before
    # The summary comes in check mode, too.
    assert re.search(r"frodo +incomplete", done.stdout)
    assert "provision.yml -l frodo" in done.stdout


@pytest.mark.local
def test_this_machine_is_provisioned_and_benchmarked_without_ssh(
    controller: Controller, this_machine: dict[str, object]
) -> None:
    controller.inventory({"local": {"frodo": this_machine}})
    for playbook in ("provision.yml", "bench.yml", "collect.yml", "report.yml"):
        done = controller.run(playbook, *TINY)
        assert done.returncode == 0, done.stdout
    assert [each["status"] for each in runs(controller.results / "r1/frodo.jsonl")] == ["ok"]
    assert (controller.results / "r1/report/index.html").exists()


@pytest.mark.local
def test_provision_bench_and_bench_again(controller: Controller, remote: Remote) -> None:
    variables = remote("frodo")
    home = Path(str(variables["edgebench_home"]))
    controller.inventory({"x86": {"frodo": variables}})
    first = controller.run("provision.yml")
    assert first.returncode == 0, first.stdout
    second = controller.run("provision.yml")
    assert recap(second.stdout)["frodo"]["changed"] == 0, second.stdout

    before = tree(home / "results")
    checked = controller.run("bench.yml", "--check", "--diff", *SMALL, "-e", "bench_run_id=r1")
    assert checked.returncode == 0, checked.stdout
    assert "would run" in checked.stdout
    assert tree(home / "results") == before
    assert not controller.results.exists()

    done = controller.run("bench.yml", *SMALL, "-e", "bench_run_id=r1", "-e", "bench_repeats=1")
    assert done.returncode == 0, done.stdout
    # The person saw it go on, and the tables.
    assert re.search(r"^frodo \| .*2/2.*\bok", done.stdout, re.M)
    assert "Table 4" in done.stdout
    assert f"{controller.results}/r1/report/index.html" in done.stdout
    records = runs(controller.results / "r1/frodo.jsonl")
    assert sorted(record["workload"] for record in records) == ["mnist_1d", "reuters"]
    assert {(record["status"], record["host"], record["run_id"]) for record in records} == {
        ("ok", "frodo", "r1")
    }
    assert (controller.results / "r1/report/index.html").exists()
    assert len(list((controller.results / "r1/frodo.logs").iterdir())) >= 2
    series = {path.name for path in (controller.results / "r1/frodo.telemetry").iterdir()}
    assert series == {record["telemetry"]["series"]["file"] for record in records}

    # The same run again: what has a record stays as it is, what has none is done.
    kept = (controller.results / "r1/frodo.jsonl").read_text()
    more = controller.run("bench.yml", *SMALL, "-e", "bench_run_id=r1", "-e", "bench_repeats=2")
    assert more.returncode == 0, more.stdout
    assert (controller.results / "r1/frodo.jsonl").read_text().startswith(kept)
    assert len(runs(controller.results / "r1/frodo.jsonl")) == 4

    again = controller.run("collect.yml")
    assert again.returncode == 0, again.stdout
    assert recorded(again.stdout, "r1") == (4, 0)
    assert controller.run("report.yml", "-e", "report_run_id=r1").returncode == 0
    missing = controller.run("report.yml", "-e", "report_run_id=r9")
    assert missing.returncode == 2
    assert codes(missing.stdout) == ["records-missing"]
    assert " r9 " in missing.stdout
    assert f"{controller.results}." in missing.stdout
    assert ": r1 [" in missing.stdout


@pytest.mark.integration
def test_the_playbook_is_killed_in_the_middle(controller: Controller, remote: Remote, tmp_path: Path) -> None:
    controller.inventory({"x86": {"frodo": remote("frodo")}})
    # Long enough for what is tried below while it goes on.
    mine = [*SMALL, "-e", "bench_report=false", "-e", "bench_repeats=5", "-e", "bench_run_id=r1"]
    log = tmp_path / "bench.log"
    bench = controller.start("bench.yml", *mine, log=log)
    wait_for(lambda: "[1/10]" in log.read_text() or bench.poll() is not None, 120)
    os.killpg(bench.pid, signal.SIGKILL)
    bench.wait()
    assert not (controller.results / "r1/frodo.jsonl").exists()

    # While it goes on, another run is refused, and what is there can be had.
    other = controller.run("bench.yml", *SMALL, "-e", "bench_run_id=r2")
    assert other.returncode == 2, other.stdout
    assert "run-busy" in codes(other.stdout)
    assert " r1, " in other.stdout
    assert "stop frodo r1" in other.stdout
    early = controller.run("collect.yml", "-e", "bench_run_id=r1", "-e", "bench_report=false")
    assert early.returncode == 0, early.stdout
    assert "run-under-way" in codes(early.stdout)
    assert 1 <= len(runs(controller.results / "r1/frodo.jsonl")) < 10

    followed = controller.run("bench.yml", *mine)
    assert followed.returncode == 0, followed.stdout
    assert "run-attached" in codes(followed.stdout)
    late = controller.run("collect.yml", "-e", "bench_run_id=r1")
    assert recorded(late.stdout, "r1") == (10, 0)
    assert (controller.results / "r1/report/index.html").exists()
    records = runs(controller.results / "r1/frodo.jsonl")
    assert len(records) == 10
    # It was one session all the time: nothing was started twice.
    assert len({record["session"] for record in records}) == 1


@pytest.mark.integration
def test_the_connection_is_cut_in_the_middle(
    controller: Controller, remote: Remote, sshd: Sshd, tmp_path: Path
) -> None:
    controller.inventory({"x86": {"frodo": remote("frodo")}})
    log = tmp_path / "bench.log"
    bench = controller.start(
        "bench.yml",
        *SMALL,
        "-e",
        "bench_run_id=r1",
        "-e",
        "bench_repeats=2",
        "-e",
        "bench_report=false",
        log=log,
    )
    wait_for(lambda: "[1/4]" in log.read_text() or bench.poll() is not None, 120)
    sshd.stop()
    wait_for(lambda: "connection lost" in log.read_text() or bench.poll() is not None, 60)
    sshd.start()
    assert bench.wait(180) == 0, log.read_text()
    assert "connected again" in log.read_text()
    records = runs(controller.results / "r1/frodo.jsonl")
    assert len(records) == 4
    assert len({record["session"] for record in records}) == 1


@pytest.mark.local
def test_a_host_that_is_gone_does_not_stop_the_others(controller: Controller, remote: Remote) -> None:
    gone = {**remote("bilbo"), "ansible_port": 1}
    controller.inventory({"x86": {"bilbo": gone, "frodo": remote("frodo")}})
    done = controller.run("bench.yml", *TINY)
    assert done.returncode == 2
    assert "host-unreachable" in codes(done.stdout)
    assert "bilbo: the host" in done.stdout
    assert "127.0.0.1" in done.stdout
    assert recap(done.stdout)["bilbo"]["failed"] == 1
    assert recap(done.stdout)["frodo"]["failed"] == 0
    assert len(runs(controller.results / "r1/frodo.jsonl")) == 1
    page = (controller.results / "r1/report/index.html").read_text()
    missing = re.search(r'data-code="host-missing">bilbo [^<]*\[host-unreachable\]', page)
    assert missing
    assert " r1." in missing[0]

    provisioned = controller.run("provision.yml", "--tags", "runner")
    assert provisioned.returncode == 2
    assert re.search(r"bilbo +failed", provisioned.stdout)
    assert re.search(r"frodo +ready", provisioned.stdout)
    assert re.search(r"bilbo: preflight (.*\n)+.*\[host-unreachable\]", provisioned.stdout)
    # The host that is not ready comes first, and each has its next command.
    assert provisioned.stdout.index("bilbo  failed") < provisioned.stdout.index("frodo  ready")
    # A venv that was made before its record named Keras has none there.
    ready = r"frodo  ready +CPU +TensorFlow [\d.]+(, Keras [\d.]+)? +[\d.]+ GB, \d+ free "
    assert re.search(ready, provisioned.stdout)
    for command in ("provision.yml -l bilbo", "bench.yml -l frodo"):
        assert re.search(rf"next: ansible-playbook .*{command}\n", provisioned.stdout)
    # Commands have the path of this inventory, and are not wrapped.
    summary = provisioned.stdout.partition("Hosts: ")[2].partition("TASK")[0].splitlines()
    assert max(len(line) for line in summary if "next: " not in line) <= 120

    alone = controller.run("collect.yml", "-l", "bilbo")
    assert alone.returncode == 2
    assert "host-unreachable" in codes(alone.stdout)
    assert "bilbo: the host" in alone.stdout


@pytest.mark.local
def test_runs_that_are_not_ok_are_named(controller: Controller, remote: Remote) -> None:
    controller.inventory({"x86": {"frodo": remote("frodo")}})
    done = controller.run("bench.yml", *TINY, "-e", "bench_time_limit_s=1")
    assert done.returncode == 2
    assert "runs-not-ok" in codes(done.stdout)
    assert re.search(r"mnist_1d .*1: timeout", done.stdout)
    assert "Table 4" in done.stdout
    # It is in the tables, and nothing is missing.
    assert not (controller.results / "r1/frodo.problem.txt").exists()
    assert {record["status"] for record in runs(controller.results / "r1/frodo.jsonl")} == {"timeout"}


@pytest.mark.local
def test_a_host_that_was_never_provisioned(controller: Controller, remote: Remote) -> None:
    variables = remote("frodo")
    (Path(str(variables["edgebench_home"])) / "venv").unlink()
    controller.inventory({"x86": {"frodo": variables}})
    done = controller.run("bench.yml", *SMALL)
    assert done.returncode == 2
    assert "host-not-provisioned" in codes(done.stdout)
    inventory = controller.folder / "hosts.yml"
    command = f"ansible-playbook -i {inventory} provision.yml -l frodo"  # not prose
    assert command in " ".join(done.stdout.split())


@pytest.mark.local
def test_an_unknown_host_key_is_refused(controller: Controller, remote: Remote, sshd: Sshd) -> None:
    (sshd.folder / "known_hosts").write_text("")
    controller.inventory({"x86": {"frodo": remote("frodo")}})
    done = controller.run("bench.yml", *SMALL)
    assert done.returncode == 2
    # By ssh.
    assert "Host key verification failed" in done.stdout  # not prose


@pytest.mark.needs("ssh")
@pytest.mark.local
@pytest.mark.parametrize("playbook", ["provision.yml", "bench.yml", "collect.yml", "report.yml"])
def test_wrong_variables_stop_every_playbook_before_any_host(controller: Controller, playbook: str) -> None:
    # The address does not exist: reaching for it would be an error of another kind.
    controller.inventory({"x86": {"frodo": {"ansible_host": "host.invalid"}}})
    done = controller.run(playbook, "-e", "bench_profile=fast", "-e", "runtime_stak=x")
    assert done.returncode == 2
    assert codes(done.stdout) == ["variable-invalid", "variable-unknown"]
    assert "frodo: bench_profile is " in done.stdout
    assert "'fast'" in done.stdout
    assert "quick, paper, tuned" in done.stdout
    assert " runtime_stak." in done.stdout
    assert " runtime_stack?" in done.stdout
    assert "unreachable=0" in done.stdout


@pytest.mark.local
@pytest.mark.parametrize("limit", ["jetson", "raspberry_pi", "x86"])
def test_an_empty_group_says_where_to_add_a_host(repository: Path, limit: str) -> None:
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, "-i", "inventory", "bench.yml", "-l", limit],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert codes(done.stderr) == ["group-empty"]
    assert f" {limit} " in done.stderr
    assert "inventory/hosts.yml" in done.stderr
    assert "PLAY" not in done.stdout


@pytest.mark.needs("ssh")
@pytest.mark.local
def test_the_examples_pass_the_gate(repository: Path) -> None:
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, "-i", "inventory/examples/report_2019.yml", "playbooks/gate.yml"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "4 declared host" in done.stdout
