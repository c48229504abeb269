"""One look at one host: collect.sh, run there by Ansible as it reaches the host for everything else."""

import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.host.inventory import Declared

SCRIPT = Path(__file__).resolve().with_name("collect.sh")
_BEGIN = re.compile(r"@@ (?P<name>.+)")
_END = re.compile(r"@@ (?P<name>.+) = (?P<status>\d+)")


@dataclass(frozen=True)
class Section:
    """The answer to one question."""

    status: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether the program ended well."""
        return self.status == 0

    @property
    def lines(self) -> list[str]:
        """Its lines, empty ones left out."""
        return [line for line in self.out.splitlines() if line.strip()]

    @property
    def why(self) -> str:
        """What it said when it failed."""
        return self.err or self.out or f"exit status {self.status}"


@dataclass(frozen=True)
class Answer:
    """What a host answered: sections by name, or why there are none."""

    sections: Mapping[str, Section]
    problem: str = ""
    # The controller's clock before and after.
    began: float = 0
    ended: float = 0


def at(host: Any, declared: Declared) -> Answer:
    """Look at one host. Never raises for what is wrong with the host."""
    answer = _ask(host, declared, {})
    if declared.managed and re.search(r"sudo: (command )?not found", answer.problem):
        # As preflight does: root, where there is no sudo, becomes root by su, which asks it for nothing.
        answer = _ask(host, declared, {"become_method": "su"})
    return answer


def _ask(host: Any, declared: Declared, how: dict[str, str]) -> Answer:
    arguments = [
        *[str(SCRIPT), declared.home, declared.owner, declared.mount, declared.name],
        str(declared.variables.get("edgebench_l4t_sysfs") or "/sys"),
        str(declared.variables.get("jetson_usb_root_disk") or ""),
    ]
    began = time.time()
    try:
        result = host.backend.run_ansible(
            "ansible.builtin.script",
            "{{ look }}",
            check=False,
            become=declared.managed,
            extra_vars={"look": shlex.join(arguments)},
            **how,
        )
    except (AssertionError, RuntimeError) as error:
        # How testinfra says that Ansible had no answer.
        return Answer({}, _reason(str(error)))
    text = str(result.get("stdout", "")).replace("\r\n", "\n")
    sections = parse(text)
    if not sections:
        said = [result.get("msg"), result.get("stderr"), result.get("module_stderr"), text]
        return Answer({}, _reason("\n".join(str(each) for each in said if each)))
    return Answer(sections, began=began, ended=time.time())


def parse(text: str) -> dict[str, Section]:
    """Return the sections in what collect.sh has written."""
    found: dict[str, Section] = {}
    name, out, err, part = "", list[str](), list[str](), None
    for line in text.splitlines():
        end = _END.fullmatch(line)
        if end and end["name"] == name:
            found[name] = Section(int(end["status"]), "\n".join(out).strip(), "\n".join(err).strip())
            name, part = "", None
        elif part is None and (begin := _BEGIN.fullmatch(line)):
            name, out, err = begin["name"], [], []
            part = out
        elif line == f"@! {name}":
            part = err
        elif part is not None:
            part.append(line)
    return found


def _reason(text: str) -> str:
    """Return what Ansible said of its failure, or the end of it all."""
    messages = re.findall(r'"msg": "((?:[^"\\]|\\.)+)"', text.replace("\\\\", "\\"))
    said = " ".join(dict.fromkeys(messages)) or text[-400:]
    return " ".join(re.sub(r"\\[rn]", " ", said).split())
