"""A suite: every (workload, repeat) in a fresh process, one record each, whatever happens to it."""

import os
import platform
import statistics
import sys
import tempfile
import time
import uuid
from collections import namedtuple

from edgebench import __version__, child, host, progress, records, verdict, workloads
from edgebench.data import files, manifest
from edgebench.data.sources import Finder
from edgebench.errors import DataError, UsageError, WrongDataError
from edgebench.workloads.spec import sizes_for

Settings = namedtuple(
    "Settings",
    "workloads profile repeats data_mode data_dir cache_dir offline precision lookback_rows threads device "
    "input_mode limit_s seed run_id host out resume retry",
)
Settings.__doc__ = """What a suite is asked to do; see ``edgebench run --help`` for each."""

End = namedtuple("End", "status reason traceback")
End.__doc__ = """How a worker ended, in the words of a record."""

VARIANT = "published"
_NO_FRAMEWORK = {
    "name": "tensorflow",
    "version": None,
    "keras": None,
    "numpy": None,
    "python": platform.python_version(),
}
_PROBE_LIMIT_S = 300


class Suite:
    """Runs the workloads of ``settings``, telling ``display`` how it goes."""

    def __init__(self, settings, display):
        self.settings = settings
        self.display = display
        self.session = uuid.uuid4().hex[:12]
        self.runner = {"version": __version__, "sha256": own_sha256()}

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
                file.append(self._host_record(facts, ended))
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
        known = {}  # type: ignore[var-annotated]
        for record in file.records:
            if record["record"] == "run" and self._is_same(record):
                known.setdefault((record["workload"], record["repeat"]), []).append(record)
        if known and not self.settings.resume:
            raise UsageError(
                "{} already holds {} of these runs and --no-resume was given. Choose another --run-id, or leave "
                "--no-resume out to do only what is missing.".format(file.path, len(known))
            )
        foreign = {record["run_id"] for record in file.records} - {self.settings.run_id}
        if foreign:
            raise UsageError(
                "{} holds the run {}, not {}. Name another file with --out.".format(
                    file.path, ", ".join(sorted(foreign)), self.settings.run_id
                )
            )
        return known

    def _is_same(self, record):
        settings = self.settings
        return (
            record["profile"] == settings.profile
            and record["precision"] == settings.precision
            and record["options"] == self._options(record["workload"])
            and record["variant"] == VARIANT
        )

    def _is_pending(self, pair, known):
        if pair not in known:
            return True
        return self.settings.retry and known[pair][-1]["status"] != "ok"

    def _options(self, workload):
        spec = workloads.get(workload).SPEC
        return {"lookback_rows": self.settings.lookback_rows} if "lookback_rows" in spec.options else {}

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
        record = self._template(workload, repeat, attempt)
        started = time.monotonic()
        if probe_end.status == "unsupported":
            merge(record, {key: facts[key] for key in ("framework",) if key in facts})
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
        return _explained(records.without_nonfinite(record))

    def _log_path(self, name):
        folder = log_folder_of(self.settings.out)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name)

    def _host_record(self, facts, probe_end):
        record = self._heading("host")
        record["time_utc"] = records.utc_now()
        record.update(_host_part(facts, probe_end))
        return record

    def _heading(self, kind):
        return {
            "schema": records.SCHEMA_VERSION,
            "record": kind,
            "run_id": self.settings.run_id,
            "session": self.session,
            "host": self.settings.host,
            "runner": self.runner,
        }

    def _template(self, workload, repeat, attempt):
        """Return a run's record before anything is known of it."""
        settings = self.settings
        spec = workloads.get(workload).SPEC
        sizes = sizes_for(spec, settings.profile)
        is_accuracy = spec.metric == "accuracy"
        quality_part = {
            "metric": spec.metric,
            "value": None,
            "unit": "ratio" if is_accuracy else "standard deviations",
            "test_loss": None,
            "epoch_losses": [],
        }
        if not is_accuracy:
            quality_part["mae_celsius"] = None
        record = self._heading("run")
        record.update(
            started_utc=records.utc_now(),
            workload=workload,
            title=spec.title,
            profile=settings.profile,
            variant=VARIANT,
            options=self._options(workload),
            repeat=repeat,
            attempt=attempt,
            times=dict.fromkeys(("import_s", "data_s", "build_s", "train_s", "test_s", "wall_s")),
            quality=quality_part,
            sizes=dict(
                {name: value for name, value in sizes._asdict().items() if name != "steps_per_epoch"},
                parameters=None,
            ),
            data=dict.fromkeys(("source", "synthetic", "sha256", "note", "input"), None),
            framework=dict(_NO_FRAMEWORK),
            device=None,
            precision=settings.precision,
            threads={"intra": settings.threads, "inter": settings.threads},
            memory={"peak_bytes": None, "framework_bytes": None},
            seed=settings.seed + repeat,
            telemetry=None,
            warnings=[],
            missing={},
        )
        record["times"]["epochs_s"] = []
        record["data"]["name"] = spec.dataset
        if sizes.steps_per_epoch:
            record["sizes"]["steps_per_epoch"] = sizes.steps_per_epoch
        return record


def _host_part(told, probe_end):
    """Return the ``facts`` and ``missing`` of a host record from what a probe told."""
    facts = host.facts()
    facts["framework"] = dict(_NO_FRAMEWORK, **told.get("framework", {}))
    facts["devices"] = told.get("devices", [])
    part = {"facts": facts, "missing": {}}
    part["missing"] = {path: why for path, why in host.reasons().items() if _at(part, path) is None}
    return records.explain_missing(part, probe_end.reason or "the host does not tell")


def host_facts():
    """Return (facts, missing) of this host and its framework, which is imported in a process of its own."""
    told = {}  # type: ignore[var-annotated]
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        log_path = os.path.join(folder, "probe.log")
        try:
            end = _run_child({"kind": "probe"}, told, _PROBE_LIMIT_S, log_path, progress.Silent(None))
        except UsageError as error:
            end = End("failed", str(error), None)
    part = _host_part(told, end)
    return part["facts"], part["missing"]


def _run_child(job, told, limit_s, log_path, display):
    """Run a worker, merging what it tells of its record into ``told``; return its End."""
    ends = []

    def on_event(event):
        if event["event"] == "update":
            merge(told, event["record"])
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


def merge(target, update):
    """Merge nested dicts of ``update`` into ``target``; other values replace."""
    for name, value in update.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            merge(target[name], value)
        else:
            target[name] = value


def _at(record, path):
    for name in path.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _explained(record):
    """Give every null of a run's record its reason."""
    missing = {}
    if record["data"]["synthetic"]:
        missing["data.sha256"] = "synthetic data is made, not read"
    if record["threads"]["intra"] is None:
        missing["threads.intra"] = missing["threads.inter"] = "left to the framework"
    if record["runner"]["sha256"] is None:
        missing["runner.sha256"] = "run from a checkout, not from the zipapp"
    missing["telemetry"] = "this version of the runner takes none"
    record["missing"] = missing
    why = "the run ended as {}: {}".format(record["status"], record["reason"])
    return records.explain_missing(record, why if record["status"] != "ok" else "the framework does not tell")


def own_sha256():
    """Return the SHA-256 of the zipapp this program runs from; None when it runs from a checkout."""
    program = os.path.abspath(sys.argv[0])
    return files.sha256_of(program) if program.endswith(".pyz") and os.path.isfile(program) else None


def log_folder_of(records_path):
    """Return the folder for the workers' logs, beside the records file."""
    stem = records_path[: -len(".jsonl")] if records_path.endswith(".jsonl") else records_path
    return stem + ".logs"


def summary(results):
    """Return the table a suite ends with: one line a workload, medians over its good repeats."""
    rows = [("workload", "ok", "build s", "train s", "test s", "result", "")]
    for name in workloads.NAMES:
        of_name = [record for record in results if record["workload"] == name]
        if not of_name:
            continue
        good = [record for record in of_name if record["status"] == "ok"]
        cells = [name, "{}/{}".format(len(good), len(of_name))]
        for part in ("build_s", "train_s", "test_s"):
            cells.append("{:.2f}".format(statistics.median(r["times"][part] for r in good)) if good else "-")
        middle = sorted(good, key=lambda r: r["quality"]["value"])[len(good) // 2] if good else None
        cells.append(progress.quality(middle) if middle else "-")
        notes = sorted({"{}: {}".format(r["status"], r["reason"]) for r in of_name if r["status"] != "ok"})
        if any(record["data"]["synthetic"] for record in good):
            notes.append("synthetic data")
        rows.append(tuple(cells) + ("; ".join(notes),))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:6], widths[1:])]
        lines.append("  ".join([first] + rest + [row[6]]).rstrip())
    return "\n".join(lines)
