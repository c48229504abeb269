"""The command line: ``edgebench list | run | host | data | kws | telemetry | roofline | explain``."""

import argparse
import signal
import sys

from edgebench import __version__, output, storage
from edgebench.commands import data, explain, host, kws, roofline, run, telemetry
from edgebench.commands import list as listing
from edgebench.commands.common import USAGE, show_help
from edgebench.errors import EdgebenchError, with_code


def main(arguments=None):
    """Run the command line and return its exit code: 0 fine, 1 some runs are not, 2 nothing done, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    output.prepare()
    if arguments == ["worker"]:
        from edgebench import worker

        worker.main()
    options = _parser().parse_args(arguments)
    _end_orderly_on_signals()
    try:
        code = options.command(options)
        output.flush()
    except EdgebenchError as error:
        return _fail(with_code(error, error.code))
    except OSError as error:
        if error.filename == output.NAME:
            output.discard()
            return _fail_to_print(error)
        return _fail(with_code(storage.explained(error), storage.code(error)))
    return code


def _fail(reason):
    try:
        print("edgebench: {}".format(reason), file=sys.stderr)
    except OSError:
        # Where the disk of the log is full, the exit code has to say it.
        pass
    return USAGE


def _fail_to_print(error):
    return _fail(
        with_code(
            "standard output cannot be written: {}. Records that were made are kept. Send the output to another file, "
            "then run the same command again.".format(error.strerror),
            "output-not-written",
        )
    )


def _end_orderly_on_signals():
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup the hang-up is ignored, and has to stay so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number, frame):
    raise KeyboardInterrupt


def _parser():
    parser = argparse.ArgumentParser(
        prog="edgebench",
        description="Time nine workloads on this machine: the eight trainings of the 2019 edge report, and keyword "
        "spotting.",
        epilog="Exit codes: 0 all is well; 1 some runs are not ok, their records say why; 2 wrong usage or nothing "
        "could be run; 130 interrupted, the same command goes on where it stopped.",
    )
    parser.add_argument("--version", action="version", version="edgebench " + __version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in (listing, run, host, data, kws, telemetry, roofline, explain):
        module.add(commands)
    parser.set_defaults(command=lambda options: show_help(parser))
    return parser
