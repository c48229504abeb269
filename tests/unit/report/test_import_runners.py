"""Logs of the EEMBC and the MLCommons runner become inference records."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from edgebench_report import importers
from edgebench_report.cli import main
from edgebench_report.importers.quality import LABELS, Answer, score
from edgebench_report.load import load

Record = dict[str, Any]
WALLS = (10.309, 10.296, 10.362, 10.382, 10.333)


def eembc_results(walls: tuple[float, ...] = WALLS, inferences: int = 2400, name: str = "ulp-mlperf") -> str:
    lines = []
    for number, wall_s in enumerate(walls, 1):
        lines += [
            f"Performance results for window {2 * number}:",
            f"  # Inferences : {inferences:12}",
            f"  Runtime      : {wall_s:12.3f} sec.",
            f"  Throughput   : {inferences / wall_s:12.3f} inf./sec.",
            "Runtime requirements have been met.",
        ]
    middle = sorted(inferences / each for each in walls)[len(walls) // 2]
    lines += [
        f"Median throughput is {middle:.3f} inf./sec.",
        "Cannot compute accuracy metrics in single-run mode.",
    ]
    return "".join(f"00366.093 {name}: {each}\n" for each in lines)


ACCURACY = "03171.459 ulp-mlperf: Top-1: 90.1%\n03171.489 ulp-mlperf: AUC: 0.99\n"


def eembc_session(
    blocks: list[tuple[str, int, int, str]], model: str = "kws01", size_bytes: int = 490
) -> str:
    """A session: blocks of (file, inferences, microseconds, results)."""
    lines = [
        "session: m-session-start-id[20210603010201]",
        "parser: m-bmark-run-name[ML Performance 1.0.1]-code[ulp-mlperf]",
        "dut: m-profile-[ULPMark for tinyML Firmware V0.0.1]",
        f"dut: m-model-[{model}]",
        "dut: m-lap-us-250900590",
        "dut: m-ready",
    ]
    clock = 251222283
    for file, inferences, elapsed_us, results in blocks:
        lines += [
            f'sequencer: m-sequencing-i[5]-command[bload dut "/data/{model}/{file}"]-ack[/parser: m-ready/]',
            f'parser: Command "bload dut "/data/{model}/{file}""',
            f"parser: File size is {size_bytes}, loading...",
            f'parser: Command "dut infer {inferences} 1"',
            "dut: m-warmup-start-1",
            "dut: m-warmup-done",
            f"dut: m-infer-start-{inferences}",
            f"dut: m-lap-us-{clock}",
            f"dut: m-lap-us-{clock + elapsed_us}",
            "dut: m-infer-done",
            f"dut: m-results-[{results}]",
            "dut: m-ready",
        ]
        clock += elapsed_us + 500000
    lines.append("session: m-session-stop-id[20210603010201]")
    return "".join(f"00272.954 {each}\n" for each in lines)


def outputs(told: int) -> str:
    return ",".join("0.912" if each == told else "0.008" for each in range(len(LABELS)))


def timed_session() -> str:
    blocks = [("tst_000000_Stop_7.bin", 2400, round(each * 1e6) + 123, outputs(7)) for each in WALLS]
    return eembc_session(blocks)


def scored_session(wrong: int, samples: int = 120) -> str:
    blocks = []
    for number in range(samples):
        label = number % len(LABELS)
        told = (label + 1) % len(LABELS) if number < wrong else label
        blocks.append((f"tst_{number:06}_{LABELS[label].title()}_{label}.bin", 1, 4300, outputs(told)))
    return eembc_session(blocks)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def records(path: Path, host: str | None = None) -> list[Record]:
    return importers.read([path], host).records


def test_a_submission_of_the_eembc_runner(tmp_path: Path) -> None:
    put(tmp_path, "results/Nucleo-L4R5ZI/kws/performance/results.txt", eembc_results())
    put(tmp_path, "results/Nucleo-L4R5ZI/kws/performance/log.txt", timed_session())
    put(tmp_path, "results/Nucleo-L4R5ZI/kws/accuracy/results.txt", ACCURACY)

    found = importers.read([tmp_path])

    assert found.problems == []
    [record] = found.records
    assert record["host"] == "Nucleo-L4R5ZI"
    assert [each["wall_s"] for each in record["windows"]] == [each + 0.000123 for each in WALLS]
    assert record["valid_windows"] is True
    assert record["throughput_per_s"] == pytest.approx(2400 / 10.333, rel=1e-4)
    assert (record["quality"]["value"], record["quality"]["auc"]) == (0.901, 0.99)
    assert record["model"]["precision"] == "int8"
    assert record["imported"]["local_time"] == "2021-06-03T01:02:01"
    assert len(record["imported"]["files"]) == 3
    assert "2021-06-03T01:02:01" in record["missing"]["started_utc"]


def test_the_window_times_of_the_2021_report(tmp_path: Path) -> None:
    walls = tuple(2400 / each for each in (232.803, 233.105, 231.609, 231.177, 232.260))

    [record] = records(put(tmp_path, "nano_performance.log", eembc_results(walls)))

    assert record["host"] == "nano"
    assert record["throughput_per_s"] == pytest.approx(232.260, abs=0.01)
    assert record["latency"]["mean_us"] == pytest.approx(4300, rel=0.01)


def test_short_windows_are_not_valid(tmp_path: Path) -> None:
    assert (
        records(put(tmp_path, "a.log", eembc_results((9.8, 10.1, 10.2, 10.3, 10.4))))[0]["valid_windows"]
        is False
    )


def test_accuracy_is_computed_from_the_answers(tmp_path: Path) -> None:
    [record] = records(put(tmp_path, "board_accuracy.log", scored_session(wrong=12)))

    quality = record["quality"]
    assert quality["value"] == pytest.approx(0.9)
    assert quality["samples"] == 120
    assert sum(each["correct"] for each in quality["per_class"]) == 108
    assert sum(map(sum, quality["confusion"])) == 120
    assert 0.9 < quality["auc"] < 1
    assert record["windows"] == []
    assert record["throughput_per_s"] is None
    [warning] = record["warnings"]
    assert re.findall(r"\d+", warning) == ["120", "1000"]


def test_answers_that_contradict_the_print_are_told(tmp_path: Path) -> None:
    put(tmp_path, "accuracy/log.txt", scored_session(wrong=12))
    put(tmp_path, "accuracy/results.txt", "Top-1: 95.0%\n")

    [record] = records(tmp_path, host="board")

    [warning] = [each for each in record["warnings"] if "top-1" in each]
    # That of the answers, and the printed one.
    assert re.findall(r"\d\.\d+", warning) == ["0.9000", "0.9500"]


def test_auc_is_the_mean_share_of_pairs_in_order() -> None:
    # By its definition: the share of pairs in which the one of the class has the higher score.
    chance = random.Random(5)
    answers = []
    for number in range(240):
        raw = [round(chance.random() + (each == number % 12) * 0.5, 3) for each in range(12)]
        answers.append(Answer(number % 12, tuple(raw)))
    by_pairs = []
    for label in range(12):
        mine = [each.outputs[label] / sum(each.outputs) for each in answers if each.label == label]
        others = [each.outputs[label] / sum(each.outputs) for each in answers if each.label != label]
        wins = sum((a > b) + (a == b) / 2 for a in mine for b in others)
        by_pairs.append(wins / len(mine) / len(others))

    assert score(answers).auc == pytest.approx(sum(by_pairs) / 12)


def test_energy_is_kept_beside_performance(tmp_path: Path) -> None:
    energy = "".join(
        f"00319.889 ulp-ml: {each}\n"
        for number in range(5)
        for each in (
            f"Energy data for window {2 * number + 2} at time 2.87 for 18.05 sec.:",
            f"  Energy       :   {737242.57 + number:.3f} uJ",
            "  Power        :    40835.414 uW",
            f"  Energy/Inf.  :     {7372.426 + number:.3f} uJ/inf.",
        )
    )
    energy += "00319.9 ulp-ml: Median energy cost is 7374.426 uJ/inf.\n" + eembc_results(
        (18.055,) * 5, 100, "ulp-ml"
    )
    put(tmp_path, "kws/energy/results.txt", energy)
    put(tmp_path, "kws/performance/results.txt", eembc_results())

    [record] = records(tmp_path, host="board")

    assert record["imported"]["energy"]["median_uj_per_inference"] == 7374.426
    assert record["imported"]["energy"]["windows"][0] == {
        "wall_s": 18.05,
        "energy_uj": 737242.57,
        "power_uw": 40835.414,
        "uj_per_inference": 7372.426,
    }
    assert [each["wall_s"] for each in record["windows"]] == list(WALLS)


def test_mlcommons_results_txt(tmp_path: Path) -> None:
    rule = "0612.122741 ulp-mlperf: ---------------------------------------------------------\n"
    put(
        tmp_path,
        "sessions/20250612_122741/results.txt",
        f"{rule}0612.122741 ulp-mlperf: Median throughput is    232.260 inf./sec.\n{rule}",
    )
    put(
        tmp_path,
        "sessions/20250612_130000/results.txt",
        "0612.130000 ulp-mlperf: Top 1% = 90.2\n0612.130000 ulp-mlperf: AUC = 0.996\n",
    )

    one, other = records(tmp_path, host="board")

    assert (one["throughput_per_s"], one["windows"], one["valid_windows"]) == (232.26, [], None)
    assert (other["quality"]["value"], other["quality"]["auc"]) == (0.902, 0.996)
    assert (one["repeat"], other["repeat"]) == (1, 2)


@pytest.mark.parametrize(
    ("form", "cost_uj"),
    [
        (
            "Power Edition Output\n"
            "10 iterations. Elapsed time = 1.6609999999999996,total energy = 0.1343941638187971\n"
            "Per inference: time = 0.16609999999999997, energy = 0.01343941638187971\n"
            "Average Power = 80.91 mW.\n",
            13439.41638,
        ),
        (
            "Power Edition Output\nEnergy data for trial 0\n"
            "  Elapsed time  : 1.661  <<<< below minimum duration\n  Inferences    : 10\n"
            "  Power         : 80.9100 mW.\n  Total Energy  : 134394.164 uJ\n  Energy/Inf    : 13439.416 uJ/inf\n"
            "Median energy cost is 13439.4164 uJ/inf.\n",
            13439.416,
        ),
    ],
)
def test_mlcommons_energy(tmp_path: Path, form: str, cost_uj: float) -> None:
    [record] = records(put(tmp_path, "results.txt", form), host="board")

    [window] = record["imported"]["energy"]["windows"]
    assert window["uj_per_inference"] == pytest.approx(cost_uj)
    assert window["energy_uj"] == pytest.approx(134394.164)
    assert window["power_uw"] == pytest.approx(80910)
    assert window["wall_s"] == pytest.approx(1.661)


def entry(mode: str, label: int, told: int, iterations: int = 1, elapsed_us: int = 4300) -> Record:
    return {
        "file": f"tst_{label}.bin",
        "classes": "12",
        "class": str(label),
        "infer": {
            "results": [float(each) for each in outputs(told).split(",")],
            "total_inferences": iterations,
            "iterations": iterations,
            "warmups": 10,
            "elapsed_time": elapsed_us,
        },
        "mode": mode,
    }


def test_mlcommons_results_json(tmp_path: Path) -> None:
    put(tmp_path, "performance/results.json", json.dumps([entry("p", 7, 7, 2400, 10_309_000)] * 5))
    put(
        tmp_path,
        "accuracy/results.json",
        json.dumps([entry("a", each % 12, each % 11) for each in range(132)]),
    )

    [record] = records(tmp_path, host="board")

    assert [each["inferences"] for each in record["windows"]] == [2400] * 5
    assert record["throughput_per_s"] == pytest.approx(2400 / 10.309)
    assert record["quality"]["samples"] == 132
    assert record["quality"]["value"] == pytest.approx(sum(i % 12 == i % 11 for i in range(132)) / 132)


def test_mlcommons_session_log_names_the_device(tmp_path: Path) -> None:
    content = "Device name retrieved: STM32H573\nDevice model retrieved: kws01\n" + eembc_results()

    assert records(put(tmp_path, "sessions/20250612_122741/log.txt", content))[0]["host"] == "STM32H573"


def test_other_models_are_left_out_by_name(tmp_path: Path) -> None:
    put(tmp_path, "ic/log.txt", timed_session().replace("kws01", "ic01"))
    put(tmp_path, "kws/log.txt", timed_session())
    image = entry("a", 1, 1)
    image["classes"], image["infer"]["results"] = "10", [0.1] * 10
    put(tmp_path, "json/results.json", json.dumps([image]))

    found = importers.read([tmp_path], "board")

    assert len(found.records) == 1
    assert [each.code for each in found.problems] == ["model-unsupported"] * 2
    assert all("ic01" in each.what for each in found.problems)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("Runtime      :       10.296", "Runtime      :       soon", "wall_s"),
        ("# Inferences :         2400", "# Inferences :         many", "inferences"),
        ("Median throughput is 232.266", "Median throughput is unknown", "median_per_s"),
    ],
)
def test_what_cannot_be_read_is_named_by_line(tmp_path: Path, old: str, new: str, named: str) -> None:
    content = eembc_results()
    assert old in content
    path = put(tmp_path, "results.txt", content.replace(old, new, 1))

    found = importers.read([path], "board")

    line = 1 + content[: content.index(old)].count("\n")
    [problem] = [each for each in found.problems if each.where == f"{path}:{line}"]
    assert problem.code == "value-invalid"
    assert named in problem.what.partition("“")[0]
    assert len(found.records) == 1
    assert len(found.records[0]["windows"]) >= 4


def test_a_torn_session_is_named_and_its_windows_kept(tmp_path: Path) -> None:
    content = timed_session()
    torn = content[: content.rindex("dut: m-lap-us")]

    found = importers.read([put(tmp_path, "board.log", torn)])

    assert [each.code for each in found.problems] == ["log-truncated"]
    assert len(found.records[0]["windows"]) == 4


def test_a_clock_that_goes_backwards_is_no_window(tmp_path: Path) -> None:
    content = eembc_session([("tst_000000_Stop_7.bin", 100, -5, outputs(7))])

    found = importers.read([put(tmp_path, "board.log", content)])

    assert found.records == []
    assert "clock-backwards" in [each.code for each in found.problems]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("[]", "results-missing"),
        ("{}", "results-missing"),
        ("[1, 2]", "results-missing"),
        ('[{"infer": 7}]', "entry-invalid"),
        ('[{"infer": {}}]', "entry-invalid"),
        ('[{"infer": {"results": null}, "class": "x"}]', "entry-invalid"),
        ("[" * 9000, "file-not-json"),
    ],
)
def test_json_that_is_no_result_is_named(tmp_path: Path, content: str, code: str) -> None:
    found = importers.read([put(tmp_path, "results.json", content)])

    assert found.records == []
    assert found.problems[0].code == code


def test_errors_of_the_runner_are_warnings(tmp_path: Path) -> None:
    content = eembc_results() + "0612.122741 ulp-mlperf: ERROR 2 - loop exited before 10 seconds elapsed.\n"

    [record] = records(put(tmp_path, "results.txt", content), host="board")

    [warning] = record["warnings"]
    assert warning.endswith(": ERROR 2 - loop exited before 10 seconds elapsed.")  # not prose


def test_the_command_writes_records_that_load(tmp_path: Path) -> None:
    put(tmp_path, "in/board/kws/kws_int8/performance/log.txt", timed_session())
    floats = timed_session().replace("File size is 490", "File size is 1960")
    put(tmp_path, "in/board/kws/kws_fp32/performance/log.txt", floats)
    out = tmp_path / "kws.jsonl"

    assert main(["import", str(tmp_path / "in"), "--out", str(out)]) == 0

    assert [(each["host"], each["model"]["precision"]) for each in map(json.loads, out.open())] == [
        ("board", "float32"),
        ("board", "int8"),
    ]
    assert load([out]).problems == []
