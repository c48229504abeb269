"""Records: one JSON object a line, written durably, checked against the schema both ways.

The file is append-only. A process killed in the middle of a write leaves at
most one torn last line; opening the file for writing moves that line aside
and keeps every whole record as it was, byte for byte.
"""

import datetime
import fcntl
import functools
import json
import math
import os
import pkgutil

from edgebench import schema, storage
from edgebench.errors import RecordError, UsageError

SCHEMA_VERSION = 2
# Larger than any record that is not made of thousands of epochs.
_RESERVE_BYTES = 256 * 1024
_UNEXPLAINED = ("reason", "traceback", "missing", "data.note", "telemetry")


@functools.lru_cache(maxsize=None)
def load_schema():
    """Return the record schema, a draft-07 JSON Schema, as a dict."""
    content = pkgutil.get_data("edgebench", "record.schema.json") or b""
    return json.loads(content.decode("utf-8"))


def utc_now():
    """Return the time now as ``YYYY-MM-DDTHH:MM:SSZ``."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def without_nonfinite(value):
    """Return ``value`` with every NaN and infinity, which JSON does not have, replaced by None."""
    if isinstance(value, dict):
        return {key: without_nonfinite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nonfinite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def explain_missing(record, reason):
    """Give every null of ``record`` that has no reason of its own ``reason``, under its dotted path in ``missing``."""
    missing = dict(record.get("missing") or {})
    for path in _null_paths(record, ""):
        if not path.startswith(_UNEXPLAINED):
            missing.setdefault(path, reason)
    record["missing"] = missing
    return record


def _null_paths(value, prefix):
    for name in sorted(value):
        path = prefix + name
        if value[name] is None:
            yield path
        elif isinstance(value[name], dict):
            for deeper in _null_paths(value[name], path + "."):
                yield deeper


def validate(record, where):
    """Raise RecordError naming ``where`` and every problem when ``record`` does not follow the schema."""
    found = schema.problems(record, load_schema())
    if found:
        raise RecordError("{}: not a valid record: {}".format(where, "; ".join(found[:5])), "record-invalid")
    return record


def _refuse_newer(record, where):
    version = record.get("schema") if isinstance(record, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise RecordError(
            "{}: written by a newer edgebench: schema version {}, this runner supports up to {}. Update it "
            "(ansible-playbook provision.yml --tags runner), or choose another --run-id. The file is unchanged.".format(
                where, version, SCHEMA_VERSION
            ),
            "schema-newer",
        )


def _refuse_constant(name):
    raise ValueError("{} is not a JSON number".format(name))


def read(path):
    """Read a records file.

    Returns (records, torn): the valid records in order, and the bytes of an
    unfinished last line (b"" when there is none). Raises RecordError for any
    other line that is not a valid record: that file was not written by this
    program and is not touched.
    """
    with open(path, "rb") as handle:
        content = handle.read()
    whole, newline, torn = content.rpartition(b"\n")
    records = []
    # Lines end as the reporter's do; splitlines would also split at a lone carriage return.
    for number, line in enumerate((whole + newline).split(b"\n")[:-1], 1):
        where = "{}:{}".format(path, number)
        try:
            record = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise RecordError(
                "{}: not JSON ({}). Move the file away, or name another with --out.".format(where, error),
                "record-not-json",
            )
        _refuse_newer(record, where)
        records.append(validate(record, where))
    return records, torn


class RecordFile:
    """The records of one host and run, open for appending.

    ``records`` holds what the file had when it was opened. ``torn_path`` is
    where an unfinished last line was moved to, or None. A file of the same name
    with ``.reserve`` keeps room for one more record while this one is open: what
    took hours to measure is recorded although the disk has filled meanwhile.
    ``is_full`` says that this room was needed.
    """

    def __init__(self, path):
        self.path = path
        self.records = []
        self.torn_path = None
        self.is_full = False
        self._reserve = path + ".reserve"
        check_path(path)
        folder = os.path.dirname(os.path.abspath(path))
        os.makedirs(folder, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            self._lock()
            self.records, torn = read(path)
            with storage.named(path):
                if torn:
                    self._set_aside(torn)
                self._keep_room()
        except BaseException:
            os.close(self._descriptor)
            raise
        _sync_folder(folder)

    def _lock(self):
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (IOError, OSError):
            raise RecordError(
                "{} is in use by another edgebench process. Wait until it ends, or choose another --run-id.".format(
                    self.path
                ),
                "records-locked",
            )

    def _set_aside(self, torn):
        self.torn_path = self.path + ".torn"
        with open(self.torn_path, "ab") as handle:
            handle.write(torn + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
        with open(self.path, "r+b") as handle:
            handle.truncate(os.path.getsize(self.path) - len(torn))
            os.fsync(handle.fileno())

    def _keep_room(self):
        try:
            with open(self._reserve, "wb") as handle:
                # Not zeros, for which some file systems keep no room.
                handle.write(os.urandom(_RESERVE_BYTES))
                handle.flush()
                os.fsync(handle.fileno())
        except OSError:
            _remove(self._reserve)
            raise

    def append(self, record):
        """Validate ``record`` and add it durably: when this returns, it survives a power cut."""
        validate(record, self.path)
        line = json.dumps(record, allow_nan=False, ensure_ascii=False, sort_keys=True).encode("utf-8") + b"\n"
        try:
            self._write(line)
        except OSError as error:
            if not storage.is_full(error):
                raise self._not_written(error)
            self.is_full = True
            _remove(self._reserve)
            try:
                self._write(line)
            except OSError as again:
                raise self._not_written(again)
        self.records.append(record)

    def _write(self, line):
        """Write the whole line durably, or leave the file as it was. Raises OSError."""
        size = os.fstat(self._descriptor).st_size
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError:
            try:
                os.ftruncate(self._descriptor, size)
            except OSError:
                # Then the next one who opens it sets the torn line aside.
                pass
            raise

    def _not_written(self, error):
        return RecordError(
            "the latest record was not written, the {} earlier ones are kept: {}".format(
                len(self.records), storage.explained(error, self.path)
            ),
            "record-not-written",
        )

    def close(self):
        """Close the file; what was appended stays."""
        _remove(self._reserve)
        os.close(self._descriptor)


def check_path(path):
    """Raise UsageError if there can be no records file at ``path``; makes nothing."""
    if os.path.exists(path):
        if not os.path.isfile(path):
            raise UsageError(
                "{} is not a regular file, which records need. Name another one with --out.".format(path),
                "records-not-a-file",
            )
        usable = path
    else:
        usable = os.path.dirname(os.path.abspath(path))
        while not os.path.lexists(usable) and usable != os.path.dirname(usable):
            usable = os.path.dirname(usable)
        if not os.path.isdir(usable):
            raise UsageError(
                "{} is not a folder, so {} cannot be written. Name another file with --out, or another folder with "
                "EDGEBENCH_HOME.".format(usable, path),
                "records-folder-unusable",
            )
    if not os.access(usable, os.W_OK):
        raise UsageError(
            "{} is not writable for this user, so the records cannot be written. Name another file with --out, or "
            "another folder with EDGEBENCH_HOME.".format(usable),
            "records-folder-unusable",
        )


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
