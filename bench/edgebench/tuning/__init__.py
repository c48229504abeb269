"""The ``tuned`` profile: settings of execution that make the same training take less time, searched on the host."""

from edgebench.tuning.search import in_words as settings_in_words

_SHARE_OF_TRAINING = 0.5
_LEAST_SEARCH_S, _MOST_SEARCH_S = 120, 600
# What a worker takes before and after: the framework, the data, the measurement under way at the limit.
_AROUND_S = 900


def child_limit_s(search_limit_s):
    """Return after how many seconds a worker that searches is ended; search_limit_s: as asked for, or None."""
    return (search_limit_s or _MOST_SEARCH_S) + _AROUND_S


def search_limit_s(training_s):
    """Return the seconds that a search takes at most by default, for a training of so many seconds."""
    return min(_MOST_SEARCH_S, max(_LEAST_SEARCH_S, _SHARE_OF_TRAINING * training_s))


def earlier(task, known):
    """Return the ``tuning`` of a training's record, as an earlier one of the same run has it; None where none has.

    task: a tasks.Training. known: the records of the run. One whose training
    failed under its settings is none to go by.
    """
    for record in known:
        if (
            record["record"] == "run"
            and record["workload"] == task.workload
            and record["status"] == "ok"
            and "tuning" in record
            and task.is_asked_for(record)
        ):
            found = record["tuning"]
            origin = found.get("from") or {name: record[name] for name in ("session", "repeat", "attempt")}
            return {
                "settings": found["settings"],
                "reason": "found for repeat {} of this run".format(origin["repeat"]),
                "from": origin,
            }
    return None


def outcome(told, end, wall_s):
    """Return the ``tuning`` of a record. told: by the worker that searched; end: its suite.End; wall_s: its time."""
    found = told.get("tuning")
    if found is not None:
        return dict(found, wall_s=wall_s)
    why = "the search ended as {}: {}".format(end.status, end.reason)
    return {"settings": {}, "reason": why, "search_s": wall_s, "wall_s": wall_s}


def in_words(tuning):
    """Return a record's ``tuning`` in one line."""
    told = settings_in_words(tuning["settings"])
    if tuning["settings"] and "ratio" in tuning:
        told += ", {:.2f} times faster in trials".format(tuning["ratio"])
    return "{} ({})".format(told, tuning["reason"])
