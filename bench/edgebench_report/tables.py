"""Tables 1 to 3: the systems, the parameters of the workloads, the networks."""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgebench_report import text
from edgebench_report.aggregate import Column, Record, Statistic
from edgebench_report.published import NOT_IN_REPORT, Annotation, Published, title_of
from edgebench_report.table import MISSING, Band, Cell, Footnotes, Heading, Row, Table
from edgebench_report.text import Note

PUBLISHED_BAND = "Published 2019 (paper profile)"
NOT_RUN = Note("not-run", "not run")
# What programs print for a fact that they do not know, such as "???"; no digit and no letter says anything.
_NOTHING = re.compile(r"[\W_]*")
# A slower clock is shown as 0.0 GHz, and is no processor's.
_SLOWEST_MHZ = 50
_SIZES = (("train_samples", "Train"), ("test_samples", "Test"), ("epochs", "Epochs"), ("batch", "Batch"))


@dataclass(frozen=True)
class Facts:
    """Everything the tables rest on."""

    columns: list[Column]
    hosts: list[Record]
    statistics: dict[tuple[int, str, str], Statistic]
    published: Published
    inferences: list[Record] = dataclasses.field(default_factory=list)
    explanations: list[Record] = dataclasses.field(default_factory=list)
    # One row a run, as aggregate.samples returns them.
    samples: Any = None

    @property
    def workloads(self) -> list[str]:
        """The published workloads in their order, then any others that were run, by name."""
        known = list(self.published.workloads)
        return known + sorted({name for column in self.columns for name in column.groups} - set(known))

    @property
    def every_workload(self) -> list[str]:
        """``workloads``, then those of inference."""
        known = self.workloads
        return known + sorted({each["workload"] for each in self.inferences} - set(known))

    @property
    def profiles(self) -> set[str]:
        """The profiles that were run."""
        return {column.profile for column in self.columns}

    @property
    def host_names(self) -> list[str]:
        """The hosts that were measured, sorted."""
        others = {each["host"] for each in [*self.inferences, *self.explanations]}
        return sorted({column.host for column in self.columns} | others)

    def published_name(self, host: dict[str, Any]) -> str:
        """Return the name of a published host, with its source if a measured host has the same name."""
        measured = {each.casefold() for each in self.host_names}
        return title_of(host) if host["name"].casefold() in measured else str(host["name"])

    def title(self, workload: str) -> str:
        """Return the name of a workload for people."""
        if workload in self.published.workloads:
            return str(self.published.workloads[workload]["title"])
        runs = [run for column in self.columns for run in column.runs] + self.inferences + self.explanations
        titles = [run["title"] for run in runs if run["workload"] == workload]
        return text.one_line(titles[0])


def hosts(facts: Facts) -> Table:
    """Table 1: the systems, beside those of the 2019 report."""
    notes = Footnotes()
    rows = [
        _host_row(facts, notes, "Brand and Make", lambda f, _: f["board"]["model"], "make"),
        _host_row(facts, notes, "Processor", lambda f, _: f["cpu"]["model"], "processor"),
        _host_row(facts, notes, "Architecture", lambda f, _: f["cpu"]["architecture"], "architecture"),
        _host_row(facts, notes, "Memory [GiB]", _memory, "memory_gb"),
        _host_row(facts, notes, "CPU Cores", _cores, "cpu_cores"),
        _host_row(facts, notes, "CPU Clock [GHz]", _clock, "cpu_clock_ghz"),
        _host_row(facts, notes, "GPU", _gpu, "gpu_cores"),
        _host_row(facts, notes, "Float bits", lambda _, runs: _float_bits(runs), "float_bits"),
        _host_row(facts, notes, "OS", _os, "os"),
        _host_row(facts, notes, "Kernel Version", lambda f, _: f["os"]["kernel"], "kernel"),
        _host_row(facts, notes, "Framework", lambda _, runs: _frameworks(runs), "framework"),
        _host_row(facts, notes, "Governor", lambda f, _: f["cpu"]["governor"], "governor"),
    ]
    measured = facts.host_names
    return Table(
        number="1",
        slug="table_1_hosts",
        title="Systems",
        corner="Host name",
        key_name="fact",
        caption="The measured hosts, and those of the 2019 report.",
        bands=[Band("Measured", len(measured), "measured"), Band("Published 2019", 4, "published")],
        headings=[Heading(each, side="measured", numeric=False) for each in measured]
        + [
            Heading(facts.published_name(each), side="published", numeric=False)
            for each in facts.published.hosts
        ],
        rows=rows,
        footnotes=notes.listed(),
    )


_FactOf = Callable[[dict[str, Any], list[Record]], str | None]


def _host_row(facts: Facts, notes: Footnotes, name: str, fact: _FactOf, field: str) -> Row:
    cells = []
    for host in facts.host_names:
        records = sorted(
            (each for each in facts.hosts if each["host"] == host), key=lambda each: each["time_utc"] or ""
        )
        runs = [run for column in facts.columns if column.host == host for run in column.runs]
        runs += [each for each in [*facts.inferences, *facts.explanations] if each["host"] == host]
        if not records:
            cells.append(_gap(notes, Note("host-unrecorded", "no facts of this host were recorded")))
            continue
        # Facts may change from session to session; all are shown, in order of time.
        found = [text.one_line(fact(each["facts"], runs) or "") for each in records]
        values = list(dict.fromkeys(text.shorten(each, 80) for each in found if not _NOTHING.fullmatch(each)))
        reasons = (why for each in records for path, why in each["missing"].items() if _about(path, field))
        cells.append(
            Cell("; ".join(values), numeric=False)
            if values
            else _gap(notes, _why_unknown(next(reasons, None)))
        )
    return Row(
        name, field, cells + [_published_fact(facts, notes, each, field) for each in facts.published.hosts]
    )


def _why_unknown(reason: str | None) -> Note:
    if reason:
        return Note("reason-recorded", reason)
    return Note("fact-unknown", "the host does not report it")


# Dotted paths of the host record that a row of the table is about.
_PATHS = {
    "make": "board.model",
    "processor": "cpu.model",
    "memory_gb": "memory.total_bytes",
    "cpu_cores": "cpu.cores_logical",
    "cpu_clock_ghz": "cpu.clock_max_mhz",
    "kernel": "os.kernel",
    "os": "os.name",
    "governor": "cpu.governor",
}


def _about(path: str, field: str) -> bool:
    return field in _PATHS and path.removeprefix("facts.") == _PATHS[field]


def _published_fact(facts: Facts, notes: Footnotes, host: dict[str, Any], field: str) -> Cell:
    value = host.get(field)
    if value is None:
        return _gap(notes, Note("fact-unpublished", "not stated in the 2019 report"))
    if field == "gpu_cores":
        value = f"{value} CUDA cores" if value else "none"
    known = facts.published.annotation(field, host=host["id"])
    marks = [] if known is None else [notes.mark(_annotated(known))]
    return Cell(str(value), marks=marks, numeric=False)


def _annotated(known: Annotation) -> Note:
    words = (
        known.note
        if known.printed == known.raw
        else f"printed {known.printed}, correct {known.raw}: {known.note}"
    )
    return Note("published-note", words)


def _gap(notes: Footnotes, reason: Note, numeric: bool = False) -> Cell:
    return Cell(MISSING, marks=[notes.mark(reason)], numeric=numeric)


def _memory(facts: dict[str, Any], _: list[Record]) -> str | None:
    total = facts["memory"]["total_bytes"]
    return text.gibibytes(total) if total else None


def _cores(facts: dict[str, Any], _: list[Record]) -> str | None:
    logical, physical = facts["cpu"]["cores_logical"], facts["cpu"]["cores_physical"]
    if logical is None or physical in (None, logical):
        return None if logical is None and physical is None else str(logical or physical)
    return f"{logical} ({physical} physical)"


def _clock(facts: dict[str, Any], _: list[Record]) -> str | None:
    clock = facts["cpu"]["clock_max_mhz"] or facts["cpu"]["clock_current_mhz"]
    return f"{clock / 1000:.1f}" if clock and clock >= _SLOWEST_MHZ else None


def _gpu(facts: dict[str, Any], _: list[Record]) -> str | None:
    names = [each["name"] or "unnamed GPU" for each in facts["devices"] if each["kind"] == "gpu"]
    return ", ".join(names) or "none"


def _os(facts: dict[str, Any], _: list[Record]) -> str | None:
    return " ".join(each for each in (facts["os"]["name"], facts["os"]["version"]) if each) or None


def _float_bits(runs: list[Record]) -> str:
    trained = {run["precision"].removeprefix("float") for run in runs if run["record"] == "run"}
    return ", ".join(sorted(trained, reverse=True))


def _frameworks(runs: list[Record]) -> str | None:
    used = [run["framework"] for run in runs if run["framework"]["version"]]
    return ", ".join(sorted({f"{text.framework(each['name'])} {each['version']}" for each in used})) or None


def workloads(facts: Facts) -> Table:
    """Table 2: samples, epochs and batch sizes, as run and as published."""
    notes = Footnotes()
    sets = _size_sets(facts)
    bands = [Band(name, len(_SIZES), "measured") for name, _ in sets]
    bands.append(Band(PUBLISHED_BAND, len(_SIZES), "published"))
    headings = [
        Heading(short, side=band.side, csv=f"{band.text} {field}")
        for band in bands
        for field, short in _SIZES
    ]
    rows = []
    for workload in facts.workloads:
        cells = []
        for _, sizes in sets:
            cells += _size_cells(sizes.get(workload), notes, NOT_RUN)
        printed = facts.published.workloads.get(workload)
        values = None if printed is None else tuple(printed[field] for field, _ in _SIZES)
        cells += _size_cells(values, notes, NOT_IN_REPORT)
        for field, cell in zip((field for field, _ in _SIZES), cells[-len(_SIZES) :], strict=True):
            known = facts.published.annotation(field, workload=workload)
            if known is not None:
                cell.marks.append(notes.mark(_annotated(known)))
        rows.append(Row(facts.title(workload), workload, cells))
    return Table(
        number="2",
        slug="table_2_workloads",
        title="Benchmark task parameters",
        corner="Workload",
        caption="Samples, epochs and batch sizes as run, and as published.",
        bands=bands,
        headings=headings,
        rows=rows,
        footnotes=notes.listed(),
    )


_Sizes = tuple[int | None, ...]


def _size_sets(facts: Facts) -> list[tuple[str, dict[str, _Sizes]]]:
    """Merge the columns whose sizes agree: (name, workload to its sizes)."""
    sets: list[tuple[str, list[Column], dict[str, _Sizes]]] = []
    for column in facts.columns:
        sizes = {name: _sizes_of(group.ok or group.runs) for name, group in column.groups.items()}
        for _, members, known in sets:
            if members[0].profile == column.profile and all(known.get(k, v) == v for k, v in sizes.items()):
                members.append(column)
                known.update(sizes)
                break
        else:
            sets.append((column.profile, [column], sizes))
    several = {profile for profile, *_ in sets if sum(profile == other for other, *_ in sets) > 1}
    return [
        (f"As run, {profile} profile" + (f" ({members[0].label})" if profile in several else ""), sizes)
        for profile, members, sizes in sets
    ]


def _sizes_of(runs: list[Record]) -> _Sizes:
    return tuple(runs[0]["sizes"][field] for field, _ in _SIZES)


def _size_cells(sizes: _Sizes | None, notes: Footnotes, reason: Note) -> list[Cell]:
    if sizes is None:
        return [_gap(notes, reason, numeric=True) for _ in _SIZES]
    unknown = Note("size-unknown", "unknown: the run ended too early")
    return [_gap(notes, unknown, numeric=True) if each is None else Cell(text.count(each)) for each in sizes]


def architectures(facts: Facts) -> Table:
    """Table 3: the networks, and whether the ones that were built have the published parameter counts."""
    notes = Footnotes()
    rows = []
    for workload in facts.workloads:
        printed = facts.published.workloads.get(workload)
        built = {
            run["sizes"]["parameters"]
            for column in facts.columns
            if workload in column.groups
            for run in column.groups[workload].runs
            if run["sizes"]["parameters"] is not None
        }
        if printed is None:
            cells = [_gap(notes, NOT_IN_REPORT, numeric=each == 2) for each in range(3)]
        else:
            cells = [Cell(printed[each], numeric=False) for each in ("input_shape", "architecture")]
            cells.append(Cell(text.count(printed["parameters"])))
        as_built = Cell(" / ".join(text.count(each) for each in sorted(built)))
        if not built:
            as_built = _gap(notes, Note("network-not-built", "no network was built"), numeric=True)
        elif printed is not None and built != {printed["parameters"]}:
            differs = Note("network-differs", "differs from the published count: not the same network")
            as_built.marks.append(notes.mark(differs))
        rows.append(Row(facts.title(workload), workload, [*cells, as_built]))
    return Table(
        number="3",
        slug="table_3_architectures",
        title="Network architectures",
        corner="Workload",
        caption="The networks of the 2019 report, and the trainable parameters of the networks that were built.",
        bands=[Band("Published 2019", 3, "published"), Band("As built", 1, "measured")],
        headings=[
            Heading("Input shape", side="published", numeric=False),
            Heading("Net architecture", side="published", numeric=False),
            Heading("Parameters", side="published"),
            Heading("Parameters", side="measured", csv="Parameters as built"),
        ],
        rows=rows,
        footnotes=notes.listed(),
    )
