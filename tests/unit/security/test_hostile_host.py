"""A host that means harm to the controller that collects from it."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.target import plugin
from tests.messages import codes

ROOT = Path(__file__).resolve().parents[3]
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202e\r"


@pytest.fixture(scope="module")
def collect() -> Any:
    return plugin("action/edgebench_collect")


@pytest.fixture(scope="module")
def run() -> Any:
    return plugin("action/edgebench_run")


def test_an_archive_is_not_unpacked_beyond_what_was_announced(collect: Any) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("r1/nano.logs/a.log")
        info.size = 64 << 20
        tar.addfile(info, io.BytesIO(bytes(64 << 20)))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r" 1048576 bytes .*\[transfer-too-large\]$"):
        collect.unpack(out.getvalue(), "nano", ["r1"], 1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
    with pytest.raises(ValueError, match=r" 10 bytes .*\[transfer-too-large\]$"):
        collect.gunzip(gzip.compress(bytes(1 << 20)), 10)
    with pytest.raises(ValueError, match=r"\[transfer-truncated\]$"):
        collect.gunzip(gzip.compress(b"abc")[:-9], 10)


@pytest.mark.parametrize(
    "line",
    [
        "-1 r1/nano.jsonl",
        "1e3 r1/nano.jsonl",
        f"1 r1/nano.logs/{ESCAPES}",
        "1 r1/nano.logs/" + "a" * 600,
        "1 /etc/passwd",
    ],
)
def test_a_listing_out_of_place_is_refused_and_shown_harmlessly(collect: Any, line: str) -> None:
    with pytest.raises(ValueError, match=r"\[file-not-of-run\]$") as caught:
        collect.listed(line, "nano", ["r1"])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_more_files_than_a_campaign_has_are_refused(collect: Any) -> None:
    text = "".join(f"1 r1/nano.logs/{number}\n" for number in range(collect.MOST_FILES + 1))
    with pytest.raises(ValueError, match=r" 20000 .*\[files-too-many\]$"):
        collect.listed(text, "nano", ["r1"])


def test_endless_records_are_refused_and_endless_logs_stay_there(collect: Any) -> None:
    with pytest.raises(ValueError, match=r"^r1/nano\.jsonl .*\[records-too-large\]$"):
        collect.fetchable({"r1/nano.jsonl": 10 << 30})
    assert collect.fetchable({"r1/nano.telemetry/x.jsonl": 65 << 20})[0] == []
    names, left_out = collect.fetchable({"r1/nano.jsonl": 5, "r1/nano.logs/a": 10 << 30})
    assert names == ["r1/nano.jsonl"]
    assert "r1/nano.logs/a" in left_out[0]
    assert codes(left_out[0]) == ["file-too-large"]
    with pytest.raises(ValueError, match=r" 4294967296\. .*\[files-too-large\]$"):
        collect.fetchable({f"r1/nano.logs/{number}": 60 << 20 for number in range(100)})


def test_records_that_are_none_are_counted_and_hide_no_other(collect: Any) -> None:
    good = json.dumps({"record": "run", "workload": "imdb", "repeat": 1, "attempt": 1, "status": "oom"})
    bad = [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100000,
        b'{"record": "run"}',
        b'{"record": "inference", "engine": 3}',
    ]
    told = collect.summarise(b"\n".join([good.encode(), *bad, b""]))
    assert told["records"] == 1
    one, rest = told["not_ok"]
    assert one == "imdb repeat 1: oom"  # not prose
    assert rest.startswith("7 ")
    assert "edgebench-report" in rest


def test_what_records_say_is_one_harmless_line(collect: Any) -> None:
    record = {"record": "run", "workload": "imdb" + ESCAPES, "repeat": 1, "attempt": 1, "status": "failed"}
    record["reason"] = ESCAPES + "x\n" * 10000
    (told,) = collect.summarise(json.dumps(record).encode() + b"\n")["not_ok"]
    assert told.isprintable()
    assert len(told) <= 300


def test_progress_cannot_steer_the_terminal(run: Any) -> None:
    assert run.shown(ESCAPES + "95 %").isprintable()
    assert len(run.shown("x" * 10**6)) == run.MOST_LINE


@pytest.mark.parametrize(
    "answer", ["exit-0;id 5", "running -1", "running", "running 1 2", "exit-99999 1", "\x1b[2J 1"]
)
def test_a_state_that_is_none_is_not_taken(run: Any, answer: str) -> None:
    assert run.POLLED.match(answer) is None


def test_a_name_of_a_run_that_goes_into_commands_is_plain(run: Any) -> None:
    assert run.RUN_ID.match("20261121-031355")
    for name in ("x; rm -rf ~", "$(id)", "a b", "-x", "", "a\nb"):
        assert run.RUN_ID.match(name) is None


def test_templates_in_records_are_text_to_ansible(tmp_path: Path) -> None:
    """For real: a playbook collects from this machine, and its words go through messages as the role's do."""
    home, marker = tmp_path / "home", tmp_path / "ran"
    folder = home / "results/r1"
    folder.mkdir(parents=True)
    (home / "bin").mkdir()
    script = home / "bin/edgebench-detached"
    script.write_text("#!/bin/sh\necho exit-1 0\n")
    script.chmod(0o755)
    template = "{{ lookup('pipe', 'touch " + str(marker) + "') }}"
    record = {
        "record": "run",
        "workload": template,
        "repeat": 1,
        "attempt": 1,
        "status": "failed",
        "reason": template,
    }
    (folder / "here.jsonl").write_text(json.dumps(record) + "\n")
    (folder / "here.telemetry").mkdir()
    (folder / "here.telemetry/imdb.1.1.jsonl").write_text("1\n2\n")
    (folder / "here.telemetry/imdb.2.1.jsonl").write_text("1\n")
    kept = tmp_path / "results/r1/here.telemetry/imdb.2.1.jsonl"
    kept.parent.mkdir(parents=True)
    kept.write_text("1\n2\n")
    play = [
        {
            "hosts": "here",
            "gather_facts": False,
            "tasks": [
                {
                    "edgebench.edge.edgebench_collect": {
                        "home": str(home),
                        "dest": str(tmp_path / "results"),
                    },
                    "register": "found",
                },
                {"ansible.builtin.set_fact": {"said": "{{ found.runs[0].not_ok | join }}"}},
                {
                    "ansible.builtin.debug": {
                        "msg": "{{ said }} {% for run in found.runs %}{{ run.not_ok }}{% endfor %}"
                    }
                },
            ],
        }
    ]
    (tmp_path / "play.json").write_text(json.dumps(play))
    (tmp_path / "hosts.yml").write_text(
        json.dumps(
            {
                "all": {
                    "hosts": {
                        "here": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
                    }
                }
            }
        )
    )
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            str(tmp_path / "hosts.yml"),
            str(tmp_path / "play.json"),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lookup(" in done.stdout
    assert not marker.exists()
    # Series come with the records, and what the host has lost of one is kept.
    assert kept.with_name("imdb.1.1.jsonl").read_text() == kept.read_text() == "1\n2\n"
