"""Who shares with whom, what is exported, and the units that mount it."""

import ipaddress
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests import ansible_core
from tests.messages import codes

Variables = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def share(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("filter/edgebench_share")


def fleet(**changed: dict[str, Any]) -> Variables:
    """Three hosts that share gandalf's data, this machine, and what is changed of them."""
    hosts: Variables = {
        "gandalf": {"ansible_host": "10.0.0.1", "data_share_server": "gandalf"},
        "bilbo": {"ansible_host": "10.0.0.2", "data_share_server": "gandalf"},
        "frodo": {"ansible_host": "10.0.0.3", "data_share_server": "gandalf"},
        "localhost": {"data_share_server": "gandalf", "group_names": ["local"]},
    }
    for name, variables in changed.items():
        hosts.setdefault(name, {}).update(variables)
    return hosts


def test_server_and_clients(share: ModuleType) -> None:
    server = share.share("gandalf", fleet())
    assert server["role"] == "server"
    assert server["clients"] == ["10.0.0.2", "10.0.0.3"]
    client = share.share("bilbo", fleet())
    assert (client["role"], client["server"], client["address"]) == ("client", "gandalf", "10.0.0.1")
    assert client["clients"] == []
    assert server["problems"] == client["problems"] == []


@pytest.mark.parametrize(
    "variables", [{}, {"data_share_server": ""}, {"data_share_server": None}], ids=["unset", "empty", "null"]
)
def test_no_share(share: ModuleType, variables: dict[str, Any]) -> None:
    assert share.share("sam", {"sam": variables})["role"] == "none"


def test_a_host_that_is_not_managed_has_no_part(share: ModuleType) -> None:
    hosts = fleet(frodo={"edgebench_manage_system": "false"})
    for name in ("frodo", "localhost"):
        assert share.share(name, hosts)["role"] == "none"
        assert share.share(name, hosts)["problems"] == []
    assert share.share("gandalf", hosts)["clients"] == ["10.0.0.2"]


def test_a_host_without_the_variable_is_not_exported_to(share: ModuleType) -> None:
    assert "10.0.0.9" not in share.share("gandalf", fleet(eve={"ansible_host": "10.0.0.9"}))["clients"]


def test_the_address_of_the_common_network_is_preferred(share: ModuleType) -> None:
    hosts = fleet(bilbo={"ansible_host": "127.0.0.1", "data_share_address": "fd00::2"})
    assert share.share("gandalf", hosts)["clients"] == ["fd00::2", "10.0.0.3"]


def test_names_are_resolved_ipv4_first(share: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(name: str, *_: Any, **__: Any) -> list[Any]:
        assert name == "bilbo.lan"
        return [
            (0, 0, 0, "", (address, 0)) for address in ("fd00::2", "fe80::2%eth0", "10.0.0.2", "10.0.0.2")
        ]

    monkeypatch.setattr(share.socket, "getaddrinfo", answer)
    share.resolve.cache_clear()
    hosts = fleet(bilbo={"ansible_host": "bilbo.lan"})
    assert share.share("gandalf", hosts)["clients"] == ["10.0.0.2", "fd00::2", "10.0.0.3"]
    share.resolve.cache_clear()


@pytest.mark.parametrize(
    ("host", "changed", "code", "parts"),
    [
        (
            "bilbo",
            {"bilbo": {"data_share_server": "gandlaf"}},
            "share-server-unknown",
            ["bilbo: data_share_server is 'gandlaf'", "(bilbo, frodo, gandalf)", "''"],
        ),
        (
            "bilbo",
            {"gandalf": {"edgebench_manage_system": False}},
            "share-server-unmanaged",
            ["bilbo: ", "'gandalf'", "edgebench_manage_system is false"],
        ),
        (
            "gandalf",
            {"gandalf": {"edgebench_manage_system": False}},
            "share-server-unmanaged",
            ["gandalf: ", "edgebench_manage_system is false"],
        ),
        (
            "bilbo",
            {"gandalf": {"data_share_server": ""}},
            "share-server-differs",
            ["bilbo: ", " is ''. ", " to 'gandalf'"],
        ),
        (
            "bilbo",
            {"bilbo": {"ansible_host": "no.such.name.invalid"}},
            "address-unknown",
            ["ansible_host is 'no.such.name.invalid'"],
        ),
        (
            "bilbo",
            {"bilbo": {"ansible_host": "127.0.0.1"}},
            "address-unreachable",
            ["ansible_host is '127.0.0.1'"],
        ),
        (
            "bilbo",
            {"bilbo": {"data_share_address": "0.0.0.0"}},
            "address-unreachable",
            ["data_share_address is '0.0.0.0'"],
        ),
        ("bilbo", {"bilbo": {"data_share_address": "10.0.0.0/8"}}, "address-unknown", ["'10.0.0.0/8'"]),
        ("bilbo", {"bilbo": {"data_share_address": "*"}}, "address-unknown", ["'*'"]),
        (
            "bilbo",
            {"gandalf": {"ansible_host": "::1"}},
            "address-unreachable",
            ["gandalf: ansible_host is '::1'"],
        ),
        (
            "gandalf",
            {"gandalf": {"ansible_host": "224.0.0.1"}},
            "address-unreachable",
            ["gandalf: ", "'224.0.0.1'", " data_share_address "],
        ),
    ],
)
def test_what_cannot_be_is_told_with_the_remedy(
    share: ModuleType, host: str, changed: Variables, code: str, parts: list[str]
) -> None:
    (problem,) = share.share(host, fleet(**changed))["problems"]
    assert codes(problem) == [code]
    for part in parts:
        assert part in problem
    assert problem.startswith(("bilbo: ", "gandalf: "))


def test_a_wrong_client_is_not_exported_to(share: ModuleType) -> None:
    part = share.share("gandalf", fleet(bilbo={"ansible_host": "*"}))
    assert part["clients"] == ["10.0.0.3"]


# The templates, by ansible's own templating.


class Rendered:
    """The role's files for one host."""

    def __init__(self, root: Path, share: ModuleType, host: str, hosts: Variables, **extra: Any) -> None:
        role = root / "roles/data_share"
        self.variables: dict[str, Any] = {}
        for name in ("defaults/main.yml", "vars/default.yml", "vars/main.yml"):
            self.variables.update(yaml.safe_load((role / name).read_text()))
        self.variables.update(
            ansible_facts={"edgebench_host": {"home": "/home/edgebench"}},
            edgebench_access={"manage_system": True},
            inventory_hostname=host,
            hostvars=hosts,
        )
        # What the filter says is put in: a plugin's path is the settings' business.
        self.variables["__data_share_part"] = share.share(host, hosts)
        self.variables.update(extra)
        self.folder = role / "templates"

    def value(self, name: str) -> Any:
        return ansible_core.evaluate("{{ " + name + " }}", self.variables)

    def file(self, name: str) -> str:
        # As the module template does.
        text: str = ansible_core.evaluate(
            (self.folder / f"{name}.j2").read_text(),
            self.variables,
            escape_backslashes=False,
            preserve_trailing_newlines=True,
        )
        return text

    def unit(self, name: str) -> dict[str, dict[str, str]]:
        sections: dict[str, dict[str, str]] = {}
        for line in self.file(name).splitlines():
            if line.startswith("["):
                section = sections.setdefault(line[1:-1], {})
            elif line and not line.startswith("#"):
                key, _, value = line.partition("=")
                section[key] = value
        return sections


def exports(text: str) -> dict[str, dict[str, list[str]]]:
    """Return path → client → options of a file of exports."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        words = line.partition("#")[0].split()
        if words:
            # A path without a client would be exported to everybody.
            assert len(words) > 1
            clients = [re.fullmatch(r"([^()]+)\(([^()]*)\)", word) for word in words[1:]]
            assert all(clients)
            found[words[0]] = {each[1]: each[2].split(",") for each in clients if each}
    return found


def test_the_export_names_every_client_and_nobody_else(root: Path, share: ModuleType) -> None:
    text = Rendered(root, share, "gandalf", fleet(frodo={"ansible_host": "fd00::3"})).file(
        "edgebench.exports"
    )
    ((path, clients),) = exports(text).items()
    assert path == "/home/edgebench/data"
    assert list(clients) == ["10.0.0.2", "fd00::3"]
    for client, options in clients.items():
        ipaddress.ip_address(client)
        assert {"ro", "root_squash", "all_squash", "no_subtree_check"} <= set(options)
        assert not {"rw", "no_root_squash", "insecure", "crossmnt", "nohide"} & set(options)
    assert text.endswith(")\n")


def test_without_clients_nothing_is_exported(root: Path, share: ModuleType) -> None:
    hosts = {"gandalf": fleet()["gandalf"]}
    assert exports(Rendered(root, share, "gandalf", hosts).file("edgebench.exports")) == {}


def test_the_mount_can_neither_hang_nor_run_anything(root: Path, share: ModuleType) -> None:
    rendered = Rendered(root, share, "bilbo", fleet())
    mount = rendered.unit("mount")
    assert mount["Mount"]["What"] == "10.0.0.1:/home/edgebench/data"
    assert mount["Mount"]["Where"] == "/srv/edgebench-data"
    options = mount["Mount"]["Options"].split(",")
    assert {"ro", "nosuid", "nodev", "noexec", "soft", "_netdev", "nofail", "retry=0", "nfsvers=4"} <= set(
        options
    )
    assert int(mount["Mount"]["TimeoutSec"]) < rendered.value("__data_share_answer_limit_s")
    assert mount["Unit"]["StartLimitIntervalSec"] == "0"
    # Only the automount starts at boot, and nothing requires it.
    assert "Install" not in mount
    assert rendered.unit("automount")["Install"] == {"WantedBy": "remote-fs.target"}
    assert rendered.unit("automount")["Automount"]["TimeoutIdleSec"] == "300"


def test_ipv6_and_a_home_of_its_own(root: Path, share: ModuleType) -> None:
    hosts = fleet(gandalf={"ansible_host": "fd00::1", "edgebench_home": "/data/bench"})
    assert (
        Rendered(root, share, "bilbo", hosts).unit("mount")["Mount"]["What"] == "[fd00::1]:/data/bench/data"
    )
    hosts["gandalf"]["ansible_facts"] = {"edgebench_host": {"home": "/opt/bench"}}
    assert Rendered(root, share, "bilbo", hosts).unit("mount")["Mount"]["What"] == "[fd00::1]:/opt/bench/data"


@pytest.mark.needs("systemd-escape")
@pytest.mark.parametrize("path", ["/srv/edgebench-data", "/mnt/a/b-c_d.e", "/opt/x--y/z-"])
def test_the_units_have_the_names_that_systemd_gives_them(root: Path, share: ModuleType, path: str) -> None:
    rendered = Rendered(root, share, "bilbo", fleet(), data_share_mount=path)
    escaped = subprocess.run(
        ["systemd-escape", "-p", path], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert rendered.value("__data_share_unit") == escaped
    assert rendered.value("__data_share_units") == [f"{escaped}.automount", f"{escaped}.mount"]


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(root: Path, share: ModuleType, tmp_path: Path) -> None:
    rendered = Rendered(root, share, "bilbo", fleet())
    paths = []
    for kind in ("mount", "automount"):
        paths.append(tmp_path / f"{rendered.value('__data_share_unit')}.{kind}")
        paths[-1].write_text(rendered.file(kind))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in verified.stderr.splitlines() if "edgebench" in line] == []
    assert verified.returncode == 0, verified.stderr


def test_old_units_are_found_by_what_stands_in_them(root: Path, share: ModuleType) -> None:
    mark = re.findall("grep -ls '(.*)'", (root / "roles/data_share/files/look.sh").read_text())[0]
    rendered = Rendered(root, share, "bilbo", fleet())
    assert all(re.match(mark, rendered.file(kind).splitlines()[0]) for kind in ("mount", "automount"))
    names = ("mnt-old.mount", "srv-edgebench\\x2ddata.mount", "mnt-old.automount")
    export = "/etc/exports.d/edgebench.exports"
    found = {"stdout_lines": [export, *(f"/etc/systemd/system/{name}" for name in names)]}
    old = Rendered(root, share, "bilbo", fleet(), __data_share_found=found)
    assert old.value("__data_share_old_units") == ["mnt-old.automount", "mnt-old.mount"]
    assert old.value("__data_share_old_exports") == [export]
    none = Rendered(root, share, "sam", {"sam": {}}, __data_share_found=found)
    assert len(none.value("__data_share_old_units")) == 3


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("/srv/edgebench-data", True),
        ("/mnt/usb/data.v2", True),
        ("/srv", False),
        ("/", False),
        ("/home/edgebench", False),
        ("/srv/../etc", False),
        ("/srv/a b", False),
        ("/srv/a/", False),
        ("/srv/.a", False),
    ],
)
def test_where_it_may_be_mounted(root: Path, path: str, good: bool) -> None:
    ranges = yaml.safe_load((root / "roles/data_share/meta/ranges.yml").read_text())
    assert (re.fullmatch(ranges["data_share_mount"]["pattern"], path) is not None) is good


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("10.0.0.1", True),
        ("fd00::1", True),
        ("bilbo.lan", True),
        ("*", False),
        ("10.0.0.0/8", False),
        ("@all", False),
    ],
)
def test_an_address_is_one_host(root: Path, address: str, good: bool) -> None:
    ranges = yaml.safe_load((root / "roles/data_share/meta/ranges.yml").read_text())
    assert (re.fullmatch(ranges["data_share_address"]["pattern"], address) is not None) is good


def test_one_wrong_host_is_told_before_any_is_touched(root: Path, tmp_path: Path) -> None:
    """The entry point check, through ansible-playbook itself."""
    inventory = {
        "x86": {
            "hosts": {
                "gandalf": {"ansible_host": "10.255.255.1"},
                "bilbo": {"ansible_host": "10.255.255.2", "data_share_server": "gandlaf"},
            },
            "vars": {"data_share_server": "gandalf"},
        }
    }
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    play = {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.import_role": {"name": "data_share", "tasks_from": "check"}},
            {"ansible.builtin.command": "reached"},
        ],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [
            *[str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "hosts.json")],
            str(tmp_path / "play.yml"),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    # As YAML writes a text in quotes.
    said = " ".join(done.stdout.split()).replace("''", "'")
    assert codes(said) == ["share-server-unknown"]
    assert "bilbo: data_share_server is " in said
    assert "'gandlaf'" in said
    assert "(bilbo, gandalf)" in said
    assert "reached" not in done.stdout
