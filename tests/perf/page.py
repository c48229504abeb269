"""The report of fifty hosts: how large its page is, and how long a browser takes until it can be used.

    PYTHONPATH=bench:. .venv/bin/python tests/perf/page.py [--page FILE] [--tries 5]

Interactive: from the start of the navigation until the page's script has run and everything has its place. The least of
several tries counts, since other work on the machine only adds.
"""

import argparse
import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from edgebench_report.build import build

from tests.unit.report.conftest import Maker, write_records
from tests.unit.report.test_browser import QUIET

MOST_BYTES = 5_000_000
MOST_MS = 1000.0
_ASK = (
    "addEventListener('load', () => { document.body.offsetHeight; "
    "document.title = 'ms ' + performance.now(); });"
)


def fleet(hosts: int, repeats: int, folder: Path) -> Path:
    """Build the report of so many hosts, nine workloads with so many repeats each; return its page."""
    make, records = Maker(), []
    for number in range(hosts):
        host = f"edge-{number:02d}"
        records += make.suite(repeats, profile="paper", host=host, speed=1 + number / 10, seed=number)
        for repeat in range(1, repeats + 1):
            records.append(make.inference("litert", "float32", profile="paper", host=host, repeat=repeat))
    write_records(folder / "records.jsonl", records)
    return build([folder / "records.jsonl"], folder / "report").page


def interactive_ms(page: Path, folder: Path) -> float:
    """Open a page in headless Chromium and return the milliseconds until it is laid out."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("chromium not found: install the Debian package chromium")
    digest = base64.b64encode(hashlib.sha256(_ASK.encode()).digest()).decode()
    text = page.read_text("utf-8").replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    copy = folder / "timed.html"
    copy.write_text(text.replace("</body>", f"<script>{_ASK}</script></body>"), "utf-8")
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                *(chromium, *QUIET, f"--user-data-dir={profile}", "--window-size=1280,900", "--dump-dom"),
                copy.resolve().as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    found = re.search(r"<title>ms ([\d.]+)", done.stdout)
    if found is None:
        raise SystemExit(f"the page did not load: {done.stderr[-500:]}")
    return float(found[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--page", type=Path, help="a page that is there already")
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--tries", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = given.page or fleet(given.hosts, given.repeats, folder)
        size = page.stat().st_size
        times = [interactive_ms(page, folder) for _ in range(given.tries)]
    print(f"page: {size / 1e6:.2f} MB (at most {MOST_BYTES / 1e6:g})")
    print(f"interactive: {min(times):.0f} ms (at most {MOST_MS:g}), tries {[round(each) for each in times]}")
    return 0 if size <= MOST_BYTES and min(times) <= MOST_MS else 1


if __name__ == "__main__":
    sys.exit(main())
