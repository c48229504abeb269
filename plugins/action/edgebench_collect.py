# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Fetch a host's records and logs to the controller."""

from __future__ import annotations

import base64
import binascii
import io
import json
import os
import re
import shlex
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

DOCUMENTATION = r"""
module: edgebench_collect
short_description: Fetch the records and logs of a host
description:
  - >-
    Brings what the host has of its runs to the controller, whether they have ended or not, in one transfer. Every file
    is written whole or not at all. Records on the controller are only ever added to.
  - In check mode, reads and compares, and writes nothing.
options:
  home:
    description: The edgebench home, an absolute path on the host.
    type: str
    required: true
  run_ids:
    description: The runs to fetch; empty, all that the host has.
    type: list
    elements: str
    default: []
  dest:
    description: The folder of the results on the controller.
    type: path
    required: true
author: The edgebench authors
"""

EXAMPLES = r"""
- name: Fetch all runs
  edgebench_collect:
    home: /home/nano/edgebench
    dest: results
"""

RETURN = r"""
runs:
  description: >-
    One entry a run, with C(run_id), C(state) (C(running), C(exit-CODE), C(lost) or C(none)), C(records), the number of
    run records, and C(not_ok), one line for every run whose newest attempt is not ok.
  type: list
  elements: dict
  returned: success
files:
  description: The files that were new or had grown, relative to the folder of the results.
  type: list
  elements: str
  returned: success
"""

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def inside(name: str, host: str, run_ids: list[str]) -> bool:
    """Return whether an archive's member is a file of one of the host's runs, and nothing that leads out of them."""
    parts = PurePosixPath(name).parts
    return (
        len(parts) >= 2
        and parts[0] in run_ids
        and ".." not in parts
        and (
            (len(parts) == 2 and parts[1] in {f"{host}{end}" for end in (".jsonl", ".progress.log", ".exit")})
            or (len(parts) > 2 and parts[1] == f"{host}.logs")
        )
    )


def unpack(archive: bytes, host: str, run_ids: list[str]) -> dict[str, bytes]:
    """Return name → content of the regular files in a gzipped tar; raise ValueError for one that does not belong."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            if member.isdir():
                continue
            name = str(PurePosixPath(member.name))
            if not member.isreg() or not inside(name, host, run_ids):
                raise ValueError(f"the host sent {member.name!r}, which is no file of its runs")
            content = tar.extractfile(member)
            assert content is not None
            files[name] = content.read()
    return files


def whole_lines(content: bytes) -> bytes:
    """Return the content up to the last line end: a record that is being written is left for the next time."""
    return content[: content.rfind(b"\n") + 1]


def merge_records(name: str, local: bytes, remote: bytes) -> bytes:
    """Return what the controller should hold; records are only ever appended, so one side begins with the other.

    Raises ValueError where neither does.
    """
    if remote.startswith(local):
        return remote
    if local.startswith(remote):
        return local
    raise ValueError(
        f"{name} on the controller holds records that the host does not have, and the other way round. Move the file "
        "away to keep it, and collect again"
    )


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds it as it was or as it is to be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def summarise(records: bytes) -> dict[str, Any]:
    """Return how many runs a records file tells of, and which of them are not ok in their newest attempt."""
    newest: dict[tuple[str, ...], dict[str, Any]] = {}
    for line in records.splitlines():
        record = json.loads(line)
        if record.get("record") != "run":
            continue
        same = ("workload", "repeat", "profile", "variant", "options", "precision", "threads")
        key = tuple(json.dumps(record.get(name), sort_keys=True) for name in same)
        if key not in newest or record["attempt"] >= newest[key]["attempt"]:
            newest[key] = record
    not_ok = [
        f"{record['workload']} repeat {record['repeat']}: {record['status']}"
        + (f", {record['reason']}" if record.get("reason") else "")
        for record in newest.values()
        if record["status"] != "ok"
    ]
    return {"records": len(newest), "not_ok": not_ok}


class ActionModule(ActionBase):  # type: ignore[misc]
    """See DOCUMENTATION."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the host's runs and the files that were new."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "home": {"type": "str", "required": True},
                "run_ids": {"type": "list", "elements": "str", "default": []},
                "dest": {"type": "path", "required": True},
            }
        )
        host = (task_vars or {})["inventory_hostname"]
        dest = Path(arguments["dest"])
        try:
            states = self._states(arguments["home"], host, arguments["run_ids"])
            files = self._files(arguments["home"], host, list(states))
            changed = self._store(files, dest)
        except (ValueError, tarfile.TarError, binascii.Error) as error:
            raise AnsibleActionFail(f"{host}: {error}") from error
        except AnsibleConnectionFailure as error:
            raise AnsibleActionFail(
                f"{host} cannot be reached, so its records stay there: {error}. Once it is back: ansible-playbook "
                f"collect.yml -l {host}"
            ) from error
        runs = []
        for run_id, state in states.items():
            name = f"{run_id}/{host}.jsonl"
            content = (
                (dest / name).read_bytes() if (dest / name).exists() else whole_lines(files.get(name, b""))
            )
            runs.append({"run_id": run_id, "state": state, **summarise(content)})
        result.update(changed=bool(changed), files=sorted(changed), runs=runs)
        if changed and self._task.diff:
            result["diff"] = {"before": "", "after": "".join(f"{name}\n" for name in sorted(changed))}
        return result

    def _shell(self, script: str) -> str:
        answer = self._low_level_execute_command(script)
        if answer["rc"] != 0:
            raise AnsibleActionFail(f"reading the records failed: {answer['stderr'] or answer['stdout']}")
        return str(answer["stdout"])

    def _states(self, home: str, host: str, wanted: list[str]) -> dict[str, str]:
        """Return run id → state of the runs the host has, oldest first; of those wanted, where any are."""
        quoted_home, quoted_host = shlex.quote(home), shlex.quote(host)
        listing = self._shell(
            f"cd {quoted_home}/results 2> /dev/null || exit 0; "
            f'for run in *; do if [ -e "$run"/{quoted_host}.jsonl ] || [ -e "$run"/{quoted_host}.progress.log ]; then '
            f'echo "$run $({quoted_home}/bin/edgebench-detached poll {quoted_host} "$run" 999999999999)"; fi; done'
        )
        states = {}
        for line in listing.splitlines():
            run_id, state, _ = line.split()
            if RUN_ID.match(run_id) and (not wanted or run_id in wanted):
                states[run_id] = state
        return states

    def _files(self, home: str, host: str, run_ids: list[str]) -> dict[str, bytes]:
        """Return name → content of all files of the runs."""
        if not run_ids:
            return {}
        patterns = " ".join(
            f"{shlex.quote(run_id)}/{shlex.quote(host)}.{end}"
            for run_id in run_ids
            for end in ("jsonl", "logs", "progress.log", "exit")
        )
        # A file that grows while it is read makes tar end with 1; what it holds by then is as good as any.
        encoded = self._shell(
            f"cd {shlex.quote(home)}/results && files= && for file in {patterns}; do "
            'if [ -e "$file" ]; then files="$files $file"; fi; done; '
            "{ tar -czf - $files 2> /dev/null; [ $? -le 1 ]; } | base64"
        )
        return unpack(base64.b64decode(encoded), host, run_ids)

    def _store(self, files: dict[str, bytes], dest: Path) -> list[str]:
        """Write what is new or has grown, and return its names."""
        changed = []
        # Records last: where they are, their logs are.
        for name in sorted(files, key=lambda name: (name.endswith(".jsonl"), name)):
            path, content = dest / name, files[name]
            local = path.read_bytes() if path.exists() else None
            if name.endswith(".jsonl"):
                content = merge_records(str(path), local or b"", whole_lines(content))
            if content != local:
                changed.append(name)
                if not self._play_context.check_mode:
                    write_whole(path, content)
        return changed
