"""``edgebench kws performance``: windows of inferences as MLPerf Tiny times them, and records of them."""

import json
import os
import socket
import sys
import time

from edgebench.commands.common import (
    INTERRUPTED,
    NOT_ALL_OK,
    OK,
    add_records_options,
    cache_dir,
    checked_engines,
    data_dir,
    records_path,
)
from edgebench.commands.kws import shared
from edgebench.errors import UsageError, with_code


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "performance",
        help="throughput and latency of each engine with each model",
        description="Time each engine and model in five windows, each of at least 10 s of wall clock and at least 10 "
        "inferences, batch 1, in a process of its own; score its accuracy before; append one record each to the "
        "records file. Exit code 1 if one could not be measured or scores less than MLPerf Tiny requires (90 %), which "
        "is not timed.",
    )
    shared.add_choice(command)
    command.add_argument(
        "--quick",
        action="store_true",
        help="windows of 0.5 s, for a first look: too short to count for MLPerf Tiny, and said to be so",
    )
    command.add_argument(
        "--log",
        metavar="FILE",
        help="also write the result as the EEMBC runner does, for which one engine, model and number of threads have "
        "to be chosen",
    )
    add_records_options(command)
    command.add_argument("--json", action="store_true", help="print the records as one JSON list")
    command.set_defaults(command=_performance)


def _performance(options):
    from edgebench import progress, suite
    from edgebench.kws import tables

    _check_log(options)
    settings = _settings(options)
    display = progress.display("auto")
    try:
        results = suite.Suite(settings, display).run()
    except KeyboardInterrupt:
        display.done()
        shared.tell(
            with_code(
                "interrupted. Finished runs are recorded in {}. To resume, run the same command with --run-id "
                "{}.".format(settings.out, settings.run_id),
                "run-interrupted",
            )
        )
        return INTERRUPTED
    print(json.dumps(results, indent=2, sort_keys=True) if options.json else tables.performance(results))
    bad = [record for record in results if record["status"] != "ok"]
    told = "{} of {} ok; records: {}".format(len(results) - len(bad), len(results), settings.out)
    print(told, file=sys.stderr if options.json else sys.stdout)
    if bad:
        shared.tell("logs of the others: {}".format(suite.log_folder_of(settings.out)))
    elif options.log:
        _write_log(options.log, results[0])
    return NOT_ALL_OK if bad else OK


def _check_log(options):
    if not options.log:
        return
    chosen = [options.engine or [], options.model or [], options.threads]
    if [len(set(each)) for each in chosen] != [1, 1, 1]:
        raise UsageError(
            "--log {} takes one measurement, and more are chosen. Add --engine NAME --model ID --threads N; to list "
            "them, run: edgebench kws models".format(options.log),
            "log-needs-one-measurement",
        )


def _settings(options):
    from edgebench import keyword_spotting, suite
    from edgebench.commands import run

    run_id = options.run_id or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    host = options.host or socket.gethostname().split(".")[0] or "localhost"
    run.check_names(run_id, host)
    return suite.Settings(
        workloads=[keyword_spotting.NAME],
        profile="quick" if options.quick else "paper",
        repeats=1,
        data_mode="auto",
        data_dir=data_dir(options),
        cache_dir=cache_dir(options),
        offline=options.offline,
        precision="float32",
        lookback_rows=1440,
        threads=None,
        device=options.device,
        input_mode="auto",
        search_limit_s=None,
        limit_s=options.time_limit,
        seed=0,
        run_id=run_id,
        host=host,
        out=records_path(options, run_id, host),
        resume=True,
        retry=False,
        engines=checked_engines(options.engine),
        models=options.model,
        engine_threads=sorted(set(options.threads)),
        telemetry=True,
        meters=[],
        strict=False,
    )


def _write_log(path, record):
    from edgebench.data import files
    from edgebench.kws import logform

    windows = [(each["inferences"], each["wall_s"]) for each in record["windows"]]
    text = logform.performance_log(windows)
    if record["quality"]["value"] is not None:
        text += logform.accuracy_log(record["quality"]["value"], record["quality"]["auc"])
    files.write_whole(os.path.abspath(path), [text.encode("utf-8")])
    shared.tell("log: {}".format(path))
