"""All the awkward things at once in one set of records: a right page, and no exception."""

import copy
import csv
import io
import json
import re
from pathlib import Path

import pytest
from edgebench_report import cli
from edgebench_report.build import Built, build

from tests.unit.report.conftest import HOSTILE, Maker, Record, lines, marked

SCRIPT = '<script>alert("x")</script>'


def awkward(make: Maker) -> tuple[list[Record], list[str]]:
    """Records, and lines that are none."""
    records = [make.host("many"), make.host("one", run_id="r2"), make.host("odd", run_id="r3")]
    records[0]["facts"]["cpu"]["model"] = SCRIPT
    records[0]["facts"]["board"]["model"] = HOSTILE
    # 200 repeats, with an outlier and a drift; the clock went back before the last of them.
    for repeat in range(1, 201):
        train_s = 10 + repeat / 100 + (60 if repeat == 77 else 0)
        records.append(make.run(repeat=repeat, host="many", times={"train_s": train_s}))
    records[-1].update(started_utc="2026-05-04T08:00:00Z", finished_utc="2020-01-01T00:00:00Z")
    # One repeat, in another profile.
    records.append(make.run(profile="paper", host="one", run_id="r2"))
    # Every way of not finishing, and synthetic data.
    records.append(make.unfinished("oom", f"killed {HOSTILE}", "imdb", host="odd", run_id="r3"))
    records.append(make.unfinished("timeout", "after 900 s", "reuters", host="odd", run_id="r3"))
    records.append(make.unfinished("failed", SCRIPT, "mnist_2d", host="odd", run_id="r3"))
    records.append(
        make.unfinished("unsupported", "no AVX", "dogs_vs_cats", host="odd", run_id="r3", device=None)
    )
    synthetic: Record = {"data": {"synthetic": True, "sha256": None, "source": "synthetic", "note": SCRIPT}}
    records += [make.run("imdb_embedded", each, host="odd", run_id="r3", **synthetic) for each in range(1, 6)]
    records += [make.inference(), make.not_inferred("timeout", SCRIPT, "onnxruntime", "int8")]
    # Zero seconds, an accuracy beyond 1, no accuracy.
    records.append(
        make.run("mnist_2d", 1, host="many", times={"train_s": 0.0, "build_s": 0.0, "test_s": 0.0})
    )
    records.append(make.run("reuters", 1, host="many", quality={"value": 1.5}))
    records.append(
        make.run("imdb", 1, host="many", quality={"value": None}, missing={"quality.value": SCRIPT})
    )
    evil = copy.deepcopy(records[5])
    evil["host"] = SCRIPT
    future = {**copy.deepcopy(records[5]), "schema": 99, "repeat": 900}
    nan = json.dumps({**copy.deepcopy(records[5]), "repeat": 901}).replace('"build_s": 0.5', '"build_s": NaN')
    bad = [json.dumps(evil), json.dumps(future), nan, "[]", '{"torn": ']
    return records, bad


@pytest.fixture(scope="module")
def report(make: Maker, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("awkward")
    records, bad = awkward(make)
    path = folder / "records" / "all.jsonl"
    path.parent.mkdir()
    path.write_text(lines(records) + "\n".join(bad), "utf-8")
    return build([path], folder / "report")


@pytest.fixture(scope="module")
def page(report: Built) -> str:
    return report.page.read_text("utf-8")


@pytest.mark.parametrize(
    ("place", "code", "named"),
    [
        (1, "record-invalid", "host:"),
        (2, "schema-newer", "99"),
        (3, "line-not-json", ""),
        (4, "record-not-object", ""),
        (5, "line-torn", ""),
    ],
)
def test_what_is_no_record_is_left_out_and_named(
    report: Built, page: str, place: int, code: str, named: str
) -> None:
    problem = report.loaded.problems[place - 1]
    assert problem.code == code
    assert named in problem.what
    assert code in marked(page)
    assert problem.where.rpartition("/")[2] in page


def test_nothing_hostile_is_an_element(page: str) -> None:
    assert "<script>alert" not in page
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert" in page
    assert "\x1b" not in page


def test_200_repeats_are_all_shown_with_their_outlier_and_their_drift(page: str) -> None:
    part = re.search(
        r'<tbody id="r\d+-mnist_1d">(?:(?!</tbody>).)*many(?:(?!</tbody>).)*</tbody>', page, re.DOTALL
    )
    assert part is not None
    assert part[0].count("<tr>") == 201
    assert part[0].count("†</td>") == 1
    assert "77 †" in part[0]
    notes = marked(part[0])
    assert [re.findall(r"\d+|†", each) for each in notes["outliers-marked"]] == [["1", "†"]]
    [drift] = notes["drift-found"]
    assert re.search(r"\+1[0-9.]+ %", drift)
    chart = re.search(r'<svg[^>]*chart-training_time_quick".*?</svg>', page, re.DOTALL)
    assert chart is not None
    assert max(each.count("h0") for each in re.findall(r'class="d" d="([^"]*)"', chart[0])) == 200


def test_one_repeat_has_no_interval(page: str) -> None:
    block = page[page.index('id="answer-paper"') : page.index('id="answer-quick"')]
    assert "too-few-repeats" in marked(block)
    assert "<small>n 1</small>" in block


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("oom", "out-of-memory"),
        ("timeout", "time-limit-passed"),
        ("failed", "run-failed"),
        ("unsupported", "host-unsupported"),
    ],
)
def test_every_way_of_not_finishing_is_told(page: str, status: str, code: str) -> None:
    records = page[page.index('<section id="records">') :]
    assert f'data-status="{status}"' in records
    assert code in marked(page)


def test_profiles_are_never_put_together(page: str) -> None:
    quick = page[page.index('id="answer-quick"') : page.index('id="measured"')]
    assert ">one<" not in quick
    assert '<td class="word">many<' in quick


def test_synthetic_data_is_marked_and_has_no_accuracy(page: str) -> None:
    quick = page[page.index('id="answer-quick"') : page.index('id="measured"')]
    row = re.search(r'<tr><th scope="row">IMDB Embedded.*?</tr>', quick, re.DOTALL)
    assert row is not None
    assert "synthetic-data" in marked(row[0])
    banner = re.search(r'<p class="banner" data-code="synthetic-data">.*?</p>', page)
    assert banner is not None
    assert "IMDB Embedded" in banner[0]


def test_what_cannot_be_is_a_warning(report: Built) -> None:
    warnings = {each.code: each.text for each in report.summary.warnings}
    assert "many: " in warnings["clock-went-back"]
    assert "1 run" in warnings["clock-went-back"]
    assert "Reuters" in warnings["accuracy-impossible"]


def test_nothing_that_is_no_number_is_shown(page: str) -> None:
    words = re.sub(r"<style>.*?</style>|<script.*?</script>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    assert not re.search(r">\s*(nan|inf|None|NaN)\b", words)


def test_all_runs_are_in_the_csv(report: Built) -> None:
    rows = list(csv.DictReader(io.StringIO(report.page.with_name("runs.csv").read_text("utf-8"))))
    assert len(rows) == len(report.loaded.runs) == 213


def test_every_command_takes_them(report: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = str(Path(report.loaded.files[0]))
    for form in ("csv", "json", "parquet", "markdown", "latex"):
        assert cli.main(["export", records, "--format", form, "--out", str(tmp_path / form)]) == 1
    assert cli.main(["compare", "host=many", "host=odd", records]) == 1, "workloads that do not finish there"
    assert SCRIPT not in (tmp_path / "markdown").read_text("utf-8")
    capsys.readouterr()
