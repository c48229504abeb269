"""Hosts for the playbooks: this machine, and a "remote" one behind a real sshd on a loopback port."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests import needs
from tests.stacks import environments


@dataclass
class Sshd:
    """An sshd of our own: its folder with keys, its port, its process."""

    folder: Path
    port: int
    program: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start listening."""
        self.process = subprocess.Popen(
            [self.program, "-D", "-e", "-f", str(self.folder / "sshd_config")],
            stderr=(self.folder / "sshd.log").open("ab"),
            start_new_session=True,
        )
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        pytest.fail(f"sshd does not listen: {(self.folder / 'sshd.log').read_text()}")

    def stop(self) -> None:
        """End the listener and all its connections, as when a network cable is pulled."""
        if self.process is not None:
            for child in _children(self.process.pid):
                for pid in [*_children(child), child]:
                    if b"sshd" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            self.process = None


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


@dataclass
class Controller:
    """Runs playbooks of the checkout against an inventory of the test's own."""

    repository: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        """Where records are fetched to."""
        return self.folder / "results"

    def inventory(self, groups: dict[str, dict[str, object]]) -> None:
        """Declare the hosts."""
        (self.folder / "hosts.yml").write_text(
            yaml.safe_dump({name: {"hosts": each} for name, each in groups.items()})
        )

    def start(self, playbook: str, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a playbook in a session of its own and return the process; what it says goes to `log`."""
        return subprocess.Popen(
            self._command(playbook, *arguments),
            cwd=self.repository,
            env=self._environment(),
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, playbook: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a playbook to its end."""
        return subprocess.run(
            self._command(playbook, *arguments),
            cwd=self.repository,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )

    def _command(self, playbook: str, *arguments: str) -> list[str]:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        own = ["-i", str(self.folder / "hosts.yml"), "-e", f"bench_results_dir={self.results}"]
        return [program, playbook, *own, *arguments]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        # Connections are shared within a test, never between tests.
        return {
            **kept,
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
            "LC_ALL": "C.UTF-8",
            **self.environment,
        }


@pytest.fixture
def controller(repository: Path, tmp_path: Path) -> Controller:
    """A controller with an inventory and results of its own."""
    return Controller(repository, tmp_path)


@pytest.fixture(scope="session")
def provisioned() -> Path:
    """The home of this machine, with the real TensorFlow that `make bench` uses."""
    return environments.provisioned()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """An sshd with a host key and an authorized key made for this test."""
    program = str(needs.program("sshd"))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"PidFile {folder}/sshd.pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    server = Sshd(folder, port, program)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def this_machine(provisioned: Path, tmp_path: Path) -> dict[str, object]:
    """The variables of this machine as a host without SSH, with a home of its own that has a runtime.

    The interpreter is named for what runs before preflight, or without it.
    """
    home = tmp_path / "home"
    home.mkdir()
    (home / "venv").symlink_to(provisioned / "venv")
    record = json.loads((provisioned / "venv/edgebench-runtime.json").read_text())
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "edgebench_home": str(home),
        "edgebench_manage_system": False,
        "runtime_python": record["python"],
    }


@pytest.fixture
def remote(sshd: Sshd, provisioned: Path, tmp_path: Path) -> Callable[[str], dict[str, object]]:
    """A function that makes the variables of a remote host with a home of its own.

    Its venv is this machine's, by a link: the same interpreter, CPU and lock, so that provisioning finds its record.
    """

    def make(name: str) -> dict[str, object]:
        home = tmp_path / "homes" / name
        home.mkdir(parents=True)
        (home / "venv").symlink_to(provisioned / "venv")
        record = json.loads((provisioned / "venv/edgebench-runtime.json").read_text())
        return {
            "runtime_python": record["python"],
            "ansible_host": "127.0.0.1",
            "ansible_port": sshd.port,
            "ansible_ssh_private_key_file": str(sshd.folder / "user"),
            "ansible_ssh_extra_args": f"-o UserKnownHostsFile={sshd.folder}/known_hosts -o IdentitiesOnly=yes",
            "edgebench_home": str(home),
            # It is this very machine: nothing but the home is touched.
            "edgebench_manage_system": False,
        }

    return make
