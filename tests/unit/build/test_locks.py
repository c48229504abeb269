"""What the lock files promise to those who install from them."""

import re
import tomllib
from pathlib import Path

import edgebench
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = ROOT / "requirements"
# Whose wheels are on an index of their makers may have no lock: it is made by whoever reaches that index.
VENDORS = {
    stack["name"]
    for stack in yaml.safe_load((ROOT / "files/tensorflow_stacks.yml").read_text())["stacks"]
    if stack["index"]
}
INPUTS = [
    path
    for path in sorted(REQUIREMENTS.rglob("*.in"))
    if path.stem not in VENDORS or path.with_suffix(".txt").exists()
]
LOCKS = [path.with_suffix("").with_name(path.name.removesuffix(".in") + ".txt") for path in INPUTS]

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9_.-]*)==([^\s;]+)", re.MULTILINE)


def pins(path: Path) -> set[tuple[str, str]]:
    return {(name.lower().replace("_", "-"), version) for name, version in _PIN.findall(path.read_text())}


def test_every_input_has_its_lock_and_every_lock_its_input() -> None:
    assert sorted(LOCKS) == sorted(REQUIREMENTS.rglob("*.txt"))


@pytest.mark.parametrize(
    ("source", "lock"), list(zip(INPUTS, LOCKS, strict=True)), ids=lambda path: path.name
)
def test_a_lock_holds_what_its_input_pins(source: Path, lock: Path) -> None:
    wanted = pins(source)
    assert wanted
    assert wanted - pins(lock) == set(), "run `make lock`"


@pytest.mark.parametrize("source", sorted(REQUIREMENTS.rglob("*.in")), ids=lambda path: path.name)
def test_inputs_pin_exactly(source: Path) -> None:
    lines = [line.partition(" #")[0].strip() for line in source.read_text().splitlines()]
    loose = [
        line for line in lines if line and not line.startswith(("#", "-r ", "-c ")) and not _PIN.match(line)
    ]
    assert loose == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_version_has_hashes_and_no_source(lock: Path) -> None:
    # Continued lines are one requirement; what is left over would be an option or an address.
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE))
    for line in text.splitlines():
        assert re.fullmatch(
            r"[A-Za-z0-9][\w.-]*==\S+( ; [^\\]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", line
        ), line


def test_the_test_lock_goes_on_top_of_the_controllers() -> None:
    assert pins(REQUIREMENTS / "controller.txt") <= pins(REQUIREMENTS / "test.txt")


def test_the_build_backend_is_the_locked_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    name, version = project["build-system"]["requires"][0].split("==")
    assert (name, version) in pins(REQUIREMENTS / "controller.txt")


def test_the_installed_project_has_the_runners_version() -> None:
    from importlib.metadata import entry_points, version

    assert version("edgebench") == edgebench.__version__
    scripts = {entry.name: entry.value for entry in entry_points(group="console_scripts")}
    assert scripts["edgebench-report"] == "edgebench_report.cli:main"
