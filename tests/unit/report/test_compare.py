"""Two sides compared: what is called a difference, what a regression, and what is not compared at all."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench_report import aggregate, cli
from edgebench_report.cli_compare import conclusions
from edgebench_report.compare import Comparison, Outcome, compare, select
from edgebench_report.errors import ReportError

from tests.messages import codes

RecordsFile = Callable[..., Path]
Record = dict[str, Any]


def timed(make: Any, seconds: list[float], **changes: Any) -> list[Record]:
    """Runs of one workload that trained for so long; building took nothing."""
    changes = {"profile": "quick", **changes}
    return [
        make.run("mnist_1d", repeat, **changes, times={"build_s": 0.0, "train_s": each})
        for repeat, each in enumerate(seconds, 1)
    ]


def outcome(found: Comparison, quantity: str = "training") -> Outcome:
    return next(each for each in found.outcomes if each.quantity == quantity)


SAME = [10.0, 10.1, 10.2, 9.9, 10.05]
SLOWER = [each * 1.2 for each in SAME]


def test_a_slower_run_is_a_regression(make: Any) -> None:
    found = compare(("a", timed(make, SAME)), ("b", timed(make, SLOWER, run_id="r2")))
    told = outcome(found)

    assert told.change == pytest.approx(1.2)
    assert told.interval is not None
    assert told.interval[0] > 1
    assert (told.verdict, told.regression) == ("worse", True)
    assert found.exit_code == 1


def test_the_other_way_round_is_the_reciprocal_and_no_regression(make: Any) -> None:
    found = compare(("a", timed(make, SLOWER)), ("b", timed(make, SAME, run_id="r2")))
    told, back = (
        outcome(found),
        outcome(compare(("a", timed(make, SAME)), ("b", timed(make, SLOWER, run_id="r2")))),
    )

    assert told.change is not None
    assert back.change is not None
    assert told.change == pytest.approx(1 / back.change)
    assert told.verdict == "better"
    assert found.exit_code == 0


def test_a_difference_within_the_threshold_is_told_and_no_regression(make: Any) -> None:
    found = compare(("a", timed(make, SAME)), ("b", timed(make, SLOWER, run_id="r2")), threshold=0.25)
    assert (outcome(found).verdict, found.exit_code) == ("worse", 0)


def test_no_difference_is_called_one_where_the_interval_holds_1(make: Any) -> None:
    shaken = [9.8, 10.15, 10.3, 9.95, 10.0]
    found = compare(("a", timed(make, SAME)), ("b", timed(make, shaken, run_id="r2")))
    assert (outcome(found).verdict, found.exit_code) == ("none", 0)


@pytest.mark.parametrize("repeats", [1, 2, 4])
def test_too_few_repeats_tell_nothing(make: Any, repeats: int) -> None:
    found = compare(("a", timed(make, SAME[:repeats])), ("b", timed(make, SLOWER[:repeats], run_id="r2")))
    told = outcome(found)

    assert told.verdict == "too few"
    # What would do is said once, and not row by row.
    assert not re.search(r"\d", told.said)
    [more] = [each for each in conclusions(found) if "bench_repeats=5" in each]
    assert re.findall(r"\d+", more)[:3] == ["2", str(len(found.outcomes)), "5"]
    assert (told.interval is None) == (repeats == 1)
    assert found.exit_code == 2, "a gate that cannot tell does not pass"


def test_accuracy_is_compared_by_its_interval(make: Any) -> None:
    lower = timed(make, SAME, run_id="r2", quality={"value": 0.90})
    found = compare(("a", timed(make, SAME)), ("b", lower))
    told = outcome(found, "accuracy")

    # 0.98 and 0.90 of 2000 samples each: far outside of what another test set could do.
    assert told.change == pytest.approx(-0.08)
    assert (told.verdict, told.regression) == ("worse", True)
    near = timed(make, SAME, run_id="r2", quality={"value": 0.978})
    assert outcome(compare(("a", timed(make, SAME)), ("b", near)), "accuracy").verdict == "none"


def test_synthetic_data_has_no_accuracy(make: Any) -> None:
    synthetic = {"data": {"synthetic": True, "sha256": None, "source": "synthetic"}}
    found = compare(
        ("a", timed(make, SAME, **synthetic)), ("b", timed(make, SLOWER, run_id="r2", **synthetic))
    )
    assert {each.quantity for each in found.outcomes} == {"training", "test"}


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({"profile": "paper"}, ("profile", "quick", "paper")),
        ({"data": {"synthetic": True}}, ("synthetic data", "no", "yes")),
        ({"data": {"sha256": "c" * 64}}, ("data", "b" * 12, "c" * 12)),
        ({"precision": "float16"}, ("precision", "float32", "float16")),
        ({"options": {"lookback_rows": 720}}, ("option lookback rows", "unset", "720")),
        ({"sizes": {"batch": 64}}, ("sizes", "12800+2000+2+128", "12800+2000+2+64")),
        ({"variant": "wide"}, ("variant", "published", "wide")),
        (
            {
                "imported": {
                    "files": [{"name": "x", "sha256": "e" * 64}],
                    "format": "generation 1",
                    "inferred": {},
                }
            },
            ("program", "edgebench", "generation 1"),
        ),
    ],
)
def test_what_is_not_comparable_is_set_apart_with_the_reason(
    make: Any, changes: Record, differing: tuple[str, str, str]
) -> None:
    found = compare(("a", timed(make, SAME)), ("b", timed(make, SLOWER, run_id="r2", **changes)))

    assert found.pairs == []
    assert {each.side for each in found.apart} == {"A", "B"}
    for each in found.apart:
        assert each.code == "circumstances-differ"
        assert differing in each.differing
        assert all(word in each.reason for word in differing)
    assert found.exit_code == 2


def test_by_admits_what_it_names_and_nothing_else(make: Any) -> None:
    half = timed(make, SLOWER, run_id="r2", precision="float16")
    assert compare(("a", timed(make, SAME)), ("b", half), by=["precision"]).exit_code == 1
    other = timed(make, SLOWER, run_id="r2", framework={"version": "2.20.0"})
    assert len(compare(("a", timed(make, SAME)), ("b", other)).pairs) == 1
    apart = compare(("a", timed(make, SAME)), ("b", other), by=["host"]).apart
    assert apart[0].differing == [("framework", "tensorflow 2.21.0", "tensorflow 2.20.0")]


def test_environments_of_one_side_are_not_put_together(make: Any) -> None:
    one = [*timed(make, SAME, environment={}), *timed(make, SLOWER, run_id="r2", environment={"nice": "5"})]
    other = timed(make, SLOWER, run_id="r3", environment={"nice": "5"})
    found = compare(("a", one), ("b", other), by=["run"])
    assert [len(each.first.records) for each in found.pairs] == [5]
    assert outcome(found).change == pytest.approx(1)
    [apart] = found.apart
    assert (apart.side, apart.code) == ("A", "circumstances-differ")
    assert apart.differing == [("environment", "default environment", "nice=5")]  # not prose


def test_an_environment_may_differ_between_the_sides_and_is_named(make: Any) -> None:
    one = timed(make, SAME, environment={})
    other = timed(make, SLOWER, run_id="r2", environment={"OMP_NUM_THREADS": "1"})
    for by in ([], ["environment"]):
        [pair] = compare(("a", one), ("b", other), by=by).pairs
        assert [each[::2] for each in pair.differing] == [("environment", "OMP_NUM_THREADS=1")]
    assert compare(("a", one), ("b", other), by=["threads"]).pairs == []
    # Of older records it is unknown, which stands in nobody's way.
    assert len(compare(("a", one), ("b", timed(make, SLOWER, run_id="r2")), by=["run"]).pairs) == 1


def test_clocks_are_not_put_together_and_differ_between_hosts(make: Any) -> None:
    slow = timed(make, SAME, environment={"power_mode": "5W"})
    fast = timed(make, SLOWER, run_id="r2", environment={"power_mode": "MAXN", "nice": "5"})
    assert compare(("a", slow), ("b", fast), by=["host"]).pairs == []
    fast = timed(make, SLOWER, run_id="r2", environment={"power_mode": "MAXN"})
    for by in ([], ["host"], ["clocks"]):
        [pair] = compare(("a", slow), ("b", fast), by=by).pairs
        assert pair.differing == [("clocks", "power_mode=5W", "power_mode=MAXN")]
    for by in (["run"], ["environment"]):
        assert compare(("a", slow), ("b", fast), by=by).pairs == []
    assert len(aggregate.columns([*slow, *fast], ["mnist_1d"])) == 2


@pytest.mark.parametrize(
    ("selector", "runs"), [("OMP_NUM_THREADS=1", ["b"]), ("OMP_NUM_THREADS=unset", ["a", "c"])]
)
def test_a_variable_selects(make: Any, selector: str, runs: list[str]) -> None:
    records = [
        make.run(run_id="a", environment={}),
        make.run(run_id="b", environment={"OMP_NUM_THREADS": "1"}),
    ]
    found = select([*records, make.run(run_id="c")], f"environment.{selector}")
    assert [each["run_id"] for each in found] == runs


def test_a_fleet_before_and_after_is_compared_host_by_host(make: Any) -> None:
    before = [
        run
        for host, factor in (("one", 1), ("two", 3))
        for run in timed(make, [each * factor for each in SAME], host=host)
    ]
    after = [
        run
        for host, factor in (("two", 3), ("one", 1.2))
        for run in timed(make, [each * factor for each in SAME], host=host, run_id="r2")
    ]
    after += timed(make, SAME, host="new", run_id="r2")
    found = compare(("before", before), ("after", after))

    assert [(each.first.facts["host"], each.second.facts["host"]) for each in found.pairs] == [
        ("one", "one"),
        ("two", "two"),
    ]
    assert [each.verdict for each in found.outcomes if each.quantity == "training"] == ["worse", "none"]
    assert [(each.side, each.differing) for each in found.apart] == [
        ("B", [("host", "one", "new"), ("host", "two", "new")])
    ]


def test_two_counterparts_alike_are_not_chosen_from(make: Any) -> None:
    one = timed(make, SAME, host="one")
    both = timed(make, SAME, host="two", run_id="r2") + timed(make, SAME, host="three", run_id="r2")
    found = compare(("a", one), ("b", both))
    assert found.pairs == []
    assert {each.code for each in found.apart} == {"counterparts-ambiguous"}
    assert all("--by" in each.reason for each in found.apart)


def test_a_workload_of_one_side_has_no_counterpart(make: Any) -> None:
    both = [*timed(make, SAME), make.run("imdb")]
    [apart] = compare(("a", both), ("b", timed(make, SAME, run_id="r2"))).apart
    assert (apart.side, apart.workload, apart.code) == ("A", "imdb", "counterpart-missing")


def test_a_workload_that_no_longer_finishes_is_a_regression(make: Any) -> None:
    gone = [make.unfinished("oom", "killed", repeat=each, run_id="r2") for each in (1, 2)]
    found = compare(("a", timed(make, SAME)), ("b", gone))

    assert (found.outcomes[0].verdict, found.outcomes[0].shown) == ("lost", ("ok", "oom"))
    assert found.exit_code == 1
    assert compare(("a", gone), ("b", timed(make, SAME))).exit_code == 0


def test_keyword_spotting_is_compared_by_its_windows(make: Any) -> None:
    slow = make.inference(run_id="r2")
    for window in slow["windows"]:
        window["throughput_per_s"] *= 0.8
    found = compare(("a", [make.inference()]), ("b", [slow]))
    told = outcome(found, "throughput")

    assert told.change == pytest.approx(0.8)
    assert (told.verdict, told.regression) == ("worse", True)
    assert outcome(found, "latency median").verdict == "too few"
    assert outcome(found, "top-1").verdict == "none"


def test_engines_are_compared_with_themselves(make: Any) -> None:
    engines = [("litert", "float32"), ("onnxruntime", "float32")]
    found = compare(
        ("a", [make.inference(*each) for each in engines]),
        ("b", [make.inference(*each, run_id="r2") for each in reversed(engines)]),
    )
    assert [each.first.facts["engine"] for each in found.pairs] == ["litert", "onnxruntime"]


def test_the_same_record_on_both_sides_is_refused(make: Any) -> None:
    runs = timed(make, SAME)
    with pytest.raises(ReportError, match=r"host=edge-01.*run=r1.*\b5\b") as caught:
        compare(("host=edge-01", runs), ("run=r1", runs))
    assert caught.value.code == "sides-overlap"


def test_the_command_picks_by_selectors_and_prints_a_table(
    make: Any,
    records_file: RecordsFile,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    path = records_file(timed(make, SAME) + timed(make, SLOWER, run_id="r2"))

    assert cli.main(["compare", "run=r1", "run=r2,host=edge-01", str(path)]) == 1

    printed = capsys.readouterr().out
    assert "REGRESSION" in printed
    assert "1.200" in printed
    [line] = [each for each in printed.splitlines() if each.startswith("1 regression ")]
    assert "5 %" in line
    assert cli.main(["compare", "run=r1", "run=r2", str(path), "--threshold", "0.3"]) == 0


def test_the_command_compares_files_and_writes_json_and_markdown(
    make: Any, records_file: RecordsFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (
        records_file(timed(make, SAME), "1.jsonl"),
        records_file(timed(make, SLOWER, run_id="r2"), "2.jsonl"),
    )
    out = tmp_path / "c.md"

    assert cli.main(["compare", str(one), str(two), "--json", "-", "--markdown", str(out)]) == 1

    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["exit_code"], said["regressions"]) == (1, 1, 1)
    first = said["comparisons"][0]
    assert (first["quantity"], first["verdict"], first["values_a"]) == ("training", "worse", SAME)
    assert first["interval"][0] <= first["change"] <= first["interval"][1]
    assert "| MNIST Digits 1D: training | 10.1 s |" in out.read_text("utf-8")  # not prose


def test_the_json_has_the_reason_of_what_is_set_apart(
    make: Any, records_file: RecordsFile, capsys: pytest.CaptureFixture[str]
) -> None:
    path = records_file([*timed(make, SAME), *timed(make, SLOWER, run_id="r2", precision="float16")])

    assert cli.main(["compare", "run=r1", "run=r2", str(path), "--json", "-"]) == 2

    printed = capsys.readouterr()
    assert [each["code"] for each in json.loads(printed.out)["set_apart"]] == ["circumstances-differ"] * 2
    assert codes(printed.err) == ["nothing-compared"]
    assert "--by" in printed.err


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["run=r1", "run=r9", "PATH"], "selector-matches-nothing", ["run=r9", "r1, r2"]),
        (["nonsense=1", "run=r2", "PATH"], "selector-unknown", ["nonsense=1", "host, run"]),
        (["run=r1", "run=r2"], "selector-without-path", ["run=r1"]),
        (["PATH", "PATH", "PATH"], "path-unused", ["PATH"]),
        (
            ["run=r1", "run=r2", "PATH", "--threshold", "many"],
            "threshold-invalid",
            ["--threshold many", "5%", "0.05"],
        ),
        (["run=r1", "run=r2", "PATH", "--threshold", "nan"], "threshold-invalid", ["--threshold nan"]),
        (["run=r1", "run=r2", "PATH", "--by", "colour"], "by-unknown", ["--by colour", "host, stack"]),
        (
            ["run=r1", "run=r2", "PATH", "--json", "-", "--markdown", "-"],
            "stdout-taken",
            ["--json -", "--markdown -"],
        ),
    ],
)
def test_bad_usage_is_exit_code_2_and_says_what_to_do(
    make: Any,
    records_file: RecordsFile,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: str,
    named: list[str],
) -> None:
    path = records_file(timed(make, SAME) + timed(make, SLOWER, run_id="r2"))
    assert cli.main(["compare", *(str(path) if each == "PATH" else each for each in arguments)]) == 2
    said = capsys.readouterr().err
    assert codes(said) == [code]
    assert all(each.replace("PATH", str(path)) in said for each in named)


def test_the_imported_generations_are_compared_only_when_asked(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "imported.jsonl"
    cli.main(["import", str(data_dir / "dlbench-logs"), "--out", str(out)])
    what = ["compare", "host=Frodo", "host=Gandalf", str(out)]

    cli.main(what)
    assert "DL-Benchmarks log, generation" in capsys.readouterr().out  # not prose
    assert cli.main([*what, "--by", "program,host,stack,precision"]) == 0
    printed = capsys.readouterr().out
    assert "MPI Weather: training" in printed
    assert "not compared" not in printed
