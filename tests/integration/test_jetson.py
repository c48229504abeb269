"""Power, clocks and fan of faked boards: real hosts with systemd and SSH, NVIDIA's tools and sysfs by tests/l4t."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.messages import codes

pytestmark = [pytest.mark.integration, pytest.mark.needs("containers", "ssh")]

LAB = "jetson-roles"
SYSFS = "/run/l4t/sys"
PWM = f"{SYSFS}/devices/pwm-fan/target_pwm"
# Boromir and Denethor are Nanos with JetPack 4, Faramir is a later board that reboots into a mode; Sam is no Jetson.
HOSTS: dict[str, tuple[str, Mapping[str, object], str | None]] = {
    "Boromir": ("10.77.42.21", {"jetson_power_supply": "barrel_jack", "jetson_power_supply_a": 6.0}, ""),
    "Denethor": ("10.77.42.22", {"jetson_power_supply": "micro_usb"}, ""),
    "Faramir": (
        "10.77.42.23",
        {"jetson_power_supply": "barrel_jack", "jetson_power_supply_a": 6.0},
        "kernel=jetpack5 ask=yes mode=5W",
    ),
    "Sam": ("10.77.42.24", {}, None),
}


class Boards:
    """The hosts, and the playbook that is run against them."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.repository, self.folder = repository, folder
        self.keys = repository / ".edgebench/lab" / LAB
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(repository / "ansible.cfg"),
            "LC_ALL": "C.UTF-8",
        }

    def declare(self) -> Path:
        own = {
            "ansible_user": "admin",
            "ansible_ssh_private_key_file": str(self.keys / "id_ed25519"),
            "ansible_ssh_common_args": f"-o IdentitiesOnly=yes -o UserKnownHostsFile={self.keys}/known_hosts",
            "lab_image": "debian12",
        }
        fake: dict[str, object] = {
            "edgebench_l4t_sysfs": SYSFS,
            "edgebench_l4t_device_tree": "/var/lib/l4t/device-tree",
            "performance_mode_sysfs": SYSFS,
        }
        groups: dict[str, dict[str, dict[str, object]]] = {
            "jetson": {"hosts": {}, "vars": fake},
            "x86": {"hosts": {}},
        }
        for name, (address, variables, options) in HOSTS.items():
            group = "x86" if options is None else "jetson"
            groups[group]["hosts"][name] = {**own, "ansible_host": address, **variables}
        path = self.folder / "hosts.yml"
        path.write_text(yaml.safe_dump(groups))
        return path

    def lab(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "lab", *arguments],
            cwd=self.repository,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def ssh(self, host: str) -> list[str]:
        """Return how a host is reached."""
        options = ["IdentitiesOnly=yes", "BatchMode=yes", f"UserKnownHostsFile={self.keys}/known_hosts"]
        key = ["ssh", "-i", str(self.keys / "id_ed25519")]
        return [*key, *(word for each in options for word in ("-o", each)), f"admin@{HOSTS[host][0]}"]

    def there(self, host: str, script: str) -> str:
        """Run a script as root on a host and return what it says."""
        done = subprocess.run(
            [*self.ssh(host), "sudo", "sh", "-s"],
            input=script,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def fake(self, host: str, options: str) -> None:
        """Make a host look like a Jetson."""
        folder = self.repository / "tests/l4t"
        packed = subprocess.run(["tar", "-C", folder, "-cz", "."], stdout=subprocess.PIPE, check=True).stdout
        unpack = "sudo sh -c 'mkdir -p /opt/l4t && tar -C /opt/l4t -xz'"
        subprocess.run([*self.ssh(host), unpack], input=packed, check=True)
        assert self.there(host, f"/opt/l4t/install.sh {options} && echo done").endswith("done\n")

    def play(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                *["-i", str(self.folder / "hosts.yml"), "tests/integration/jetson_roles.yml", *arguments],
            ],
            cwd=self.repository,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def fingerprint(self, host: str) -> str:
        changed = "find /etc /usr/local /var/lib/nvpmodel -newer /opt/l4t/done ! -path '/etc/l4t*' -printf '%p %T@\\n'"
        state = f"cat {PWM} /var/lib/nvpmodel/status; systemctl is-active nvfancontrol edgebench-fan"
        return self.there(host, f"exec 2> /dev/null; {changed}; id -u edgebench; {state}")


def counts(text: str) -> dict[str, dict[str, int]]:
    """Return host → counter → number from a playbook's last lines."""
    lines = text.split("PLAY RECAP")[1].splitlines()[1:]
    return {
        line.split()[0]: {key: int(number) for key, number in re.findall(r"(\w+)=(\d+)", line)}
        for line in lines
        if "ok=" in line
    }


def message(text: str) -> str:
    """Return a text as one line, however it was wrapped and quoted."""
    return " ".join(text.split()).replace("''", "'")


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def boards(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    """Three faked boards and a host that is none, provisioned once in check mode and once for good."""
    made = Boards(repository, tmp_path_factory.mktemp("jetson"))
    inventory = made.declare()
    started = made.lab("up", "--name", LAB, "--inventory", str(inventory))
    try:
        assert started.returncode == 0, started.stdout
        for name, (_, _, options) in HOSTS.items():
            if options is not None:
                made.fake(name, options)
                made.there(name, "touch /opt/l4t/done")
        yield made
    finally:
        made.lab("down", "--name", LAB)


@pytest.fixture(scope="module")
def checked(boards: Boards) -> "subprocess.CompletedProcess[str]":
    """Check mode on bare boards, which changed nothing."""
    before = [boards.fingerprint(name) for name in ("Boromir", "Faramir")]
    done = boards.play("--check", "--diff")
    assert [boards.fingerprint(name) for name in ("Boromir", "Faramir")] == before
    return done


@pytest.fixture(scope="module")
def provisioned(
    boards: Boards, checked: "subprocess.CompletedProcess[str]"
) -> "subprocess.CompletedProcess[str]":
    """What the playbook said when it set the boards up."""
    assert checked.returncode == 0, checked.stdout
    done = boards.play("-e", "jetson_power_reboot=true")
    assert done.returncode == 0, done.stdout
    return done


def test_check_mode_on_bare_boards_tells_what_would_be_done(
    checked: "subprocess.CompletedProcess[str]",
) -> None:
    assert checked.returncode == 0, checked.stdout
    assert codes(checked.stdout).count("power-mode-would-change") == 2
    assert "MAXN to 5W" in message(checked.stdout)
    assert "5W to MAXN" in message(checked.stdout)


def test_each_board_gets_the_mode_of_its_supply_by_a_reboot_where_it_must(
    boards: Boards, provisioned: "subprocess.CompletedProcess[str]"
) -> None:
    modes = {
        name: boards.there(name, "nvpmodel -q 2> /dev/null | head -n 1").strip()
        for name in ("Boromir", "Denethor", "Faramir")
    }
    assert modes == {
        "Boromir": "NV Power Mode: MAXN",  # not prose
        "Denethor": "NV Power Mode: 5W",  # not prose
        "Faramir": "NV Power Mode: MAXN",  # not prose
    }
    assert {"jetson-fan-skipped", "jetson-power-skipped"} <= set(codes(provisioned.stdout))
    for part in (
        "/etc/nv_tegra_release",
        "MAXN 4.0 A",
        "1 USB device",
        "0.9 A",
        "fan 0.1 A",
        "5.0 A of 6.0 A",
    ):
        assert part in message(provisioned.stdout)
    # Half the cores, as NVIDIA's file has it.
    assert boards.there("Denethor", f"cat {SYSFS}/devices/system/cpu/cpu3/online") == "0\n"


def test_a_second_run_changes_nothing(
    boards: Boards, provisioned: "subprocess.CompletedProcess[str]"
) -> None:
    again = boards.play()
    assert again.returncode == 0, again.stdout
    assert {name: each["changed"] for name, each in counts(again.stdout).items()} == dict.fromkeys(HOSTS, 0)


def test_clocks_are_held_for_a_run_and_set_back_when_its_unit_is_killed(
    boards: Boards, provisioned: "subprocess.CompletedProcess[str]"
) -> None:
    gpu = f"{SYSFS}/devices/57000000.gpu/devfreq/57000000.gpu/min_freq"
    cpu = f"{SYSFS}/devices/system/cpu/cpufreq/policy0"
    ask = f"cat {gpu} {cpu}/scaling_min_freq {cpu}/scaling_governor {SYSFS}/kernel/debug/clk/override.emc/clk_state\n"
    before = boards.there("Boromir", ask)
    assert boards.there("Boromir", f"systemctl start edgebench-performance\n{ask}").split() == [
        "921600000",
        "1479000",
        "performance",
        "1",
    ]
    boards.there("Boromir", "systemctl kill -s KILL edgebench-performance")
    until(lambda: boards.there("Boromir", ask) == before)
    assert before.split() == ["76800000", "102000", "schedutil", "0"]


def test_the_fan_follows_the_temperature_and_one_that_stands_still_is_said(
    boards: Boards, provisioned: "subprocess.CompletedProcess[str]"
) -> None:
    heat = f"{SYSFS}/class/thermal/thermal_zone1/temp"
    for host, speed in (("Boromir", PWM), ("Faramir", f"{SYSFS}/class/hwmon/hwmon0/pwm1")):
        boards.there(host, f"echo 60000 > {heat}")
        until(lambda host=host, speed=speed: boards.there(host, f"cat {speed}") == "255\n")  # type: ignore[misc]
        boards.there(host, f"echo 30000 > {heat}")
        until(lambda host=host, speed=speed: boards.there(host, f"cat {speed}") == "89\n")  # type: ignore[misc]
    vendor = "systemctl is-active nvfancontrol; systemctl is-enabled nvfancontrol"
    assert boards.there("Faramir", vendor) == ("inactive\ndisabled\n")
    boards.there(
        "Boromir",
        "touch /run/l4t/stuck; echo '[   12.500000] soctherm: OC ALARM 0x00000001' > /run/l4t/kmsg",
    )
    until(lambda: "status stalled" in boards.there("Boromir", "cat /run/edgebench-fan/state"))
    told = message(boards.play("-l", "Boromir").stdout)
    boards.there("Boromir", "rm /run/l4t/stuck /run/l4t/kmsg")
    assert {"fan-stalled", "over-current-events"} <= set(codes(told))
    assert "1 over-current event " in told
    assert " 12 s " in told


def test_a_reboot_and_a_killed_daemon_keep_mode_and_fan(
    boards: Boards, provisioned: "subprocess.CompletedProcess[str]"
) -> None:
    boards.there("Boromir", "systemctl kill -s KILL edgebench-fan")
    until(lambda: boards.there("Boromir", f"cat {SYSFS}/devices/pwm-fan/temp_control") == "1\n", 5)
    boot = "cat /run/l4t-boot-mark /dev/null 2>&1"
    boards.there("Denethor", "touch /run/l4t-boot-mark; systemctl reboot")
    until(lambda: "No such file" in boards.there("Denethor", boot), 40)
    until(lambda: "status ok" in boards.there("Denethor", "cat /run/edgebench-fan/state"))
    mode = boards.there("Denethor", "nvpmodel -q 2> /dev/null | head -n 1")
    assert mode == "NV Power Mode: 5W\n"  # not prose
    assert boards.there("Denethor", f"cat {SYSFS}/devices/system/cpu/cpu3/online {PWM}") == "0\n77\n"
    until(lambda: "status ok" in boards.there("Boromir", "cat /run/edgebench-fan/state"))


def test_maxn_on_micro_usb_is_refused_before_any_host_is_touched_unless_the_sentence_is_repeated(
    boards: Boards, provisioned: "subprocess.CompletedProcess[str]"
) -> None:
    # The jumper and the sentence come with the details.
    refused = boards.play("-v", "-l", "Denethor", "-e", "jetson_power_mode=MAXN")
    assert refused.returncode != 0
    told = message(refused.stdout)
    assert "supply-too-weak" in codes(told)
    assert "J48" in told
    assert "Ask the board" not in told
    sentence = "I know that MAXN on micro-USB shuts the board down"
    assert sentence in told
    allowed = boards.play(
        *[
            "-l",
            "Denethor",
            "-e",
            "jetson_power_mode=MAXN",
            "-e",
            f'{{"jetson_power_override": "{sentence}"}}',
        ]
    )
    assert allowed.returncode == 0, allowed.stdout
    assert "power-budget-exceeded" in codes(allowed.stdout)


def test_the_vendor_gets_the_fan_back_and_the_clocks_are_let_be(
    boards: Boards, provisioned: "subprocess.CompletedProcess[str]"
) -> None:
    profile = "{{ 'cool' if inventory_hostname == 'Faramir' else '' }}"
    done = boards.play(
        *["-e", "jetson_fan_mode=vendor", "-e", "jetson_power_clocks=false", "-l", "Boromir,Faramir"],
        *["-e", json.dumps({"jetson_fan_profile": profile})],
    )
    assert done.returncode == 0, done.stdout
    ask = (
        "systemctl cat edgebench-fan 2>&1 | head -n 1; ls /etc/systemd/system/edgebench-performance.service.d"
    )
    assert boards.there("Boromir", f"{ask}; cat {SYSFS}/devices/pwm-fan/temp_control") == (
        "No files found for edgebench-fan.service.\n1\n"  # not prose
    )
    assert boards.there(
        "Faramir",
        f"{ask}; systemctl is-active nvfancontrol; cat /var/lib/nvfancontrol/status",  # not prose
    ) == ("No files found for edgebench-fan.service.\nactive\ncool\n")  # not prose
