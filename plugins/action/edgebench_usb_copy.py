# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Copy a board's system to its USB disk, apart from the connection, and show how far it is."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()


class ActionModule(ActionBase):  # type: ignore[misc]
    """See plugins/modules/edgebench_usb_copy.py."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the last line of the progress; fail where the copy fails or the board is lost."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            {
                "script": {"type": "path", "default": "/usr/local/sbin/edgebench-usb-root"},
                "poll_s": {"type": "int", "default": 5},
                "say_s": {"type": "int", "default": 30},
                "reconnect_s": {"type": "int", "default": 300},
            }
        )
        if self._play_context.check_mode:
            return {**result, "changed": True, "diff": {"before": "", "after": "the running system\n"}}
        host = (task_vars or {})["inventory_hostname"]
        self._ask(f"{options['script']} copy-start", options["reconnect_s"])
        said_at = time.monotonic()
        while True:
            state, _, rest = self._ask(f"{options['script']} copy-poll 5", options["reconnect_s"]).partition(
                "\n"
            )
            lines = [line for line in rest.splitlines() if line.strip()]
            last = " ".join(lines[-1].split()) if lines else ""
            if state != "running":
                break
            if time.monotonic() - said_at >= options["say_s"]:
                said_at = time.monotonic()
                display.display(f"{host} | copying: {last}")
            time.sleep(options["poll_s"])
        if state != "exit-0":
            why = "the copy was killed, or the board rebooted" if state == "gone" else "; ".join(lines)
            raise AnsibleActionFail(
                f"copying the system of {host} to its USB disk failed ({state}): {why}. Rerun the playbook: the copy "
                "resumes. The board still boots from its SD card [copy-failed]"
            )
        return {**result, "changed": True, "progress": last}

    def _ask(self, command: str, reconnect_s: int) -> str:
        lost_at: float | None = None
        while True:
            try:
                answer = self._low_level_execute_command(command)
                if answer["rc"] == 0 and answer["stdout"].strip():
                    return str(answer["stdout"]).replace("\r\n", "\n").strip()
                if answer["rc"] != 0:
                    raise AnsibleActionFail(
                        f"`{command}` failed: {answer['stderr'] or answer['stdout']}. Rerun the playbook: the copy "
                        "resumes [copy-command-failed]"
                    )
                raise AnsibleConnectionFailure("empty response")
            except AnsibleConnectionFailure as error:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > reconnect_s:
                    raise AnsibleActionFail(
                        f"lost the connection to the board for {reconnect_s} s during the copy ({error}). Switch the "
                        "board on and rerun the playbook: the copy resumes [board-unreachable]"
                    ) from error
                self._connection.reset()
                time.sleep(5)
