"""What the measuring commands of keyword spotting share: options, and the search for models and inputs."""

import sys

from edgebench.commands.common import (
    add_data_options,
    add_device_option,
    cache_dir,
    data_dir,
    positive,
    threads,
)
from edgebench.kws import engines


def add_choice(command):
    """Add what is measured: engines, models, threads, of each several, and how long one may take."""
    command.add_argument(
        "--engine",
        nargs="+",
        metavar="NAME",
        help="{} (default: those that are installed)".format(", ".join(engines.NAMES)),
    )
    command.add_argument(
        "--model", nargs="+", metavar="ID", help="as edgebench kws models lists them (default: all there are)"
    )
    command.add_argument(
        "--threads",
        nargs="+",
        type=threads,
        default=[1],
        metavar="N",
        help="threads that compute; several are measured one after another (default: 1, the fastest for so small a "
        "network almost everywhere)",
    )
    add_device_option(command)
    command.add_argument(
        "--time-limit",
        type=positive,
        default=3600,
        metavar="S",
        help="seconds for each engine and model (default: %(default)s)",
    )
    add_data_options(command)


def finder(options):
    """Return the data.sources.Finder that the data options ask for."""
    from edgebench.data import manifest
    from edgebench.data.sources import Finder

    return Finder(manifest.load(), data_dir(options), cache_dir(options), options.offline, tell)


def tell(line):
    """Say one line of progress on standard error."""
    sys.stderr.write("edgebench: {}\n".format(line))
    sys.stderr.flush()
