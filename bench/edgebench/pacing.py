"""Guesses how long tasks take before any of them was timed, for the time left that a display shows."""

from edgebench import facts, keyword_spotting, tuning
from edgebench.errors import UsageError
from edgebench.progress import Step

# A training of the quick profile loads the framework and does about as much again and more.
_QUICK_IN_IMPORTS = 2.75
# Of the 2019 report: a laptop, neither its fastest host nor its slowest.
_PUBLISHED_HOST = "bilbo"


def guess(pending, known, import_s):
    """Set the ``guess_s`` of tasks: by records of the same run, else by the time of loading the framework.

    pending: tasks. known: records. import_s: seconds, None for unknown.
    """
    taken_s = {}  # type: ignore[var-annotated]
    for record in known:
        if record["record"] in ("run", "inference") and record["times"].get("wall_s"):
            name = record["workload"] if record["record"] == "run" else keyword_spotting.NAME
            taken_s.setdefault(name, []).append(record["times"]["wall_s"])
    for task in pending:
        if task.pace in taken_s:
            task.guess_s = sum(taken_s[task.pace]) / len(taken_s[task.pace])
        elif import_s is not None:
            task.guess_s = _guess_s(task, import_s)


def searches(pending, known, settings):
    """Return {workload: the Step of its search} of the trainings that are to be searched for; none but if tuned."""
    if settings.profile != "tuned":
        return {}
    found = {}
    for task in pending:
        if task.kind == "run":
            is_found = tuning.earlier(task, known) is not None
            guess_s = 0.0 if is_found else settings.search_limit_s or tuning.search_limit_s(task.guess_s or 0)
            found[task.workload] = Step(
                "{}: search for faster settings of execution".format(task.workload), guess_s=guess_s
            )
    return found


def _guess_s(task, import_s):
    if task.kind == "inference":
        options = keyword_spotting.options_for(task.profile)
        return options["windows"] * options["window_s"] + import_s
    if task.profile == "quick":
        return _QUICK_IN_IMPORTS * import_s
    published_s = _published_s().get(task.workload)
    return None if published_s is None else _QUICK_IN_IMPORTS * import_s + published_s


def _published_s():
    """Return {workload: seconds of training in the paper profile}; none in a checkout that lacks PyYAML."""
    try:
        published = facts.read("published_2019")
    except UsageError:
        return {}
    return {each["id"]: each["train_s"][_PUBLISHED_HOST] for each in published["workloads"]}
