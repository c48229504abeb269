"""A suite: every task in a fresh process, one record each, whatever happens to it."""

import os
import tempfile
import time
import uuid
from collections import namedtuple

from edgebench import (
    child,
    conditions,
    environment,
    keyword_spotting,
    observation,
    pacing,
    progress,
    recording,
    records,
    strictness,
    tasks,
    tuning,
    verdict,
    workloads,
)
from edgebench.data import manifest
from edgebench.data.sources import Finder
from edgebench.errors import DataError, RecordError, UsageError, WrongDataError, with_code
from edgebench.kws import convert_job, engines, plan

Settings = namedtuple(
    "Settings",
    "workloads profile repeats data_mode data_dir cache_dir offline precision lookback_rows threads device "
    "input_mode limit_s seed run_id host out resume retry engines models engine_threads search_limit_s telemetry "
    "meters strict",
)
Settings.__doc__ = """What a suite is asked to do; see ``edgebench run --help`` for each."""

End = namedtuple("End", "status reason traceback")
End.__doc__ = """How a worker ended, in the words of a record."""

_PROBE_LIMIT_S = 300
_CONVERT_LIMIT_S = 900


class Suite:
    """Runs the workloads of ``settings``, telling ``display`` how it goes: trainings first, then inference."""

    def __init__(self, settings, display):
        self.settings = settings
        self.display = display
        self.session = uuid.uuid4().hex[:12]
        self.engines = {}
        self._strictness = strictness.Strictness(settings.strict)

    def run(self):
        """Do what has no record yet; return the records of all that was asked for, the newest attempt of each."""
        settings = self.settings
        environment.tell_overruled(self.display.say)
        staged = self._stage_data()
        (facts, ended), found, sources = self._look(self._probe)
        asked_for = tasks.trainings(settings) + self._inferences(staged)
        file = records.RecordFile(settings.out)
        try:
            if file.torn_path:
                self.display.say(
                    "an unfinished last line of {} was moved to {}".format(file.path, file.torn_path)
                )
            known = self._known(file, {task.identity: task for task in asked_for})
            pending = [task for task in asked_for if self._is_pending(task, known)]
            pacing.guess(pending, file.records, facts.get("times", {}).get("import_s"))
            searches = pacing.searches(pending, file.records, settings)
            self.display.plan(pending, len(asked_for) - len(pending), asides=searches.values())
            if pending:
                found = self._fit(found)
                checked = conditions.as_json(found)
                told = recording.host_record(
                    settings, self.session, facts, ended.reason, self.engines, sources, checked
                )
                file.append(told)
            for task in pending:
                attempts = known.setdefault(task.identity, [])
                if task.workload in searches and ended.status != "unsupported":
                    self._tune(task, file.records, searches[task.workload])
                while True:
                    record = self._one(task, len(attempts) + 1, facts, ended)
                    file.append(record)
                    attempts.append(record)
                    if file.is_full or not self._repeats(attempts):
                        break
                self.display.finish(record)
                if file.is_full:
                    raise RecordError(
                        "the disk is full. The measurements are recorded in {}. Free some space, then run the same "
                        "command again with --run-id {}.".format(file.path, settings.run_id),
                        "disk-full",
                    )
        finally:
            file.close()
            self.display.done()
        # Sorting is stable: repeats and engines keep their order within a workload.
        in_order = sorted(asked_for, key=lambda task: settings.workloads.index(task.workload))
        return [known[task.identity][-1] for task in in_order]

    def _known(self, file, asked_for):
        """Return {identity: its records}; raise UsageError where the file is not one to go on with."""
        known = {}  # type: ignore[var-annotated]
        inherited = environment.circumstances()
        for record in file.records:
            if record["run_id"] != self.settings.run_id:
                raise UsageError(
                    "{} contains the run {}, not {}. Name another file with --out.".format(
                        file.path, record["run_id"], self.settings.run_id
                    ),
                    "run-id-differs",
                )
            task = asked_for.get(tasks.identity_of(record))
            if task is not None and task.is_asked_for(record):
                _check_same_settings(task, record, inherited, file.path)
                known.setdefault(task.identity, []).append(record)
        if known and not self.settings.resume:
            raise UsageError(
                "{} already contains {} of these runs. Choose another --run-id, or omit --no-resume to execute only "
                "the missing runs.".format(file.path, len(known)),
                "run-already-recorded",
            )
        return known

    def _is_pending(self, task, known):
        if task.identity not in known:
            return True
        attempts = known[task.identity]
        if self._strictness.wants_another(attempts):
            return True
        return self.settings.retry and attempts[-1]["status"] != "ok"

    def _look(self, work):
        """Do ``work`` and watch the host meanwhile; return (what it returned, list of Condition, sources or None)."""
        with observation.short_lived_folder() as folder:
            seen = observation.Observation(self.settings.telemetry and folder, "look", self.settings.meters)
            with seen:
                started = time.monotonic()
                done = work()
                if self.settings.strict:
                    time.sleep(max(0.0, started + conditions.LOOK_S - time.monotonic()))
            found, sources = conditions.look(seen.path, os.path.dirname(self.settings.out))
        return done, found, sources

    def _fit(self, found):
        """Say what is not as it should be; under --strict wait for what passes, and raise UsageError for the rest."""
        if self.settings.strict:
            found = self._strictness.settled(found, self._look_again, self.display.say)
        for each in conditions.unmet(found):
            self.display.say("conditions: {}; {}".format(each.said, each.remedy))
        if self.settings.strict:
            strictness.refuse(found)
        return found

    def _look_again(self):
        return self._look(lambda: None)[1]

    def _repeats(self, attempts):
        """Tell whether the newest of a run's attempts was disturbed and is repeated; then wait for the host to calm."""
        if not self._strictness.wants_another(attempts):
            return False
        self.display.disturbed(attempts[-1])
        if not self._strictness.is_calm(attempts[-1], self._look_again, self.display.say):
            return False
        self.display.again()
        return True

    def _stage_data(self):
        """Fetch what can be fetched, and say what is there; return {data set: its Found} of those that are."""
        with self.display.during("looking for data"):
            return self._find_data()

    def _find_data(self):
        settings = self.settings
        finder = self._finder()
        trained = {workloads.get(name).SPEC.dataset for name in settings.workloads if name in workloads.NAMES}
        wanted = set() if settings.data_mode == "synthetic" else trained
        if keyword_spotting.NAME in settings.workloads:
            wanted = wanted.union(keyword_spotting.needed(settings.data_mode))
        staged = {}
        for dataset in sorted(wanted):
            try:
                staged[dataset] = finder.find(dataset)
                self.display.say("data: {} from the {}".format(dataset, staged[dataset].source))
            except WrongDataError as error:
                self.display.say("data: {}".format(with_code(error, error.code)))
            except DataError as error:
                if dataset in keyword_spotting.DATASETS:
                    self.display.say("data: " + keyword_spotting.without(dataset))
                elif settings.profile == "quick":
                    told = (
                        "{} not found, synthetic data replaces it. For the reason, run: edgebench data status"
                    )
                    self.display.say(with_code("data: " + told.format(dataset), error.code))
                else:
                    self.display.say("data: {}".format(with_code(error, error.code)))
        return staged

    def _finder(self):
        settings = self.settings
        return Finder(
            manifest.load(),
            settings.data_dir,
            settings.cache_dir,
            offline=settings.offline,
            say=self.display.say,
        )

    def _inferences(self, staged):
        """Return what keyword spotting is to be measured with, as tasks. staged: {data set: its Found}."""
        settings = self.settings
        if keyword_spotting.NAME not in settings.workloads:
            return []
        self._look_for_engines()
        self._convert_models(staged)
        try:
            found = plan.combinations(
                self._finder(), settings.engines, settings.models, settings.engine_threads
            )
        except UsageError as error:
            # Who asked for nothing in particular gets the trainings all the same.
            if settings.engines or settings.models or settings.workloads == [keyword_spotting.NAME]:
                raise
            self.display.say("kws: {}".format(error))
            return []
        inputs = staged.get(keyword_spotting.INPUTS)
        return [tasks.Inference(settings, engine, model, threads, inputs) for engine, model, threads in found]

    def _look_for_engines(self):
        installed = plan.installed()
        self.engines = {name: name in installed for name in engines.NAMES}
        lacking = [name for name in engines.NAMES if name not in installed]
        if lacking and not self.settings.engines:
            self.display.say("kws: not installed here, so left out: {}".format(", ".join(lacking)))

    def _convert_models(self, staged):
        """Make float32 and int8 models of the reference one, where there are none and this host's packages can."""
        settings = self.settings
        sets = [staged.get(each) for each in (keyword_spotting.MODELS, keyword_spotting.INPUTS)]
        if None in sets or not convert_job.is_wanted(
            settings.models, (settings.data_dir, settings.cache_dir)
        ):
            return
        told = {}  # type: ignore[var-annotated]
        job = convert_job.describe(sets[0], sets[1], settings.cache_dir)
        self.display.aside(
            progress.Step(
                "kws: converting the reference model to .tflite and ONNX, in float32 and int8, once"
            )
        )
        end = run_child(job, told, _CONVERT_LIMIT_S, self._log_path("convert.log"), self.display)
        self.display.end()
        for reason in told.get("refused", []):
            self.display.say("kws: converted in part: {}".format(reason))
        if end.status != "ok":
            self.display.say("kws: no conversion, {} ({})".format(end.status, end.reason))

    def _probe(self):
        """Import the framework once, in a process of its own; return (what it told, its End). Raises UsageError."""
        told = {}  # type: ignore[var-annotated]
        job = {"kind": "probe", "threads": self.settings.threads, "device": self.settings.device}
        try:
            self.display.aside(progress.Step("looking at this host"))
            end = run_child(job, told, _PROBE_LIMIT_S, self._log_path("probe.log"), self.display)
            self.display.end()
        except UsageError as error:
            # Inference can do without the framework, a training cannot.
            if self.settings.workloads != [keyword_spotting.NAME]:
                raise
            end = End("unsupported", str(error), None)
        return told, end

    def _tune(self, task, known, step):
        """Give a training of the tuned profile its settings: those of an earlier repeat, or of a search, a Step."""
        task.tuning = tuning.earlier(task, known)
        if task.tuning is not None:
            return
        self.display.aside(step)
        told = {}  # type: ignore[var-annotated]
        log_path = self._log_path("{}.tune.log".format(task.workload))
        limit_s = min(self.settings.limit_s, tuning.child_limit_s(self.settings.search_limit_s))
        started = time.monotonic()
        end = run_child(task.search_job(), told, limit_s, log_path, self.display)
        task.tuning = tuning.outcome(told, end, time.monotonic() - started)
        self.display.end("{}: {}".format(task.workload, tuning.in_words(task.tuning)))

    def _one(self, task, attempt, facts, probe_end):
        self.display.start(task)
        record = task.template(self.session, attempt)
        name = "{}.{}".format(task.log_stem, attempt)
        folder = observation.folder_of(self.settings.out) if self.settings.telemetry else None
        seen = observation.Observation(folder, name, self.settings.meters)
        if probe_end.status == "unsupported" and task.needs_framework:
            recording.merge(record, {key: facts[key] for key in ("framework",) if key in facts})
            end, record["times"]["wall_s"] = probe_end, 0.0
        else:
            with seen:
                started = time.monotonic()
                end = self._run_worker(task, record, name, seen.spans)
                record["times"]["wall_s"] = time.monotonic() - started
        seen.put_into(record)
        record.update(
            status=end.status, reason=end.reason, traceback=end.traceback, finished_utc=records.utc_now()
        )
        return recording.explained(records.without_nonfinite(record))

    def _run_worker(self, task, record, name, spans):
        limit_s, log_path = self.settings.limit_s, self._log_path(name + ".log")
        try:
            return run_child(task.job(record), record, limit_s, log_path, self.display, task.python, spans)
        except UsageError as error:
            if task.kind != "inference":
                raise
            # One engine that cannot be had here says nothing about the others.
            return End("unsupported", str(error), None)

    def _log_path(self, name):
        folder = log_folder_of(self.settings.out)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name)


def host_facts(display):
    """Return (facts, missing) of this host and its framework, which is imported in a process of its own."""
    told = {}  # type: ignore[var-annotated]
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        log_path = os.path.join(folder, "probe.log")
        try:
            display.aside(progress.Step("looking at this host"))
            end = run_child({"kind": "probe"}, told, _PROBE_LIMIT_S, log_path, display)
        except UsageError as error:
            end = End("failed", str(error), None)
        finally:
            display.done()
    part = recording.host_part(told, end.reason)
    return part["facts"], part["missing"]


def _check_same_settings(task, record, inherited, path):
    """Refuse to go on under other settings: half of a run would not be comparable with the other half."""
    differing = task.differences(record, inherited)
    if differing:
        raise UsageError(
            "{} was started with other settings ({}). Use the same settings, or choose another --run-id.".format(
                path, ", ".join("{} was {}, now {}".format(*each) for each in differing)
            ),
            "settings-differ",
        )


def run_child(job, told, limit_s, log_path, display, python=None, spans=None):
    """Run a worker, merging what it tells of its record into ``told``; return its End.

    spans: dict to which {phase: (start, end)} is added, monotonic seconds.
    """
    ends = []

    def on_event(event):
        if event["event"] == "update":
            recording.merge(told, event["record"])
        elif event["event"] == "phase":
            display.phase(event["phase"])
        elif event["event"] == "span" and spans is not None:
            spans[event["name"]] = (event["start_s"], event["end_s"])
        elif event["event"] == "epoch":
            display.epoch(event["done"], event["of"])
        elif event["event"] == "expect":
            display.expect(event["seconds"])
        elif event["event"] == "unusable":
            raise UsageError(event["reason"], event.get("code"))
        elif event["event"] == "end":
            ends.append(End(event["status"], event["reason"], event["traceback"]))

    # A host without the framework is told as UsageError: no run on it could say anything else.
    ended = child.run(job, log_path, limit_s, on_event, display.tick, python)
    if not ends:
        status, reason = verdict.judge(ended)
        return End(status, reason, None)
    end = ends[-1]
    if end.status != "failed" or not end.traceback:
        return end
    if verdict.no_memory_in(end.traceback):
        return end._replace(status="oom")
    return end._replace(reason=verdict.with_advice(end.reason, end.traceback))


def log_folder_of(records_path):
    """Return the folder for the workers' logs, beside the records file."""
    stem = records_path[: -len(".jsonl")] if records_path.endswith(".jsonl") else records_path
    return stem + ".logs"
