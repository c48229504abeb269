"""Looks over what is installed and locked, without the network (`make audit`).

- Every lock pins versions and hashes, and .venv holds what its lock says and nothing else.
- The licences of what .venv holds are listed; one that this project may not depend on, or that is unknown, is named.
- With --advisories FILE the locks are held against an advisory database that you fetched: a .zip or a folder of OSV
  records, such as https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip. Without it nothing is said of known
  vulnerabilities, and that is said.

Exit codes: 0 nothing found; 1 findings; 2 the database cannot be read.
"""

import argparse
import importlib.metadata
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
# They may be installed beside Apache-2.0 code; nothing of them is shipped. GPL: tools that are run, not imported by
# what a release holds.
KNOWN_LICENCES = re.compile(
    r"apache|bsd|mit\b|mit licen|expat|isc|psf|python software|mozilla|mpl|unlicense|public domain|zlib|hpnd|0bsd"
    r"|gpl|cnri|zpl|unicode|afl",
    re.IGNORECASE,
)
# Brought by venv or by this checkout, not by a lock.
NOT_LOCKED = {"pip", "edgebench"}
DATABASE = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
# An advisory is a few kilobytes.
MOST_BYTES = 4 << 20
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)(.*)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(lock: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield (name, version, whether it has hashes) of a lock."""
    for name, version, rest in _PIN.findall(lock.read_text().replace("\\\n", " ")):
        yield canonicalize_name(name), version, bool(_HASH.search(rest))


def lock_findings(folder: Path) -> list[str]:
    """Return what in the locks is no pin with a hash."""
    found = []
    for lock in sorted(folder.rglob("*.txt")):
        lines = lock.read_text().replace("\\\n", " ").splitlines()
        wanted = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        named = list(pins(lock))
        if len(named) != len(wanted):
            unpinned = len(wanted) - len(named)
            found.append(
                f"{lock.relative_to(folder)}: {unpinned} lines without a pinned version. Run: make lock [lock-unpinned]"
            )
        found += [
            f"{lock.relative_to(folder)}: {name} has no hash. Run: make lock [lock-hash-missing]"
            for name, _, hashed in named
            if not hashed
        ]
    return found


def installed_findings(lock: Path, installed: dict[str, str]) -> list[str]:
    """Return where what is installed is not what the lock says; another platform's packages may be missing."""
    locked: dict[str, set[str]] = {}
    for name, version, _ in pins(lock):
        locked.setdefault(name, set()).add(version)
    return [
        f"{name} {version} is installed, but {' or '.join(sorted(locked.get(name, {'no version'})))} is locked. "
        "Run: make clean, then make venv-test [package-not-locked]"
        for name, version in sorted(installed.items())
        if name not in NOT_LOCKED and version not in locked.get(name, set())
    ]


def licence(metadata: Any) -> str:
    """Return the licence that a package tells, by its expression, its classifiers or its own words."""
    told = metadata.get("License-Expression")
    classifiers = [
        each.rpartition(" :: ")[2]
        for each in metadata.get_all("Classifier") or []
        if each.startswith("License ::")
    ]
    words = (metadata.get("License") or "").strip().splitlines()
    return str(told or ", ".join(classifiers) or (words[0][:60] if words else "") or "unknown")


def advisories(path: Path) -> Iterator[dict[str, Any]]:
    """Yield OSV records out of a zip or a folder; ValueError where it holds none."""
    count = 0
    if path.is_dir():
        contents: Iterator[bytes] = (each.read_bytes() for each in sorted(path.glob("*.json")))
    else:
        contents = _members(path)
    for content in contents:
        record = json.loads(content)
        if isinstance(record, dict) and "affected" in record:
            count += 1
            yield record
    if not count:
        raise ValueError("it contains no OSV records")


def _members(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".json") and info.file_size <= MOST_BYTES:
                yield archive.read(info)


def affects(record: dict[str, Any], name: str, version: str) -> bool:
    """Return whether an OSV record is about this version of a PyPI package."""
    if record.get("withdrawn"):
        return False
    for affected in record["affected"]:
        package = affected.get("package", {})
        if package.get("ecosystem") != "PyPI" or canonicalize_name(package.get("name", "")) != name:
            continue
        if version in affected.get("versions", ()):
            return True
        if any(
            _within(each.get("events", ()), version)
            for each in affected.get("ranges", ())
            if each.get("type") == "ECOSYSTEM"
        ):
            return True
    return False


def _within(events: list[dict[str, str]], version: str) -> bool:
    try:
        here, inside = Version(version), False
        for event in sorted(events, key=lambda each: Version(next(iter(each.values())).replace("*", "0"))):
            kind, at = next(iter(event.items()))
            at_version = Version(at)
            if kind == "introduced" and here >= at_version:
                inside = True
            elif (kind in ("fixed", "limit") and here >= at_version) or (
                kind == "last_affected" and here > at_version
            ):
                inside = False
    except InvalidVersion:
        # A range that cannot be read is not taken for one that spares us.
        return True
    return inside


def vulnerable(folder: Path, database: Path) -> list[str]:
    """Return a line for each locked version that an advisory is about."""
    locked: dict[str, dict[str, set[str]]] = {}
    for lock in sorted(folder.rglob("*.txt")):
        for name, version, _ in pins(lock):
            locked.setdefault(name, {}).setdefault(version, set()).add(lock.relative_to(folder).as_posix())
    found = []
    for record in advisories(database):
        names = {canonicalize_name(each.get("package", {}).get("name", "")) for each in record["affected"]}
        for name in sorted(names & set(locked)):
            found += [
                f"{name} {version}: {record.get('id')} {record.get('summary', '')[:80]} ({', '.join(sorted(locks))}) "
                "[package-vulnerable]"
                for version, locks in sorted(locked[name].items())
                if affects(record, name, version)
            ]
    return sorted(found)


def main() -> int:
    """Print what is found; see the module."""
    parser = argparse.ArgumentParser(
        description="Look over what is installed and locked, without the network."
    )
    parser.add_argument("--advisories", type=Path, metavar="FILE", help="zip or folder of OSV records")
    parser.add_argument("--licences", action="store_true", help="list every package with its licence")
    given = parser.parse_args()
    here = {canonicalize_name(each.metadata["Name"]): each for each in importlib.metadata.distributions()}
    findings = lock_findings(ROOT / "requirements")
    findings += installed_findings(
        ROOT / "requirements/test.txt", {name: each.version for name, each in here.items()}
    )
    told = {name: licence(each.metadata) for name, each in here.items()}
    findings += [
        f"{name}: the licence {text} is not one of those that are known to be compatible. Check it, and add it to "
        "KNOWN_LICENCES in tools/audit.py if it is [licence-unknown]"
        for name, text in sorted(told.items())
        if not KNOWN_LICENCES.search(text)
    ]
    if given.licences:
        for name, text in sorted(told.items()):
            print(f"{name:28} {here[name].version:14} {text}")
    if given.advisories:
        try:
            known = vulnerable(ROOT / "requirements", given.advisories)
        except (OSError, ValueError, zipfile.BadZipFile, AttributeError, TypeError) as error:
            print(
                f"edgebench: {given.advisories} is not a database of advisories: {error}. Fetch {DATABASE} "
                "[advisories-unreadable]",
                file=sys.stderr,
            )
            return 2
        findings += known
    locks = len(list((ROOT / "requirements").rglob("*.txt")))
    print(
        f"{locks} locks, {len(here)} packages in .venv, {len(set(told.values()))} licences as they are worded"
    )
    for finding in findings:
        print(f"edgebench: {finding}")
    if not given.advisories:
        print(
            f"Known vulnerabilities were not checked. Fetch {DATABASE}, then run: make audit ADVISORIES=all.zip "
            "[advisories-not-checked]"
        )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
