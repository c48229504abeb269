"""Builds the runner into one zipapp, the same sources always giving the same bytes.

``zipapp`` of the standard library stamps files with the time of the build, so
the archive would never have the same checksum twice; this writes fixed times
in a fixed order. The facts it reads go in as JSON, since hosts have no YAML.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path

import yaml

BENCH = Path(__file__).resolve().parent
FILES = BENCH.parent / "files"
# What the runner reads of files/.
_FACTS = ("datasets", "published_2019", "published_kws_2021")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAIN = "import sys\n\nfrom edgebench.cli import main\n\nsys.exit(main())\n"


def contents() -> dict[str, bytes]:
    """Return the archive's files: name to content."""
    names = {"__main__.py": _MAIN.encode()}
    for path in sorted((BENCH / "edgebench").rglob("*")):
        if path.suffix in (".py", ".json"):
            names[path.relative_to(BENCH).as_posix()] = path.read_bytes()
    for name in _FACTS:
        facts = yaml.safe_load((FILES / (name + ".yml")).read_text())
        # A date has no form in JSON but its text.
        names[f"edgebench/files/{name}.json"] = json.dumps(
            facts, indent=1, sort_keys=True, default=str
        ).encode()
    return names


def build(out: Path) -> str:
    """Write the zipapp to ``out`` (whole or not at all) and return its SHA-256 as hex digits."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=out.parent, delete=False) as partial:
        partial.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(contents().items()):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, content)
        partial.flush()
        os.fsync(partial.fileno())
    written = Path(partial.name)
    written.chmod(0o755)
    written.replace(out)
    return hashlib.sha256(out.read_bytes()).hexdigest()


def main() -> int:
    """Build the zipapp named by ``--out`` and print its SHA-256."""
    parser = argparse.ArgumentParser(
        description="Build the edgebench runner as one zipapp and print its SHA-256."
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="file to write, for example .edgebench/edgebench.pyz"
    )
    print(build(parser.parse_args().out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
