"""What the host tells of itself."""

from pathlib import Path

import pytest
from edgebench import host

FAKES = Path(__file__).resolve().parents[2] / "l4t/bin"
CONF = """\
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online

< POWER_MODEL ID=0 NAME=MAXN >
CPU_ONLINE CORE_0 1

< POWER_MODEL ID=1 NAME=5W >
CPU_ONLINE CORE_0 1

< PM_CONFIG DEFAULT=1 >
"""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nvpmodel.conf").write_text(CONF)
    monkeypatch.setenv("NVPMODEL_CONF", str(tmp_path / "nvpmodel.conf"))
    monkeypatch.setenv("NVPMODEL_STATUS", str(tmp_path / "status"))
    monkeypatch.setenv("PATH", str(FAKES), prepend=":")
    return tmp_path


def test_the_power_mode_is_named_as_nvpmodel_names_it(board: Path) -> None:
    assert host._power_mode() == "5W"
    (board / "status").write_text("pmode:0000\n")
    assert host._power_mode() == "MAXN"


def test_without_nvpmodel_there_is_no_power_mode_but_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host._power_mode() is None
    assert host.board()["power_mode"] is None
    assert host.reasons()["facts.board.power_mode"]
