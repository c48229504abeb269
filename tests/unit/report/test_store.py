"""Records of any number: the database says what reading them one by one says."""

import json
import math
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from edgebench_report import aggregate, export, joined, load, settings, statistics, store
from edgebench_report.errors import ReportError
from edgebench_report.load import Loaded
from edgebench_report.store import Store
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.messages import codes
from tests.unit.report.conftest import Maker, lines, merge, mixed_records

RecordsFile = Callable[..., Path]
Record = dict[str, Any]
METRICS = (
    *("train_total_s", "data_s", "build_s", "train_s", "test_s", "other_s", "wall_s"),
    *("quality", "mae_celsius"),
)
FACTS = ("profile", "variant", "precision", "framework", "keras", "numpy", "python", "device", "environment")
DATA = ("synthetic", "sha256", "input")
SIZES = ("train_samples", "test_samples", "epochs", "batch")


@pytest.fixture(params=["fast", "by lines"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of reading: by the database, and line by line."""
    if request.param == "fast":
        monkeypatch.setattr(store, "SMALL_BYTES", -1)
    return str(request.param)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by the database."""
    monkeypatch.setattr(store, "SMALL_BYTES", -1)


@pytest.fixture(autouse=True)
def _no_leftovers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    opened: list[Store] = []
    make = Store.__post_init__

    def keep(self: Store) -> None:
        make(self)
        opened.append(self)

    monkeypatch.setattr(Store, "__post_init__", keep)
    yield
    for each in opened:
        each.close()
        assert not each._scratch.exists()


def read(*paths: Path) -> Store:
    result = Store(160 * 2**20)
    result.read(paths)
    return result


def rows(of: Store, sql: str) -> list[dict[str, Any]]:
    found = of.connection.execute(sql)
    assert found.description is not None
    names = [each[0] for each in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def one_by_one(loaded: Loaded) -> dict[Any, dict[str, Any]]:
    """What ``aggregate`` says of the finished runs that ``load`` read, by host, workload and circumstances."""
    result = {}
    for column in aggregate.columns(loaded.runs, []):
        for group in (each for each in column.groups.values() if each.ok):
            facts = group.circumstances
            options = {name: value for name, value in facts.items() if name.startswith("option ")}
            key = (facts["host"], group.workload, *(facts[each] for each in FACTS), facts["threads"])
            key += (*(facts[each] for each in DATA), facts["sizes"], tuple(sorted(options.items())))
            result[key] = summary([aggregate.measured(run) for run in group.ok])
    return result


def summary(measured: list[dict[str, float | None]]) -> dict[str, float]:
    found: dict[str, float] = {"ok": len(measured)}
    for metric in METRICS:
        values = sorted(value for each in measured if (value := each[metric]) is not None)
        found[f"{metric}_n"] = len(values)
        if values:
            found[metric] = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
            found.update({f"{metric}_min": values[0], f"{metric}_max": values[-1]})
    return found


def by_database(of: Store) -> dict[Any, dict[str, Any]]:
    result = {}
    names = ["ok", *(f"{each}{end}" for each in METRICS for end in ("_n", "", "_min", "_max"))]
    for row in rows(of, "FROM medians WHERE ok > 0"):
        options = {
            f"option {name}": value
            if isinstance(value, str | int | float)
            else json.dumps(value, sort_keys=True)
            for name, value in json.loads(row["options"]).items()
        }
        key = (row["host"], row["workload"], *(row[each] for each in FACTS))
        key += ((row["threads_intra"], row["threads_inter"]), *(row[each] for each in DATA))
        key += (tuple(row[each] for each in SIZES), tuple(sorted(options.items())))
        result[key] = {name: row[name] for name in names if row[name] is not None}
    return result


def same(one: dict[Any, dict[str, Any]], other: dict[Any, dict[str, Any]]) -> None:
    assert one.keys() == other.keys()
    for key, expected in one.items():
        assert other[key].keys() == expected.keys(), key
        for name, value in expected.items():
            assert math.isclose(other[key][name], value, rel_tol=1e-12), (key, name)


def check(paths: list[Path]) -> tuple[Loaded, Store]:
    loaded, found = load.load(paths), read(*paths)
    same(one_by_one(loaded), by_database(found))
    rivals = [each for each in loaded.problems if each.code == load.RECORDED_TWICE]
    told = [each for each in found.problems if each.code == load.RECORDED_TWICE]
    assert len(told) == len(rivals)
    assert {str(each) for each in found.problems if each not in told} == {
        str(each) for each in loaded.problems if each not in rivals
    }
    assert found.duplicates == loaded.duplicates
    assert len(rows(found, "FROM runs")) == len(loaded.runs)
    assert len(rows(found, "FROM inferences")) == len(loaded.inferences)
    assert len(rows(found, "FROM superseded")) == len(loaded.superseded)
    return loaded, found


def test_the_awkward_records_of_the_report(make: Maker, records_file: RecordsFile, reading: str) -> None:
    check([records_file(mixed_records(make))])


def test_circumstances_that_come_with_later_files(
    make: Maker, records_file: RecordsFile, fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joined, "BATCH_BYTES", 20_000)
    paths = [
        records_file([each, make.run(repeat=number, run_id="again")], f"{number:02d}.jsonl")
        for number, each in enumerate(mixed_records(make), 1)
    ]
    bad = merge(Maker().run(repeat=98, run_id="again"), {"framework": {"version": 2}})
    paths.append(records_file([make.run(repeat=99, run_id="again"), bad], "bad.jsonl"))

    _, found = check(paths)

    assert [each.where for each in found.problems if each.code == "record-invalid"] == [f"{paths[-1]}:2"]


def test_a_fault_of_a_host_record_is_named(make: Maker, records_file: RecordsFile, fast: None) -> None:
    path = records_file([make.run(), merge(make.suite(1)[0], {"schema": 9}), make.run(repeat=2)])

    _, found = check([path])

    assert [each.where for each in found.problems] == [f"{path}:2"]


def test_what_the_quick_way_takes_for_a_number(make: Maker, records_file: RecordsFile, fast: None) -> None:
    times = {"train_s": "2.5", "build_s": True, "test_s": False}
    [row] = rows(read(records_file([make.run(times=times)])), "FROM runs")

    assert (row["train_s"], row["build_s"], row["test_s"]) == (2.5, 1, 0)


@st.composite
def record_sets(draw: st.DrawFn) -> list[Record]:
    make, result = Maker(), []
    value = st.sampled_from([0, 0.25, 1, 1.5, 2.0, 7.125, 1e8])
    for number in range(draw(st.integers(1, 14))):
        workload = draw(st.sampled_from(["mnist_1d", "weather"]))
        changes: Record = {
            "host": draw(st.sampled_from(["a", "b"])),
            "attempt": draw(st.integers(1, 2)),
            "finished_utc": f"2026-05-04T08:01:{number:02d}Z",
            "framework": {"version": draw(st.sampled_from(["2.21.0", "1.5.0", None]))},
            "threads": {"intra": draw(st.sampled_from([1, None]))},
            "options": draw(
                st.sampled_from([{}, {"b": 1, "a": 2}, {"a": 2, "b": 1}, {"deep": {"x": [1, None]}}])
            ),
            "precision": draw(st.sampled_from(["float32", "float16"])),
        }
        environment = draw(
            st.sampled_from([None, {}, {"OMP_NUM_THREADS": "1"}, {"B": "1", "A": "2"}, {"A": "2", "B": "1"}])
        )
        if environment is not None:
            changes["environment"] = environment
        repeat = draw(st.integers(1, 3))
        kind = draw(st.sampled_from(["ok", "ok", "ok", "imported", "unfinished", "inference"]))
        if kind == "inference":
            changes.pop("precision")
            changes["options"] = {"window_s": 1.0, "windows": 5, "min_inferences": 10}
            result.append(make.inference(repeat=repeat, **changes))
            continue
        if kind == "unfinished":
            result.append(
                make.unfinished(draw(st.sampled_from(["oom", "failed"])), "why", workload, repeat, **changes)
            )
            continue
        changes["times"] = {each: draw(value) for each in ("data_s", "train_s", "test_s", "wall_s")}
        if kind == "imported":
            changes["times"]["build_s"] = None
            changes["imported"] = {
                "files": [{"name": "log", "sha256": "e" * 64}],
                "format": "text",
                "inferred": {},
                "train_includes_build": draw(st.booleans()),
            }
        result.append(make.run(workload, repeat, **changes))
    return [make.run("imdb"), *result, *draw(st.lists(st.sampled_from(result), max_size=3))]


@given(record_sets())
@examples(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_records(fast: None, tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    folder = tmp_path_factory.mktemp("any")
    middle = len(records) // 2
    (folder / "a.jsonl").write_text(lines(records[:middle]), "utf-8")
    (folder / "b.jsonl").write_text(lines(records[middle:]), "utf-8")

    check([folder])


_WRONG: tuple[Record, ...] = (
    {"schema": 3},
    {"schema": True},
    {"times": {"wall_s": "much"}},
    {"times": {"wall_s": [1]}},
    {"times": {"train_s": -1}},
    {"times": {"train_s": 1e10}},
    {"status": "fine"},
    {"host": "bad host"},
    {"host": None},
    {"session": "x"},
    {"record": "note"},
    {"repeat": 1.5},
    {"attempt": 0},
    {"precision": None},
    {"profile": 5},
    {"record": True},
    {"quality": {"metric": ["accuracy"]}},
    {"sizes": 5},
    {"sizes": {"epochs": "two"}},
    {"framework": {"version": 2}},
    {"threads": {"intra": -1}},
    {"imported": {"files": []}},
    {"times": {"test_s": float("nan")}},
    {"quality": {"metric": "luck"}},
    {"workload": "No Name"},
)


def test_every_bad_line_is_named_as_ever_and_the_good_ones_are_used(
    make: Maker, records_file: RecordsFile, fast: None
) -> None:
    bad = [b"{nonsense", b"[1]", b"\xff\xfe\x00", b"\x00" * 100, b"null", b"[" * 100_000 + b"]" * 100_000]
    bad += [json.dumps(merge(Maker().run(repeat=9), changes)).encode() for changes in _WRONG]
    for number, line in enumerate(bad):
        path = records_file([make.run(repeat=2 * number + 1)], f"{number:02d}.jsonl")
        path.write_bytes(path.read_bytes() + line + b"\n" + lines([make.run(repeat=2 * number + 2)]).encode())
    torn = records_file([make.run("imdb", 1), make.run("imdb", 2)], "torn.jsonl")
    torn.write_bytes(torn.read_bytes()[:-300])

    _, found = check([torn.parent])

    assert len(found.problems) == len(bad) + 1
    by_workload = rows(found, "FROM medians ORDER BY workload")
    assert [row["runs"] for row in by_workload] == [1, 2 * len(bad)]


def test_a_line_that_is_too_long_is_named_and_not_held(
    make: Maker, records_file: RecordsFile, fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "MAX_LINE_BYTES", 2**20)
    path = records_file([make.run(repeat=1)])
    with path.open("ab") as handle:
        handle.write(b'{"a": "' + b"x" * 5 * 2**20 + b'"}\n' + lines([make.run(repeat=2)]).encode())

    _, found = check([path])

    assert [(each.where, each.code) for each in found.problems] == [(f"{path}:2", "line-too-long")]


def test_numbers_beyond_what_the_database_holds_are_a_named_limit(
    make: Maker, records_file: RecordsFile, reading: str
) -> None:
    found = read(path := records_file([make.run(repeat=1), make.run(repeat=2**60)]))

    assert [(each.where, each.code) for each in found.problems] == [(f"{path}:2", "repeat-too-large")]
    assert [row["runs"] for row in rows(found, "FROM medians")] == [1]


def test_odd_names_of_files_and_what_is_no_file(make: Maker, records_file: RecordsFile, fast: None) -> None:
    names = ["a[1].jsonl", "k=v/x.jsonl", "it's.jsonl", "*.jsonl", "?{a,b}.jsonl"]
    paths = [records_file([make.run(repeat=number)], name) for number, name in enumerate(names, 1)]
    raw = os.fsencode(paths[0].parent) + b"/\xff.jsonl"
    Path(os.fsdecode(raw)).write_text(lines([make.run(repeat=9)]), "utf-8")
    os.mkfifo(paths[0].with_name("pipe.jsonl"))

    found = read(paths[0].parent)

    assert [(Path(each.where).name, each.code) for each in found.problems] == [
        ("pipe.jsonl", "file-not-regular")
    ]
    assert [row["runs"] for row in rows(found, "FROM medians")] == [6]
    assert [row["runs"] for row in rows(read(paths[3]), "FROM medians")] == [1]


def test_nothing_readable_is_an_error_that_names_every_fault(records_file: RecordsFile, reading: str) -> None:
    path = records_file([])
    path.write_text("nonsense\n[]\n", "utf-8")
    with pytest.raises(ReportError, match="edgebench run") as caught:
        read(path)
    assert caught.value.code == "records-missing"
    assert codes(str(caught.value)) == ["line-not-json", "record-not-object"]
    assert f"{path}:1" in str(caught.value)


def test_circumstances_without_end_are_an_error(
    make: Maker, records_file: RecordsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "MAX_CIRCUMSTANCES", 2)
    path = records_file([make.run(repeat=number, options={"salt": number}) for number in (1, 2, 3)])
    with pytest.raises(ReportError, match=r"\b2\b") as caught:
        read(path)
    assert caught.value.code == "circumstances-too-many"


def test_exported_records_have_the_same_medians(make: Maker, records_file: RecordsFile) -> None:
    path = records_file(mixed_records(make))
    exported = path.with_name("all's.parquet")
    exported.write_bytes(export.as_parquet(export.rows(load.load([path]))))

    found = read(exported)

    assert found.problems == []
    same(by_database(read(path)), by_database(found))


@pytest.mark.parametrize("environment", [{}, {"OMP_NUM_THREADS": "1"}])
def test_environments_have_medians_of_their_own(
    make: Maker, records_file: RecordsFile, reading: str, environment: dict[str, str]
) -> None:
    records = [make.run(repeat=1, environment=environment), make.run(repeat=2), make.inference()]
    records.append(make.inference(repeat=2, environment=environment))
    found = read(records_file(records))

    told = {row["environment"]: row["runs"] for row in rows(found, "FROM medians")}
    assert told == {json.dumps(environment): 1, None: 1}
    assert len({row["circumstance"] for row in rows(found, "FROM inferences")}) == 2


def test_an_export_of_before_records_had_an_environment_is_read(
    make: Maker, records_file: RecordsFile, tmp_path: Path
) -> None:
    path = records_file([make.run(repeat=each) for each in (1, 2)])
    now, before = path.with_name("now.parquet"), tmp_path / "before.parquet"
    now.write_bytes(export.as_parquet(export.rows(load.load([path]))))
    duckdb.sql(f"COPY (SELECT * EXCLUDE environment FROM '{now}') TO '{before}' (FORMAT parquet)")

    found = read(before)

    assert found.problems == []
    assert [(row["environment"], row["runs"]) for row in rows(found, "FROM medians")] == [(None, 2)]


@pytest.mark.parametrize("content", [b"", b"PAR1" + b"\x00" * 100 + b"PAR1"])
def test_a_parquet_file_that_is_none_is_named(make: Maker, records_file: RecordsFile, content: bytes) -> None:
    path = records_file([make.run()])
    path.with_name("x.parquet").write_bytes(content)

    found = read(path.parent)

    [problem] = found.problems
    assert (problem.where, problem.code) == (str(path.with_name("x.parquet")), "parquet-not-exported")
    assert [row["runs"] for row in rows(found, "FROM medians")] == [1]


def test_quartiles_are_those_of_the_statistics(make: Maker, records_file: RecordsFile, fast: None) -> None:
    chance = random.Random(1)
    values = [chance.uniform(1, 9) for _ in range(7)]
    runs = [make.run(repeat=number, times={"test_s": value}) for number, value in enumerate(values, 1)]

    [row] = rows(read(records_file(runs)), "FROM medians")

    expected = statistics.describe(values)
    assert row["test_s_q1"] == pytest.approx(expected.lower_quartile, rel=1e-12)
    assert row["test_s_q3"] == pytest.approx(expected.upper_quartile, rel=1e-12)
