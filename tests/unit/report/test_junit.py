"""JUnit documents read back by an XML parser: what CI systems count, show and compare."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from edgebench_report import cli, junit
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.report.conftest import HOSTILE

RecordsFile = Callable[..., Path]

# junit-10.xsd of Jenkins' xunit plugin: element to its attributes (required ones marked) and its children.
GRAMMAR: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name!", "tests!", "failures!", "errors!", "time", "skipped", "timestamp", "hostname"},
        {"properties", "testcase"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name!", "value!"}, set()),
    "testcase": ({"name!", "time", "classname"}, {"skipped", "error", "failure", "system-out"}),
    **{name: ({"type", "message"}, set()) for name in ("skipped", "error", "failure")},
    "system-out": (set(), set()),
}


def read(path: Path) -> ElementTree.Element:
    """Parse a document, and hold it against the grammar and its own counts."""
    root = ElementTree.fromstring(path.read_bytes())
    for element in root.iter():
        attributes, children = GRAMMAR[element.tag]
        assert element.attrib.keys() <= {each.removesuffix("!") for each in attributes}, element.tag
        assert element.attrib.keys() >= {each[:-1] for each in attributes if each.endswith("!")}
        assert {each.tag for each in element} <= children, element.tag
        if "time" in element.attrib:
            assert float(element.attrib["time"]) >= 0
    for element in (root, *root.iter("testsuite")):
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(element.attrib[attribute]) == len(list(element.iter(tag))), attribute
    named = [(each.attrib["classname"], each.attrib["name"]) for each in root.iter("testcase")]
    assert len(set(named)) == len(named), "of two tests of one name, CI systems show one"
    return root


def exported(records: Path, out: Path, code: int = 0) -> ElementTree.Element:
    assert cli.main(["export", str(records), "--format", "junit", "--out", str(out)]) == code
    return read(out)


def cases(root: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return [each for each in root.iter("testcase") if each.find(tag) is not None]


def test_a_suite_for_each_host_and_a_test_for_each_run(mixed: Path, tmp_path: Path) -> None:
    root = exported(mixed, tmp_path / "x.xml")
    suites = {each.attrib["name"]: each for each in root}

    assert list(suites) == ["edge-01", "nano-01"]
    assert {name: len(list(each.iter("testcase"))) for name, each in suites.items()} == {
        "edge-01": 16 + 1 + 5,
        "nano-01": 16 + 4,
    }
    assert suites["nano-01"].attrib["hostname"] == "nano-01"
    assert suites["nano-01"].attrib["timestamp"] == "2026-05-04T08:00:00"
    assert suites["nano-01"].attrib["skipped"] == "1"
    kept = {each.attrib["name"]: each.attrib["value"] for each in suites["nano-01"].iter("property")}
    assert (kept["run_id"], kept["profile"], kept["keras"]) == ("r2", "paper", "3.15.1")


def test_times_and_results_are_those_of_the_records(make: Any, records_file: RecordsFile) -> None:
    run = make.run("mnist_1d", times={"train_s": 2.0, "build_s": 0.5}, quality={"value": 0.875})
    path = records_file([run, make.inference()])
    training, inference = exported(path, path.with_suffix(".xml")).iter("testcase")

    assert training.attrib["classname"] == "edge-01.mnist_1d"
    assert training.attrib["name"] == "quick float32 repeat 1"  # not prose
    # The training time of the report: with building.
    assert float(training.attrib["time"]) == 2.5
    assert "quality: 0.875\n" in (training.findtext("system-out") or "")
    assert "train_s: 2.0\n" in (training.findtext("system-out") or "")
    assert inference.attrib["name"] == "quick litert reference_int8 (tflite), 1 thread"  # not prose
    assert float(inference.attrib["time"]) == 5.9
    assert training.find("failure") is None


@pytest.mark.parametrize(
    ("status", "tag"),
    [("failed", "failure"), ("timeout", "failure"), ("oom", "failure"), ("unsupported", "skipped")],
)
def test_what_did_not_finish_says_why(make: Any, records_file: RecordsFile, status: str, tag: str) -> None:
    path = records_file([make.run(repeat=1), make.unfinished(status, "out of luck", repeat=2)])
    (bad,) = cases(exported(path, path.with_suffix(".xml")), tag)
    told = bad.find(tag)

    assert told is not None
    assert (told.attrib["type"], told.attrib["message"]) == (status, "out of luck")
    assert bad.attrib["name"] == "quick float32 repeat 2"  # not prose


def test_a_retry_that_went_well_is_a_test_that_passed(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.unfinished("failed", "once", attempt=1), make.run(attempt=2)])
    root = exported(path, path.with_suffix(".xml"))
    assert (root.attrib["tests"], root.attrib["failures"]) == ("1", "0")


def test_a_line_that_was_left_out_is_an_error(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run()])
    with path.open("a") as handle:
        handle.write("nonsense\n")
    root = exported(path, path.with_suffix(".xml"), code=1)
    (lost,) = cases(root, "error")
    assert ":2" in lost.attrib["name"]
    assert [each.get("type") for each in lost.iter("error")] == ["line-not-json"]


def test_a_host_that_never_answered_is_an_error(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run(run_id="night")])
    folder = path.parent / "night"
    folder.mkdir()
    path.rename(folder / "edge-01.jsonl")
    (folder / "Sam.problem.txt").write_text("no route to host\n", "utf-8")
    root = exported(folder, folder / "x.xml")
    (missing,) = cases(root, "error")
    assert missing.attrib == {"classname": "Sam", "name": "completed"}
    assert [each.get("type") for each in missing.iter("error")] == ["host-unfinished"]
    assert missing.findtext("error") == "no route to host"  # not prose
    assert [each.get("hostname") for each in root.iter("testsuite")] == ["Sam", "edge-01"]


def test_two_runs_of_a_host_keep_their_tests_apart(make: Any, records_file: RecordsFile) -> None:
    path = records_file([make.run(), make.run(run_id="r2")])
    groups = [each.attrib["classname"] for each in exported(path, path.with_suffix(".xml")).iter("testcase")]
    assert groups == ["edge-01.r1.mnist_1d", "edge-01.r2.mnist_1d"]


def test_the_same_run_again_has_the_same_names(make: Any, records_file: RecordsFile) -> None:
    named = []
    for run_id in ("r1", "r2"):
        path = records_file(make.suite(2, run_id=run_id), f"{run_id}.jsonl")
        root = exported(path, path.with_suffix(".xml"))
        named.append([(each.attrib["classname"], each.attrib["name"]) for each in root.iter("testcase")])
    assert named[0] == named[1]


@given(st.text())
@example("\x00\x0b\x1b[31m\ud800\ufffe\uffff\x85\u202e")
@example("[[ATTACHMENT|/etc/passwd]]")
@example("[[[")
@example("]]> &amp; <failure/> ' \"")
def test_any_words_make_a_document(words: str) -> None:
    case = junit.Case(words, words, "failure", words, words, 1.0, words)
    text = junit.as_xml([junit.Suite(words, [case], words, words, {words: words})])
    root = ElementTree.fromstring(text.encode())
    (found,) = root.iter("testcase")

    assert [each.tag for each in found] == ["failure", *(["system-out"] if words else [])]
    assert "[[" not in text
    assert all(each == "\n" or each.isprintable() or ord(each) >= 0xA0 for each in text)


def test_hostile_words_stay_words(mixed: Path, tmp_path: Path) -> None:
    root = exported(mixed, tmp_path / "x.xml")
    (bad,) = cases(root, "failure")
    assert "<script>" in (bad.findtext("failure") or "")
    assert "\x1b" not in (tmp_path / "x.xml").read_text("utf-8")
    assert "\x1b" in HOSTILE


def compared(a: Path, b: Path, out: Path, code: int) -> ElementTree.Element:
    assert cli.main(["compare", str(a), str(b), "--junit", str(out)]) == code
    return read(out)


def timed(make: Any, factor: float, repeats: int = 5, **changes: Any) -> list[Any]:
    return [
        make.run(repeat=each, times={"build_s": 0.0, "train_s": factor * (10 + each / 100)}, **changes)
        for each in range(1, repeats + 1)
    ]


def test_a_regression_is_a_failure(make: Any, records_file: RecordsFile, tmp_path: Path) -> None:
    a = records_file(timed(make, 1.0), "a.jsonl")
    b = records_file([*timed(make, 1.5, run_id="r2"), make.run("imdb", run_id="r2")], "b.jsonl")
    root = compared(a, b, tmp_path / "x.xml", 1)

    (worse,) = cases(root, "failure")
    assert (worse.attrib["classname"], worse.attrib["name"]) == ("edge-01.mnist_1d", "training, quick")
    assert float(worse.attrib["time"]) == pytest.approx(15.045)
    first, second, *interval = map(float, re.findall(r"\d+\.\d+", worse.findtext("failure", "")))
    assert (first, second) == (10.0, 15.0)
    assert len(interval) == 2
    assert all(1 < each < 2 for each in interval)
    (apart,) = cases(root, "skipped")
    assert apart.attrib["classname"] == "not compared.imdb"
    assert [each.get("type") for each in apart.iter("skipped")] == ["counterpart-missing"]


def test_what_no_longer_finishes_is_a_failure(make: Any, records_file: RecordsFile, tmp_path: Path) -> None:
    a = records_file(timed(make, 1.0), "a.jsonl")
    b = records_file([make.unfinished("oom", "no memory", run_id="r2")], "b.jsonl")
    (lost,) = cases(compared(a, b, tmp_path / "x.xml", 1), "failure")
    assert lost.find("failure").attrib["type"] == "lost"  # type: ignore[union-attr]


def test_a_comparison_that_tells_nothing_is_an_error(
    make: Any, records_file: RecordsFile, tmp_path: Path
) -> None:
    a = records_file(timed(make, 1.0, repeats=2), "a.jsonl")
    b = records_file(timed(make, 1.5, repeats=2, run_id="r2"), "b.jsonl")
    root = compared(a, b, tmp_path / "x.xml", 2)
    assert [each.get("type") for each in root.iter("error")] == ["repeats-too-few"]
    assert cases(root, "skipped")


def test_nothing_to_compare_is_another_error(make: Any, records_file: RecordsFile, tmp_path: Path) -> None:
    a = records_file(timed(make, 1.0), "a.jsonl")
    b = records_file(timed(make, 1.0, run_id="r2", precision="float16"), "b.jsonl")
    root = compared(a, b, tmp_path / "x.xml", 2)
    assert [each.get("type") for each in root.iter("error")] == ["nothing-compared"]
    assert {each.get("type") for each in root.iter("skipped")} == {"circumstances-differ"}


def test_no_regression_is_no_failure(make: Any, records_file: RecordsFile, tmp_path: Path) -> None:
    a = records_file(timed(make, 1.0), "a.jsonl")
    b = records_file(timed(make, 1.0, run_id="r2"), "b.jsonl")
    root = compared(a, b, tmp_path / "x.xml", 0)
    assert (root.attrib["failures"], root.attrib["errors"]) == ("0", "0")
    assert int(root.attrib["tests"]) == 3
