"""The choice of a TensorFlow stack, by the real table."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

AVX = ["sse2", "sse4_1", "sse4_2", "avx"]
PHENOM = ["sse2", "sse4a"]


def host(**changes: Any) -> dict[str, Any]:
    """Facts of a host; `pythons` may be given as versions."""
    facts: dict[str, Any] = {
        "architecture": "x86_64",
        "cpu_flags": AVX,
        "cpu_model": "Some CPU",
        "gpu": None,
        "l4t": None,
        "runtime": None,
        "pythons": ["3.11.2"],
    }
    facts.update(changes)
    facts["pythons"] = [
        {"path": f"/usr/bin/python{each}", "real": f"/usr/bin/python{each}", "version": each, "venv": True}
        if isinstance(each, str)
        else each
        for each in facts["pythons"]
    ]
    return facts


@pytest.fixture(scope="module")
def stacks(root: Path) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = yaml.safe_load((root / "files/tensorflow_stacks.yml").read_text())["stacks"]
    return table


@pytest.fixture(scope="module")
def choose(
    plugin: Callable[[str], ModuleType], stacks: list[dict[str, Any]]
) -> Callable[..., dict[str, Any]]:
    module = plugin("filter/edgebench_stack")

    def call(facts: dict[str, Any], **named: str) -> dict[str, Any]:
        result: dict[str, Any] = module.choose(facts, stacks, **named)
        return result

    return call


@pytest.mark.parametrize(
    ("facts", "stack"),
    [
        (host(), "py311-tf2.21.0"),  # Debian 12
        (host(pythons=["3.12.3"]), "py311-tf2.21.0"),  # Ubuntu 24.04
        (host(pythons=["3.13.5"]), "py311-tf2.21.0"),  # Debian 13
        (host(architecture="aarch64", cpu_flags=["asimd"]), "py311-tf2.21.0"),
        (host(pythons=["3.9.2"]), "py39-tf2.15.1"),
        (host(pythons=["3.7.3"]), "py37-tf1.15.5"),
        (host(pythons=["3.6.9"]), "py36-tf1.13.2"),  # Ubuntu 18.04
        (host(pythons=["3.6.9", "3.9.2"]), "py39-tf2.15.1"),
        (host(pythons=["3.6.9"], cpu_flags=PHENOM), "py36-tf1.5.0"),
        (host(pythons=["3.12.3", "3.6.9"], cpu_flags=PHENOM), "py36-tf1.5.0"),
        (host(gpu="cuda"), "py311-tf2.21.0"),
    ],
)
def test_takes_the_newest_that_fits(
    choose: Callable[..., dict[str, Any]], facts: dict[str, Any], stack: str
) -> None:
    choice = choose(facts)
    assert choice["problem"] is None
    assert choice["stack"]["name"] == stack
    assert stack in choice["reason"]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        # JetPack 4.2 and 4.6: the table knows the wheels, but there is no lock file.
        (
            host(architecture="aarch64", gpu="tegra", l4t="32.1", pythons=["3.6.9"], cpu_flags=[]),
            "py36-jetpack42-tf1.13.1 fits, but has no lock file",
        ),
        (
            host(architecture="aarch64", gpu="tegra", l4t="32.7.1", pythons=["3.6.9"], cpu_flags=[]),
            "py36-jetpack46-tf2.7.0 fits, but has no lock file",
        ),
        # Raspbian 9.
        (
            host(architecture="armv7l", pythons=["3.5.3"], cpu_flags=["neon"]),
            "py35-armv7-tf1.13.1 fits, but has no lock file",
        ),
        (host(pythons=["3.8.10"]), "install CPython 3.6 or 3.7 or 3.9 or 3.11 or 3.12 or 3.13"),
        (host(pythons=["3.12.3"], cpu_flags=PHENOM), "install CPython 3.6 with its venv"),
        (
            host(pythons=["3.12.3"], cpu_flags=PHENOM),
            "needs the CPU flags sse4_1, sse4_2, avx, which this CPU lacks",
        ),
        (host(architecture="riscv64", cpu_flags=[]), "is built for x86_64 and aarch64, the host is riscv64"),
        (host(pythons=[]), "Pythons none"),
    ],
)
def test_refuses_and_says_what_was_looked_at(
    choose: Callable[..., dict[str, Any]], facts: dict[str, Any], told: str
) -> None:
    choice = choose(facts)
    assert choice["stack"] is None
    assert told in choice["problem"]
    assert f"architecture {facts['architecture']}" in choice["problem"]
    assert "What would help:" in choice["problem"]


def test_a_jetpack_is_matched_by_whole_parts(choose: Callable[..., dict[str, Any]]) -> None:
    facts = host(architecture="aarch64", gpu="tegra", l4t="32.10", pythons=["3.6.9"], cpu_flags=[])
    assert "py36-jetpack42-tf1.13.1 fits" not in choose(facts)["problem"]


def test_the_user_may_name_an_older_stack(choose: Callable[..., dict[str, Any]]) -> None:
    choice = choose(host(pythons=["3.11.2", "3.6.9"]), name="py36-tf1.5.0")
    assert choice["stack"]["name"] == "py36-tf1.5.0"
    assert "asked for by runtime_stack" in choice["reason"]


def test_a_stack_the_cpu_cannot_run_is_refused_although_named(choose: Callable[..., dict[str, Any]]) -> None:
    choice = choose(host(cpu_flags=PHENOM), name="py311-tf2.21.0")
    assert "py311-tf2.21.0 needs the CPU flags" in choice["problem"]


def test_an_unknown_stack_is_refused_with_the_known_ones(choose: Callable[..., dict[str, Any]]) -> None:
    problem = choose(host(), name="py311-tf9")["problem"]
    assert "'py311-tf9'" in problem
    assert "py311-tf2.21.0" in problem


def test_no_other_python_is_taken_than_the_one_named(choose: Callable[..., dict[str, Any]]) -> None:
    both = host(pythons=["3.11.2", "3.9.2"])
    assert choose(both, python="/usr/bin/python3.9.2")["stack"]["name"] == "py39-tf2.15.1"
    assert choose(both, python="python3.9.2")["stack"]["name"] == "py39-tf2.15.1"
    assert "'/opt/python'" in choose(both, python="/opt/python")["problem"]


def test_a_python_without_venv_is_passed_over_and_told(choose: Callable[..., dict[str, Any]]) -> None:
    bare = {"path": "/usr/bin/python3", "real": "/usr/bin/python3.11", "version": "3.11.2", "venv": False}
    assert "apt install python3.11-venv" in choose(host(pythons=[bare]))["problem"]
    assert choose(host(pythons=[bare, "3.12.1"]))["python"]["version"] == "3.12.1"


def test_the_python_of_the_existing_venv_is_kept(choose: Callable[..., dict[str, Any]]) -> None:
    facts = host(pythons=["3.11.2", "3.12.1"], runtime={"python": "/usr/bin/python3.12.1"})
    assert choose(facts)["python"]["version"] == "3.12.1"


def test_an_unused_gpu_is_told(choose: Callable[..., dict[str, Any]]) -> None:
    assert "cuda GPU stays unused" in choose(host(gpu="cuda"))["reason"]


def test_the_table_is_whole(root: Path, stacks: list[dict[str, Any]]) -> None:
    keys = [
        "name",
        "tensorflow",
        "keras",
        "python",
        "architectures",
        "cpu_flags",
        "gpu",
        "l4t",
        "lock",
        "bootstrap",
        "source",
        "note",
    ]
    for stack in stacks:
        assert list(stack) == keys, stack["name"]
        for folder, lock in (("runtime", stack["lock"]), (".", stack["bootstrap"])):
            assert lock is None or (root / "requirements" / folder / lock).is_file(), lock
        if stack["lock"]:
            text = (root / "requirements/runtime" / stack["lock"]).read_text()
            assert f"=={stack['tensorflow']} " in text
            assert f"keras=={stack['keras']} " in text
    locked = {stack["lock"] for stack in stacks}
    assert {path.name for path in (root / "requirements/runtime").glob("*.txt")} <= locked
