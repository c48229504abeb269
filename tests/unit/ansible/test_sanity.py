"""ansible-test's sanity tests of the installed collection: four minutes, its linters come from the package index."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ansible_test
import pytest

BIN = Path(sys.executable).parent
# ansible-test makes environments without pip and downloads such a script; here pip is that of Python itself.
GET_PIP = """\
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", *sys.argv[1:]])
"""
# There is no PowerShell here; shellcheck would need a program of that name.
LEFT_OUT = ("pslint", "shellcheck")

pytestmark = pytest.mark.thorough


def test_ansible_test_finds_nothing(root: Path, tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))
    }
    environment |= {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    cache = tmp_path / ".ansible/test/cache"
    cache.mkdir(parents=True)
    requirements = Path(ansible_test.__path__[0]) / "_internal/python_requirements.py"
    for version in re.findall(r"pip='([\d.]+)'", requirements.read_text()):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)

    def run(folder: Path, *command: str) -> None:
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run(tmp_path, "ansible-galaxy", "collection", "build", str(root), "--output-path", str(tmp_path))
    (archive,) = tmp_path.glob("*.tar.gz")
    run(tmp_path, "ansible-galaxy", "collection", "install", "--offline", "-p", str(tmp_path), str(archive))
    installed = tmp_path / "ansible_collections/edgebench/edge"
    shutil.copytree(root / "tests/sanity", installed / "tests/sanity")
    skipped = [word for name in LEFT_OUT for word in ("--skip-test", name)]
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    run(installed, "ansible-test", "sanity", "--color", "no", "--python", release, *skipped)
