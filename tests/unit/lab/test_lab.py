"""The lab's declarations: what is read, what is refused. The hosts themselves are molecule's matter."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab import commands, declared, fleet, identity, images, paths
from lab.__main__ import _leave_out, _with_interpreters
from tests.messages import codes
from tests.unit.lab.refusals import refused


def inventory(folder: Path, **hosts: dict[str, object]) -> Path:
    path = folder / "hosts.yml"
    path.write_text(yaml.safe_dump({"x86": {"hosts": hosts}}))
    return path


def test_the_declared_hosts_are_read(tmp_path: Path) -> None:
    path = inventory(
        tmp_path,
        Bilbo={"ansible_host": "10.77.1.11", "lab_image": "debian12"},
        Gandalf={"ansible_host": "10.77.1.10", "lab_image": "x", "lab_kind": "machine", "lab_cpu": "phenom"},
        elsewhere={"ansible_host": "192.0.2.1"},
    )
    bilbo, gandalf = declared.read(path)
    assert (bilbo.name, bilbo.kind, str(bilbo.address)) == ("Bilbo", "container", "10.77.1.11")
    assert (gandalf.kind, gandalf.cpu) == ("machine", "phenom")
    assert bilbo.link != gandalf.link
    assert len(bilbo.link) <= 15


@pytest.mark.parametrize(
    ("variables", "code", "named"),
    [
        ({"ansible_host": "192.0.2.7"}, "address-out-of-range", "ansible_host is 192.0.2.7;"),
        ({"ansible_host": "10.77.0.1"}, "address-out-of-range", "ansible_host is 10.77.0.1;"),
        ({"ansible_host": "bilbo.local"}, "address-invalid", "ansible_host is 'bilbo.local';"),
        ({}, "address-invalid", "ansible_host is None;"),
        ({"ansible_host": "10.77.1.11", "lab_kind": "cloud"}, "kind-unknown", "lab_kind is 'cloud';"),
        (
            {"ansible_host": "10.77.1.11", "lab_memory_mb": "much"},
            "number-invalid",
            "lab_memory_mb is 'much';",
        ),
        ({"ansible_host": "10.77.1.11", "lab_cores": 0}, "number-invalid", "lab_cores is 0;"),
    ],
)
def test_a_wrong_declaration_is_refused_by_name(
    tmp_path: Path, variables: dict[str, object], code: str, named: str
) -> None:
    path = inventory(tmp_path, Bilbo={"lab_image": "debian12", **variables})
    with refused(code, "Bilbo: ", named):
        declared.read(path)


def test_two_hosts_of_one_address_are_refused(tmp_path: Path) -> None:
    one: dict[str, object] = {"ansible_host": "10.77.1.11", "lab_image": "debian12"}
    with refused("address-duplicate", "Bilbo", "Merry", "10.77.1.11"):
        declared.read(inventory(tmp_path, Bilbo=one, Merry=one))


def test_an_inventory_without_lab_hosts_is_refused(tmp_path: Path) -> None:
    with refused("hosts-missing", "lab_image", str(tmp_path)):
        declared.read(inventory(tmp_path, Bilbo={"ansible_host": "10.77.1.11"}))


def test_an_unknown_image_is_refused() -> None:
    with refused("image-unknown", "'debian99'", "debian12"):
        images.build("debian99")


def test_the_labs_of_the_project_share_no_address_and_know_their_images(repository: Path) -> None:
    inventories = {
        path.resolve()  # jetson_faults plays on the hosts of jetson
        for path in [repository / "inventory/lab/hosts.yml", *repository.glob("molecule/*/hosts.yml")]
    }
    hosts = [host for path in inventories for host in declared.read(path)]
    assert len(inventories) >= 5
    assert len({host.address for host in hosts}) == len(hosts)
    assert {host.image for host in hosts} <= set(images.recipes())


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> fleet.Lab:
    """A lab of which one host needs CPython 3.6; its folder is a temporary one."""
    monkeypatch.setattr(paths, "keys", lambda lab: tmp_path / lab)
    path = inventory(
        tmp_path,
        Bilbo={"ansible_host": "10.77.1.11", "lab_image": "debian12"},
        Gandalf={"ansible_host": "10.77.1.10", "lab_image": "debian12-python36", "lab_kind": "machine"},
    )
    return fleet.Lab("test", tuple(declared.read(path)))


@pytest.fixture
def no_interpreters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither PATH nor pyenv has a CPython."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("no_interpreters")
def test_a_host_without_its_interpreter_is_left_out(
    lab: fleet.Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    starting = _with_interpreters(list(lab.hosts), optional=True)
    assert [host.name for host in starting] == ["Bilbo"]
    _leave_out(lab, starting)
    assert paths.left_out("test").read_text() == "Gandalf\n"
    (line,) = capsys.readouterr().out.splitlines()
    assert codes(line) == ["host-left-out"]
    for named in ("Gandalf", "CPython 3.6", "pyenv install 3.6", "make lab"):
        assert named in line


@pytest.mark.usefixtures("no_interpreters")
def test_a_host_that_is_named_is_not_left_out(lab: fleet.Lab) -> None:
    with refused("python-missing", "Gandalf", "CPython 3.6", "pyenv install 3.6"):
        _with_interpreters(list(lab.hosts), optional=False)


@pytest.mark.needs("python3.6")
def test_with_its_interpreter_a_host_is_no_longer_left_out(
    lab: fleet.Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.left_out("test").parent.mkdir()
    paths.left_out("test").write_text("Gandalf\n")
    starting = _with_interpreters(list(lab.hosts), optional=True)
    assert tuple(starting) == lab.hosts
    _leave_out(lab, starting)
    assert paths.left_out("test").read_text() == ""
    assert not capsys.readouterr().out


def test_a_host_that_runs_is_not_left_out(lab: fleet.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "is_running", lambda _, host: host.name == "Bilbo")
    _leave_out(lab, [])
    assert paths.left_out("test").read_text() == "Gandalf\n"


@pytest.mark.parametrize(
    ("text", "missing"), [("Gandalf\nnobody\n", {"Gandalf"}), ("", set()), (None, set())]
)
def test_the_inventory_of_the_lab_has_the_hosts_that_are_not_left_out(
    repository: Path, tmp_path: Path, text: str | None, missing: set[str]
) -> None:
    shutil.copytree(repository / "inventory/lab", tmp_path / "inventory/lab")
    if text is not None:
        file = tmp_path / ".edgebench/lab/lab/left-out"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    program = Path(sys.executable).with_name("ansible-inventory")
    command = [str(program), "-i", str(tmp_path / "inventory/lab"), "--list"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    declared_hosts = {host.name for host in declared.read(repository / "inventory/lab/hosts.yml")}
    assert set(json.loads(done.stdout)["_meta"]["hostvars"]) == declared_hosts - missing


@pytest.mark.needs("ssh-keygen")
def test_each_host_has_a_key_of_its_own_that_known_hosts_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "keys", lambda lab: tmp_path / lab)
    monkeypatch.delenv("SUDO_UID", raising=False)
    path = inventory(
        tmp_path,
        Bilbo={"ansible_host": "10.77.1.11", "lab_image": "debian12"},
        Merry={"ansible_host": "10.77.1.12", "lab_image": "debian12"},
    )
    hosts = declared.read(path)
    identity.prepare("test", hosts)
    known = (tmp_path / "test/known_hosts").read_text()
    identity.prepare("test", hosts)
    assert (tmp_path / "test/known_hosts").read_text() == known
    for host in hosts:
        files = {file.path: file for file in identity.files("test", host, hosts)}
        assert files["/etc/ssh/ssh_host_ed25519_key"].mode == 0o600
        public = files["/etc/ssh/ssh_host_ed25519_key.pub"].content.decode().split()[1]
        assert f"{host.address} ssh-ed25519 {public}\n" in known
        assert files["/etc/hostname"].content == f"{host.name}\n".encode()


def test_a_folder_with_something_mounted_in_it_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").touch()
    line = f"1 2 0:3 / {tmp_path / 'tree/proc'} rw - proc proc rw"
    monkeypatch.setattr(commands, "_mounts", lambda: [line])
    with refused("folder-in-use", f"umount {tmp_path / 'tree/proc'}"):
        commands.remove_tree(tmp_path / "tree")
    assert (tmp_path / "tree/file").exists()
    monkeypatch.setattr(commands, "_mounts", list)
    commands.remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_the_command_line_says_what_is_wrong(repository: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "status", "--inventory", tmp_path / "none.yml"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("lab: ")
    assert "Traceback" not in done.stderr
    assert codes(done.stderr) in (["inventory-unreadable"], ["packages-missing"], ["root-required"])
