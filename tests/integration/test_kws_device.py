"""The role kws_device on a real host: systemd, a login console, LiteRT, and two ends of a serial line made by socat."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.integration, pytest.mark.needs("containers", "ssh")]

LAB, ADDRESS = "kws-device", "10.77.43.21"
UNIT = "edgebench-kws-device.service"
# What a pty lacks of a serial port is a device unit, which Debian's console is bound to.
PREPARE = r"""
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -qy --no-install-recommends install acl socat python3-venv
cat > /etc/systemd/system/cable.service <<'UNIT'
[Service]
ExecStart=socat PTY,link=/dev/ttyDEVICE,raw,echo=0,group=dialout,mode=660 PTY,link=/dev/ttyHOST,raw,echo=0
Restart=always
RestartSec=3
UNIT
cat > /etc/systemd/system/serial-getty@.service <<'UNIT'
[Service]
ExecStart=-/sbin/agetty 115200 %I vt220
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl start cable
sleep 1
echo prepared
"""
RUNTIME = r"""
set -e
home=/home/edgebench
python3 -m venv $home/venv
$home/venv/bin/pip install -q --disable-pip-version-check ai-edge-litert==2.3.0 numpy==2.4.6 pyserial==3.5
echo '{}' > $home/venv/edgebench-runtime.json
mkdir -p $home/data
tar -C $home/data -xzf /tmp/data.tgz
chown -R edgebench:edgebench $home/venv $home/data
echo ready
"""


class Host:
    """The host, and the playbook that is run against it."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.repository, self.folder = repository, folder
        self.keys = repository / ".edgebench/lab" / LAB
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(repository / "ansible.cfg"),
            "LC_ALL": "C.UTF-8",
        }
        self.inventory = folder / "hosts.yml"
        own = {
            "ansible_host": ADDRESS,
            "ansible_user": "admin",
            "ansible_ssh_private_key_file": str(self.keys / "id_ed25519"),
            "ansible_ssh_common_args": f"-o IdentitiesOnly=yes -o UserKnownHostsFile={self.keys}/known_hosts",
            "lab_image": "debian12",
            "kws_device_port": "/dev/ttyDEVICE",
            "kws_device_engine": "litert",
        }
        self.inventory.write_text(yaml.safe_dump({"x86": {"hosts": {"Pippin": own}}}))

    def lab(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "lab", *arguments],
            cwd=self.repository,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    @property
    def ssh(self) -> list[str]:
        options = ["IdentitiesOnly=yes", "BatchMode=yes", f"UserKnownHostsFile={self.keys}/known_hosts"]
        key = ["ssh", "-i", str(self.keys / "id_ed25519")]
        return [*key, *(word for each in options for word in ("-o", each)), f"admin@{ADDRESS}"]

    def there(self, script: str) -> str:
        """Run a script as root and return what it says."""
        done = subprocess.run(
            [*self.ssh, "sudo", "sh", "-s"],
            input=script,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def play(self, *arguments: str) -> str:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                *["-i", str(self.inventory), "tests/integration/kws_device.yml", *arguments],
            ],
            cwd=self.repository,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def drive(self, *arguments: str) -> str:
        inputs = "--inputs /home/edgebench/data/kws01"
        return self.there(
            f"/home/edgebench/bin/edgebench kws drive --port /dev/ttyHOST {inputs} {' '.join(arguments)}\n"
        )

    def console(self) -> list[str]:
        """Whether the port's login console is enabled and active."""
        unit = "serial-getty@$(systemd-escape $(readlink -f /dev/ttyDEVICE | cut -c6-)).service"
        return self.there(f"systemctl is-enabled {unit}; systemctl is-active {unit}").split()

    def said(self) -> str:
        """What the device has said since it was installed."""
        return self.there(f"journalctl -u {UNIT} -o cat")

    def service(self) -> list[str]:
        return self.there(f"systemctl is-enabled {UNIT} 2> /dev/null; systemctl is-active {UNIT}").split()


def until(
    what: Callable[[], bool], instead: Callable[[], str] = lambda: "not so", seconds: float = 60
) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, instead()
        time.sleep(0.5)


def changed(text: str) -> int:
    match = re.search(r"Pippin\s+: .*changed=(\d+)", text)
    assert match is not None, text
    return int(match[1])


@pytest.fixture(scope="module")
def host(repository: Path, tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Iterator[Host]:
    """A host with a serial line, a login console on it, and everything but the device."""
    made = Host(repository, tmp_path_factory.mktemp("kws"))
    started = made.lab("up", "--name", LAB, "--inventory", str(made.inventory))
    try:
        assert started.returncode == 0, started.stdout
        assert made.there(PREPARE).endswith("prepared\n")
        made.there(
            "systemctl enable --now serial-getty@$(systemd-escape $(readlink -f /dev/ttyDEVICE | cut -c6-)).service"
        )
        until(lambda: made.console() == ["enabled", "active"])
        made.play("-e", "kws_device_port=")
        packed = subprocess.run(
            ["tar", "-C", data_dir, "-cz", "kws01", "models"], stdout=subprocess.PIPE, check=True
        ).stdout
        subprocess.run([*made.ssh, "cat > /tmp/data.tgz"], input=packed, check=True)
        told = made.there(RUNTIME)
        assert told.endswith("ready\n"), told
        yield made
    finally:
        made.lab("down", "--name", LAB)


@pytest.fixture(scope="module")
def provisioned(host: Host) -> str:
    """What the playbook said when it made the host a device, after check mode changed nothing."""
    before = (host.service(), host.console(), host.there("find /etc -newer /tmp/data.tgz -type f"))
    said = host.play("--check", "--diff")
    assert changed(said) >= 2
    assert (host.service(), host.console(), host.there("find /etc -newer /tmp/data.tgz -type f")) == before
    return host.play()


def test_the_device_runs_and_the_console_is_gone(host: Host, provisioned: str) -> None:
    until(lambda: "ready" in host.said(), lambda: host.said())
    assert host.service() == ["enabled", "active"]
    assert host.console() == ["masked", "inactive"]
    told = host.there(f"systemctl show -p User -p MainPID {UNIT}; journalctl -u {UNIT} -o cat")
    assert "User=edgebench\n" in told
    for part in ("litert 2.3.0", "model reference_int8 (int8)", "threads 1"):
        assert part in told


def test_a_second_run_changes_nothing(host: Host, provisioned: str) -> None:
    for said in (host.play("--diff"), host.play("--check")):
        assert changed(said) == 0, said


def test_a_host_drives_it(host: Host, provisioned: str) -> None:
    said = host.drive("--mode accuracy --limit 100")
    assert re.search(r"top-1 \d\d\.\d %.*\b100\b", said), said
    said = host.drive("--mode performance --windows 2 --window-s 1")
    assert re.search(r"median +\d+\.\d+ inferences", said), said


def test_a_cable_that_is_pulled_and_plugged_in_again(host: Host, provisioned: str) -> None:
    host.there("systemctl restart cable; sleep 2")
    until(lambda: "top-1" in host.drive("--mode accuracy --limit 2"))
    assert "is back" in host.said()


def test_a_new_runner_and_new_settings_start_it_anew(host: Host, provisioned: str) -> None:
    main = f"systemctl show -p MainPID {UNIT}"
    first = host.there(main)
    host.there("sleep 1; touch /home/edgebench/edgebench.pyz")
    host.play()
    second = host.there(main)
    assert second != first
    assert changed(host.play("-e", "kws_device_model=reference_dynamic")) >= 1
    assert host.there(main) != second
    until(lambda: "model reference_dynamic (dynamic)" in host.said())
    host.play()


def test_energy_mode_needs_a_pin_and_libgpiod(host: Host, provisioned: str) -> None:
    with pytest.raises(AssertionError, match=r"\[gpio-chip-mismatch\]"):
        host.play("-e", "kws_device_mode=energy")
    host.play("-e", "kws_device_mode=energy", "-e", "kws_device_gpio_chip=gpiochip0")
    assert "libgpiod2" in host.there("dpkg-query --show 'libgpiod*'")
    until(lambda: "/dev/gpiochip0 " in host.said() and "[gpio-chip-missing]" in host.said())
    host.play()
    until(lambda: host.service() == ["enabled", "active"])


def test_it_is_valid_to_systemd(host: Host, provisioned: str) -> None:
    complaints = host.there(f"systemd-analyze verify {UNIT} 2>&1 | grep kws-device; true")
    assert complaints == ""


def test_absent_gives_the_port_back(host: Host, provisioned: str) -> None:
    assert changed(host.play("-e", "kws_device_state=absent", "--check")) >= 1
    assert host.service() == ["enabled", "active"]
    host.play("-e", "kws_device_state=absent")
    assert host.service() == ["inactive"]
    until(lambda: host.console() == ["enabled", "active"])
    left = host.there("ls /etc/edgebench-kws-device.getty /etc/systemd/system/edgebench-kws* 2> /dev/null")
    assert left == ""
    assert changed(host.play("-e", "kws_device_state=absent")) == 0
