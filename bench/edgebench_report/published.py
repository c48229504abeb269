"""What was published before: the tables of the 2019 report, and keyword spotting (2021), from ``files/``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgebench_report.errors import ReportError
from edgebench_report.text import Note

_FILES = Path(__file__).resolve().parents[2] / "files"
PUBLISHED_FILE = _FILES / "published_2019.yml"
PUBLISHED_KWS_FILE = _FILES / "published_kws_2021.yml"
_RESULT_FIELDS = (
    *("id", "device", "software", "engine", "precision", "latency_ms", "throughput_per_s"),
    *("top1_percent", "auc", "source", "notes"),
)
_HOST_FIELDS = ("id", "name", "make", "processor", "architecture", "memory_gb", "cpu_cores", "cpu_clock_ghz")
_WORKLOAD_FIELDS = (
    *(
        "title",
        "train_samples",
        "test_samples",
        "epochs",
        "batch",
        "input_shape",
        "architecture",
        "parameters",
    ),
    *("train_s", "test_s", "accuracy_percent"),
)


NOT_IN_REPORT = Note("not-in-2019-report", "not part of the 2019 report")


def title_of(host: dict[str, Any]) -> str:
    """Return what a published host is called among measured ones."""
    return f"{host['name']} (2019 report)"


@dataclass(frozen=True)
class Annotation:
    """What is known to be wrong with one printed value, and the value of the raw logs or the code."""

    table: int
    field: str
    printed: Any
    raw: Any
    note: str
    host: str | None = None
    workload: str | None = None


@dataclass(frozen=True)
class Published:
    """The report's hosts and workloads in its order, both as mappings as in the file."""

    source: dict[str, Any]
    hosts: list[dict[str, Any]]
    workloads: dict[str, dict[str, Any]]
    annotations: list[Annotation]

    def annotation(
        self, field: str, host: str | None = None, workload: str | None = None
    ) -> Annotation | None:
        """Return the annotation of one printed value, or None."""
        for each in self.annotations:
            if (each.field, each.host, each.workload) == (field, host, workload):
                return each
        return None

    def printed(self, workload: str, field: str, host: str) -> float | None:
        """Return a result as printed (seconds, or percent), None where the report has none."""
        values = self.workloads.get(workload, {}).get(field)
        return None if values is None else values[host]

    def measured(self, workload: str, field: str, host: str) -> float | None:
        """Return a result as in the raw logs where they contradict the print, else as printed."""
        known = self.annotation(field, host, workload)
        return self.printed(workload, field, host) if known is None else known.raw

    def reason(self, workload: str, field: str, host: str) -> Note:
        """Return why the report has no such result."""
        missing = self.workloads.get(workload, {}).get("missing", {})
        given = missing.get(f"{field}.{host}") or missing.get(field)
        return Note("reason-published", given) if given else NOT_IN_REPORT


def read_published(path: Path = PUBLISHED_FILE) -> Published:
    """Read the published tables; raise ReportError, naming file and fault, when they are not whole."""
    with _faults_of(path):
        raw = _raw(path)
        published = Published(
            source=raw["source"],
            hosts=raw["hosts"],
            workloads={each["id"]: each for each in raw["workloads"]},
            annotations=[Annotation(**each) for each in raw["annotations"]],
        )
        _check(published)
    return published


def _raw(path: Path) -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    if raw["version"] != 1:
        raise ReportError(f"version {raw['version']!r}, expected 1", "published-version-unknown")
    return raw


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Raise whatever is wrong with the content of a file as a ReportError that names the file and the remedy."""
    try:
        yield
    except ReportError as failure:
        raise _fault(path, str(failure), failure.code) from failure
    except KeyError as failure:
        raise _fault(path, f"{failure} is missing", "published-field-missing") from failure
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as failure:
        raise _fault(path, str(failure), "published-file-broken") from failure


def _fault(path: Path, what: str, code: str | None) -> ReportError:
    return ReportError(
        f"{path}: these are not the published tables: {what}. Restore the file: git checkout -- {path}", code
    )


def _check(published: Published) -> None:
    hosts = {each["id"] for each in published.hosts}
    for host in published.hosts:
        _require(f"host {host.get('id')!r}", host, _HOST_FIELDS)
    for name, workload in published.workloads.items():
        _require(f"workload {name!r}", workload, _WORKLOAD_FIELDS)
        for field in ("train_s", "test_s", "accuracy_percent"):
            values = workload[field]
            if values is not None and set(values) != hosts:
                raise ReportError(
                    f"{name}.{field} has the hosts {sorted(values)}, expected {sorted(hosts)}",
                    "published-hosts-differ",
                )
            nulls = (
                [field] if values is None else [f"{field}.{host}" for host in values if values[host] is None]
            )
            for path in nulls:
                if path not in workload.get("missing", {}):
                    raise _unexplained(f"{name}.{path}")
    for each in published.annotations:
        place = published.workloads[each.workload] if each.workload else _host(published, each.host)
        value = place[each.field]
        if each.workload and each.host:
            value = value[each.host]
        if value != each.printed:
            raise ReportError(
                f"the annotation of {each.field} says that {each.printed!r} was printed, the table has {value!r}",
                "published-annotation-differs",
            )


def _require(what: str, given: dict[str, Any], fields: tuple[str, ...]) -> None:
    absent = [each for each in fields if each not in given]
    if absent:
        raise ReportError(f"{what} has no {', '.join(absent)}", "published-field-missing")


def _unexplained(what: str) -> ReportError:
    return ReportError(f"{what} is null without a reason in 'missing'", "published-reason-missing")


def _host(published: Published, name: str | None) -> dict[str, Any]:
    for each in published.hosts:
        if each["id"] == name:
            return each
    raise ReportError(f"an annotation names the unknown host {name!r}", "published-host-unknown")


@dataclass(frozen=True)
class PublishedInference:
    """Keyword spotting as published elsewhere; ``results`` are mappings as in the file, ``notes`` its footnotes."""

    source: dict[str, Any]
    results: list[dict[str, Any]]
    notes: dict[str, str]


def read_published_inference(path: Path = PUBLISHED_KWS_FILE) -> PublishedInference:
    """Read the published results of keyword spotting; raise ReportError, naming file and fault, as above."""
    with _faults_of(path):
        raw = _raw(path)
        published = PublishedInference(raw["source"], raw["results"], raw["annotations"])
        for result in published.results:
            _check_result(result, published.notes)
    return published


def _check_result(result: dict[str, Any], notes: dict[str, str]) -> None:
    what = f"result {result.get('id')!r}"
    _require(what, result, _RESULT_FIELDS)
    missing = result.get("missing", {})
    for name in (each for each in _RESULT_FIELDS if result[each] is None and each not in missing):
        raise _unexplained(f"{what}: {name}")
    for note in (each for each in result["notes"] if each not in notes):
        raise ReportError(f"{what} refers to the unknown annotation {note!r}", "published-note-unknown")
