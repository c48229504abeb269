"""Takes the times that an explanation rests on: of steps by size of the batch, of fed steps, of whole trainings.

All of it is trained by Keras' own ``fit``, as a run does, and timed from the end
of one epoch to the end of the next, so that nothing is added to a step. What is
compared is measured in turns, round after round, forwards and backwards: a
machine that slows down then slows all of it alike.
"""

import time
from collections import namedtuple

import numpy

from edgebench import inputs as feeding

# Of an epoch that three trainings of different lengths can be cut from.
LEAST_STEPS = 4
_SAMPLE_S = 0.05
_SAMPLES_A_ROUND = 3
_TRAINING_S = 1.5
_ROUNDS = (3, 100)
# Of a round: trainings are few and scatter most, so short ones are taken again and again.
_FED_S = 3.0
_MOST_STEPS = 2000
# What is slower than this a step at the published batch is not measured beyond twice that batch.
_SLOW_S = 0.25
# Of the training that is explained; of those that tell a step more, for only later epochs do, and scatter.
_EPOCHS, _MORE_EPOCHS = 2, 4

Plan = namedtuple("Plan", "sizes checks published budget_s")
Plan.__doc__ = """What to measure. sizes: batches that the fit is made from; checks: batches that it has to predict;
published: the workload's own, one of sizes; budget_s: seconds for the rounds, of which there are three at least."""

Span = namedtuple("Span", "wall_s cpu_s")
Span.__doc__ = (
    """What passed between two moments: on the clock, and as CPU time of all threads, in seconds."""
)


def plan_of(published, bytes_each, available_bytes, budget_s):
    """Return the Plan for a published batch: from an eighth to four times of it, as far as memory lasts.

    bytes_each: what training holds for one sample. available_bytes: None where
    unknown, which takes nothing above the published size. Every check lies between
    two of the sizes, unless memory lets none be above it.
    """
    factors = ((1, 8), (1, 4), (1, 2), (1, 1), (2, 1), (4, 1))
    wanted = sorted({max(1, published * over // under) for over, under in factors})
    most = published if available_bytes is None else available_bytes // 4 // max(1, bytes_each)
    sizes = [size for size in wanted if size <= max(published, most)]
    checks = [max(1, 3 * published // 4), 3 * published // 2, 3 * published]
    checks = [size for size in checks if size not in sizes and size <= max(published, most)]
    return Plan(sizes, checks, published, budget_s)


class Clock:
    """Marks moments: ``mark`` is a callback for the end of an epoch, ``spans`` what passed from one to the next."""

    def __init__(self):
        self._marks = []
        self.mark()

    def mark(self, done=None):
        """Remember now; done: the number of finished epochs, which Keras tells."""
        self._marks.append(Span(time.perf_counter(), time.process_time()))

    def spans(self):
        """Return a Span for each pair of neighbouring marks."""
        return [
            Span(*(after - before for before, after in zip(*pair)))
            for pair in zip(self._marks, self._marks[1:])
        ]


class Steps:
    """Training steps on one batch that is at hand; ``take`` measures one sample of them."""

    def __init__(self, framework, model, x, y):
        self._train = framework.held_training(model, x, y)
        self.batch = len(x)
        self.samples = []
        self.count = 1

    def warm(self):
        """Build the graph, choose how many steps make a sample, and return a step's seconds."""
        self._epochs(1, 1)
        took_s = self._epochs(2, 1)[0].wall_s / 2
        self.count = int(min(max(1, _SAMPLE_S / max(took_s, 1e-6)), _MOST_STEPS))
        return took_s

    def take(self):
        """Measure a round's samples; one where a single step fills it."""
        self.samples += self._epochs(self.count, _SAMPLES_A_ROUND if self.count > 1 else 1)

    def singles(self):
        """Return the Spans of epochs of a single step: the step, and what each epoch takes beside its steps."""
        return self._epochs(1, _SAMPLES_A_ROUND)

    def _epochs(self, steps, epochs):
        clock = Clock()
        self._train(steps, 1 + epochs, clock.mark)
        # The first epoch begins with what a training begins with.
        return clock.spans()[1:]


class Fed:
    """Trainings through the workload's own input, of ``epochs`` epochs of ``steps`` steps."""

    def __init__(self, framework, model, inputs, steps, epochs):
        self._framework, self._model, self.steps, self.epochs = framework, model, steps, epochs
        self._inputs = cut(inputs, steps)
        self.first = []
        self.later = []
        self.whole = []

    def take(self):
        """Train and keep what the first epoch, each later one and the whole took."""
        clock = Clock()
        whole = Clock()
        self._framework.fit(self._model, self._inputs, self.epochs, clock.mark)
        whole.mark()
        self.whole += whole.spans()
        spans = clock.spans()
        self.first.append(spans[0])
        self.later += spans[1:]

    def forget(self):
        """Drop what was taken so far: the first training builds its graph."""
        self.first, self.later, self.whole = [], [], []


def cut(inputs, steps):
    """Return ``inputs`` cut down to so many steps an epoch."""
    if inputs.streamed:
        return feeding.Stream(inputs.batches, steps)
    samples = steps * inputs.batch
    return feeding.Arrays(inputs.x[:samples], inputs.y[:samples], inputs.batch)


def steps_in(inputs):
    """Return the steps of an epoch that ``inputs`` can make without a batch that is not full."""
    return inputs.steps if inputs.streamed else len(inputs.x) // inputs.batch


def samples_of(inputs, size):
    """Return (x, y) of ``size`` samples of ``inputs``, repeated where there are fewer."""
    if inputs.streamed:
        xs, ys, have = [], [], 0
        for x, y in inputs.batches():
            xs.append(x)
            ys.append(y)
            have += len(x)
            if have >= size:
                break
        return numpy.concatenate(xs)[:size], numpy.concatenate(ys)[:size]
    rows = numpy.arange(size) % len(inputs.x)
    return inputs.x[rows], inputs.y[rows]


class Subjects:
    """All that is measured in turns. network, empty, update: models; empty does nothing, update has as many weights.

    busy: a context manager that is open while the longest training runs (``gpu.Busy``).
    """

    def __init__(self, framework, network, empty, update, inputs, plan, busy):
        self.plan = plan
        self._busy = busy
        self.sweep = {}
        self.empty = Steps(framework, *empty)
        self.update = Steps(framework, *update)
        self.turns = []
        self._framework, self._network, self._inputs = framework, network, inputs
        self.fed = []

    def warm(self):
        """Build every graph, and choose how much of the input a training takes."""
        self.empty.warm()
        self.update.warm()
        published_s = None
        for size in sorted(self.plan.sizes + self.plan.checks):
            if size > 2 * self.plan.published and (published_s or 0) > _SLOW_S:
                break
            self.sweep[size] = Steps(self._framework, self._network, *samples_of(self._inputs, size))
            took_s = self.sweep[size].warm()
            published_s = took_s if size == self.plan.published else published_s
        steps = int(min(max(6, _TRAINING_S / max(published_s or 0, 1e-6)), steps_in(self._inputs)))
        self.fed = [
            Fed(self._framework, self._network, self._inputs, max(1, count), epochs)
            for count, epochs in (
                (min(2, steps // 4), _MORE_EPOCHS),
                (steps // 2, _MORE_EPOCHS),
                (steps, _EPOCHS),
            )
        ]
        for fed in self.fed:
            fed.take()
            fed.forget()

    def rounds(self, tell):
        """Measure round after round until the budget is spent; tell(done, left_s) says how many are done."""
        sweep = [self.sweep[size].take for size in sorted(self.sweep)]
        order = sweep + [self._take_turn, self.empty.take, self.update.take, self._take_trainings]
        started = time.perf_counter()
        least, most = _ROUNDS
        done = 0
        while done < least or (done < most and time.perf_counter() - started < self.plan.budget_s):
            passed_s = time.perf_counter() - started
            each_s = passed_s / done if done else 0.0
            tell(done, max(self.plan.budget_s - passed_s, (least - done) * each_s))
            for take in order if done % 2 == 0 else order[::-1]:
                take()
            done += 1
        return done

    def _take_turn(self):
        self.turns += self.sweep[self.plan.published].singles()

    def _take_trainings(self):
        end = time.perf_counter() + _FED_S
        while True:
            for fed in self.fed[:-1]:
                fed.take()
            with self._busy:
                self.fed[-1].take()
            if time.perf_counter() >= end:
                return

    def told(self):
        """Return all samples as plain values; times are seconds of a step, but of an epoch or a training where fed."""
        return {
            "sweep": [
                dict(_steps(self.sweep[size]), batch=size, check=size in self.plan.checks)
                for size in sorted(self.sweep)
            ],
            "single_s": [each.wall_s for each in self.turns],
            "cpu_single_s": [each.cpu_s for each in self.turns],
            "empty": _steps(self.empty),
            "update": _steps(self.update),
            "fed": [_fed(each) for each in self.fed],
        }


def _steps(steps):
    return {
        "steps": steps.count,
        "samples_s": [each.wall_s / steps.count for each in steps.samples],
        "cpu_samples_s": [each.cpu_s / steps.count for each in steps.samples],
    }


def _fed(fed):
    return {
        "steps": fed.steps,
        "epochs": fed.epochs,
        "first_s": [each.wall_s for each in fed.first],
        "later_s": [each.wall_s for each in fed.later],
        "samples_s": [each.wall_s for each in fed.whole],
        "cpu_first_s": [each.cpu_s for each in fed.first],
        "cpu_later_s": [each.cpu_s for each in fed.later],
        "cpu_samples_s": [each.cpu_s for each in fed.whole],
    }
