"""Benches without anybody there: pulled by the machine itself, and by a timer on a host with systemd."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.messages import codes

from .test_playbooks import TINY, recap

pytestmark = [pytest.mark.integration, pytest.mark.needs("ssh-keygen")]

Remote = Callable[[str], dict[str, object]]
LAB, ADDRESS = "nightly", "10.77.46.12"
UNIT = "edgebench-nightly"
# ansible-pull looks for a host of this name, or localhost, in the inventory.
NAME = platform.node().split(".")[0]
# In place of an Ansible, which the host has not: says who it is and what it was given, and fails as for a bad run.
STAND_IN = r"""
mkdir -p /home/admin/edgebench/.venv/bin
cat > /home/admin/edgebench/.venv/bin/ansible-playbook <<'END'
#!/bin/sh
id -un
printf '<%s>' "$@"
touch /home/admin/edgebench/here /etc/there
exit 2
END
chmod 755 /home/admin/edgebench/.venv/bin/ansible-playbook
chown -R admin: /home/admin/edgebench
cat > /etc/systemd/system/tell-me.service <<'END'
[Service]
ExecStart=touch /run/told
END
"""


def run(*command: str | Path, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "GIT_"))}
    return subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env={**kept, "LC_ALL": "C.UTF-8", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


class Origin:
    """A repository with this checkout in its present state, whose commits are signed; the signer alone is trusted."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.path = folder / "origin"
        self.path.mkdir()
        self.settings = folder / "gitconfig"
        key = folder / "signer"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        (folder / "allowed").write_text(f"maker@example.org {key.with_suffix('.pub').read_text()}")
        self.settings.write_text(
            f"[user]\nname = A\nemail = maker@example.org\nsigningKey = {key}.pub\n"
            f'[gpg]\nformat = ssh\n[gpg "ssh"]\nallowedSignersFile = {folder}/allowed\n'
        )
        names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=repository)
        for name in filter(None, names.stdout.split("\0")):
            if (repository / name).exists():
                (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(repository / name, self.path / name, follow_symlinks=False)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("signed", "--gpg-sign")

    def git(self, *arguments: str) -> None:
        done = run("git", *arguments, folder=self.path, GIT_CONFIG_GLOBAL=str(self.settings))
        assert done.returncode == 0, done.stdout

    def commit(self, message: str, *more: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message, *more)


def test_a_machine_pulls_provisions_and_benchmarks_itself_by_signed_commits_alone(
    repository: Path, this_machine: dict[str, object], tmp_path: Path
) -> None:
    origin = Origin(repository, tmp_path)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"local": {"hosts": {NAME: this_machine}}}))

    def pull(*arguments: str) -> "subprocess.CompletedProcess[str]":
        program = Path(sys.executable).with_name("ansible-pull")
        checkout = str(tmp_path / "checkout")
        named = ["-U", f"file://{origin.path}", "-d", checkout, "-C", "main", "--verify-commit"]
        return run(
            *[str(program), *named, "-i", str(inventory), "-l", NAME, *arguments],
            folder=tmp_path,
            GIT_CONFIG_GLOBAL=str(origin.settings),
        )

    done = pull(*TINY, "provision.yml", "bench.yml")
    assert done.returncode == 0, done.stdout
    assert recap(done.stdout.split("PLAY RECAP", 1)[1])[NAME]["failed"] == 0
    # Where results lie on the machine, and the name they bear.
    records = [json.loads(line) for line in (tmp_path / f"checkout/results/r1/{NAME}.jsonl").open()]
    assert [(each["host"], each["status"]) for each in records if each["record"] == "run"] == [(NAME, "ok")]

    # By a reporter of this checkout, although the Ansible that pulled is not in it.
    assert (tmp_path / "checkout/results/r1/report/index.html").exists()

    (origin.path / "bench.yml").write_text("- hosts: all\n  tasks: [{command: touch /nowhere/harm}]\n")
    origin.commit("not signed")
    # The second time the commit is in the checkout already.
    for _ in range(2):
        refused = pull("bench.yml")
        assert refused.returncode != 0
        assert "Failed to verify" in refused.stdout, refused.stdout
        assert "harm" not in refused.stdout
    assert (tmp_path / f"checkout/results/r1/{NAME}.jsonl").exists()


class Host:
    """A host of the lab, and the playbook that is run against it."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.repository = repository
        keys = repository / ".edgebench/lab" / LAB
        self.options = f"-o IdentitiesOnly=yes -o UserKnownHostsFile={keys}/known_hosts"
        self.key = str(keys / "id_ed25519")
        own = {
            "ansible_host": ADDRESS,
            "ansible_user": "admin",
            "ansible_ssh_private_key_file": self.key,
            "ansible_ssh_common_args": self.options,
            "lab_image": "debian12",
            "nightly_user": "admin",
            "nightly_checkout": "/home/admin/edgebench",
        }
        self.inventory = folder / "hosts.yml"
        self.inventory.write_text(yaml.safe_dump({"x86": {"hosts": {"Merry": own}}}))

    def lab(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return run(sys.executable, "-m", "lab", *arguments, folder=self.repository)

    def there(self, script: str) -> str:
        """Run a script as root and return what it says."""
        command = ["ssh", "-i", self.key, *self.options.split(), f"admin@{ADDRESS}", "sudo", "sh", "-s"]
        return subprocess.run(
            command, input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        ).stdout

    def play(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        program = Path(sys.executable).with_name("ansible-playbook")
        named = [str(program), "-i", str(self.inventory), "tests/integration/nightly.yml"]
        return run(
            *named,
            *[word for each in arguments for word in ("-e", each)],
            folder=self.repository,
            ANSIBLE_CONFIG=str(self.repository / "ansible.cfg"),
        )

    def changed(self, *arguments: str) -> int:
        done = self.play(*arguments)
        assert done.returncode == 0, done.stdout
        return recap(done.stdout)["Merry"]["changed"]


@pytest.fixture(scope="module")
def host(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(repository, tmp_path_factory.mktemp("nightly"))
    up = host.lab("up", "--name", LAB, "--inventory", str(host.inventory))
    assert up.returncode == 0, up.stdout
    yield host
    host.lab("down", "--name", LAB)


@pytest.mark.needs("containers", "ssh")
def test_a_timer_benchmarks_as_an_ordinary_user(host: Host) -> None:
    arguments = (
        '{"nightly_arguments": ["-e", "{\\"bench_workloads\\": [\\"mnist_1d\\"]}", "-e", "x=50%$HOME"]}'
    )
    wanted = [arguments, "nightly_hosts=jetson:!local", "nightly_on_failure=tell-me.service"]
    assert host.play("nightly_calendar='25 o clock'").returncode == 2
    assert host.play("nightly_user=root").returncode == 2
    assert host.there(f"ls /etc/systemd/system/{UNIT}.* 2> /dev/null") == ""
    host.there(STAND_IN)
    assert host.changed(*wanted) == 3
    assert host.changed(*wanted) == 0

    said = host.there(
        f"cd /etc/systemd/system; systemd-analyze verify {UNIT}.service {UNIT}.timer; echo verified $?\n"
        f"systemctl is-enabled {UNIT}.timer; systemctl is-active {UNIT}.timer\n"
        f"systemd-analyze security --no-pager --threshold=40 {UNIT}.service > /dev/null; echo exposed $?\n"
        f"systemctl start {UNIT} 2> /dev/null; echo started $?\n"
        f"systemctl show -p ExecMainStatus -p Result {UNIT}; sleep 1\n"
        "ls /run/told /home/admin/edgebench/here /etc/there\n"
        f"journalctl -q -o cat -u {UNIT}\n"
    )
    assert "verified 0\nenabled\nactive\nexposed 0\nstarted 1\n" in said, said  # not prose
    # The exit code of the playbook is that of the service, and starts what was asked for.
    assert "Result=exit-code\nExecMainStatus=2\n" in said, said
    assert "/run/told\n" in said
    # As the user, with the words as they were given, and without writing elsewhere.
    assert "admin\n" in said
    assert '<-l><jetson:!local><-e><{"bench_workloads": ["mnist_1d"]}><-e><x=50%$HOME><bench.yml>' in said
    assert "/home/admin/edgebench/here\n" in said
    assert "cannot access '/etc/there'" in said

    assert host.changed(*wanted, '{"nightly_calendar": "*-*-* 03:30:00"}') == 2
    assert "03:30:00" in host.there(f"systemctl list-timers --all {UNIT}.timer; systemctl cat {UNIT}.timer")
    assert host.changed("nightly_state=absent") == 2
    assert host.changed("nightly_state=absent") == 0
    assert host.there(f"ls /etc/systemd/system/{UNIT}.* 2> /dev/null") == ""


@pytest.mark.needs("containers", "ssh")
def test_what_pulls_lies_outside_of_what_is_pulled(host: Host) -> None:
    done = host.play("nightly_pull_url=https://git.example.org/edgebench.git")
    assert done.returncode == 2
    assert "venv-in-checkout" in codes(done.stdout)
    assert "nightly_venv" in done.stdout
