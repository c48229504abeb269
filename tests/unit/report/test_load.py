"""Reading records: what is good is used, what is not is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench_report.errors import ReportError
from edgebench_report.load import load
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages import codes

RecordsFile = Callable[..., Path]


def test_made_records_follow_the_schema(make: Any, records_file: RecordsFile) -> None:
    loaded = load([records_file([*make.suite(3), make.unfinished("oom", "no memory", repeat=4)])])

    assert loaded.problems == []
    assert (len(loaded.hosts), len(loaded.runs)) == (1, 25)


def test_folders_are_searched_recursively_and_files_read_once(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run()], "deep/er/edge-01.jsonl")

    loaded = load([path.parents[2], path])

    assert loaded.files == [str(path)]
    assert len(loaded.runs) == 1


def test_a_file_that_is_reached_by_several_ways_is_read_once(
    make: Any, records_file: RecordsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = records_file([make.run()], "deep/er/edge-01.jsonl")
    other = records_file([make.run(repeat=2)], "other/edge-01.jsonl")
    (path.parents[2] / "folder").symlink_to(path.parent)
    (path.parents[2] / "link.jsonl").symlink_to(path)
    monkeypatch.chdir(path.parent)

    ways = [Path(path.name), Path("../er") / path.name, path.parents[2] / "folder", path.parents[2]]
    loaded = load([*ways, other])

    assert len(loaded.files) == 2
    assert sorted(run["repeat"] for run in loaded.runs) == [1, 2]
    assert loaded.duplicates == 0


def test_a_bad_line_is_named_and_the_good_ones_are_used(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run(repeat=1), make.run(repeat=2)])
    first, second = path.read_text("utf-8").splitlines()
    path.write_text(f"{first}\n{{nonsense\n\n{second}\n", "utf-8")

    loaded = load([path])

    assert [run["repeat"] for run in loaded.runs] == [1, 2]
    [problem] = loaded.problems
    assert (problem.where, problem.code) == (f"{path}:2", "line-not-json")
    assert problem.remedy


def test_a_line_cut_in_the_middle_is_called_torn(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run(repeat=1), make.run(repeat=2)])
    path.write_text(path.read_text("utf-8")[:-300], "utf-8")

    loaded = load([path])

    [problem] = loaded.problems
    assert (problem.where, problem.code) == (f"{path}:2", "line-torn")
    assert "--run-id" in problem.remedy


def test_a_whole_last_line_without_newline_is_a_record(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run()])
    path.write_text(path.read_text("utf-8").rstrip("\n"), "utf-8")

    assert load([path]).problems == []


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"schema": 3}, "schema-newer", "3"),
        ({"times": {"wall_s": "long"}}, "record-invalid", "times.wall_s: 'long'"),
        ({"times": {"train_s": -1}}, "record-invalid", "times.train_s: -1"),
        ({"status": "fine"}, "record-invalid", "status: 'fine'"),
        ({"host": "bad host"}, "record-invalid", "host: 'bad host'"),
        ({"record": "note"}, "record-invalid", "record: 'note'"),
    ],
)
def test_an_invalid_record_is_reported_with_its_value(
    make: Any, records_file: RecordsFile, changes: dict[str, Any], code: str, named: str
) -> None:
    path = records_file([make.run(repeat=1), make.run(repeat=2, **changes)])

    loaded = load([path])

    assert len(loaded.runs) == 1
    [problem] = loaded.problems
    assert problem.code == code
    assert named in problem.what


@pytest.mark.parametrize("line", ["[1]", "7", '"text"', "null"])
def test_json_that_is_no_object_is_no_record(make: Any, records_file: RecordsFile, line: str) -> None:
    path = records_file([make.run()])
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")

    [problem] = load([path]).problems

    assert (problem.where, problem.code) == (f"{path}:2", "record-not-object")
    assert line in problem.what


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_refused(
    make: Any, records_file: RecordsFile, number: str
) -> None:
    path = records_file([make.run(repeat=1), make.run(repeat=2, times={"test_s": 4711})])
    path.write_text(path.read_text("utf-8").replace("4711", number), "utf-8")

    loaded = load([path])

    assert [run["repeat"] for run in loaded.runs] == [1]
    assert [(each.where, each.code) for each in loaded.problems] == [(f"{path}:2", "line-not-json")]


@pytest.mark.parametrize("train_s", [1e300, 10**4000])
def test_a_number_that_nothing_could_draw_is_refused(
    make: Any, records_file: RecordsFile, train_s: float
) -> None:
    good, hostile = make.run(), make.run(repeat=2)
    hostile["times"]["train_s"] = train_s

    loaded = load([records_file([good, hostile])])

    assert loaded.runs == [good]
    [problem] = loaded.problems
    assert problem.code in ("record-invalid", "line-not-json")
    assert "train_s" in problem.what


def test_bytes_that_are_no_text_are_a_problem_not_a_crash(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run()])
    path.write_bytes(path.read_bytes() + b"\xff\xfe\x00\n")

    assert [(each.where, each.code) for each in load([path]).problems] == [(f"{path}:2", "line-not-json")]


@settings(deadline=None)  # the first one compiles the schema
@given(st.binary(max_size=200))
def test_no_line_whatever_stops_the_good_ones(tmp_path_factory: Any, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("junk")
    good = Path(__file__).with_name("good_record.jsonl").read_bytes()
    (folder / "a.jsonl").write_bytes(good + junk + b"\n" + good.replace(b'"repeat": 1', b'"repeat": 2'))

    assert {run["repeat"] for run in load([folder]).runs} == {1, 2}


def test_the_newest_attempt_counts_and_the_older_is_kept(make: Any, records_file: RecordsFile) -> None:
    failed = make.unfinished("failed", "no disk space", attempt=1)
    loaded = load([records_file([make.run(attempt=2), failed])])

    assert [(run["attempt"], run["status"]) for run in loaded.runs] == [(2, "ok")]
    assert [run["attempt"] for run in loaded.superseded] == [1]
    assert loaded.problems == []


def test_copies_count_once(make: Any, records_file: RecordsFile) -> None:
    run = make.run()
    loaded = load([records_file([run], "a.jsonl"), records_file([run, run], "b.jsonl")])

    assert len(loaded.runs) == 1
    assert loaded.duplicates == 2
    assert loaded.problems == []


def test_two_records_of_one_attempt_are_a_problem_and_the_later_is_used(
    make: Any, records_file: RecordsFile
) -> None:
    later = make.run(finished_utc="2026-05-04T09:00:00Z", times={"train_s": 9.0})
    earlier = make.run(times={"train_s": 1.0})
    path = records_file([later, earlier])

    loaded = load([path])

    assert [run["times"]["train_s"] for run in loaded.runs] == [9.0]
    [problem] = loaded.problems
    assert (problem.where, problem.code) == (f"{path}:2", "attempt-recorded-twice")
    assert f"{path}:1" in problem.what


def test_other_precision_or_options_make_another_run(make: Any, records_file: RecordsFile) -> None:
    runs = [
        make.run("weather"),
        make.run("weather", precision="float16"),
        make.run("weather", options={"lookback_rows": 720}),
    ]
    assert len(load([records_file(runs)]).runs) == 3


def test_a_path_that_is_not_there_is_an_error(make: Any, records_file: RecordsFile, tmp_path: Path) -> None:
    path = records_file([make.run()])
    with pytest.raises(ReportError, match=r"nowhere\.jsonl") as caught:
        load([path, tmp_path / "nowhere.jsonl"])
    assert caught.value.code == "path-missing"


def test_nothing_readable_is_an_error_that_names_every_fault(
    records_file: RecordsFile, tmp_path: Path
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("nonsense\n[]\n", "utf-8")
    with pytest.raises(ReportError, match="edgebench run") as caught:
        load([path])
    assert caught.value.code == "records-missing"
    assert codes(str(caught.value)) == ["line-not-json", "record-not-object"]
    assert f"{path}:1" in str(caught.value)
    assert f"{path}:2" in str(caught.value)


def test_an_empty_folder_beside_a_good_one_is_left_out_by_name(
    make: Any, records_file: RecordsFile, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    loaded = load([records_file([make.run()]), empty])

    assert [(each.where, each.code) for each in loaded.problems] == [(str(empty), "folder-empty")]


def test_the_good_record_beside_this_file_is_what_the_maker_makes(make: Any) -> None:
    kept = json.loads(Path(__file__).with_name("good_record.jsonl").read_text("utf-8"))
    assert kept == make.run()


def test_lines_without_end_that_are_no_records_are_counted(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run(repeat=1)])
    path.write_text("{}\n" * 20_000 + path.read_text("utf-8") + "nonsense\n", "utf-8")

    loaded = load([path])

    assert [run["repeat"] for run in loaded.runs] == [1]
    assert len(loaded.problems) == 101
    assert loaded.problems[0].where == f"{path}:1"
    last = loaded.problems[-1]
    assert (last.where, last.code) == (str(path), "more-unusable-lines")
    assert last.what.split()[0] == "19901"


def test_a_page_has_an_end_of_hosts(make: Any, records_file: RecordsFile) -> None:
    paths = [records_file([make.run(host=f"edge-{number}")], f"{number}.jsonl") for number in range(3)]

    assert len(load(paths, 3).runs) == 3
    with pytest.raises(ReportError, match=r"\b2 hosts\b.*`edgebench-report aggregate`") as caught:
        load(paths, 2)
    assert caught.value.code == "hosts-too-many"


def test_what_kept_a_host_away_is_read(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run(run_id="r1")], "r1/edge-01.jsonl")
    (path.parent / "bilbo.problem.txt").write_text("bilbo cannot\nbe <b>reached</b>\x1b[31m", "utf-8")

    loaded = load([path.parents[1]])

    assert loaded.problems == []
    [(run_id, host, said)] = loaded.failures
    assert (run_id, host) == ("r1", "bilbo")
    assert said.startswith("bilbo cannot be <b>reached</b>")  # not prose
    assert "\x1b" not in said
