"""``edgebench host``: what this host is."""

import json

from edgebench import host, progress, suite
from edgebench.commands.common import OK


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "host", help="show what this host is: CPU, memory, system, board, framework"
    )
    command.add_argument("--json", action="store_true", help="as JSON, as records hold it")
    command.set_defaults(command=_host)


def _host(options):
    facts, missing = suite.host_facts(progress.display("auto"))
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
    yield "system     {}, kernel {}".format(host.name_of(system), system["kernel"])
    if framework["version"]:
        yield "framework  TensorFlow {}, Keras {}, NumPy {}, Python {}".format(
            framework["version"], framework["keras"], framework["numpy"], framework["python"]
        )
    else:
        yield "framework  none that works for Python {}".format(framework["python"])
    for device in facts["devices"]:
        yield "device     {} {}".format(device["kind"], device["name"] or "")
