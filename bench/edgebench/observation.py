"""The series of one run: taken beside its process, put into its record.

Whatever goes wrong here becomes a reason in the record and never ends a
benchmark. Files lie in a folder beside the records, named by run and attempt.
"""

import contextlib
import os
import shutil
import tempfile

from edgebench.telemetry import sampling, summary

# The phase whose disturbances count, for each kind of record.
JUDGED = {"run": "train", "inference": "windows"}

_ENDING = ".jsonl"
# Of a run that was killed and has no record; the run that takes its place needs the name.
_UNRECORDED = ".unrecorded" + _ENDING


def folder_of(records_path):
    """Return the folder for the series of a records file, beside it."""
    stem = records_path[: -len(_ENDING)] if records_path.endswith(_ENDING) else records_path
    return stem + ".telemetry"


@contextlib.contextmanager
def short_lived_folder():
    """Give a folder for a series that is only looked at; None where none can be made, as on a full disk."""
    try:
        folder = tempfile.mkdtemp(prefix="edgebench-")
    except OSError:
        folder = None
    try:
        yield folder
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


class Observation:
    """The series of one process, as a context manager around it.

    folder: where it is written. stem: of its name. meters: commands of external
    meters. ``spans`` is to hold {phase: (start, end)} in monotonic seconds, as
    the process tells them. Without a folder nothing is observed.
    """

    def __init__(self, folder, stem, meters=()):
        self.spans = {}
        self.path = os.path.join(folder, stem + _ENDING) if folder else ""
        self._sampling = sampling.Sampling(self.path, meters=meters) if folder else None
        self._reason = "nothing was run" if folder else "switched off by --no-telemetry"

    def __enter__(self):
        if self._sampling:
            try:
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                if os.path.exists(self.path):
                    os.replace(self.path, self.path[: -len(_ENDING)] + _UNRECORDED)
            except OSError as error:
                self._reason = "the series cannot be written: {}".format(error)
            else:
                self._reason = self._sampling.start()
        return self

    def __exit__(self, *exception):
        if self._sampling:
            self._sampling.stop()

    def put_into(self, record):
        """Give the record of a process that has ended its ``telemetry``, or the reason why there is none."""
        told, missing = None, {"telemetry": self._reason}
        if self._reason is None:
            try:
                told, missing = summary.of_file(self.path, self.spans, JUDGED[record["record"]])
                if told is not None and record["record"] == "inference":
                    missing.update(_add_energy_per_inference(told, missing, record["windows"]))
            except Exception as error:  # noqa: BLE001 - a series is not worth a run
                told = None
                missing = {"telemetry": "{}: {}".format(type(error).__name__, error)}
        record["telemetry"] = told
        record["missing"].update(missing)


def _add_energy_per_inference(told, missing, windows):
    """Add ``energy_per_inference_j``; return {its path: why} where that is not known."""
    inferences = sum(each["inferences"] for each in windows)
    total_j = told["phases"].get("windows", {}).get("energy", {}).get("total_j")
    is_known = total_j is not None and inferences > 0
    told["energy_per_inference_j"] = total_j / inferences if is_known else None
    if is_known:
        return {}
    why = missing.get("telemetry.phases.windows.energy.total_j") or "the windows were not completed"
    return {"telemetry.energy_per_inference_j": why}


def disturbances(record):
    """Return the kinds of what disturbed a record's run (see telemetry.judge), [] for none or where nobody knows."""
    told = record.get("telemetry") or {}
    return list(told.get("disturbed") or [])


def words(record):
    """Return what disturbed a record's run, in words, "" for nothing."""
    told = record.get("telemetry") or {}
    return "; ".join(told.get("warnings") or [])
