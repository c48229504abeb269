"""Text logs of the 2019 report's own program, of all its generations.

A log is written when a run is over: a head (module, processor, cores, memory, precision, GPU), the sizes and
times, the network. Each generation of the program printed more than the one before; what a log does not print
is taken from what the program's code fixes, and said in ``imported.inferred``, or is null with the reason.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from edgebench_report import text
from edgebench_report.errors import ReportError
from edgebench_report.importers import records
from edgebench_report.importers.source import NOT_A_LOG, Source, decimal, host_name, integer
from edgebench_report.load import Problem, Record
from edgebench_report.published import read_published

FACTS_FILE = Path(__file__).resolve().parents[3] / "files" / "dlbench_logs.yml"
NUMBERLESS = 5
# Reasons of values that are missing.
UNKNOWN_WORKLOAD = "the log does not contain it, and the module is none of the eight"
GPU_UNCERTAIN = "the program reports a GPU on every 64-bit ARM, whether it has one or not"

_RUNNING = re.compile(r"running\s+(?P<module>.+?)\s+on\s+(?P<rest>.+)$", re.IGNORECASE)
_BITS = re.compile(r"(?P<processor>.*?),?\s*(?P<bits>\d+)\s*bits?$", re.IGNORECASE)
_ARCHITECTURES = "X86_32|X86_64|ARM_\\d+|PPC_\\d+|SPARC_\\d+|S390X|MIPS_\\d+|RISCV_\\d+|LOONG_\\d+"
_NAMES = [
    # The number of a run must not be taken for that of an architecture: mnist1D.ARMARM_8.log is of ARM_8.
    re.compile(
        rf"(?P<module>[^.]+)\.(?P<label>{label})(?:_(?P<device>cpu|gpu|any))?(?:_(?P<number>\d+))?"
        r"(?:\.log)?(?:\.txt)?$"
    )
    for label in (rf"[^.]*?(?:{_ARCHITECTURES})", r"[^.]+?")
]
_PLAIN_ARCHITECTURE = {"X86_64": "x86_64", "X86_32": "i686", "ARM_7": "armv7l", "ARM_8": "aarch64"}
_SHOWN_LINES = 3
_IN_TRAINING = "not timed separately: included in the training time of the log"


@dataclass(frozen=True)
class _HostFacts:
    id: str
    name: str
    label: str
    processor: str
    cores: int
    clock_mhz: float | None
    memory_gb: int
    has_gpu: bool


@dataclass(frozen=True)
class _Facts:
    workloads: dict[str, str]
    published: dict[str, dict[str, Any]]
    lookback_rows: int
    hosts: list[_HostFacts]


@dataclass
class _Log:
    """One run as a log tells it; None and absent is what it does not tell."""

    source: Source
    first_line: int
    module: str | None = None
    processor: str | None = None
    bits: int | None = None
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def file_name(self) -> dict[str, str | None]:
        """The parts of the name of the file: module, label, device, number; None where it has another form."""
        for pattern in _NAMES:
            match = pattern.match(self.source.path.name)
            if match:
                return match.groupdict()
        return {"module": None, "label": None, "device": None, "number": None}

    @property
    def generation(self) -> int:
        """The generation of the program, by the newest line that the log has."""
        marks = [
            ("memory_gb", "precision"),
            ("train_samples", "test_samples", "parameters"),
            ("gpu_used",),
            ("tensorflow",),
        ]
        newest = [place for place, names in enumerate(marks, 2) if any(each in self.values for each in names)]
        return max(newest, default=1)


@dataclass(frozen=True)
class Read:
    """Records made of logs (hosts first), and what was left out of them."""

    records: list[Record]
    problems: list[Problem]


def is_log(source: Source) -> bool:
    """Say whether a file is such a log, or what is left of one."""
    return any(_RUNNING.match(each.strip()) or _is_time(each) for each in source.lines)


def _is_time(line: str) -> bool:
    return bool(re.match(r"\s*training time\s*:", line, re.IGNORECASE))


def read(sources: Iterable[Source], host: str | None = None) -> Read:
    """Turn logs into host and run records; ``host`` names their host where the logs do not tell it rightly.

    Raises ReportError when ``host`` is given for logs of several machines.
    """
    problems: list[Problem] = []
    logs = [each for source in sources for each in _parse(source, problems)]
    usable = [each for each in logs if _is_usable(each, problems)]
    names = {id(each): _host_of(each) for each in usable}
    if host is not None:
        _require_one_machine(host, {each[0] for each in names.values()})
        names = dict.fromkeys(names, (host, "given with --host"))
    runs = _runs(usable, names, problems)
    return Read([*_host_records(usable, names, runs), *runs], problems)


def _require_one_machine(host: str, found: set[str]) -> None:
    if len(found) > 1:
        raise ReportError(
            f"--host {host}: the logs are of {len(found)} machines ({', '.join(sorted(found))}). "
            "Import the logs of one machine at a time, or leave --host out.",
            "host-ambiguous",
        )


# Reading one file


def _parse(source: Source, problems: list[Problem]) -> list[_Log]:
    logs: list[_Log] = []
    strange: list[int] = []
    in_table = False
    for number, line in enumerate(source.lines, 1):
        stripped = line.strip()
        if _RUNNING.match(stripped) or not logs:
            logs.append(_Log(source, number))
        if re.match(r"layer \(type\)", stripped, re.IGNORECASE):
            in_table = True
        elif re.match(r"total params", stripped, re.IGNORECASE):
            in_table = False
        if in_table or not stripped or _ORNAMENT.match(stripped):
            continue
        if number == len(source.lines) and _UNBOUNDED.match(stripped):
            problems.append(source.problem(number, "the file ends within this line", _CUT_SHORT, _TRUNCATED))
        elif not _understand(logs[-1], number, stripped, problems):
            strange.append(number)
    if in_table:
        problems.append(
            Problem(
                source.at(len(source.lines)),
                "the file ends within the table of the network",
                _TRUNCATED,
                _CUT_SHORT,
            )
        )
    # What stands before the first head is of no run, unless there is no head at all.
    logs = logs[1:] if len(logs) > 1 and not logs[0].values and logs[0].module is None else logs
    problems += [source.problem(each, "unknown line", "line-unknown") for each in strange[:_SHOWN_LINES]]
    if len(strange) > _SHOWN_LINES:
        more = text.plural(len(strange) - _SHOWN_LINES, "more unknown line")
        problems.append(Problem(str(source.path), more, NOT_A_LOG, "more-unknown-lines"))
    return logs


_TRUNCATED = "Get the whole file and rerun the import, or use the part that was read."
_CUT_SHORT = "log-truncated"
_UNBOUNDED = re.compile(r"(?:total|trainable) params|using tensorflow", re.IGNORECASE)
_ORNAMENT = re.compile(
    r"[_=\-─━┌┐└┘├┤┬┴┼│┃╇╡╞┏┓┡┩ ]+$|net architecture:?$|model: .*$|input shape:.*$|non-trainable params.*$"
    r"|optimizer params.*$|layer \(type\)",
    re.IGNORECASE,
)


def _understand(log: _Log, number: int, line: str, problems: list[Problem]) -> bool:
    match = _RUNNING.match(line)
    if match:
        _read_head(log, match)
        return True
    for pattern, names, convert in _LINES:
        match = pattern.match(line)
        if not match:
            continue
        for name, written in zip(names, match.groups(), strict=True):
            if written is None:
                continue
            value = convert[name](written)
            if value is None:
                said = f"invalid {name}, expected {_EXPECTED[name]}"
                problems.append(log.source.problem(number, said, "value-invalid"))
            else:
                log.values.setdefault(name, value)
        return True
    return False


def _read_head(log: _Log, match: "re.Match[str]") -> None:
    log.module = match["module"]
    bits = _BITS.match(match["rest"])
    log.processor = (bits["processor"] if bits else match["rest"]).strip().rstrip(",") or None
    log.bits = int(bits["bits"]) if bits else None


def _clock_mhz(written: str) -> float | None:
    match = re.match(r"(?P<number>[\d.,]+)\s*(?P<unit>[GMk]?)Hz$", written.strip(), re.IGNORECASE)
    value = decimal(match["number"]) if match else None
    if match is None or value is None:
        return None
    return round(value * {"g": 1000.0, "m": 1.0, "k": 0.001, "": 1e-6}[match["unit"].lower()], 4)


def _precision(written: str) -> str | None:
    return written.lower() if written.lower() in ("float16", "float32") else None


def _ratio(written: str) -> float | None:
    percent = decimal(written)
    return None if percent is None or percent > 100 else round(percent / 100, 8)


_GPU = {
    "is available and used": "used",
    "is available but not used": "not used",
    "is available but may not get used": "open",
    "is not available": "none",
    "is available": "labelled",
}


def _gpu(written: str) -> str | None:
    return _GPU.get(" ".join(written.lower().split()))


_Convert = dict[str, Callable[[str], Any]]


def _line(pattern: str, **convert: Callable[[str], Any]) -> tuple["re.Pattern[str]", list[str], _Convert]:
    return re.compile(pattern + "$", re.IGNORECASE), list(convert), convert


# Units are required: without one a number may be the beginning of another, where a file was cut. The clock may
# be a row of question marks, or 0 Hz: ways of not knowing it.
_LINES = [
    _line(
        r"with (\S+) cores?,?(?:\s*running at (?:\?+\s*\w*|0+(?:[.,]0*)?\s*[GMk]?Hz|(.*)))?",
        cores=integer,
        clock_mhz=_clock_mhz,
    ),
    _line(r"installed memory:(.*?)Gi?B", memory_gb=integer),
    _line(r"floating\s?-?point precision:\s*(.*)", precision=_precision),
    _line(r"(?:NVIDIA )?GPU acceleration (.*)", gpu=_gpu),
    _line(r"using tensorflow version\s*(.*)", tensorflow=lambda each: text.one_line(each) or None),
    _line(r"training size:(.*?)samples?", train_samples=integer),
    _line(r"test size:(.*?)samples?", test_samples=integer),
    _line(r"training time:(.*?)s", train_s=decimal),
    _line(r"test time:(.*?)s", test_s=decimal),
    _line(r"classification accuracy on test data:(.*?)%", accuracy=_ratio),
    _line(r"total params:(.*?)(?:\(.*\))?", total_parameters=integer),
    _line(r"trainable params:(.*?)(?:\(.*\))?", parameters=integer),
]
_EXPECTED = {
    "cores": "a number of cores",
    "clock_mhz": "a clock such as 1.5 GHz",
    "memory_gb": "a number of GB",
    "precision": "float32 or float16",
    "gpu": "one of: " + ", ".join(_GPU),
    "tensorflow": "a version of TensorFlow",
    "train_samples": "a number of samples",
    "test_samples": "a number of samples",
    "train_s": "a time in seconds",
    "test_s": "a time in seconds",
    "accuracy": "0 to 100 %",
    "total_parameters": "a number of parameters",
    "parameters": "a number of parameters",
}


def _is_usable(log: _Log, problems: list[Problem]) -> bool:
    where = log.source.at(log.first_line)
    if log.values.get("gpu") in ("used", "not used", "open"):
        log.values["gpu_used"] = log.values["gpu"]
    if "parameters" not in log.values and "total_parameters" in log.values:
        log.values["parameters"] = log.values["total_parameters"]
    if "train_s" not in log.values:
        problems.append(Problem(where, "no training time, so not a run", _TRUNCATED, "training-time-missing"))
        return False
    if log.module is None and log.file_name["module"] is None:
        problems.append(
            Problem(
                where,
                "unknown module: the log has no line “Running … on …”, and the file name has no module",
                "Rename the file as the program does: <module>.<vendor and architecture>_<number>.log.",
                "module-missing",
            )
        )
        return False
    if "test_s" not in log.values:
        problems.append(Problem(where, "no test time; imported without it", _TRUNCATED, "test-time-missing"))
    elif "train_samples" in log.values and "parameters" not in log.values:
        # The program began to print both at once.
        said = "no number of parameters; imported without it"
        problems.append(Problem(where, said, _TRUNCATED, "parameters-missing"))
    return True


# What the logs leave to be known


@cache
def _facts() -> _Facts:
    published = read_published()
    try:
        raw = yaml.safe_load(FACTS_FILE.read_text("utf-8"))
        names = {each["id"]: each for each in published.hosts}
        hosts = [
            _HostFacts(**each, name=names[each["id"]]["name"], has_gpu=bool(names[each["id"]]["gpu_cores"]))
            for each in raw["hosts"]
        ]
        modules = {id_: list(each) for id_, each in raw["modules"].items()}
    except (OSError, KeyError, TypeError, AttributeError, yaml.YAMLError) as failure:
        raise ReportError(
            f"{FACTS_FILE}: the file is damaged: {failure}. Restore it: git checkout -- files/{FACTS_FILE.name}",
            "facts-invalid",
        ) from failure
    for name, workload in published.workloads.items():
        modules.setdefault(name, []).append(workload["title"])
    known = {_bare(each): workload for workload, names_ in modules.items() for each in [workload, *names_]}
    return _Facts(known, published.workloads, published.source["lookback_rows"], hosts)


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removesuffix(".py"))


def _workload_of(log: _Log) -> tuple[str, str]:
    """Return (id, title) of the workload of a log; one that is not of the eight gets both from its module."""
    facts = _facts()
    named = [each for each in (log.module, log.file_name["module"]) if each]
    for each in named:
        if _bare(each) in facts.workloads:
            known = facts.workloads[_bare(each)]
            return known, str(facts.published[known]["title"])
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", named[0])
    snake = re.sub(r"[^a-z0-9]+", "_", snake.lower()).strip("_")
    return (snake if re.match(r"[a-z]", snake) else f"module_{snake}").rstrip("_"), text.one_line(named[0])


def _published_host(log: _Log) -> _HostFacts | None:
    # Later generations of the program are younger than the report.
    if log.generation > 3 or log.processor is None:
        return None
    label, values = log.file_name["label"], log.values
    for each in _facts().hosts:
        told = [
            (label, each.label),
            (log.processor, each.processor),
            (values.get("cores"), each.cores),
            (values.get("clock_mhz"), each.clock_mhz),
            (values.get("memory_gb"), each.memory_gb),
        ]
        if all(here is None or there is None or here == there for here, there in told):
            return each
    return None


_IDLE_WORDS = re.compile(r"\((?:R|TM|C)\)|\bCPU\b|\bProcessor\b|@.*$", re.IGNORECASE)


def _host_of(log: _Log) -> tuple[str, str]:
    """Return the name for the host of a log, and from what; it rests on nothing but this log."""
    known = _published_host(log)
    if known is not None:
        return known.name, (
            f"its processor, cores, clock and memory, as far as the log prints them, are those of {known.name} "
            "in the 2019 report; name another machine by --host"
        )
    label = host_name(log.file_name["label"] or "")
    processor = host_name(_IDLE_WORDS.sub(" ", log.processor or ""))
    if not label or not processor or _bare(processor) in _bare(label):
        return label or processor or "imported", "the name of the file" if label else "the processor"
    return f"{label}-{processor}", "the name of the file, and the processor"


# Making the records


def _runs(logs: list[_Log], names: dict[int, tuple[str, str]], problems: list[Problem]) -> list[Record]:
    series: dict[tuple[str, ...], list[_Log]] = {}
    seen: dict[tuple[str, int], str] = {}
    for log in sorted(logs, key=lambda each: (str(each.source.path), each.first_line)):
        copy_of = seen.setdefault((log.source.sha256, log.first_line), str(log.source.path))
        if copy_of != str(log.source.path):
            problems.append(
                Problem(
                    str(log.source.path),
                    f"a copy of {copy_of}, which is imported",
                    "Remove the copy, or ignore this message.",
                    "log-copied",
                )
            )
            continue
        host, _ = names[id(log)]
        key = (host, _workload_of(log)[0], _run_id(log))
        series.setdefault(key, []).append(log)
    return [
        _run(log, names[id(log)], repeat) for members in series.values() for repeat, log in _numbered(members)
    ]


def _run_id(log: _Log) -> str:
    device = log.file_name["device"]
    return f"DL-Benchmarks-{device}" if device else "DL-Benchmarks"


def _numbered(logs: list[_Log]) -> list[tuple[int, _Log]]:
    """Give each log of a series its repeat: the number of the file, 5 without one, the next free one if taken."""
    taken: dict[int, _Log] = {}
    later: list[_Log] = []
    for log in logs:
        number = int(log.file_name["number"] or 0)
        if number < 1 or number in taken:
            later.append(log)
        else:
            taken[number] = log
    for log in later:
        free = NUMBERLESS if NUMBERLESS not in taken else max(taken) + 1
        taken[free] = log
    return sorted(taken.items())


def _run(log: _Log, named: tuple[str, str], repeat: int) -> Record:
    host, host_from = named
    workload, title = _workload_of(log)
    inferred = {"host": host_from, "repeat": "the name of the file", "profile": "the program has no other"}
    reasons = dict.fromkeys(("started_utc", "finished_utc"), records.NO_DATE) | {
        "times.build_s": _IN_TRAINING,
        "seed": "the program set none",
        "times.wall_s": "the program did not time it",
        "times.data_s": "the program did not time it",
        "quality.test_loss": "the program did not print it",
    }
    times = {
        "import_s": None,
        "data_s": None,
        "build_s": None,
        "train_s": log.values["train_s"],
        "test_s": log.values.get("test_s"),
        "epochs_s": [],
        "wall_s": None,
    }
    record = {
        **records.common("run", _run_id(log), host, [log.source]),
        **records.measured_by_another(),
        "workload": workload,
        "title": title,
        "options": _options(workload, inferred),
        "repeat": repeat,
        "times": times,
        "quality": _quality(log, workload, reasons),
        "sizes": _sizes(log, workload, inferred, reasons),
        "data": {
            "name": workload,
            "source": None,
            "synthetic": False,
            "sha256": None,
            "note": None,
            "input": None,
        },
        "framework": {
            "name": "tensorflow",
            "version": log.values.get("tensorflow"),
            "keras": None,
            "numpy": None,
            "python": None,
        },
        "device": _device(log, host, inferred, reasons),
        "precision": _known_precision(log, inferred),
        "threads": {"intra": None, "inter": None},
        "memory": {"peak_bytes": None, "framework_bytes": None},
        "requested": {
            "data": "auto",
            "input": "auto",
            "device": "cpu" if log.values.get("gpu") == "not used" else "auto",
        },
        "missing": {"times.epochs_s": "the program did not time epochs"},
        "imported": {},
    }
    inferred["data.synthetic"] = "the program has real data only"
    inferred["framework.name"] = "the program uses nothing else"
    record["imported"] = records.imported(
        [log.source],
        f"DL-Benchmarks log, generation {log.generation}",
        inferred,
        train_includes_build=True,
    )
    return records.fill_missing(record, reasons)


def _options(workload: str, inferred: dict[str, str]) -> dict[str, Any]:
    if not workload.startswith("weather"):
        return {}
    inferred["options.lookback_rows"] = "set in the code of the module"
    return {"lookback_rows": _facts().lookback_rows}


def _quality(log: _Log, workload: str, reasons: dict[str, str]) -> dict[str, Any]:
    is_regression = workload in ("weather", "weather_conv")
    reasons["quality.value"] = (
        "a regression: the program computed its error, but did not print it"
        if is_regression
        else "the log has no accuracy"
    )
    return {
        "metric": "mae" if is_regression else "accuracy",
        "value": None if is_regression else log.values.get("accuracy"),
        "unit": "standard deviations" if is_regression else "ratio",
        "test_loss": None,
        "epoch_losses": [],
    }


def _sizes(
    log: _Log, workload: str, inferred: dict[str, str], reasons: dict[str, str]
) -> dict[str, int | None]:
    published = _facts().published.get(workload, {})
    sizes: dict[str, int | None] = {}
    for name in ("train_samples", "test_samples", "epochs", "batch"):
        printed = log.values.get(name)
        sizes[name] = published.get(name) if printed is None else printed
        if printed is None and name in published:
            inferred[f"sizes.{name}"] = "set in the code of the module, and printed in the 2019 report"
        reasons[f"sizes.{name}"] = UNKNOWN_WORKLOAD
    sizes["test_batch"] = None
    sizes["parameters"] = log.values.get("parameters")
    return sizes


def _known_precision(log: _Log, inferred: dict[str, str]) -> str:
    if "precision" not in log.values:
        inferred["precision"] = "float32: older versions of the program have nothing else and do not print it"
    return str(log.values.get("precision", "float32"))


def _device(log: _Log, host: str, inferred: dict[str, str], reasons: dict[str, str]) -> dict[str, Any] | None:
    said = log.values.get("gpu")
    known = _published_host(log)
    if said == "labelled" and known is not None and known.has_gpu and host == known.name:
        inferred["device.kind"] = f"{known.name} has a GPU, by the 2019 report"
        said = "used"
    if said in ("used", "not used", "none"):
        is_gpu = said == "used"
        reasons["device.memory_bytes"] = records.NOT_SAID
        return {"kind": "gpu" if is_gpu else "cpu", "name": None if is_gpu else log.processor}
    reasons["device"] = {
        "labelled": GPU_UNCERTAIN,
        "open": "the log does not say whether the GPU was used",
    }.get(str(said), records.NOT_SAID)
    return None


def _host_records(logs: list[_Log], names: dict[int, tuple[str, str]], runs: list[Record]) -> list[Record]:
    used = {each["sha256"] for run in runs for each in run["imported"]["files"]}
    by_host: dict[str, list[_Log]] = {}
    for log in logs:
        if log.source.sha256 in used:
            by_host.setdefault(names[id(log)][0], []).append(log)
    return [_host_record(host, members) for host, members in sorted(by_host.items())]


def _host_record(host: str, logs: list[_Log]) -> Record:
    reasons = {"time_utc": records.NO_DATE}

    def agreed(path: str, values: Iterable[Any]) -> Any:
        found = sorted({each for each in values if each is not None})
        if len(found) > 1:
            shown = [f"{each:.6g}" if isinstance(each, float) else str(each) for each in found]
            is_range = isinstance(found[0], float)
            said = f"{shown[0]} to {shown[-1]}" if is_range else text.spoken_list(shown)
            reasons[path] = f"the logs differ: {said}"
        return found[0] if len(found) == 1 else None

    def printed(name: str, path: str) -> Any:
        return agreed(path, (each.values.get(name) for each in logs))

    labels = {each.file_name["label"] or "" for each in logs}
    architectures = {
        plain for label in labels for end, plain in _PLAIN_ARCHITECTURE.items() if label.endswith(end)
    }
    memory_gb = printed("memory_gb", "facts.memory.total_bytes")
    inferred = {}
    if memory_gb is not None:
        inferred["facts.memory.total_bytes"] = "printed in whole GB"
    distinct = list({each.source.sha256: each.source for each in logs}.values())
    versions = agreed("facts.framework.version", (each.values.get("tensorflow") for each in logs))
    record = {
        **records.common("host", "DL-Benchmarks", host, distinct),
        "time_utc": None,
        "facts": {
            "cpu": {
                "model": agreed("facts.cpu.model", (each.processor for each in logs)),
                "architecture": architectures.pop() if len(architectures) == 1 else "unknown",
                "flags": [],
                "cores_physical": None,
                "cores_logical": printed("cores", "facts.cpu.cores_logical"),
                "caches_bytes": {},
                "governor": None,
                "clock_min_mhz": None,
                "clock_max_mhz": None,
                "clock_current_mhz": printed("clock_mhz", "facts.cpu.clock_current_mhz"),
            },
            "memory": {
                "total_bytes": None if memory_gb is None else memory_gb * 2**30,
                "available_bytes": None,
                "swap_total_bytes": None,
            },
            "os": {"name": None, "version": None, "kernel": None},
            "board": {"model": None},
            "framework": {
                "name": "tensorflow",
                "version": versions,
                "keras": None,
                "numpy": None,
                "python": None,
            },
            "devices": [{"kind": "cpu", "name": None}]
            + ([{"kind": "gpu", "name": None}] if _has_gpu(host, logs) else []),
        },
        "missing": {
            "facts.cpu.flags": records.NOT_SAID,
            "facts.cpu.caches_bytes": records.NOT_SAID,
            # Table 1 looks for the reason of a clock here.
            "facts.cpu.clock_max_mhz": reasons.get("facts.cpu.clock_current_mhz", records.NOT_SAID),
        },
        "imported": records.imported(distinct, "DL-Benchmarks logs", inferred),
    }
    return records.fill_missing(record, reasons)


def _has_gpu(host: str, logs: list[_Log]) -> bool:
    known = [each for each in map(_published_host, logs) if each is not None and each.name == host]
    if known:
        return known[0].has_gpu
    return any(each.values.get("gpu") in ("used", "not used", "open") for each in logs)
