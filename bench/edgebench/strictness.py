"""What ``--strict`` asks of a host and its runs: how long it waits for calm, how often it repeats a disturbed run."""

import time

from edgebench import conditions, observation
from edgebench.errors import UsageError, with_code
from edgebench.telemetry import judge

# Of one run, the first included; what three could not measure the fourth will not.
MOST_ATTEMPTS = 3
# For a host to calm down before one run.
WAIT_S = 300.0
# Of waiting and of repeated runs, in all of a suite.
EXTRA_S = 3600.0
# What slowed itself down for heat or voltage reports itself well again before it is.
COOL_S = 30.0
_BETWEEN_LOOKS_S = 5.0
_HEATED = {judge.THROTTLED, judge.UNDER_VOLTAGE, judge.OVER_CURRENT}


class Strictness:
    """Counts what a suite has spent on it. is_strict: False asks nothing of anybody. clock, sleep: as of time."""

    def __init__(self, is_strict, clock=time.monotonic, sleep=time.sleep):
        self._is_strict = is_strict
        self._clock = clock
        self._sleep = sleep
        self._extra_s = 0.0

    def wants_another(self, attempts):
        """Tell whether a run is to be repeated. attempts: its records, the newest last."""
        newest = attempts[-1]
        return (
            self._is_strict
            and newest["status"] == "ok"
            and bool(observation.disturbances(newest))
            and len(attempts) < MOST_ATTEMPTS
            and self._extra_s < EXTRA_S
        )

    def settled(self, found, look, say):
        """Return the conditions once nothing passing is wrong any more, or as they are when the time is up.

        found: list of conditions.Condition. look: function that returns such a list of now. say: for people.
        """
        started = self._clock()
        while any(each.is_passing for each in conditions.unmet(found)):
            left_s = min(WAIT_S, EXTRA_S - self._extra_s) - (self._clock() - started)
            if left_s <= 0:
                break
            said = "; ".join(each.said for each in conditions.unmet(found) if each.is_passing)
            say("strict: waiting for at most {:.0f} s: {}".format(left_s, said))
            self._sleep(min(_BETWEEN_LOOKS_S, left_s))
            found = look()
        self._extra_s += self._clock() - started
        return found

    def is_calm(self, record, look, say):
        """Wait until a run that was disturbed can be repeated; return False where the host does not calm down."""
        self._extra_s += record["times"]["wall_s"] or 0.0
        if _HEATED.intersection(observation.disturbances(record)):
            started = self._clock()
            self._sleep(COOL_S)
            self._extra_s += self._clock() - started
        wrong = conditions.unmet(self.settled(look(), look, say))
        if wrong:
            said = "; ".join(each.said for each in wrong)
            say(
                with_code(
                    "strict: not repeated: the host is still disturbed ({})".format(said), "host-not-calm"
                )
            )
        return not wrong


def refuse(found):
    """Raise UsageError where a condition is not met, saying what to do."""
    wrong = conditions.unmet(found)
    if wrong:
        said = "; ".join("{} ({})".format(each.said, each.remedy) for each in wrong)
        raise UsageError(
            "--strict: this host is not ready for measurements: {}. Fix this, or run without --strict.".format(
                said
            ),
            "host-not-ready",
        )
