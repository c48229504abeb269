"""Everything prints under any locale; an output that cannot be written is one clear error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.messages import codes

# Under Python 3.7 and later LC_ALL=C alone means UTF-8.
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from edgebench import output
output.prepare()
print(sys.argv[2])
sys.stderr.write(sys.argv[2] + "\\n")
"""


def _printed(python: str, repository: Path, text: bytes, environment: dict[str, str]) -> tuple[bytes, bytes]:
    done = subprocess.run(
        [python.encode(), b"-c", SCRIPT.encode(), str(repository / "bench").encode(), text],
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize("release", ["own", pytest.param("3.6", marks=pytest.mark.needs("python3.6"))])
@pytest.mark.parametrize("environment", [ASCII, {"LC_ALL": "C.UTF-8"}, {"PYTHONIOENCODING": "latin-1"}])
def test_any_bytes_of_an_argument_are_printed_as_they_are(
    release: str, environment: dict[str, str], repository: Path
) -> None:
    python = sys.executable if release == "own" else str(needs.interpreter(release))
    if environment.get("PYTHONIOENCODING"):
        environment = {**ASCII, **environment}
    for text in ("Jürgen".encode(), b"caf\xe9", "日本".encode()):
        assert _printed(python, repository, text, environment) == (text + b"\n", text + b"\n")


@pytest.mark.parametrize("release", ["own", pytest.param("3.6", marks=pytest.mark.needs("python3.6"))])
def test_what_ascii_lacks_is_replaced(release: str, repository: Path) -> None:
    python = sys.executable if release == "own" else str(needs.interpreter(release))
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from edgebench import output; output.prepare(); "
        r"print('MAE 5.02 \u00b0C, 3 \u00d7 4 \u2026 \u65e5')"
    )
    done = subprocess.run(
        [python, "-c", script, str(repository / "bench")],
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", **ASCII},
    )
    assert (done.stdout, done.stderr) == (b"MAE 5.02 C, 3 x 4 ... ?\n", b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["data", "status"]])
def test_a_full_output_is_one_error(zipapp: Path, command: list[str], unbuffered: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, str(zipapp), *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(zipapp.parent), "PYTHONUNBUFFERED": unbuffered},
        )
    assert (done.returncode, codes(done.stderr)) == (2, ["output-not-written"])
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_is_gone_is_one_error(zipapp: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, str(zipapp), "list", "--json"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (done.returncode, codes(done.stderr)) == (2, ["output-not-written"])


@pytest.mark.parametrize("module", ["edgebench", "edgebench_report"])
def test_a_working_directory_that_is_gone_is_named(module: str, repository: Path, tmp_path: Path) -> None:
    arguments = {"edgebench": "data status --data-dir x", "edgebench_report": "aggregate x"}[module]
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f'rmdir "{gone}"; exec "$0" -m {module} {arguments}', sys.executable],
        cwd=gone,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(repository / "bench")},
    )
    expected = {"edgebench": ["file-unusable"], "edgebench_report": ["path-missing"]}[module]
    assert (done.returncode, codes(done.stderr)) == (2, expected)
    assert len(done.stderr.splitlines()) == 1
