"""The command line without a framework: the published figures, wrong usage, the zipapp itself."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.messages import codes

TABLE = {
    # name: train, test, epochs, batch, parameters (the 2019 report, tables 2 and 3)
    "mnist_1d": (60000, 10000, 5, 128, 407050),
    "imdb": (25000, 25000, 4, 512, 160305),
    "reuters": (8982, 2246, 9, 512, 647214),
    "mnist_2d": (60000, 10000, 5, 64, 93322),
    "dogs_vs_cats": (2000, 1000, 15, 20, 3453121),
    "imdb_embedded": (25000, 25000, 10, 32, 80401),
    "weather": (200000, 120406, 10, 128, 5217),
    "weather_conv": (200001, 120407, 10, 128, 14817),
}


def _edgebench(zipapp: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(zipapp), *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(zipapp.parent), **environment},
    )


def test_list_gives_the_published_figures(zipapp: Path) -> None:
    listed = json.loads(_edgebench(zipapp, "list", "--json").stdout)
    figures = {}
    assert [each["kind"] for each in listed] == ["training"] * 8 + ["inference"]
    for each in listed[:8]:
        paper: dict[str, Any] = each["paper"]
        sizes = tuple(paper[key] for key in ("train_samples", "test_samples", "epochs", "batch"))
        figures[each["name"]] = (*sizes, each["parameters"])
    assert figures == TABLE
    assert list(figures) == list(TABLE)


def test_list_has_keyword_spotting_as_the_ninth(zipapp: Path) -> None:
    ninth = json.loads(_edgebench(zipapp, "list", "--json").stdout)[8]
    assert (ninth["name"], ninth["parameters"], ninth["input_shape"]) == ("kws", 24908, [49, 10, 1])
    assert (ninth["paper"]["window_s"], ninth["quick"]["window_s"], ninth["paper"]["windows"]) == (
        10.0,
        0.5,
        5,
    )
    [line] = [each for each in _edgebench(zipapp, "list").stdout.splitlines() if each.split()[:1] == ["kws"]]
    assert line.split() == ["kws", "-", "1,000", "-", "1", "24,908", *"----"]


def test_list_has_the_published_times_of_the_four_hosts_in_100_columns(
    zipapp: Path, repository: Path
) -> None:
    published = yaml.safe_load((repository / "files" / "published_2019.yml").read_text())
    names = [each["name"] for each in published["hosts"]]
    lines = _edgebench(zipapp, "list").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    [head] = [each for each in lines if each.startswith("workload ")]
    assert head.split()[-4:] == names
    marks = {line.split("  ")[0]: line for line in lines if re.match("[a-z]  ", line)}
    for workload in published["workloads"]:
        [line] = [each for each in lines if each.split()[:1] == [workload["id"]]]
        cells = line.split()[6:]
        times = [each for each in cells if each not in marks]
        expected = [workload["train_s"][host["id"]] for host in published["hosts"]]
        assert times == ["-" if each is None else str(float(each)) for each in expected]
        if None in expected:
            missing = cells[cells.index("-") + 1]
            assert workload["missing"]["train_s.frodo"] in marks[missing]
    # A misprint leads to the value of the raw logs.
    [line] = [each for each in lines if each.startswith("dogs_vs_cats")]
    assert "560.2" in marks[line.split()[-1]]
    for host in published["hosts"]:
        assert [each for each in lines if each.startswith(host["name"]) and host["make"] in each]


def test_list_gives_the_published_results_as_json(zipapp: Path, repository: Path) -> None:
    published = yaml.safe_load((repository / "files" / "published_2019.yml").read_text())
    listed = json.loads(_edgebench(zipapp, "list", "--json").stdout)
    for each, expected in zip(listed, published["workloads"], strict=False):
        names = ("train_s", "test_s", "accuracy_percent")
        assert each["published"] == {name: expected[name] for name in names}
    assert listed[8]["published"] is None


def _entries(zipapp: Path, *arguments: str) -> dict[str, Any]:
    done = _edgebench(zipapp, "data", *arguments, "--json")
    return {each["name"]: each for each in json.loads(done.stdout)["datasets"]}


def test_data_status_is_a_table_of_a_line_for_each_data_set(
    zipapp: Path, repository: Path, tmp_path: Path
) -> None:
    mine, cache = tmp_path / "mine", tmp_path / "cache"
    (mine / "dogs_vs_cats" / "train").mkdir(parents=True)
    for name in ("cat.0.jpg", "dog.0.jpg"):
        (mine / "dogs_vs_cats" / "train" / name).write_bytes(b"x" * 1_234_567)
    (cache / "imdb").mkdir(parents=True)
    (cache / "imdb" / "imdb.npz").write_text("not the data")
    places = ("--data-dir", str(mine), "--cache-dir", str(cache))
    known = yaml.safe_load((repository / "files" / "datasets.yml").read_text())["datasets"]
    done = _edgebench(zipapp, "data", "status", *places)
    assert done.returncode == 1
    head, *lines, below = done.stdout.splitlines()
    assert head.split() == ["data", "set", "state", "size", "where"]
    assert [line.split()[0] for line in lines] == sorted(known)
    assert max(len(each) for each in done.stdout.splitlines() if str(tmp_path) not in each) <= 100
    by_name = {line.split()[0]: re.split("  +", line) for line in lines}
    assert by_name["dogs_vs_cats"][1:] == ["ready", "2.5 MB", str(mine / "dogs_vs_cats")]
    assert by_name["imdb"][1:3] == ["wrong file", "-"]
    assert by_name["reuters"][1:3] == ["missing", "-"]
    assert "edgebench data fetch" in by_name["reuters"][3]  # not prose
    assert f"1 of {len(known)} " in below
    assert below.endswith("edgebench data status -v")  # not prose
    # What needs a login is not offered for fetching.
    without = _edgebench(zipapp, "data", "status", "-w", "dogs_vs_cats").stdout
    assert known["dogs_vs_cats"]["homepage"] in without
    assert "data fetch" not in without


def test_data_status_gives_the_places_and_remedies_when_asked_for(zipapp: Path, tmp_path: Path) -> None:
    places = ("--cache-dir", str(tmp_path / "cache"), "-w", "imdb", "reuters")
    reasons = {name: each["reason"] for name, each in _entries(zipapp, "status", *places).items()}
    short = _edgebench(zipapp, "data", "status", *places).stdout
    long = " ".join(_edgebench(zipapp, "data", "status", *places, "-v").stdout.split())
    assert sorted(reasons) == ["imdb", "reuters"]
    for reason in reasons.values():
        assert reason in long
        assert reason[:40] not in short


def test_data_fetch_names_the_failed_download_of_each_missing_data_set(zipapp: Path, tmp_path: Path) -> None:
    arguments = ("data", "fetch", "--cache-dir", str(tmp_path / "cache"), "-w", "imdb")
    # Port 9 of loopback refuses: no network is used.
    done = _edgebench(zipapp, *arguments, https_proxy="http://127.0.0.1:9")
    assert (done.returncode, codes(done.stderr)) == (2, ["data-unavailable"])
    [line] = [each for each in done.stdout.splitlines() if each.startswith("imdb:")]
    assert "/imdb.npz: " in line


@pytest.mark.parametrize(
    ("arguments", "code", "values"),
    [
        (("run", "-w", "mnist"), "workload-unknown", ["'mnist'", "mnist_1d, imdb"]),
        (("run", "--repeats", "0"), "number-too-small", ["--repeats: 0 "]),
        (("run", "--run-id", "../x"), "name-invalid", ["--run-id '../x'"]),
        (("run", "--host", "a/b"), "name-invalid", ["--host 'a/b'"]),
        (("run", "--profile", "fast"), None, ["invalid choice: 'fast'"]),
        (("run", "--data-dir", "/nowhere", "--offline"), "data-dir-missing", ["/nowhere", "--data-dir"]),
        (("run", "--strict", "--no-telemetry"), "telemetry-off", ["--no-telemetry"]),
        (("data", "fetch", "-w", "nope"), "workload-unknown", ["'nope'"]),
        (("run", "-w", "mnist_1d", "--data", "synthetic"), "tensorflow-missing", ["provision.yml"]),
        ((), None, ["usage: edgebench"]),
    ],
)
def test_wrong_usage_is_told_and_exits_with_2(
    zipapp: Path, arguments: tuple[str, ...], code: str | None, values: list[str]
) -> None:
    done = _edgebench(zipapp, *arguments)
    assert done.returncode == 2
    assert codes(done.stderr) == ([code] if code else [])
    assert [each for each in values if each not in done.stdout + done.stderr] == []
    assert "Traceback" not in done.stderr


def test_host_tells_what_it_can_without_a_framework(zipapp: Path) -> None:
    done = _edgebench(zipapp, "host", "--json")
    told = json.loads(done.stdout)
    assert told["facts"]["cpu"]["cores_logical"] >= 1
    assert told["facts"]["framework"]["version"] is None
    assert "provision.yml" in told["missing"]["facts.framework.version"]


def test_the_zipapp_is_the_same_for_the_same_sources_and_holds_the_manifest(
    zipapp: Path, repository: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.pyz"
    subprocess.run([sys.executable, repository / "bench" / "build_zipapp.py", "--out", again], check=True)
    assert again.read_bytes() == zipapp.read_bytes()
    script = "import sys; sys.path.insert(0, sys.argv[1]); import edgebench.data.manifest as m; print(len(m.load()))"
    done = subprocess.run([sys.executable, "-c", script, again], capture_output=True, text=True, check=True)
    expected = yaml.safe_load((repository / "files" / "datasets.yml").read_text())["datasets"]
    assert int(done.stdout) == len(expected)
