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

from tests.unit.report.conftest import HOSTILE, Maker, Record, lines

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
    ("place", "said"),
    [
        (1, "host:"),
        (2, "schema version 99 of a newer edgebench"),
        (3, "not JSON"),
        (4, "a record is an object"),
        (5, "torn"),
    ],
)
def test_what_is_no_record_is_left_out_and_named(report: Built, page: str, place: int, said: str) -> None:
    problem = report.loaded.problems[place - 1]
    assert said in problem.what
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
    assert "1 outlier marked †, counted all the same" in part[0]
    assert re.search(r"it drifted by \+1[0-9.]+ % from the first repeat to the last", part[0])
    chart = re.search(r'<svg[^>]*chart-training_time_quick".*?</svg>', page, re.DOTALL)
    assert chart is not None
    assert max(each.count("h0") for each in re.findall(r'class="d" d="([^"]*)"', chart[0])) == 200


def test_one_repeat_has_no_interval(page: str) -> None:
    block = page[page.index('id="answer-paper"') : page.index('id="answer-quick"')]
    assert "<strong>one</strong>" in block
    assert "n 1" in block


@pytest.mark.parametrize("said", ["out of memory", "time limit", "failed", "not supported"])
def test_every_way_of_not_finishing_is_told(page: str, said: str) -> None:
    assert said in page


def test_profiles_are_never_put_together(page: str) -> None:
    quick = page[page.index('id="answer-quick"') : page.index('id="measured"')]
    assert ">one<" not in quick
    assert "<strong>many</strong>" in quick


def test_synthetic_data_is_marked_and_has_no_accuracy(page: str) -> None:
    quick = page[page.index('id="answer-quick"') : page.index('id="measured"')]
    row = re.search(r'<tr><th scope="row">IMDB Embedded.*?</tr>', quick, re.DOTALL)
    assert row is not None
    assert "synthetic data" in row[0]
    assert "Synthetic data was used for IMDB Embedded" in page


def test_what_cannot_be_is_a_warning(report: Built) -> None:
    warnings = report.summary.warnings
    assert any("the clock went back during 1 run" in each for each in warnings)
    assert any("an accuracy above 100 % was recorded" in each and "Reuters" in each for each in warnings)


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
