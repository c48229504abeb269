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
from edgebench.data.files import write_whole
from edgebench.errors import DataError, UsageError, with_code

DIVISIONS = ("closed", "open")
RUNS = ("accuracy", "performance")
FILES = ("log.txt", "results.txt", "results.json")
TARGET_PERCENT = 90.0
WINDOWS = 5
_WINDOW_S = 10.0
_WINDOW_INFERENCES = 10

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*$")
_TOP1 = re.compile(r".* Top[- ]1%?\s?[:=] ([\d.]+)")
_MEDIAN = re.compile(r".* Median throughput is\s+([\d.]+) inf\./sec\.")
_INFERENCES = re.compile(r".*# Inferences *: *(\d+)")
_RUNTIME = re.compile(r".*Runtime *: *([\d.]+) sec\.")


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
        with open(path) as handle:
            system = json.load(handle)
    except (IOError, OSError, ValueError) as error:
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


def read_results(folder):
    """Return {run: {file: bytes}} of a folder with accuracy/ and performance/; DataError names what lacks."""
    found = OrderedDict()  # type: ignore[var-annotated]
    for run in RUNS:
        found[run] = OrderedDict()
        for name in FILES:
            path = os.path.join(folder, run, name)
            try:
                with open(path, "rb") as handle:
                    found[run][name] = handle.read()
            except (IOError, OSError) as error:
                raise DataError(
                    "{} is unreadable ({}). Write it with the MLCommons runner, or: edgebench kws drive --out "
                    "{}".format(path, error.strerror, folder),
                    "results-unreadable",
                )
    return found


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
    text = log.decode("utf-8", "replace")
    counts = [int(each) for each in _INFERENCES.findall(text)]
    times_s = [float(each) for each in _RUNTIME.findall(text)]
    if len(counts) != WINDOWS or len(times_s) != WINDOWS:
        raise DataError(
            "performance/log.txt has {} windows; a submission needs {}. Measure again with --windows {}.".format(
                max(len(counts), len(times_s)), WINDOWS, WINDOWS
            ),
            "windows-missing",
        )
    short = [number for number, time_s in enumerate(times_s, 1) if time_s < _WINDOW_S]
    invalid = [number for number in short if counts[number - 1] < _WINDOW_INFERENCES]
    if invalid:
        raise DataError(
            "Windows {} of performance/log.txt are too short: each needs {:g} s or {} inferences. Measure "
            "again.".format(", ".join(map(str, invalid)), _WINDOW_S, _WINDOW_INFERENCES),
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
    found = [pattern.match(line) for line in data.decode("utf-8", "replace").splitlines()]
    values = [match.group(1) for match in found if match]
    if not values:
        raise DataError("{} lacks {}. Measure again.".format(name, expected), "results-incomplete")
    return float(values[-1])


def _schema():
    data = pkgutil.get_data("edgebench.kws", "system.schema.json") or b""
    return json.loads(data.decode("utf-8"))
