"""What is refused before any host is touched."""

import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.messages import codes


@pytest.fixture(scope="module")
def gate(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("filter/edgebench_gate")


@pytest.fixture(scope="module")
def problems(gate: ModuleType, root: Path) -> Callable[..., list[str]]:
    specs = gate.load_specs(str(root / "roles"))

    def call(name: str = "nano", **variables: Any) -> list[str]:
        found: list[str] = gate.host_problems(name, {"group_names": ["x86"], **variables}, specs)
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
            edgebench_home="/data/bench",
            runtime_stack="py36-tf1.5.0",
            group_names=["jetson", "lab"],
            jetson_power_supply="barrel_jack",
            power_supply="barrel",
        )
        == []
    )


@pytest.mark.parametrize("name", ["a b", "nano/1", "-nano", ".nano", "näno", "x" * 65, "nano\n"])
def test_names_that_are_no_file_names(problems: Callable[..., list[str]], name: str) -> None:
    (problem,) = problems(name)
    assert codes(problem) == ["host-name-invalid"]
    assert problem.startswith(f"{name}: ")
    assert "ansible_host" in problem


SUPPLIES = "micro_usb, barrel_jack"


@pytest.mark.parametrize(
    ("variables", "code", "parts"),
    [
        ({"group_names": ["lab"]}, "group-missing", ["local, jetson, raspberry_pi,", " x86. ", "hosts.yml"]),
        ({"group_names": ["raspberry_pi", "x86"]}, "group-ambiguous", ["raspberry_pi and x86"]),
        ({"ansible_connection": "local"}, "connection-local", ["ansible_connection is 'local'"]),
        (
            {"group_names": ["local"], "ansible_connection": "ssh"},
            "connection-not-local",
            ["ansible_connection is 'ssh'"],
        ),
        ({"ansible_python_interpreter": "python3"}, "interpreter-not-absolute", ["'python3'", "auto_silent"]),
        (
            {
                "ansible_python_interpreter": "/c/.venv/bin/python",
                "ansible_playbook_python": "/c/.venv/bin/python",
            },
            "interpreter-of-controller",
            ["/c/.venv/bin/python"],
        ),
        ({"bench_profile": "fast"}, "variable-invalid", ["bench_profile is 'fast'", "quick, paper, tuned"]),
        ({"bench_repeats": "three"}, "variable-invalid", ["bench_repeats is 'three'", "type int"]),
        ({"bench_repeats": 0}, "variable-invalid", ["bench_repeats is 0", "1 to 10000"]),
        ({"bench_workloads": ["mnist"]}, "variable-invalid", ["bench_workloads is ['mnist']", "mnist_1d"]),
        ({"bench_run_id": "../x"}, "variable-invalid", ["bench_run_id is '../x'", "letters"]),
        ({"bench_threads": -1}, "variable-invalid", ["bench_threads is -1", "1 to 1024"]),
        ({"bench_kws_threads": [1, 0]}, "variable-invalid", ["[1, 0]", "1 to 1024"]),
        ({"preflight_min_free_mb": -1}, "variable-invalid", ["preflight_min_free_mb is -1", "at least 0"]),
        ({"bench_proflie": "quick"}, "variable-unknown", ["bench_proflie", "bench_profile?"]),
        ({"edgebench_hom": "/x"}, "variable-unknown", ["edgebench_hom.", "edgebench_home?"]),
        ({"edgebench_home": "bench"}, "variable-invalid", ["edgebench_home is 'bench'", "absolute path"]),
        ({"edgebench_home": "/my bench"}, "home-white-space", ["is '/my bench'", "/home/edgebench"]),
        ({"edgebench_home": "~/bench"}, "home-not-absolute", ["'~/bench'", "edgebench_manage_system: false"]),
        (
            {"edgebench_manage_system": "perhaps"},
            "variable-invalid",
            ["edgebench_manage_system is 'perhaps'", "type bool"],
        ),
        (
            {"group_names": ["jetson"]},
            "variable-missing",
            ["jetson_power_supply", SUPPLIES, "2 A", "group_vars/jetson.yml"],
        ),
        (
            {"group_names": ["jetson"], "jetson_power_supply": "usb"},
            "variable-invalid",
            ["jetson_power_supply is 'usb'", SUPPLIES],
        ),
    ],
)
def test_wrong_values_are_named_with_what_is_expected(
    problems: Callable[..., list[str]], variables: dict[str, Any], code: str, parts: list[str]
) -> None:
    (problem,) = problems(**variables)
    assert problem.startswith("nano: ")
    assert codes(problem) == [code]
    for part in parts:
        assert part in problem


def test_all_problems_are_told_at_once(problems: Callable[..., list[str]]) -> None:
    assert len(problems("a b", group_names=[], bench_profile="fast", bench_seed="x")) == 4


@pytest.mark.parametrize("version", ["2.9.27", "2.15.13"])
def test_an_old_ansible_core_is_refused(gate: ModuleType, version: str) -> None:
    (problem,) = gate.controller_problems(version, "3.12.1")
    assert codes(problem) == ["ansible-core-unsupported"]
    assert f" {version}," in problem
    assert ".venv/bin/ansible-playbook" in problem


@pytest.mark.parametrize("version", ["2.16.0", "2.19.14", "2.21.5", "2.30.0"])
def test_every_later_ansible_core_passes(gate: ModuleType, version: str) -> None:
    assert gate.controller_problems(version, "3.12.1") == []


@pytest.mark.parametrize("version", ["3.10.13", "3.15.0"])
def test_another_python_is_refused(gate: ModuleType, version: str) -> None:
    (problem,) = gate.controller_problems("2.16.19", version)
    assert codes(problem) == ["python-unsupported"]
    assert version in problem
    assert "make venv" in problem


@pytest.mark.parametrize("version", ["3.11.0", "3.12.9", "3.13.0", "3.14.2"])
def test_the_supported_pythons_pass(gate: ModuleType, version: str) -> None:
    assert gate.controller_problems("2.16.19", version) == []


def test_a_home_of_the_connecting_user_where_nothing_is_managed(problems: Callable[..., list[str]]) -> None:
    assert problems(edgebench_home="~/bench", edgebench_manage_system="false") == []
    assert problems(group_names=["local"], ansible_connection="local", edgebench_home="~/bench") == []


# What every role refuses: one error a wrong variable, which names it, its value and what is allowed.

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = sorted(
    (path.parent.parent.name, name)
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")
    for name in yaml.safe_load(path.read_text())["argument_specs"]["main"].get("options") or {}
)
WRONG_TYPE: dict[str, Any] = {
    "str": {"a": 1},
    "path": ["/a"],
    "int": "three",
    "float": "much",
    "bool": "perhaps",
    "list": {"a": 1},
    "dict": 3,
}


@pytest.fixture(scope="module")
def specs(gate: ModuleType, root: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = gate.load_specs(str(root / "roles"))
    return found


def refused(problems: Callable[..., list[str]], name: str, value: Any) -> str:
    """Return what is allowed, by the one error there is."""
    (problem,) = problems(**{name: value})
    assert codes(problem) == ["variable-invalid"]
    start = f"nano: {name} is {value!r}, "
    assert problem.startswith(start)
    return problem[len(start) :]


def out_of_range(limits: dict[str, Any]) -> list[Any]:
    """Return values just beyond what is allowed."""
    if "pattern" in limits:
        return ["\n", " \t"]
    wrong = [limits["minimum"] - 1] if "minimum" in limits else []
    return wrong + ([limits["maximum"] + 1] if "maximum" in limits else [])


def test_there_are_roles_with_variables() -> None:
    assert len({role for role, _ in OPTIONS}) >= 7


@pytest.mark.parametrize(("role", "name"), OPTIONS)
def test_every_variable_of_every_role_refuses_another_type(
    problems: Callable[..., list[str]], specs: dict[str, dict[str, Any]], role: str, name: str
) -> None:
    option = specs[role][name]
    allowed = refused(problems, name, WRONG_TYPE[option["type"]])
    told = [str(choice) for choice in option.get("choices", [])] or [f"type {option['type']}"]
    assert all(part in allowed for part in told)


@pytest.mark.parametrize(("role", "name"), OPTIONS)
def test_every_variable_of_every_role_refuses_what_is_out_of_range(
    problems: Callable[..., list[str]], specs: dict[str, dict[str, Any]], role: str, name: str
) -> None:
    option = specs[role][name]
    limits = option.get("range")
    wrong: list[Any] = ["9" if option["type"] != "int" else 9] if "choices" in option else []
    wrong += out_of_range(limits) if limits else []
    for value in wrong:
        allowed = refused(problems, name, [value] if option["type"] == "list" else value)
        if limits and "choices" not in option:
            assert str(limits.get("expected", limits.get("minimum", limits.get("maximum")))) in allowed


@pytest.mark.parametrize("role", sorted({role for role, _ in OPTIONS}))
def test_every_role_refuses_a_variable_that_it_does_not_have(
    problems: Callable[..., list[str]], role: str
) -> None:
    (problem,) = problems(**{f"{role}_zzz": 1})
    assert codes(problem) == ["variable-unknown"]
    assert f" {role}_zzz." in problem


@pytest.mark.parametrize(("role", "name"), OPTIONS)
def test_every_default_is_allowed(
    problems: Callable[..., list[str]], specs: dict[str, dict[str, Any]], role: str, name: str
) -> None:
    default = specs[role][name].get("default")
    if not (isinstance(default, str) and "{{" in default):
        assert problems(**{name: default}) == []


def test_every_range_is_one_that_can_be_checked(specs: dict[str, dict[str, Any]]) -> None:
    """A misspelt key would check nothing; a pattern without words would be told as it is."""
    ranged = [option for options in specs.values() for option in options.values() if "range" in option]
    assert len(ranged) > 10
    for option in ranged:
        limits = option["range"]
        if "folder" in limits:
            assert limits["folder"] in {"read", "write"}
            continue
        assert set(limits) in ({"minimum"}, {"maximum"}, {"minimum", "maximum"}, {"pattern", "expected"})
        if "pattern" not in limits:
            assert option.get("elements", option["type"]) in {"int", "float"}


def test_a_range_of_an_unknown_variable_is_refused(gate: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "bench/meta").mkdir(parents=True)
    (tmp_path / "bench/meta/argument_specs.yml").write_text("argument_specs: {main: {options: {}}}")
    (tmp_path / "bench/meta/ranges.yml").write_text("bench_x: {minimum: 1}")
    with pytest.raises(Exception, match=r" bench_x, .*\[range-unused\]"):
        gate.load_specs(str(tmp_path))


def test_a_range_holds_for_each_element_of_a_list_and_not_for_an_empty_default(gate: ModuleType) -> None:
    limits = {"pattern": "[a-z]+", "expected": "small letters"}
    option = {"type": "list", "elements": "str", "range": limits}
    assert gate.value_problems("x", ["a", "b"], "bench", option) == []
    (problem,) = gate.value_problems("x", ["a", "B"], "bench", option)
    assert "small letters" in problem
    assert "roles/bench/README.md" in problem
    empty = {"type": "str", "default": "", "range": limits}
    assert gate.value_problems("x", "", "bench", empty) == []
    assert len(gate.value_problems("x", "", "bench", {**empty, "default": "a"})) == 1


def test_a_number_written_as_text_is_a_number(gate: ModuleType) -> None:
    option = {"type": "int", "range": {"minimum": 1, "maximum": 10}}
    assert gate.value_problems("x", "10", "bench", option) == []
    (too_large,) = gate.value_problems("x", "11", "bench", option)
    assert "1 to 10" in too_large
    assert "type int" not in too_large
    (no_number,) = gate.value_problems("x", True, "bench", option)
    assert "type int, 1 to 10" in no_number  # not prose
    for problem in (too_large, no_number):
        assert "roles/bench/README.md" in problem


@pytest.mark.parametrize("value", ["out", "./out", "../out", "~/out", "results/"])
def test_a_folder_on_the_controller_is_absolute(problems: Callable[..., list[str]], value: str) -> None:
    (problem,) = problems(bench_results_dir=value)
    assert codes(problem) == ["variable-invalid"]
    assert f"{value!r}" in problem
    # Where it would be, to be copied.
    assert f" {Path(value).expanduser().absolute()};" in problem


def test_a_folder_on_the_controller_that_cannot_be_used(
    problems: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for name in ("bench_results_dir", "report_results_dir", "datasets_cache_dir"):
        assert problems(**{name: str(tmp_path / "new/deep")}) == []
        (problem,) = problems(**{name: str(tmp_path / "file/deep")})
        assert (codes(problem), f"({tmp_path / 'file'} " in problem) == (["variable-invalid"], True)
    assert problems(datasets_dir=str(tmp_path)) == []
    assert problems(datasets_dir="") == []
    for wrong in (tmp_path / "none", tmp_path / "file"):
        (problem,) = problems(datasets_dir=str(wrong))
        assert (codes(problem), str(wrong) in problem) == (["variable-invalid"], True)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("variables", "remedy"),
    [
        ({"bench_workloads": "mnist_1d"}, '-e \'{"bench_workloads": ["mnist_1d"]}\''),
        ({"bench_workloads": "imdb,kws"}, '-e \'{"bench_workloads": ["imdb", "kws"]}\''),
        ({"bench_kws_engines": "litert"}, '-e \'{"bench_kws_engines": ["litert"]}\''),
        ({"bench_kws_threads": 1}, "type list of int"),
        ({"bench_meters": ""}, "type list of str"),
        ({"bench_meters": None}, "type list of str"),
        ({"bench_workloads": [None]}, "mnist_1d"),
        ({"bench_profile": None}, "quick, paper, tuned"),
        ({"datasets_workloads": "imdb"}, '["imdb"]'),
        ({"base_packages_extra": "tmux"}, '["tmux"]'),
    ],
)
def test_a_list_is_a_list(problems: Callable[..., list[str]], variables: dict[str, Any], remedy: str) -> None:
    (problem,) = problems(**variables)
    assert codes(problem) == ["variable-invalid"]
    assert remedy in problem


def test_an_inventory_without_hosts_is_a_problem(gate: ModuleType, root: Path) -> None:
    hostvars: dict[str, dict[str, Any]] = {"localhost": {"groups": {"all": [], "ungrouped": []}}}
    (problem,) = gate.gate(hostvars, ["localhost"], str(root / "roles"))
    assert codes(problem) == ["hosts-missing"]
    assert "inventory/hosts.yml" in problem


def test_folders_that_the_environment_names(gate: ModuleType, tmp_path: Path) -> None:
    assert gate.environment_problems({}) == gate.environment_problems({"EDGEBENCH_DATA_DIR": ""}) == []
    assert gate.environment_problems({"EDGEBENCH_DATA_DIR": str(tmp_path)}) == []
    (problem,) = gate.environment_problems({"EDGEBENCH_DATA_DIR": str(tmp_path / "none")})
    assert codes(problem) == ["variable-invalid"]
    assert str(tmp_path / "none") in problem


def test_hosts_that_are_reached_by_ssh_need_it_on_the_controller(
    gate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    local = {"ansible_connection": "local"}
    monkeypatch.setenv("PATH", str(tmp_path))
    (problem,) = gate.program_problems([local, {}, {"ansible_connection": "ssh"}])
    assert codes(problem) == ["ssh-missing"]
    assert "2 host(s)" in problem
    assert "apt-get install openssh-client " in problem
    assert gate.program_problems([local]) == []
    (tmp_path / "ssh").touch(0o755)
    assert gate.program_problems([{}]) == []


@pytest.mark.parametrize("path", ["/my boards (2)/bin/python", "/it's 50%/bin/python"])
@pytest.mark.parametrize("by_ansible", [True, False])
def test_an_interpreter_with_blanks_is_quoted_once(
    gate: ModuleType,
    plugin: Callable[[str], ModuleType],
    problems: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    by_ansible: bool,
) -> None:
    """By us before ansible-core 2.18, as inventory/group_vars/local.yml does."""
    filters = plugin("filter/edgebench_interpreter")
    for module in (gate, filters):
        monkeypatch.setattr(module, "ANSIBLE_QUOTES", by_ansible)
    value = filters.interpreter(path)
    assert shlex.split(filters.word(value)) == [path]
    assert problems(ansible_python_interpreter=value) == []
    own = {"ansible_playbook_python": path, "ansible_python_interpreter": value}
    assert codes(problems(**own)[0]) == ["interpreter-of-controller"]
    (problem,) = problems(ansible_python_interpreter=shlex.quote(path) if by_ansible else path)
    assert codes(problem) == ["interpreter-not-absolute"]


def test_a_home_with_blanks_where_nothing_is_managed(problems: Callable[..., list[str]]) -> None:
    assert problems(edgebench_home="/my boards (2)/x", edgebench_manage_system=False) == []
    (problem,) = problems(edgebench_home="/my boards\n/x", edgebench_manage_system=False)
    assert codes(problem) == ["variable-invalid"]
