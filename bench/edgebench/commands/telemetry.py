"""``edgebench telemetry``: what this host tells while a benchmark runs, and what it does not."""

import json
import os
import sys
import tempfile
import time

from edgebench.commands.common import NOT_ALL_OK, OK, checked_meters, positive
from edgebench.errors import UsageError


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "telemetry",
        help="show the telemetry of this host: temperatures, clocks, throttling, power, load",
        description="Look for all sources of telemetry, name the missing ones with the reason, then sample for a "
        "while and show what a record would have. docs/telemetry.md describes the sources and a meter's lines.",
    )
    command.add_argument(
        "--seconds", type=positive, default=3, metavar="N", help="how long to sample (default: %(default)s)"
    )
    command.add_argument(
        "--meter",
        action="append",
        default=[],
        metavar="COMMAND",
        help='a command that reads an external power meter and prints lines such as {"power_w": 4.2}',
    )
    command.add_argument(
        "--root", default="/", metavar="DIR", help="look into a copy of sys and proc in this folder"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(command=_telemetry)


def _telemetry(options):
    from edgebench.telemetry import sources, summary
    from edgebench.telemetry.tree import Tree

    if not os.path.isdir(options.root):
        raise UsageError(
            "--root {} is not a folder. Name a copy of sys and proc, or omit --root.".format(options.root),
            "root-not-a-folder",
        )
    checked_meters(options.meter)
    found, absent = sources.find(Tree(options.root), os.getpid(), options.meter)
    if not options.json:
        for line in _source_lines(found, absent):
            print(line)
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        path = os.path.join(folder, "series.jsonl")
        _sample(found, absent, path, options)
        told, missing = summary.of_file(path)
    if options.json:
        found_json = {each.name: [quantity._asdict() for quantity in each.quantities] for each in found}
        print(
            json.dumps(
                {"sources": found_json, "absent": absent, "telemetry": told, "missing": missing},
                indent=2,
                sort_keys=True,
            )
        )
    elif told is not None:
        for line in _summary_lines(told, missing):
            print(line)
    return OK if told is not None else NOT_ALL_OK


def _sample(found, absent, path, options):
    from edgebench import memory
    from edgebench.telemetry import sampler, series

    taker = sampler.Sampler(found, sampler.INTERVAL_S)
    writer = series.Writer(path)
    writer.header(taker.usual_interval_s, *(sampler.clocks() + (found, absent)))
    started = time.monotonic()
    try:
        for number in range(options.seconds + 1):
            time.sleep(max(0.0, started + number * sampler.INTERVAL_S - time.monotonic()))
            sample = taker.sample()
            writer.sample(sample, taker.usual_interval_s)
            if not options.json:
                _show(found, sample, number == options.seconds)
    finally:
        taker.close()
        writer.end(None, memory.peak_bytes())


def _show(found, sample, is_last):
    """Write the live line; on a terminal each over the one before."""
    quantities = [quantity for source in found for quantity in source.quantities]
    parts = []
    for quantity, value in zip(quantities, sample.values):
        is_limit = quantity.name.startswith(("clock_min.", "clock_max."))
        is_shown = not is_limit if quantity.kind == "gauge" else quantity.kind == "flag" and value
        if value is not None and is_shown:
            parts.append("{} {}".format(quantity.name, _shown(quantity, value)))
    line = "live  " + (", ".join(parts) or "nothing but counters")
    if sys.stdout.isatty():
        width = os.get_terminal_size(sys.stdout.fileno()).columns
        sys.stdout.write("\r" + line[: width - 1].ljust(width - 1) + ("\n" if is_last else ""))
    else:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


_UNITS = {"celsius": "C", "megahertz": "MHz", "watt": "W", "joule": "J", "second": "s"}


def _shown(quantity, value):
    if isinstance(value, str):
        return value
    if quantity.unit == "byte":
        return "{:.0f} MiB".format(value / 2.0**20)
    if quantity.unit == "ratio" and quantity.kind == "gauge":
        return "{:.0f} %".format(100 * value)
    return "{:.6g} {}".format(value, _UNITS.get(quantity.unit, "")).rstrip()


def _source_lines(found, absent):
    for source in found:
        yield "there   {}".format(source.name)
        for quantity, value in zip(source.quantities, source.read()):
            shown = "no value now" if value is None else _shown(quantity, value)
            yield "          {:<34} {}".format(quantity.name, shown)
    for name in sorted(absent):
        yield "absent  {}: {}".format(name, absent[name])


def _summary_lines(told, missing):
    run = told["phases"]["run"]
    energy = run["energy"]
    if energy["total_j"] is None:
        yield "energy  unknown: {}".format(missing["telemetry.phases.run.energy.total_j"])
    else:
        yield "energy  {:.3f} J in {:.1f} s, {:.3f} W ({}: {})".format(
            energy["total_j"],
            run["duration_s"],
            energy["mean_w"],
            energy["total_covers"],
            ", ".join(energy["total_rails"]),
        )
    shares = [(name, run["cpu"][name + "_share"]) for name in ("others", "steal")]
    yield "cpu     " + ", ".join(
        "{} {}".format(name, "unknown" if share is None else "{:.1f} %".format(100 * share))
        for name, share in shares
    )
    yield "cost    {:.4f} % of one core, {:.1f} ms CPU for each sample".format(
        100 * told["sampler"]["share_of_core"], 1000 * told["sampler"]["cpu_s"] / max(told["samples"] - 1, 1)
    )
    for text in told["warnings"]:
        yield "disturbed: " + text
    for kind, why in sorted(told["unknown"].items()):
        yield "unknown {}: {}".format(kind, why)
    for text in told["notes"]:
        yield "note: " + text
