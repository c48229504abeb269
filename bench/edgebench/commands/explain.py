"""``edgebench explain``: where the time of each workload goes on this host."""

import json
import socket
import sys
import time

from edgebench import progress
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
    data_dir,
    natural,
    positive,
    records_path,
    seed,
)
from edgebench.commands.run import check_names
from edgebench.errors import UsageError, with_code

_LIKE = ("2019",)


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "explain",
        help="where the time of a training goes, measured by a sweep over batch sizes",
        description="Measure, for each workload, training steps of several batch sizes, the real input and a real "
        "training, and say how much of a step is overhead of the framework, input, arithmetic and memory. One "
        "record for each workload is appended to the records file.",
    )
    add_workload_option(command, "only these trainings (default: all eight; see list)")
    command.add_argument(
        "--data",
        choices=("auto", "synthetic"),
        default="auto",
        help="auto: real data, a synthetic stand-in where it cannot be had (default: %(default)s)",
    )
    add_data_options(command)
    add_training_options(command)
    add_device_option(command)
    command.add_argument(
        "--peaks",
        metavar="FILE",
        help="take the peaks from the JSON of edgebench roofline, or from one written by hand, instead of measuring",
    )
    command.add_argument(
        "--peaks-budget",
        type=positive,
        default=20,
        metavar="S",
        help="seconds for measuring peaks (default: %(default)s)",
    )
    command.add_argument(
        "--budget",
        type=natural,
        default=90,
        metavar="S",
        help="seconds for the rounds of each workload; three rounds are made at least (default: %(default)s)",
    )
    command.add_argument(
        "--time-limit",
        type=positive,
        default=7200,
        metavar="S",
        help="seconds a workload may take (default: %(default)s)",
    )
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="(default: %(default)s)")
    add_records_options(command)
    command.add_argument(
        "--like",
        choices=_LIKE,
        help="measure nothing: what the report's own times and the counted operations say of its four hosts",
    )
    command.add_argument("--json", action="store_true", help="print the records as one JSON list")
    command.set_defaults(command=_explain)


def _explain(options):
    if options.like:
        return _published(options)
    from edgebench.explain import survey, words

    wish = _wish(options)
    display = progress.display("auto")
    try:
        results = survey.Survey(wish, display).run()
    except KeyboardInterrupt:
        display.done()
        print(
            with_code(
                "\nedgebench: interrupted. Finished runs are recorded in {}. To resume, run the same command with "
                "--run-id {}.".format(wish.out, wish.run_id),
                "run-interrupted",
            ),
            file=sys.stderr,
        )
        return INTERRUPTED
    if options.json:
        print(json.dumps(results, indent=2, sort_keys=True))
    else:
        print("\n".join(words.told(results)))
    print("records: {}".format(wish.out), file=sys.stderr if options.json else sys.stdout)
    return OK if all(record["status"] == "ok" for record in results) else NOT_ALL_OK


def _published(options):
    from edgebench.explain import published

    told = published.explained(options.threads)
    print(json.dumps(told, indent=2, sort_keys=True) if options.json else "\n".join(published.lines(told)))
    return OK


def _wish(options):
    from edgebench import workloads
    from edgebench.explain import survey
    from edgebench.roofline import peaks_file

    asked = {name for group in options.workload or [] for name in group}
    unknown = sorted(asked.difference(workloads.NAMES))
    if unknown:
        raise UsageError(
            "Unknown training {!r}. Choose from: {}.".format(unknown[0], ", ".join(workloads.NAMES)),
            "workload-unknown",
        )
    run_id = options.run_id or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    host = options.host or socket.gethostname().split(".")[0] or "localhost"
    check_names(run_id, host)
    return survey.Wish(
        names=[name for name in workloads.NAMES if name in asked or not asked],
        data_mode=options.data,
        data_dir=data_dir(options),
        cache_dir=cache_dir(options),
        offline=options.offline,
        precision=options.precision,
        lookback_rows=options.lookback,
        threads=options.threads,
        device=options.device,
        peaks=peaks_file.read(options.peaks) if options.peaks else None,
        peaks_budget_s=options.peaks_budget,
        budget_s=options.budget,
        limit_s=options.time_limit,
        seed=options.seed,
        run_id=run_id,
        host=host,
        out=records_path(options, run_id, host),
    )
