"""``edgebench roofline``: what the networks need, what this host can, and what a run makes of it."""

import argparse
import json
import math

from edgebench import facts, progress
from edgebench.commands.common import (
    NOT_ALL_OK,
    OK,
    add_data_options,
    add_device_option,
    add_workload_option,
    batch,
    cache_dir,
    data_dir,
    positive,
    threads,
    workload_names,
)
from edgebench.data import manifest, sources
from edgebench.errors import UsageError, with_code


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "roofline",
        help="counts, peaks, theoretical times and utilisation, layer by layer",
        description="Count what each layer of the networks computes and moves, measure what this host can at most, "
        "and say how far measured inference and training are from it.",
    )
    add_workload_option(command, "only these networks, kws among them (default: all nine), layer by layer")
    command.add_argument("--batch", type=batch, metavar="N", help="batch size (default: each workload's)")
    command.add_argument(
        "--precision",
        choices=("float32", "float16"),
        default="float32",
        help="of the Keras networks (default: %(default)s)",
    )
    command.add_argument(
        "--threads", type=threads, metavar="N", help="threads of the framework (default: all processors)"
    )
    add_device_option(command)
    command.add_argument("--no-measure", action="store_true", help="count only, time nothing")
    command.add_argument(
        "--peaks",
        metavar="FILE",
        help="take the peaks from the JSON of an earlier survey, or from one written by hand, instead of measuring",
    )
    command.add_argument(
        "--budget",
        type=positive,
        default=20,
        metavar="S",
        help="seconds for measuring peaks (default: %(default)s)",
    )
    command.add_argument(
        "--operators",
        action="store_true",
        help="also time the operators of each network, with the profiler's cost",
    )
    command.add_argument(
        "--like",
        choices=("nano-2021",),
        help="only redo the arithmetic of the 2021 report, from its own peaks",
    )
    profiles = command.add_mutually_exclusive_group()
    profiles.add_argument("--nvprof", metavar="FILE", help="only read a summary of nvprof --csv")
    profiles.add_argument("--nsys", metavar="FILE", help="only read an output of nsys stats --format csv")
    command.add_argument(
        "--inferences",
        type=positive,
        metavar="N",
        help="with --nvprof or --nsys: inferences that were profiled",
    )
    command.add_argument(
        "--elapsed-ms",
        type=_positive_number,
        metavar="MS",
        help="with --nvprof or --nsys: what the same inferences take without the profiler, for the runtime's share",
    )
    command.add_argument(
        "--profiled-ms",
        type=_positive_number,
        metavar="MS",
        help="with --elapsed-ms: what they took with it, for the profiler's overhead",
    )
    add_data_options(command)
    command.add_argument("--json", action="store_true", help="as JSON, with everything")
    command.set_defaults(command=_roofline)


def _positive_number(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1e9:
        raise argparse.ArgumentTypeError(
            with_code("{!r} is not a number above 0 and up to 1e9".format(text), "number-invalid")
        )
    return value


def _roofline(options):
    from edgebench.roofline import tables

    _check_together(options)
    if options.like:
        from edgebench.roofline import published

        redone = published.redone(facts.read("published_kws_2021"))
        return _print(options, redone, tables.published(redone))
    if options.nvprof or options.nsys:
        return _profile(options, tables)
    return _survey(options, tables)


def _check_together(options):
    profile = options.nvprof or options.nsys
    for name in ("inferences", "elapsed_ms", "profiled_ms"):
        if getattr(options, name) is not None and not profile:
            raise UsageError(
                "--{} applies to a profile only. Add --nvprof FILE or --nsys FILE.".format(
                    name.replace("_", "-")
                ),
                "profile-required",
            )
    if options.profiled_ms is not None and options.elapsed_ms is None:
        raise UsageError(
            "--profiled-ms needs the time without the profiler too. Add --elapsed-ms MS.",
            "elapsed-ms-required",
        )
    if options.like and profile:
        raise UsageError(
            "--like and {} exclude each other. Give one of them.".format(
                "--nvprof" if options.nvprof else "--nsys"
            ),
            "options-exclusive",
        )


def _profile(options, tables):
    from edgebench.roofline import kernels

    tool, path = ("nvprof", options.nvprof) if options.nvprof else ("nsys", options.nsys)
    rows = kernels.read(path, tool)
    summed = kernels.summary(rows, options.inferences, options.elapsed_ms, options.profiled_ms)
    return _print(options, {"kernels": rows, "summary": summed}, tables.kernels(path, rows, summed))


def _survey(options, tables):
    from edgebench import environment
    from edgebench.roofline import networks, peaks_file, survey

    names = workload_names(options)
    display = progress.display("auto")
    wish = survey.Wish(
        names=names,
        batch=options.batch,
        precision=options.precision,
        threads=options.threads,
        device=options.device,
        measure=not options.no_measure,
        operators=options.operators,
        peaks=peaks_file.read(options.peaks) if options.peaks else None,
        peaks_budget_s=options.budget,
        finder=sources.Finder(
            manifest.load(), data_dir(options), cache_dir(options), offline=options.offline, say=display.say
        ),
    )
    if wish.measure:
        environment.tell_overruled(display.say)
    try:
        result = survey.make(wish, display)
    finally:
        display.done()
    _print(options, result, tables.survey(result, names if options.workload else [networks.KWS]))
    return NOT_ALL_OK if result["missing"] else OK


def _print(options, value, lines):
    if options.json:
        print(json.dumps(value, indent=2, sort_keys=True))
    else:
        print("\n".join(lines))
    return OK
