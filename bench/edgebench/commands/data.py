"""``edgebench data``: fetch and check the data sets."""

import json
import sys
import textwrap

from edgebench import keyword_spotting, workloads
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


def _tell(line):
    print("edgebench: " + line, file=sys.stderr)


def add(commands):
    """Declare the command."""
    command = commands.add_parser("data", help="fetch and check the data sets")
    actions = command.add_subparsers(title="actions", metavar="ACTION")
    for name, text in (
        ("fetch", "get what can be had into the cache"),
        ("status", "say what is there; fetches nothing"),
    ):
        action = actions.add_parser(name, help=text)
        add_workload_option(action, "only what these workloads need")
        add_data_options(action)
        action.add_argument("--json", action="store_true", help="as JSON")
        action.set_defaults(command=_data, fetch=name == "fetch")
    command.set_defaults(command=lambda options: show_help(command))


def _data(options):
    names = workload_names(options)
    datasets = {workloads.get(name).SPEC.dataset for name in names if name in workloads.NAMES}
    if keyword_spotting.NAME in names:
        datasets.update(keyword_spotting.DATASETS)
    offline = options.offline or not options.fetch
    result = stage.stage(
        sorted(datasets), data_dir(options), cache_dir(options), offline, copy=options.fetch, say=_tell
    )
    if options.json:
        print(json.dumps(result, indent=2, sort_keys=True))
    else:
        for entry in result["datasets"]:
            print("{:<13} {:<12} {}".format(entry["name"], entry["state"], entry["source"] or "").rstrip())
            if entry["reason"]:
                print(
                    textwrap.fill(
                        entry["reason"],
                        100,
                        initial_indent="    ",
                        subsequent_indent="    ",
                        break_on_hyphens=False,
                    )
                )
    if result["wrong_files"]:
        return NOT_ALL_OK
    if options.fetch and all(entry["state"] != "ready" for entry in result["datasets"]):
        _tell(
            with_code(
                "no data set is available, so nothing was fetched. To see what is expected and where to get it, run: "
                "edgebench data status",
                "data-unavailable",
            )
        )
        return USAGE
    return OK
