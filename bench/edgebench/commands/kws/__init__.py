"""``edgebench kws``: keyword spotting as MLPerf Tiny measures it, a module for each of its commands."""

from edgebench.commands.common import show_help
from edgebench.commands.kws import (
    accuracy,
    convert,
    device,
    drive,
    models,
    performance,
    submission,
    train,
)


def add(commands):
    """Declare the command and those below it."""
    command = commands.add_parser(
        "kws",
        help="keyword spotting as MLPerf Tiny measures it",
        description="Keyword spotting, the benchmark kws01 of MLPerf Tiny: its accuracy and speed on this host, and "
        "this host as the device that a test host drives over a serial line.",
    )
    actions = command.add_subparsers(title="commands", metavar="COMMAND")
    for module in (accuracy, performance, models, convert, train, device, drive, submission):
        module.add(actions)
    command.set_defaults(command=lambda options: show_help(command))
