"""Results as submitters publish them and as runners leave them: one record for each measurement, and nothing else.

Each form here is one of the public repositories tiny_results_v0.5 to v1.3, or of a session of the current runner.
"""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench_report import importers
from edgebench_report.cli import main
from edgebench_report.importers import Imported
from edgebench_report.importers.quality import LABELS, Answer, score
from edgebench_report.load import load

from tests.messages import codes
from tests.mlcommons_sessions import WALLS_S, energy, session, sure
from tests.needs import cases_folder

Record = dict[str, Any]
MEDIAN_PER_S = 250 / 10.854678


def eembc_results(
    walls_s: tuple[float, ...] = (10.309, 10.296, 10.362, 10.382, 10.333),
    inferences: int = 2400,
    name: str = "ulp-mlperf",
    median_per_s: float | None = None,
    times: int = 1,
) -> str:
    """results.txt of the EEMBC runner; ``times``: how often each line stands there."""
    lines = []
    for number, wall_s in enumerate(walls_s, 1):
        met = "Runtime requirements have been met." if wall_s >= 10 else SHORT
        lines += [
            f"Performance results for window {2 * number}:",
            f"  # Inferences : {inferences:12}",
            f"  Runtime      : {wall_s:12.3f} sec.",
            f"  Throughput   : {inferences / wall_s:12.3f} inf./sec.",
            met,
        ]
    middle = sorted(inferences / each for each in walls_s)[len(walls_s) // 2]
    lines.append(f"Median throughput is {median_per_s or middle:.3f} inf./sec.")
    return "".join(f"00366.093 {name}: {each}\r\n" * times for each in lines)


SHORT = "e-[The run must take at least 10 seconds and 10 iterations to be valid]"
TOP1 = "03171.459 ulp-mlperf: Top-1: 90.1%\r\n03171.489 ulp-mlperf: AUC: 0.99\r\n"


def eembc_log(blocks: list[tuple[str, int, int, str]], model: str | None = "kws01") -> str:
    """Session log of the EEMBC runner: blocks of (file, inferences, microseconds, results)."""
    lines = ["session: m-session-start-id[20220301220701]"]
    if model:
        lines += [f"parser: m-bm-cfg-name[ulp-mlperf]-key[model]-val[{model}]", f"dut: m-model-[{model}]"]
    clock_us = 23066300
    for file, inferences, elapsed_us, results in blocks:
        lines += [
            f'parser: Command "bload dut "/data/{file}""',
            "parser: File size is 490, loading...",
            f"dut: m-infer-start-{inferences}",
            f"dut: m-lap-us-{clock_us}",
            f"dut: m-lap-us-{clock_us + elapsed_us}",
            f"dut: m-results-[{results}]",
            "dut: m-ready",
        ]
        clock_us += elapsed_us + 9000
    return "".join(f"00020.982 {each}\n" for each in lines)


def answers(outputs: Callable[[int], list[float]], samples: int = 36) -> str:
    blocks = []
    for number in range(samples):
        label = number % len(LABELS)
        results = ",".join(f"{each:.3f}" for each in outputs(label))
        blocks.append((f"tst_{number:06}_Stop_{label}.bin", 1, 4300, results))
    return eembc_log(blocks)


def put(root: Path, name: str, content: str | bytes = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(*paths: Path, host: str | None = None) -> Imported:
    found = importers.read(paths, host)
    assert [each.code for each in found.problems] == []
    return found


def hosts(found: Imported) -> list[str]:
    return sorted(each["host"] for each in found.records)


def refused(root: Path) -> list[tuple[str, str]]:
    """Import what has no measurement of keyword spotting; return (file, code) of each message."""
    found = importers.read([root])
    assert found.records == []
    return [
        (Path(each.where.partition(":")[0]).relative_to(root).as_posix(), each.code)
        for each in found.problems
    ]


# The current runner


def test_two_boards_of_one_vendor_are_two_hosts_and_each_window_counts_once(tmp_path: Path) -> None:
    for board, walls_s in (("BOARD_A", WALLS_S), ("BOARD_B", [each + 1 for each in WALLS_S])):
        session(tmp_path / f"closed/VENDOR/results/{board}/kws/performance", "p", walls_s)
        session(tmp_path / f"closed/VENDOR/results/{board}/kws/accuracy", "a", [0.0437] * 36)

    found = read(tmp_path)

    assert hosts(found) == ["BOARD_A", "BOARD_B"]
    assert found.warnings == []
    first = found.records[0]
    assert [each["wall_s"] for each in first["windows"]] == list(WALLS_S)
    assert first["throughput_per_s"] == pytest.approx(MEDIAN_PER_S)
    assert first["valid_windows"] is True
    assert (first["quality"]["value"], first["quality"]["samples"]) == (1.0, 36)
    assert first["imported"]["local_time"] == "2025-07-26T01:01:47"
    form = "MLCommons runner results.json and MLCommons runner text"
    assert first["imported"]["format"] == form


@pytest.mark.parametrize(
    "change",
    [
        {"has_summary": False, "name": None},  # the runner of 2025 printed the median alone
        {"name": "unspecified", "ends": "\n"},
        {"walls_s": [5.76479, 5.782202, 5.769961, 5.76197, 5.748349], "inferences": 10000},
        {"walls_s": [0.001751, 0.001704, 0.001643, 0.001592, 0.002023], "inferences": 70, "error": "error 2"},
        {"walls_s": WALLS_S[:4], "error": "error 1"},
        {"walls_s": [1200.5] * 5, "inferences": 7},
    ],
    ids=["older", "unnamed", "short", "fast", "four", "slow"],
)
@pytest.mark.parametrize("file", ["", "log.txt", "results.txt", "results.json"])
def test_sessions_of_performance(tmp_path: Path, change: dict[str, Any], file: str) -> None:
    folder = session(tmp_path / "nano/performance", "p", **change)
    walls_s, inferences = list(change.get("walls_s", WALLS_S)), change.get("inferences", 250)
    if file == "results.txt" and not change.get("has_summary", True):
        [record] = read(folder / file).records
        assert (record["windows"], record["valid_windows"]) == ([], None)
        assert record["throughput_per_s"] == pytest.approx(MEDIAN_PER_S, abs=0.001)
        return

    [record] = read(folder / file).records

    digits = 3 if file == "log.txt" and not change.get("has_summary", True) else 6
    assert [each["wall_s"] for each in record["windows"]] == [round(each, digits) for each in walls_s]
    is_valid = len(walls_s) == 5 and min(walls_s) >= 10 and inferences >= 10
    assert record["valid_windows"] is is_valid
    error = change.get("error", "").upper()
    if error and not (error == "ERROR 1" and file.endswith("txt")):
        assert [each for each in record["warnings"] if error in each]
    assert record["host"] == "nano"


@pytest.mark.parametrize("wall_s", [0.0437, 0.00013, 12.5])
@pytest.mark.parametrize("file", ["", "log.txt", "results.json"])
def test_single_inferences_of_accuracy_mode_are_no_performance(
    tmp_path: Path, wall_s: float, file: str
) -> None:
    folder = session(tmp_path / "sessions/20250726_005923", "a", [wall_s] * 60, name="nano")

    [record] = read(folder / file).records

    assert (record["windows"], record["throughput_per_s"], record["valid_windows"]) == ([], None, None)
    assert (record["quality"]["value"], record["quality"]["samples"]) == (1.0, 60)


def test_a_session_is_one_record_with_the_name_of_its_device(tmp_path: Path) -> None:
    session(tmp_path / "sessions/20250726_010147", "p", name="STM32H573")
    session(tmp_path / "sessions/20250726_020147", "p", [each + 1 for each in WALLS_S], name="STM32H573")

    found = read(tmp_path)

    assert [(each["host"], each["repeat"]) for each in found.records] == [("STM32H573", 1), ("STM32H573", 2)]
    assert found.warnings == []


def test_windows_below_the_minimum_alone_are_no_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session(tmp_path / "nano/performance", "p", [2.5] * 5, inferences=9)
    put(tmp_path, "other.log", eembc_results((9.99,) * 5, 9).partition("00366.093 ulp-mlperf: Median")[0])
    for name in ("results.json", "results.txt"):
        (tmp_path / "nano/performance" / name).unlink()
    path = tmp_path / "nano/performance/log.txt"
    path.write_text(re.sub(".*Median.*", "", path.read_text()))

    assert main(["import", str(tmp_path), "--out", str(tmp_path / "x.jsonl")]) == 2

    said = capsys.readouterr().err
    assert codes(said) == ["windows-too-short", "windows-too-short", "nothing-imported"]
    assert "log.txt" in said
    assert "10 s" in said


def test_energy_of_the_current_runner(tmp_path: Path) -> None:
    system = tmp_path / "results/BOARD/kws"
    session(system / "performance", "p")
    session(system / "accuracy", "a", [0.0437] * 36)
    energy(system / "energy")

    [record] = read(tmp_path).records

    assert record["imported"]["energy"]["median_uj_per_inference"] == 1430.668
    assert len(record["imported"]["energy"]["windows"]) == 5
    assert record["throughput_per_s"] == pytest.approx(MEDIAN_PER_S)
    assert len(record["imported"]["files"]) == 9


def test_samples_of_energy_alone_have_no_unit(tmp_path: Path) -> None:
    folder = energy(tmp_path / "kws/energy")
    for name in ("log.txt", "results.txt"):
        (folder / name).unlink()

    assert refused(tmp_path) == [("kws/energy/results.json", "energy-unit-missing")]


# The host


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("results/BOARD/kws/MODEL-X/performance", "BOARD"),
        ("results/BOARD/kws/MODEL-X/power", "BOARD"),
        ("results/BOARD/kws/kws_int8/performance", "BOARD"),
        ("results/BOARD/keyword_spotting/energy", "BOARD"),
        ("results/BOARD/kws/performance/run_1", "BOARD"),
        ("results/BOARD/kws/performance/20250726_010147", "BOARD"),
        ("open/us/results/Cloud Platform (RISC-V)/KWS/Performance", "Cloud-Platform-RISC-V"),
        ("results/stack/BOARD/kws/performance", "BOARD"),
        ("BOARD/kws01/performance", "BOARD"),
        ("BOARD/kws_int8/performance", "BOARD"),
        ("results/BOARD/int8/kws/performance", "BOARD"),
        ("results/8051/kws/performance", "8051"),
        ("results/kws_board/kws/performance", "kws_board"),
        ("results/BOARD/20250726_010147/kws/performance", "BOARD"),
        ("results/BOARD/performance", "BOARD"),
    ],
)
def test_the_host_is_the_system(tmp_path: Path, folder: str, name: str) -> None:
    log = f"dut: m-name-dut-[VENDOR]\n{eembc_log([('tst_0_Stop_7.bin', 300, 11_000_000, '0.1')] * 5)}"
    log = log.replace("[0.1]", "[" + ",".join(["0.083"] * 12) + "]")
    put(tmp_path, f"{folder}/performance_log.txt", log)
    put(tmp_path, f"{folder}/performance_results.txt", eembc_results((11.0,) * 5, 300))

    [record] = read(tmp_path).records

    assert record["host"] == name
    assert record["valid_windows"] is True
    is_energy = Path(folder).name in ("power", "energy")
    assert [each for each in record["warnings"] if "energy" in each] == record["warnings"]
    assert bool(record["warnings"]) is is_energy


def test_the_host_is_the_system_wherever_the_import_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = session(tmp_path / "results/BOARD/kws/performance", "p")
    monkeypatch.chdir(folder)
    for path in (".", "..", "../performance/log.txt", "../../../BOARD", "results.json"):
        assert hosts(read(Path(path))) == ["BOARD"]


def test_links_to_sessions_are_where_they_are(tmp_path: Path) -> None:
    """As in a submission that is put together of links, or files that git-annex keeps."""
    kept = session(tmp_path / "sessions/20250726_010147", "p")
    link = tmp_path / "in/BOARD/kws/performance"
    link.mkdir(parents=True)
    for path in kept.iterdir():
        (link / path.name).symlink_to(path)

    assert hosts(read(tmp_path / "in")) == ["BOARD"]


def test_power_is_energy_mode_and_not_a_series_of_its_own(tmp_path: Path) -> None:
    costs = "".join(
        f"30819.307 ulp-ml: {each}\n"
        for number in range(5)
        for each in (
            f"Energy data for window {2 * number + 2} at time 2.69 for 13.97 sec.:",
            "  Energy       : 24491325.879 uJ",
            "  Power        :  1752886.192 uW",
            f"  Energy/Inf.  :       30.{600 + number} uJ/inf.",
        )
    )
    slow = eembc_results((13.972,) * 5, 800000, "ulp-ml")
    put(tmp_path, "results/pynq-z2/kws/KWS-W3A3/power/results.txt", costs + slow)
    put(tmp_path, "results/pynq-z2/kws/KWS-W3A3/power/log.txt", "30738.3 dut: m-name-dut-[Xilinx]\n" + slow)
    put(tmp_path, "results/pynq-z2/kws/KWS-W3A3/performance/results.txt", eembc_results((11.5,) * 5, 700000))

    [record] = read(tmp_path).records

    assert record["host"] == "pynq-z2"
    assert {each["wall_s"] for each in record["windows"]} == {11.5}
    assert record["imported"]["energy"]["median_uj_per_inference"] == 30.602


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (("closed/one/results/NUCLEO", "closed/two/results/NUCLEO"), ["NUCLEO-one", "NUCLEO-two"]),
        (("results/native/NUCLEO", "results/cmsis/NUCLEO"), ["NUCLEO-cmsis", "NUCLEO-native"]),
        (("closed/us/results/NUCLEO", "open/us/results/NUCLEO"), ["NUCLEO-closed", "NUCLEO-open"]),
        (("v1.0/closed/us/results/N", "v1.1/closed/us/results/N"), ["N-v1.0", "N-v1.1"]),
        (("results/Board (x)", "results/Board-x"), ["Board-x", "Board-x-2"]),
        (
            ("a/results/s/N", "b/results/N", "c/results/N", "a/results/t/N"),
            ["N-b", "N-c", "N-s", "N-t"],
        ),
    ],
)
def test_systems_of_one_name_get_different_hosts_and_a_warning(
    tmp_path: Path, folders: tuple[str, ...], names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, folder in enumerate(folders):
        session(tmp_path / "in" / folder / "kws/performance", "p", [each + number for each in WALLS_S])
        session(tmp_path / "in" / folder / "kws/accuracy", "a", [0.04] * 12)

    assert main(["import", str(tmp_path / "in"), "--out", str(tmp_path / "x.jsonl")]) == 0

    assert sorted(json.loads(each)["host"] for each in (tmp_path / "x.jsonl").open()) == names
    said = capsys.readouterr().err
    assert codes(said) == ["host-shared"]
    assert all(each in said for each in [*names, "--host "])
    assert load([tmp_path / "x.jsonl"]).problems == []


def test_a_vendors_name_told_in_two_folders_of_sessions_is_two_hosts(tmp_path: Path) -> None:
    session(tmp_path / "desk/sessions/20250726_010147", "p", name="VENDOR")
    session(tmp_path / "lab/sessions/20250727_010147", "p", [each + 1 for each in WALLS_S], name="VENDOR")

    found = importers.read([tmp_path])

    assert hosts(found) == ["VENDOR-desk", "VENDOR-lab"]
    assert [each.code for each in found.warnings] == ["host-shared"]
    assert hosts(importers.read([tmp_path], "nano")) == ["nano", "nano"]


def test_a_system_that_was_submitted_again_is_one_measurement(tmp_path: Path) -> None:
    for round_name in ("v1.0", "v1.1", "v1.2"):
        put(tmp_path, f"{round_name}/results/NDP9120/kws/performance/results.txt", eembc_results())

    found = read(tmp_path)

    assert hosts(found) == ["NDP9120"]
    assert [each.code for each in found.warnings] == ["measurement-copied"] * 2


@pytest.mark.parametrize(
    ("folders", "runs"),
    [
        (("kws/kws_int8", "kws/kws_fp32"), ["MLPerf-Tiny-float32", "MLPerf-Tiny-int8"]),
        (("kws/KWS-W3A3", "kws/KWS-W8A8"), ["MLPerf-Tiny-KWS-W3A3", "MLPerf-Tiny-KWS-W8A8"]),
        (("kws", "kws/small"), ["MLPerf-Tiny", "MLPerf-Tiny-small"]),
        (("kws_int8", "kws_float32"), ["MLPerf-Tiny-float32", "MLPerf-Tiny-int8"]),
    ],
)
def test_models_of_one_system_are_no_repeats_of_each_other(
    tmp_path: Path, folders: tuple[str, ...], runs: list[str]
) -> None:
    for number, folder in enumerate(folders):
        session(tmp_path / f"results/BOARD/{folder}/performance", "p", [each + number for each in WALLS_S])

    found = read(tmp_path)

    assert hosts(found) == ["BOARD", "BOARD"]
    assert sorted(each["run_id"] for each in found.records) == runs
    assert {each["repeat"] for each in found.records} == {1}
    assert found.warnings == []


# The task


@pytest.mark.parametrize(
    ("folder", "model"),
    [
        ("ad/accuracy", "ad01"),
        ("results/BOARD/ad/AD08/accuracy", "ad01"),
        ("anomaly_detection/accuracy", "ad01"),
        ("ic/accuracy", "ic01"),
        ("ic2/performance", "ic02"),
        ("ic/RN08/energy", "ic01"),
        ("vww/vww_int8/accuracy", "vww01"),
        ("visual_wake_words/performance", "vww01"),
        ("sww/energy", "sww01"),
        ("VWW/Accuracy", "vww01"),
    ],
)
@pytest.mark.parametrize(
    "content", [TOP1, eembc_results() + "00366.093 ulp-mlperf: Performance results for window 4:\r\n"]
)
def test_a_file_that_names_no_model_is_of_the_task_of_its_folder(
    tmp_path: Path, folder: str, model: str, content: str
) -> None:
    put(tmp_path, f"{folder}/postproc.txt", content)

    assert refused(tmp_path) == [(f"{folder}/postproc.txt", "model-unsupported")]
    assert model in importers.read([tmp_path]).problems[0].what


def test_what_a_file_says_of_its_model_counts_more_than_its_folder(tmp_path: Path) -> None:
    session(tmp_path / "ic/performance", "p")
    session(tmp_path / "kws/performance", "p", model="vww01")

    found = importers.read([tmp_path])

    assert len(found.records) == 1
    assert [(each.code, "vww01" in each.what) for each in found.problems] == [("model-unsupported", True)] * 3


@pytest.mark.parametrize(
    ("outputs", "model"), [([11.772], "ad01"), ([0.1, 0.9], "vww01"), ([0.1] * 10, "ic01"), (None, "sww01")]
)
def test_the_outputs_of_results_json_tell_the_task_at_last(
    tmp_path: Path, outputs: list[float] | None, model: str
) -> None:
    infer: Record = {"iterations": 3500, "elapsed_time": 11_233_102, "results": outputs}
    if outputs is None:
        infer = {"wav_file": "long_wav.wav", "detection_windows": [[9.4, 10.1]], "detections": [9.6]}
    entry = {"file": "x.bin", "classes": "2", "class": "0", "infer": infer, "mode": "p"}
    put(tmp_path, "nano/results.json", json.dumps([entry] * 5))

    assert refused(tmp_path) == [("nano/results.json", "model-unsupported")]
    assert model in importers.read([tmp_path]).problems[0].what


# The answers


def logits(label: int) -> list[float]:
    return [round(6.418 if each == label else -4.7 - each / 1000, 3) for each in range(len(LABELS))]


def negative(label: int) -> list[float]:
    return [round(-0.5 if each == label else -9.1 - (each * label % 5), 3) for each in range(len(LABELS))]


def wide(label: int) -> list[float]:
    return [900.0 if each == label else -900.0 for each in range(len(LABELS))]


@pytest.mark.parametrize("outputs", [logits, negative, wide])
def test_logits_are_answers(tmp_path: Path, outputs: Callable[[int], list[float]]) -> None:
    put(tmp_path, "eembc/kws/accuracy/log.txt", answers(outputs))
    session(tmp_path / "mlcommons/kws/accuracy", "a", [0.04] * 36, outputs=outputs, top1=100.0)

    for record in read(tmp_path).records:
        assert (record["quality"]["value"], record["quality"]["auc"]) == (1.0, 1.0)
        assert record["quality"]["samples"] == 36
        assert not [each for each in record["warnings"] if "top-1" in each]


def test_the_area_under_the_curve_of_logits_is_that_of_their_softmax() -> None:
    rows = [
        (number % 12, tuple(math.sin(7.3 * number + each * each) * 3 for each in range(12)))
        for number in range(96)
    ]
    shares = [
        (label, tuple(math.exp(each) / sum(map(math.exp, outputs)) for each in outputs))
        for label, outputs in rows
    ]
    one = score([Answer(*each) for each in rows])
    other = score([Answer(*each) for each in shares])
    assert one.auc == pytest.approx(other.auc)
    assert one.top1 == other.top1
    assert one.confusion == other.confusion


@pytest.mark.parametrize("wrong", ["0.1,0.2", "nan" + ",0.1" * 11, "x" + ",0.1" * 11, "1e999" + ",0.1" * 11])
def test_a_kind_of_fault_has_one_message_a_file(tmp_path: Path, wrong: str) -> None:
    blocks = [(f"tst_{number:06}_Stop_7.bin", 1, 4300, wrong) for number in range(1000)]
    put(tmp_path, "BOARD/kws/accuracy/log.txt", eembc_log(blocks))
    put(tmp_path, "BOARD/kws/accuracy/results.txt", TOP1)

    found = importers.read([tmp_path])

    [problem] = found.problems
    assert problem.code == "value-invalid"
    assert problem.where.endswith("log.txt:9")
    assert "999" in problem.what
    assert found.records[0]["quality"]["value"] == 0.901


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        ("performance/log.txt", "    10.862 sec", "99999999.862 sec", "value-invalid"),
        ("performance/results.txt", "Inferences : 250", "Inferences : " + "9" * 17, "value-invalid"),
        (
            "performance/results.txt",
            "throughput is     23.032",
            "throughput is 9999999999999",
            "value-invalid",
        ),
        ("performance/results.json", '"iterations": 250', '"iterations": -250', "entry-invalid"),
        ("performance/results.json", '"elapsed_time": 10862042', '"elapsed_time": 1e30', "entry-invalid"),
        ("energy/results.txt", "10.886000000000001", "6000000000001", "value-invalid"),
        ("energy/results.txt", "32.8730 mW", "9999999999.9 mW", "value-invalid"),
    ],
)
def test_a_number_that_no_record_may_have_is_named_and_nothing_else_lost(
    tmp_path: Path, file: str, old: str, new: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    system = tmp_path / "BOARD/kws"
    session(system / "performance", "p")
    energy(system / "energy")
    content = (system / file).read_text()
    assert old in content
    (system / file).write_text(content.replace(old, new, 1))

    assert main(["import", str(tmp_path), "--out", str(tmp_path / "x.jsonl")]) == 1

    assert codes(capsys.readouterr().err) == [code]
    found = load([tmp_path / "x.jsonl"])
    assert found.problems == []
    [record] = found.inferences
    assert record["throughput_per_s"] == pytest.approx(MEDIAN_PER_S)
    assert record["imported"]["energy"]["median_uj_per_inference"] == 1430.668


# Other forms of the repositories


@pytest.mark.parametrize("times", [2, 4])
def test_lines_that_stand_several_times_are_one(tmp_path: Path, times: int) -> None:
    put(tmp_path, "BOARD/kws/performance/results.txt", eembc_results(times=times))
    put(tmp_path, "BOARD/kws/accuracy/results.txt", TOP1 * times)

    [record] = read(tmp_path).records

    assert [each["wall_s"] for each in record["windows"]] == [10.309, 10.296, 10.362, 10.382, 10.333]
    assert record["quality"]["value"] == 0.901


def test_results_of_two_runs_in_one_file_are_two_series(tmp_path: Path) -> None:
    put(tmp_path, "nano.log", eembc_results() + eembc_results((11.0,) * 5))

    assert [len(each["windows"]) for each in read(tmp_path).records] == [5, 5]


@pytest.mark.parametrize(("elapsed_us", "left_out"), [(11_732_680, 0), (11_790_300, 1)])
def test_the_session_of_another_run_is_left_out_with_a_warning(
    tmp_path: Path, elapsed_us: int, left_out: int
) -> None:
    """Plumerai's logs of v0.7 are of single runs, some of which took as long as a window of the results."""
    results = ",".join(["0.083"] * 12)
    put(
        tmp_path,
        "BOARD/kws/performance/performance_log.txt",
        eembc_log([("tst_000000_Stop_7.bin", 600, elapsed_us, results)]),
    )
    put(
        tmp_path,
        "BOARD/kws/performance/performance_results.txt",
        eembc_results((11.733,) * 5, 600, median_per_s=51.139),
    )

    [record] = read(tmp_path).records

    assert len(record["windows"]) == 5
    # As printed: 600 / 11.733 is 51.138.
    assert record["throughput_per_s"] == 51.139
    assert len([each for each in record["warnings"] if "1 window" in each]) == left_out
    assert len(record["warnings"]) == left_out


@pytest.mark.parametrize("file", ["log.txt", "results.txt", "results.json"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_torn_file_of_a_session_makes_no_second_record(tmp_path: Path, file: str, share: float) -> None:
    folder = session(tmp_path / "BOARD/kws/performance", "p")
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: int(share * len(whole))])

    found = importers.read([tmp_path])

    [record] = found.records
    assert [each["wall_s"] for each in record["windows"]] == list(WALLS_S)
    assert record["warnings"] == []
    assert all(each.where.startswith(str(folder / file)) for each in found.problems)


def test_a_folder_of_performance_has_the_run_of_its_printed_median(tmp_path: Path) -> None:
    folder = tmp_path / "BOARD/kws/performance"
    session(folder, "p", [each + 1 for each in WALLS_S])
    put(folder, "results.txt", eembc_results(WALLS_S, 250))
    (folder / "log.txt").unlink()

    [record] = read(tmp_path).records

    assert record["throughput_per_s"] == pytest.approx(MEDIAN_PER_S, abs=0.001)
    assert len(record["warnings"]) == 1


def test_numbered_runs_are_repeats(tmp_path: Path) -> None:
    for number in (1, 2):
        session(tmp_path / f"BOARD/kws/performance/run_{number}", "p", [each + number for each in WALLS_S])

    assert [(each["host"], each["repeat"]) for each in read(tmp_path).records] == [("BOARD", 1), ("BOARD", 2)]


def test_a_printed_median_that_is_not_that_of_the_windows_is_told(tmp_path: Path) -> None:
    put(tmp_path, "BOARD/kws/performance/results.txt", eembc_results(median_per_s=999.0))

    [record] = read(tmp_path).records

    assert record["throughput_per_s"] == pytest.approx(2400 / 10.333)
    [warning] = record["warnings"]
    assert re.findall(r"\d+\.\d+", warning) == ["232.266", "999.000"]


def test_the_runners_word_on_short_windows_is_kept(tmp_path: Path) -> None:
    put(tmp_path, "BOARD/kws/performance/results.txt", eembc_results((9.646,) * 5, 250))

    [record] = read(tmp_path).records

    assert record["valid_windows"] is False
    [warning] = record["warnings"]
    assert SHORT[3:-1] in warning


def test_a_session_alone_has_the_windows_of_its_laps(tmp_path: Path) -> None:
    """Session logs are all that four submitters of v0.5 gave; a line may lack the runner's clock."""
    results = ",".join(["0.083"] * 12)
    blocks = [("tst_000000_Stop_7.bin", 40, 13_026_622, results)] * 5
    log = eembc_log(blocks).replace("00020.982 dut: m-lap", "m-lap", 3)
    put(tmp_path, "closed/us/results/scepu02/kws/performance/performance_log.txt", log)

    [record] = read(tmp_path).records

    assert {each["wall_s"] for each in record["windows"]} == {13.026622}
    assert (record["host"], record["valid_windows"]) == ("scepu02", True)


def test_noise_of_the_serial_line_does_not_make_a_log_binary(tmp_path: Path) -> None:
    noisy = eembc_results().encode().replace(b"Runtime requirements", b"\x02\x05Runtime \xffrequirements", 1)
    put(tmp_path, "BOARD/kws/performance/results.txt", noisy)
    put(tmp_path, "BOARD/kws/performance/._results.txt", b"\x00\x05\x16\x07Mac OS X")

    assert len(read(tmp_path).records[0]["windows"]) == 5


# The cases from the field


@pytest.mark.needs("cases")
def test_case_mlcommons_v13() -> None:
    found = importers.read([cases_folder() / "import-mlcommons-v13"])

    assert [(each["host"], len(each["windows"])) for each in found.records] == [
        ("BOARD_A", 1),
        ("BOARD_B", 1),
    ]
    assert [round(each["throughput_per_s"], 3) for each in found.records] == [23.016, 25.0]
    assert found.problems == []


@pytest.mark.needs("cases")
def test_case_host_collision() -> None:
    found = importers.read([cases_folder() / "import-host-collision"])

    assert hosts(found) == ["board-one", "board-three", "board-two"]
    assert {each["host"] for each in found.records if each["warnings"]} == {"board-one"}


@pytest.mark.needs("cases")
def test_case_anomaly_as_kws() -> None:
    assert refused(cases_folder() / "import-anomaly-as-kws") == [
        ("ad/accuracy/postproc.txt", "model-unsupported")
    ]


@pytest.mark.needs("cases")
def test_case_logits() -> None:
    [record] = read(cases_folder() / "import-logits").records

    assert (record["quality"]["value"], record["quality"]["auc"]) == (1.0, 1.0)
    assert record["quality"]["samples"] == 24


def test_sure_is_a_probability() -> None:
    assert 0.99 < sum(sure(3)) <= 1
