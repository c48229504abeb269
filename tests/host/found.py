"""What was found on one host, and how a check says what is wrong with it."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest

from tests.host.inventory import Declared
from tests.host.look import Answer, Section

# What the launcher is asked, by the name of the question.
COMMANDS = {"list": "list --json", "data": "data status --json", "host": "host --json"}


@dataclass(frozen=True)
class Listener:
    """A TCP port that somebody listens on; the kernel's have no program."""

    address: str
    port: int
    program: str
    uid: str

    @property
    def to_all(self) -> bool:
        """Whether it listens on all addresses."""
        return self.address in ("0.0.0.0", "[::]", "*", "::")


@dataclass(frozen=True)
class Found:
    """One host as it is declared and as it was found."""

    declared: Declared
    fleet: Mapping[str, Declared]
    answer: Answer
    inventory: str | None

    @property
    def name(self) -> str:
        """Its name in the inventory."""
        return self.declared.name

    @property
    def home(self) -> str:
        """Its edgebench_home, without `~`."""
        return self["path"].out

    @property
    def owner(self) -> str:
        """The user who owns its edgebench_home."""
        return self.declared.owner or self["me"].out

    def __getitem__(self, question: str) -> Section:
        if question not in self.answer.sections:
            self.fail(
                f"gave no answer to {question!r}: the connection ended before",
                "this again; if it stays so, look at the host's load and memory",
            )
        return self.answer.sections[question]

    def json(self, question: str) -> Any:
        """Return the answer as JSON, or fail for the runner's launcher not having given any."""
        section = self[question]
        told = as_json(section.out)
        self.check(
            told is not None,
            f"`{self.home}/bin/edgebench {COMMANDS[question]}` gave no JSON to the user {self.owner} "
            f"(exit status {section.status}): {section.why}",
            self.provision("runtime", "runner"),
        )
        return told

    @property
    def account(self) -> list[str]:
        """The fields of passwd of the user who runs benchmarks: name, password, uid, gid, comment, home, shell."""
        section = self["passwd"]
        self.check(section.ok, f"there is no user {self.owner}", self.provision("edgebench_user"))
        return section.out.split(":")

    def of_account(self, question: str) -> Section:
        """Return the answer to a question about that user, or fail for there is none."""
        assert self.account
        return self[question]

    def unit(self, name: str) -> dict[str, str]:
        """Return the state of a systemd unit that was asked for: LoadState, ActiveState, SubState, UnitFileState."""
        section = self["automount" if name == "automount" else f"unit {name}"]
        state = dict(line.split("=", 1) for line in section.lines if "=" in line)
        return {key: state.get(key, "") for key in ("LoadState", "ActiveState", "SubState", "UnitFileState")}

    @property
    def listeners(self) -> list[Listener]:
        """Who listens on which port."""
        section = self["listening"]
        self.check(
            section.ok,
            f"ss does not tell who listens: {section.why}",
            self.there("sudo apt install iproute2"),
        )
        return [_listener(line) for line in section.lines if line.startswith("LISTEN")]

    def provision(self, *tags: str, also: str = "") -> str:
        """Return the command that sets up a part of the host, and of another one."""
        hosts = f"{also},{self.name}" if also else self.name
        limit = ["-l", hosts, *(["--tags", ",".join(tags)] if tags else [])]
        return shlex.join(["ansible-playbook", *self._inventory, "provision.yml", *limit])

    def ansible(self, *arguments: str) -> str:
        """Return a command that asks the host something."""
        return shlex.join(["ansible", *self._inventory, self.name, *arguments])

    def there(self, command: str) -> str:
        """Return a command that is run on the host itself."""
        return f"{command} (on {self.name})"

    @property
    def _inventory(self) -> list[str]:
        return ["-i", self.inventory] if self.inventory else []

    def fail(self, what: str, remedy: str) -> NoReturn:
        """Fail the check: what is wrong, and what to run."""
        pytest.fail(f"{self.name}: {what}. Run: {remedy}", pytrace=False)

    def check(self, holds: object, what: str, remedy: str) -> None:
        """Fail the check unless something holds."""
        if not holds:
            self.fail(what, remedy)


def as_json(text: str) -> Any:
    """Return what a text says as JSON, or None where it says nothing."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _listener(line: str) -> Listener:
    address, _, port = line.split()[3].rpartition(":")
    program, uid = re.search(r'users:\(\("([^"]+)"', line), re.search(r" uid:(\d+)", line)
    # Nothing is said of a socket of root's.
    return Listener(
        re.sub(r"%[^\]]*", "", address), int(port), program[1] if program else "", uid[1] if uid else "0"
    )
