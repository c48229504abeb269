"""The role headless in check mode, its ranges, and the script that limits xrdp, against an iptables of the test."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.messages import codes

# iptables as far as the script uses it: each command's tables are a JSON file beside it.
IPTABLES = """#!%s
import json, pathlib, sys
me = pathlib.Path(sys.argv[0])
state = me.with_name(me.name.replace("-restore", "") + ".json")
chains = json.loads(state.read_text()) if state.exists() else {"INPUT": ["-s 203.0.113.9/32 -j ACCEPT"]}
arguments = [word for word in sys.argv[1:] if word != "-w"]
if me.name.endswith("-restore"):
    assert arguments == ["--noflush"]
    lines = sys.stdin.read().splitlines()
    assert lines[0] == "*filter" and lines[-1] == "COMMIT"
    for line in lines[1:-1]:
        if line.startswith(":"):
            chains[line[1:].split()[0]] = []
        else:
            assert "bad" not in line, line
            chains[line.split()[1]].append(line.split(" ", 2)[2])
else:
    action, chain, rule = arguments[0], arguments[1], " ".join(arguments[2:])
    if chain not in chains or action in ("-C", "-D") and rule not in chains[chain]:
        sys.exit(1)
    if action == "-S":
        print("-P" if chain == "INPUT" else "-N", chain)
        for one in chains[chain]:
            print("-A", chain, one)
    elif action == "-I":
        chains[chain].insert(0, rule)
    elif action == "-D":
        chains[chain].remove(rule)
    elif action == "-F":
        chains[chain] = []
    elif action == "-X":
        del chains[chain]
state.write_text(json.dumps(chains))
"""
OWN = "-s 203.0.113.9/32 -j ACCEPT"
CHAIN = "EDGEBENCH-XRDP"


class Firewall:
    """The script, with xrdp's settings and an iptables of its own."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.script = root / "roles/headless/files/edgebench-xrdp-networks"
        self.folder = folder
        self.settings = folder / "xrdp.ini"
        self.settings.write_text("[Globals]\n; port=1\nport=3389\n\n[Xorg]\nport=-1\n")
        self.inet6 = folder / "if_inet6"
        self.inet6.touch()
        for name in ("iptables", "iptables-restore", "ip6tables", "ip6tables-restore"):
            (folder / name).write_text(IPTABLES % sys.executable)
            (folder / name).chmod(0o755)

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", self.script, *arguments],
            env={
                "PATH": f"{self.folder}:/usr/bin:/bin",
                "EDGEBENCH_XRDP_INI": str(self.settings),
                "EDGEBENCH_IF_INET6": str(self.inet6),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def rules(self, command: str = "iptables") -> dict[str, list[str]]:
        path = self.folder / f"{command}.json"
        return dict(json.loads(path.read_text())) if path.exists() else {"INPUT": [OWN]}


@pytest.fixture
def firewall(root: Path, tmp_path: Path) -> Firewall:
    return Firewall(root, tmp_path)


def chain(*networks: str) -> list[str]:
    return ["-i lo -j RETURN", *(f"-s {network} -j RETURN" for network in networks), "-j DROP"]


def jump(port: int) -> str:
    return f"-p tcp --dport {port} -j {CHAIN}"


def test_lets_the_networks_in_and_drops_all_others_before_any_other_rule(firewall: Firewall) -> None:
    assert firewall.call("allow", "192.168.1.0/24", "fd00::/64", "10.0.0.0/8").returncode == 0
    assert firewall.rules() == {"INPUT": [jump(3389), OWN], CHAIN: chain("192.168.1.0/24", "10.0.0.0/8")}
    assert firewall.rules("ip6tables") == {"INPUT": [jump(3389), OWN], CHAIN: chain("fd00::/64")}


def test_a_family_without_a_network_is_closed(firewall: Firewall) -> None:
    firewall.call("allow", "192.168.1.0/24")
    assert firewall.rules("ip6tables") == {"INPUT": [jump(3389), OWN], CHAIN: chain()}


def test_a_second_call_changes_the_networks_and_adds_no_second_jump(firewall: Firewall) -> None:
    firewall.call("allow", "192.168.1.0/24")
    assert firewall.call("allow", "192.168.2.0/24").returncode == 0
    assert firewall.rules() == {"INPUT": [jump(3389), OWN], CHAIN: chain("192.168.2.0/24")}


def test_clear_leaves_the_hosts_own_rules_and_can_be_said_twice(firewall: Firewall) -> None:
    firewall.call("allow", "192.168.1.0/24", "fd00::/64")
    for _ in range(2):
        assert firewall.call("clear").returncode == 0
        assert firewall.rules() == firewall.rules("ip6tables") == {"INPUT": [OWN]}


def test_a_host_without_ipv6_needs_no_tables_for_it(firewall: Firewall) -> None:
    firewall.inet6.unlink()
    (firewall.folder / "ip6tables-restore").unlink()
    assert firewall.call("allow", "192.168.1.0/24").returncode == 0


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("port=3390", [3390]),
        ("port = 3390", [3390]),
        ("", [3389]),
        ("port=tcp://:3391", [3391]),
        ("port=tcp://192.168.1.1:3391 tcp6://{fd00::1}:3392", [3391, 3392]),
        ("port=3389,vsock://1:2,unix://./tmp/x.socket", [3389]),
    ],
)
def test_the_ports_are_those_of_xrdps_settings(firewall: Firewall, setting: str, expected: list[int]) -> None:
    firewall.settings.write_text(f"[Globals]\n{setting}\n[Xorg]\nlib=x\n")
    assert firewall.call("allow", "192.168.1.0/24").returncode == 0
    assert firewall.rules()["INPUT"] == [*(jump(port) for port in reversed(expected)), OWN]


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("no settings", "settings-unreadable"),
        ("port", "port-invalid"),
        ("no iptables", "iptables-refused"),
        ("refused", "iptables-refused"),
        ("no networks", "networks-missing"),
        ("action", "action-unknown"),
    ],
)
def test_what_cannot_be_limited_is_a_failure_that_keeps_xrdp_from_starting(
    firewall: Firewall, trouble: str, code: str
) -> None:
    arguments = ["allow", "192.168.1.0/24"]
    if trouble == "no settings":
        firewall.settings.unlink()
    if trouble == "port":
        firewall.settings.write_text("port=any\n")
    if trouble == "no iptables":
        (firewall.folder / "iptables-restore").unlink()
    if trouble == "refused":
        arguments = ["allow", "bad"]
    if trouble == "no networks":
        arguments = ["allow"]
    if trouble == "action":
        arguments = ["permit"]
    told = firewall.call(*arguments)
    assert told.returncode == 1
    assert "edgebench-xrdp-networks: " in told.stderr
    assert codes(told.stderr) == [code]


NETWORKS = {
    "192.168.1.0/24": True,
    "10.0.0.0/8": True,
    "192.168.1.7/32": True,
    "fd00::/64": True,
    "2001:db8:1:2:3:4:5:6/128": True,
    "fe80::/16": True,
    "0.0.0.0/0": False,
    "::/0": False,
    "0.0.0.0/1": False,
    "10.0.0.0/7": False,
    "2000::/3": False,
    "192.168.1.0": False,
    "192.168.1.0/33": False,
    "192.168.256.0/24": False,
    "fd00::/129": False,
    "12/24": False,
    ":/24": False,
    "192.168.1.0/24; reboot": False,
    "any": False,
    "": False,
}


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_are_checked_before_anything_is_touched(root: Path, network: str) -> None:
    ranges = yaml.safe_load((root / "roles/headless/meta/ranges.yml").read_text())
    pattern = ranges["headless_xrdp_networks"]["pattern"]
    assert (re.fullmatch(pattern, network) is not None) == NETWORKS[network]


def provision(root: Path, folder: Path, hosts: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Apply the role in check mode; return each host's results that say something or would change something."""
    commands = {
        "dpkg-query": "echo 'iptables ii '; exit 1",
        "systemctl": "case $1 in get-default) echo ${DEFAULT:-graphical.target} ;; *) exit 1 ;; esac",
    }
    for name, body in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    play = {
        "hosts": "all",
        "gather_facts": False,
        "environment": {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "DEFAULT": "{{ default_target | default('') }}",
        },
        "tasks": [
            {"ansible.builtin.set_fact": {"ansible_facts": {"edgebench_host": {"systemd": "{{ systemd }}"}}}},
            {"ansible.builtin.include_role": {"name": "headless"}},
        ],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    shared = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "systemd": True,
        "edgebench_access": {"manage_system": True, "become": False, "user": "edgebench"},
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": shared}}))
    ran = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "--check",
            "-i",
            folder / "hosts.yml",
            folder / "play.yml",
        ],
        cwd=root,
        env={
            **os.environ,
            "ANSIBLE_CACHE_PLUGIN": "memory",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_CALLBACK_FORMAT_PRETTY": "false",
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in hosts}
    for state, name, result in re.findall(
        r"^(ok|changed|fatal): \[(\w+)\](?:: FAILED!)?(?: => (\{.*\}))?$", ran.stdout, re.M
    ):
        answer = {**json.loads(result or "{}"), "state": state}
        if state != "ok" or "msg" in answer:
            told[name].append(answer)
    return told


@pytest.fixture(scope="module")
def told(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    networks = {"headless_xrdp": True, "headless_xrdp_networks": ["192.168.1.0/24"]}
    hosts: dict[str, dict[str, Any]] = {
        "plain": {},
        "board": {"headless_enabled": True},
        "ready": {"headless_enabled": True, "default_target": "multi-user.target"},
        "remote": networks,
        "nowhere": {"headless_xrdp": True},
        "both": {**networks, "headless_xrdp_open_to_all": True},
        "unmanaged": {
            "headless_enabled": True,
            "edgebench_access": {"manage_system": False, "become": False, "user": "me"},
        },
        "sysv": {**networks, "systemd": False},
    }
    return provision(root, tmp_path_factory.mktemp("headless"), hosts)


def test_unasked_nothing_changes(told: dict[str, list[dict[str, Any]]]) -> None:
    assert told["plain"] == []


def test_a_board_with_a_desktop_would_boot_without_it(told: dict[str, list[dict[str, Any]]]) -> None:
    link, said = told["board"]
    assert link["state"] == "changed"
    assert said["state"] == "ok"
    assert codes(said["msg"]) == ["desktop-running"]
    assert "systemctl isolate multi-user.target" in said["msg"]


def test_a_board_that_boots_without_a_desktop_is_left_alone(told: dict[str, list[dict[str, Any]]]) -> None:
    assert told["ready"] == []


def test_check_mode_tells_of_xrdp_on_a_host_that_has_none(told: dict[str, list[dict[str, Any]]]) -> None:
    assert [answer["state"] for answer in told["remote"]] == ["changed"] * 3
    assert told["remote"][-1]["msg"].endswith(": xorgxrdp xrdp")


@pytest.mark.parametrize("host", ["nowhere", "both"])
def test_xrdp_without_networks_or_with_two_answers_is_refused(
    told: dict[str, list[dict[str, Any]]], host: str
) -> None:
    (answer,) = told[host]
    assert answer["state"] == "fatal"
    assert codes(answer["msg"]) == ["xrdp-access-ambiguous"]
    assert "headless_xrdp_open_to_all" in answer["msg"]
    assert "headless_xrdp_networks: ['192.168.1.0/24']" in answer["msg"]


@pytest.mark.parametrize(
    ("host", "why"), [("unmanaged", "edgebench_manage_system is false"), ("sysv", "systemd")]
)
def test_a_host_that_cannot_be_managed_is_told_so(
    told: dict[str, list[dict[str, Any]]], host: str, why: str
) -> None:
    (answer,) = told[host]
    assert answer["state"] == "ok"
    assert codes(answer["msg"]) == ["headless-skipped"]
    assert why in answer["msg"]
