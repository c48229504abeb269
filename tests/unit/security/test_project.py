"""What docs/security.md says of playbooks, roles, code and downloads, looked up in the files themselves."""

import ast
import configparser
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SAID = (ROOT / "docs/security.md").read_text()
CODE = ("bench", "plugins", "lab", "tools", "molecule")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--", *patterns],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # A file that is listed and not there is about to be removed.
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def tasks(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping in a YAML document: plays, blocks, tasks and their arguments."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from tasks(each)
    elif isinstance(value, list):
        for each in value:
            yield from tasks(each)


@cache
def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@cache
def role_files() -> list[Path]:
    return [path for path in tracked("roles/*.yml") if {"tasks", "handlers"} & set(path.parts)]


def test_host_keys_are_checked_everywhere() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((ROOT / "ansible.cfg").read_text())
    assert parser.getboolean("defaults", "host_key_checking")
    weak = re.compile(
        r"StrictHostKeyChecking[\s=:\"']+(no|off|accept-new)|UserKnownHostsFile[\s=]+/dev/null"
        r"|HOST_KEY_CHECKING[\"']?[\s=:]+[\"']?(0|no|false)|host_key_checking:\s*(false|no)",
        re.IGNORECASE,
    )
    here = {Path(__file__), ROOT / "docs/security.md", ROOT / "tests/unit/ansible/test_project.py"}
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in tracked("*.py", "*.yml", "*.sh", "*.cfg", "*.j2", "Makefile", "*.md")
        if path not in here
        for line in path.read_text().splitlines()
        if weak.search(line)
    ]
    assert found == []


def test_no_play_as_a_whole_is_root() -> None:
    for path in tracked(":(glob)playbooks/*.yml", ":(glob)*.yml"):
        plays = document(path)
        if isinstance(plays, list):
            assert not [play for play in plays if play.get("become") not in (None, False)], path
    assert "[privilege_escalation]" not in (ROOT / "ansible.cfg").read_text()


def test_the_roles_that_become_root_are_those_that_are_listed() -> None:
    root = {
        path.relative_to(ROOT / "roles").parts[0]
        for path in role_files()
        for task in tasks(document(path))
        if task.get("become") not in (None, False) and "edgebench_access.become" not in str(task["become"])
    }
    line = next(line for line in SAID.splitlines() if line.startswith("Roles with tasks as root:"))
    # One that is still being made may be listed before it is committed.
    assert root <= set(re.findall(r"`(\w+)`", line))


def test_no_role_makes_a_file_that_others_may_write() -> None:
    found = []
    for path in role_files():
        for task in tasks(document(path)):
            mode = str(task.get("mode", ""))
            octal = re.fullmatch(r"0?[0-7]{3,4}", mode)
            if (octal and int(mode, 8) & 0o002) or re.search(r"[oa][^,]*[+=][^,]*w", mode):
                found.append(f"{path}: {mode}")
    scripts = [each for each in tracked("roles/*") if each.suffix in ("", ".sh", ".j2", ".py")]
    for path in scripts:
        found += [
            f"{path}: {line.strip()}"
            for line in path.read_text().splitlines()
            if re.search(
                r"chmod\s+(-R\s+)?(0?[0-7]{2}[2367]\b|[oa]*\+[rx]*w)|umask\s+0*[0-7]?[0145][0145]?$", line
            )
            and not re.search(r"umask\s+0*(22|77|27)\b", line)
        ]
    assert found == []


def test_nothing_that_is_secret_is_asked_for() -> None:
    # What never is in a variable can be in no log, record or list of processes. A public key is no secret.
    names = [
        name
        for path in tracked("roles/*/meta/argument_specs.yml")
        for name in yaml.safe_load(path.read_text())["argument_specs"]["main"].get("options", {})
    ]
    named = [
        name for name in names if re.search(r"pass(word|wd|phrase)|secret|token|private|credential|key", name)
    ]
    assert named == ["edgebench_user_authorized_keys"]


def test_downloads_are_https_and_known_by_hash() -> None:
    first_sight = []
    manifest = yaml.safe_load((ROOT / "files/datasets.yml").read_text())["datasets"]
    for name, entry in manifest.items():
        assert re.fullmatch("[a-z0-9_]+", entry["folder"]), name
        for form in entry["forms"]:
            urls = [form["url"]] if "url" in form else []
            for file in form.get("files", []):
                urls += [file["url"]] if "url" in file else []
                # A name may have folders of its own, and none above.
                assert re.fullmatch(
                    r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", file["name"]
                )
                if "sha256" in file:
                    assert re.fullmatch("[0-9a-f]{64}", file["sha256"])
                elif name not in first_sight:
                    first_sight.append(name)
            assert all(each.startswith("https://") for each in urls), name
            if "url" in form and "files" not in form:
                assert re.fullmatch("[0-9a-f]{64}", form["set_sha256"])
    # Nobody publishes hashes of these; the first copy is held on to.
    assert first_sight == ["weather"]
    stacks = yaml.safe_load((ROOT / "files/tensorflow_stacks.yml").read_text())["stacks"]
    assert all(stack["index"] is None or stack["index"].startswith("https://") for stack in stacks)


def test_no_role_and_no_tool_turns_certificates_off() -> None:
    weak = re.compile(
        r"validate_certs:\s*(false|no)|--no-check-certificate|curl\s.*(-k\b|--insecure)|verify\s*=\s*False"
        r"|_create_unverified_context|allow_unauthenticated:\s*(true|yes)|--allow-unauthenticated|trusted=yes"
        r"|disable_gpg_check:\s*(true|yes)"
    )
    paths = tracked("roles/*", "playbooks/*", "bench/*.py", "plugins/*", "tools/*", "inventory/*")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in paths
        if path.suffix not in (".png", ".gz")
        for line in path.read_text().splitlines()
        if weak.search(line)
    ]
    assert found == []
    fetched = [
        f"{path}"
        for path in role_files()
        for task in tasks(document(path))
        for module in ("ansible.builtin.get_url", "get_url")
        if module in task and "checksum" not in task[module]
    ]
    assert fetched == []


def test_numpy_never_unpickles_by_itself() -> None:
    found = []
    for path in tracked("bench/*.py"):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)) if "allow_pickle" in source else ():
            if (
                isinstance(node, ast.keyword)
                and node.arg == "allow_pickle"
                and getattr(node.value, "value", False)
            ):
                found.append(str(path))
    assert found == []


def test_bandit_finds_what_is_listed() -> None:
    """docs/security.md has a row with the reason for every test and file; nothing else is found."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "bandit"), "-q", "-f", "json", "-r", *CODE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["errors"] == []
    listed = re.findall(r"^\| (B\d{3}) \| (\w+) \| (.*?) \|", SAID, re.MULTILINE)
    serious = [each for each in report["results"] if each["issue_severity"] == "HIGH"]
    assert serious == []
    unlisted = Counter(
        f"{each['test_id']} {each['filename']}:{each['line_number']} {each['issue_text']}"
        for each in report["results"]
        if not any(
            test == each["test_id"]
            and severity.upper() == each["issue_severity"]
            and (where == "all" or each["filename"].removeprefix("./") in re.findall(r"`(.*?)`", where))
            for test, severity, where in listed
        )
    )
    assert not unlisted, "mend it, or list it with its reason in docs/security.md"


@pytest.mark.parametrize("name", re.findall(r"`(tests/[\w/.]+\.py)(?:::\w+)?`", SAID))
def test_a_check_that_is_named_exists(name: str) -> None:
    assert (ROOT / name).is_file()


@pytest.mark.parametrize(("path", "test"), re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", SAID))
def test_a_test_that_is_named_exists(path: str, test: str) -> None:
    assert re.search(rf"^def {test}\(", (ROOT / path).read_text(), re.MULTILINE)
