"""The command line without a framework: the published figures, wrong usage, the zipapp itself."""

import json
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
        1.0,
        5,
    )
    line = _edgebench(zipapp, "list").stdout.splitlines()[9]
    assert line.split()[:6] == ["kws", "-", "1,000", "-", "1", "24,908"]


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
