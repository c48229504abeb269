# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Fetch a host's records, series and logs to the controller."""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import shlex
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

# Bytes that are read at a time, before they are packed.
PIECE = 8 * 2**20
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
SERIES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}\.jsonl\Z")
STATE = re.compile(r"(running|resuming|lost|none|exit-[0-9]{1,3})\Z")

# More than any campaign has; what is beyond comes from a host that is broken or means harm.
MOST_FILES = 20_000
MOST_NAME = 512
MOST_RECORDS_BYTES = 256 * 2**20
MOST_LOG_BYTES = 64 * 2**20
MOST_BYTES_AT_ONCE = 4 * 2**30
MOST_NOT_OK = 200
# What a tar adds for each file: headers, and padding to blocks.
TAR_BYTES_A_FILE = 4096


def shown(said: object, most: int = 300) -> str:
    """Return what a host said as one line without control characters, cut to ``most`` characters."""
    line = "".join(each if each.isprintable() else " " for each in str(said)[: 4 * most])
    line = " ".join(line.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def gunzip(packed: bytes, most: int) -> bytes:
    """Return what was packed; ValueError where that is more than ``most`` bytes or not all there."""
    inflater = zlib.decompressobj(31)
    content = inflater.decompress(packed, most + 1)
    if len(content) > most:
        raise ValueError(
            f"the host sent more than the {most} bytes that it announced; rerun `ansible-playbook collect.yml` "
            "[transfer-too-large]"
        )
    if not inflater.eof:
        raise ValueError(
            "the transfer was truncated; rerun `ansible-playbook collect.yml` [transfer-truncated]"
        )
    return content


def inside(name: str, host: str, run_ids: list[str]) -> bool:
    """Return whether an archive's member is a file of one of the host's runs, and nothing that leads out of them."""
    parts = PurePosixPath(name).parts
    return (
        len(parts) >= 2
        and len(name) <= MOST_NAME
        and name.isprintable()
        and parts[0] in run_ids
        and ".." not in parts
        and (
            (len(parts) == 2 and parts[1] in {f"{host}{end}" for end in (".jsonl", ".progress.log", ".exit")})
            or (len(parts) > 2 and parts[1] == f"{host}.logs")
            or (len(parts) == 3 and parts[1] == f"{host}.telemetry" and SERIES.match(parts[2]) is not None)
        )
    )


def are_records(name: str) -> bool:
    """Return whether a file of a run is that of its records; a series of telemetry lies a folder deeper."""
    return name.endswith(".jsonl") and name.count("/") == 1


def unpack(archive: bytes, host: str, run_ids: list[str], most: int = 4 * PIECE) -> dict[str, bytes]:
    """Return name → content of the regular files in a gzipped tar.

    Raises ValueError for a file that does not belong, and for an archive with more than ``most`` bytes.
    """
    files = {}
    with tarfile.open(fileobj=io.BytesIO(gunzip(archive, most)), mode="r:") as tar:
        for member in tar:
            if member.isdir():
                continue
            name = str(PurePosixPath(member.name))
            if not member.isreg() or not inside(name, host, run_ids):
                raise ValueError(
                    f"the host sent a file that does not belong to its runs, {member.name!r}"[:300]
                    + "; reinstall its runner: ansible-playbook provision.yml --tags runner [file-not-of-run]"
                )
            # Only what is no regular file has no content.
            files[name] = cast(IO[bytes], tar.extractfile(member)).read()
    return files


def batches(sizes: dict[str, int], limit: int) -> Iterator[list[str]]:
    """Yield the names in their order, as many at a time as are not larger than the limit together; at least one."""
    batch: list[str] = []
    for name, size in sizes.items():
        if batch and sum(sizes[other] for other in batch) + size > limit:
            yield batch
            batch = []
        batch.append(name)
    if batch:
        yield batch


def listed(text: str, host: str, run_ids: list[str]) -> dict[str, tuple[int, str]]:
    """Return name → (size, SHA-256) from lines `SIZE NAME` and `SHA-256 *NAME`; ValueError for one out of place."""
    sizes: dict[str, int] = {}
    files = {}
    for line in text.splitlines():
        first, _, name = line.partition(" ")
        if not name.startswith("*"):
            if not inside(name, host, run_ids) or not re.fullmatch("[0-9]{1,15}", first):
                raise ValueError(
                    f"the host listed a file that does not belong to its runs, {line!r}"[:300]
                    + "; reinstall its runner: ansible-playbook provision.yml --tags runner [file-not-of-run]"
                )
            sizes[name] = int(first)
            if len(sizes) > MOST_FILES:
                raise ValueError(
                    f"the host has more than {MOST_FILES} files of these runs. Fetch one run at a time: "
                    "-e bench_run_id=RUN_ID [files-too-many]"
                )
        # A file that came between the two looks waits for the next time.
        elif name[1:] in sizes:
            files[name[1:]] = (sizes[name[1:]], first)
    return files


def fetchable(sizes: dict[str, int]) -> tuple[list[str], list[str]]:
    """Return the names to fetch and, as warnings, those that are too large; ValueError where records are."""
    fetched, left_out = [], []
    for name, size in sizes.items():
        if are_records(name) and size > MOST_RECORDS_BYTES:
            raise ValueError(
                f"{name} has {size} bytes on the host; expected at most {MOST_RECORDS_BYTES}. Inspect it there "
                "[records-too-large]"
            )
        if size > (MOST_RECORDS_BYTES if are_records(name) else MOST_LOG_BYTES):
            left_out.append(
                f"{name} has {size} bytes, more than {MOST_LOG_BYTES}, and stays on the host. Copy it by hand if you "
                "need it [file-too-large]"
            )
        else:
            fetched.append(name)
    total = sum(sizes[name] for name in fetched)
    if total > MOST_BYTES_AT_ONCE:
        raise ValueError(
            f"the host has {total} new bytes; one call fetches at most {MOST_BYTES_AT_ONCE}. "
            "Fetch one run at a time: -e bench_run_id=RUN_ID [files-too-large]"
        )
    return fetched, left_out


def records_last(names: Iterable[str]) -> list[str]:
    """Return the names sorted, records behind the rest: where they are, their series and logs are."""
    return sorted(names, key=lambda name: (are_records(name), name))


def same_content(path: Path, size: int, sha256: str) -> bool:
    """Return whether there is a file of this size and content."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() == sha256


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
        f"{name} on the controller and the host's file have different records. Move the controller's file away to keep "
        "it, then rerun `ansible-playbook collect.yml` [records-diverged]"
    )


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file so that a reader finds it as it was or as it is to be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            for piece in pieces:
                handle.write(piece)
            handle.flush()
            os.fsync(handle.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other playbooks from adding to the folder's records between a look at them and the writing of more."""
    folder.mkdir(parents=True, exist_ok=True)
    # A file, for NFS locks only what is open for writing, which a folder never is.
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def checked(pieces: Iterable[bytes], name: str, sha256: str | None) -> Iterator[bytes]:
    """Yield the pieces and raise ValueError after the last where they are not what was promised, if anything was."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if sha256 is not None and digest.hexdigest() != sha256:
        raise ValueError(
            f"{name} changed during the transfer (SHA-256 differs); rerun `ansible-playbook collect.yml` "
            "[checksum-differs]"
        )


def _inferred(record: dict[str, Any]) -> list[str]:
    """Return engine, model and its form of a record of inference; nothing of a training's."""
    if record["record"] != "inference":
        return []
    return [record["engine"]["name"], record["model"]["id"], record["model"]["form"]]


def _named(record: dict[str, Any]) -> str:
    if record["record"] == "inference":
        return " ".join([record["workload"], *_inferred(record)[:2]])
    if record["record"] == "explanation":
        return f"explanation of {record['workload']}"
    return f"{record['workload']} repeat {record['repeat']}"


def _disturbances(record: dict[str, Any]) -> list[str]:
    """Return the kinds of what disturbed a run, as its telemetry says."""
    return [str(kind) for kind in (record.get("telemetry") or {}).get("disturbed") or []]


def _cut(lines: list[str]) -> list[str]:
    return (
        lines if len(lines) <= MOST_NOT_OK else [*lines[:MOST_NOT_OK], f"and {len(lines) - MOST_NOT_OK} more"]
    )


def summarise(records: bytes) -> dict[str, Any]:
    """Return how many runs and inferences a records file tells of, and which newest attempts are bad or disturbed."""
    newest: dict[tuple[str, ...], tuple[int, str, str]] = {}
    unreadable = 0
    for line in records.split(b"\n"):
        if not line:
            continue
        try:
            record = json.loads(line)
            if record.get("record") not in ("run", "inference", "explanation"):
                continue
            same = ("record", "workload", "repeat", "profile", "variant", "options", "precision", "threads")
            key = tuple(
                json.dumps(each, sort_keys=True) for each in [*map(record.get, same), *_inferred(record)]
            )
            said = f"{_named(record)}: {record['status']}" + (
                f", {record['reason']}" if record.get("reason") else ""
            )
            is_ok = record["status"] == "ok"
            disturbed = (
                f"{_named(record)}: {', '.join(_disturbances(record))}" if _disturbances(record) else ""
            )
            attempt = (
                int(record.get("attempt", 1)),
                "" if is_ok else shown(said),
                shown(disturbed) if is_ok else "",
            )
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
            unreadable += 1
            continue
        if key not in newest or attempt[0] >= newest[key][0]:
            newest[key] = attempt
    not_ok = _cut([said for _, said, _ in newest.values() if said])
    disturbed_runs = _cut([said for _, _, said in newest.values() if said])
    if unreadable:
        not_ok.append(f"{unreadable} line(s) that are no records; edgebench-report names them")
    return {"records": len(newest), "not_ok": not_ok, "disturbed": disturbed_runs}


class ActionModule(ActionBase):  # type: ignore[misc]
    """See plugins/modules/edgebench_collect.py."""

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
            changed = self._fetch(arguments["home"], host, states, dest)
        except (EOFError, OSError, tarfile.TarError, binascii.Error, zlib.error) as error:
            raise AnsibleActionFail(
                f"{host}: collecting failed: {error}. Rerun: ansible-playbook collect.yml -l {host} [collect-failed]"
            ) from error
        except ValueError as error:
            raise AnsibleActionFail(f"{host}: {error}") from error
        except AnsibleConnectionFailure as error:
            raise AnsibleActionFail(
                f"{host} is unreachable, so its records stay there: {error}. Once it is back, run: ansible-playbook "
                f"collect.yml -l {host} [host-unreachable]"
            ) from error
        runs = []
        for run_id, state in states.items():
            if not self._play_context.check_mode:
                # What kept a host from being reported on, as role bench noted it, is over.
                (dest / run_id / f"{host}.problem.txt").unlink(missing_ok=True)
            name = f"{run_id}/{host}.jsonl"
            # In check mode, what would be here.
            content = self._records.get(name)
            if content is None:
                content = (dest / name).read_bytes() if (dest / name).exists() else b""
            runs.append({"run_id": run_id, "state": state, **summarise(content)})
        result.update(changed=bool(changed), files=sorted(changed), runs=runs)
        if self._left_out:
            result["warnings"] = self._left_out
        if changed and self._task.diff:
            result["diff"] = {"before": "", "after": "".join(f"{name}\n" for name in sorted(changed))}
        return result

    def _shell(self, script: str) -> str:
        answer = self._low_level_execute_command(script)
        if answer["rc"] != 0:
            raise AnsibleActionFail(
                f"reading the records failed: {shown(answer['stderr'] or answer['stdout'])}. Check the host's disk, "
                "then rerun `ansible-playbook collect.yml` [records-unreadable]"
            )
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
            run_id, _, rest = line.partition(" ")
            state = rest.split(" ")[0]
            if RUN_ID.match(run_id) and not STATE.match(state):
                raise ValueError(
                    f"the host reports an unknown state of a run, {shown(line)!r}; update its runner: "
                    "ansible-playbook provision.yml --tags runner [state-unknown]"
                )
            if RUN_ID.match(run_id) and (not wanted or run_id in wanted):
                states[run_id] = state
        return states

    def _fetch(self, home: str, host: str, states: dict[str, str], dest: Path) -> list[str]:
        """Bring what is new or has grown, and return its names."""
        self._records: dict[str, bytes] = {}
        self._left_out: list[str] = []
        changed: list[str] = []
        folder = f"{home}/results"
        files = self._listing(folder, host, list(states))
        new = [name for name in records_last(files) if not same_content(dest / name, *files[name])]
        wanted, self._left_out = fetchable({name: files[name][0] for name in new})
        for batch in batches({name: files[name][0] for name in wanted}, PIECE):
            if files[batch[0]][0] > PIECE:
                contents = {batch[0]: self._pieces(folder, batch[0], files[batch[0]][0])}
            else:
                contents = {
                    name: iter([content]) for name, content in self._small(folder, host, batch).items()
                }
            for name in batch:
                # What is still written may have grown since it was listed.
                under_way = states[name.split("/")[0]] in ("running", "resuming")
                pieces = checked(contents[name], name, None if under_way else files[name][1])
                if self._store(dest / name, name, pieces):
                    changed.append(name)
        return changed

    def _listing(self, folder: str, host: str, run_ids: list[str]) -> dict[str, tuple[int, str]]:
        """Return name → (size, SHA-256) of all files of the runs."""
        if not run_ids:
            return {}
        patterns = " ".join(
            f"{shlex.quote(run_id)}/{shlex.quote(host)}.{end}"
            for run_id in run_ids
            for end in ("jsonl", "logs", "telemetry", "progress.log", "exit")
        )
        text = self._shell(
            f"cd {shlex.quote(folder)} && set -- && for file in {patterns}; do "
            'if [ -e "$file" ]; then set -- "$@" "$file"; fi; done; if [ $# -gt 0 ]; then '
            'find "$@" -type f -printf \'%s %p\\n\'; find "$@" -type f -exec sha256sum -b {} +; fi'
        )
        return listed(text, host, run_ids)

    def _small(self, folder: str, host: str, names: list[str]) -> dict[str, bytes]:
        """Return name → content of files that fit into one answer."""
        # A file that grows while it is read makes tar end with 1; what it holds by then is as good as any.
        encoded = self._shell(
            f"cd {shlex.quote(folder)} && {{ tar -czf - -- {shlex.join(names)} 2> /dev/null; [ $? -le 1 ]; }} | base64"
        )
        # A file that grows meanwhile has the room of another piece.
        most = 2 * PIECE + TAR_BYTES_A_FILE * (len(names) + 16)
        found = unpack(base64.b64decode(encoded), host, [name.split("/")[0] for name in names], most)
        lacking = [name for name in names if name not in found]
        if lacking:
            raise ValueError(
                f"the host did not send {', '.join(lacking)}; rerun `ansible-playbook collect.yml` [file-not-sent]"
            )
        return found

    def _pieces(self, folder: str, name: str, size: int) -> Iterator[bytes]:
        """Yield the content of a large file."""
        for start in range(0, size, PIECE):
            length = min(PIECE, size - start)
            encoded = self._shell(
                f"cd {shlex.quote(folder)} && "
                f"tail -c +{start + 1} {shlex.quote(name)} | head -c {length} | gzip -c | base64"
            )
            piece = gunzip(base64.b64decode(encoded), length)
            if len(piece) != length:
                raise ValueError(
                    f"{name} is shorter than its {size} bytes; rerun `ansible-playbook collect.yml` "
                    "[transfer-truncated]"
                )
            yield piece

    def _store(self, path: Path, name: str, pieces: Iterable[bytes]) -> bool:
        """Write a file where it is new or has grown, and return whether it is and has."""
        if are_records(name):
            remote = whole_lines(b"".join(pieces))
            with contextlib.nullcontext() if self._play_context.check_mode else alone(path.parent):
                local = path.read_bytes() if path.exists() else b""
                content = merge_records(str(path), local, remote)
                self._records[name] = content
                if content == local and path.exists():
                    return False
                if not self._play_context.check_mode:
                    write_whole(path, [content])
            return True
        if name.endswith(".jsonl"):
            content = b"".join(pieces)
            # A host whose disk lost the end of a series takes nothing from the controller.
            if path.exists() and path.read_bytes().startswith(content):
                return False
            pieces = [content]
        if not self._play_context.check_mode:
            write_whole(path, pieces)
        return True
