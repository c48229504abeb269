"""Checks of host state: which hosts are checked, and what was found on each.

Run by `pytest tests/host --hosts=ansible://all --ansible-inventory=INVENTORY`, as `make verify` and molecule do.
"""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.host import inventory, look
from tests.host.found import Found

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
USAGE = (
    "tests/host checks the hosts of an inventory, and is told which: add --hosts=ansible://all (or a group or a host, "
    "--hosts=ansible://Bilbo) and, where it is not the inventory of ansible.cfg, --ansible-inventory=INVENTORY; "
    "`make verify` does so. docs/verify.md says what is checked."
)
# As many hosts at a time as the controller can well start connections for.
AT_A_TIME = 8


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "managed: asks for what root has set up; not asked where edgebench_manage_system is false"
    )
    config.addinivalue_line(
        "markers", "jetson: asks for what only NVIDIA's boards have; not asked outside the group jetson"
    )
    hosts = config.getoption("hosts", None)
    if hosts is None and not _is_named(config):
        return
    if hosts is None or not all(each.startswith("ansible://") for each in hosts.split(",")):
        raise pytest.UsageError(USAGE)
    # Ansible's programs are found beside this Python, and its settings in the checkout, wherever this was started.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ.setdefault("ANSIBLE_CONFIG", str(CHECKOUT / "ansible.cfg"))
    # What went wrong is read by look.py.
    os.environ["ANSIBLE_CALLBACK_RESULT_FORMAT"] = "json"


def _is_named(config: pytest.Config) -> bool:
    """Return whether this folder or a file in it was asked for by name, not as a part of all tests."""
    start = config.invocation_params.dir
    named = [(start / str(each).partition("::")[0]).resolve() for each in config.invocation_params.args]
    return any(path == HERE or HERE in path.parents for path in named)


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave this folder out of a run of all tests, which names no hosts."""
    return True if config.getoption("hosts", None) is None else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not edgebench's on a host whose system is not managed, and what is for other boards."""
    ours = [item for item in items if HERE in item.path.parents and _host_of(item) is not None]
    if not ours:
        return
    declared = inventory.read(_host_of(ours[0]))
    config.stash[_DECLARED] = declared
    left_out = [
        item
        for item in ours
        if (item.get_closest_marker("managed") and not declared[_name_of(_host_of(item))].managed)
        or (item.get_closest_marker("jetson") and not declared[_name_of(_host_of(item))].jetson)
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


_DECLARED = pytest.StashKey[dict[str, inventory.Declared]]()


def _host_of(item: pytest.Item) -> Any:
    """Return testinfra's host that an item is for; testinfra has no types."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("_testinfra_host")


def _name_of(host: Any) -> str:
    return str(host.backend.host)


@pytest.fixture(scope="session")
def looks(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Found]]:
    """The function that tells what was found on a host. All hosts are looked at at once, each of them once."""
    declared = request.config.stash[_DECLARED]
    option = request.config.getoption("ansible_inventory")
    hosts = {_name_of(host): host for host in map(_host_of, request.session.items) if host is not None}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        answers: dict[str, Future[look.Answer]] = {
            name: pool.submit(look.at, host, declared[name]) for name, host in sorted(hosts.items())
        }
        yield lambda host: Found(
            declared=declared[_name_of(host)],
            fleet=declared,
            answer=answers[_name_of(host)].result(),
            inventory=option,
        )
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def found(host: Any, looks: Callable[[Any], Found], dark: set[str]) -> Found:
    """What was found on the host. One that cannot be looked at fails its first check; the others would say the same."""
    found = looks(host)
    if found.answer.problem:
        if found.name in dark:
            pytest.skip(f"{found.name} cannot be looked at; its first check says why")
        dark.add(found.name)
        become = ["--become"] if found.declared.managed else []
        found.fail(
            f"cannot be looked at: {found.answer.problem}",
            f"{found.ansible('-m', 'ansible.builtin.raw', '-a', 'id', *become)}, and mend what it says",
        )
    return found


@pytest.fixture(scope="session")
def dark() -> set[str]:
    """Names of hosts that could not be looked at."""
    return set()
