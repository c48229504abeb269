"""What --diff shows: every change, but not the whole of a long new file."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LONG = "".join(f"line {number}\n" for number in range(30))
SHORT = "one\ntwo\n"


@pytest.mark.parametrize(
    ("diff", "is_shortened"),
    [
        ({"before": "", "after": LONG, "after_header": "script"}, True),
        ({"before": "", "after": LONG, "after_header": "a (0644)", "before_header": "a (absent)"}, True),
        ({"before": "", "after": SHORT, "after_header": "script"}, False),
        # An empty file has a header, and a file with a content is there.
        ({"before": "", "after": LONG, "after_header": "script", "before_header": "script"}, False),
        ({"before": "", "after": LONG, "after_header": "a (0644)", "before_header": "a (0644)"}, False),
        ({"before": SHORT, "after": LONG, "after_header": "script", "before_header": "script"}, False),
        # No file: steps that are to be done, states.
        ({"before": "", "after": LONG}, False),
        ({"before": {"state": "absent"}, "after": {"state": "directory"}}, False),
        ({"before": {"path": "/a", "mode": "0644"}, "after": {"path": "/a", "mode": "0755"}}, False),
        (
            {
                "before": {"path": "/a", "state": "absent"},
                "after": {"path": "/a", "state": "directory", "mode": "0700"},
            },
            False,
        ),
        ({"prepared": LONG}, False),
        ({"dst_binary": 1}, False),
    ],
)
def test_nothing_but_a_long_new_file_is_shortened(
    plugin: Callable[[str], ModuleType], diff: dict[str, Any], is_shortened: bool
) -> None:
    shown = plugin("callback/edgebench_progress").shorten(diff)
    assert (shown != diff) is is_shortened
    if is_shortened:
        line = shown["prepared"]
        for part in (diff["after_header"], "30 lines", hashlib.sha256(LONG.encode()).hexdigest(), "-v"):
            assert part in line
        assert line.count("\n") == 1


def test_a_new_folder_is_one_line(plugin: Callable[[str], ModuleType]) -> None:
    shorten = plugin("callback/edgebench_progress").shorten
    states = [{"path": "/a/b", "state": state} for state in ("absent", "directory")]
    assert shorten({"before": states[0], "after": states[1]}) == {
        "prepared": "+++ /a/b: new directory\n"  # not prose
    }
    gone = {"before": states[1], "after": states[0]}
    assert shorten(gone) == gone


@pytest.fixture
def play(root: Path, tmp_path: Path) -> Callable[..., str]:
    """A function that plays a copy of files in check mode and returns what was printed."""
    (tmp_path / "script.sh").write_text(LONG)
    (tmp_path / "extlinux.conf").write_text(LONG)
    (tmp_path / "empty").write_text("")
    copies = [
        {"src": str(tmp_path / "script.sh"), "dest": str(tmp_path / "new.sh")},
        {"content": LONG.replace("line 7\n", "changed 7\n"), "dest": str(tmp_path / "extlinux.conf")},
        {"content": LONG.replace("line", "filled"), "dest": str(tmp_path / "empty")},
        {"content": SHORT, "dest": str(tmp_path / "unit.conf")},
    ]
    tasks = [{"name": f"Copy {copy['dest']}", "ansible.builtin.copy": copy} for copy in copies]
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"h": variables}}}))

    def run(*arguments: str) -> str:
        program = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [program, "-i", "hosts.yml", "play.yml", "--check", "--diff", *arguments],
            cwd=tmp_path,
            env={**os.environ, "ANSIBLE_CONFIG": str(root / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_playbook_shows_changes_and_names_new_files(play: Callable[..., str]) -> None:
    text = play()
    digest = hashlib.sha256(LONG.encode()).hexdigest()
    (line,) = [each for each in text.splitlines() if digest in each]
    assert "script.sh" in line
    assert "+line 5" not in text
    assert "-line 7\n+changed 7\n" in text  # not prose
    assert "+filled 29\n" in text
    assert "+two\n" in text
    full = play("-v")
    assert "+line 5\n" in full
