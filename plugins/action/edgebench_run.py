# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Start the benchmark on a host, detached, and show its progress until it ends."""

from __future__ import annotations

import getpass
import re
import shlex
import socket
import time
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

KEPT_LINES = 20
TIMED_OUT = 124
MOST_LINE = 2000
# A host that has booted takes an interrupted run up within two minutes; more is none that does.
RESUMING_S = 300
POLLED = re.compile(r"(running|resuming|lost|none|exit-[0-9]{1,3}) ([0-9]{1,15})\Z")
# Begins a line of the runner that says only that something still runs, about every ten seconds. Of many hosts, each
# shows fewer of them, so that all together show about as many as one host alone.
STILL = ("… ", "... ")
STILL_S = 8.0
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def shown(said: object) -> str:
    """Return a line of a host without control characters, which could drive the terminal, and not endless."""
    line = "".join(each if each.isprintable() else " " for each in str(said)[:MOST_LINE])
    return line.rstrip()


def caller() -> str:
    """Return who starts runs here, for whoever finds one under way: user, machine and time."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return shown(f"{user} on {socket.gethostname()}, {now}")


class ActionModule(ActionBase):  # type: ignore[misc]
    """See plugins/modules/edgebench_run.py."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _hosts = 1
    _said_at = float("-inf")

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return exit code and last lines; fail where the run cannot be started or its host is lost for good."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "home": {"type": "str", "required": True},
                "run_id": {"type": "str", "required": True},
                "arguments": {"type": "list", "elements": "str", "required": True},
                "limit_s": {"type": "int", "required": True},
                "poll_s": {"type": "int", "default": 10},
                "reconnect_s": {"type": "int", "default": 900},
                "boots": {"type": "int", "default": 0},
            }
        )
        self._host = (task_vars or {})["inventory_hostname"]
        self._hosts = len((task_vars or {}).get("ansible_play_hosts") or [self._host])
        self._script = f"{arguments['home']}/bin/edgebench-detached"
        self._run_id = arguments["run_id"]
        self._reconnect_s = arguments["reconnect_s"]
        command = shlex.join([f"{arguments['home']}/bin/edgebench", *arguments["arguments"]])
        if self._play_context.check_mode:
            diff = {"before": "", "after": f"would run: {command}\n"}
            return {**result, "changed": True, "diff": diff if self._task.diff else {}}
        try:
            started = self._start(arguments)
            state = self._follow(arguments["poll_s"])
        except KeyboardInterrupt:
            self._interrupted()
            raise
        result.update(started=started, changed=True, progress=self._lines[-KEPT_LINES:])
        result["exit_code"] = int(state.removeprefix("exit-")) if state.startswith("exit-") else None
        if result["exit_code"] == TIMED_OUT:
            result.update(
                failed=True,
                msg=f"the run was stopped after {arguments['limit_s']} s, the limit of the whole run. Increase "
                "limit_s, or run fewer workloads at a time [run-timeout]",
            )
        return result

    def _start(self, arguments: dict[str, Any]) -> bool:
        """Start the run and return whether it was started; false where it was under way already."""
        self._shown, self._partial, self._lines = 0, "", []
        words = [
            "start",
            self._host,
            self._run_id,
            str(arguments["limit_s"]),
            str(arguments["boots"]),
            caller(),
        ]
        answer, _, rest = self._ask([*words, *arguments["arguments"]]).strip().partition(" ")
        if answer == "busy":
            # It goes into commands that a person copies.
            other, _, by = rest.partition(" ")
            other = other if RUN_ID.match(other) else ""
            whose = f" (started by {shown(by)})" if by else ""
            raise AnsibleActionFail(
                f"another run, {other or 'without a name'}, is under way on {self._host}{whose}; a second one would "
                f"disturb its timing. Wait for it, follow it (-e bench_run_id={other or 'RUN_ID'}), or stop it on the "
                f"host: {self._script} stop {self._host} {other or 'RUN_ID'} [run-busy]"
            )
        if answer not in ("started", "attached"):
            raise AnsibleActionFail(
                f"{self._script} printed {shown(answer)!r}; expected 'started'. Update it: ansible-playbook "
                f"provision.yml --tags runner -l {self._host} [answer-invalid]"
            )
        by = f" (started by {shown(rest)})" if rest else ""
        verb = "runs" if answer == "started" else f"was already under way{by}"
        self._say(f"{self._run_id} {verb}, apart from this connection. [run-{answer}]")
        return answer == "started"

    def _follow(self, poll_s: int) -> str:
        """Show the progress until the run has ended, and return its last state."""
        down_at: float | None = None
        while True:
            first, _, text = self._ask(["poll", self._host, self._run_id, str(self._shown)]).partition("\n")
            polled = POLLED.match(first.strip())
            if polled is None:
                raise AnsibleActionFail(
                    f"{self._script} printed {shown(first)!r}; expected a state and a size. Update it: "
                    f"ansible-playbook provision.yml --tags runner -l {self._host} [answer-invalid]"
                )
            state = polled[1]
            self._shown = int(polled[2])
            self._show(text)
            if state == "resuming":
                if down_at is None:
                    down_at = time.monotonic()
                    self._say("the host is rebooting; it resumes the run by itself [host-rebooting]")
                if time.monotonic() - down_at > RESUMING_S:
                    state = "lost"
            else:
                down_at = None
            if state not in ("running", "resuming"):
                if self._partial:
                    self._show("\n")
                return state
            time.sleep(poll_s)

    def _show(self, text: str) -> None:
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            line = shown(line)
            if line.startswith(STILL):
                if time.monotonic() - self._said_at < STILL_S * self._hosts:
                    continue
            else:
                self._lines.append(line)
            self._said_at = time.monotonic()
            self._say(line)
        # A line without an end would be kept for ever.
        self._partial = self._partial[: 2 * MOST_LINE]

    def _say(self, line: str) -> None:
        display.display(f"{self._host} | {line}")

    def _ask(self, words: list[str]) -> str:
        """Run the script on the host and return what it prints; a lost connection is tried again for a while."""
        command = shlex.join([self._script, *words])
        lost_at: float | None = None
        while True:
            try:
                answer = self._low_level_execute_command(command)
                if answer["rc"] == 0 and not answer["stdout"].strip():
                    # Every answer has a line. Seen on an overloaded host: its words lost, its exit code not.
                    raise AnsibleConnectionFailure("empty response")
            except AnsibleConnectionFailure as error:
                now = time.monotonic()
                if lost_at is None:
                    lost_at = now
                    self._say(
                        "connection lost; the run continues on the host, reconnecting [connection-lost]"
                    )
                if now - lost_at > self._reconnect_s:
                    raise AnsibleActionFail(
                        f"{self._host} was unreachable for {self._reconnect_s} s ({error}). If the run was started, it "
                        f"continues there. Fetch its records later: ansible-playbook collect.yml -l {self._host} "
                        f"-e bench_run_id={self._run_id} [host-unreachable]"
                    ) from error
                self._connection.reset()
                time.sleep(5)
                continue
            if answer["rc"] != 0:
                raise AnsibleActionFail(
                    f"`{command}` failed on {self._host}: {shown(answer['stderr'] or answer['stdout'])}. Correct this "
                    "and rerun [command-failed]"
                )
            if lost_at is not None:
                self._say("connected again")
            return str(answer["stdout"]).replace("\r\n", "\n")

    def _interrupted(self) -> None:
        """Ctrl-C: end the run on this machine, as for any program; leave that of another host alone."""
        if self._connection.transport == "local":
            stopped = self._low_level_execute_command(
                shlex.join([self._script, "stop", self._host, self._run_id])
            )
            if stopped["rc"] != 0:
                self._say(f"the run was not stopped: {shown(stopped['stderr'] or stopped['stdout'])}")
