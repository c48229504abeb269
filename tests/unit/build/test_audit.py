"""The look over locks, licences and advisories."""

import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.messages import codes

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "tools/audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_this_checkout_passes() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/audit.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert codes(done.stdout) == ["advisories-not-checked"]
    assert "make audit ADVISORIES=" in done.stdout


def record(events: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    package = {"ecosystem": "PyPI", "name": "Some_Thing"}
    return {
        "id": "X-1",
        "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
        **more,
    }


@pytest.mark.parametrize(
    ("events", "version", "affected"),
    [
        ([{"introduced": "0"}, {"fixed": "1.2"}], "1.1.9", True),
        ([{"introduced": "0"}, {"fixed": "1.2"}], "1.2", False),
        ([{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}], "2.1", True),
        ([{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}], "1.9", False),
        ([{"introduced": "1.0"}, {"last_affected": "1.5"}], "1.5", True),
        ([{"introduced": "1.0"}, {"last_affected": "1.5"}], "1.5.1", False),
        ([{"introduced": "1.0"}, {"fixed": "1.10"}], "1.9", True),
        ([{"introduced": "0"}, {"fixed": "not a version"}], "1.0", True),
    ],
)
def test_ranges_are_those_of_osv(
    audit: ModuleType, events: list[dict[str, str]], version: str, affected: bool
) -> None:
    assert audit.affects(record(events), "some-thing", version) is affected
    assert not audit.affects(record(events), "another", version)
    assert not audit.affects(record(events, withdrawn="2026-01-01T00:00:00Z"), "some-thing", version)


def test_a_locked_version_that_an_advisory_is_about_is_named(audit: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/a.txt").write_text("some-thing==1.1 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(
            "X-1.json", json.dumps(record([{"introduced": "0"}, {"fixed": "1.2"}], summary="bad"))
        )
    [finding] = audit.vulnerable(tmp_path / "locks", tmp_path / "all.zip")
    assert codes(finding) == ["package-vulnerable"]
    assert {"some-thing", "1.1:", "X-1", "bad", "(a.txt)"} <= set(finding.split())


def test_a_database_that_is_none_is_no_clean_bill(tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(b"<html>")
    command = [sys.executable, str(ROOT / "tools/audit.py"), "--advisories", str(tmp_path / "all.zip")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, codes(done.stderr)) == (2, ["advisories-unreadable"])
    assert str(tmp_path / "all.zip") in done.stderr
    command[-1] = str(tmp_path)
    (tmp_path / "x.json").write_text("{}")
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, codes(again.stderr)) == (2, ["advisories-unreadable"])


def test_what_is_no_pin_with_a_hash_is_found(audit: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# comment\nx==1\n--index-url https://example.org\n")
    unpinned, without_hash = audit.lock_findings(tmp_path)
    assert (unpinned.split()[:2], codes(unpinned)) == (["a.txt:", "1"], ["lock-unpinned"])
    assert (without_hash.split()[:2], codes(without_hash)) == (["a.txt:", "x"], ["lock-hash-missing"])


def test_what_is_installed_beside_the_lock_is_found(audit: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x==1 --hash=sha256:" + "0" * 64 + "\n")
    found = audit.installed_findings(tmp_path / "a.txt", {"x": "2", "y": "1", "pip": "3"})
    assert [each.split()[:2] for each in found] == [["x", "2"], ["y", "1"]]
    assert [codes(each) for each in found] == [["package-not-locked"]] * 2
    assert re.search(r"\b1 is locked\b", found[0])
    assert all("make clean" in each for each in found)
