"""The page in a real browser: drawn, without a console message, and without a request to anybody."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from edgebench_report.build import Built

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
]


@pytest.fixture
def browse(lack: Callable[[str], NoReturn], tmp_path: Path) -> Callable[[Path], tuple[bytes, list[str]]]:
    """What opens a page in headless Chromium and gives its screenshot and the console's lines."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        lack("chromium not found: install the Debian package chromium")

    def open_page(page: Path) -> tuple[bytes, list[str]]:
        picture = tmp_path / "page.png"
        options = [
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={picture}",
            "--window-size=1280,2000",
        ]
        done = subprocess.run(
            [chromium, *QUIET, *options, page.resolve().as_uri()], capture_output=True, text=True, timeout=120
        )
        return picture.read_bytes(), [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return open_page


def test_the_page_opens_without_a_console_message(
    browse: Callable[[Path], tuple[bytes, list[str]]], mixed_report: Built
) -> None:
    picture, console = browse(mixed_report.page)
    assert console == []
    assert len(picture) > 50_000, "next to nothing was drawn"


def test_a_request_to_outside_would_be_refused_and_seen(
    browse: Callable[[Path], tuple[bytes, list[str]]], mixed_report: Built, tmp_path: Path
) -> None:
    page = tmp_path / "index.html"
    text = mixed_report.page.read_text()
    page.write_text(text.replace("</body>", '<img src="https://outside.invalid/x.png" alt=""></body>'))
    _, console = browse(page)
    assert any("Content Security Policy" in line for line in console)
