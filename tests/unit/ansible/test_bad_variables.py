"""A sweep of bad values over every variable of every role, through the gate that all playbooks begin with.

Each is one line with the host, the variable, the value, what is expected and where that is written, and a code.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.messages import codes

ROOT = Path(__file__).resolve().parents[3]
# Wrong for every variable of the type.
WRONG: dict[str, list[Any]] = {
    "bool": ["perhaps", 2, [], {}],
    "int": ["three", 1.5, True, [], {}, "1e3", "0x10"],
    "float": ["many", True, [], {}],
    "list": ["word", "a,b", 3, True, {}, None, [None]],
    "dict": ["word", 3, [1]],
    "str": [["a"], {"a": 1}, True],
    "path": [["a"], {"a": 1}, True],
    "raw": [],
}


def _options() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text("utf-8"))["argument_specs"].values():
            found.update(entry.get("options") or {})
    return found


def _ranges() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/ranges.yml")):
        found.update(yaml.safe_load(path.read_text("utf-8")) or {})
    return found


def _wrong(option: dict[str, Any], limits: dict[str, Any]) -> Iterator[Any]:
    is_list = option.get("type") == "list"
    yield from WRONG[option.get("type", "str")]
    if option.get("default") not in (None, "") and not is_list:
        yield None
    single: list[Any] = ["nosuch"] if "choices" in option else []
    if "minimum" in limits:
        single.append(limits["minimum"] - 1)
    if "maximum" in limits:
        single += [limits["maximum"] + 1, 10**30]
    if "pattern" in limits:
        single += ["\n", "a\x00b"]
    if "folder" in limits:
        single += ["relative/folder", "~/folder", "/dev/null/folder"]
    yield from ([each] for each in single) if is_list else single


OPTIONS, RANGES = _options(), _ranges()
CASES = [(name, value) for name in OPTIONS for value in _wrong(OPTIONS[name], RANGES.get(name, {}))]
# What belongs to no role, and what is wrong with a host as a whole.
HOSTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("a b", {}, "host-name-invalid", "a b"),
    ("-x", {}, "host-name-invalid", "-x"),
    ("pi/1", {}, "host-name-invalid", "pi/1"),
    ("pi", {"group_names": []}, "group-missing", "x86"),
    (
        "pi",
        {"group_names": ["x86", "jetson"], "jetson_power_supply": "micro_usb"},
        "group-ambiguous",
        "jetson",
    ),
    ("pi", {"group_names": ["jetson"]}, "variable-missing", "jetson_power_supply"),
    ("pi", {"group_names": ["jetson"], "jetson_power_supply": "usb"}, "variable-invalid", "'usb'"),
    ("pi", {"ansible_connection": "local"}, "connection-local", "'local'"),
    ("pi", {"ansible_python_interpreter": "python3"}, "interpreter-not-absolute", "'python3'"),
    ("pi", {"ansible_python_interpreter": 3}, "interpreter-not-absolute", "3"),
    ("pi", {"edgebench_home": "bench"}, "variable-invalid", "'bench'"),
    ("pi", {"edgebench_home": "/a b"}, "home-white-space", "'/a b'"),
    ("pi", {"edgebench_home": "/"}, "variable-invalid", "'/'"),
    ("pi", {"edgebench_home": "~/x"}, "home-not-absolute", "'~/x'"),
    ("pi", {"edgebench_home": ["/x"]}, "variable-invalid", "['/x']"),
    ("pi", {"edgebench_manage_system": "perhaps"}, "variable-invalid", "'perhaps'"),
    ("pi", {"edgebench_hoem": "/x"}, "variable-unknown", "edgebench_home"),
    ("pi", {"bench_worklods": []}, "variable-unknown", "bench_workloads"),
    ("pi", {"runtime_nosuch": 1}, "variable-unknown", "runtime_nosuch"),
    ("pi", {"jetson_nosuch": 1}, "variable-unknown", "jetson_nosuch"),
]


@pytest.fixture(scope="module")
def problems(plugin: Callable[[str], ModuleType]) -> Callable[..., list[str]]:
    gate = plugin("filter/edgebench_gate")
    specs = gate.load_specs(str(ROOT / "roles"))

    def call(name: str = "pi", **variables: Any) -> list[str]:
        found: list[str] = gate.host_problems(name, {"group_names": ["x86"], **variables}, specs)
        return found

    return call


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}={value!r:.40}" for name, value in CASES])
def test_a_bad_value_of_a_roles_variable(problems: Callable[..., list[str]], name: str, value: Any) -> None:
    found = problems(**{name: value})
    assert len(found) == 1, found
    assert codes(found[0]) == ["variable-invalid"]
    assert "\n" not in found[0]
    assert found[0].startswith(f"pi: {name} is {value!r}, expected ")  # not prose
    assert "/README.md" in found[0]


@pytest.mark.parametrize(("host", "variables", "code", "value"), HOSTS)
def test_a_bad_host(
    problems: Callable[..., list[str]], host: str, variables: dict[str, Any], code: str, value: str
) -> None:
    (found,) = problems(host, **variables)
    assert codes(found) == [code]
    assert value in found
    assert "\n" not in found


def test_every_variable_is_swept() -> None:
    assert {name for name, _ in CASES} == set(OPTIONS)
    assert set(RANGES) <= set(OPTIONS)
