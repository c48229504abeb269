"""The command line: ``edgebench list | run | host | data``."""

import argparse
import json
import os
import re
import signal
import socket
import sys
import time

from edgebench import __version__, workloads
from edgebench.errors import EdgebenchError, UsageError

OK, NOT_ALL_OK, USAGE, INTERRUPTED = 0, 1, 2, 130
_LIMITS_S = {"quick": 900, "paper": 8 * 3600, "tuned": 8 * 3600}
_REPEATS = {"quick": 3, "paper": 5, "tuned": 5}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


def main(arguments=None):
    """Run the command line and return its exit code: 0 fine, 1 some runs are not, 2 nothing done, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["worker"]:
        from edgebench import worker

        worker.main()
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return options.command(options)
    except EdgebenchError as error:
        print("edgebench: {}".format(error), file=sys.stderr)
        return USAGE
    except OSError as error:
        print("edgebench: {}".format(error), file=sys.stderr)
        return USAGE


def _interrupt(number, frame):
    raise KeyboardInterrupt


def _parser():
    parser = argparse.ArgumentParser(
        prog="edgebench",
        description="Time the eight Keras workloads of the 2019 edge report on this machine.",
        epilog="Exit codes: 0 all is well; 1 some runs are not ok, their records say why; 2 wrong usage or nothing "
        "could be run; 130 interrupted, the same command goes on where it stopped.",
    )
    parser.add_argument("--version", action="version", version="edgebench " + __version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_list(commands)
    _add_run(commands)
    _add_host(commands)
    _add_data(commands)
    parser.set_defaults(command=lambda options: _help(parser))
    return parser


def _help(parser):
    parser.print_help()
    return USAGE


def _add_list(commands):
    command = commands.add_parser("list", help="show the workloads with their published figures")
    command.add_argument("--json", action="store_true", help="as JSON, with all sizes and options")
    command.set_defaults(command=_list)


def _list(options):
    from edgebench.workloads.spec import as_json

    if options.json:
        print(json.dumps([as_json(module.SPEC) for module in workloads.ALL], indent=2))
        return OK
    print("{:<14} {:>9} {:>8} {:>6} {:>5} {:>10}  {}".format(*_LIST_HEAD))
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


_LIST_HEAD = ("workload", "train", "test", "epochs", "batch", "parameters", "architecture")


def _add_data_options(command):
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


def _add_run(commands):
    command = commands.add_parser(
        "run",
        help="run workloads and record the results",
        description="Run workloads, each repeat in a fresh process, and append one record a run to the records "
        "file. The same command again does only what has no record yet.",
    )
    command.add_argument(
        "-w",
        "--workload",
        nargs="+",
        action="append",
        metavar="NAME",
        help="only these (default: all; see list)",
    )
    command.add_argument(
        "--profile",
        choices=("quick", "paper", "tuned"),
        default="quick",
        help="quick: seconds each, for a first look; paper: exactly the published sizes; tuned: published sizes, "
        "kept apart (default: %(default)s)",
    )
    command.add_argument(
        "--repeats", type=_positive, metavar="N", help="runs of each workload (default: quick 3, else 5)"
    )
    command.add_argument(
        "--data",
        choices=("auto", "synthetic"),
        default="auto",
        help="auto: real data, in the quick profile a synthetic stand-in where it cannot be had; synthetic: made-up "
        "data of the same shape, its accuracy means nothing (default: %(default)s)",
    )
    _add_data_options(command)
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
        "--threads", type=_positive, metavar="N", help="threads of the framework (default: its own)"
    )
    command.add_argument(
        "--device", choices=("auto", "cpu"), default="auto", help="cpu hides the GPU (default: %(default)s)"
    )
    command.add_argument(
        "--input",
        choices=("auto", "dense_float32", "dense_uint8", "streamed"),
        default="auto",
        help="how multi-hot texts are fed; auto is the first that fits into memory (default: %(default)s)",
    )
    command.add_argument(
        "--time-limit",
        type=_positive,
        metavar="S",
        help="seconds a run may take (default: quick 900, else 28800)",
    )
    command.add_argument(
        "--seed", type=_natural, default=0, metavar="N", help="repeat i is seeded with N + i"
    )
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


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("{} is not 1 or more".format(text))
    return value


def _natural(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("{} is below 0".format(text))
    return value


def _settings(options):
    from edgebench.suite import Settings

    run_id = options.run_id or time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    host = options.host or socket.gethostname().split(".")[0] or "localhost"
    for label, name in (("--run-id", run_id), ("--host", host)):
        if not _NAME.match(name):
            raise UsageError(
                "{} {!r} cannot name a file: use letters, digits, '.', '_' and '-', at most 64.".format(
                    label, name
                )
            )
    names = [name for group in options.workload or [] for name in group] or list(workloads.NAMES)
    for name in names:
        workloads.get(name)
    return Settings(
        workloads=[name for name in workloads.NAMES if name in names],
        profile=options.profile,
        repeats=options.repeats or _REPEATS[options.profile],
        data_mode=options.data,
        data_dir=os.path.abspath(options.data_dir) if options.data_dir else None,
        cache_dir=_cache_dir(options),
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
        out=os.path.abspath(options.out or os.path.join(_home(), "results", run_id, host + ".jsonl")),
        resume=options.resume,
        retry=options.retry,
    )


def _home():
    return os.environ.get("EDGEBENCH_HOME") or os.path.join(os.path.expanduser("~"), "edgebench")


def _cache_dir(options):
    return os.path.abspath(options.cache_dir or os.path.join(_home(), "data"))


def _run(options):
    from edgebench import progress, suite

    settings = _settings(options)
    display = progress.display(options.progress)
    try:
        results = suite.Suite(settings, display).run()
    except KeyboardInterrupt:
        display.done()
        print(
            "\nedgebench: interrupted; what was finished is kept in {}. Go on with the same command and "
            "--run-id {}.".format(settings.out, settings.run_id),
            file=sys.stderr,
        )
        return INTERRUPTED
    print(json.dumps(results, indent=2, sort_keys=True) if options.json else suite.summary(results))
    bad = [record for record in results if record["status"] != "ok"]
    told = "{} of {} runs ok; records: {}".format(len(results) - len(bad), len(results), settings.out)
    print(told, file=sys.stderr if options.json else sys.stdout)
    if bad:
        print(
            "Logs of the others: {}. Run them again with --run-id {} --retry.".format(
                suite.log_folder_of(settings.out), settings.run_id
            ),
            file=sys.stderr,
        )
    return NOT_ALL_OK if bad else OK


def _add_host(commands):
    command = commands.add_parser(
        "host", help="show what this host is: CPU, memory, system, board, framework"
    )
    command.add_argument("--json", action="store_true", help="as JSON, as records hold it")
    command.set_defaults(command=_host)


def _host(options):
    from edgebench import suite

    facts, missing = suite.host_facts()
    if options.json:
        print(json.dumps({"facts": facts, "missing": missing}, indent=2, sort_keys=True))
        return OK
    for line in _host_lines(facts):
        print(line)
    return OK


def _host_lines(facts):
    cpu, memory, system, framework = facts["cpu"], facts["memory"], facts["os"], facts["framework"]
    caches = ", ".join(
        "{} {} KiB".format(name, size // 1024) for name, size in sorted(cpu["caches_bytes"].items())
    )
    simd = [flag for flag in ("sse4_2", "avx", "avx2", "avx512f", "asimd", "neon") if flag in cpu["flags"]]
    yield "board      {}".format(facts["board"]["model"] or "unknown")
    yield "cpu        {}, {} cores, {}".format(
        cpu["model"] or "unknown", cpu["cores_logical"], cpu["architecture"]
    )
    yield "           {}; caches {}".format(" ".join(simd) or "no SIMD flags known", caches or "unknown")
    yield "clock      {} MHz now, governor {}".format(
        cpu["clock_current_mhz"] or "unknown", cpu["governor"] or "none (no frequency scaling)"
    )
    yield "memory     {:.1f} GiB, {:.1f} GiB available, {:.1f} GiB swap".format(
        *((memory[name] or 0) / 2.0**30 for name in ("total_bytes", "available_bytes", "swap_total_bytes"))
    )
    yield "system     {} {}, kernel {}".format(system["name"], system["version"], system["kernel"])
    if framework["version"]:
        yield "framework  TensorFlow {}, Keras {}, NumPy {}, Python {}".format(
            framework["version"], framework["keras"], framework["numpy"], framework["python"]
        )
    else:
        yield "framework  none that works for Python {}".format(framework["python"])
    for device in facts["devices"]:
        yield "device     {} {}".format(device["kind"], device["name"] or "")


def _tell(line):
    print("edgebench: " + line, file=sys.stderr)


def _add_data(commands):
    command = commands.add_parser("data", help="fetch and check the data sets")
    actions = command.add_subparsers(title="actions", metavar="ACTION")
    for name, text in (
        ("fetch", "get what can be had into the cache"),
        ("status", "say what is there; fetches nothing"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument(
            "-w",
            "--workload",
            nargs="+",
            action="append",
            metavar="NAME",
            help="only what these workloads need",
        )
        _add_data_options(action)
        action.add_argument("--json", action="store_true", help="as JSON")
        action.set_defaults(command=_data, fetch=name == "fetch")
    command.set_defaults(command=lambda options: _help(command))


def _data(options):
    from edgebench.data import stage

    names = [name for group in options.workload or [] for name in group] or list(workloads.NAMES)
    datasets = sorted({workloads.get(name).SPEC.dataset for name in names})
    data_dir = os.path.abspath(options.data_dir) if options.data_dir else None
    offline = options.offline or not options.fetch
    result = stage.stage(datasets, data_dir, _cache_dir(options), offline, copy=options.fetch, say=_tell)
    if options.json:
        print(json.dumps(result, indent=2, sort_keys=True))
    else:
        for entry in result["datasets"]:
            print(
                "{:<13} {:<12} {}".format(entry["name"], entry["state"], entry["source"] or entry["reason"])
            )
        for warning in result["warnings"]:
            print("edgebench: {}".format(warning), file=sys.stderr)
    return NOT_ALL_OK if result["wrong_files"] else OK
