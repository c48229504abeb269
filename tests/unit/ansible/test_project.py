"""Settings, specs and READMEs agree with each other and with ansible-core."""

import configparser
import importlib.resources
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from edgebench import cli, workloads

from tests import ansible_core

ROLES = sorted(
    path.name for path in (Path(__file__).resolve().parents[3] / "roles").iterdir() if path.is_dir()
)


def known_settings() -> set[tuple[str, str]]:
    """(section, key) of every ini setting of ansible-core and of its builtin plugins."""
    package = Path(str(importlib.resources.files("ansible")))
    known: set[tuple[str, str]] = set()

    def collect(definitions: Any) -> None:
        for definition in (definitions or {}).values():
            for entry in definition.get("ini") or []:
                known.add((entry["section"], entry["key"]))

    collect(yaml.safe_load((package / "config/base.yml").read_text()))
    plugins = package / "plugins"
    files = [
        path
        for folder in ("doc_fragments", "cache", "callback", "connection", "shell")
        for path in plugins.glob(f"{folder}/*.py")
    ]
    for path in files:
        for text in re.findall(
            r"(?:DOCUMENTATION|[A-Z_]+) = r?(?:\"\"\"|''')(.*?)(?:\"\"\"|''')", path.read_text(), re.S
        ):
            try:
                document = yaml.safe_load(text)
            except yaml.YAMLError:
                continue
            if isinstance(document, dict) and isinstance(document.get("options"), dict):
                collect(document["options"])
    return known


def settings(path: Path) -> set[tuple[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text())
    return {(section, key) for section in parser.sections() for key in parser[section]}


def test_every_setting_is_one_that_ansible_core_knows(root: Path) -> None:
    mine = settings(root / "ansible.cfg")
    assert len(mine) > 15
    assert mine - known_settings() == set()


def test_a_misspelt_setting_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults]\nforks = 5\ncalback_result_format = yaml\n")
    assert settings(tmp_path / "ansible.cfg") - known_settings() == {("defaults", "calback_result_format")}


@pytest.mark.parametrize("key", ["host_key_checking"])
def test_safety_settings_stay_on(root: Path, key: str) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((root / "ansible.cfg").read_text())
    assert parser.getboolean("defaults", key)
    assert "UserKnownHostsFile=/dev/null" not in (root / "ansible.cfg").read_text()


@pytest.mark.parametrize("role", ROLES)
def test_specs_and_defaults_agree(root: Path, role: str) -> None:
    options = yaml.safe_load((root / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"][
        "main"
    ]["options"]
    defaults = yaml.safe_load((root / f"roles/{role}/defaults/main.yml").read_text())
    assert set(options) == set(defaults)
    assert {name: option.get("default") for name, option in options.items()} == defaults
    assert all(name.startswith(f"{role}_") for name in options)


@pytest.mark.parametrize("tool", ["role_readmes.py", "supported_hosts.py"])
def test_the_readmes_are_up_to_date(root: Path, tool: str) -> None:
    checked = subprocess.run(
        [sys.executable, root / "tools" / tool, "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout == ""
    assert checked.returncode == 0


def test_bench_accepts_the_runners_choices(root: Path) -> None:
    """The role's choices are those of the runner's own command line."""

    def edgebench(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "edgebench", *arguments]
        return subprocess.run(command, cwd=root / "bench", capture_output=True, text=True, check=False)

    specs = yaml.safe_load((root / "roles/bench/meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    workloads = [entry["name"] for entry in json.loads(edgebench("list", "--json").stdout)]
    assert options["bench_workloads"]["choices"] == workloads
    for option in ("profile", "data", "precision", "lookback", "device", "input"):
        refusal = edgebench("run", f"--{option}", "0")
        assert refusal.returncode == 2
        offered = refusal.stderr.split("choose from")[1].split(")")[0].replace("'", "")
        assert [name.strip() for name in offered.split(",")] == [
            str(choice) for choice in options[f"bench_{option}"]["choices"]
        ]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({}, {}),
        ({"bench_telemetry": False}, {"telemetry": False}),
        ({"bench_strict": True, "bench_retry": True}, {"strict": True, "retry": True}),
        ({"bench_profile": "paper"}, {"profile": "paper", "repeats": 5, "time_limit": 28800}),
        ({"bench_threads": 2, "bench_workloads": ["imdb"]}, {"threads": 2, "workload": [["imdb"]]}),
        ({"bench_kws_engines": ["litert"], "bench_seed": 7}, {"engines": ["litert"], "seed": 7}),
        ({"data_share_state": {"data_dir": "/srv/x"}}, {"data_dir": "/srv/x"}),
    ],
)
def test_bench_gives_the_runner_what_is_declared(
    root: Path, declared: dict[str, Any], expected: dict[str, Any]
) -> None:
    variables = {"inventory_hostname": "frodo", "__bench_run_id": "r1"}
    for path in ("defaults/main.yml", "vars/main.yml"):
        variables |= yaml.safe_load((root / "roles/bench" / path).read_text())

    def parsed(words: list[str]) -> dict[str, Any]:
        return dict(vars(cli._parser().parse_args(words)))

    given = parsed(
        [str(each) for each in ansible_core.evaluate("{{ __bench_arguments }}", {**variables, **declared})]
    )
    usual = ["--repeats", "5", "--time-limit", "900", "--engine-threads", "1", "--seed", "0"]
    own = ["run", "--offline", "--progress", "plain", "--run-id", "r1", "--host", "frodo", *usual]
    assert given == {**parsed(own), **expected}


@pytest.mark.parametrize(
    ("declared", "runtime", "device"),
    [
        ("auto", {"gpus": 1}, "gpu"),
        ("auto", {"gpus": 0}, "auto"),
        # Provisioned before GPUs were counted.
        ("auto", {}, "auto"),
        ("auto", None, "auto"),
        ("cpu", {"gpus": 1}, "cpu"),
        ("gpu", {"gpus": 0}, "gpu"),
    ],
)
def test_a_run_must_use_the_gpu_that_provisioning_found(
    root: Path, declared: str, runtime: dict[str, int] | None, device: str
) -> None:
    variables = yaml.safe_load((root / "roles/bench/vars/main.yml").read_text())
    facts = {"ansible_facts": {"edgebench_host": {"runtime": runtime}}, "bench_device": declared}
    assert ansible_core.evaluate("{{ __bench_device }}", {**variables, **facts}) == device


def _limit_s(root: Path, **declared: Any) -> int:
    variables: dict[str, Any] = {"role_path": str(root / "roles/bench")}
    for path in ("defaults/main.yml", "vars/main.yml"):
        variables |= yaml.safe_load((root / "roles/bench" / path).read_text())
    return int(ansible_core.evaluate("{{ __bench_limit_s }}", {**variables, **declared}))


def test_the_limit_of_a_run_counts_the_workloads_there_are(root: Path) -> None:
    names = list(workloads.NAMES)
    # Five repeats of 900 s and a minute each; eight models of keyword spotting.
    assert _limit_s(root) == _limit_s(root, bench_workloads=[*names, "kws"])
    assert _limit_s(root, bench_workloads=names) == len(names) * 5 * 960 + 1500
    assert _limit_s(root) - _limit_s(root, bench_workloads=names) == 8 * 960
    assert _limit_s(root, bench_workloads=["kws"], bench_kws_threads=[1, 2]) == 16 * 960 + 1500
    explained = [_limit_s(root, bench_explain=True, bench_workloads=each) for each in ([], names, ["imdb"])]
    assert explained == [len(names) * 7260 + 1500, len(names) * 7260 + 1500, 7260 + 1500]


def test_no_message_joins_lines_where_yaml_leaves_the_backslash(root: Path) -> None:
    r"""In a block scalar Ansible hands Jinja '\n' with its backslash doubled, and a person would read \n."""
    wrong = [
        f"{path.relative_to(root)}:{number}"
        for folder in ("roles", "playbooks", "molecule")
        for path in sorted((root / folder).rglob("*.yml"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if r"join('\n')" in line and '"{{' not in line and '": "' not in line
    ]
    assert wrong == []
