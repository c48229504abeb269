"""``make perf-fleet``: provision.yml that changes nothing, on eight lab hosts: stock settings, ours, ours with mitogen.

One host is provisioned, seven are cloned from it, and the playbook is run on all of them in turns with each of the
settings, so that all see the machine in the same states. Reported: median seconds, ratios to the stock settings, and
eight hosts against one with the controller's share of the two (the hosts run on the controller's own cores, so that
ratio has no bound). The lab's network has no latency, which boards on a radio link have; --latency-ms adds it.
Exits with 1 when ours is less than 3 times or mitogen less than 8 times faster than stock.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab import declared, fleet, paths

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
SLOW_LINK = ROOT / "tests/perf/slow_link.py"
NAME = "perf"
OURS_BOUND, MITOGEN_BOUND = 3.0, 8.0
# What a checkout needs to be found, and nothing that makes it fast.
STOCK = """\
[defaults]
roles_path = {root}/roles
collections_path = {root}/collections
"""


@dataclass(frozen=True)
class Turn:
    """One run of the playbook: wall-clock seconds, and CPU seconds of the controller's own processes."""

    wall_s: float
    controller_cpu_s: float


def write_inventory(path: Path, hosts: int, latency_ms: float = 0) -> None:
    """Declare the perf lab's hosts, reached over a link that adds half of `latency_ms` each way."""
    keys = paths.keys(NAME)
    options = f"-o IdentitiesOnly=yes -o UserKnownHostsFile={keys / 'known_hosts'}"
    if latency_ms:
        options += f" -o ProxyCommand='{sys.executable} {SLOW_LINK} %h %p {latency_ms / 2}'"
    variables = {
        "ansible_user": "admin",
        "ansible_ssh_private_key_file": str(keys / "id_ed25519"),
        "ansible_ssh_common_args": options,
    }
    declared_hosts = {
        f"host{number}": {"ansible_host": f"10.77.9.{number}", "lab_image": "debian12"}
        for number in range(1, hosts + 1)
    }
    path.write_text(yaml.safe_dump({"all": {"vars": variables}, "x86": {"hosts": declared_hosts}}))


def provision(
    inventory: Path,
    *,
    limit: str = "all",
    config: Path | None = None,
    mitogen: bool = False,
    expect_unchanged: bool = True,
) -> Turn:
    """Run provision.yml and return what it took. Raises SystemExit where it fails or changes what it should not."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    if config:
        environment["ANSIBLE_CONFIG"] = str(config)
    command: list[str | Path] = [PLAYBOOK, "-i", inventory, "-l", limit, "provision.yml"]
    if mitogen:
        command.insert(0, ROOT / "tools/with_mitogen.sh")
    # Connections are shared within a run, as between a person's runs an hour apart.
    with tempfile.TemporaryDirectory(prefix="eb-") as sockets:
        environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = sockets
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        wall_s = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        _end_connections(Path(sockets))
    if done.returncode:
        raise SystemExit(f"provision.yml failed:\n{done.stdout[-3000:]}")
    if expect_unchanged and re.search(r"changed=[1-9]", done.stdout):
        raise SystemExit(f"provision.yml changed something:\n{done.stdout[-3000:]}")
    return Turn(wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _end_connections(sockets: Path) -> None:
    for socket in sockets.iterdir():
        subprocess.run(
            ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "host"],
            capture_output=True,
            check=False,
        )


def clone_hosts(inventory: Path) -> None:
    """Start and provision the first host, then clone the others from it."""
    hosts = declared.read(inventory)
    lab = fleet.Lab(NAME, tuple(hosts))
    fleet.down(NAME, lambda text: None)
    fleet.up(lab, hosts[:1], print)
    provision(inventory, limit=hosts[0].name, expect_unchanged=False)
    fleet.power_off(lab, hosts[0])
    fleet.up(lab, hosts[1:], lambda text: None, like=hosts[0])
    fleet.power_on(lab, hosts[0])
    fleet.wait_for(lab, hosts[0])
    # What bears a host's name, as the unit that watches its runs, is still the first one's.
    provision(inventory, expect_unchanged=False)


def main() -> int:
    """Measure, print the table, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="turns of each setting (default: %(default)s)")
    parser.add_argument("--hosts", type=int, default=8, help="hosts (default: %(default)s)")
    parser.add_argument(
        "--latency-ms",
        type=float,
        default=0,
        help="round trip added to the lab's network (default: %(default)s)",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eb-") as scratch:
        quick, inventory, stock = (Path(scratch) / name for name in ("quick.yml", "hosts.yml", "ansible.cfg"))
        write_inventory(quick, options.hosts)
        write_inventory(inventory, options.hosts, options.latency_ms)
        stock.write_text(STOCK.format(root=ROOT))
        try:
            clone_hosts(quick)
            turns: dict[str, list[Turn]] = {"stock": [], "ours": [], "mitogen": [], "one host": []}
            for number in range(options.turns):
                turns["stock"].append(provision(inventory, config=stock))
                turns["ours"].append(provision(inventory))
                turns["mitogen"].append(provision(inventory, mitogen=True))
                turns["one host"].append(provision(inventory, limit="host1"))
                print(
                    f"turn {number + 1}: " + ", ".join(f"{k} {v[-1].wall_s:.1f} s" for k, v in turns.items()),
                    flush=True,
                )
        finally:
            fleet.down(NAME, lambda text: None)
    return _judge(turns, options.hosts)


def _judge(turns: dict[str, list[Turn]], hosts: int) -> int:
    wall_s = {name: statistics.median(turn.wall_s for turn in each) for name, each in turns.items()}
    print(f"\n{'settings':<10} {'hosts':>5} {'wall s':>8} {'stock/this':>11} {'controller CPU':>15}")
    for name, each in turns.items():
        share = statistics.median(turn.controller_cpu_s / turn.wall_s for turn in each) / (
            os.cpu_count() or 1
        )
        ratio = f"{wall_s['stock'] / wall_s[name]:.1f}" if name != "one host" else ""
        count = 1 if name == "one host" else hosts
        print(f"{name:<10} {count:>5} {wall_s[name]:>8.1f} {ratio:>11} {share:>14.0%}")
    print(f"\n{hosts} hosts take {wall_s['ours'] / wall_s['one host']:.1f} times as long as one.")
    bounds = {"ours": OURS_BOUND, "mitogen": MITOGEN_BOUND}
    ratios = {name: wall_s["stock"] / wall_s[name] for name in bounds}
    slow = [f"{name} {ratios[name]:.1f} < {bound}" for name, bound in bounds.items() if ratios[name] < bound]
    print("Above the bounds." if not slow else f"Below the bounds: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
