"""provision.yml on hosts that stand for a Nano and a 32-bit Raspberry Pi, with stacks that nobody has locked yet.

The hosts are containers with systemd and SSH. Their C library reports the machine of the board, and they have CPython
3.6, so pip takes the board's wheels. The table, its pins and the bootstrap are the project's. Its vendors' addresses
are those of indexes here, with wheels that hold next to nothing.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from lab import interpreters
from tests import needs
from tests.messages import codes
from tests.package_index import Index, serve

pytestmark = [
    pytest.mark.integration,
    pytest.mark.needs("containers", "ssh", "cc", "python3.6", "x86_64"),
]

LAB = "locks"
GATEWAY = "10.77.0.1"
NANO, PI = "py36-jetpack46-tf2.7.0", "py36-armv7-tf1.13.1"
# Two of each: the second gets a wheel that somebody has changed.
HOSTS = {
    "Eomer": ("10.77.47.21", "aarch64", "jetson"),
    "Eowyn": ("10.77.47.22", "aarch64", "jetson"),
    "Gamling": ("10.77.47.23", "armv7l", "raspberry_pi"),
    "Hama": ("10.77.47.24", "armv7l", "raspberry_pi"),
}
SYSFS = "/run/l4t/sys"
TENSORFLOW = """
__version__ = "{version}"
class Tensor:
    def __init__(self, value): self.value = value
    def numpy(self): return self.value
class config:
    list_physical_devices = staticmethod(lambda kind: [0])
class Session:
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def run(self, tensor): return tensor.value
def ones(shape): return Tensor(shape)
def matmul(one, other): return Tensor(64.0 ** 3)
def reduce_sum(tensor): return tensor
"""
# Of TensorFlow 1: the module with the devices.
DEVICES = """
import sys, types
for name in ("python", "python.client"):
    module = types.ModuleType(__name__ + "." + name)
    sys.modules[module.__name__] = module
module.device_lib = types.SimpleNamespace(list_local_devices=list)
"""
UNAME = """
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
int uname(struct utsname *buffer)
{
    int code = syscall(SYS_uname, buffer);
    if (code == 0)
        strcpy(buffer->machine, MACHINE);
    return code;
}
"""
# Whatever a host may have been changed by, but for logs, and what Ansible and SSH leave of a connection.
CHANGED = (
    "find / -xdev -newer /var/lib/prepared ! -type d ! -path '/proc/*' ! -path '/sys/*' ! -path '/run/*' "
    "! -path '/dev/*' ! -path '/tmp/*' ! -path '/var/log/*' ! -path '/home/admin/*' ! -path '/var/lib/systemd/*' "
    "! -path '*/__pycache__/*'; id -u edgebench || true"
)


class Fleet:
    """The hosts, a checkout of its own, and the indexes."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.repository, self.folder = repository, folder
        self.keys = repository / ".edgebench/lab" / LAB
        self.checkout = folder / "checkout"
        self.pypi = Index(folder / "pypi", hashes=True, address=GATEWAY)
        self.nvidia = Index(folder / "nvidia", hashes=False, address=GATEWAY, unknown=403)
        self.piwheels = Index(folder / "piwheels", hashes=True, address=GATEWAY)
        self.inventory = folder / "hosts.yml"

    def declare(self) -> None:
        own = {
            "ansible_user": "admin",
            "ansible_ssh_private_key_file": str(self.keys / "id_ed25519"),
            "ansible_ssh_common_args": f"-o IdentitiesOnly=yes -o UserKnownHostsFile={self.keys}/known_hosts",
            "lab_image": "debian12",
            "base_packages_build_tools": False,
            "runtime_python": "/opt/python3.6/bin/python3.6",
            "datasets_offline": True,
        }
        jetson: dict[str, object] = {
            "edgebench_l4t_sysfs": SYSFS,
            "edgebench_l4t_device_tree": "/var/lib/l4t/device-tree",
            "performance_mode_sysfs": SYSFS,
            "jetson_power_supply": "barrel_jack",
            "jetson_power_supply_a": 6.0,
        }
        groups: dict[str, dict[str, dict[str, object]]] = {
            "jetson": {"hosts": {}, "vars": jetson},
            "raspberry_pi": {"hosts": {}},
        }
        for name, (address, _, group) in HOSTS.items():
            groups[group]["hosts"][name] = {**own, "ansible_host": address}
        self.inventory.write_text(yaml.safe_dump(groups))

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

    def send(self, host: str, folder: Path, to: str, *options: str) -> None:
        packed = subprocess.Popen(["tar", "-C", folder, "-c", *options, "."], stdout=subprocess.PIPE)
        subprocess.run(
            [*self.ssh(host), f"sudo mkdir -p {to} && sudo tar -C {to} -x"], stdin=packed.stdout, check=True
        )
        assert packed.wait() == 0

    def check_out(self) -> None:
        """Make a checkout of this one's tracked files, with our indexes, and Raspbian's stack for CPython 3.6."""
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=self.repository, stdout=subprocess.PIPE, text=True, check=True
        )
        for name in filter(None, tracked.stdout.split("\0")):
            source, copy = self.repository / name, self.checkout / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
        (self.checkout / ".venv").symlink_to(sys.prefix)
        table = self.checkout / "files/tensorflow_stacks.yml"
        text = table.read_text()
        text = re.sub(r"https://developer\.download\.nvidia\.com/\S+", self.nvidia.url, text)
        text = text.replace("https://www.piwheels.org/simple", self.piwheels.url)
        before, name, after = text.partition("  - name: py35-armv7-tf1.13.1")
        after = after.replace('python: ["3.5"]', 'python: ["3.6"]')
        table.write_text(before + (name + after).replace("py35", "py36"))
        pins = self.checkout / "requirements/runtime/py35-armv7-tf1.13.1.in"
        pins.rename(pins.with_name(f"{PI}.in"))
        for path in (self.checkout / "requirements/runtime").glob("*.txt"):
            assert "jetpack" not in path.name

    def publish(self) -> None:
        """Fill the indexes with what the stacks pin, and with pip for the hosts."""
        for stack, machine, vendor in ((NANO, "aarch64", self.nvidia), (PI, "armv7l", self.piwheels)):
            source = self.checkout / "requirements/runtime" / f"{stack}.in"
            tag = f"cp36-cp36m-linux_{machine}"
            for name, version in re.findall(r"^([\w-]+)==(\S+)", source.read_text(), re.MULTILINE):
                if name == "numpy":
                    # The runner needs it, and the hosts run what is built for x86.
                    vendor_of = self.piwheels if vendor is self.piwheels else self.pypi
                    (wheel,) = self.download(f"numpy=={version}", "--platform", "manylinux1_x86_64")
                    vendor_of.take(wheel.rename(wheel.with_name(f"numpy-{version}-{tag}.whl")))
                    continue
                if name != "tensorflow":
                    # The same name and version may serve both.
                    vendor_of = self.piwheels if vendor is self.piwheels else self.pypi
                    vendor_of.add(name, version, "py3-none-any" if name == "keras" else tag)
                    continue
                code = TENSORFLOW.format(version=version.partition("+")[0])
                code += DEVICES if version.startswith("1.") else ""
                # Asks for another Keras than the pins, and for what the distribution brings.
                vendor.add(name, version, tag, requires=("keras<2.7", "numpy", "h5py"), code=code)
        self.pypi.add("h5py", "3.1.0", "cp36-cp36m-linux_armv7l")
        for wheel in self.download(
            "--require-hashes", "-r", str(self.checkout / "requirements/bootstrap-py36.txt")
        ):
            self.pypi.take(wheel)

    def download(self, *arguments: str) -> list[Path]:
        """Fetch wheels for CPython 3.6 from the real PyPI."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        command = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--python-version", "3.6"]
        subprocess.run([sys.executable, "-m", "pip", *command, "--dest", folder, *arguments], check=True)
        return sorted(folder.iterdir())

    def prepare(self, host: str) -> None:
        """Make the board of a host."""
        _, machine, group = HOSTS[host]
        library = self.folder / machine / "lib/machine.so"
        if not library.exists():
            library.parent.mkdir(parents=True)
            source = self.folder / "uname.c"
            source.write_text(UNAME)
            command = ["cc", "-shared", "-fPIC", f'-DMACHINE="{machine}"', "-o", str(library), str(source)]
            subprocess.run(command, check=True)
        prefix = interpreters.own_prefix("3.6")
        assert prefix is not None
        self.send(host, prefix, "/opt/python3.6", "--exclude=test", "--exclude=__pycache__", "--exclude=*.a")
        self.send(host, library.parent, "/usr/local/lib")
        libraries = (
            "libf77blas.so.3"
            if group == "raspberry_pi"
            else "libcudart.so.10.2 libcublas.so.10 libcudnn.so.8"
        )
        if group == "jetson":
            self.send(host, self.repository / "tests/l4t", "/opt/l4t")
        board = "/opt/l4t/install.sh" if group == "jetson" else "true"
        told = self.there(
            host,
            f"""set -e
echo /opt/python3.6/lib > /etc/ld.so.conf.d/opt-python.conf && ldconfig
chown -R root:root /opt/python3.6
echo "__version__ = '2.10.0'" > /opt/python3.6/lib/python3.6/site-packages/h5py.py
for name in {libraries}; do ln -s libm.so.6 /usr/lib/x86_64-linux-gnu/$name; done
printf '[global]\\nindex-url = {self.pypi.url}\\ntrusted-host = {GATEWAY}\\ntimeout = 60\\n' > /etc/pip.conf
{board}
echo /usr/local/lib/machine.so > /etc/ld.so.preload
sleep 1; touch /var/lib/prepared; sleep 1
uname -m; /opt/python3.6/bin/python3.6 -c 'import os, pip; print(os.uname().machine)'
""",
        )
        assert told.split()[-2:] == [machine, machine], told

    def play(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "PIP_", "UV_"))
        }
        return subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                *["-i", str(self.inventory), "provision.yml", *arguments],
            ],
            cwd=self.checkout,
            env={
                **kept,
                "LC_ALL": "C.UTF-8",
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_INDEX_URL": self.pypi.url,
                "PIP_TRUSTED_HOST": GATEWAY,
                # The path of the test's folder is too long for its sockets.
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.keys / "cp"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1500,
            check=False,
        )

    def lock(self, stack: str) -> Path:
        """Return where the lock of a stack is kept."""
        return self.checkout / ".edgebench/locks" / f"{stack}.txt"


def recap(done: "subprocess.CompletedProcess[str]", host: str) -> dict[str, int]:
    line = re.search(rf"^{host} +: (.*)$", done.stdout, re.MULTILINE)
    assert line, done.stdout
    return {key: int(value) for key, value in (pair.split("=") for pair in line[1].split())}


def said(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the output on one line."""
    return " ".join(done.stdout.replace("\\n", " ").split())


@pytest.fixture(scope="module")
def fleet(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The hosts, with indexes of PyPI and piwheels; NVIDIA's is not reachable yet."""
    if interpreters.own_prefix("3.6") is None:
        needs.stop("python3.6")
    made = Fleet(repository, tmp_path_factory.mktemp("locks"))
    made.declare()
    try:
        started = made.lab("up", "--name", LAB, "--inventory", str(made.inventory))
        assert started.returncode == 0, started.stdout
        with ExitStack() as running:
            for index in (made.pypi, made.piwheels):
                running.enter_context(serve(index))
            # A port that nobody listens on; the index comes up there later.
            with serve(made.nvidia):
                pass
            made.check_out()
            made.publish()
            for host in HOSTS:
                made.prepare(host)
            yield made
    finally:
        made.lab("down", "--name", LAB, "--inventory", str(made.inventory))


def test_check_mode_says_what_would_be_locked_and_asks_no_index(fleet: Fleet) -> None:
    tried = fleet.play("-l", "Eomer,Eowyn", "--check")
    assert tried.returncode == 0, tried.stdout
    assert tried.stdout.count(f"{NANO} has no lock yet. ") == 1  # not prose
    assert "TensorFlow 2.7.0" in tried.stdout
    assert not (fleet.checkout / ".edgebench/locks").exists()


def test_an_index_out_of_reach_changes_nothing_on_the_host(fleet: Fleet) -> None:
    done = fleet.play("-l", "Eomer")
    assert done.returncode != 0
    assert recap(done, "Eomer")["changed"] == 0, done.stdout
    messages = set(re.findall(r"Eomer: [^:]*: (the controller .*? \[lock-index-unreachable\])", said(done)))
    assert messages, done.stdout
    (message,) = messages
    for part in (fleet.nvidia.url, f".edgebench/locks/{NANO}.txt", f"make lock STACK={NANO}"):
        assert part in message
    changed = fleet.there("Eomer", CHANGED).splitlines()
    assert [line for line in changed if line.startswith("/")] == []
    assert not fleet.lock(NANO).exists()


def test_provisioning_alone_ends_ready_and_keeps_the_locks(fleet: Fleet) -> None:
    with serve(fleet.nvidia):
        done = fleet.play("-l", "Eomer,Gamling")
        assert done.returncode == 0, done.stdout
        assert "Hosts: 2 ready" in done.stdout
        for stack, index in ((NANO, fleet.nvidia), (PI, fleet.piwheels)):
            assert done.stdout.count(f"{stack} has no lock yet. ") == 1  # not prose
            assert f"it from {index.url}:" in said(done)
            assert f".edgebench/locks/{stack}.txt, " in said(done)
            # By the controller, and by the host.
            assert len([path for path in index.downloads if "/tensorflow/" in path]) == 2
            assert fleet.lock(stack).exists()
            assert not (fleet.checkout / "requirements/runtime" / f"{stack}.txt").exists()
        assert codes(said(done)).count("lock-kept") == 2

        locks = [fleet.lock(stack).read_bytes() for stack in (NANO, PI)]
        downloads = [len(index.downloads) for index in (fleet.nvidia, fleet.piwheels, fleet.pypi)]
        again = fleet.play("-l", "Eomer,Gamling")
        assert again.returncode == 0, again.stdout
        for host in ("Eomer", "Gamling"):
            assert recap(again, host)["changed"] == 0, again.stdout
        assert codes(said(again)).count("lock-kept") == 2
        assert [fleet.lock(stack).read_bytes() for stack in (NANO, PI)] == locks
        assert [len(index.downloads) for index in (fleet.nvidia, fleet.piwheels, fleet.pypi)] == downloads


def test_a_changed_wheel_is_refused_on_the_next_host(fleet: Fleet) -> None:
    """After the test before it, as the locks are."""
    locks = {stack: fleet.lock(stack).read_text() for stack in (NANO, PI)}
    hashes = {}
    for stack, index, version in ((NANO, fleet.nvidia, "2.7.0+nv22.1"), (PI, fleet.piwheels, "1.13.1")):
        (wheel,) = (index.folder / "tensorflow").glob("*.whl")
        tag = wheel.stem.partition(f"{version}-")[2]
        changed = index.add("tensorflow", version, tag, code="import os  # Tampered.\n")
        pinned = re.search(
            rf"^tensorflow=={re.escape(version)} \\\n +--hash=sha256:(\w+)", locks[stack], re.MULTILINE
        )
        assert pinned
        hashes[stack] = (f"tensorflow=={version}", pinned[1], changed)
    with serve(fleet.nvidia):
        done = fleet.play("-l", "Eowyn,Hama")
    assert done.returncode != 0
    for host, stack in (("Eowyn", NANO), ("Hama", PI)):
        package, expected, received = hashes[stack]
        (message,) = set(
            re.findall(rf"{host}: runtime failed: ({re.escape(package)} .*? \[hash-differs\])", said(done))
        )
        assert message.index(expected) < message.index(received)
        assert f"make lock STACK={stack}" in message
        assert "no lock yet" not in done.stdout
        found = fleet.there(host, "ls /home/edgebench/venv/edgebench-runtime.json || echo none")
        assert found.endswith("none\n")
    assert {stack: fleet.lock(stack).read_text() for stack in (NANO, PI)} == locks
