"""Runs explanations: the host's peaks once, then each workload in a process of its own, a record for each."""

import os
import time
import uuid
from collections import namedtuple

from edgebench import environment, recording, records, suite
from edgebench.data import manifest
from edgebench.data.sources import Finder
from edgebench.errors import DataError, EdgebenchError, UsageError, with_code
from edgebench.explain import explanation, words
from edgebench.progress import Step
from edgebench.roofline import survey

Wish = namedtuple(
    "Wish",
    "names data_mode data_dir cache_dir offline precision lookback_rows threads device peaks peaks_budget_s budget_s "
    "limit_s seed run_id host out",
)
Wish.__doc__ = (
    """What to explain; see ``edgebench explain --help``. peaks: measured before, None to measure."""
)

_PROBE_LIMIT_S = 300
# What a workload takes beside its rounds, on a PC.
_AROUND_S = 40.0


class Survey:
    """Explains the workloads of ``wish``, telling ``display`` how it goes."""

    def __init__(self, wish, display):
        self._wish = wish
        self._display = display
        self._session = uuid.uuid4().hex[:12]

    def run(self):
        """Explain what the records file has no explanation of yet; return the records of all that was asked for.

        Raises UsageError where the framework does not run or the file is of
        another run, RecordError where it cannot be trusted; neither leaves a new file.
        """
        wish = self._wish
        known = records.read(wish.out)[0] if os.path.exists(wish.out) else []
        found = {record["workload"]: record for record in known if self._is_asked_for(record, wish.out)}
        pending = [name for name in wish.names if name not in found]
        try:
            if pending:
                environment.tell_overruled(self._display.say)
                found.update(self._explained(pending))
        finally:
            self._display.done()
        return [found[name] for name in wish.names]

    def _explained(self, names):
        """Return {workload: its record}, each of them appended to the file as soon as it is there."""
        wish = self._wish
        facts = self._probe()
        with self._display.during("looking for data"):
            self._stage_data(names)
        threads = wish.threads or survey.processors()
        of_peaks = survey.peak_steps(threads, wish.peaks_budget_s) if wish.peaks is None else []
        steps = {name: Step(name, "explanation", wish.budget_s + _AROUND_S) for name in names}
        kept = len(wish.names) - len(names)
        self._display.plan(of_peaks + [steps[name] for name in names], kept, noun="step")
        peaks = wish.peaks
        if peaks is None:
            peaks = survey.peaks_of_host(threads, wish.peaks_budget_s, of_peaks, self._display)
        found = {}
        file = records.RecordFile(wish.out)
        try:
            file.append(recording.host_record(wish, self._session, facts, None))
            for name in names:
                self._display.start(steps[name])
                found[name] = self._one(name, peaks)
                file.append(found[name])
                self._display.end(words.in_a_line(found[name]))
        finally:
            file.close()
        return found

    def _is_asked_for(self, record, path):
        wish = self._wish
        if record["run_id"] != wish.run_id:
            raise UsageError(
                "{} belongs to the run {}, not to {}. Name another file with --out.".format(
                    path, record["run_id"], wish.run_id
                ),
                "run-id-differs",
            )
        return (
            record["record"] == "explanation"
            and record["status"] == "ok"
            and record["workload"] in wish.names
            and record["precision"] == wish.precision
            and record["threads"]["intra"] == wish.threads
            and record["options"] == recording.options_of(wish, record["workload"])
            and not environment.differences(record.get("environment"), environment.circumstances())
            and (wish.device == "auto" or record["device"]["kind"] == wish.device)
        )

    def _probe(self):
        """Return what the framework tells of itself; raise UsageError where it is missing or cannot run."""
        told = {}  # type: ignore[var-annotated]
        job = {"kind": "probe", "threads": self._wish.threads, "device": self._wish.device}
        self._display.aside(Step("looking at this host"))
        end = suite.run_child(job, told, _PROBE_LIMIT_S, self._log_path("probe"), self._display)
        self._display.end()
        if end.status != "ok":
            raise UsageError(
                "The framework does not run on this host: {}".format(end.reason), "framework-not-runnable"
            )
        return told

    def _stage_data(self, names):
        wish = self._wish
        if wish.data_mode == "synthetic":
            return
        finder = Finder(
            manifest.load(), wish.data_dir, wish.cache_dir, offline=wish.offline, say=self._display.say
        )
        for dataset in sorted({explanation.dataset_of(name) for name in names}):
            try:
                finder.find(dataset)
            except DataError as error:
                self._display.say("data: {}".format(with_code(error, error.code)))

    def _one(self, name, peaks):
        wish = self._wish
        record = explanation.template(wish, self._session, name)
        started = time.monotonic()
        job = {
            "kind": "explain",
            "threads": wish.threads,
            "device": wish.device,
            "workload": name,
            # Its samples suffice, and its batches are the published ones.
            "profile": "quick",
            "options": record["options"],
            "precision": wish.precision,
            "seed": wish.seed,
            "data_mode": wish.data_mode,
            "data_dir": wish.data_dir,
            "cache_dir": wish.cache_dir,
            "input_mode": "auto",
            "budget_s": wish.budget_s,
        }
        end = suite.run_child(job, record, wish.limit_s, self._log_path(name), self._display)
        if end.status == "ok":
            try:
                explanation.explain(record, peaks, wish.threads or survey.processors())
            except EdgebenchError as error:
                end = suite.End("failed", str(error), None)
        if end.status != "ok":
            explanation.leave_out(record)
        record["times"]["wall_s"] = time.monotonic() - started
        record.update(
            status=end.status, reason=end.reason, traceback=end.traceback, finished_utc=records.utc_now()
        )
        return explanation.finished(record)

    def _log_path(self, name):
        folder = suite.log_folder_of(self._wish.out)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, "explain.{}.log".format(name))
