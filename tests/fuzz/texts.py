"""Targets: texts and bytes that a host, a device, another program or a person's editor gives."""

import base64
import contextlib
import io
import json
import tarfile
import unicodedata
from pathlib import Path
from typing import Any

from edgebench import records
from edgebench.errors import RecordError
from edgebench.kws.protocol import READY, Protocol
from edgebench.telemetry import judge, series, summary
from edgebench.telemetry.window import Window
from edgebench_report import importers
from edgebench_report.errors import ReportError
from edgebench_report.importers import records as imported_records
from edgebench_report.load import RECORDED_TWICE, load

from tests.fuzz import target as targets
from tests.fuzz.target import ROOT, Target, written
from tests.unit.report import test_import_dlbench as dlbench
from tests.unit.report import test_import_runners as runners
from tests.unit.runner import builders
from tests.unit.runner.kws_engine import Clock, TimedEngine


def _is_shown(said: str) -> bool:
    """Say whether a terminal shows it as text: no control or format characters but line ends, and not endless."""
    return len(said) < 4000 and not any(
        unicodedata.category(each) in ("Cc", "Cf", "Cs") for each in said.replace("\n", " ")
    )


def check_records(data: bytes) -> None:
    path = written(data, "boromir.jsonl")
    try:
        read, torn = records.read(str(path))
    except RecordError:
        read, torn = None, b""
    try:
        loaded = load([path])
    except ReportError:
        # Said of a file without runs; what the runner takes for records is at most those of hosts then.
        assert not read or all(each["record"] == "host" for each in read) or torn
        return
    assert all(_is_shown(str(each)) for each in loaded.problems)
    if read is not None and not torn:
        counted = len(loaded.runs + loaded.inferences + loaded.hosts + loaded.superseded) + loaded.duplicates
        replaced = [each for each in loaded.problems if each.code == RECORDED_TWICE]
        assert counted + len(replaced) == len(read), (
            "the runner and the reporter disagree on what is a record"
        )


def _check_import(data: bytes, name: str) -> None:
    try:
        found = importers.read([written(data, name)])
    except ReportError:
        return
    assert all(_is_shown(str(each)) for each in found.problems)
    if any(each["record"] != "host" for each in found.records):
        lines = imported_records.lines(found.records)
        loaded = load([written(lines.encode(), "imported.jsonl")])
        assert not loaded.problems


def check_import_log(data: bytes) -> None:
    _check_import(data, "mnist1D.IntelX86_64_1.log")


def check_import_json(data: bytes) -> None:
    _check_import(data, "results.json")


def check_extlinux(data: bytes) -> None:
    module = targets.plugin("module_utils/extlinux_conf")
    for loader in module.LOADERS:
        _check_extlinux(module, data, loader)


def _check_extlinux(module: Any, data: bytes, loader: str) -> None:
    try:
        conf = module.parse(data, loader)
    except module.ConfError:
        return
    assert conf.data() == data
    for problem in conf.problems(lambda path: None):
        assert 0 < problem.line <= max(len(conf.lines), 1)
        assert _is_shown(problem.message) or len(data) > 500
    for label in conf.labels:
        conf.describe(label)
    if not conf.labels:
        return
    name = conf.labels[-1].name
    edits: tuple[Any, ...] = (
        lambda conf: conf.set_default(name),
        lambda conf: conf.set_timeout(30),
        lambda conf: conf.set_label(name, {"append": b"root=/dev/sda1"}),
        lambda conf: conf.set_label(b"edgebench-new", {"linux": b"/boot/Image"}, like=name),
        lambda conf: conf.remove_label(name),
    )
    for edit in edits:
        edited = module.parse(data, loader)
        try:
            edit(edited)
        except module.ConfError:
            continue
        # What was written is what is read.
        assert module.parse(edited.data(), loader).data() == edited.data()
    edited = module.parse(data, loader)
    with contextlib.suppress(module.ConfError):
        edited.set_default(name)
        assert module.parse(edited.data(), loader).default == name


def _answers(pieces: list[bytes]) -> bytes:
    clock = Clock()
    protocol = Protocol(TimedEngine(clock, 4.0), clock)
    return b"".join(each for piece in pieces for each in protocol.feed(piece))


def check_protocol(data: bytes) -> None:
    # A hundred commands that infer for half a minute each say no more than two.
    data = data[:2000]
    whole = _answers([data])
    assert whole == _answers([data[start : start + 1] for start in range(len(data))])
    assert whole.count(READY) == data.count(b"%")
    assert all(0x20 <= byte < 0x7F or byte in b"\r\n" for byte in whole)


def check_series(data: bytes) -> None:
    try:
        read = series.parsed(data)
    except RecordError:
        return
    times = [each.monotonic_s for each in read.samples]
    assert times == sorted(times)
    assert all(len(each.values) == len(read.quantities) for each in read.samples)
    told, missing = summary.summarise(read)
    json.dumps([told, missing], allow_nan=False)
    if read.samples:
        window = Window(read, times[0], times[-1])
        said = [words for kind, words in judge.disturbances(window) if kind in judge.KINDS]
        assert len(said) == len(judge.disturbances(window))
        assert all(isinstance(each, str) for each in said + judge.notes(window))


def check_collected(data: bytes) -> None:
    """What a host sends to the controller: a listing, an archive, records."""
    collect = targets.plugin("action/edgebench_collect")
    with contextlib.suppress(ValueError):
        names = collect.listed(data.decode("utf-8", "replace"), "nano", ["r1"])
        for name in names:
            inside = Path("/results/r1")
            resolved = Path("/results", name).resolve()
            assert resolved != inside
            assert inside in resolved.parents
            assert name.isprintable()
        collect.fetchable({name: size for name, (size, _) in names.items()})
    with contextlib.suppress(ValueError, EOFError, OSError, tarfile.TarError, collect.zlib.error):
        files = collect.unpack(data, "nano", ["r1"], 1 << 20)
        assert sum(len(each) for each in files.values()) <= 1 << 20
    told = collect.summarise(data)
    assert all(_is_shown(each) for each in told["not_ok"])


def _line(record: Any) -> bytes:
    return json.dumps(record, sort_keys=True).encode() + b"\n"


def _tar(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    return out.getvalue()


_RUN, _INFERENCE = _line(builders.run_record()), _line(builders.inference_record())
_HOST = next(
    line + b"\n" for line in (ROOT / "tests/unit/report/good_record.jsonl").read_bytes().splitlines()
)
_SERIES = b"".join(
    _line(each)
    for each in [
        {
            "telemetry": 1,
            "interval_s": 1.0,
            "monotonic_s": 10.0,
            "utc_s": 1e9,
            "quantities": [
                ["cpu.load", "gauge", "ratio", {}],
                ["power.a", "power", "W", {"rail": "total", "covers": "board"}],
                ["energy.rapl", "energy", "J", {"wraps_at": 262143.0}],
                ["throttle", "event", None, {"event": "throttled"}],
                ["governor", "text", None, {}],
            ],
            "sources": ["cpu"],
            "absent": {"rapl": "no such file"},
        },
        *(
            {"t": 10.0 + i, "u": 1e9 + i, "c": 0.1 * i, "v": [0.5, 2.0, 262140.0 + i, 0, "ondemand"]}
            for i in range(4)
        ),
        {"end": None, "peak_bytes": 1, "lost": 0},
    ]
)
_LOG = (
    dlbench.HEAD.format(module="mnist1D")
    + "Using TensorFlow version 1.13.1\n"
    + dlbench.BODY.format(train=60000, test=10000, seconds=33.7, tested=0.5)
    + dlbench.ACCURACY.format(accuracy=98.1)
    + dlbench.NETWORK.format(parameters=407050)
).encode()
_JSON = json.dumps(
    [
        {
            "infer": {"iterations": 2400, "elapsed_time": 10300000, "results": [0.1] * 12},
            "classes": 12,
            "class": 3,
            "mode": "p",
        },
        {"infer": {"iterations": 1, "elapsed_time": 1, "results": [0.1] * 12}, "class": 1, "mode": "a"},
    ]
).encode()
_ODD_JSON = (
    b"null",
    b"NaN",
    b"Infinity",
    b"-1",
    b"1e999",
    b"9" * 400,
    b"[" * 600,
    b'{"a":' * 600,
    b'"\\ud800"',
    b"true",
    b'""',
    b"\x1b[2J",
)

TARGETS = (
    Target(
        "records",
        check_records,
        "edgebench_report.load",
        (_RUN, _INFERENCE, _HOST, _HOST + _RUN + _INFERENCE, _RUN + _RUN[:99]),
        (*_ODD_JSON, b"\n", b'"attempt": 2', b'"schema": 3', b'"record": "host"', b"\r"),
    ),
    Target(
        "import-log",
        check_import_log,
        "edgebench_report.importers",
        (
            _LOG,
            runners.eembc_results().encode(),
            runners.timed_session().encode(),
            runners.ACCURACY.encode(),
            _LOG.decode().encode("utf-16"),
        ),
        (
            b"GHz",
            b"9" * 400,
            b"1.234,5",
            b"%",
            b" s\n",
            b"Running x on y",
            b"m-lap-us-",
            b"\xb5",
            b"\x1b[2J",
            b"\n",
            b"m-infer-start-12\n",
        ),
    ),
    Target(
        "import-json",
        check_import_json,
        "edgebench_report.importers.mlcommons",
        (_JSON, b"{}", b"[{}]"),
        _ODD_JSON,
    ),
    Target(
        "extlinux",
        check_extlinux,
        "extlinux_conf",
        tuple(path.read_bytes() for path in sorted((ROOT / "tests/unit/ansible/extlinux").glob("*.conf"))),
        (
            b"LABEL x\n",
            b"MENU DEFAULT\n",
            b"DEFAULT x\n",
            b"TIMEOUT 0\n",
            b"ONTIMEOUT y\n",
            b"APPEND initrd=/i\n",
            b"\r\n",
            b"\t",
            b"#",
            b"FDT /a\n",
            b"INCLUDE /b\n",
            b"\xa0",
            b"\0",
        ),
    ),
    Target(
        "protocol",
        check_protocol,
        "edgebench.kws.protocol",
        (
            b"name%profile%timestamp%db load 490%"
            + b"".join(b"db " + b"1f" * 35 + b"%" for _ in range(14))
            + b"infer 2 1%results%db print%help%",
        ),
        (
            b"%",
            b"infer 2147483648%",
            b"infer -1%",
            b"db load 27649%",
            b"db 0g%",
            b"db load%",
            b"\0",
            b"\xff",
            b" " * 90,
        ),
    ),
    Target(
        "series",
        check_series,
        "edgebench.telemetry.series",
        (_SERIES, _SERIES[:-5]),
        (*_ODD_JSON, b"\n", b'"power"', b'"event"', b'"energy"', b'"text"', b'{"end": 1}\n'),
    ),
    Target(
        "collected",
        check_collected,
        "action_edgebench_collect",
        (
            _RUN + _INFERENCE,
            b"12 r1/nano.jsonl\n" + b"a" * 64 + b" *r1/nano.jsonl\n",
            _tar("r1/nano.logs/a.log"),
            base64.b64encode(_RUN),
        ),
        (b"../", b"12 ", b" *", b"r1/nano.logs/", b"\x1b[2J", b"\n", b"-5 r1/nano.exit\n", *_ODD_JSON),
    ),
)
