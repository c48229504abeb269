"""The venv with TensorFlow, and the launcher of the runner: both are used as a benchmark will use them."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.host.found import Found, as_json

STACKS = Path(__file__).resolve().parents[2] / "files" / "tensorflow_stacks.yml"
WORKLOADS = {
    "mnist_1d",
    "imdb",
    "reuters",
    "mnist_2d",
    "dogs_vs_cats",
    "imdb_embedded",
    "weather",
    "weather_conv",
    "kws",
}


def test_venv_is_its_users(found: Found) -> None:
    venv = found["venv"]
    found.check(venv.ok, f"there is no {found.home}/venv", found.provision("runtime"))
    owner = venv.out.split()[0]
    found.check(
        owner == found.owner,
        f"{found.home}/venv belongs to {owner}, not to {found.owner}",
        found.there(f"sudo rm -r {found.home}/venv") + f"; {found.provision('runtime')}",
    )


def test_venv_has_a_python_of_its_stack(found: Found) -> None:
    record = _record(found)
    section = found["python"]
    found.check(
        section.ok,
        f"{found.home}/venv/bin/python does not run as the user {found.owner}: {section.why}",
        found.provision("runtime"),
    )
    told = json.loads(section.lines[-1])
    found.check(told["venv"], f"{found.home}/venv/bin/python is in no venv", found.provision("runtime"))
    stack = _stack(found, record)
    found.check(
        told["version"] in stack["python"],
        f"{found.home}/venv has Python {told['version']}, {stack['name']} is for {', '.join(stack['python'])}",
        found.provision("runtime"),
    )


def test_record_names_a_stack(found: Found) -> None:
    record = _record(found)
    stack = _stack(found, record)
    found.check(
        record["tensorflow"] == stack["tensorflow"],
        f"{found.home}/venv holds TensorFlow {record['tensorflow']}, {stack['name']} now has {stack['tensorflow']}",
        found.provision("runtime"),
    )
    asked_for = found.declared.variables.get("runtime_stack")
    found.check(
        asked_for in (None, "", stack["name"]),
        f"{found.home}/venv holds the stack {stack['name']}, runtime_stack is {asked_for}",
        found.provision("runtime"),
    )


def test_tensorflow_imports(found: Found) -> None:
    record = _record(found)
    told = found.json("host")
    version = told["facts"]["framework"]["version"]
    found.check(
        version is not None,
        f"TensorFlow {record['tensorflow']} cannot be imported from {found.home}/venv as the user {found.owner}: "
        f"{told['missing'].get('facts.framework.version', 'the host does not tell why')}",
        found.there(f"sudo rm {found.home}/venv/edgebench-runtime.json") + f"; {found.provision('runtime')}",
    )
    found.check(
        version == record["tensorflow"],
        f"{found.home}/venv imports TensorFlow {version}, its record says {record['tensorflow']}",
        found.there(f"sudo rm {found.home}/venv/edgebench-runtime.json") + f"; {found.provision('runtime')}",
    )


def test_launcher_lists_the_workloads(found: Found) -> None:
    names = {each["name"] for each in found.json("list")}
    found.check(
        names == WORKLOADS,
        f"{found.home}/bin/edgebench lists other workloads than the nine: {', '.join(sorted(names ^ WORKLOADS))}",
        found.provision("runner"),
    )


def test_data_is_whole(found: Found) -> None:
    told = found.json("data")
    # A data set that cannot be had is no fault of the host: the quick profile does without, and says so.
    found.check(
        not told["wrong_files"],
        f"files of its data sets are not what they should be: {' '.join(told['warnings'])}",
        found.provision("datasets"),
    )


def _record(found: Found) -> dict[str, Any]:
    """What the venv says it holds; written when TensorFlow was imported there."""
    section = found["record"]
    found.check(
        section.ok,
        f"{found.home}/venv holds no complete TensorFlow (no edgebench-runtime.json)",
        f"{found.provision('runtime')}, which names the reason where no TensorFlow can be had for this host",
    )
    told = as_json(section.out)
    found.check(
        isinstance(told, dict) and {"stack", "tensorflow"} <= set(told),
        f"{found.home}/venv/edgebench-runtime.json is not what the role runtime writes: {section.out[:200]!r}",
        found.there(f"sudo rm {found.home}/venv/edgebench-runtime.json") + f"; {found.provision('runtime')}",
    )
    return dict(told)


def _stack(found: Found, record: dict[str, Any]) -> dict[str, Any]:
    stacks = {each["name"]: each for each in yaml.safe_load(STACKS.read_text())["stacks"]}
    found.check(
        record.get("stack") in stacks,
        f"{found.home}/venv holds {record.get('stack')!r}, which is no stack of files/tensorflow_stacks.yml",
        found.provision("runtime"),
    )
    stack: dict[str, Any] = stacks[record["stack"]]
    return stack
