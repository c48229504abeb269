"""The role runtime and `make lock STACK=NAME`, with small wheels on an index of our own in place of a vendor's."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import hear_signals
from tests.messages import codes
from tests.package_index import Index, serve

MINOR = sys.version_info.minor
MACHINE = os.uname().machine
# What the role's probe asks of TensorFlow, and no more.
TENSORFLOW = """
__version__ = "9.9.9"
class Tensor:
    def __init__(self, value): self.value = value
    def numpy(self): return self.value
class config:
    list_physical_devices = staticmethod(lambda kind: [])
def ones(shape): return Tensor(shape)
def matmul(one, other): return Tensor(64.0 ** 3)
def reduce_sum(tensor): return tensor
"""
DEAD = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"
# NumPy 1.19.5 on Linux 4.9: its OpenBLAS asks the CPU, unless the environment of the process names it.
NUMPY = """
import ctypes, os, signal
if not ctypes.CDLL(None).getenv(b"OPENBLAS_CORETYPE"):
    os.kill(os.getpid(), signal.SIGILL)
"""
# What makes a lock.
LOCKING = (
    "tools/lock.sh",
    "plugins/filter/edgebench_hash_mismatch.py",
    "plugins/filter/edgebench_locks.py",
    "roles/runtime/files/reach_index.py",
)
GOMP = "/x/tensorflow_cpu_aws.libs/libgomp-d22c30c5.so.1.0.0"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Callable[..., Index]]:
    """A function that starts an index; with hashes on its pages, or without, as NVIDIA's."""
    with contextlib.ExitStack() as running:

        def start(name: str, *, hashes: bool, unknown: int = 404) -> Index:
            return running.enter_context(serve(Index(tmp_path / name, hashes, unknown=unknown)))

        yield start


@dataclass
class Checkout:
    """What `make lock` and the role read of a checkout, with a table of our own."""

    folder: Path
    pypi: Index

    def stack(self, name: str, index: Index | None, pins: str, **changes: Any) -> None:
        """Add a stack to the table, and its .in file."""
        table = self.folder / "files/tensorflow_stacks.yml"
        stacks = yaml.safe_load(table.read_text())["stacks"] if table.exists() else []
        entry: dict[str, Any] = {
            "name": name,
            "tensorflow": "9.9.9",
            "keras": "9.0",
            "python": [f"3.{MINOR}"],
            "architectures": [MACHINE],
            "cpu_flags": [],
            "gpu": None,
            "l4t": [],
            "needs": None,
            "system_packages": {},
            "lock": f"{name}.txt",
            "index": index.url if index else None,
            "bootstrap": None,
        }
        table.write_text(yaml.safe_dump({"stacks": [*stacks, {**entry, **changes}]}))
        (self.folder / "requirements/runtime" / f"{name}.in").write_text(pins)

    @property
    def kept(self) -> Path:
        """Where locks are kept that provisioning made."""
        return self.folder / ".edgebench/locks"

    def lock(self, stack: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run what `make lock STACK=stack` runs."""
        return subprocess.run(
            [self.folder / "tools/lock.sh"],
            env={**self.environment, "STACK": stack, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def hashes(self, stack: str, folder: str = "requirements/runtime") -> dict[str, list[str]]:
        """The lock: name==version to its hashes."""
        text = (self.folder / folder / f"{stack}.txt").read_text()
        found = re.findall(r"^(\S+==\S+)((?:[^\n]*\\\n\s+--hash=sha256:\w+)+)", text, re.MULTILINE)
        return {pin: re.findall(r"sha256:(\w+)", rest) for pin, rest in found}

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PIP_", "UV_", "ANSIBLE_", "OPENBLAS_"))
        }
        return {
            **kept,
            "UV_DEFAULT_INDEX": self.pypi.url,
            "PIP_INDEX_URL": self.pypi.url,
            "PIP_CONFIG_FILE": os.devnull,
            "UV_CACHE_DIR": str(self.folder / "uv-cache"),
            "LC_ALL": "C.UTF-8",
        }


@pytest.fixture
def checkout(root: Path, tmp_path: Path, index: Callable[..., Index]) -> Checkout:
    """A checkout with an empty table, and an index that stands in for PyPI."""
    folder = tmp_path / "checkout"
    for name in ("files", "requirements/runtime"):
        (folder / name).mkdir(parents=True)
    for path in LOCKING:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, folder / path)
    (folder / ".venv").symlink_to(sys.prefix)
    return Checkout(folder, index("pypi", hashes=True))


def test_a_lock_for_jetpack_4(checkout: Checkout, index: Callable[..., Index]) -> None:
    """An index without hashes, a platform that is not ours, packages of the system, and pins that overrule."""
    vendor = index("vendor", hashes=False)
    board = "cp36-cp36m-linux_aarch64"
    wheel = vendor.add(
        "tensorflow",
        "2.7.0+nv22.1",
        board,
        requires=(
            "h5py>=2.9",
            "grpcio<1.1",
            "helper; python_version < '3.7'",
            "unwanted; python_version >= '3.7'",
        ),
    )
    grpcio = checkout.pypi.add("grpcio", "1.48.2", "cp36-cp36m-manylinux2014_aarch64")
    helper = checkout.pypi.add("helper", "1.0")
    stack = "py36-board-tf2.7.0"
    checkout.stack(
        stack,
        vendor,
        "# Made up.\ntensorflow==2.7.0+nv22.1\ngrpcio==1.48.2\n",
        python=["3.6"],
        architectures=["aarch64"],
        system_packages={"h5py": "python3-h5py"},
    )
    done = checkout.lock(stack)
    assert done.returncode == 0, done.stdout
    assert checkout.hashes(stack) == {
        "grpcio==1.48.2": [grpcio],
        "helper==1.0": [helper],
        "tensorflow==2.7.0+nv22.1": [wheel],
    }
    text = (checkout.folder / "requirements/runtime" / f"{stack}.txt").read_text()
    assert f"make lock STACK={stack}" in text
    assert "127.0.0.1" not in text


def test_a_lock_for_raspbian_9(checkout: Checkout, index: Callable[..., Index]) -> None:
    """A Python that uv does not know, and versions that both indexes have, with wheels for the board on one."""
    vendor = index("vendor", hashes=True)
    board = "cp35-cp35m-linux_armv7l"
    wheel = vendor.add(
        "tensorflow",
        "1.13.1",
        "cp35-none-linux_armv7l",
        requires=("numpy", "helper; python_version < '3.8'", "unwanted; platform_machine == 'x86_64'"),
    )
    numpy = vendor.add("numpy", "1.16.6", board)
    checkout.pypi.add("numpy", "1.16.6", "cp35-cp35m-manylinux1_x86_64")
    checkout.pypi.add("numpy", "1.18.5", "cp35-cp35m-manylinux1_x86_64")
    helper = checkout.pypi.add("helper", "1.0")
    stack = "py35-board-tf1.13.1"
    checkout.stack(stack, vendor, "tensorflow==1.13.1\n", python=["3.5"], architectures=["armv7l"])
    done = checkout.lock(stack)
    assert done.returncode == 0, done.stdout
    assert checkout.hashes(stack) == {
        "helper==1.0": [helper],
        "numpy==1.16.6": [numpy],
        "tensorflow==1.13.1": [wheel],
    }


def test_a_lock_that_fails(checkout: Checkout, index: Callable[..., Index]) -> None:
    vendor = index("vendor", hashes=False)
    checkout.stack("py36-board-tf1.0", vendor, "tensorflow==1.0+nv1\n", architectures=["aarch64"])
    done = checkout.lock("py36-board-tf1.0")
    assert done.returncode == 1
    assert codes(done.stdout) == ["lock-failed"]
    assert "tensorflow" in done.stdout
    assert vendor.url in done.stdout
    assert not (checkout.folder / "requirements/runtime/py36-board-tf1.0.txt").exists()
    unknown = checkout.lock("py36-bord-tf1.0")
    assert unknown.returncode == 2
    assert codes(unknown.stdout) == ["stack-unknown"]
    assert "py36-bord-tf1.0" in unknown.stdout
    assert "py36-board-tf1.0" in unknown.stdout


def test_a_lock_without_uv(checkout: Checkout) -> None:
    (checkout.folder / ".venv").unlink()
    done = checkout.lock("py36-board-tf1.0")
    assert done.returncode == 1
    assert codes(done.stdout) == ["uv-missing"]
    assert "make venv" in done.stdout


class Provision:
    """Plays the role for several hosts, all of them this machine, each with a home and a stack of its own."""

    def __init__(self, root: Path, folder: Path, checkout: Checkout) -> None:
        self._root = root
        self._checkout = checkout
        self._folder = folder

    def home(self, host: str) -> Path:
        return self._folder / "homes" / host

    def __call__(
        self,
        stacks: dict[str, str],
        *arguments: str,
        facts: dict[str, dict[str, Any]] | None = None,
        gpu: dict[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Play the role for the hosts with their stacks.

        facts: {host: facts that are not this machine's}; gpu: {host: runtime_gpu}.
        """
        hosts = {
            host: {
                "runtime_stack": stack,
                "runtime_gpu": (gpu or {}).get(host, "auto"),
                "edgebench_home": str(self.home(host)),
                "runtime_python": sys.executable,
                "other_facts": (facts or {}).get(host, {}),
            }
            for host, stack in stacks.items()
        }
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "edgebench_manage_system": False,
            "__runtime_root": str(self._checkout.folder),
        }
        inventory = self._folder / "hosts.yml"
        inventory.write_text(yaml.safe_dump({"local": {"hosts": hosts, "vars": common}}))
        playbook = self._folder / "play.yml"
        told = {"name": "Tell", "ansible.builtin.debug": {"var": "edgebench_runtime_reason"}}
        other = {
            "edgebench_host": "{{ ansible_facts.edgebench_host | combine(other_facts) }}",
            "cacheable": True,
        }
        tasks = [
            {"name": "Be another host", "ansible.builtin.set_fact": other},
            {"name": "Choose and install", "ansible.builtin.include_role": {"name": "runtime"}},
            told,
        ]
        play = {"hosts": "all", "gather_facts": False, "roles": ["preflight"], "tasks": tasks}
        playbook.write_text(yaml.safe_dump([play]))
        return subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                "-i",
                inventory,
                playbook,
                "-e",
                f"__runtime_root={self._checkout.folder}",
                *arguments,
            ],
            cwd=self._root,
            # A home of its own, so that looking for Pythons does not try all that lie in the user's.
            env={
                **self._checkout.environment,
                "ANSIBLE_ROLES_PATH": str(self._root / "roles"),
                "HOME": str(self._folder),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def recap(done: "subprocess.CompletedProcess[str]", host: str) -> dict[str, int]:
    line = re.search(rf"^{host} +: (.*)$", done.stdout, re.MULTILINE)
    assert line, done.stdout
    return {key: int(value) for key, value in (pair.split("=") for pair in line[1].split())}


@pytest.mark.local
def test_the_role_from_a_lock_to_a_probed_venv(
    root: Path, tmp_path: Path, checkout: Checkout, index: Callable[..., Index]
) -> None:
    vendor, untouched = index("vendor", hashes=False), index("untouched", hashes=False)
    checkout.pypi.add("keras", "9.0")
    vendor.add("tensorflow", "9.9.9+nv1", requires=("keras<9",), code=TENSORFLOW)
    vendor.add("tensorflow", "9.9.9+dead", code=DEAD)
    provision = Provision(root, tmp_path, checkout)

    pins = {"good": "nv1", "altered": "nv1", "warned": "nv1", "dead": "dead"}
    pins.update(dict.fromkeys(("unlocked", "forced", "without_library", "without_package"), "nv1"))
    names = {host: f"py3{MINOR}-{host}-tf9.9.9" for host in pins}
    absent = {
        "driver": None,
        "libraries": {"libabsent.so.9": "CUDA 9"},
        "optional": False,
        "remedy": "install CUDA",
    }
    changes: dict[str, dict[str, Any]] = {
        "forced": {"cpu_flags": ["no_such_flag"]} if MACHINE == "x86_64" else {"l4t": ["99"]},
        "without_library": {"needs": absent},
        "warned": {"needs": {**absent, "optional": True}},
        "without_package": {"system_packages": {"absent_package": "python3-absent"}},
    }
    refused = ("unlocked", "forced", "without_library", "without_package")
    for host, build in pins.items():
        source = None if host == "unlocked" else untouched if host in refused else vendor
        checkout.stack(
            names[host], source, f"tensorflow==9.9.9+{build}\nkeras==9.0\n", **changes.get(host, {})
        )
    for host in ("good", "dead"):
        done = checkout.lock(names[host])
        assert done.returncode == 0, done.stdout
    locks = checkout.folder / "requirements/runtime"
    for host in ("warned", "forced", "without_library", "without_package"):
        shutil.copy(locks / f"{names['good']}.txt", locks / f"{names[host]}.txt")
    text = (locks / f"{names['good']}.txt").read_text()
    (locks / f"{names['altered']}.txt").write_text(re.sub(r"sha256:\w+", f"sha256:{'0' * 64}", text))

    done = provision(names)
    output = " ".join(done.stdout.replace("\\n", " ").split())
    for host in ("good", "warned"):
        assert recap(done, host)["failed"] == 0, done.stdout
        record = json.loads((provision.home(host) / "venv/edgebench-runtime.json").read_text())
        assert record["stack"] == names[host]
    # Twice each: one host may go without its library, one may not.
    assert codes(output).count("libraries-missing") == 2
    assert output.count("CUDA 9 (libabsent.so.9)") >= 2
    assert output.count("install CUDA") >= 2

    # Before anything is downloaded, or the home touched.
    assert {"lock-missing", "python-packages-missing"} <= set(codes(output))
    assert f"make lock STACK={names['unlocked']}`" in output
    # What was looked at comes with -v.
    assert f"{names['forced']} needs " in output or f"{names['forced']} is built" in output
    assert f"- {names['forced']} " not in output
    assert "no-stack-fits" in codes(output)
    assert ("no_such_flag" if MACHINE == "x86_64" else "L4T 99,") in output
    assert "apt install python3-absent" in output
    for host in refused:
        assert recap(done, host)["failed"] == 1
        assert recap(done, host)["changed"] == 0
        assert not provision.home(host).exists()
    assert untouched.requests == []

    assert codes(output).count("tensorflow-crashed") == 1
    assert "SIGILL" in output
    assert f"runtime_stack to another stack for this CPU: {names['good']}, " in output  # not prose
    assert codes(output).count("hash-differs") == 1
    assert output.count("0" * 64) == 1
    for host in ("dead", "altered"):
        assert recap(done, host)["failed"] == 1
        assert not (provision.home(host) / "venv/edgebench-runtime.json").exists()

    again = provision({"good": names["good"]})
    assert recap(again, "good") == {**recap(again, "good"), "failed": 0, "changed": 0}


# How a vendor's index is laid out, the stack that it is for, and the facts of a host. Some indexes have no hashes on
# their pages, and refuse what they do not have.
VENDORS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "nvidia": (
        {"hashes": False, "unknown": 403},
        {"architectures": ["aarch64"], "gpu": "tegra", "l4t": ["32.7+"]},
        {"architecture": "aarch64", "gpu": "tegra", "l4t": "32.7.1"},
    ),
    "piwheels": ({"hashes": True}, {"architectures": ["armv7l"]}, {"architecture": "armv7l", "gpu": None}),
}


def said(done: "subprocess.CompletedProcess[str]", code: str) -> list[str]:
    """Return the messages with a code, each on a line."""
    output = " ".join(done.stdout.replace("\\n", " ").split())
    return re.findall(rf"msg: [|>'\"-]* ?((?:(?!msg: ).)*?\[{code}\])", output)


@pytest.mark.local
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_missing_lock_is_made_once_and_kept(
    root: Path, tmp_path: Path, checkout: Checkout, index: Callable[..., Index], vendor: str
) -> None:
    form, changes, facts = VENDORS[vendor]
    wheels = index("vendor", **form)
    code = TENSORFLOW.replace("lambda kind: []", "lambda kind: [0]")
    original = wheels.add("tensorflow", "9.9.9+nv1", requires=("keras<9", "h5py"), code=code)
    keras = checkout.pypi.add("keras", "9.0")
    stack = f"py3{MINOR}-board-tf9.9.9"
    pins = "tensorflow==9.9.9+nv1\nkeras==9.0\n" if vendor == "nvidia" else "tensorflow==9.9.9+nv1\n"
    checkout.pypi.add("h5py", "3.0")
    checkout.pypi.add("keras", "8.0")
    checkout.stack(stack, wheels, pins, **changes)
    # Comes after the vendor's in the table.
    checkout.stack(
        f"py3{MINOR}-other-tf9.9.9", None, "tensorflow==9.9.9\n", architectures=["aarch64", "armv7l"]
    )
    provision = Provision(root, tmp_path, checkout)

    def play(*hosts: str, arguments: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
        return provision(dict.fromkeys(hosts, ""), *arguments, facts=dict.fromkeys(hosts, facts))

    tried = play("one", "two", arguments=("--check",))
    assert [recap(tried, host)["failed"] for host in ("one", "two")] == [0, 0], tried.stdout
    assert tried.stdout.count(f"from {wheels.url}") == 1
    assert wheels.requests == []
    assert not checkout.kept.exists()
    assert not provision.home("one").exists()

    done = play("one", "two")
    assert [recap(done, host)["failed"] for host in ("one", "two")] == [0, 0], done.stdout
    assert done.stdout.count(f"{stack} has no lock yet. ") == 1  # not prose
    assert done.stdout.count(f"from {wheels.url}") == 1
    assert [path.name for path in checkout.kept.iterdir()] == [f"{stack}.txt"]
    locked = checkout.hashes(stack, ".edgebench/locks")
    assert locked["tensorflow==9.9.9+nv1"] == [original]
    if vendor == "nvidia":
        assert locked["keras==9.0"] == [keras]
    assert not (checkout.folder / f"requirements/runtime/{stack}.txt").exists()
    text = (checkout.kept / f"{stack}.txt").read_text()
    assert "127.0.0.1" not in text
    for host in ("one", "two"):
        assert (provision.home(host) / f"requirements/{stack}.txt").read_text() == text
    # One to lock, one for each host.
    assert len(wheels.downloads) == 3

    changed = wheels.add("tensorflow", "9.9.9+nv1", requires=("keras<9", "h5py"), code=code + "# Tampered.\n")
    again = play("one", "three")
    assert recap(again, "one") == {**recap(again, "one"), "failed": 0, "changed": 0}, again.stdout
    assert recap(again, "three")["failed"] == 1
    assert f"{stack} has no lock yet. " not in again.stdout  # not prose
    (message,) = said(again, "hash-differs")
    for part in ("tensorflow==9.9.9+nv1", original, changed, f"make lock STACK={stack}"):
        assert part in message
    assert message.index(original) < message.index(changed)
    assert len(message) < 360
    assert not (provision.home("three") / "venv/edgebench-runtime.json").exists()
    assert len(wheels.downloads) == 4
    assert (checkout.kept / f"{stack}.txt").read_text() == text

    # The tracked lock is the kept one, until someone asks for another.
    promoted = checkout.lock(stack)
    assert promoted.returncode == 0, promoted.stdout
    assert (checkout.folder / f"requirements/runtime/{stack}.txt").read_text() == text
    assert len(wheels.downloads) == 4
    if form["hashes"]:
        refused = checkout.lock(stack, UPGRADE="1")
        last = refused.stdout.splitlines()[-1]
        assert (refused.returncode, codes(last)) == (1, ["lock-failed"])
        assert [each for each in (original, changed) if each not in last] == []
        page = wheels.folder / "tensorflow/index.html"
        page.write_text(page.read_text().replace(original, changed))
        kept = checkout.lock(stack)
        last = kept.stdout.splitlines()[-1]
        assert (kept.returncode, codes(last)) == (1, ["hash-differs"])
        assert [each for each in (original, changed) if each not in last] == []
    accepted = checkout.lock(stack, UPGRADE="1", UV_CACHE_DIR=str(tmp_path / "cache"))
    assert accepted.returncode == 0, accepted.stdout
    assert checkout.hashes(stack)["tensorflow==9.9.9+nv1"] == [changed]


@pytest.mark.local
def test_an_index_out_of_reach_changes_nothing(root: Path, tmp_path: Path, checkout: Checkout) -> None:
    gone = Index(tmp_path / "gone", hashes=False, port=9)
    _, changes, facts = VENDORS["nvidia"]
    # As long as the longest of the table.
    stack = f"py3{MINOR}-jetpack46-tf12.7.0"
    checkout.stack(stack, gone, "tensorflow==9.9.9+nv1\n", **changes)
    provision = Provision(root, tmp_path, checkout)
    hosts = ("jetson-nano-01", "jetson-nano-02")
    done = provision(dict.fromkeys(hosts, ""), facts=dict.fromkeys(hosts, facts))
    messages = sorted(said(done, "lock-index-unreachable"))
    assert len(messages) == 2
    for host, message in zip(hosts, messages, strict=True):
        assert recap(done, host)["failed"] == 1
        assert recap(done, host)["changed"] == 0
        assert not provision.home(host).exists()
        for part in (host, gone.url, f".edgebench/locks/{stack}.txt", f"make lock STACK={stack}"):
            assert part in message
        assert len(message) < 360
    assert list(checkout.kept.iterdir()) == []


def test_what_cannot_be_resolved_is_one_line(checkout: Checkout, index: Callable[..., Index]) -> None:
    vendor = index("vendor", hashes=False)
    for machine in ("aarch64", "armv7l"):
        stack = f"py36-{machine}-tf1.0"
        checkout.stack(stack, vendor, "tensorflow==1.0+nv1\n", architectures=[machine])
        done = checkout.lock(stack, LOCKS_DIR=str(checkout.kept))
        assert done.returncode == 1
        last = done.stdout.splitlines()[-1]
        assert codes(last) == ["lock-failed"]
        for part in ("tensorflow==1.0+nv1", stack, vendor.url):
            assert part in last
        assert len(last) < 340
    assert list(checkout.kept.iterdir()) == []


def test_a_lock_that_is_interrupted_or_made_twice_at_once(
    checkout: Checkout, index: Callable[..., Index]
) -> None:
    vendor = index("vendor", hashes=False)
    vendor.add("tensorflow", "1.0+nv1", "cp36-cp36m-linux_aarch64")
    stack = "py36-board-tf1.0"
    checkout.stack(stack, vendor, "tensorflow==1.0+nv1\n", architectures=["aarch64"])
    environment = {**checkout.environment, "STACK": stack, "LOCKS_DIR": str(checkout.kept)}
    del environment["UV_CACHE_DIR"]

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [checkout.folder / "tools/lock.sh"],
            env=environment,
            start_new_session=True,
            preexec_fn=hear_signals,
        )

    vendor.sending.clear()
    interrupted = start()
    end = time.monotonic() + 60
    while not vendor.downloads and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(interrupted.pid, signal.SIGINT)
    assert interrupted.wait(60) != 0
    assert list(checkout.kept.iterdir()) == []

    vendor.sending.set()
    vendor.requests.clear()
    both = [start(), start()]
    assert [each.wait(120) for each in both] == [0, 0]
    assert [path.name for path in checkout.kept.iterdir()] == [f"{stack}.txt"]
    assert len(vendor.downloads) == 1


def test_a_kept_lock_counts_while_it_agrees(
    plugin: Callable[[str], Any], checkout: Checkout, index: Callable[..., Index]
) -> None:
    locks = plugin("filter/edgebench_locks").locks
    stacks = []
    for name, lock in (
        (
            "equal",
            "keras==2.7.0 \\\n    --hash=sha256:00\ntensorflow==2.7.0+nv22.1 \\\n    --hash=sha256:00\n",
        ),
        (
            "normalized",
            "Keras==2.7.0 \\\n  --hash=sha256:00\ntensorflow==2.7.0+nv22.01 \\\n  --hash=sha256:00\n",
        ),
        (
            "older",
            "keras==2.6.0 \\\n    --hash=sha256:00\ntensorflow==2.7.0+nv22.1 \\\n    --hash=sha256:00\n",
        ),
        ("short", "keras==2.7.0 \\\n    --hash=sha256:00\n"),
        ("empty", ""),
    ):
        stack = f"py36-{name}-tf2.7.0"
        checkout.stack(stack, None, "# Pins.\ntensorflow==2.7.0+nv22.1\nkeras==2.7.0         # last\n")
        checkout.kept.mkdir(parents=True, exist_ok=True)
        (checkout.kept / f"{stack}.txt").write_text(lock)
        stacks.append({"lock": f"{stack}.txt"})
    found = locks(stacks, str(checkout.folder))
    assert [name.split("-")[1] for name in found] == ["equal", "normalized"]
    own = checkout.folder / "requirements/runtime/py36-equal-tf2.7.0.txt"
    own.write_text("")
    assert locks(stacks, str(checkout.folder))[own.name] == str(own)


@pytest.mark.local
def test_numpy_that_dies_when_it_asks_the_cpu(
    root: Path, tmp_path: Path, checkout: Checkout, index: Callable[..., Index]
) -> None:
    checkout.pypi.add("numpy", "1.19.5", code=NUMPY)
    tls = f"raise ImportError('{GOMP}: cannot allocate memory in static TLS block')\n"
    stacks = {name: f"py3{MINOR}-{name}-tf9.9.9" for name in ("nano", "tls")}
    for name, code in (("nano", "import numpy\n" + TENSORFLOW), ("tls", tls)):
        checkout.pypi.add("tensorflow", f"9.9.9+{name}", requires=("numpy",), code=code)
    for name in stacks:
        checkout.stack(stacks[name], None, f"tensorflow==9.9.9+{name}\n", architectures=[MACHINE, "aarch64"])
        done = checkout.lock(stacks[name])
        assert done.returncode == 0, done.stdout
    provision = Provision(root, tmp_path, checkout)
    arm = {"architecture": "aarch64", "gpu": "tegra", "cpu_flags": ["asimd"]}

    done = provision(
        {"nano": stacks["nano"], "xavier": stacks["nano"], "pc": stacks["nano"], "tls": stacks["tls"]},
        facts={"nano": {**arm, "l4t": "32.7.1"}, "xavier": {**arm, "l4t": "35.4.1"}, "tls": arm},
    )

    assert recap(done, "nano")["failed"] == 0, done.stdout
    output = " ".join(done.stdout.replace("\\n", " ").split())
    for host in ("xavier", "pc", "tls"):
        assert recap(done, host)["failed"] == 1, done.stdout
    assert codes(output).count("tensorflow-crashed") == 2
    assert output.count("OPENBLAS_CORETYPE=ARMV8") == 1
    assert codes(output).count("static-tls-exhausted") == 1
    assert f"LD_PRELOAD={GOMP} " in output


@pytest.mark.local
def test_a_gpu_that_tensorflow_does_not_find(root: Path, tmp_path: Path, checkout: Checkout) -> None:
    """It stops the hosts that must use it, and no package is installed again once it is found."""
    found = tmp_path / "gpu"
    code = TENSORFLOW.replace("lambda kind: []", f"lambda kind: [0] * os.path.exists({str(found)!r})")
    checkout.pypi.add("tensorflow", "9.9.9", code="import os\n" + code)
    stack = f"py3{MINOR}-gpu-tf9.9.9"
    checkout.stack(stack, None, "tensorflow==9.9.9\n", gpu="cuda")
    checkout.stack(f"py3{MINOR}-tegra-tf9.9.9", None, "tensorflow==9.9.9\n", gpu="tegra")
    for name in (stack, f"py3{MINOR}-tegra-tf9.9.9"):
        done = checkout.lock(name)
        assert done.returncode == 0, done.stdout
    provision = Provision(root, tmp_path, checkout)
    stacks = {"pc": stack, "must": stack, "board": f"py3{MINOR}-tegra-tf9.9.9"}
    facts = {"pc": {"gpu": "cuda"}, "must": {"gpu": "cuda"}, "board": {"gpu": "tegra", "l4t": "36.4"}}
    gpu = {"must": "required"}

    done = provision(stacks, facts=facts, gpu=gpu)
    output = " ".join(done.stdout.replace("\\n", " ").split())
    assert [recap(done, host)["failed"] for host in stacks] == [0, 1, 1], done.stdout
    assert codes(output).count("gpu-not-seen") == 3
    assert f"-i {tmp_path}/hosts.yml provision.yml -l board -e runtime_gpu=never" in output  # not prose
    records = [provision.home(host) / "venv/edgebench-runtime.json" for host in stacks]
    assert [json.loads(record.read_text())["gpus"] for record in records] == [0, 0, 0]

    found.touch()
    asked = len(checkout.pypi.requests)
    again = provision(stacks, facts=facts, gpu=gpu)
    assert [recap(again, host)["failed"] for host in stacks] == [0, 0, 0], again.stdout
    assert len(checkout.pypi.requests) == asked
    assert [json.loads(record.read_text())["gpus"] for record in records] == [1, 1, 1]


@pytest.mark.local
@pytest.mark.parametrize(("l4t", "code"), [("32.7.1", 0), ("32.1", 0), ("35.4.1", -4), (None, -4)])
def test_the_launcher_names_the_cpu_on_l4t_32(root: Path, tmp_path: Path, l4t: str | None, code: int) -> None:
    launcher = tmp_path / "bin/edgebench"
    launcher.parent.mkdir()
    variables = {"ansible_facts": {"edgebench_host": {"l4t": l4t}}, "__runner_home": str(tmp_path)}
    source = root / "roles/runner/templates/edgebench.j2"
    subprocess.run(
        [
            *(Path(sys.executable).with_name("ansible"), "localhost", "-c", "local", "-m", "template"),
            *("-a", f"src={source} dest={launcher} mode=0755", "-e", json.dumps(variables)),
        ],
        check=True,
        capture_output=True,
    )
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/edgebench-runtime.json").write_text("{}")
    python = tmp_path / "venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "numpy.py").write_text(NUMPY)
    (tmp_path / "edgebench.pyz").write_text("import numpy, os\nprint(os.environ['OPENBLAS_CORETYPE'])\n")
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    done = subprocess.run([launcher], env=kept, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "" if code else "ARMV8\n"), done.stderr
    mine = subprocess.run(
        [launcher], env={**kept, "OPENBLAS_CORETYPE": "CORTEXA57"}, capture_output=True, text=True, check=True
    )
    assert mine.stdout == "CORTEXA57\n"
