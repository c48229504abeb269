"""What is refused before any host is touched."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def gate(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("filter/edgebench_gate")


@pytest.fixture(scope="module")
def problems(gate: ModuleType, root: Path) -> Callable[..., list[str]]:
    specs = gate.load_specs(str(root / "roles"))

    def call(name: str = "nano", **variables: Any) -> list[str]:
        found: list[str] = gate.host_problems(name, {"group_names": ["jetson"], **variables}, specs)
        return found

    return call


def test_a_good_host_has_no_problems(problems: Callable[..., list[str]]) -> None:
    assert (
        problems(
            ansible_host="10.0.0.2",
            ansible_python_interpreter="/usr/bin/python3.6",
            bench_repeats="5",
            bench_workloads=["imdb", "weather"],
            bench_profile="paper",
            bench_report="false",
            edgebench_home="~/bench",
            runtime_stack="py36-tf1.5.0",
            power_supply="barrel",
        )
        == []
    )


@pytest.mark.parametrize("name", ["a b", "nano/1", "-nano", ".nano", "näno", "x" * 65, "nano\n"])
def test_names_that_are_no_file_names(problems: Callable[..., list[str]], name: str) -> None:
    (problem,) = problems(name)
    assert problem.startswith(f"{name}: ")
    assert "ansible_host" in problem


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"group_names": ["lab"]}, "none of the groups local, jetson, raspberry_pi, x86"),
        ({"group_names": ["jetson", "x86"]}, "jetson and x86"),
        ({"ansible_connection": "local"}, "this very machine would be measured"),
        ({"group_names": ["local"], "ansible_connection": "ssh"}, "ansible_connection is 'ssh'"),
        ({"ansible_python_interpreter": "python3"}, "'python3', expected an absolute path"),
        (
            {
                "ansible_python_interpreter": "/c/.venv/bin/python",
                "ansible_playbook_python": "/c/.venv/bin/python",
            },
            "the controller's own Python",
        ),
        ({"bench_profile": "fast"}, "bench_profile is 'fast': expected one of quick, paper, tuned"),
        ({"bench_repeats": "three"}, "bench_repeats is 'three': expected type int"),
        ({"bench_repeats": 0}, "bench_repeats is 0: expected at least 1"),
        ({"bench_workloads": ["mnist"]}, "bench_workloads is ['mnist']: expected one of mnist_1d"),
        ({"bench_run_id": "../x"}, "bench_run_id is '../x': expected letters"),
        ({"bench_threads": -1}, "bench_threads is -1: expected at least 1"),
        ({"preflight_min_free_mb": -1}, "preflight_min_free_mb is -1: expected at least 0"),
        ({"bench_proflie": "quick"}, "no variable is called bench_proflie; did you mean bench_profile?"),
        ({"edgebench_hom": "/x"}, "did you mean edgebench_home?"),
    ],
)
def test_wrong_values_are_named_with_what_is_expected(
    problems: Callable[..., list[str]], variables: dict[str, Any], told: str
) -> None:
    (problem,) = problems(**variables)
    assert problem.startswith("nano: ")
    assert told in problem


def test_all_problems_are_told_at_once(problems: Callable[..., list[str]]) -> None:
    assert len(problems("a b", group_names=[], bench_profile="fast", bench_seed="x")) == 4


@pytest.mark.parametrize("version", ["2.15.13", "2.17.0", "2.20.1"])
def test_another_ansible_core_is_refused(gate: ModuleType, version: str) -> None:
    (problem,) = gate.controller_problems(version, "3.12.1")
    assert f"ansible-core is {version}" in problem
    assert ".venv/bin/ansible-playbook" in problem


@pytest.mark.parametrize("version", ["3.10.13", "3.14.0"])
def test_another_python_is_refused(gate: ModuleType, version: str) -> None:
    (problem,) = gate.controller_problems("2.16.19", version)
    assert version in problem


@pytest.mark.parametrize("version", ["3.11.0", "3.12.9", "3.13.0"])
def test_the_supported_pythons_pass(gate: ModuleType, version: str) -> None:
    assert gate.controller_problems("2.16.19", version) == []


def test_every_bound_is_of_a_known_variable(gate: ModuleType, root: Path) -> None:
    known = {name for options in gate.load_specs(str(root / "roles")).values() for name in options}
    assert set(gate.BOUNDS) <= known
