# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Ansible's usual output, which also shows at once what is running, and for how long."""

from __future__ import annotations

DOCUMENTATION = r"""
name: edgebench_progress
type: stdout
short_description: The default output, with the title of a running task and its seconds
description:
  - >-
    Prints what the callback C(default) prints. That one holds a task's title back until the first result if skipped
    hosts are not displayed. This one prints the title once the task has run for a second.
  - >-
    A task that takes longer adds a line every ten seconds, with its seconds and the hosts that it still runs on.
  - >-
    ansible-core does not flush what it prints, so that a pipe, a file or nohup shows it minutes late. This callback
    makes standard output line-buffered.
  - >-
    If the inventory is not the usual one, the commands in messages, such as C(ansible-playbook provision.yml), are
    shown with the options C(-i) of this run.
  - >-
    With C(--diff), a new file of more than twenty lines is shown as one line with its number of lines and its SHA-256.
    C(-v) shows its content. A file that changes is always shown.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout_callback in ansible.cfg
author: The edgebench authors (!UNKNOWN)
"""

import hashlib
import io
import re
import shlex
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.plugins.callback.default import CallbackModule as Default

TITLE_S = 1.0
HEARTBEAT_S = 10.0
TICK_S = 0.25
# Hosts that a line names.
NAMED = 3
# Lines of a new file that --diff shows without -v.
NEW_FILE_LINES = 20
# They show their own progress.
OWN_PROGRESS = ("edgebench_run",)
# A command without options before the playbook; messages may be wrapped.
COMMAND = re.compile(r"\bansible-playbook(\s+)(?=(?:provision|bench|collect|report|nightly)\.yml\b)")


def shorten(diff: dict[str, Any]) -> dict[str, Any]:
    """Return a difference as it is shown without -v: one line for a new folder and for a long new file, else unchanged.

    The module that made the difference names the file in ``after_header``. It gives no ``before_header`` for a file
    that is not there, or says so in it; an empty file has one.
    """
    before, after, header = diff.get("before"), diff.get("after"), diff.get("after_header")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        path, state = after.get("path"), after.get("state")
        if before == {"path": path, "state": "absent"} and after == {"path": path, "state": state}:
            return {"prepared": f"+++ {path}: new {state}\n"}
        return diff
    is_new = before == "" and str(diff.get("before_header", "(absent)")).endswith("(absent)")
    if not is_new or not header or not isinstance(after, str):
        return diff
    lines = len(after.splitlines())
    if lines <= NEW_FILE_LINES:
        return diff
    digest = hashlib.sha256(after.encode("utf-8", "surrogateescape")).hexdigest()
    rest = {key: value for key, value in diff.items() if key not in ("before", "after")}
    return {**rest, "prepared": f"+++ {header}: new file, {lines} lines, sha256 {digest} (content: add -v)\n"}


def inventory_options(sources: Iterable[str], usual: Iterable[str]) -> str:
    """Return the options -i for the sources of an inventory, as words of a shell; empty for the usual one."""
    named = list(sources)
    if named == list(usual):
        return ""
    # Ansible makes paths absolute; a list of hosts, such as "pi," is none.
    below = f"{Path.cwd()}/"
    return " ".join(f"-i {shlex.quote(source.removeprefix(below))}" for source in named)


class Screen:
    """A display that shows the commands in its texts with options."""

    def __init__(self, display: Any, options: str) -> None:
        self.raw = display
        self._options = options

    def display(self, msg: str, *arguments: Any, **options: Any) -> None:
        """Show a text."""
        if self._options:
            msg = COMMAND.sub(lambda found: f"{found[0]}{self._options} ", msg)
        self.raw.display(msg, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


class CallbackModule(Default):  # type: ignore[misc]
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "edgebench.edge.edgebench_progress"

    def __init__(self) -> None:
        super().__init__()
        sources = context.CLIARGS.get("inventory") or constants.DEFAULT_HOST_LIST
        self._display = Screen(self._display, inventory_options(sources, constants.DEFAULT_HOST_LIST))
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
        # Guards what the watcher reads, and lets one thread alone print a title.
        self._guard = threading.RLock()
        # {task's UUID: (task, when it began, {hosts it runs on})}; several under the strategies free and host_pinned.
        self._running: dict[str, tuple[Any, float, set[str]]] = {}
        self._next_line: dict[str, float] = {}
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Note that a task begins on a host."""
        super().v2_runner_on_start(host, task)
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name=self.CALLBACK_NAME, daemon=True)
            self._watcher.start()
        if task.action.rpartition(".")[2] in OWN_PROGRESS:
            return
        with self._guard:
            now = time.monotonic()
            self._running.setdefault(task._uuid, (task, now, set()))[2].add(host.get_name())
            self._next_line.setdefault(task._uuid, now + HEARTBEAT_S)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note that a task has ended on a host, as the others do."""
        self._note_end(result)
        super().v2_runner_on_ok(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """See ``v2_runner_on_ok``."""
        self._note_end(result)
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """See ``v2_runner_on_ok``."""
        self._note_end(result)
        super().v2_runner_on_skipped(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """See ``v2_runner_on_ok``."""
        self._note_end(result)
        super().v2_runner_on_unreachable(result)

    def _handle_exception(self, result: Any, use_stderr: bool = False) -> None:
        """Show a failure once: ansible-core from 2.19 on would first show its message with lines of the play."""
        if self._display.verbosity or not hasattr(self, "_handle_warnings_and_exception"):
            super()._handle_exception(result, use_stderr)
        else:
            result.pop("exception", None)

    def v2_on_file_diff(self, result: Any) -> None:
        """Print a difference as it is: a file may have such a command."""
        screen = self._display
        self._display = screen.raw
        try:
            super().v2_on_file_diff(result)
        finally:
            self._display = screen

    def _get_diff(self, difflist: Any) -> str:
        if self._display.verbosity < 1:
            difflist = difflist if isinstance(difflist, list) else [difflist]
            difflist = [shorten(each) if isinstance(each, dict) else each for each in difflist]
        return str(super()._get_diff(difflist))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the recap."""
        self._ended.set()
        super().v2_playbook_on_stats(stats)

    def _note_end(self, result: Any) -> None:
        with self._guard:
            _, _, hosts = self._running.get(result._task._uuid, (None, 0, set()))
            hosts.discard(result._host.get_name())
            if not hosts:
                self._running.pop(result._task._uuid, None)
                self._next_line.pop(result._task._uuid, None)

    def _print_task_banner(self, task: Any) -> None:
        with self._guard:
            if self._last_task_banner != task._uuid:
                super()._print_task_banner(task)

    def _watch(self) -> None:
        """Print titles and lines of tasks that take their time, until the playbook ends."""
        # Other threads' forks are safe: nothing but display.display holds a lock that they need, and it is theirs.
        while not self._ended.wait(TICK_S):
            with self._guard:
                for uuid, (task, began, hosts) in list(self._running.items()):
                    now = time.monotonic()
                    if now - began < TITLE_S:
                        continue
                    if now < self._next_line[uuid]:
                        # Another task's title would hide it; its lines have its name.
                        if len(self._running) == 1:
                            self._print_task_banner(task)
                        continue
                    self._next_line[uuid] = now + HEARTBEAT_S
                    self._print_task_banner(task)
                    self._display.display(self._line(task, now - began, hosts))

    def _line(self, task: Any, seconds: float, hosts: set[str]) -> str:
        names = sorted(hosts)
        where = ", ".join(names[:NAMED])
        if len(names) > NAMED:
            where += f" and {len(names) - NAMED} more"
        # The default keeps the title with its variables filled in.
        title = self._last_task_name if self._last_task_banner == task._uuid else None
        return f"… {title or task.get_name().strip()}: {seconds:.0f} s on {where}"
