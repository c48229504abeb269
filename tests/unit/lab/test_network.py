"""The caches of packages: started once, shared by labs, started again if their folder is gone."""

import ipaddress
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import network, paths


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a real cache of Python packages on a free port of this machine."""
    (tmp_path / "run").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setattr(network, "PIP_PORT", probe.getsockname()[1])
    monkeypatch.setattr(network, "GATEWAY", ipaddress.ip_address("127.0.0.1"))
    monkeypatch.setattr(paths, "RUN", tmp_path / "run")
    monkeypatch.setattr(paths, "cache", lambda: tmp_path)
    network._start_pip_cache()
    yield tmp_path / "pip"
    network._stop("pip")
    assert not network._listens(network.PIP_PORT)


def pid() -> str:
    return (paths.RUN / "pip.pid").read_text()


def test_a_cache_that_runs_is_used_until_its_folder_is_gone(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pid()
    network._start_pip_cache()
    assert pid() == first
    shutil.rmtree(cache)
    # The next lab has a folder of its own.
    (cache.parent / "next").mkdir()
    monkeypatch.setattr(paths, "cache", lambda: cache.parent / "next")
    network._start_pip_cache()
    assert pid() != first
    assert (cache.parent / "next/pip").is_dir()


def test_a_cache_that_is_busy_runs(cache: Path) -> None:
    """It serves one request at a time, so another one is accepted and waits."""
    first = pid()
    with socket.create_connection(("127.0.0.1", network.PIP_PORT)) as busy:
        busy.sendall(b"GET /index/")
        network._start_pip_cache()
    assert pid() == first
