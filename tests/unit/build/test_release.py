"""What a release is made of: the same bytes from anywhere, and nothing from a tree that is not committed."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import cyclonedx.schema
import edgebench
import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from tests.messages import codes

ROOT = Path(__file__).resolve().parents[3]
VERSION = edgebench.__version__
AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "a"), ("EMAIL", "a@example.org"), ("DATE", "2026-01-02T03:04:05Z"))
}


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, env={**os.environ, **AUTHOR}
    )


def release(folder: Path, umask: int = 0o022) -> "subprocess.CompletedProcess[str]":
    # By the checkout's own tool, with an environment in which nothing of this place is left.
    return subprocess.run(
        [sys.executable, str(folder / "tools/release.py")],
        cwd="/",
        env={"PATH": os.environ["PATH"], "TZ": "Asia/Kathmandu" if umask == 0o077 else "UTC"},
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
    )


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout's files as they are, committed, with an entry of the version in the changelog."""
    folder = tmp_path_factory.mktemp("origin") / "checkout"
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "-q", "-b", "main")
    changelog = folder / "CHANGELOG.md"
    text = changelog.read_text()
    if f"## [{VERSION}]" not in text:
        changelog.write_text(
            text.replace("## [Unreleased]", f"## [Unreleased]\n\n## [{VERSION}] - 2026-01-02")
        )
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "release")
    return folder


def cloned(origin: Path, folder: Path) -> Path:
    git(origin, "clone", "-q", "--no-hardlinks", str(origin), str(folder))
    return folder


@pytest.fixture(scope="module")
def dist(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = cloned(origin, tmp_path_factory.mktemp("one") / "edgebench")
    done = release(folder)
    assert done.returncode == 0, done.stderr
    return folder / "dist"


def test_two_folders_and_two_umasks_give_the_same_bytes(origin: Path, dist: Path, tmp_path: Path) -> None:
    other = cloned(origin, tmp_path / "quite another place" / "x")
    # What is ignored by git must not get in.
    (other / "bench/edgebench/__pycache__").mkdir(exist_ok=True)
    (other / "bench/edgebench/__pycache__/left.json").write_text("{}")
    done = release(other, umask=0o077)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in dist.iterdir())
    assert names == sorted(path.name for path in (other / "dist").iterdir())
    for name in names:
        assert (dist / name).read_bytes() == (other / "dist" / name).read_bytes(), name
        assert (dist / name).stat().st_mode == (other / "dist" / name).stat().st_mode, name


def test_the_sums_are_right_and_name_everything(dist: Path) -> None:
    sums = dict(line.split("  ")[::-1] for line in (dist / "SHA256SUMS").read_text().splitlines())
    assert sorted([*sums, "SHA256SUMS"]) == sorted(path.name for path in dist.iterdir())
    for name, sha256 in sums.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == sha256


def test_the_zipapp_runs_and_tells_its_version(dist: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(dist / f"edgebench-{VERSION}.pyz"), "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert VERSION in done.stdout


def test_the_collection_installs_with_the_sums_it_names(dist: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-galaxy"),
            *(
                "collection",
                "install",
                "--offline",
                "-p",
                str(tmp_path),
                str(dist / f"edgebench-edge-{VERSION}.tar.gz"),
            ),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "ansible_collections/edgebench/edge/plugins/modules/extlinux.py").is_file()


def test_a_collection_of_another_version_is_refused(origin: Path, tmp_path: Path) -> None:
    folder = cloned(origin, tmp_path / "x")
    text = (folder / "galaxy.yml").read_text()
    (folder / "galaxy.yml").write_text(text.replace(f"version: {VERSION}", "version: 9.8.7"))
    git(folder, "commit", "-qam", "changed")
    done = release(folder)
    assert (done.returncode, codes(done.stderr)) == (1, ["collection-version-differs"])
    assert "9.8.7" in done.stderr
    assert not (folder / "dist").exists()


def test_the_source_archive_is_the_commit(origin: Path, dist: Path) -> None:
    with tarfile.open(dist / f"edgebench-{VERSION}.tar.gz") as tar:
        members = {each.name: each for each in tar if each.isfile()}
        content = tar.extractfile(f"edgebench-{VERSION}/CHANGELOG.md")
        assert content is not None
        assert content.read() == (origin / "CHANGELOG.md").read_bytes()
    tracked = subprocess.run(
        ["git", "-C", str(origin), "ls-files"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert sorted(members) == sorted(f"edgebench-{VERSION}/{name}" for name in tracked)
    assert not [each.name for each in members.values() if each.mode & 0o022]


def test_the_bill_of_materials_is_valid_and_names_every_pin(dist: Path) -> None:
    document: Any = json.loads((dist / f"edgebench-{VERSION}.cdx.json").read_text())
    schemas = Path(cyclonedx.schema.__file__).parent / "_res"
    loaded = {path.name: json.loads(path.read_text()) for path in schemas.glob("*.schema.json")}
    registry: Any = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in loaded.values() if "$id" in schema
    )
    jsonschema.Draft7Validator(loaded["bom-1.6.SNAPSHOT.schema.json"], registry=registry).validate(document)
    named = {(each["name"], each["version"]) for each in document["components"]}
    pins = set()
    for lock in (ROOT / "requirements").rglob("*.txt"):
        for name, version in re.findall(
            r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", lock.read_text(), re.MULTILINE
        ):
            pins.add((name.lower().replace("_", "-"), version))
    assert named == pins
    assert document["metadata"]["component"]["version"] == VERSION
    for component in document["components"]:
        kinds = {each["name"] for each in component["properties"]}
        assert kinds == {"edgebench:lock", "edgebench:sha256"}, component["name"]


def test_a_tree_that_is_not_committed_is_refused(origin: Path, tmp_path: Path) -> None:
    folder = cloned(origin, tmp_path / "x")
    (folder / "README.md").write_text("changed\n")
    (folder / "left over").write_text("")
    done = release(folder)
    assert (done.returncode, codes(done.stderr)) == (1, ["tree-not-clean"])
    assert "README.md" in done.stderr
    assert "left over" in done.stderr
    assert not (folder / "dist").exists()


@pytest.mark.parametrize(
    "entry", ["", f"## [{VERSION}] - soon\n\n- x\n", f"## [{VERSION}] - 2026-01-02\n\n## [0.0.1]\n- y\n"]
)
def test_a_version_without_an_entry_is_refused(origin: Path, tmp_path: Path, entry: str) -> None:
    folder = cloned(origin, tmp_path / "x")
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n## [Unreleased]\n- z\n\n{entry}")
    git(folder, "commit", "-qam", "changed")
    done = release(folder)
    assert (done.returncode, codes(done.stderr)) == (1, ["changelog-entry-missing"])
    assert f"## [{VERSION}] - " in done.stderr


def test_the_version_stands_in_one_place() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert 'dynamic = ["version"]' in project
    assert not re.search(r'^version\s*=\s*"', project, re.MULTILINE)
    said = subprocess.run(
        [
            "git",
            "-C",
            str(ROOT),
            "grep",
            "-lF",
            f'"{VERSION}"',
            "--",
            "bench/edgebench",
            "bench/edgebench_report",
            "tools",
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    assert said == ["bench/edgebench/__init__.py"]


def test_the_execution_environment_installs_the_lock_with_its_hashes() -> None:
    definition = yaml.safe_load((ROOT / "execution-environment.yml").read_text())
    (file,) = definition["additional_build_files"]
    assert (ROOT / file["src"]).is_file()
    steps = definition["additional_build_steps"]["append_final"]
    assert any(Path(file["src"]).name in step for step in steps if step.startswith("COPY"))
    assert any("--require-hashes" in step for step in steps)
    controller = set(
        re.findall(r"^(\S+==\S+)", (ROOT / "requirements/controller.txt").read_text(), re.MULTILINE)
    )
    inside = set(re.findall(r"^(\S+==\S+)", (ROOT / file["src"]).read_text(), re.MULTILINE))
    assert controller <= inside
