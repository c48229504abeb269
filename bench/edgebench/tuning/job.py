"""The search in a worker: stretches of real training under each setting, from the same weights."""

import gc
import math
import time
from collections import namedtuple

from edgebench.errors import EdgebenchError
from edgebench.tuning import search, search_limit_s

# A stretch is as long as clocks and schedulers need to agree, and no longer.
_STRETCH_S = 1.0
# An epoch of no more is a stretch, so that all of its steps in one call can be tried.
_SHORT_EPOCH_S = 3.0
# Enough that several executions of several steps are in it, where that does not take too long.
_LEAST_STEPS, _LEAST_SLOW_STEPS, _SLOW_STEP_S = 50, 10, 0.04
_KEPT_MODELS = 3


def run(framework, read, build, sizes, job, emit):
    """Search and tell the ``tuning`` part of a record.

    read() returns (what to train on, the other input modes that it could
    have); build(train) a compiled network whose first steps are taken and undone.
    """
    emit("phase", phase="tune")
    started = time.monotonic()
    trials = _Trials(framework, read, build, job)
    trials.prepare()
    epochs = sizes.epochs
    expected_s = trials.step_s * trials.whole.steps * epochs
    limit_s = job["search_limit_s"] or search_limit_s(expected_s)
    choices, without = trials.choices()
    if choices:
        stretches = float(trials.whole.steps * epochs) / trials.steps

        def tell(tried, known):
            emit("epoch", done=tried, of=known)
            # The time of a setting varies with compiling; what all take so far is the best guess.
            passed_s = time.monotonic() - started
            if tried:
                emit("expect", seconds=min(passed_s / tried * (known - tried), limit_s - passed_s))

        found = search.Search(
            choices, trials.measure, stretches, trials.samples, time.monotonic, limit_s, started, tell
        ).run()
    else:
        reason = "this framework has nothing to set: " + _reasons(without)
        found = search.Found({}, [], 0.0, 1.0, "nothing-to-set", reason)
    emit(
        "update",
        record={
            "tuning": {
                "settings": found.settings,
                "ratio": found.ratio,
                "reason": found.reason,
                "tried": found.tried,
                "unavailable": without,
                "steps_per_trial": trials.steps,
                "search_s": time.monotonic() - started,
                "limit_s": limit_s,
            }
        },
    )


def _reasons(without):
    return "; ".join("{}: {}".format(name, without[name]) for name in sorted(without))


_Fit = namedtuple("_Fit", "start_s seconds loss whole_s cpu_s")


class _Trials:
    """Trains stretches under settings; each network is built once, and the last few are kept."""

    def __init__(self, framework, read, build, job):
        self._framework = framework
        self._read = read
        self._build = build
        self._seed = job["seed"]
        self._models = []
        self._parts = {}
        self._weights = None
        self._kinds = ()

    def prepare(self):
        """Build the network as the framework would and choose how long a stretch is."""
        self._framework.execute_with({})
        self.whole, self._kinds = self._read()
        model = self._build(self.whole)
        self._weights = model.get_weights()
        few = self.whole.part(min(_LEAST_SLOW_STEPS, self.whole.steps))
        self.step_s = self._fit(model, few).seconds / few.steps
        self.steps = _stretch(self.step_s, self.whole.steps)
        if self.steps > few.steps:
            # What an epoch costs besides its steps is most of so few.
            self.step_s = self._fit(model, self.whole.part(self.steps)).seconds / self.steps
            self.steps = _stretch(self.step_s, self.whole.steps)
        self.samples = _samples(self.whole.part(self.steps), self.whole)

    def choices(self):
        """Return ([(setting, values)], {setting: why it cannot be had}), those first that others build on."""
        offered, without = self._framework.execution_choices()
        if self.whole.kind == "dense_float32" and "dense_uint8" in self._kinds:
            offered["input"] = ["dense_uint8"]
        else:
            without["input"] = "these samples have no smaller form, or it was asked for or chosen by memory"
        if "steps_per_execution" in offered:
            offered["steps_per_execution"] = self._executions(offered["steps_per_execution"], without)
        order = ["input", "steps_per_execution", "jit_compile", "gru_implementation"]
        if self.step_s > _SLOW_STEP_S:
            # What it costs to start a step is little of it.
            order.append(order.pop(1))
        return [(name, offered[name]) for name in order if offered.get(name)], without

    def _executions(self, values, without):
        # The most first: what is clearly slower than the best so far is left after fewer turns.
        fitting = sorted(
            {each for each in values + [self.whole.steps] if each <= self.steps},
            reverse=True,
        )
        if self.whole.streamed:
            # A stream has no end, and whole executions alone are taken of it.
            fitting = [each for each in fitting if self.whole.steps % each == 0 and self.steps % each == 0]
        if not fitting:
            without["steps_per_execution"] = "{} steps an epoch are not a multiple of any".format(
                self.whole.steps
            )
        return fitting

    def measure(self, settings, turn):
        """Train one stretch and return its search.Measured."""
        self._framework.execute_with(settings)
        model, part, compile_s = self._ready(settings)
        took = self._fit(model, part, turn)
        return search.Measured(took.seconds, compile_s + took.start_s, took.loss)

    def _fit(self, model, part, turn=0):
        """Train two epochs from the start and return a _Fit: the first begins what a training begins once."""
        model.set_weights(self._weights)
        self._framework.reset_optimizer(model)
        self._framework.set_seed(self._seed + turn)
        cpu_s, marks = time.process_time(), [time.monotonic()]
        losses = self._framework.fit(model, part, 2, lambda done: marks.append(time.monotonic()))
        if not all(math.isfinite(each) for each in losses):
            raise search.RefusedError("the loss is {}".format(losses))
        first_s, seconds = (later - earlier for earlier, later in zip(marks, marks[1:]))
        whole_s, cpu_s = marks[-1] - marks[0], time.process_time() - cpu_s
        return _Fit(max(0.0, first_s - seconds), seconds, losses[-1], whole_s, cpu_s)

    def _ready(self, settings):
        for entry in self._models:
            if entry[0] == settings:
                if settings:
                    # Last used, last to go: the best so far is used in every pair.
                    self._models.remove(entry)
                    self._models.append(entry)
                return entry[1:]
        try:
            part = self._part(settings.get("input"))
            model = self._build(part)
            # Building has seen each shape of a batch, but for the last one of a stream.
            compile_s = _compile_s(self._fit(model, part), self._fit(model, part)) if part.streamed else 0.0
        except (MemoryError, search.RefusedError):
            raise
        except EdgebenchError as error:
            raise search.RefusedError(str(error))
        except Exception as error:  # noqa: BLE001 - whatever the framework raises refuses the setting
            lines = str(error).strip().splitlines() or ["no message"]
            raise search.RefusedError("{}: {}".format(type(error).__name__, lines[0]))
        # The default, which is measured first, stays: it is what the winner is measured against.
        self._models = self._models[:1] + self._models[1:][-(_KEPT_MODELS - 2) :]
        self._models.append((dict(settings), model, part, compile_s))
        gc.collect()
        return self._models[-1][1:]

    def _part(self, kind):
        if kind not in self._parts:
            part = self.whole.part(self.steps)
            self._parts[kind] = part if kind is None else part.as_bytes()
        return self._parts[kind]


def _compile_s(fresh, again):
    """Return the seconds that a network's first training, a _Fit, took longer than the same again.

    That is compiling, which happens once and cannot be measured again; what
    else the machine did meanwhile is no processor time of this process.
    """
    return max(0.0, min(fresh.whole_s - again.whole_s, fresh.cpu_s - again.cpu_s))


def _stretch(step_s, steps):
    """Return how many steps make a stretch: a short epoch, else about a second and a multiple of 50 or 10."""
    if steps * step_s <= _SHORT_EPOCH_S:
        return steps
    least = _LEAST_SLOW_STEPS if step_s > _SLOW_STEP_S else _LEAST_STEPS
    wanted = max(least, math.ceil(_STRETCH_S / max(step_s, 1e-6)))
    for unit in (250, 50, 10):
        if wanted > unit:
            wanted = -(-wanted // unit) * unit
            break
    return min(wanted, steps)


def _samples(part, whole):
    if part.streamed:
        return len(next(whole.batches())[1]) * part.steps
    return len(part.y)
