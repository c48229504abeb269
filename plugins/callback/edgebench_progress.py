# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Ansible's usual output, which also shows at once what is running, and for how long."""

from __future__ import annotations

import io
import sys
import threading
import time
from typing import Any

from ansible.plugins.callback.default import CallbackModule as Default

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
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout_callback in ansible.cfg
author: The edgebench authors
"""

TITLE_S = 1.0
HEARTBEAT_S = 10.0
TICK_S = 0.25
# Hosts that a line names.
NAMED = 3
# They show their own progress.
OWN_PROGRESS = ("edgebench_run",)


class CallbackModule(Default):  # type: ignore[misc]
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "edgebench_progress"

    def __init__(self) -> None:
        super().__init__()
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
