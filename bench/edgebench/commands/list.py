"""``edgebench list``: the workloads with their published figures."""

import json

from edgebench import keyword_spotting, workloads
from edgebench.commands.common import OK
from edgebench.workloads.spec import as_json

_HEAD = ("workload", "train", "test", "epochs", "batch", "parameters", "architecture")
_LINE = "{:<14} {:>9} {:>8} {:>6} {:>5} {:>10}  {}"


def add(commands):
    """Declare the command."""
    command = commands.add_parser("list", help="show the workloads with their published figures")
    command.add_argument("--json", action="store_true", help="as JSON, with all sizes and options")
    command.set_defaults(command=_list)


def _print(name, counts, architecture):
    cells = ["-" if each is None else "{:,}".format(each) for each in counts]
    print(_LINE.format(*([name] + cells + [architecture])))


def _list(options):
    if options.json:
        listed = [dict(as_json(module.SPEC), kind="training") for module in workloads.ALL]
        print(json.dumps(listed + [keyword_spotting.as_json()], indent=2))
        return OK
    print(_LINE.format(*_HEAD))
    for module in workloads.ALL:
        spec, sizes = module.SPEC, module.SPEC.paper
        counts = (sizes.train_samples, sizes.test_samples, sizes.epochs, sizes.batch, spec.parameters)
        _print(spec.name, counts, spec.architecture)
    # Inference alone: it trains nothing and has no epochs.
    counts = (None, keyword_spotting.TEST_SAMPLES, None, 1, keyword_spotting.PARAMETERS)
    _print(keyword_spotting.NAME, counts, keyword_spotting.ARCHITECTURE)
    return OK
