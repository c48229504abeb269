"""The steps that make shows, as processes on a real terminal and in a pipe."""

import os
from pathlib import Path

import pytest

from tests.messages import codes
from tests.terminal import Program, left_of

STEP = Path(__file__).resolve().parents[3] / "tools/step.sh"


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_quiet_step_shows_its_seconds(tmp_path: Path, on_terminal: bool) -> None:
    command = [str(STEP), "-q", str(tmp_path / "log"), "Title", "sh", "-c", "echo hidden; sleep 11"]
    program = Program(command, tmp_path, os.environ, on_terminal=on_terminal)
    # The heartbeat's own `sleep` holds no output open.
    assert program.wait(20) == 0
    assert program.passed_s < 14
    assert "hidden" not in program.text
    shown = [line.text for line in program.lines]
    if on_terminal:
        assert len(shown) == 1
        assert [f"{each} s " in program.text for each in (1, 5, 10)] == [True, True, True]
    else:
        assert shown[0] == "==> Title"
        assert shown[1] == "==> Title … 10 s"  # not prose
        assert shown[2].startswith("==> Title: done in 1")  # not prose
        assert "\r" not in program.text
        assert program.gaps()[0][0] < 12
    assert left_of(tmp_path, 3) == {}


def test_a_failed_quiet_step_shows_its_log(tmp_path: Path) -> None:
    command = [str(STEP), "-q", str(tmp_path / "log"), "Title", "sh", "-c", "echo a reason; exit 3"]
    program = Program(command, tmp_path, os.environ, on_terminal=False)
    assert program.wait(10) == 3
    assert "\na reason\n" in program.text
    assert codes(program.text) == ["step-failed"]


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("one\nlast\n\n[notice] a new pip\n", "last"),
        ("ERROR: first\nERROR: no match\nadvice\n", "ERROR: no match"),
        ("OSError: [Errno 28] full\nend\n", "OSError: [Errno 28] full"),
    ],
)
def test_the_last_line_names_the_reason(tmp_path: Path, output: str, reason: str) -> None:
    (tmp_path / "told").write_text(output)
    command = [
        str(STEP),
        "-q",
        str(tmp_path / "log"),
        "Title",
        "sh",
        "-c",
        'cat "$0"; exit 3',
        str(tmp_path / "told"),
    ]
    program = Program(command, tmp_path, os.environ, on_terminal=False)
    assert program.wait(10) == 3
    last = program.lines[-1].text
    assert codes(last) == ["step-failed"]
    assert f": {reason}; command: sh " in last


@pytest.mark.parametrize("quiet", [True, False])
def test_ctrl_c_ends_a_step_and_its_command(tmp_path: Path, quiet: bool) -> None:
    options = ["-q", str(tmp_path / "log")] if quiet else []
    program = Program([str(STEP), *options, "Title", "sleep", "60"], tmp_path, os.environ, on_terminal=True)
    while not program.text.startswith("==> Title"):
        assert program.passed_s < 10
    program.interrupt()
    assert program.wait(10) != 0
    assert left_of(tmp_path, 3) == {}
