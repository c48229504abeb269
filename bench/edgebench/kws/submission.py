"""The folder of an MLPerf Tiny submission: results of keyword spotting and the description of the system.

Source: mlcommons/tiny, ``tools/submission/submission_checker.py`` (layout,
files, expressions, target) and ``benchmark/MLPerfTiny_Rules.adoc`` (90 % top-1
in the closed division, accuracy as it is in the open one); the fields of the
description are those of ``system.schema.json``.
"""

import json
import os
import pkgutil
import re
from collections import OrderedDict

from edgebench import host, schema
from edgebench.data import bounded
from edgebench.data.files import write_whole
from edgebench.errors import DataError, UsageError, with_code

DIVISIONS = ("closed", "open")
RUNS = ("accuracy", "performance")
FILES = ("log.txt", "results.txt", "results.json")
TARGET_PERCENT = 90.0
WINDOWS = 5
_MOST_BYTES = 1 << 20
_WINDOW_S = 10.0
_WINDOW_INFERENCES = 10

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*$")
_MODES = {"a": "accuracy", "p": "performance"}
_MODEL = "kws01"
_MODEL_OF_LOG = re.compile(r"(?:Device model retrieved: |m-model-\[)(\w+)")
_ERROR = re.compile(r".*\b(ERROR \d.*?)\.?\s*$", re.MULTILINE)
_TOP1 = re.compile(r".* Top[- ]1%?\s?[:=] ([\d.]+)")
_MEDIAN = re.compile(r".* Median throughput is\s+([\d.]+) inf\./sec\.")
# A log of MLCommons' runner has each window twice, the second time with more decimals.
_WINDOW = re.compile(
    r"Performance results for window (\d+):?\s*\n.*# Inferences *: *(\d+).*\n.*Runtime *: *([\d.]+) sec\."
)


def fields():
    """Return the names of all fields of a system description, in their order."""
    return list(_schema()["required"])


def template(known):
    """Return a system description with what is ``known`` (dict) and null for all that a person has to fill in."""
    return OrderedDict((name, known.get(name)) for name in fields())


def known_of_host(facts):
    """Return the fields that the facts of a host (``suite.host_facts``) tell, as a dict of texts."""
    cpu, system = facts["cpu"], facts["os"]
    known = {
        "Board Name": facts["board"]["model"],
        "Board Memory capacity (not including SoC, processor, or accelerator)": "{:.1f} GiB".format(
            facts["memory"]["total_bytes"] / 2.0**30
        ),
        "Processor(s) Name": cpu["model"],
        "Operating System": "{}, Linux {}".format(host.name_of(system), system["kernel"]),
    }
    if cpu.get("clock_max_mhz"):
        known["Processor(s) Frequencies"] = "{:.0f} MHz".format(cpu["clock_max_mhz"])
    return {name: value for name, value in known.items() if value}


def read_system(path):
    """Return the system description in a JSON file; raise UsageError for one that cannot be read as one."""
    try:
        system = json.loads(bounded.read_file(path, _MOST_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            "{} is not a readable JSON file: {}. Write a new one: edgebench kws submission --template FILE".format(
                path, error
            ),
            "system-unreadable",
        )
    if not isinstance(system, dict):
        raise UsageError(
            "{} is not a JSON object of fields. Write a new one: edgebench kws submission --template FILE".format(
                path
            ),
            "system-not-an-object",
        )
    return system


def check_system(system, path):
    """Raise UsageError that names every field of a description which is missing, not filled in or unknown."""
    missing = [name for name in fields() if system.get(name) is None]
    if missing:
        raise UsageError(
            "{} lacks the fields {}. Fill them in; an empty text means that a field does not apply. For a file with "
            "all fields, run: edgebench kws submission --template FILE".format(path, "; ".join(missing)),
            "system-fields-missing",
        )
    unknown = sorted(set(system) - set(fields()))
    if unknown:
        raise UsageError(
            "{} has unknown fields: {}. Remove them; the known ones are in: edgebench kws submission --template "
            "FILE".format(path, "; ".join(unknown)),
            "system-fields-unknown",
        )
    problems = schema.problems(system, _schema(), path=path)
    if problems:
        raise UsageError("; ".join(problems), "system-fields-invalid")


def read_results(*folders):
    """Return {run: {file: bytes}} of results of keyword spotting; raise DataError that names what is missing.

    folders: one with accuracy/ and performance/, or sessions of MLCommons' runner,
    one in accuracy and one in performance mode, or folders that contain sessions.
    """
    named = _named_runs(folders)
    if named is None:
        named = _session_of_each_run(folders)
    found = OrderedDict()
    for run in RUNS:
        found[run] = OrderedDict((name, _read(os.path.join(named[run], name), folders[0])) for name in FILES)
        _check_model(found[run]["log.txt"], os.path.join(named[run], "log.txt"))
    return found


def _named_runs(folders):
    """Return {run: folder} if the only folder has accuracy/ or performance/, else None."""
    if len(folders) > 1 or not any(os.path.isdir(os.path.join(folders[0], run)) for run in RUNS):
        return None
    named = {}
    for run in RUNS:
        folder = os.path.join(folders[0], run)
        # A session may have been put there with its own folder.
        sessions = [] if _is_session(folder) else [each for each, _ in _sessions(folder)]
        named[run] = sessions[0] if len(sessions) == 1 else folder
    return named


def _session_of_each_run(folders):
    found = OrderedDict((run, []) for run in RUNS)  # type: ignore[var-annotated]
    for folder in folders:
        if not os.path.isdir(folder):
            raise DataError(
                "{} is not a folder. Name one with results: edgebench kws drive --out DIR writes it".format(
                    folder
                ),
                "results-unreadable",
            )
        for session, mode in _sessions(folder):
            model = _model_of(_read(os.path.join(session, "log.txt"), session))
            if _MODES.get(mode) and model in (None, _MODEL):
                found[_MODES[mode]].append(session)
    for run, sessions in found.items():
        if not sessions:
            raise DataError(
                "{} has no session of keyword spotting in {} mode: no results.json that says so, beside log.txt and "
                "results.txt. Name the runner's folder sessions, or one with accuracy/ and performance/.".format(
                    ", ".join(folders), run
                ),
                "sessions-missing",
            )
        if len(sessions) > 1:
            raise DataError(
                "{} has {} sessions in {} mode: {}. Name the two that count: --results ACCURACY "
                "PERFORMANCE".format(", ".join(folders), len(sessions), run, ", ".join(sessions)),
                "sessions-ambiguous",
            )
    return {run: sessions[0] for run, sessions in found.items()}


def _is_session(folder):
    return all(os.path.isfile(os.path.join(folder, name)) for name in FILES)


def _sessions(folder):
    """Return (folder, mode) of ``folder`` and of those in it that are sessions; mode as results.json has it."""
    inside = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    candidates = [folder] + [os.path.join(folder, name) for name in inside]
    return [(each, _mode_of(each)) for each in candidates if _is_session(each)]


def _mode_of(session):
    try:
        with open(os.path.join(session, "results.json")) as handle:
            entries = json.load(handle)
        return {each["mode"] for each in entries}.pop()
    except (IOError, OSError, ValueError, TypeError, KeyError):
        return None


def _model_of(log):
    found = _MODEL_OF_LOG.search(log.decode("utf-8", "replace"))
    return found.group(1) if found else None


def _check_model(log, path):
    model = _model_of(log)
    if model not in (None, _MODEL):
        raise DataError(
            "{} is of the model {}; a submission of keyword spotting needs {}. Name the results of "
            "that.".format(path, model, _MODEL),
            "results-of-another-model",
        )


def _read(path, folder):
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except (IOError, OSError) as error:
        raise DataError(
            "{} is unreadable ({}). Write it with the MLCommons runner, or: edgebench kws drive --out "
            "{}".format(path, error.strerror, folder),
            "results-unreadable",
        )


def check_results(results, division):
    """Return (top-1 in percent, inferences per second, notes); raise DataError where results are not submittable.

    Closed: at least 90 % top-1. Both: five windows, each of at least 10 s or 10
    inferences, and the lines that the checker looks for. notes: what is valid
    and yet to be said.
    """
    top1 = _last(_TOP1, results["accuracy"]["results.txt"], "accuracy/results.txt", "a line `Top-1: N%`")
    median_per_s = _last(
        _MEDIAN,
        results["performance"]["results.txt"],
        "performance/results.txt",
        "a line `Median throughput is N inf./sec.`",
    )
    if division == "closed" and top1 < TARGET_PERCENT:
        raise DataError(
            "Top-1 is {:g} %; the closed division requires {:g} %. Submit to the open division: --division "
            "open".format(top1, TARGET_PERCENT),
            "accuracy-below-target",
        )
    return top1, median_per_s, _check_windows(results["performance"]["log.txt"])


def _check_windows(log):
    windows = OrderedDict(
        (number, (int(count), float(time_s)))
        for number, count, time_s in _WINDOW.findall(log.decode("utf-8", "replace"))
    )
    counts = [count for count, _ in windows.values()]
    times_s = [time_s for _, time_s in windows.values()]
    if len(windows) != WINDOWS:
        raise DataError(
            "performance/log.txt has {} windows; a submission needs {}. Measure again: with --windows {}, or `loop "
            "{}` in the runner's tests_performance.yaml.".format(len(windows), WINDOWS, WINDOWS, WINDOWS),
            "windows-missing",
        )
    short = [number for number, time_s in enumerate(times_s, 1) if time_s < _WINDOW_S]
    invalid = [number for number in short if counts[number - 1] < _WINDOW_INFERENCES]
    if invalid:
        raise DataError(
            "Windows {} of performance/log.txt are too short: each needs {:g} s or {} inferences. Measure "
            "again, with more inferences.".format(
                ", ".join(map(str, invalid)), _WINDOW_S, _WINDOW_INFERENCES
            ),
            "windows-too-short",
        )
    return [
        with_code(
            "window {} has {:g} s. The rules accept it for its {} inferences; the current MLCommons runner requires "
            "{:g} s".format(number, times_s[number - 1], _WINDOW_INFERENCES, _WINDOW_S),
            "window-below-runner-limit",
        )
        for number in short
    ]


def write(out, submitter, name, system, results, division):
    """Write the folder of one submission below ``out`` and return the paths of its files.

    submitter, name: of the organisation and the system, as folders are named.
    Raises UsageError for names that a checker would stumble over and for a
    description that belongs to another submission.
    """
    for what, text in (("submitter", submitter), ("system", name)):
        if not _NAME.match(text):
            raise UsageError(
                "The {} {!r} does not work as the name of a folder. Use letters, digits, '.', '_' and '-'.".format(
                    what, text
                ),
                "name-invalid",
            )
    for field, expected in (("Submitter", submitter), ("Division", division.capitalize())):
        if system[field] != expected:
            raise UsageError(
                "The system description has the {} {!r}, but this submission has {!r}. Change one of them.".format(
                    field, system[field], expected
                ),
                "system-field-mismatch",
            )
    root = os.path.join(out, division, submitter)
    ordered = OrderedDict((field, system[field]) for field in fields())
    contents = OrderedDict()
    contents[os.path.join(root, "systems", name + ".json")] = (json.dumps(ordered, indent=2) + "\n").encode(
        "utf-8"
    )
    for run in RUNS:
        for file_name, data in results[run].items():
            contents[os.path.join(root, "results", name, "kws", run, file_name)] = data
    for path, data in contents.items():
        write_whole(path, [data])
    return list(contents)


def _last(pattern, data, name, expected):
    text = data.decode("utf-8", "replace")
    found = [pattern.match(line) for line in text.splitlines()]
    values = [match.group(1) for match in found if match]
    if not values:
        error = _ERROR.search(text)
        said = "; the runner said: {}".format(error.group(1)) if error else ""
        remedy = "Measure again"
        if error and pattern is _MEDIAN:
            remedy += " with `loop 5` and inferences for 10 s to 28 s in the runner's tests_performance.yaml"
        raise DataError("{} lacks {}{}. {}.".format(name, expected, said, remedy), "results-incomplete")
    return float(values[-1])


def _schema():
    data = pkgutil.get_data("edgebench.kws", "system.schema.json") or b""
    return json.loads(data.decode("utf-8"))
