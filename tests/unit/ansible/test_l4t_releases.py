"""Every public release of L4T on every module that runs it: right JetPack, and a stack for the GPU or a refusal."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.messages import codes
from tests.unit.ansible.test_jetson_boards import SERIES

# The Python of the Ubuntu that a series comes with.
PYTHONS = {"32": "3.6.9", "34": "3.8.10", "35": "3.8.10", "36": "3.10.12", "38": "3.12.3", "39": "3.12.3"}
# What /etc/nv_tegra_release has in BOARD: a chip's reference board, from R38 on none.
BOARDS = {"tegra210": "t210ref", "tegra186": "t186ref", "tegra194": "t186ref", "tegra234": "t186ref"}
# As the boards' device trees name carrier and module.
MODULES = {
    "Jetson Nano, 4 GB, SD card": "nvidia,p3449-0000-b00+p3448-0000-b00",
    "Jetson Nano, 4 GB, 16 GB eMMC": "nvidia,p3449-0000-b00+p3448-0002-b00",
    "Jetson Nano, 2 GB": "nvidia,p3542-0000+p3448-0003",
    "Jetson TX1": "nvidia,p2371-2180-devkit",
    "Jetson TX2": "nvidia,p2597-0000+p3310-1000",
    "Jetson TX2 4 GB or TX2i": "nvidia,p2597-0000+p3489-0000",
    "Jetson TX2 NX": "nvidia,p3509-0000+p3636-0001",
    "Jetson Xavier NX": "nvidia,p3509-0000+p3668-0001",
    "Jetson AGX Xavier": "nvidia,p2822-0000+p2888-0001",
    "Jetson Orin NX, 16 GB": "nvidia,p3768-0000+p3767-0000",
    "Jetson Orin NX, 8 GB": "nvidia,p3768-0000+p3767-0001",
    "Jetson Orin Nano, 8 GB": "nvidia,p3768-0000+p3767-0003",
    "Jetson Orin Nano, 4 GB": "nvidia,p3768-0000+p3767-0004",
    "Jetson Orin Nano, 8 GB, developer kit": "nvidia,p3768-0000+p3767-0005",
    "Jetson AGX Orin, 32 GB": "nvidia,p3737-0000+p3701-0004",
    "Jetson AGX Orin, 64 GB": "nvidia,p3737-0000+p3701-0005",
    "Jetson AGX Orin Industrial": "nvidia,p3737-0000+p3701-0008",
    "Jetson AGX Thor": "nvidia,p3971-0089+p3834-0008",
}
# Releases before 32 and after the table, with what is told of them.
OTHERS = {"28.2.1": "", "31.1": "", "32.7.7": "4.6.6 or later", "36.9": "6.2.2 or later", "41.1": ""}


def nv_tegra_release(release: str, chip: str) -> str:
    """Return the file's text in the form of the release's time."""
    major, _, revision = release.partition(".")
    board = BOARDS.get(chip, "generic") if int(major) < 38 else "generic"
    revision += "" if "." in revision else ".0"
    text = (
        f"# R{major} (release), REVISION: {revision}, GCID: 37537400, BOARD: {board}, EABI: aarch64, "
        "DATE: Fri Oct  4 04:32:34 UTC 2024\n"
    )
    if int(major) >= 36:
        folder = "usr/lib/aarch64-linux-gnu/nvidia"
        text += "# KERNEL_VARIANT: oot\nTARGET_USERSPACE_LIB_DIR=nvidia\n"
        text += f"TARGET_USERSPACE_LIB_DIR_PATH={folder}\n"
    return text


@pytest.fixture(scope="module")
def tables(root: Path) -> dict[str, Any]:
    names = ("jetson_boards", "l4t_releases", "tensorflow_stacks")
    return {
        key: value
        for name in names
        for key, value in yaml.safe_load((root / f"files/{name}.yml").read_text()).items()
    }


def facts(l4t: str | None, python: str) -> dict[str, Any]:
    """Return what the host facts of such a board hold."""
    path = f"/usr/bin/python{python.rpartition('.')[0]}"
    return {
        "architecture": "aarch64",
        "cpu_flags": ["asimd"],
        "cpu_model": None,
        "gpu": "tegra",
        "l4t": l4t,
        "runtime": None,
        "pythons": [{"path": path, "real": path, "version": python, "venv": True}],
    }


@pytest.mark.parametrize("has_locks", [True, False])
@pytest.mark.parametrize("name", MODULES)
def test_no_release_on_any_module_computes_on_the_cpu_by_itself(
    plugin: Callable[[str], ModuleType], tables: dict[str, Any], name: str, has_locks: bool
) -> None:
    power, choice = plugin("filter/edgebench_jetson_power"), plugin("filter/edgebench_stack")
    read = plugin("module_utils/edgebench_host_texts").l4t_release
    stacks = tables["stacks"]
    locks = [stack["lock"] for stack in stacks if has_locks or not stack["index"]]
    module = power.module_of([MODULES[name]], tables)
    assert module.name == name
    releases = [
        (release, jetpack)
        for series in SERIES[module.known["chip"]]
        for release, jetpack in tables["jetpack"][series].items()
    ]
    for release, jetpack in releases:
        l4t = read(nv_tegra_release(release, module.known["chip"]))
        assert l4t is not None
        assert power.jetpack(l4t, tables) == jetpack
        chosen = choice.choose(facts(l4t, PYTHONS[l4t.partition(".")[0]]), stacks, locks)
        if chosen["stack"]:
            assert chosen["stack"]["gpu"] == "tegra", release
            assert chosen["gpu_required"], release
            assert chosen["lock_pending"] is not has_locks, release
            assert jetpack_of(chosen["stack"]) <= tuple(map(int, jetpack.split()[0].split("."))), release
        else:
            first = chosen["problem"].splitlines()[0]
            (code,) = codes(first)
            assert code == "gpu-would-be-idle", release
            assert "GPU" in first, release
            assert len(first) < 360, release


def jetpack_of(stack: dict[str, Any]) -> tuple[int, ...]:
    """Return the JetPack that a stack's name has: (5, 0, 2) of py38-jetpack502-tf2.10.0."""
    return tuple(map(int, stack["name"].partition("jetpack")[2].partition("-")[0]))


def test_the_table_covers_the_releases_and_the_modules(tables: dict[str, Any]) -> None:
    releases = [release for series in tables["jetpack"].values() for release in series]
    assert len(releases) >= 40
    assert len(MODULES) >= 12
    # Each part number of the table, or its first part, is one of them.
    named = " ".join(MODULES.values())
    kits = {"p2180", "p2771", "p2972"}
    assert [each for each in tables["modules"] if each not in named and each not in kits] == []


@pytest.mark.parametrize(("release", "told"), OTHERS.items())
def test_a_release_beside_the_table(
    plugin: Callable[[str], ModuleType], tables: dict[str, Any], release: str, told: str
) -> None:
    power, choice = plugin("filter/edgebench_jetson_power"), plugin("filter/edgebench_stack")
    l4t = plugin("module_utils/edgebench_host_texts").l4t_release(nv_tegra_release(release, "tegra234"))
    jetpack = power.jetpack(l4t, tables)
    assert jetpack.startswith(told)
    assert bool(jetpack) is bool(told)
    locks = [stack["lock"] for stack in tables["stacks"]]
    for python in sorted(set(PYTHONS.values())):
        chosen = choice.choose(facts(l4t, python), tables["stacks"], locks)
        if chosen["stack"]:
            assert chosen["stack"]["gpu"] == "tegra"
            assert f"L4T {l4t}" in chosen["headline"] or release == "32.7.7"
        else:
            assert codes(chosen["problem"].splitlines()[0])[0] in {"gpu-would-be-idle", "no-stack-fits"}
