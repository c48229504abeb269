"""``edgebench run``: run workloads and record the results."""

import json
import re
import socket
import sys
import time

from edgebench import observation, progress, suite, summary
from edgebench.commands.common import (
    INTERRUPTED,
    NOT_ALL_OK,
    OK,
    add_data_options,
    add_device_option,
    add_records_options,
    add_training_options,
    add_workload_option,
    cache_dir,
    checked_engines,
    checked_meters,
    data_dir,
    positive,
    records_path,
    repeats,
    seed,
    threads,
    workload_names,
)
from edgebench.errors import UsageError, with_code

_LIMITS_S = {"quick": 900, "paper": 8 * 3600, "tuned": 8 * 3600}
# The fewest from which the reporter tells a difference at 95 %.
_REPEATS = 5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "run",
        help="run workloads and record the results",
        description="Run workloads, each repeat in a fresh process, and append one record a run to the records "
        "file. The workload kws is inference: one record for each engine and model, five windows each. The same "
        "command again does only what has no record yet.",
    )
    add_workload_option(command, "only these (default: all; see list)")
    command.add_argument(
        "--profile",
        choices=("quick", "paper", "tuned"),
        default="quick",
        help="quick: seconds each, for a first look; paper: exactly the published sizes; tuned: the published sizes "
        "under settings of execution that a search on this host finds faster (default: %(default)s)",
    )
    command.add_argument(
        "--repeats",
        type=repeats,
        metavar="N",
        help="runs of each training (default: %(default)s)",
        default=_REPEATS,
    )
    command.add_argument(
        "--data",
        choices=("auto", "synthetic"),
        default="auto",
        help="auto: real data, in the quick profile a synthetic stand-in where it cannot be had; synthetic: made-up "
        "data of the same shape, its accuracy means nothing (default: %(default)s)",
    )
    add_data_options(command)
    add_training_options(command)
    command.add_argument(
        "--engines",
        nargs="+",
        metavar="NAME",
        help="engines that run kws: tensorflow, litert, onnxruntime (default: those that are installed)",
    )
    command.add_argument(
        "--models",
        nargs="+",
        metavar="ID",
        help="models that kws runs, see edgebench kws models (default: all there are)",
    )
    command.add_argument(
        "--engine-threads",
        nargs="+",
        type=threads,
        metavar="N",
        help="threads of the engines that run kws; several are measured one after another (default: --threads, else 1)",
    )
    add_device_option(command)
    command.add_argument(
        "--input",
        choices=("auto", "dense_float32", "dense_uint8", "streamed"),
        default="auto",
        help="how multi-hot texts are fed; auto is the first that fits into memory (default: %(default)s)",
    )
    command.add_argument(
        "--time-limit",
        type=positive,
        metavar="S",
        help="seconds a run may take (default: quick 900, else 28800)",
    )
    command.add_argument(
        "--search-limit",
        type=positive,
        metavar="S",
        help="seconds the search of the tuned profile may take for each workload (default: half the training, "
        "between 120 and 600)",
    )
    command.add_argument(
        "--strict",
        action="store_true",
        help="refuse a host that is not fit to be measured, and repeat a disturbed run, up to three times in all, once "
        "the host has calmed down",
    )
    command.add_argument(
        "--meter",
        action="append",
        default=[],
        metavar="COMMAND",
        help='a command that reads an external power meter and prints lines such as {"power_w": 4.2}; see '
        "docs/telemetry.md",
    )
    command.add_argument(
        "--no-telemetry", dest="telemetry", action="store_false", help="do not watch the host meanwhile"
    )
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="repeat i is seeded with N + i")
    add_records_options(command)
    command.add_argument("--retry", action="store_true", help="run again what is recorded but not ok")
    command.add_argument(
        "--resume",
        action="store_true",
        default=True,
        help="skip what has a valid record under the same run id: the default, named for scripts",
    )
    command.add_argument(
        "--no-resume", dest="resume", action="store_false", help="refuse a run id that has records already"
    )
    command.add_argument(
        "--progress",
        choices=("auto", "bar", "plain", "none"),
        default="auto",
        help="how progress is shown on standard error (default: a bar on a terminal, else plain lines)",
    )
    command.add_argument(
        "--json", action="store_true", help="print the records as one JSON list instead of a table"
    )
    command.set_defaults(command=_run)


def check_names(run_id, host):
    """Raise UsageError if a run id or a host name is not a valid file name."""
    for label, name in (("--run-id", run_id), ("--host", host)):
        if not _NAME.match(name):
            raise UsageError(
                "{} {!r} is not a valid file name. Use at most 64 letters, digits, '.', '_' and '-'; start with a "
                "letter or a digit.".format(label, name),
                "name-invalid",
            )


def _settings(options):
    run_id = options.run_id or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    host = options.host or socket.gethostname().split(".")[0] or "localhost"
    check_names(run_id, host)
    if options.strict and not options.telemetry:
        raise UsageError(
            "--strict needs telemetry to detect disturbed runs. Omit --no-telemetry.", "telemetry-off"
        )
    return suite.Settings(
        workloads=workload_names(options),
        profile=options.profile,
        repeats=options.repeats,
        data_mode=options.data,
        data_dir=data_dir(options),
        cache_dir=cache_dir(options),
        offline=options.offline,
        precision=options.precision,
        lookback_rows=options.lookback,
        threads=options.threads,
        device=options.device,
        input_mode=options.input,
        limit_s=options.time_limit or _LIMITS_S[options.profile],
        seed=options.seed,
        run_id=run_id,
        host=host,
        out=records_path(options, run_id, host),
        engines=checked_engines(options.engines),
        models=options.models,
        engine_threads=sorted(set(options.engine_threads or [options.threads or 1])),
        resume=options.resume,
        retry=options.retry,
        search_limit_s=options.search_limit,
        telemetry=options.telemetry,
        meters=checked_meters(options.meter) if options.telemetry else [],
        strict=options.strict,
    )


def _is_no_fault(record, settings):
    """Tell whether a record is of an engine that cannot do it here, and that nobody asked for by name."""
    asked = settings.engines or settings.models
    return record["record"] == "inference" and record["status"] == "unsupported" and not asked


def _run(options):
    settings = _settings(options)
    display = progress.display(options.progress)
    try:
        results = suite.Suite(settings, display).run()
    except KeyboardInterrupt:
        display.done()
        print(
            with_code(
                "\nedgebench: interrupted. Finished runs are recorded in {}. To resume, run the same command with "
                "--run-id {}.".format(settings.out, settings.run_id),
                "run-interrupted",
            ),
            file=sys.stderr,
        )
        return INTERRUPTED
    print(json.dumps(results, indent=2, sort_keys=True) if options.json else summary.tables(results))
    not_ok = [record for record in results if record["status"] != "ok"]
    bad = [record for record in not_ok if not _is_no_fault(record, settings)]
    disturbed = [
        record for record in results if record["status"] == "ok" and observation.disturbances(record)
    ]
    told = "{} of {} runs ok{}{}; records: {}".format(
        len(results) - len(not_ok),
        len(results),
        ", {} not supported here".format(len(not_ok) - len(bad)) if len(not_ok) > len(bad) else "",
        ", {} of them disturbed".format(len(disturbed)) if disturbed else "",
        settings.out,
    )
    print(told, file=sys.stderr if options.json else sys.stdout)
    if bad:
        print(
            "Logs of the other runs: {}. To run them again, use --run-id {} --retry.".format(
                suite.log_folder_of(settings.out), settings.run_id
            ),
            file=sys.stderr,
        )
    return NOT_ALL_OK if bad or (settings.strict and disturbed) else OK
