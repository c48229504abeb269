"""``edgebench list``: the workloads with their published figures."""

import json

from edgebench import workloads
from edgebench.commands.common import OK
from edgebench.workloads.spec import as_json

_HEAD = ("workload", "train", "test", "epochs", "batch", "parameters", "architecture")


def add(commands):
    """Declare the command."""
    command = commands.add_parser("list", help="show the workloads with their published figures")
    command.add_argument("--json", action="store_true", help="as JSON, with all sizes and options")
    command.set_defaults(command=_list)


def _list(options):
    if options.json:
        print(json.dumps([as_json(module.SPEC) for module in workloads.ALL], indent=2))
        return OK
    print("{:<14} {:>9} {:>8} {:>6} {:>5} {:>10}  {}".format(*_HEAD))
    for module in workloads.ALL:
        spec, sizes = module.SPEC, module.SPEC.paper
        print(
            "{:<14} {:>9,} {:>8,} {:>6} {:>5} {:>10,}  {}".format(
                spec.name,
                sizes.train_samples,
                sizes.test_samples,
                sizes.epochs,
                sizes.batch,
                spec.parameters,
                spec.architecture,
            )
        )
    return OK
