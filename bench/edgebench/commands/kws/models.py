"""``edgebench kws models``: the models there are, and what runs them."""

import json

from edgebench.commands.common import OK, add_data_options
from edgebench.commands.kws import shared


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "models",
        help="show the models there are and the engines that run them",
        description="Show the models of keyword spotting that this host has: MLPerf Tiny's references (data set "
        "kws_models), our conversions of them (edgebench kws convert), or, without any, a network of random weights, "
        "whose latency alone means something.",
    )
    add_data_options(command)
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(command=_models)


def _models(options):
    from edgebench.kws import engines, models, plan, tables

    finder = shared.finder(options)
    found = models.find(finder)
    installed = plan.installed()
    rows = [
        dict(
            model._asdict(),
            engines=[name for name in engines.NAMES if engines.can_run(name, model)],
            installed=[name for name in installed if engines.can_run(name, model)],
        )
        for model in found
    ]
    for warning in finder.warnings:
        shared.tell(warning)
    print(json.dumps(rows, indent=2, sort_keys=True) if options.json else tables.models(rows))
    return OK
