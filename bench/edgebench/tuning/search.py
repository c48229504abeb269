"""A bounded search for settings that win: one after another, each against the best so far, in paired turns.

Nothing here knows the framework: what a setting costs is told by ``measure``,
and what time it is by ``clock``, so that the same measurements give the same
answer.
"""

import statistics
from collections import namedtuple

# A pair of turns sees the machine in the same state, and whatever else runs can only make a turn longer: the
# least of some turns is what the settings cost.
_TURNS = 3
_LAST_TURNS = 5
_MARGIN = 1.03
_LAST_MARGIN = 1.05
# Clearly slower twice: more turns would say the same.
_HOPELESS, _HOPELESS_TURNS = 0.9, 2
_LEAST_TOLERANCE = 0.02
_SPREADS = 4
# The rest is left to prove the winner against the default.
_EXPLORING_SHARE = 0.75

Measured = namedtuple("Measured", "seconds once_s loss")
Measured.__doc__ = (
    """One stretch of training: its seconds, those that a training pays once besides, and its loss."""
)

Found = namedtuple("Found", "settings tried search_s ratio code reason")
Found.__doc__ = """What a search ended with.

settings: {name: value}, {} is the framework's own. tried: dicts as in a
record. search_s: what it took. ratio: how many times faster a training is
under the settings, by the last turns; 1 for the framework's own. code: why
these settings: "all-tried" or "time-up" for a winner; for the framework's own
"none-faster", "best-refused", "best-within-noise" or "nothing-to-set". reason:
the same for readers.
"""


class RefusedError(Exception):
    """Settings that cannot be had here; the message says why."""


class _TimeUpError(Exception):
    pass


class Search:
    """One search, to be run once.

    choices: [(name, values)], the first is tried first. measure(settings, turn)
    returns a Measured, with the same samples and random numbers for the same
    turn, or raises RefusedError. stretches: how many such stretches make the
    training. samples: of one stretch. clock: seconds. limit_s: no setting is
    tried later, but for the first one, and the winner is proven in what is left
    or soon after. started: when that time began, None for now. tell: called with how
    many settings were tried, and how many there are as far as known.
    """

    def __init__(
        self,
        choices,
        measure,
        stretches,
        samples,
        clock,
        limit_s,
        started=None,
        tell=lambda tried, known: None,
    ):
        self._choices = choices
        self._measure = measure
        self._stretches = stretches
        self._samples = samples
        self._clock = clock
        self._limit_s = limit_s
        self._tell = tell
        self._started = clock() if started is None else started
        self._tried = []
        self._losses = {}
        self._best = {}

    def run(self):
        """Search and return a Found."""
        code, reason = "all-tried", "every choice was tried"
        try:
            self._learn_default()
            self._explore()
        except _TimeUpError:
            code, reason = "time-up", "the limit of {:.0f} s ended the search".format(self._limit_s)
        if not self._best:
            return self._found({}, 1.0, "none-faster", reason + "; none was faster than the framework's own")
        try:
            pairs = self._pairs({}, self._best, _LAST_TURNS)
        except RefusedError as error:
            self._entry(self._best).update(verdict="refused", reason=str(error))
            told = "the framework refused the best setting in the final comparison: {}"
            return self._found({}, 1.0, "best-refused", told.format(error))
        ratio = _ratio(pairs)
        is_sure = sum(own > other for own, other in pairs) >= _LAST_TURNS - 1
        if ratio < _LAST_MARGIN or not is_sure:
            self._entry(self._best)["verdict"] = "within noise"
            told = "{}; the best, {}, was {:.2f} times as fast as the framework's own, which may be noise"
            told = told.format(reason, in_words(self._best), ratio)
            return self._found({}, 1.0, "best-within-noise", told)
        return self._found(self._best, ratio, code, reason)

    def _found(self, settings, ratio, code, reason):
        return Found(settings, self._tried, self._clock() - self._started, ratio, code, reason)

    def _learn_default(self):
        """Learn how much the default's loss differs from one order of samples to another."""
        for turn in range(_TURNS):
            self._take({}, turn)
        self._entry({})["verdict"] = "default"
        self._tell_tried()

    def _explore(self):
        """Go over all choices again as long as one of them makes the best better: settings help one another."""
        is_better = True
        while is_better:
            is_better = False
            for name, values in self._choices:
                for value in values:
                    candidate = dict(self._best, **{name: value})
                    if not self._is_tried(candidate) and self._wins(candidate):
                        self._best = candidate
                        is_better = True
                    self._tell_tried()

    def _tell_tried(self):
        """Tell how many settings were tried, of those that follow from the best so far."""
        following = [dict(self._best, **{name: value}) for name, values in self._choices for value in values]
        untried = [each for each in following if not self._is_tried(each)]
        self._tell(len(self._tried), len(self._tried) + len(untried))

    def _wins(self, candidate):
        has_tried = len(self._tried) > 1
        if has_tried and self._clock() - self._started > _EXPLORING_SHARE * self._limit_s:
            raise _TimeUpError
        told = self._entry(candidate)
        try:
            pairs = self._pairs(self._best, candidate, _TURNS)
        except RefusedError as error:
            told.update(verdict="refused", reason=str(error))
            return False
        ratio = _ratio(pairs)
        is_win = ratio >= _MARGIN and statistics.median(own / other for own, other in pairs) > 1
        told.update(verdict="kept" if is_win else "not faster", ratio=ratio)
        return is_win

    def _pairs(self, own, other, turns):
        """Return for each turn the seconds a training takes under ``own`` and under ``other``; each begins in turns."""
        found = []
        for turn in range(turns):
            if turn % 2:
                cost_of_other, cost = self._cost(other, turn), self._cost(own, turn)
            else:
                cost, cost_of_other = self._cost(own, turn), self._cost(other, turn)
            found.append((cost, cost_of_other))
            if len(found) == _HOPELESS_TURNS and _ratio(found) < _HOPELESS:
                break
        return found

    def _cost(self, settings, turn):
        measured = self._take(settings, turn)
        self._check_loss(measured.loss, turn)
        return measured.once_s + self._stretches * measured.seconds

    def _take(self, settings, turn):
        measured = self._measure(settings, turn)
        told = self._entry(settings)
        told["seconds"].append(measured.seconds)
        told.update(
            once_s=measured.once_s,
            loss=measured.loss,
            samples_per_s=self._samples / max(min(told["seconds"]), 1e-9),
        )
        if not settings:
            self._losses[turn] = measured.loss
        return measured

    def _check_loss(self, loss, turn):
        """Refuse settings under which the loss differs from the default's by more than an order of samples does."""
        losses = list(self._losses.values())
        expected = self._losses.get(turn, statistics.median(losses))
        allowed = max(_SPREADS * statistics.pstdev(losses), _LEAST_TOLERANCE * abs(expected))
        if not abs(loss - expected) <= allowed:
            told = "the loss is {:.4g}, with the framework's own settings {:.4g}; a difference of {:.2g} is noise"
            raise RefusedError(told.format(loss, expected, allowed))

    def _is_tried(self, settings):
        return any(each["settings"] == settings for each in self._tried)

    def _entry(self, settings):
        for each in self._tried:
            if each["settings"] == settings:
                return each
        self._tried.append({"settings": dict(settings), "verdict": "refused", "seconds": []})
        return self._tried[-1]


def _ratio(pairs):
    return min(own for own, _ in pairs) / max(min(other for _, other in pairs), 1e-9)


def in_words(settings):
    """Return settings as "jit_compile on, steps_per_execution 50"; "the framework's own" where there are none."""
    named = ("{} {}".format(name, _value(settings[name])) for name in sorted(settings))
    return ", ".join(named) or "the framework's own"


def _value(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    return value
