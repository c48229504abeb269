"""A reporter at work shows that it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench import progress
from edgebench_report import cli

RecordsFile = Callable[..., Path]


def test_a_report_that_takes_long_shows_that_it_is_at_work(
    make: Any,
    records_file: RecordsFile,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(progress, "_HEARTBEAT_S", 0.1)
    monkeypatch.setattr(progress, "_QUICK_S", 0.0)
    monkeypatch.setattr(progress, "_TICK_S", 0.01)
    path = records_file([make.run()])
    assert cli.main(["build", str(path), "--out", str(tmp_path / "r"), "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'r' / 'index.html'}\n"
    lines = printed.err.splitlines()
    assert lines[0].startswith("edgebench-report build: ")
    assert lines[1].startswith(f"… {lines[0]}, 0 s")
