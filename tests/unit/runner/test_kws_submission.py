"""The folder of a submission, held against what the submission checker looks for, and what it refuses."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from edgebench import cli
from edgebench.errors import DataError, UsageError
from edgebench.kws import logform, submission

from tests.messages import codes
from tests.mlcommons_sessions import WALLS_S, session

SCHEMA = json.loads((Path(submission.__file__).parent / "system.schema.json").read_text())


@pytest.fixture
def system() -> dict[str, str]:
    filled = dict.fromkeys(submission.fields(), "")
    filled.update(
        {
            "Submitter": "us",
            "Division": "Closed",
            "Status": "Available",
            "Board Name": "Jetson Nano",
            "Processor(s) Name": "Cortex-A57",
            "Processor(s) Frequencies": "1479 MHz",
            "Inference Framework": "LiteRT 2.1",
            "Quantization Method": "post-training, int8",
        }
    )
    return filled


def write_results(folder: Path, top1: float = 0.902, windows: list[tuple[int, float]] | None = None) -> Path:
    texts = {
        "accuracy": logform.accuracy_log(top1, 0.9962),
        "performance": logform.performance_log(windows or [(2400, 10.25)] * 5),
    }
    for run, text in texts.items():
        (folder / run).mkdir(parents=True, exist_ok=True)
        for name in ("log.txt", "results.txt"):
            (folder / run / name).write_text(text)
        (folder / run / "results.json").write_text("[]")
    return folder


def run(*arguments: object) -> int:
    return int(cli.main(["kws", "submission", *map(str, arguments)]))


@pytest.fixture
def arguments(tmp_path: Path, system: dict[str, str]) -> list[object]:
    (tmp_path / "system.json").write_text(json.dumps(system))
    write_results(tmp_path / "results")
    return ["--results", tmp_path / "results", "--system", tmp_path / "system.json", "--submitter", "us",
            "--name", "nano-litert", "--out", tmp_path / "out"]  # fmt: skip


def test_the_layout_is_the_checkers(arguments: list[object], tmp_path: Path, system: dict[str, str]) -> None:
    assert run(*arguments) == 0
    root = tmp_path / "out/closed/us"
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert files == {"systems/nano-litert.json"} | {
        f"results/nano-litert/kws/{kind}/{name}"
        for kind in ("accuracy", "performance")
        for name in ("log.txt", "results.txt", "results.json")
    }
    written = json.loads((root / "systems/nano-litert.json").read_text())
    assert written == system
    assert list(written) == submission.fields()
    assert written["Status"].lower() in ("available", "preview", "rdi")
    accuracy = (root / "results/nano-litert/kws/accuracy/results.txt").read_text()
    assert re.search(r"^.* Top[- ]1%?\s?[:=] ([\d\.]+).*", accuracy, re.M)[1] == "90.2"  # type: ignore[index] # not prose
    performance = (root / "results/nano-litert/kws/performance/results.txt").read_text()
    assert re.search(r"^.* Median throughput is\s+([\d\.]+) inf\./sec\..*", performance, re.M)  # not prose


def test_results_of_the_mlcommons_runner_are_read(tmp_path: Path, system: dict[str, str]) -> None:
    """Its own wording: ``Top 1% = 91.3``, medians with leading blanks."""
    folder = write_results(tmp_path / "results")
    (folder / "accuracy/results.txt").write_text(
        "0809.000548 ulp-mlperf: Top 1% = 91.3\n0809.000548 ulp-mlperf: AUC = 0.978\n"
    )
    (folder / "performance/results.txt").write_text(
        "0808.232415 ulp-mlperf: Median throughput is  15396.099 inf./sec.\n"
    )
    assert submission.check_results(submission.read_results(str(folder)), "closed")[:2] == (91.3, 15396.099)


@pytest.mark.parametrize(
    "change", [{}, {"has_summary": False, "name": None}, {"name": "unspecified", "ends": "\n"}]
)
@pytest.mark.parametrize("layout", ["renamed", "kept", "inside", "named", "alone"])
def test_sessions_of_the_current_runner_are_results(
    arguments: list[Any], tmp_path: Path, layout: str, change: dict[str, Any]
) -> None:
    """Its log has each window twice, and one for each single inference of accuracy mode."""
    folders = {
        "renamed": ("nano/accuracy", "nano/performance"),
        "kept": ("sessions/20250726_005923", "sessions/20250726_010147"),
        "inside": ("nano/accuracy/20250726_005923", "nano/performance/20250726_010147"),
        "named": ("sessions/20250726_005923", "sessions/20250726_010147"),
        "alone": ("sessions/20250726_005923", "other/20250726_010147"),
    }[layout]
    accuracy = session(tmp_path / folders[0], "a", [0.00013] * 36, **change)
    performance = session(tmp_path / folders[1], "p", **change)
    given: list[object] = [tmp_path / folders[0].partition("/")[0]]
    if layout == "named":
        # Others beside them: of another day, of another task, and one that came to no end.
        session(tmp_path / "sessions/20250725_010147", "p")
        given = [performance, accuracy]
    elif layout == "kept":
        session(tmp_path / "sessions/20250727_010147", "p", model="ic01")
        (session(tmp_path / "sessions/20250728_010147", "p") / "results.json").unlink()
    elif layout == "alone":
        given.append(performance)

    assert run("--results", *given, *arguments[2:]) == 0

    written = tmp_path / "out/closed/us/results/nano-litert/kws"
    for name in submission.FILES:
        assert (written / "accuracy" / name).read_bytes() == (accuracy / name).read_bytes()
        assert (written / "performance" / name).read_bytes() == (performance / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"walls_s": WALLS_S[:4]}, "windows-missing", r"\b4\b.*\b5\b.*tests_performance\.yaml"),
        ({"walls_s": [2.5] * 5, "inferences": 9}, "windows-too-short", r"1, 2, 3, 4, 5\b"),  # not prose
        ({"walls_s": [0.0018] * 5, "error": "error 2"}, "results-incomplete", r"ERROR 2.*\b10 s.*\b28 s"),
        ({"model": "vww01"}, "results-of-another-model", r"vww01.*kws01"),
    ],
)
def test_sessions_that_are_not_submittable(
    arguments: list[Any],
    tmp_path: Path,
    change: dict[str, Any],
    code: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session(tmp_path / "nano/accuracy", "a", [0.04] * 36)
    session(tmp_path / "nano/performance", "p", **change)

    assert run("--results", tmp_path / "nano", *arguments[2:]) == 2

    said = capsys.readouterr().err
    assert codes(said) == [code]
    assert re.search(told, said)
    assert not (tmp_path / "out").exists()


def test_sessions_shorter_than_the_runner_requires_are_noted(tmp_path: Path) -> None:
    session(tmp_path / "nano/accuracy", "a", [0.04] * 36)
    session(tmp_path / "nano/performance", "p", [5.76479, 5.782202, 10.1, 5.76197, 5.748349], 10000)

    _, median_per_s, notes = submission.check_results(
        submission.read_results(str(tmp_path / "nano")), "closed"
    )

    assert median_per_s == 1734.669
    assert codes(" ".join(notes)) == ["window-below-runner-limit"] * 4


def test_sessions_that_are_missing_or_several_are_named(
    arguments: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = tmp_path / "sessions"
    session(sessions / "1", "p")
    (session(sessions / "2", "a", [0.04] * 12) / "results.json").write_text("{")
    assert run("--results", sessions, *arguments[2:]) == 2
    said = capsys.readouterr().err
    assert codes(said) == ["sessions-missing"]
    assert " accuracy mode" in said

    session(sessions / "2", "a", [0.04] * 12)
    session(sessions / "3", "p")
    assert run("--results", sessions, *arguments[2:]) == 2
    said = capsys.readouterr().err
    assert codes(said) == ["sessions-ambiguous"]
    assert f"{sessions / '1'}, {sessions / '3'}" in said

    assert run("--results", tmp_path / "absent", *arguments[2:]) == 2
    assert codes(capsys.readouterr().err) == ["results-unreadable"]


def test_the_schema_is_one_and_its_required_fields_are_all(system: dict[str, str]) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["required"] == list(SCHEMA["properties"])
    jsonschema.validate(system, SCHEMA)
    assert len(submission.fields()) == 33


@pytest.mark.parametrize("value", ["missing", None])
def test_what_is_not_filled_in_is_asked_for(
    arguments: list[object],
    tmp_path: Path,
    system: dict[str, Any],
    value: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    system["Operating System"] = None
    if value == "missing":
        del system["Operating System"], system["Accelerator"]
    (tmp_path / "system.json").write_text(json.dumps(system))
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert codes(said) == ["system-fields-missing"]
    assert "Operating System" in said
    assert ("Accelerator" in said) == (value == "missing")
    assert "--template" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"Board Name": ""}, "system-fields-invalid", "Board Name"),
        ({"Status": "soon"}, "system-fields-invalid", "Status.*'soon'"),
        ({"Colour": "green"}, "system-fields-unknown", "Colour"),
        ({"Accelerator": 3}, "system-fields-invalid", r"Accelerator.*\b3\b"),
        ({"Submitter": "them"}, "system-field-mismatch", "Submitter.*'them'.*'us'"),
        ({"Division": "Open"}, "system-field-mismatch", "Division.*'Open'.*'Closed'"),
    ],
)
def test_descriptions_that_are_refused(
    arguments: list[object], tmp_path: Path, system: dict[str, Any], change: dict[str, Any], code: str,
    told: str, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "system.json").write_text(json.dumps({**system, **change}))
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert codes(said) == [code]
    assert re.search(told, said)


@pytest.mark.parametrize(
    ("text", "code"), [("not json", "system-unreadable"), ("[1]", "system-not-an-object")]
)
def test_a_description_that_is_none(
    arguments: list[object], tmp_path: Path, text: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "system.json").write_text(text)
    assert run(*arguments) == 2
    assert codes(capsys.readouterr().err) == [code]


def test_names_that_make_no_folder(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments, "--name", "my board") == 2
    said = capsys.readouterr().err
    assert codes(said) == ["name-invalid"]
    assert "'my board'" in said


def test_low_accuracy_belongs_into_the_open_division(tmp_path: Path) -> None:
    results = submission.read_results(str(write_results(tmp_path, top1=0.899)))
    with pytest.raises(DataError, match=r"\b89\.9\b.*\b90\b.*--division open") as caught:
        submission.check_results(results, "closed")
    assert caught.value.code == "accuracy-below-target"
    assert submission.check_results(results, "open")[0] == 89.9


def test_short_windows(tmp_path: Path) -> None:
    results = submission.read_results(str(write_results(tmp_path, windows=[(100, 10.0)] * 4 + [(100, 9.0)])))
    [note] = submission.check_results(results, "closed")[2]
    assert codes(note) == ["window-below-runner-limit"]
    assert re.search(r"\b5\b.*\b9 s\b", note)
    results = submission.read_results(str(write_results(tmp_path, windows=[(9, 9.0)] * 5)))
    with pytest.raises(DataError, match=r"1, 2, 3, 4, 5\b.*\b10 s\b.*\b10\b") as caught:  # not prose
        submission.check_results(results, "closed")
    assert caught.value.code == "windows-too-short"
    results = submission.read_results(str(write_results(tmp_path, windows=[(100, 11.0)] * 4)))
    with pytest.raises(DataError, match=r"\b4\b.*\b5\b") as caught:
        submission.check_results(results, "closed")
    assert caught.value.code == "windows-missing"


def test_results_that_lack_something(tmp_path: Path) -> None:
    folder = write_results(tmp_path)
    (folder / "performance/results.txt").write_text("nothing\n")
    with pytest.raises(DataError, match=r"performance/results\.txt .*Median throughput") as caught:
        submission.check_results(submission.read_results(str(folder)), "closed")
    assert caught.value.code == "results-incomplete"
    (folder / "performance/log.txt").unlink()
    with pytest.raises(DataError, match=r"performance/log\.txt.*kws drive --out") as caught:
        submission.read_results(str(folder))
    assert caught.value.code == "results-unreadable"


def test_the_template_has_what_the_host_tells_and_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "system.json"
    assert run("--template", path, "--submitter", "us", "--division", "open") == 0
    filled = json.loads(path.read_text())
    assert list(filled) == submission.fields()
    assert filled["Division"] == "Open"
    assert filled["Submitter"] == "us"
    assert "Linux" in filled["Operating System"]
    assert filled["Status"] is None
    with pytest.raises(UsageError):
        submission.check_system(filled, "it")
    assert run("--template", path) == 2
    assert codes(capsys.readouterr().err) == ["template-exists"]


def test_options_that_lack_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--results", "x") == 2
    said = capsys.readouterr().err
    assert codes(said) == ["option-missing"]
    assert "--system " in said
