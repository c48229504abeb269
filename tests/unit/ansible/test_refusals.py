"""What a role that fails prints: a headline with a code; what is longer comes with -v."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import ansible_core
from tests.messages import codes

# Lists of runs that are not ok, each on a line of its own: what failed, not why.
LISTS = {"roles/bench/tasks/main.yml"}
APT = {
    "__base_packages_missing": [f"package-{number}" for number in range(30)],
    "__base_packages_host": {"os": "Debian GNU/Linux 12 (bookworm)"},
    "base_packages_extra": [],
    "base_packages_lock_timeout_s": 300,
}
CHOICE = {
    "stack": {"name": "py36-jetpack46-tf2.7.0", "tensorflow": "2.7.0", "gpu": "tegra", "needs": None},
    "crash_remedy": "Use another host",
}
NEXT = {"runtime_choice": CHOICE, "__runtime_next": "ansible-playbook provision.yml -l nano"}
TRIAL = {"__jetson_usb_root_label": "usb", "__jetson_usb_root_conf": "/boot/extlinux/extlinux.conf"}


def probe(code: int, error: str) -> dict[str, Any]:
    lines = error.splitlines()
    return {
        **NEXT,
        "__runtime_probe": {
            "rc": code,
            "stderr": error,
            "stderr_lines": lines,
            "stdout": "",
            "stdout_lines": [],
        },
        "__runtime_static_tls": "static TLS" in error,
        "__runtime_preload": "libgomp.so.1",
        "ansible_facts": {"edgebench_host": {"cpu_model": "ARMv8 Processor rev 1 (v8l)"}},
    }


# File and task, what is known when it fails, the code, parts of the headline, a part of the details.
CASES: list[tuple[str, str, dict[str, Any], str, list[str], str | None]] = [
    (
        "runtime/tasks/probe.yml",
        "Stop if TensorFlow does not run",
        probe(-4, "one\ntwo"),
        "tensorflow-crashed",
        ["SIGILL", "another host"],
        "ARMv8",
    ),
    (
        "runtime/tasks/probe.yml",
        "Stop if TensorFlow does not run",
        probe(134, "one\ntwo"),
        "tensorflow-crashed",
        ["SIGABRT"],
        "two",
    ),
    (
        "runtime/tasks/probe.yml",
        "Stop if TensorFlow does not run",
        probe(1, "Traceback\nImportError: x"),
        "tensorflow-broken",
        ["exit code 1", "ImportError: x", "-l nano"],
        "Traceback",
    ),
    (
        "runtime/tasks/probe.yml",
        "Stop if TensorFlow does not run",
        probe(1, "static TLS"),
        "static-tls-exhausted",
        ["LD_PRELOAD=libgomp.so.1"],
        None,
    ),
    (
        "runtime/tasks/probe.yml",
        "Stop if TensorFlow does not run",
        {**NEXT, "__runtime_probe": {"unreachable": True}},
        "connection-lost",
        ["-l nano"],
        None,
    ),
    (
        "runtime/tasks/gpu.yml",
        "Stop if the GPU would stay idle",
        probe(0, "cuInit failed"),
        "gpu-not-seen",
        ["tegra", "-l nano -e runtime_gpu=never"],
        "cuInit",
    ),
    (
        "jetson_usb_root/tasks/fell_back.yml",
        "Stop where the board fell back",
        {
            **TRIAL,
            "__jetson_usb_root_by_hand": "ansible-playbook x",
            "__jetson_usb_root_report": {
                "stdout_lines": ["folder /var/lib/x", "note first", "kernel second"]
            },
        },
        "fell-back",
        ["ansible-playbook x", "/var/lib/x"],
        "second",
    ),
    (
        "jetson_usb_root/tasks/fell_back.yml",
        "Stop where the board fell back",
        {
            **TRIAL,
            "__jetson_usb_root_by_hand": "ansible-playbook x",
            "__jetson_usb_root_report": {"stdout_lines": ["folder /var/lib/x"]},
        },
        "fell-back",
        ["U-Boot", "usb"],
        "label-not-booted",
    ),
    (
        "jetson_usb_root/tasks/initramfs.yml",
        "Stop where it cannot be made",
        {
            "ansible_failed_result": {"stderr": "mkinitramfs\nno space left"},
            "__jetson_usb_root_initrd": "/boot/i",
            "__jetson_usb_root_kernel": "4.9",
        },
        "initrd-failed",
        ["no space left", "df -h /boot"],
        "mkinitramfs",
    ),
    (
        "preflight/tasks/help.yml",
        "Stop where the host cannot be reached",
        {
            "__preflight_first": {"msg": "Failed\nssh: refused"},
            "ansible_host": "10.0.0.9",
            "ansible_user": "me",
        },
        "host-unreachable",
        ["10.0.0.9", "ssh: refused", "ssh me@10.0.0.9"],
        "ansible_port",
    ),
    (
        "base_packages/tasks/install.yml",
        "Stop where apt fails",
        {**APT, "ansible_failed_result": {"msg": "Failed to lock apt"}},
        "apt-locked",
        ["package-0", "27 more", "300"],
        "package-29",
    ),
    (
        "base_packages/tasks/install.yml",
        "Stop where apt fails",
        {**APT, "ansible_failed_result": {"msg": "No package matching 'x' is available"}},
        "package-unknown",
        ["'x'", "Debian", "sudo apt update"],
        "package-29",
    ),
    (
        "base_packages/tasks/install.yml",
        "Stop where apt fails",
        {**APT, "ansible_failed_result": {"msg": "E: one\nE: two"}},
        "apt-failed",
        ["E: two", "sudo apt update"],
        "E: one",
    ),
    (
        "headless/tasks/xrdp.yml",
        "Stop where apt fails",
        {"ansible_failed_result": {"msg": "E: one\nE: two"}, "__headless_xrdp_missing": ["xrdp"]},
        "apt-failed",
        ["xrdp", "E: two", "sudo apt update"],
        "E: one",
    ),
    (
        "headless/tasks/xrdp.yml",
        "Stop where xrdp does not start",
        {
            "ansible_failed_result": {"msg": "non-zero return code", "rc": 1, "stderr": "one\ntwo"},
            "headless_xrdp_networks": ["10.0.0.0/24"],
        },
        "xrdp-not-started",
        ["10.0.0.0/24", "two", "journalctl"],
        "one",
    ),
]


def tasks(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a file, those in blocks too."""
    waiting = list(yaml.safe_load(path.read_text()) or [])
    while waiting:
        task = waiting.pop(0)
        yield task
        waiting += [each for key in ("block", "rescue", "always") for each in task.get(key, [])]


def message(task: dict[str, Any]) -> str | None:
    """Return the text that a task fails with, None if it is none that fails by itself."""
    for action, key in (("ansible.builtin.fail", "msg"), ("ansible.builtin.assert", "fail_msg")):
        if action in task:
            return str(task[action][key])
    return None


@pytest.mark.parametrize(("path", "name", "known", "code", "headline", "details"), CASES)
def test_the_headline_holds_the_verdict_and_the_next_step(
    root: Path,
    path: str,
    name: str,
    known: dict[str, Any],
    code: str,
    headline: list[str],
    details: str | None,
) -> None:
    file = root / "roles" / path
    (task,) = [each for each in tasks(file) if each.get("name") == name]
    role = yaml.safe_load((file.parents[1] / "vars/main.yml").read_text())
    text = message(task)
    assert text is not None
    shown = []
    for verbosity in (0, 1):
        variables = {**role, **task.get("vars", {}), **known}
        variables |= {"inventory_hostname": "nano", "ansible_verbosity": verbosity}
        shown.append(str(ansible_core.evaluate(text, variables)))
    first, *more = shown[0].splitlines()
    assert codes(first) == [code]
    assert first.endswith(f" [{code}]")
    # Three lines of a terminal.
    assert len(first) < 360
    assert [part for part in ["nano", *headline] if part not in first] == []
    assert "  " not in first
    assert len(more) == (1 if details else 0)
    assert shown[1].splitlines()[0] == first
    if details:
        assert details not in shown[0]
        assert details in shown[1]


def test_no_role_fails_with_a_text_of_several_lines(root: Path) -> None:
    """But by the filter that shows its first line, and the others with -v."""
    found = []
    for path in sorted(root.glob("roles/*/tasks/*.yml")):
        for task in tasks(path):
            text = message(task)
            # A list of problems is joined inside an expression.
            written = re.sub(r"{{.*?}}", "", text or "", flags=re.DOTALL).strip()
            if "\n" in written and str(path.relative_to(root)) not in LISTS:
                found.append(f"{path.relative_to(root)}: {task['name']}")
    assert found == []
