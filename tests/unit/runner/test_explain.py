"""Explanations: how a step is split, what is checked and warned of, what is measured of which input."""

import copy
import json
import re
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from edgebench import cli, facts, inputs, records
from edgebench.errors import EdgebenchError
from edgebench.explain import explanation, gpu, measure, parts, published, words
from edgebench.roofline.analysis import Peak
from edgebench.roofline.layers import Layer

from tests.messages import codes
from tests.unit.runner import sysfs
from tests.unit.runner.builders import explanation_record


def layer(maccs: int, values: int, **changes: Any) -> Layer:
    given = {
        "name": "x", "kind": "Dense", "output_shape": (1,), "parameters": 100, "maccs": maccs, "other_ops": 0,
        "input_values": values, "output_values": values, "lookup_values": None, "fused": False,
    }  # fmt: skip
    return Layer(**{**given, **changes})


def test_the_least_time_takes_the_longer_of_operations_and_bytes() -> None:
    peak = Peak(gflop_per_s=1.0, gb_per_s=1.0)
    layers = [layer(1000, 1), layer(10, 1000), layer(10**9, 1, fused=True)]
    found = parts.least(layers, 10, "float32", peak)
    # Forward and the weights' gradients, 2 operations a MACC, 10 samples, at 1e9 a second.
    assert found.arithmetic_s == pytest.approx(2 * 1000 * 10 * 2 / 1e9)
    # Input and output forward, input and output's gradient backward, the input's gradient, 4 bytes each.
    assert found.memory_s == pytest.approx(5 * 1000 * 10 * 4 / 1e9)


def test_the_parts_of_a_step_add_up_to_it() -> None:
    least = parts.Least(1e-3, 5e-4, 1, 1)
    found = parts.split(
        held_s=10e-3, overhead_s=4e-3, empty_s=1e-3, update_s=1.5e-3, fed_s=2e-3, least_=least
    )
    assert tuple(found) == parts.ORDER
    assert found == pytest.approx(
        {
            "loop_s": 1e-3, "operators_s": 2.5e-3, "update_s": 0.5e-3, "input_s": 2e-3,
            "arithmetic_s": 1e-3, "memory_s": 0.5e-3, "below_peak_s": 4.5e-3,
        }
    )  # fmt: skip
    assert sum(found.values()) == pytest.approx(12e-3)
    assert parts.bound(found) == "arithmetic"
    assert parts.ceiling(found) == pytest.approx(12 / 5.5)


def test_what_the_small_networks_take_is_never_more_than_the_overhead() -> None:
    found = parts.split(held_s=3e-3, overhead_s=1e-3, empty_s=2e-3, update_s=9e-3, fed_s=-1e-3, least_=None)
    assert (found["loop_s"], found["operators_s"], found["update_s"]) == (1e-3, 0.0, 0.0)
    assert found["input_s"] == 0
    assert found["below_peak_s"] == pytest.approx(2e-3)


@pytest.mark.parametrize("start_per_step", [0.0, 0.002])
def test_a_training_of_another_length_is_told_from_two(start_per_step: float) -> None:
    def training(steps: int) -> tuple[int, float, float]:
        later_s = 0.03 + steps * 0.005
        return steps, later_s + 0.2 + start_per_step * steps, later_s

    found = parts.fed(training(2), training(50), training(100))
    assert found == pytest.approx((0.005, 0.03, 0.2, start_per_step))
    assert parts.training_s(found, found.step_s, 4, 300) == pytest.approx(
        0.2 + start_per_step * 300 + 4 * (0.03 + 300 * 0.005)
    )


@pytest.mark.parametrize("jump_s", [0.4, -0.1, -0.3])
def test_a_start_that_follows_no_line_is_the_measured_one(jump_s: float) -> None:
    def training(steps: int, start_s: float) -> tuple[int, float, float]:
        return steps, start_s + 0.03 + steps * 0.005, 0.03 + steps * 0.005

    found = parts.fed(training(2, 0.2), training(50, 0.21), training(100, max(0.0, 0.22 + jump_s)))
    told_s = parts.training_s(found, found.step_s, 2, 100)
    assert told_s == pytest.approx(max(0.0, 0.22 + jump_s) + 2 * (0.03 + 100 * 0.005))
    assert min(found) >= 0


def test_a_record_follows_its_schema_and_checks_itself() -> None:
    record = explanation_record()
    records.validate(record, "here")
    assert record["parts"]["sum_s"] == pytest.approx(0.002 + 20e-6 * 128 + 0.001, rel=0.02)
    assert record["checks"]["sum_holds"]
    assert record["checks"]["prediction_holds"]
    assert record["checks"]["prediction_error"] < 0.02
    assert [each["batch"] for each in record["checks"]["predictions"]] == [96, 192]
    assert abs(record["checks"]["cpu_sum_error"]) < 0.02
    assert record["checks"]["cpu_prediction_error"] < 0.02
    assert record["published"]["steps"] == 469
    assert record["missing"]["measured.gpu_busy_share"] == explanation.NO_GPU
    assert record["warnings"] == []


@pytest.mark.parametrize(("noise", "holds"), [(1.05, True), (0.95, True), (1.2, False), (0.8, False)])
def test_a_training_that_the_parts_do_not_explain_is_said(noise: float, holds: bool) -> None:
    record = explanation_record(noise=noise)
    assert record["checks"]["sum_holds"] is holds
    assert ("sum-fails" in doubt_codes(record)) is not holds


def doubt_codes(record: dict[str, Any]) -> list[str]:
    """The codes of a record's doubts, whose texts have to be its warnings."""
    doubts = explanation.doubts(record)
    assert record["warnings"] == [each.text for each in doubts]
    return [each.code for each in doubts]


def explained_again(change: Any) -> dict[str, Any]:
    """Explain the samples of a good record once more, after ``change`` was made to them."""
    record = copy.deepcopy(explanation_record())
    record["warnings"], record["counted"] = [], [dict(layer(1000, 10)._asdict())]
    change(record["measured"])
    explanation.explain(record, None, 2)
    return record


def test_sizes_that_no_line_goes_through_are_said() -> None:
    def bend(measured: dict[str, Any]) -> None:
        for each, factor in zip(measured["sweep"], (1, 5, 1, 1, 6, 1, 1, 9), strict=True):
            each["samples_s"] = [factor * value for value in each["samples_s"]]

    record = explained_again(bend)
    assert not record["curve"]["holds"]
    assert not record["checks"]["prediction_holds"]
    assert {"curve-fails", "prediction-fails"} <= set(doubt_codes(record))
    told = " ".join(record["warnings"])
    assert f"{record['curve']['worst_residual']:.0%}" in told
    assert f"{record['checks']['prediction_error']:.0%}" in told


def test_samples_that_cannot_be_fitted_leave_a_valid_record() -> None:
    with pytest.raises(EdgebenchError) as caught:
        explained_again(lambda measured: [each.update(check=True) for each in measured["sweep"]])
    assert caught.value.code == "points-unfittable"
    record = explanation_record()
    explanation.leave_out(record)
    record.update(status="failed", reason="a fit over the batch needs times above 0")
    records.validate(explanation.finished(record), "here")


def test_a_busy_machine_is_said() -> None:
    record = explained_again(lambda measured: measured.update(others_cpu_share=0.42))
    assert doubt_codes(record) == ["machine-busy"]
    assert "42%" in record["warnings"][0]


def test_single_slow_samples_do_not_count() -> None:
    def disturb(measured: dict[str, Any]) -> None:
        for each in measured["sweep"]:
            each["samples_s"][3:5] = [9.0, 5.0]

    assert explained_again(disturb)["curve"] == explained_again(lambda _: None)["curve"]


def test_short_samples_that_scatter_add_up_to_a_long_one_that_does_not() -> None:
    def scatter(measured: dict[str, Any]) -> None:
        # A machine of two speeds, which a long training sees both of.
        for each in measured["fed"][:-1]:
            for kind in ("first_s", "later_s"):
                each[kind] = [factor * value for value in each[kind] for factor in (0.7, 1.3)]

    assert abs(explained_again(scatter)["checks"]["sum_error"]) < 0.02


def test_words_name_what_most_goes_to() -> None:
    good, doubtful = explanation_record(), explanation_record(noise=2.0)
    assert words.by_bound([good, doubtful]) == [("arithmetic", [good, doubtful])]
    [paragraph] = words.paragraph([good])
    assert words.BOUNDS["arithmetic"] in paragraph
    assert re.search(rf"MNIST Digits 1D \(.*\b{good['ceiling']:.1f}\b", paragraph)  # not prose
    lines = words.told([good, doubtful])
    assert words.paragraph([good, doubtful])[0] in lines
    assert doubt_codes(doubtful) == ["sum-fails"]
    assert f"mnist_1d: {doubtful['warnings'][0]}" in lines
    assert "0.51 " in doubtful["warnings"][0]


@pytest.mark.parametrize(
    ("available", "sizes", "checks"),
    [
        (10**9, [16, 32, 64, 128, 256, 512], [96, 192, 384]),
        (4 * 1000 * 200, [16, 32, 64, 128], [96, 192]),
        (0, [16, 32, 64, 128], [96]),
        (None, [16, 32, 64, 128], [96]),
    ],
)
def test_sizes_go_as_far_as_memory(available: int | None, sizes: list[int], checks: list[int]) -> None:
    plan = measure.plan_of(128, 1000, available, 60)
    assert (plan.sizes, plan.checks) == (sizes, checks)


def test_small_published_batches_have_sizes_enough() -> None:
    assert measure.plan_of(20, 1, 10**9, 60)[:2] == ([2, 5, 10, 20, 40, 80], [15, 30, 60])


def test_samples_and_steps_of_arrays_and_streams() -> None:
    fed = inputs.Arrays(numpy.arange(10), numpy.arange(10) * 2, 4)
    x, y = measure.samples_of(fed, 23)
    assert (len(x), list(x[:12]), y[11]) == (23, [*range(10), 0, 1], 2)
    assert measure.steps_in(fed) == 2
    assert len(measure.cut(fed, 1).x) == 4

    def batches() -> Any:
        for start in count(0, 4):
            yield numpy.arange(start, start + 4), numpy.zeros(4)

    streamed = inputs.Stream(batches, 7)
    x, y = measure.samples_of(streamed, 10)
    assert (list(x), len(y)) == (list(range(10)), 10)
    assert measure.cut(streamed, 3).steps == 3


def test_a_gpu_that_tells_its_load_is_read(tmp_path: Path) -> None:
    root = sysfs.jetson_jetpack4(tmp_path)
    busy = gpu.Busy(str(root))
    assert busy.share is None
    for _ in range(2):
        with busy:
            time.sleep(0.35)
    assert busy.share == pytest.approx(0.345)


def test_a_host_without_gpu_has_no_share(tmp_path: Path) -> None:
    with gpu.Busy(str(tmp_path)) as busy:
        pass
    assert busy.share is None


def test_the_numbers_of_a_host_are_found_again() -> None:
    work = {
        "mnist_1d": {"recurrences": 0, "bytes_fed": 4e5, "flop": 2e8},
        "imdb": {"recurrences": 0, "bytes_fed": 2e7, "flop": 3e8},
        "mnist_2d": {"recurrences": 0, "bytes_fed": 2e5, "flop": 1e9},
        "dogs_vs_cats": {"recurrences": 0, "bytes_fed": 5e6, "flop": 3e10},
        "imdb_embedded": {"recurrences": 0, "bytes_fed": 6e3, "flop": 8e4},
        "weather": {"recurrences": 240, "bytes_fed": 2.6e6, "flop": 6e8},
    }
    truth = (0.019, 0.006, 5e-9, 1 / 76e9)
    steps_s = {
        name: sum(each * number for each, number in zip(published._row(entry), truth, strict=True))
        for name, entry in work.items()
    }
    found = published.fitted(steps_s, work)
    assert [found[name] for name in published._NAMES] == pytest.approx(truth)
    assert found["workloads"]["weather"]["parts"]["recurrence"] == pytest.approx(1.44)
    # Times that a host without any of it would have: none comes out below 0.
    falling = published.fitted(dict(zip(work, (9.0, 1.0, 5.0, 0.5, 7.0, 0.1), strict=True)), work)
    assert all(falling[name] >= 0 for name in published._NAMES)


def test_misprints_of_the_report_do_not_count() -> None:
    trainings_s = published._trainings_s(facts.read("published_2019"))
    assert trainings_s["dogs_vs_cats"]["boromir"] == 560.2
    assert trainings_s["mnist_1d"]["frodo"] == 255.8


def test_keyword_spotting_is_no_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "-w", "kws"]) == 2
    said = capsys.readouterr().err
    assert codes(said) == ["workload-unknown"]
    assert "'kws'" in said


def test_a_file_of_another_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "host.jsonl"
    path.write_text(json.dumps(explanation_record()) + "\n")
    before = path.read_bytes()
    assert cli.main(["explain", "--run-id", "other", "--out", str(path)]) == 2
    said = capsys.readouterr().err
    assert codes(said) == ["run-id-differs"]
    assert re.search(r"20261121-000000.*\bother\b.*--out", said)
    assert path.read_bytes() == before


def test_what_is_explained_already_is_only_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "host.jsonl"
    path.write_text(json.dumps(explanation_record()) + "\n")
    call = ["explain", "-w", "mnist_1d", "--run-id", "20261121-000000", "--out", str(path)]
    assert cli.main(call) == 0
    assert "mnist_1d" in capsys.readouterr().out


def test_too_short_an_input_is_said() -> None:
    from edgebench.explain import job

    told: list[Any] = []
    model = SimpleNamespace(layers=[])
    fed = inputs.Arrays(numpy.zeros((4, 784)), numpy.zeros((4, 10)), 128)
    spec = SimpleNamespace(name="mnist_1d", paper=SimpleNamespace(batch=128), input_shape=(784,))
    with pytest.raises(EdgebenchError, match=r"mnist_1d\b.*\b0\b.*\b4\b") as caught:
        job.run(None, spec, model, fed, {"options": {}}, lambda event, **values: told.append(values))
    assert caught.value.code == "input-too-short"
