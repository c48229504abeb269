"""Logs of the 2019 report's program, of all generations and in all states, become records."""

import codecs
import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from edgebench_report import importers
from edgebench_report.cli import main
from edgebench_report.errors import ReportError
from edgebench_report.importers import dlbench
from edgebench_report.importers.source import decimal, integer
from edgebench_report.load import load
from edgebench_report.published import read_published
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.messages import codes

Record = dict[str, Any]

HEAD = """\
Running {module} on Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz, 64 bits
with 8 cores, running at 1.8000 GHz
Installed memory: 16 GB
Floatingpoint precision: float32
NVIDIA GPU acceleration is not available
"""
BODY = """

Training size: {train:7d} samples
Test size:     {test:7d} samples
Training time: {seconds:7.3f} s
Test time:     {tested:7.3f} s
"""
ACCURACY = "Classification accuracy on test data: {accuracy:4.2f} %\n"
NETWORK = """

Net architecture:
Input Shape:  (None, 784)

Model: "sequential"
_________________________________________________________________
Layer (type)                 Output Shape              Param #
=================================================================
dense (Dense)                (None, 512)               401920
_________________________________________________________________
Total params: {parameters:,}
Trainable params: {parameters:,}
Non-trainable params: 0
_________________________________________________________________
"""
MODULES = {
    "imdb": "imdb",
    "reuters": "reuters",
    "mnist2D": "mnist_2d",
    "dogsVsCats": "dogs_vs_cats",
    "imdbEmbedded": "imdb_embedded",
    "mpiWeatherConv": "weather_conv",
}


def log(
    module: str = "mnist1D", seconds: float = 12.345, accuracy: float | None = 97.97, **sizes: int
) -> str:
    values = {"train": 60000, "test": 10000, "parameters": 407050, **sizes}
    text = (HEAD + BODY).format(module=module, seconds=seconds, tested=1.5, **values)
    text += "" if accuracy is None else ACCURACY.format(accuracy=accuracy)
    return text + NETWORK.format(**values)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def runs(paths: list[Path], host: str | None = None) -> list[Record]:
    return [each for each in importers.read(paths, host).records if each["record"] == "run"]


@pytest.fixture(scope="session")
def logs(data_dir: Path) -> Path:
    return data_dir / "dlbench-logs"


@pytest.fixture(scope="session")
def imported(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("imported") / "dlbench.jsonl"
    assert main(["import", str(logs), "--out", str(out)]) == 0
    return out


def test_the_published_medians_come_out_exactly(imported: Path) -> None:
    published = read_published()
    loaded = load([imported])
    assert loaded.problems == []

    for workload in ("mnist_1d", "weather"):
        for host in published.hosts:
            of_host = [
                each for each in loaded.runs if (each["workload"], each["host"]) == (workload, host["name"])
            ]
            assert sorted(each["repeat"] for each in of_host) == [1, 2, 3, 4, 5]
            found = {
                "train_s": median(each["times"]["train_s"] for each in of_host),
                "test_s": median(each["times"]["test_s"] for each in of_host),
            }
            if workload == "mnist_1d":
                found["accuracy_percent"] = 100 * median(each["quality"]["value"] for each in of_host)
            for field, value in found.items():
                assert f"{value:.1f}" == f"{published.measured(workload, field, host['id']):.1f}"


def test_the_report_shows_the_four_published_hosts(imported: Path, tmp_path: Path) -> None:
    assert main(["build", str(imported), "--out", str(tmp_path / "report"), "--quiet"]) == 0

    with (tmp_path / "report" / "table_4_training_time.csv").open(encoding="utf-8") as handle:
        rows = {each["workload"]: each for each in csv.DictReader(handle)}
    published = read_published()
    for host in published.hosts:
        [column] = [
            each
            for each in rows["mnist_1d"]
            if each.startswith(f"{host['name']} ·") and each.endswith(("CPU", "GPU"))
        ]
        for workload in ("mnist_1d", "weather"):
            assert f"{float(rows[workload][column]):.1f}" == str(
                published.measured(workload, "train_s", host["id"])
            )
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert "DL-Benchmarks log, generation 3" in page  # not prose


def test_all_logs_are_read_and_circumstances_are_those_of_the_logs(logs: Path, imported: Path) -> None:
    loaded = load([imported])
    files = sorted(each.name for each in logs.iterdir())

    assert sorted(each["imported"]["files"][0]["name"] for each in loaded.runs) == files
    for run in loaded.runs:
        said = run["imported"]["files"][0]
        assert said["sha256"] == hashlib.sha256((logs / said["name"]).read_bytes()).hexdigest()
    apple = [each for each in loaded.runs if each["host"] == "AppleM1"]
    assert {each["device"]["kind"] for each in apple} == {"cpu", "gpu"}
    assert {each["framework"]["version"] for each in apple} == {"2.4.0-rc0", None}
    [boromir] = [each for each in loaded.hosts if each["host"] == "Boromir"]
    assert boromir["facts"]["cpu"]["clock_current_mhz"] == 1428.0
    assert boromir["facts"]["memory"]["total_bytes"] == 4 * 2**30
    generations = {each["imported"]["format"][-1] for each in loaded.runs}
    assert generations == {"1", "2", "3", "4", "5"}


def test_importing_twice_makes_copies(logs: Path, imported: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    assert main(["import", str(logs), "--out", str(again)]) == 0

    assert again.read_bytes() == imported.read_bytes()
    assert load([imported, again]).duplicates == len(imported.read_text("utf-8").splitlines())


@pytest.mark.parametrize("module", MODULES)
def test_the_other_modules(tmp_path: Path, module: str) -> None:
    published = read_published().workloads[MODULES[module]]
    is_weather = module.startswith("mpi")
    content = log(
        module,
        accuracy=None if is_weather else 88.25,
        train=published["train_samples"],
        test=published["test_samples"],
        parameters=published["parameters"],
    )

    [run] = runs([put(tmp_path, f"{module}.GenuineIntelX86_64_2.log", content)])

    assert (run["workload"], run["title"], run["repeat"]) == (MODULES[module], published["title"], 2)
    for name in ("train_samples", "test_samples", "epochs", "batch", "parameters"):
        assert run["sizes"][name] == published[name]
    assert run["quality"]["value"] == (None if is_weather else 0.8825)
    assert run["options"] == ({"lookback_rows": 1440} if is_weather else {})
    assert ("quality.value" in run["missing"]) == is_weather
    assert (run["times"]["train_s"], run["times"]["build_s"]) == (12.345, None)


def test_another_machine_gets_another_name(tmp_path: Path) -> None:
    one = put(tmp_path, "mnist1D.GenuineIntelX86_64.log", log())
    other = put(tmp_path, "other/mnist1D.GenuineIntelX86_64.log", log().replace("i7-8550U", "i3-3227U"))

    assert {each["host"] for each in runs([one, other])} == {
        "GenuineIntelX86_64-Intel-Core-i7-8550U",
        "GenuineIntelX86_64-Intel-Core-i3-3227U",
    }
    assert [each["host"] for each in runs([one], host="my-laptop")] == ["my-laptop"]
    with pytest.raises(ReportError, match=r"--host my-laptop\b.*\b2\b.*i3-3227U.*i7-8550U") as caught:
        importers.read([one, other], "my-laptop")
    assert caught.value.code == "host-ambiguous"


def test_a_64_bit_arm_that_is_not_the_published_one_may_have_no_gpu(tmp_path: Path) -> None:
    content = log().replace("Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz", "ARMv8 Processor rev 3 (v8l)")
    content = content.replace("is not available", "is available")

    [run] = runs([put(tmp_path, "mnist1D.ARMARM_8_1.log", content)])

    assert run["host"] == "ARMARM_8-ARMv8-rev-3-v8l"
    assert run["repeat"] == 1
    assert run["device"] is None
    assert run["missing"]["device"] == dlbench.GPU_UNCERTAIN


def test_a_module_that_is_none_of_the_eight(tmp_path: Path) -> None:
    [run] = runs([put(tmp_path, "cifarTen.GenuineIntelX86_64.log", log("cifarTen"))])

    assert (run["workload"], run["title"]) == ("cifar_ten", "cifarTen")
    assert run["sizes"]["epochs"] is None
    assert run["missing"]["sizes.epochs"] == dlbench.UNKNOWN_WORKLOAD


@pytest.mark.parametrize(
    ("title", "workload"),
    [("MNIST Digits 1D", "mnist_1d"), ("mnistNaive", "mnist_1d"), ("Dogs vs Cats", "dogs_vs_cats")],
)
def test_other_titles(tmp_path: Path, title: str, workload: str) -> None:
    assert runs([put(tmp_path, "bench.log", log(title))])[0]["workload"] == workload


@pytest.mark.parametrize(
    "change",
    [
        lambda each: each.replace("\n", "\r\n").encode(),
        lambda each: each.replace("\n", "\r").encode(),
        lambda each: codecs.BOM_UTF8 + each.encode(),
        lambda each: each.encode("utf-16"),
        lambda each: (
            each.replace("12.345", "12,345").replace("1.8000", "1,8000").replace("97.97", "97,97").encode()
        ),
        lambda each: each.replace("  60000", "60.000").replace("407,050", "407.050").encode(),
        lambda each: each.replace("  60000", "60\u00a0000").encode("latin-1"),
        lambda each: each.upper().replace("MNIST1D", "mnist1D").encode(),
    ],
    ids=["crlf", "cr", "bom", "utf-16", "decimal comma", "thousands", "latin-1", "capitals"],
)
def test_ends_of_lines_encodings_and_locales(tmp_path: Path, change: Callable[[str], bytes]) -> None:
    found = importers.read([put(tmp_path, "mnist1D.GenuineIntelX86_64.log", change(log()))])

    assert found.problems == []
    host, run = found.records
    assert run["times"]["train_s"] == 12.345
    assert run["quality"]["value"] == 0.9797
    assert run["sizes"]["train_samples"] == 60000
    assert run["sizes"]["parameters"] == 407050
    assert host["facts"]["cpu"]["clock_current_mhz"] == 1800.0


@pytest.mark.parametrize(
    ("old", "new", "line", "code", "named"),
    [
        ("Training time:  12.345 s", "Training time:  twelve s", 10, "value-invalid", "train_s"),
        ("Test time:       1.500 s", "Test time:       nan s", 11, "value-invalid", "test_s"),
        ("97.97 %", "197.97 %", 12, "value-invalid", "accuracy"),
        ("float32", "float8", 4, "value-invalid", "precision"),
        ("with 8 cores", "with no cores", 2, "value-invalid", "cores"),
        ("Installed memory: 16 GB", "Installed memroy: 16 GB", 3, "line-unknown", "memroy"),
        ("is not available", "is a matter of taste", 5, "value-invalid", "gpu"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(
    tmp_path: Path, old: str, new: str, line: int, code: str, named: str
) -> None:
    content = log()
    assert old in content
    path = put(tmp_path, "mnist1D.GenuineIntelX86_64.log", content.replace(old, new))

    found = importers.read([path])

    problem = found.problems[0]
    assert (problem.where, problem.code) == (f"{path}:{line}", code)
    assert named in problem.what.partition("“")[0 if code == "value-invalid" else 2]
    assert len(found.records) == (0 if "Training" in old else 2)


def test_every_beginning_of_a_log_is_imported_or_named(tmp_path: Path) -> None:
    whole = log()
    for length in range(1, len(whole), 7):
        path = put(tmp_path, "mnist1D.GenuineIntelX86_64.log", whole[:length])
        found = importers.read([path])
        # What may follow the last number is the number of parameters that were not trained.
        assert found.problems or length > whole.index("Trainable params")
        for run in (each for each in found.records if each["record"] == "run"):
            assert run["times"]["train_s"] == 12.345
            assert run["times"]["test_s"] in (None, 1.5)
            assert run["quality"]["value"] in (None, 0.9797)
            assert run["sizes"]["parameters"] in (None, 407050)


def test_runs_one_after_the_other_in_one_file(tmp_path: Path) -> None:
    path = put(tmp_path, "mnist1D.GenuineIntelX86_64.log", log(seconds=1.0) + log(seconds=2.0))

    assert [(each["repeat"], each["times"]["train_s"]) for each in runs([path])] == [(5, 1.0), (6, 2.0)]


def test_a_fifth_file_with_a_number_leaves_the_next_to_the_one_without(tmp_path: Path) -> None:
    for suffix, seconds in (("", 9.0), ("_5", 5.0), ("_1", 1.0)):
        put(tmp_path, f"mnist1D.GenuineIntelX86_64{suffix}.log", log(seconds=seconds))

    assert {each["repeat"]: each["times"]["train_s"] for each in runs([tmp_path])} == {1: 1.0, 5: 5.0, 6: 9.0}


def test_a_copy_of_a_log_is_imported_once(tmp_path: Path) -> None:
    put(tmp_path, "a/mnist1D.GenuineIntelX86_64.log", log())
    put(tmp_path, "b/mnist1D.GenuineIntelX86_64.log", log())

    found = importers.read([tmp_path])

    assert len(found.records) == 2
    [problem] = found.problems
    assert problem.code == "log-copied"
    assert {Path(problem.where).parent.name, problem.what.count("a/mnist1D")} == {"b", 1}


def test_what_is_no_log_is_named_and_the_rest_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "logs/mnist1D.GenuineIntelX86_64.log", log())
    put(tmp_path, "logs/core.log", bytes(range(256)) * 20)
    put(tmp_path, "logs/empty.log", "")
    put(tmp_path, "logs/notes.txt", "to do: everything")
    put(tmp_path, "logs/results.json", "{")
    put(tmp_path, "logs/picture.png", b"\x89PNG")

    assert main(["import", str(tmp_path / "logs"), "--out", str(tmp_path / "x.jsonl")]) == 1

    said = capsys.readouterr().err.splitlines()
    assert codes("\n".join(said)) == ["file-not-text", "file-empty", "log-unknown", "file-not-json"]
    assert [line.split(": ")[1].rsplit("/", 1)[-1] for line in said] == [
        "core.log",
        "empty.log",
        "notes.txt",
        "results.json:1",
    ]
    assert len(load([tmp_path / "x.jsonl"]).runs) == 1


def test_standard_output_gets_the_records_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "edge_mnist1D.txt", log())
    assert main(["import", "edge_mnist1D.txt", "--host", "edge", "--out", "file.jsonl"]) == 0
    capfdbinary.readouterr()
    assert main(["import", "edge_mnist1D.txt", "--host", "edge", "--out", "-"]) == 0
    told = capfdbinary.readouterr()
    assert told.out == (tmp_path / "file.jsonl").read_bytes()
    assert b"edge" in told.err
    assert not (tmp_path / "-").exists()


def test_nothing_to_import_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "logs/notes.txt", "nothing")

    assert main(["import", str(tmp_path / "logs"), "--out", str(tmp_path / "x.jsonl")]) == 2
    assert main(["import", str(tmp_path / "absent"), "--out", str(tmp_path / "x.jsonl")]) == 2

    assert not (tmp_path / "x.jsonl").exists()
    said = capsys.readouterr().err
    assert codes(said) == ["log-unknown", "nothing-imported", "path-missing"]
    assert str(tmp_path / "absent") in said


def test_records_of_ones_own_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(tmp_path, "mnist1D.GenuineIntelX86_64.log", log())
    own = Path(__file__).with_name("good_record.jsonl").read_bytes()
    out = put(tmp_path, "own.jsonl", own)

    assert main(["import", str(path), "--out", str(out)]) == 2
    assert out.read_bytes() == own
    said = capsys.readouterr().err
    assert codes(said) == ["out-not-imported"]
    assert str(out) in said
    assert "--out" in said

    again = tmp_path / "again.jsonl"
    assert [main(["import", str(path), "--out", str(again)]) for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("host", ["", "two words", "../up", "-x", "a/b"])
def test_a_host_that_is_no_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    path = put(tmp_path, "mnist1D.GenuineIntelX86_64.log", log())

    assert main(["import", str(path), f"--host={host}", "--out", str(tmp_path / "x.jsonl")]) == 2
    assert codes(capsys.readouterr().err) == ["host-name-invalid"]


def test_nulls_have_reasons(tmp_path: Path) -> None:
    found = importers.read([put(tmp_path, "mnist1D.GenuineIntelX86_64.log", log())])

    def nulls(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, each in value.items():
                yield from nulls(each, f"{path}.{name}".lstrip("."))
        elif value is None:
            yield path

    plain = {"reason", "traceback", "telemetry", "data.note", "runner.sha256"}
    for record in found.records:
        assert {each for each in nulls(record, "") if each not in record["missing"]} <= plain


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_junk_stops_the_import(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("junk")
    put(folder, "mnist1D.GenuineIntelX86_64.log", log())
    put(folder, "mnist1D.GenuineIntelX86_64_1.log", b"Running mnist1D on x, 64 bits\n" + junk)
    put(folder, "results.txt", b"ulp-mlperf: Performance results for window 1:\n" + junk)
    put(folder, "results.json", b"[" + junk)

    assert len(runs([folder])) >= 1


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *[("67.395", 67.395), ("67,395", 67.395), ("6,562.087", 6562.087), ("6.562,087", 6562.087)],
        *[("6 562,087", 6562.087), ("12", 12.0), ("", None), ("-1", None), ("1e5", None), ("nan", None)],
    ],
)
def test_decimals(written: str, value: float | None) -> None:
    assert decimal(written) == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("407,050", 407050),
        ("407.050", 407050),
        ("407 050", 407050),
        ("x", None),
        ("-3", None),
        ("9" * 30, None),
    ],
)
def test_integers(written: str, value: int | None) -> None:
    assert integer(written) == value


def test_records_are_json_without_infinities(tmp_path: Path) -> None:
    content = log().replace("12.345", "9" * 400 + ".0")
    path = put(tmp_path, "mnist1D.GenuineIntelX86_64.log", content)

    found = importers.read([path])

    assert found.records == []
    assert found.problems[0].code == "value-invalid"
    assert "train_s" in found.problems[0].what
    json.dumps(found.records, allow_nan=False)
