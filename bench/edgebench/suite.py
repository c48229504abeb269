"""A suite: every (workload, repeat) in a fresh process, one record each, whatever happens to it."""

import os
import tempfile
import time
import uuid
from collections import namedtuple

from edgebench import child, progress, recording, records, verdict, workloads
from edgebench.data import manifest
from edgebench.data.sources import Finder
from edgebench.errors import DataError, UsageError, WrongDataError

Settings = namedtuple(
    "Settings",
    "workloads profile repeats data_mode data_dir cache_dir offline precision lookback_rows threads device "
    "input_mode limit_s seed run_id host out resume retry",
)
Settings.__doc__ = """What a suite is asked to do; see ``edgebench run --help`` for each."""

End = namedtuple("End", "status reason traceback")
End.__doc__ = """How a worker ended, in the words of a record."""

_PROBE_LIMIT_S = 300


class Suite:
    """Runs the workloads of ``settings``, telling ``display`` how it goes."""

    def __init__(self, settings, display):
        self.settings = settings
        self.display = display
        self.session = uuid.uuid4().hex[:12]

    def run(self):
        """Do what has no record yet; return the records of all that was asked for, the newest attempt of each."""
        settings = self.settings
        self._stage_data()
        facts, ended = self._probe()
        file = records.RecordFile(settings.out)
        try:
            if file.torn_path:
                self.display.say(
                    "an unfinished last line of {} was moved to {}".format(file.path, file.torn_path)
                )
            known = self._known(file)
            pending = [each for each in self._order() if self._is_pending(each, known)]
            self.display.plan(pending, len(self._order()) - len(pending))
            if pending:
                file.append(recording.host_record(settings, self.session, facts, ended.reason))
            for workload, repeat in pending:
                attempt = len(known.get((workload, repeat), [])) + 1
                record = self._one(workload, repeat, attempt, facts, ended)
                file.append(record)
                known.setdefault((workload, repeat), []).append(record)
                self.display.finish(record)
        finally:
            file.close()
            self.display.done()
        return [known[each][-1] for each in sorted(self._order(), key=self._table_order)]

    def _table_order(self, pair):
        return self.settings.workloads.index(pair[0]), pair[1]

    def _order(self):
        """Return all (workload, repeat), each round starting one further on, so that drift hits all alike."""
        names = self.settings.workloads
        order = []
        for repeat in range(1, self.settings.repeats + 1):
            shift = (repeat - 1) % len(names)
            order += [(name, repeat) for name in names[shift:] + names[:shift]]
        return order

    def _known(self, file):
        """Return {(workload, repeat): its records}; raise UsageError where the file is not one to go on with."""
        known = {}  # type: ignore[var-annotated]
        for record in file.records:
            if record["run_id"] != self.settings.run_id:
                raise UsageError(
                    "{} holds the run {}, not {}. Name another file with --out.".format(
                        file.path, record["run_id"], self.settings.run_id
                    )
                )
            if record["record"] == "run" and self._is_asked_for(record):
                self._check_same_settings(record, file.path)
                known.setdefault((record["workload"], record["repeat"]), []).append(record)
        if known and not self.settings.resume:
            raise UsageError(
                "{} already holds {} of these runs and --no-resume was given. Choose another --run-id, or leave "
                "--no-resume out to do only what is missing.".format(file.path, len(known))
            )
        return known

    def _is_asked_for(self, record):
        settings = self.settings
        return (
            record["workload"] in settings.workloads
            and record["repeat"] <= settings.repeats
            and record["profile"] == settings.profile
            and record["precision"] == settings.precision
            and record["options"] == recording.options_of(settings, record["workload"])
            and record["variant"] == recording.VARIANT
        )

    def _check_same_settings(self, record, path):
        """Refuse to go on under other settings: half of a run would not be comparable with the other half."""
        settings = self.settings
        now = dict(
            recording.requested(settings), threads=settings.threads, seed=settings.seed + record["repeat"]
        )
        then = dict(record["requested"], threads=record["threads"]["intra"], seed=record["seed"])
        differing = sorted(name for name in now if now[name] != then[name])
        if differing:
            raise UsageError(
                "{} was begun with other settings ({}). Go on with the same ones, or choose another --run-id.".format(
                    path, ", ".join("{} {} then, {} now".format(n, then[n], now[n]) for n in differing)
                )
            )

    def _is_pending(self, pair, known):
        if pair not in known:
            return True
        return self.settings.retry and known[pair][-1]["status"] != "ok"

    def _stage_data(self):
        settings = self.settings
        if settings.data_mode == "synthetic":
            return
        finder = Finder(
            manifest.load(),
            settings.data_dir,
            settings.cache_dir,
            offline=settings.offline,
            say=self.display.say,
        )
        for dataset in sorted({workloads.get(name).SPEC.dataset for name in settings.workloads}):
            try:
                found = finder.find(dataset)
                self.display.say("data: {} from the {}".format(dataset, found.source))
            except WrongDataError as error:
                self.display.say("data: {}".format(error))
            except DataError as error:
                if settings.profile == "quick":
                    told = "{} cannot be had, a synthetic stand-in takes its place; edgebench data status says more"
                    self.display.say("data: " + told.format(dataset))
                else:
                    self.display.say("data: {}".format(error))

    def _probe(self):
        """Import the framework once, in a process of its own; return (what it told, its End). Raises UsageError."""
        told = {}  # type: ignore[var-annotated]
        job = {"kind": "probe", "threads": self.settings.threads, "device": self.settings.device}
        end = _run_child(job, told, _PROBE_LIMIT_S, self._log_path("probe.log"), progress.Silent(None))
        return told, end

    def _one(self, workload, repeat, attempt, facts, probe_end):
        settings = self.settings
        self.display.start(workload, repeat, settings.repeats)
        record = recording.run_template(settings, self.session, workload, repeat, attempt)
        started = time.monotonic()
        if probe_end.status == "unsupported":
            recording.merge(record, {key: facts[key] for key in ("framework",) if key in facts})
            end = probe_end
        else:
            job = {
                "kind": "run",
                "threads": settings.threads,
                "device": settings.device,
                "workload": workload,
                "profile": settings.profile,
                "options": record["options"],
                "precision": settings.precision,
                "seed": record["seed"],
                "data_mode": settings.data_mode,
                "data_dir": settings.data_dir,
                "cache_dir": settings.cache_dir,
                "input_mode": settings.input_mode,
            }
            log_name = "{}.{}.{}.log".format(workload, repeat, attempt)
            end = _run_child(job, record, settings.limit_s, self._log_path(log_name), self.display)
        record["times"]["wall_s"] = time.monotonic() - started
        record.update(
            status=end.status, reason=end.reason, traceback=end.traceback, finished_utc=records.utc_now()
        )
        return recording.explained(records.without_nonfinite(record))

    def _log_path(self, name):
        folder = log_folder_of(self.settings.out)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name)


def host_facts():
    """Return (facts, missing) of this host and its framework, which is imported in a process of its own."""
    told = {}  # type: ignore[var-annotated]
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        log_path = os.path.join(folder, "probe.log")
        try:
            end = _run_child({"kind": "probe"}, told, _PROBE_LIMIT_S, log_path, progress.Silent(None))
        except UsageError as error:
            end = End("failed", str(error), None)
    part = recording.host_part(told, end.reason)
    return part["facts"], part["missing"]


def _run_child(job, told, limit_s, log_path, display):
    """Run a worker, merging what it tells of its record into ``told``; return its End."""
    ends = []

    def on_event(event):
        if event["event"] == "update":
            recording.merge(told, event["record"])
        elif event["event"] == "phase":
            display.phase(event["phase"])
        elif event["event"] == "epoch":
            display.epoch(event["done"], event["of"])
        elif event["event"] == "unusable":
            raise UsageError(event["reason"])
        elif event["event"] == "end":
            ends.append(End(event["status"], event["reason"], event["traceback"]))

    # A host without the framework is told as UsageError: no run on it could say anything else.
    ended = child.run(job, log_path, limit_s, on_event, display.tick)
    if not ends:
        status, reason = verdict.judge(ended)
        return End(status, reason, None)
    end = ends[-1]
    if end.status == "failed" and end.traceback and verdict.no_memory_in(end.traceback):
        return end._replace(status="oom")
    return end


def log_folder_of(records_path):
    """Return the folder for the workers' logs, beside the records file."""
    stem = records_path[: -len(".jsonl")] if records_path.endswith(".jsonl") else records_path
    return stem + ".logs"
