"""What is comparable shares a column and a median; what is not never does."""

import json
from typing import Any

import pytest
from edgebench_report import aggregate
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import properties
from tests.unit.report.conftest import Maker

ORDER = ["mnist_1d", "imdb", "weather", "weather_conv"]
OLD = {"version": "1.15.5", "keras": "2.3.1", "numpy": "1.18.5", "python": "3.6.9"}


def labels(runs: list[Any]) -> list[str]:
    return [each.label for each in aggregate.columns(runs, ORDER)]


def statistics(runs: list[Any]) -> dict[Any, aggregate.Statistic]:
    return aggregate.statistics(aggregate.samples(aggregate.columns(runs, ORDER)))


def test_median_extremes_and_number_of_the_repeats(make: Any) -> None:
    runs = [
        make.run(repeat=each, times={"build_s": 1.0, "train_s": train_s})
        for each, train_s in enumerate([5.0, 2.0, 3.0, 100.0, 4.0], 1)
    ]
    assert statistics(runs)[0, "mnist_1d", "train_total_s"] == aggregate.Statistic(5.0, 3.0, 101.0, 5)
    assert statistics(runs)[0, "mnist_1d", "train_s"] == aggregate.Statistic(4.0, 2.0, 100.0, 5)


def test_the_median_of_an_even_number_lies_between(make: Any) -> None:
    runs = [make.run(repeat=each, times={"test_s": float(each)}) for each in (1, 2)]
    assert statistics(runs)[0, "mnist_1d", "test_s"].median == 1.5


@pytest.mark.parametrize("status", ["timeout", "oom", "failed"])
def test_runs_that_did_not_finish_are_in_no_median(make: Any, status: str) -> None:
    slow = make.run(repeat=2, status=status, reason="as it may be", times={"train_s": 999.0})
    assert statistics([make.run(repeat=1), slow])[0, "mnist_1d", "train_s"].count == 1


def test_other_time_is_what_the_parts_leave_of_the_whole(make: Any) -> None:
    times = {"data_s": 1.0, "build_s": 2.0, "train_s": 3.0, "test_s": 4.0, "wall_s": 12.5}
    assert aggregate.measured(make.run(times=times))["other_s"] == pytest.approx(2.5)
    assert aggregate.measured(make.run(times={**times, "data_s": None}))["other_s"] is None


def test_repeats_of_several_runs_under_the_same_circumstances_are_pooled(make: Any) -> None:
    runs = [make.run(run_id="r1"), make.run(run_id="r2"), make.run(repeat=2, run_id="r2")]
    assert labels(runs) == ["edge-01 · quick"]
    assert statistics(runs)[0, "mnist_1d", "test_s"].count == 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"profile": "paper"}, ["edge-01 · quick", "edge-01 · paper"]),
        ({"precision": "float16"}, ["edge-01 · quick · float16", "edge-01 · quick · float32"]),
        ({"variant": "fused"}, ["edge-01 · quick · fused", "edge-01 · quick · published"]),
        ({"framework": OLD}, ["edge-01 · quick · TF 1.15.5", "edge-01 · quick · TF 2.21.0"]),
        ({"framework": {"keras": "3.1"}}, ["edge-01 · quick · Keras 3.1", "edge-01 · quick · Keras 3.15.1"]),
        ({"device": {"kind": "gpu", "name": "G"}}, ["edge-01 · quick · CPU", "edge-01 · quick · GPU"]),
        (
            {"threads": {"intra": 4, "inter": 4}},
            ["edge-01 · quick · 2 threads", "edge-01 · quick · 4 threads"],
        ),
        ({"host": "edge-02"}, ["edge-01 · quick", "edge-02 · quick"]),
        (
            {"data": {"synthetic": True, "sha256": None, "source": "synthetic"}},
            ["edge-01 · quick · real data", "edge-01 · quick · synthetic data"],
        ),
        (
            {"data": {"sha256": "c" * 64}},
            ["edge-01 · quick · data bbbbbbbb", "edge-01 · quick · data cccccccc"],
        ),
        (
            {"data": {"input": "streamed"}},
            ["edge-01 · quick · dense float32 input", "edge-01 · quick · streamed input"],
        ),
        (
            {"options": {"lookback_rows": 720}},
            ["edge-01 · quick · lookback rows 1440", "edge-01 · quick · lookback rows 720"],
        ),
        (
            {"sizes": {"train_samples": 999}},
            [
                "edge-01 · quick · 12000+5000 samples, 2 epochs, batch 128",
                "edge-01 · quick · 999+5000 samples, 2 epochs, batch 128",
            ],
        ),
    ],
)
def test_what_differs_stands_apart_and_only_what_differs_is_named(
    make: Any, changes: dict[str, Any], expected: list[str]
) -> None:
    profile = changes.pop("profile", "quick")
    runs = [make.run("weather"), make.run("weather", profile=profile, run_id="r2", **changes)]

    assert labels(runs) == expected
    assert {each.count for each in statistics(runs).values()} == {1}


def test_each_workload_keeps_its_own_data_in_one_column(make: Any) -> None:
    runs = [
        make.run("mnist_1d", data={"sha256": "1" * 64, "input": "dense_float32"}),
        make.run("imdb", data={"sha256": "2" * 64, "input": "dense_uint8"}),
        make.run("weather", data={"synthetic": True, "sha256": None}),
    ]
    assert labels(runs) == ["edge-01 · quick"]


def test_a_second_lookback_takes_its_own_column_and_leaves_the_rest(make: Any) -> None:
    runs = [
        make.run("mnist_1d"),
        make.run("weather"),
        make.run("weather_conv"),
        make.run("weather", run_id="r2", options={"lookback_rows": 720}),
        make.run("weather_conv", run_id="r2", options={"lookback_rows": 720}),
    ]
    found = aggregate.columns(runs, ORDER)

    assert [sorted(each.groups) for each in found] == [
        ["mnist_1d", "weather", "weather_conv"],
        ["weather", "weather_conv"],
    ]
    assert [each.differs[1] for each in found] == ["lookback rows 1440", "lookback rows 720"]


def test_real_and_synthetic_data_of_different_workloads_do_not_mix_where_both_were_run(make: Any) -> None:
    synthetic = {"synthetic": True, "sha256": None, "source": "synthetic"}
    runs = [
        make.run("weather"),
        make.run("weather", run_id="r2", data=synthetic),
        make.run("mnist_1d", run_id="r2", data=synthetic),
    ]
    found = {each.label: sorted(each.groups) for each in aggregate.columns(runs, ORDER)}

    assert found == {
        "edge-01 · quick · real data": ["weather"],  # not prose
        "edge-01 · quick · synthetic data": ["mnist_1d", "weather"],  # not prose
    }


def test_synthetic_data_of_another_host_or_stack_splits_nothing_here(make: Any) -> None:
    synthetic = {"synthetic": True, "sha256": None, "source": "synthetic"}
    runs = [
        make.run("mnist_1d"),
        make.run("imdb", data=synthetic),
        make.run("mnist_1d", host="edge-02", data=synthetic),
        make.run("mnist_1d", framework=OLD, data=synthetic),
    ]
    assert labels(runs) == [
        "edge-01 · quick · TF 1.15.5",  # not prose
        "edge-01 · quick · TF 2.21.0",  # not prose
        "edge-02 · quick · TF 2.21.0",  # not prose
    ]


def test_an_unfinished_run_joins_the_repeats_it_belongs_to(make: Any) -> None:
    runs = [make.run(repeat=1), make.unfinished("oom", "no memory", repeat=2, device=None)]
    [column] = aggregate.columns(runs, ORDER)

    assert [run["status"] for run in column.groups["mnist_1d"].runs] == ["ok", "oom"]


def test_a_workload_that_never_finished_joins_the_column_of_its_host(make: Any) -> None:
    unsupported = make.unfinished("unsupported", "SIGILL", "imdb", framework={"version": None, "keras": None})
    assert labels([make.run("mnist_1d"), unsupported]) == ["edge-01 · quick"]


def test_an_unfinished_run_joins_the_session_it_was_part_of(make: Any) -> None:
    streamed = {"data": {"input": "streamed"}, "session": "b" * 12, "run_id": "r2"}
    runs = [make.run("imdb"), make.run("imdb", **streamed)]
    runs.append(make.unfinished("oom", "x", "imdb", repeat=2, session="b" * 12, run_id="r2"))
    groups = [each.groups["imdb"] for each in aggregate.columns(runs, ORDER)]

    assert [[run["status"] for run in each.runs] for each in groups] == [["ok"], ["ok", "oom"]]


def test_only_unfinished_runs_make_a_column_too(make: Any) -> None:
    runs = [make.unfinished("unsupported", "SIGILL", framework={"version": None}, device=None)]
    [column] = aggregate.columns(runs, ORDER)

    assert column.groups["mnist_1d"].ok == []
    assert aggregate.statistics(aggregate.samples([column])) == {}


def test_the_order_of_the_records_changes_nothing(make: Any) -> None:
    runs = [
        run for run in make.suite(2) + make.suite(2, profile="paper", run_id="r2") if run["record"] == "run"
    ]

    def shape(given: list[Any]) -> list[Any]:
        return [
            (
                each.label,
                [(name, [run["repeat"] for run in group.runs]) for name, group in each.groups.items()],
            )
            for each in aggregate.columns(given, ORDER)
        ]

    assert shape(runs) == shape(runs[::-1])


OMP, XLA = {"OMP_NUM_THREADS": "1"}, {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({}, OMP, ["OMP_NUM_THREADS unset", "OMP_NUM_THREADS=1"]),
        (OMP, {"OMP_NUM_THREADS": "2"}, ["OMP_NUM_THREADS=1", "OMP_NUM_THREADS=2"]),
        # What both have tells nothing.
        (XLA, {**XLA, **OMP}, ["OMP_NUM_THREADS unset", "OMP_NUM_THREADS=1"]),
        ({}, {"nice": "5"}, ["nice unset", "nice=5"]),
        ({"cpus": "0"}, {"cpus": "0-1"}, ["cpus=0", "cpus=0-1"]),
    ],
)
def test_environments_stand_apart_by_the_variables_that_differ(
    make: Any, one: dict[str, str], other: dict[str, str], expected: list[str]
) -> None:
    runs = [make.run(environment=one), make.run(run_id="r2", environment=other)]
    assert sorted(labels(runs)) == [f"edge-01 · quick · {each}" for each in sorted(expected)]  # not prose
    assert {each.count for each in statistics(runs).values()} == {1}


def test_the_same_environment_is_one_column(make: Any) -> None:
    runs = [make.run(environment={**OMP, **XLA}), make.run(run_id="r2", environment={**XLA, **OMP})]
    assert labels(runs) == ["edge-01 · quick"]
    [column] = aggregate.columns(runs, ORDER)
    told = dict(column.circumstances)["environment"]
    assert [each.partition("=")[0] for each in told.split(", ")] == ["OMP_NUM_THREADS", "XLA_FLAGS"]


def test_an_unknown_environment_is_none_that_is_known(make: Any) -> None:
    runs = [make.run(), make.run("imdb"), make.run(run_id="r2", environment={})]
    assert labels(runs) == ["edge-01 · quick", "edge-01 · quick · environment unknown"]  # not prose
    assert [sorted(each.groups) for each in aggregate.columns(runs, ORDER)] == [
        ["mnist_1d"],
        ["imdb", "mnist_1d"],
    ]
    assert labels(runs[:2]) == ["edge-01 · quick"]


def test_what_one_host_sets_is_no_tag_of_the_others(make: Any) -> None:
    runs = [
        make.run(host="nano", environment={"OPENBLAS_CORETYPE": "ARMV8"}),
        make.run(host="pc", environment={}),
    ]
    assert labels(runs) == ["nano · quick · OPENBLAS_CORETYPE=ARMV8", "pc · quick"]  # not prose


def test_long_flags_are_shortened_and_still_stand_apart(make: Any) -> None:
    flags = "--xla_a=true " * 40
    runs = [make.run(environment={"XLA_FLAGS": flags + each}, run_id=each) for each in ("a", "b")]
    found = labels(runs)
    assert len(set(found)) == 2
    assert max(map(len, found)) < 120


def test_hostile_names_and_values_stay_on_one_line(make: Any) -> None:
    hostile = {"LD_\x1b[31m\nX": "a\x00\n# b"}
    found = labels([make.run(environment=hostile), make.run(run_id="r2", environment={})])
    assert len(found) == 2
    assert all(each.isprintable() for each in found)


def _differs(path: str, *values: Any) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(path), st.sampled_from(values))


# Each circumstance by its place in a record, with values that are valid there.
CHANGES = st.one_of(
    _differs("host", "edge-01", "edge-02"),
    _differs("profile", "quick", "paper", "tuned"),
    _differs("variant", "published", "fused"),
    _differs("precision", "float32", "float16"),
    _differs("framework.version", "2.21.0", "2.15.1", None),
    _differs("framework.keras", "3.15.1", "2.15.0", None),
    _differs("framework.numpy", "2.4.6", "1.26.4", None),
    _differs("framework.python", "3.11.9", "3.9.2", None),
    _differs("device", {"kind": "cpu", "name": None}, {"kind": "gpu", "name": None}, None),
    _differs("threads.intra", 1, 2, None),
    _differs("threads.inter", 1, 2, None),
    _differs("data.synthetic", False, True),
    _differs("data.sha256", "b" * 64, "c" * 64, None),
    _differs("data.input", "dense_float32", "streamed", None),
    _differs("sizes.train_samples", 10, 20),
    _differs("sizes.epochs", 1, 2),
    _differs("sizes.batch", 1, 2),
    _differs("options", {}, {"a": 1}, {"a": 2}, {"b": 1}, {"a": [1]}),
    st.tuples(
        st.just("environment"),
        st.none()
        | st.dictionaries(
            st.sampled_from(["OMP_NUM_THREADS", "XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "cpus"]),
            st.sampled_from(["", "1", "2", "1, XLA_FLAGS=2"]),
        ),
    ),
)


def _changed(run: dict[str, Any], path: str, value: Any) -> None:
    *outer, name = path.split(".")
    for each in outer:
        run = run[each]
    if path == "environment" and value is None:
        run.pop(name, None)
    else:
        run[name] = value


def _fingerprint(run: dict[str, Any]) -> str:
    wide = ("host", "workload", "profile", "variant", "precision", "framework", "threads", "options")
    told = [run[each] for each in wide] + [run.get("environment"), run["device"] and run["device"]["kind"]]
    told += [run["data"][each] for each in ("synthetic", "sha256", "input")]
    told += [run["sizes"][each] for each in ("train_samples", "test_samples", "epochs", "batch")]
    return json.dumps(told, sort_keys=True)


@settings(max_examples=properties.examples(200))
@given(
    st.lists(
        st.tuples(st.sampled_from(["mnist_1d", "imdb"]), st.lists(CHANGES, max_size=3)),
        min_size=2,
        max_size=8,
    )
)
def test_records_that_differ_in_any_circumstance_never_share_a_cell(
    described: list[tuple[str, list[tuple[str, Any]]]],
) -> None:
    runs = []
    for number, (workload, changes) in enumerate(described):
        run = Maker().run(workload, run_id=f"r{number}")
        for path, value in changes:
            _changed(run, path, value)
        runs.append(run)
    columns = aggregate.columns(runs, ORDER)
    cells = [
        {_fingerprint(run) for run in group.runs} for column in columns for group in column.groups.values()
    ]
    assert [each for each in cells if len(each) != 1] == []
    assert len(cells) == len({_fingerprint(run) for run in runs})
    assert sum(len(column.runs) for column in columns) == len(runs)
    assert len({column.label for column in columns}) == len(columns)
