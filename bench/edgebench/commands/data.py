"""``edgebench data``: fetch and check the data sets."""

import json
import sys
import textwrap

from edgebench import keyword_spotting, progress, workloads
from edgebench.commands.common import (
    NOT_ALL_OK,
    OK,
    USAGE,
    add_data_options,
    add_workload_option,
    cache_dir,
    data_dir,
    show_help,
    workload_names,
)
from edgebench.data import stage
from edgebench.errors import with_code

_HEAD = ("data set", "state", "size", "where")
_WIDTH = 100


def _tell(line):
    print("edgebench: " + line, file=sys.stderr)


def add(commands):
    """Declare the command."""
    command = commands.add_parser("data", help="fetch and check the data sets")
    actions = command.add_subparsers(title="actions", metavar="ACTION")
    for name, text in (
        ("fetch", "fetch into the cache what can be fetched"),
        ("status", "show which data sets are ready; fetches nothing"),
    ):
        action = actions.add_parser(name, help=text)
        add_workload_option(action, "only what these workloads need")
        add_data_options(action)
        form = action.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="as JSON")
        form.add_argument(
            "-v",
            "--verbose",
            action="store_true",
            help="add the places that were searched, and the remedies, for each missing data set",
        )
        action.set_defaults(command=_data, fetch=name == "fetch")
    command.set_defaults(command=lambda options: show_help(command))


def _data(options):
    names = workload_names(options)
    datasets = {workloads.get(name).SPEC.dataset for name in names if name in workloads.NAMES}
    if keyword_spotting.NAME in names:
        datasets.update(keyword_spotting.DATASETS)
    offline = options.offline or not options.fetch
    display = progress.display("auto")
    try:
        with display.during("looking for {} data sets".format(len(datasets))):
            result = stage.stage(
                *(sorted(datasets), data_dir(options), cache_dir(options), offline),
                copy=options.fetch,
                say=display.say,
            )
    finally:
        display.done()
    if options.json:
        print(json.dumps(result, indent=2, sort_keys=True))
    else:
        print(_table(result["datasets"], options.fetch))
        for line in _below(result, options):
            print(line)
    if result["wrong_files"]:
        return NOT_ALL_OK
    if options.fetch and all(entry["state"] != "ready" for entry in result["datasets"]):
        _tell(
            with_code(
                "no data set is available, so nothing was fetched. To see where each data set is expected and where "
                "to get it, run: edgebench data status -v",
                "data-unavailable",
            )
        )
        return USAGE
    return OK


def _table(entries, fetch):
    """Return one line for each data set: its name, state and size, and where it is or how to get it."""
    rows = [_HEAD]
    for entry in entries:
        if entry["state"] == "ready":
            rows.append((entry["name"], "ready", _size(entry["size_bytes"]), entry["folder"]))
        else:
            rows.append(
                (
                    entry["name"],
                    "wrong file" if entry["wrong_files"] else "missing",
                    "-",
                    _remedy(entry, fetch),
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join((row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), row[3]))
        for row in rows
    )


def _remedy(entry, fetch):
    if not entry["fetchable"]:
        return "get it from {}".format(entry["homepage"])
    if not fetch:
        return "run: edgebench data fetch"
    return "not fetched, see below" if entry["failures"] else "not fetched"


def _size(size_bytes):
    """Return a size in the largest unit with three digits before the point or fewer."""
    size, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return "{:.0f} {}".format(size, unit) if unit == "B" or size >= 99.5 else "{:.1f} {}".format(size, unit)


def _below(result, options):
    """Return the lines below the table: failed downloads (-v: all details), then the number of ready data sets."""
    entries = result["datasets"]
    missing = [entry for entry in entries if entry["state"] != "ready"]
    lines = ["{}: {}".format(entry["name"], each) for entry in missing for each in entry["failures"]]
    if options.verbose:
        lines = []
        for entry in missing:
            lines += ["", entry["name"] + ":"] + textwrap.wrap(
                entry["reason"],
                _WIDTH,
                initial_indent="    ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        lines += [""] * bool(missing)
    ready = "{} of {} data sets ready".format(len(entries) - len(missing), len(entries))
    if missing and not options.verbose:
        ready += "; for details, run: edgebench data {} -v".format("fetch" if options.fetch else "status")
    return lines + [ready]
