"""What a suite does one after another, each in a process and with a record of its own: trainings and inferences.

Both kinds offer the same: ``identity``, equal to ``identity_of`` its record;
``label``, ``pace``, ``guess_s`` and ``scales`` as a progress.Step; ``log_stem``;
``python``, the interpreter of its process or None for this program's own;
``needs_framework``; ``template``, ``job``, ``is_asked_for`` and ``differences``.
"""

from edgebench import environment, keyword_spotting, recording, workloads
from edgebench.kws import plan

_FRAMEWORK_ENGINE = "tensorflow"


def identity_of(record):
    """Return what tells a record's task from the others of its suite; None for a record of none."""
    if record["record"] == "run":
        return "run", record["workload"], record["repeat"]
    if record["record"] == "inference":
        model = record["model"]
        return "inference", record["engine"]["name"], model["id"], model["form"], record["threads"]["intra"]
    return None


class Training:
    """One repeat of one workload."""

    kind = "run"
    guess_s = None
    scales = True
    python = None
    needs_framework = True

    def __init__(self, settings, workload, repeat):
        self._settings = settings
        self.profile = settings.profile
        self.workload = workload
        self.repeat = repeat
        self.identity = ("run", workload, repeat)
        self.tuning = None
        self.label = "{} repeat {}/{}".format(workload, repeat, settings.repeats)
        self.pace = workload
        self.log_stem = "{}.{}".format(workload, repeat)

    def template(self, session, attempt):
        """Return the record before anything is known of it."""
        record = recording.run_template(self._settings, session, self.workload, self.repeat, attempt)
        if self.tuning is not None:
            record["tuning"] = self.tuning
            if "search_s" in self.tuning:
                record["times"]["search_s"] = self.tuning["search_s"]
        return record

    def search_job(self):
        """Return what a worker is told that searches settings for this training."""
        settings = self._settings
        told = {
            "options": recording.options_of(settings, self.workload),
            "seed": settings.seed + self.repeat,
        }
        return dict(self.job(told), kind="tune", search_limit_s=settings.search_limit_s)

    def job(self, record):
        """Return what the worker is told."""
        settings = self._settings
        return {
            "kind": "run",
            "execution": self.tuning["settings"] if self.tuning else {},
            "threads": settings.threads,
            "device": settings.device,
            "workload": self.workload,
            "profile": settings.profile,
            "options": record["options"],
            "precision": settings.precision,
            "seed": record["seed"],
            "data_mode": settings.data_mode,
            "data_dir": settings.data_dir,
            "cache_dir": settings.cache_dir,
            "input_mode": settings.input_mode,
        }

    def is_asked_for(self, record):
        """Tell whether a record with this task's identity is of it, and not of another profile or option."""
        settings = self._settings
        return (
            record["profile"] == settings.profile
            and record["precision"] == settings.precision
            and record["options"] == recording.options_of(settings, self.workload)
            and record["variant"] == recording.VARIANT
        )

    def differences(self, record, inherited):
        """Return [(name, then, now)] of settings that a suite may not change half-way. inherited: circumstances now."""
        settings = self._settings
        now = dict(recording.requested(settings), threads=settings.threads, seed=settings.seed + self.repeat)
        then = dict(record["requested"], threads=record["threads"]["intra"], seed=record["seed"])
        found = [(name, then[name], now[name]) for name in sorted(now) if now[name] != then[name]]
        return found + environment.differences(record.get("environment"), inherited)


class Inference:
    """One engine with one model and one number of threads. model: a kws.models.Model."""

    kind = "inference"
    guess_s = None
    # Its windows are as long on every host.
    scales = False

    def __init__(self, settings, engine, model, threads, inputs):
        self._settings = settings
        self._inputs = inputs
        self.profile = settings.profile
        self.engine = engine
        self.model = model
        self.threads = threads
        self.workload = keyword_spotting.NAME
        self.identity = ("inference", engine, model.id, model.form, threads)
        self.label = inference_label(engine, model.id, model.form, threads)
        self.pace = self.workload
        self.log_stem = "{}.{}.{}.{}.{}".format(self.workload, engine, model.id, model.form, threads)
        self.needs_framework = engine == _FRAMEWORK_ENGINE
        self.python = plan.python_of(engine)

    def template(self, session, attempt):
        """Return the record before anything is known of it."""
        return recording.inference_template(self._settings, session, self, self._inputs, attempt)

    def job(self, record):
        """Return what the worker is told."""
        return dict(
            record["options"],
            kind="inference",
            engine=self.engine,
            model=dict(self.model._asdict()),
            threads=self.threads,
            device=self._settings.device,
            seed=record["seed"],
            inputs_folder=self._inputs and self._inputs.folder,
        )

    def is_asked_for(self, record):
        """Tell whether a record with this task's identity is of it, and not of another profile."""
        return (
            record["profile"] == self._settings.profile
            and record["options"] == keyword_spotting.options_for(self._settings.profile)
            and record["variant"] == recording.VARIANT
        )

    def differences(self, record, inherited):
        """Return [(name, then, now)] of settings that a suite may not change half-way. inherited: circumstances now."""
        settings, model = self._settings, self.model
        pairs = [
            ("data", record["requested"]["data"], settings.data_mode),
            ("device", record["requested"]["device"], settings.device),
            ("seed", record["seed"], settings.seed + record["repeat"]),
            ("weights of " + model.id, record["model"]["weights"], model.weights),
            ("SHA-256 of " + model.id, record["model"]["sha256"], model.sha256),
        ]
        found = [each for each in pairs if each[1] != each[2]]
        return found + environment.differences(record.get("environment"), inherited)


def inference_label(engine, model, form, threads):
    """Return an inference in words: "kws litert reference_int8 (tflite), 1 thread"."""
    return "{} {} {} ({}), {} thread{}".format(
        keyword_spotting.NAME, engine, model, form, threads, "" if threads == 1 else "s"
    )


def trainings(settings):
    """Return all trainings of ``settings``, each round starting one workload further on, so that drift hits all."""
    names = [name for name in settings.workloads if name in workloads.NAMES]
    found = []
    for repeat in range(1, settings.repeats + 1):
        shift = (repeat - 1) % max(1, len(names))
        found += [Training(settings, name, repeat) for name in names[shift:] + names[:shift]]
    return found
