"""A sweep of bad inputs over every command of the runner, its options and its environment.

Each is refused before any work: exit code 2, one line with a code and the value, no traceback, no file touched.
"""

import argparse
import os
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from edgebench import cli

from tests.messages import codes

# command line (words that name files of `place` in braces), code (None: argparse's own words), values in the line
Case = tuple[str, str | None, list[str]]
RUN = "run -w mnist_1d --data synthetic"
TRAINING: list[Case] = [
    (f"{command} {options}", code, values)
    for command in (RUN, "explain -w mnist_1d --data synthetic")
    for options, code, values in (
        ("--threads 0", "number-too-small", ["--threads", "0", "1024"]),
        ("--threads -1", "number-too-small", ["--threads", "-1"]),
        ("--threads 1025", "number-too-large", ["--threads", "1025", "1024"]),
        ("--threads 100000", "number-too-large", ["100000"]),
        ("--threads two", "number-invalid", ["two"]),
        ("--threads 1.5", "number-invalid", ["1.5"]),
        ("--seed -1", "number-too-small", ["-1"]),
        ("--seed 4611686018427387905", "number-too-large", ["4611686018427387905"]),
        ("--seed 99999999999999999999999", "number-too-large", ["99999999999999999999999"]),
        ("--seed 0x10", "number-invalid", ["0x10"]),
        ("--time-limit 0", "number-too-small", ["--time-limit"]),
        ("--time-limit 1e9", "number-invalid", ["1e9"]),
        ("--time-limit 99999999999", "number-too-large", ["99999999999"]),
        ("--lookback 100", None, ["--lookback", "100", "1440"]),
        ("--precision float64", None, ["float64", "float16"]),
        ("--device tpu", None, ["tpu", "cpu"]),
        ("--data real", None, ["real", "synthetic"]),
        ("--run-id ../x", "name-invalid", ["../x"]),
        ("--run-id .hidden", "name-invalid", [".hidden"]),
        ("--run-id " + "r" * 65, "name-invalid", ["r" * 65]),
        ("--host a/b", "name-invalid", ["a/b"]),
        ("--host ä", "name-invalid", ["ä"]),
        ("--out {folder}", "records-not-a-file", ["{folder}"]),
        ("--out /dev/full", "records-not-a-file", ["/dev/full"]),
        ("--out /dev/null", "records-not-a-file", ["/dev/null"]),
        ("--out {pipe}", "records-not-a-file", ["{pipe}"]),
        ("--out {text}/x.jsonl", "records-folder-unusable", ["{text}"]),
        ("--cache-dir {text}", "cache-dir-not-a-folder", ["{text}"]),
        ("--cache-dir /dev/null", "cache-dir-not-a-folder", ["/dev/null"]),
        ("--no-such-option", None, ["--no-such-option"]),
    )
]
OWN: list[Case] = [
    ("nosuch", None, ["nosuch"]),
    ("run -w mnist", "workload-unknown", ["mnist", "mnist_1d"]),
    ("run -w mnist_1d nosuch", "workload-unknown", ["nosuch"]),
    (f"{RUN} --profile fast", None, ["fast", "quick"]),
    (f"{RUN} --repeats 0", "number-too-small", ["--repeats"]),
    (f"{RUN} --repeats 10001", "number-too-large", ["10001", "10000"]),
    (f"{RUN} --engine-threads 0", "number-too-small", ["--engine-threads"]),
    (f"{RUN} --engine-threads 1 5000", "number-too-large", ["5000"]),
    (f"{RUN} --search-limit 0", "number-too-small", ["--search-limit"]),
    (f"{RUN} --input images", None, ["images", "streamed"]),
    (f"{RUN} --progress loud", None, ["loud", "plain"]),
    (f"{RUN} --strict --no-telemetry", "telemetry-off", ["--no-telemetry"]),
    (f"{RUN} --meter nosuch", "meter-unusable", ["nosuch"]),
    (f"{RUN} --meter true", "meter-unusable", ["true"]),
    (f"{RUN} --meter {{text}}", "meter-unusable", ["{text}"]),
    ("run -w kws --engines nosuch", "engine-unknown", ["nosuch", "litert"]),
    ("run -w kws --models nosuch --offline", "model-unknown", ["nosuch"]),
    ("run --data-dir {none} --offline", "data-dir-missing", ["{none}"]),
    ("run --data-dir {text} --offline", "data-dir-missing", ["{text}"]),
    ("explain -w kws", "workload-unknown", ["kws", "mnist_1d"]),
    ("explain --like 2021", None, ["2021", "2019"]),
    ("explain --budget -1", "number-too-small", ["-1"]),
    ("explain --peaks-budget 0", "number-too-small", ["--peaks-budget"]),
    ("explain --peaks {none}", "peaks-unreadable", ["{none}"]),
    ("roofline -w nosuch", "workload-unknown", ["nosuch"]),
    ("roofline --batch 0", "number-too-small", ["--batch"]),
    ("roofline --batch 65537", "number-too-large", ["65537"]),
    ("roofline --threads 2000", "number-too-large", ["2000"]),
    ("roofline --budget 0", "number-too-small", ["--budget"]),
    ("roofline --like nano", None, ["nano-2021"]),
    ("roofline --peaks {none}", "peaks-unreadable", ["{none}"]),
    ("roofline --peaks {folder}", "peaks-unreadable", ["{folder}"]),
    ("roofline --peaks {text}", "peaks-not-json", ["{text}"]),
    ("roofline --peaks {bytes}", "peaks-not-json", ["{bytes}"]),
    ("roofline --peaks {deep}", "peaks-not-json", ["{deep}"]),
    ("roofline --peaks {list}", "peaks-missing", ["{list}"]),
    ("roofline --peaks /dev/zero", "file-too-large", ["/dev/zero"]),
    ("roofline --nvprof {none}", "profile-unreadable", ["{none}"]),
    ("roofline --nvprof {text}", "profile-empty", ["{text}"]),
    ("roofline --nsys {folder}", "profile-unreadable", ["{folder}"]),
    ("roofline --nsys {bytes}", "profile-empty", ["{bytes}"]),
    ("roofline --nsys /dev/zero", "file-too-large", ["/dev/zero"]),
    ("roofline --nvprof {text} --nsys {text}", None, ["--nsys", "--nvprof"]),
    ("roofline --inferences 5", "profile-required", ["--inferences"]),
    ("roofline --elapsed-ms 5", "profile-required", ["--elapsed-ms"]),
    ("roofline --nvprof {text} --profiled-ms 5", "elapsed-ms-required", ["--profiled-ms"]),
    ("roofline --nvprof {text} --elapsed-ms x", "number-invalid", ["'x'"]),
    ("roofline --nvprof {text} --elapsed-ms 0", "number-invalid", ["'0'"]),
    ("roofline --nvprof {text} --elapsed-ms nan", "number-invalid", ["'nan'"]),
    ("roofline --nvprof {text} --elapsed-ms inf", "number-invalid", ["'inf'"]),
    ("roofline --like nano-2021 --nvprof {text}", "options-exclusive", ["--nvprof"]),
    ("telemetry --seconds 0", "number-too-small", ["--seconds"]),
    ("telemetry --seconds x", "number-invalid", ["--seconds"]),
    ("telemetry --meter nosuch", "meter-unusable", ["nosuch"]),
    ("telemetry --meter false", "meter-unusable", ["false"]),
    ("telemetry --root {none}", "root-not-a-folder", ["{none}"]),
    ("telemetry --root {text}", "root-not-a-folder", ["{text}"]),
    ("data fetch -w nosuch", "workload-unknown", ["nosuch"]),
    ("data status -w nosuch", "workload-unknown", ["nosuch"]),
    ("data fetch --data-dir {none}", "data-dir-missing", ["{none}"]),
    ("data status --data-dir {text}", "data-dir-missing", ["{text}"]),
    ("data fetch --cache-dir {text} --offline", "cache-dir-not-a-folder", ["{text}"]),
    ("data fetch --offline", "data-unavailable", []),
    ("data fetch --offline -w reuters", "data-unavailable", []),
    ("data fetch --offline --data-dir {folder}", "data-unavailable", []),
    ("host --nosuch", None, ["--nosuch"]),
    ("list nosuch", None, ["nosuch"]),
    ("kws nosuch", None, ["nosuch"]),
    ("kws accuracy --engine nosuch --offline --data-dir {kws}", "data-unavailable", ["{kws}"]),
    ("kws accuracy --threads 0", "number-too-small", ["--threads"]),
    ("kws accuracy --time-limit 0", "number-too-small", ["--time-limit"]),
    ("kws accuracy --data-dir {none}", "data-dir-missing", ["{none}"]),
    ("kws accuracy --offline", "data-unavailable", []),
    ("kws models --data-dir {none} --offline", "data-dir-missing", ["{none}"]),
    ("kws performance --log {new}", "log-needs-one-measurement", ["{new}"]),
    ("kws performance --out /dev/full", "records-not-a-file", ["/dev/full"]),
    ("kws performance --host a/b", "name-invalid", ["a/b"]),
    ("kws performance --run-id ../x", "name-invalid", ["../x"]),
    ("kws performance --threads 1 4096", "number-too-large", ["4096"]),
    ("kws performance --engine nosuch --offline", "engine-unknown", ["nosuch"]),
    ("kws convert --weights {none}", "weights-file-missing", ["{none}"]),
    ("kws convert --weights {folder}", "weights-file-missing", ["{folder}"]),
    ("kws convert --weights {text}", "weights-unreadable", ["{text}"]),
    ("kws convert --weights {zip}", "weights-unreadable", ["{zip}"]),
    ("kws convert --weights {arrays}", "weights-unreadable", ["{arrays}"]),
    ("kws convert --weights {array}", "weights-unreadable", ["{array}"]),
    ("kws convert --weights /dev/zero", "weights-file-missing", ["/dev/zero"]),
    ("kws convert --form keras", None, ["keras", "onnx"]),
    ("kws train", "speech-folder-required", ["--data-dir"]),
    ("kws train --data-dir {none} --convert {new}", "speech-folder-unreadable", ["{none}"]),
    ("kws train --data-dir {folder}", "speech-noise-missing", ["{folder}"]),
    ("kws train --epochs 0", "number-too-small", ["--epochs"]),
    ("kws train --batch 100000", "number-too-large", ["100000"]),
    ("kws train --seed x", "number-invalid", ["--seed"]),
    ("kws device", None, ["--port"]),
    ("kws device --port {none} --mode fast", None, ["fast", "energy"]),
    ("kws device --port {none} --baud 0", "number-too-small", ["--baud"]),
    ("kws device --port {none} --mode energy", "gpio-line-required", ["--gpio-chip"]),
    ("kws device --port {none} --gpio-chip 0", "gpio-line-unexpected", ["performance"]),
    ("kws device --port {none} --engine nosuch --offline", "engine-unknown", ["nosuch"]),
    ("kws device --port {none} --model nosuch --offline", "model-unknown", ["nosuch"]),
    ("kws drive --port {none}", None, ["--inputs"]),
    ("kws drive --port {none} --inputs {none}", "input-index-unreadable", ["{none}"]),
    ("kws drive --port {none} --inputs {folder} --window-s 0", "window-length-invalid", ["0"]),
    ("kws drive --port {none} --inputs {folder} --window-s inf", "window-length-invalid", ["inf"]),
    ("kws drive --port {none} --inputs {folder} --window-s nan", "window-length-invalid", ["nan"]),
    ("kws drive --port {none} --inputs {folder} --no-calibrate", "inferences-required", ["--inferences"]),
    ("kws drive --port {none} --inputs {folder} --windows 0", "number-too-small", ["--windows"]),
    ("kws submission", "option-missing", ["--results"]),
    ("kws submission --template {text}", "template-exists", ["{text}"]),
    *(
        (
            f"kws submission --results {{none}} --system {system} --submitter s --name n --out {{new}}",
            code,
            [system],
        )
        for system, code in (
            ("{none}", "system-unreadable"),
            ("{folder}", "system-unreadable"),
            ("{text}", "system-unreadable"),
            ("{bytes}", "system-unreadable"),
            ("{list}", "system-not-an-object"),
            ("/dev/zero", "file-too-large"),
        )
    ),
]
CASES = [*TRAINING, *OWN]
# variables, command line, code, values
ENVIRONMENT: list[tuple[dict[str, str], str, str, list[str]]] = [
    ({"EDGEBENCH_HOME": "/dev/null"}, RUN, "records-folder-unusable", ["/dev/null"]),
    ({"EDGEBENCH_HOME": "{text}"}, f"{RUN} --cache-dir {{folder}}", "records-folder-unusable", ["{text}"]),
    (
        {"EDGEBENCH_HOME": "/dev/null"},
        "kws performance --cache-dir {folder}",
        "records-folder-unusable",
        ["/dev/null"],
    ),
    (
        {"EDGEBENCH_DATA_DIR": "{none}"},
        "data fetch --offline",
        "data-dir-missing",
        ["{none}", "EDGEBENCH_DATA_DIR"],
    ),
    ({"EDGEBENCH_DATA_DIR": "{none}"}, "data status", "data-dir-missing", ["{none}"]),
    ({"EDGEBENCH_DATA_DIR": "{text}"}, "run --offline", "data-dir-missing", ["{text}"]),
    ({"EDGEBENCH_DATA_DIR": "{none}"}, "kws models --offline", "data-dir-missing", ["{none}"]),
    ({"EDGEBENCH_DATA_DIR": "{none}"}, "kws train", "speech-folder-unreadable", ["{none}"]),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of every wrong kind, by the names that cases use."""
    folder = tmp_path_factory.mktemp("place")
    paths = {
        name: folder / name
        for name in ("none", "new", "text", "bytes", "deep", "list", "folder", "pipe", "kws")
    }
    paths["text"].write_text("neither JSON nor a record\n")
    paths["bytes"].write_bytes(bytes(range(256)) * 8)
    paths["deep"].write_text("[" * 100_000)
    paths["list"].write_text("[1, 2]")
    paths["folder"].mkdir()
    (paths["kws"] / "kws01").mkdir(parents=True)
    os.mkfifo(paths["pipe"])
    paths["zip"] = folder / "zip.npz"
    with zipfile.ZipFile(paths["zip"], "w") as archive:
        archive.writestr("readme.txt", "nothing")
    paths["arrays"] = folder / "arrays.npz"
    numpy.savez(paths["arrays"], other=numpy.zeros(3))
    paths["array"] = folder / "array.npy"
    numpy.save(paths["array"], numpy.zeros(3))
    return {name: str(path) for name, path in paths.items()}


def _tree(folder: Path) -> dict[str, object]:
    """Return path → content of all files but logs: a program may have looked at the host before it finds a fault."""
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".logs/" not in str(path)
    }


def _filled(text: str, place: dict[str, str]) -> str:
    for name, path in place.items():
        text = text.replace("{" + name + "}", path)
    return text


def _check(
    line: str,
    code: str | None,
    values: list[str],
    place: dict[str, str],
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folders = (home, Path(place["folder"]).parent)
    before = [_tree(folder) for folder in folders]
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    streams = sys.stdout, sys.stderr
    try:
        ended = cli.main(_filled(line, place).split())
    except SystemExit as end:
        ended = end.code
    finally:
        sys.stdout, sys.stderr = streams
        for number, handler in handlers.items():
            signal.signal(number, handler)
    said = capsys.readouterr().err
    last = said.strip().splitlines()[-1]
    assert ended == 2, said
    assert "Traceback" not in said
    assert codes(last) == ([code] if code else []), said
    # One message, whatever progress or usage stands before it.
    assert codes(said) == codes(last)
    assert [each for each in values if _filled(each, place) not in last] == [], last
    assert [_tree(folder) for folder in folders] == before


@pytest.mark.parametrize(("line", "code", "values"), CASES, ids=[case[0] for case in CASES])
def test_bad_arguments(
    line: str,
    code: str | None,
    values: list[str],
    place: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path))
    monkeypatch.delenv("EDGEBENCH_DATA_DIR", raising=False)
    _check(line, code, values, place, tmp_path, capsys)


@pytest.mark.parametrize(("variables", "line", "code", "values"), ENVIRONMENT)
def test_a_bad_environment(
    variables: dict[str, str],
    line: str,
    code: str,
    values: list[str],
    place: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path))
    monkeypatch.delenv("EDGEBENCH_DATA_DIR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, _filled(value, place))
    _check(line, code, values, place, tmp_path, capsys)


def _options(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield the command and the option of each option that takes a value."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _options(below, (*words, name))
        elif action.option_strings and action.nargs != 0:
            yield " ".join(words), action.option_strings[-1]


def test_every_command_is_swept() -> None:
    lines = [each for each, _, _ in CASES]
    commands = {command for command, _ in _options(cli._parser())}
    assert {each for each in commands if not any(line.startswith(each + " ") for line in lines)} == set()


def test_every_option_with_a_value_is_swept() -> None:
    words = {word for line, _, _ in CASES for word in line.split()} | {"--workload"}
    missing = {option for _, option in _options(cli._parser()) if option not in words}
    # Free text: a missing one is refused, any other is right.
    assert missing == {"--division", "--boot", "--limit", "--gpio-line"}
