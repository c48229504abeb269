"""Builds what a release is made of into dist/ (`make release`): the same commit always gives the same bytes.

    edgebench-VERSION.pyz                        the runner, one zipapp
    edgebench-VERSION.tar.gz                     the sources, as committed
    edgebench-VERSION.cdx.json                   the bill of materials (CycloneDX), from the lock files
    edgebench-VERSION-execution-environment.tar.gz   what `ansible-builder build` makes an execution environment of
    edgebench-edge-VERSION.tar.gz                the Ansible collection edgebench.edge
    SHA256SUMS

Everything is built from the commit, not from the working tree, and nothing is built where the two differ.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
from pathlib import Path

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]
EXECUTION_ENVIRONMENT = ("execution-environment.yml", "requirements/execution-environment.txt")
# What only those who work on edgebench install.
TOOLS_ONLY = {f"requirements/{each}.txt" for each in ("axe", "fuzz", "mlflow", "test")}
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)(.*)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class ReleaseError(Exception):
    """Why no release is built, and what to do; ``code`` identifies it for scripts and tests."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def git(root: Path, *words: str) -> bytes:
    """Return what git prints; ReleaseError with its own words where it fails."""
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ReleaseError(f"git {words[0]} failed: {said}", "git-failed")
    return done.stdout


def require_clean(root: Path) -> None:
    """Raise ReleaseError where the working tree is not what is committed."""
    changed = git(root, "status", "--porcelain").decode(errors="replace").splitlines()
    if changed:
        more = f"\n  and {len(changed) - 10} more" if len(changed) > 10 else ""
        listed = "".join(f"\n  {line}" for line in changed[:10])
        raise ReleaseError(
            f"the working tree differs from its commit:{listed}{more}\nCommit or remove these files.",
            "tree-not-clean",
        )


def require_entry(changelog: str, version: str) -> None:
    """Raise ReleaseError where the changelog has no dated entry of this version with anything in it."""
    found = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    if found is None or not re.search(r"^- ", found[1], re.MULTILINE):
        raise ReleaseError(
            f"CHANGELOG.md has no dated entry for version {version}. Rename [Unreleased] to "
            f"“## [{version}] - YYYY-MM-DD”, or correct __version__ in bench/edgebench/__init__.py.",
            "changelog-entry-missing",
        )


def version_of(sources: Path) -> str:
    """Return the version, which stands in bench/edgebench/__init__.py alone."""
    found = _VERSION.search((sources / "bench/edgebench/__init__.py").read_text())
    if found is None:
        raise ReleaseError(
            'bench/edgebench/__init__.py has no version. Add the line: __version__ = "X.Y.Z"',
            "version-missing",
        )
    return found[1]


def packed(tar: bytes) -> bytes:
    """Return a tar packed by gzip, without a time or a name."""
    return gzip.compress(tar, 9, mtime=0)


def bill_of_materials(sources: Path, version: str, commit: str, moment: datetime.datetime) -> str:
    """Return the CycloneDX document of all that the lock files name, with hashes and the locks each is in."""
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"edgebench:{commit}"))
    bom.metadata.timestamp = moment
    root = Component(
        name="edgebench",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"edgebench@{version}",
        licenses=[LicenseExpression("Apache-2.0")],
    )
    bom.metadata.component = root
    found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for lock in sorted((sources / "requirements").rglob("*.txt")):
        name_of_lock = lock.relative_to(sources).as_posix()
        for name, version_of_it, rest in _PIN.findall(lock.read_text().replace("\\\n", "")):
            locks, hashes = found.setdefault((name.lower().replace("_", "-"), version_of_it), (set(), set()))
            locks.add(name_of_lock)
            hashes.update(_HASH.findall(rest))
    components = []
    for (name, version_of_it), (locks, hashes) in sorted(found.items()):
        url = PackageURL("pypi", None, name, version_of_it)
        properties = [Property(name="edgebench:lock", value=each) for each in sorted(locks)]
        properties += [Property(name="edgebench:sha256", value=each) for each in sorted(hashes)]
        component = Component(
            name=name,
            version=version_of_it,
            type=ComponentType.LIBRARY,
            purl=url,
            bom_ref=url.to_string(),
            scope=ComponentScope.EXCLUDED if locks <= TOOLS_ONLY else ComponentScope.REQUIRED,
            properties=properties,
        )
        bom.components.add(component)
        components.append(component)
    bom.register_dependency(root, components)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def execution_environment(sources: Path, moment: datetime.datetime) -> bytes:
    """Return a tar with the definition and the lock that it installs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in EXECUTION_ENVIRONMENT:
            content = (sources / name).read_bytes()
            info = tarfile.TarInfo(f"execution-environment/{name}")
            info.size, info.mode, info.mtime = len(content), 0o644, int(moment.timestamp())
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def collection(sources: Path, version: str, moment: datetime.datetime) -> bytes:
    """Return the collection as ansible-galaxy builds it, in an order of files and with times that are always the same.

    Raises ReleaseError if galaxy.yml has another version than the runner.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_HOME": folder}
        subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-galaxy")),
                *("collection", "build", str(sources), "--output-path", folder),
            ],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (path,) = Path(folder).glob("*.tar.gz")
        if path.name != f"edgebench-edge-{version}.tar.gz":
            raise ReleaseError(
                f"galaxy.yml gives {path.name}, expected version {version} of bench/edgebench/__init__.py. "
                f"Write it into galaxy.yml: version: {version}",
                "collection-version-differs",
            )
        with tarfile.open(path) as tar:
            members = {member.name: member for member in tar}
            contents = {
                name: file.read() for name, member in members.items() if (file := tar.extractfile(member))
            }
    files = json.loads(contents["FILES.json"])
    files["files"].sort(key=lambda entry: str(entry["name"]))
    contents["FILES.json"] = json.dumps(files, indent=1).encode()
    manifest = json.loads(contents["MANIFEST.json"])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(contents["FILES.json"]).hexdigest()
    contents["MANIFEST.json"] = json.dumps(manifest, indent=1).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, member in sorted(members.items()):
            content = contents.get(name, b"")
            member.size, member.mtime = len(content), int(moment.timestamp())
            tar.addfile(member, io.BytesIO(content))
    return packed(out.getvalue())


def build(root: Path, out: Path) -> list[Path]:
    """Build a release of the commit that is checked out; return its files. Raises ReleaseError."""
    require_clean(root)
    commit = git(root, "rev-parse", "HEAD").decode().strip()
    seconds = int(git(root, "show", "--no-patch", "--format=%ct", commit).decode())
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    with tempfile.TemporaryDirectory() as folder:
        # Git's own mask of modes, so that neither a umask nor a person's settings count.
        plain = git(root, "-c", "tar.umask=0022", "archive", "--format=tar", commit)
        # By tar: Python's own module has no safe extraction before 3.11.4, which Debian 12 lacks.
        extract = ["tar", "--extract", "--preserve-permissions", "--no-same-owner", "--directory", folder]
        subprocess.run(extract, input=plain, check=True)
        sources = Path(folder)
        version = version_of(sources)
        require_entry((sources / "CHANGELOG.md").read_text(), version)
        name = f"edgebench-{version}"
        zipapp = sources / f"{name}.pyz"
        subprocess.run(
            [sys.executable, str(sources / "bench/build_zipapp.py"), "--out", str(zipapp)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        prefixed = git(root, "-c", "tar.umask=0022", "archive", "--format=tar", f"--prefix={name}/", commit)
        contents = {
            f"{name}.pyz": zipapp.read_bytes(),
            f"{name}.tar.gz": packed(prefixed),
            f"{name}.cdx.json": bill_of_materials(sources, version, commit, moment).encode(),
            f"{name}-execution-environment.tar.gz": packed(execution_environment(sources, moment)),
            f"edgebench-edge-{version}.tar.gz": collection(sources, version, moment),
        }
    sums = "".join(f"{hashlib.sha256(contents[each]).hexdigest()}  {each}\n" for each in sorted(contents))
    contents["SHA256SUMS"] = sums.encode()
    return written(out, contents)


def written(out: Path, contents: dict[str, bytes]) -> list[Path]:
    """Put the files in the place of what was in ``out``, all of them or none."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    partial.chmod(0o755)
    for name, content in contents.items():
        (partial / name).write_bytes(content)
        (partial / name).chmod(0o755 if name.endswith(".pyz") else 0o644)
    if out.exists():
        shutil.rmtree(out)
    partial.replace(out)
    return [out / name for name in sorted(contents)]


def main() -> int:
    """Build the release; 1 with the reason where none is to be built."""
    parser = argparse.ArgumentParser(description="Build a release of the commit that is checked out.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (this one)")
    parser.add_argument("--out", type=Path, help="folder that is replaced (dist/ in the checkout)")
    given = parser.parse_args()
    try:
        files = build(given.root, given.out or given.root / "dist")
    except ReleaseError as error:
        print(f"edgebench: no release built: {error} [{error.code}]", file=sys.stderr)
        return 1
    for path in files:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
