"""What the commands share: exit codes, options and where things lie."""

import argparse
import os

from edgebench import records
from edgebench.errors import UsageError, with_code

OK, NOT_ALL_OK, USAGE, INTERRUPTED = 0, 1, 2, 130


def show_help(parser):
    """Print what a command can do, for a call that says too little; return the exit code of wrong usage."""
    parser.print_help()
    return USAGE


def add_workload_option(command, text):
    """Add ``-w NAME …``, which may be given several times; ``workload_names`` reads it."""
    command.add_argument("-w", "--workload", nargs="+", action="append", metavar="NAME", help=text)


def workload_names(options):
    """Return the workloads asked for, in the order of the tables; all nine without ``-w``. Raises UsageError."""
    from edgebench import keyword_spotting, workloads

    return keyword_spotting.names(
        workloads.NAMES, {name for group in options.workload or [] for name in group}
    )


def add_data_options(command):
    """Add where data is looked for and kept."""
    command.add_argument(
        "--data-dir",
        default=os.environ.get("EDGEBENCH_DATA_DIR"),
        metavar="DIR",
        help="directory or mirror with data sets, looked at first (EDGEBENCH_DATA_DIR)",
    )
    command.add_argument(
        "--cache-dir", metavar="DIR", help="where fetched data is kept (default: data in EDGEBENCH_HOME)"
    )
    command.add_argument("--offline", action="store_true", help="do not try the network for data")


def add_training_options(command):
    """Add what changes a training, and with it what its numbers may be compared with."""
    command.add_argument(
        "--precision",
        choices=("float32", "float16"),
        default="float32",
        help="float16 is mixed precision, before TensorFlow 2.4 Keras' floatx (default: %(default)s)",
    )
    command.add_argument(
        "--lookback",
        type=int,
        choices=(1440, 720),
        default=1440,
        help="rows of look-back of the weather workloads: the report's code has 1440, its text 720 "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--threads", type=threads, metavar="N", help="threads of the framework (default: its own)"
    )


def add_device_option(command):
    """Add what computes."""
    command.add_argument(
        "--device",
        choices=("auto", "cpu", "gpu"),
        default="auto",
        help="cpu hides the GPU, gpu fails if there is none (default: %(default)s)",
    )


def add_records_options(command):
    """Add where records go, and under which names."""
    command.add_argument(
        "--run-id",
        metavar="ID",
        help="name of this run; an existing one is continued (default: the UTC time)",
    )
    command.add_argument(
        "--host", metavar="NAME", help="name of this host in records (default: its host name)"
    )
    command.add_argument(
        "--out",
        metavar="FILE",
        help="records file (default: results/RUN-ID/HOST.jsonl in EDGEBENCH_HOME, the workers' logs beside it)",
    )


def home():
    """Return the folder of everything of edgebench on this host (EDGEBENCH_HOME, set by the launcher)."""
    return os.environ.get("EDGEBENCH_HOME") or os.path.join(os.path.expanduser("~"), "edgebench")


def data_dir(options):
    """Return the user's data directory as an absolute path, or None."""
    return os.path.abspath(options.data_dir) if options.data_dir else None


def cache_dir(options):
    """Return the folder that fetched data is kept in. Raises UsageError where a file is in its place."""
    folder = os.path.abspath(options.cache_dir or os.path.join(home(), "data"))
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise UsageError(
            "{} is not a folder, so data cannot be kept in it. Name another one with --cache-dir or "
            "EDGEBENCH_HOME.".format(folder),
            "cache-dir-not-a-folder",
        )
    return folder


def records_path(options, run_id, host):
    """Return the absolute path of the records file. Raises UsageError if there can be none, before anything is run."""
    path = os.path.abspath(options.out or os.path.join(home(), "results", run_id, host + ".jsonl"))
    records.check_path(path)
    return path


def checked_engines(names):
    """Return the names of engines, or None for none. Raises UsageError for one that is unknown."""
    from edgebench.kws import engines

    return [engines.checked(name) for name in names] if names else names


def checked_meters(commands):
    """Return the commands of external meters. Raises UsageError for one that cannot be run or prints no power."""
    from edgebench.telemetry.sources import meter
    from edgebench.telemetry.sources.source import AbsentError

    for command in commands:
        try:
            meter.find(command).close()
        except AbsentError as error:
            raise UsageError(
                "--meter: {}. Correct the command, or omit --meter; docs/telemetry.md has the form of its "
                "lines.".format(error),
                "meter-unusable",
            )
    return commands


def whole(minimum, maximum):
    """Return a type for argparse: a whole number in this range, the ends included."""

    def read(text):
        try:
            value = int(text)
        except ValueError:
            value, code = None, "number-invalid"
        else:
            code = "number-too-small" if value < minimum else "number-too-large"
        if value is None or not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(
                with_code("{} is not a whole number from {} to {}".format(text, minimum, maximum), code)
            )
        return value

    return read


# Seconds and counts: more than a human life, and less than what overflows a clock.
positive = whole(1, 10**9)
natural = whole(0, 10**9)
# More make threads of a framework fail one by one, minutes later.
threads = whole(1, 1024)
repeats = whole(1, 10000)
batch = whole(1, 65536)
# With the number of the repeat added it is still a number of 64 bits, as records and frameworks have it.
seed = whole(0, 2**62)
