"""The collection edgebench.edge: what is in its archive, and that it works where there is no checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import edgebench
import pytest
import yaml

from tests.messages import codes

BIN = Path(sys.executable).parent
NAME = "edgebench.edge"
# Folders of plugins by their type, as ansible-doc calls it.
TYPES = {"callback": "callback", "filter": "filter", "inventory": "inventory", "module": "modules"}
CHECKOUT_ONLY = ("bench", "datasets", "nightly", "report", "runner", "runtime")
PLAY = """\
- name: Use the collection
  hosts: all
  gather_facts: false
  roles:
    - role: edgebench.edge.jetson_power
      jetson_power_supply: barrel_jack
  tasks:
    - name: Wait for five seconds in the boot menu
      edgebench.edge.extlinux: {path: extlinux/extlinux.conf, boot_root: ., timeout: 50}
      become: false
"""


def run(folder: Path, program: str, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a program of Ansible in a folder that knows nothing of the checkout; return how it ended."""
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [str(BIN / program), *arguments],
        cwd=folder,
        env={**environment, "ANSIBLE_NOCOLOR": "1", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def done(folder: Path, *command: str) -> str:
    """Run a program of Ansible as `run` does; return what it printed. Fails where it fails."""
    ended = run(folder, *command)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def archive(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    done(folder, "ansible-galaxy", "collection", "build", str(root), "--output-path", str(folder))
    (path,) = folder.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def elsewhere(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed collection, and nothing else."""
    folder = tmp_path_factory.mktemp("elsewhere")
    done(
        *(folder, "ansible-galaxy", "collection", "install", "--offline", "-p", "collections", str(archive)),
    )
    return folder


def plugin_files(root: Path, kind: str) -> set[str]:
    return {path.stem for path in (root / "plugins" / kind).glob("*.py")}


def test_the_version_is_that_of_the_runner(root: Path) -> None:
    assert yaml.safe_load((root / "galaxy.yml").read_text())["version"] == edgebench.__version__


def test_the_archive_holds_what_the_collection_needs_and_nothing_else(root: Path, archive: Path) -> None:
    assert archive.name == f"edgebench-edge-{edgebench.__version__}.tar.gz"
    assert archive.stat().st_size < 400_000
    with tarfile.open(archive) as tar:
        files = {member.name for member in tar if not member.isdir()}
    own = {
        path.relative_to(root).as_posix()
        for folder in ("plugins", "roles")
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    described = {"MANIFEST.json", "FILES.json", "README.md", "LICENSE", "CHANGELOG.md", "meta/runtime.yml"}
    assert files == own | described | {"files/jetson_boards.yml", "files/l4t_releases.yml"}


def test_the_checkout_is_the_collection_without_being_installed(root: Path) -> None:
    """Links to single folders: one to the checkout itself would send whatever follows links round in circles."""
    folder = root / "collections/ansible_collections/edgebench/edge"
    names = {"files", "galaxy.yml", "meta", "plugins", "roles"}
    assert {path.name: path.resolve() for path in folder.iterdir()} == {name: root / name for name in names}


def test_plugins_are_named_in_full(root: Path) -> None:
    names = {name for kind in ("modules", "action") for name in plugin_files(root, kind)}
    short = re.compile(rf"(\||map\(')\s*edgebench_|^\s*(- )?({'|'.join(names)}):\s*$", re.MULTILINE)
    paths = [
        path
        for folder in ("roles", "playbooks", "inventory", "molecule", "tests/integration")
        for path in (root / folder).rglob("*.yml")
        if "meta" not in path.parts
    ]
    assert len(paths) > 100
    assert [str(path) for path in paths if short.search(path.read_text())] == []
    assert short.search("{{x | edgebench_brief}}")
    assert short.search("  extlinux:\n")


def test_a_play_elsewhere_uses_a_role_and_a_module(root: Path, elsewhere: Path) -> None:
    conf = _boot_files(root, elsewhere)
    before = conf.read_bytes()
    (elsewhere / "play.yml").write_text(PLAY)
    assert len(PLAY.splitlines()) == 10
    words = ("ansible-playbook", "-i", "localhost,", "-c", "local", "--check", "--diff", "play.yml")
    told = done(
        elsewhere,
        *words,
        "-e",
        json.dumps({"ansible_become": False, "ansible_python_interpreter": sys.executable}),
    )
    assert "[jetson-power-skipped]" in told
    assert "+TIMEOUT 50" in told
    assert re.search(r"changed=1\b.*failed=0", told)
    assert conf.read_bytes() == before


@pytest.mark.needs("mounts")
def test_the_role_finds_a_jetson_by_itself(root: Path, elsewhere: Path, tmp_path: Path) -> None:
    """In a mount namespace of its own, where /etc and the programs of a Jetson are there."""
    _boot_files(root, elsewhere)
    (elsewhere / "play.yml").write_text(PLAY)
    for name in ("etc", "bin"):
        (tmp_path / name).mkdir()
    subprocess.run(["cp", "-a", "/etc/.", str(tmp_path / "etc")], check=True)
    (tmp_path / "etc/nv_tegra_release").write_text(
        "# R32 (release), REVISION: 7.1, GCID: 27863751, BOARD: t210ref\n"
    )
    tree = tmp_path / "device-tree"
    tree.mkdir()
    (tree / "compatible").write_text(
        "nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0nvidia,tegra210\0"
    )
    modes = "POWER_MODEL: ID=0 NAME=MAXN\nPOWER_MODEL: ID=1 NAME=5W\n"
    model = tmp_path / "bin/nvpmodel"
    model.write_text(f'#!/bin/sh\ncase $1 in -p) printf "{modes}" ;; -q) echo "NV Power Mode: 5W" ;; esac\n')
    model.chmod(0o755)
    variables = {
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "edgebench_l4t_device_tree": str(tree),
        "edgebench_l4t_sysfs": str(tmp_path / "sys"),
        "jetson_power_clocks": False,
    }
    script = 'mount --bind "$1/etc" /etc && mount --bind "$1/bin" /usr/local/sbin && shift && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), str(BIN / "ansible-playbook")]
    ended = subprocess.run(
        [*command, "-i", "localhost,", "-c", "local", "--check", "play.yml", "-e", json.dumps(variables)],
        cwd=elsewhere,
        env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(elsewhere), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "[power-mode-would-change]" in ended.stdout
    assert re.search(r"\b5W to MAXN\b", ended.stdout)


def test_roles_that_need_a_checkout_say_so(elsewhere: Path) -> None:
    said = {"ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
    tasks = [
        {"block": [{"ansible.builtin.include_role": {"name": f"{NAME}.{role}"}}], "rescue": [said]}
        for role in CHECKOUT_ONLY
    ]
    play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
    (elsewhere / "refused.yml").write_text(json.dumps([play]))
    told = done(elsewhere, "ansible-playbook", "-i", "localhost,", "-c", "local", "--check", "refused.yml")
    messages = re.findall(r'ok:.*\n +"msg": "(.*)"', told)
    assert [codes(message) for message in messages] == [["checkout-required"]] * len(CHECKOUT_ONLY)
    assert all(len(message) < 360 for message in messages)


@pytest.mark.parametrize("kind", TYPES)
def test_every_plugin_is_documented(root: Path, elsewhere: Path, kind: str) -> None:
    listed = json.loads(_doc(elsewhere, "--list", "--json", "-t", kind, NAME))
    files = plugin_files(root, TYPES[kind])
    if kind == "module":
        # ansible-doc finds the documentation of an action plugin at the module of its name.
        files |= plugin_files(root, "action")
    if kind == "filter":
        # Some files have several filters.
        assert {f"{NAME}.{name}" for name in files - {"edgebench_usb_root"}} < set(listed)
    else:
        assert set(listed) == {f"{NAME}.{name}" for name in files}
    found = json.loads(_doc(elsewhere, "--json", "-t", kind, *listed))
    assert found.keys() == listed.keys()
    for name, entry in found.items():
        doc = entry["doc"]
        assert doc.get("name", doc.get("module")) == name.removeprefix(f"{NAME}."), name
        assert doc["short_description"]
        assert doc["description"]
        assert kind in ("callback", "inventory") or entry["return"], name
        assert kind == "callback" or entry["examples"], name


def test_every_role_is_documented(root: Path, elsewhere: Path) -> None:
    roles = sorted(path.name for path in (root / "roles").iterdir())
    found = json.loads(_doc(elsewhere, "--json", "-t", "role", *(f"{NAME}.{role}" for role in roles)))
    assert found.keys() == {f"{NAME}.{role}" for role in roles}
    for name, entry in found.items():
        main = entry["entry_points"]["main"]
        assert main["short_description"], name
        assert main["description"], name
        assert all(option["description"] for option in main.get("options", {}).values()), name


def _doc(folder: Path, *arguments: str) -> str:
    ended = run(folder, "ansible-doc", *arguments, ANSIBLE_COLLECTIONS_PATH=str(folder / "collections"))
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def _boot_files(root: Path, folder: Path) -> Path:
    """Put what an SD card of L4T boots into the folder; return its extlinux.conf."""
    (folder / "extlinux").mkdir(exist_ok=True)
    (folder / "boot").mkdir(exist_ok=True)
    for name in ("Image", "initrd"):
        (folder / "boot" / name).write_text(name)
    conf = folder / "extlinux/extlinux.conf"
    shutil.copy(root / "tests/unit/ansible/extlinux/l4t_32_7.conf", conf)
    return conf
