"""A sweep of bad inputs over every command of the reporter: exit code, one line with value and code, nothing lost."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgebench_report import cli

from tests.messages import codes
from tests.unit.report.conftest import Maker

# command line (words that name files of `place` in braces), code (None: argparse's own words), values
CASES: list[tuple[str, str | None, list[str]]] = [
    ("nosuch", None, ["nosuch"]),
    ("", None, ["COMMAND"]),
    ("build {good}", None, ["--out"]),
    ("build --out {new}", None, ["PATH"]),
    ("build {none} --out {new}", "path-missing", ["{none}"]),
    ("build {empty} --out {new}", "records-missing", []),
    ("build {folder} --out {new}", "records-missing", []),
    ("build {text} --out {new}", "records-missing", []),
    ("build {bytes} --out {new}", "records-missing", []),
    ("build {pipe} --out {new}", "records-missing", []),
    ("build /dev/zero --out {new}", "records-missing", []),
    ("build {good} --out {text}", "output-not-writable", ["{text}"]),
    ("build {good} --out {text}/x", "output-not-writable", ["{text}"]),
    ("build {good} --out /dev/full", "output-not-writable", ["/dev/full"]),
    ("build {good} --out {new} --against nosuch", "baseline-unknown", ["nosuch", "edge-01"]),
    ("import {none} --out {new}", "path-missing", ["{none}"]),
    ("import {folder} --out {new}", "nothing-imported", ["{new}"]),
    ("import {empty} --out {new}", "nothing-imported", ["{new}"]),
    ("import {bytes} --out {new}", "nothing-imported", ["{new}"]),
    ("import {pipe} --out {new}", "nothing-imported", ["{new}"]),
    ("import /dev/zero --out {new}", "nothing-imported", ["{new}"]),
    ("import {text} --out {folder}", "out-not-file", ["{folder}"]),
    ("build {good} --out -", "out-is-stdout", ["--out -"]),
    ("import {text} --out /dev/full", "out-not-file", ["/dev/full"]),
    ("import {text} --out {good}", "out-not-imported", ["{good}"]),
    ("import {text} --out {new} --host a/b", "host-name-invalid", ["a/b"]),
    ("import {text}", None, ["--out"]),
    ("compare {good}", None, ["B"]),
    ("compare {good} {none}", "path-missing", ["{none}"]),
    ("compare {none} {good}", "path-missing", ["{none}"]),
    ("compare {good} {good}", "sides-overlap", ["{good}"]),
    ("compare host=a {good}", "selector-without-path", ["host=a"]),
    ("compare host=nosuch host=edge-01 {good}", "selector-matches-nothing", ["host=nosuch"]),
    ("compare nosuch=a host=edge-01 {good}", "selector-unknown", ["nosuch"]),
    ("compare {good} {other} --threshold x", "threshold-invalid", ["--threshold", "x"]),
    ("compare {good} {other} --threshold -5%", None, ["--threshold"]),
    ("compare {good} {other} --threshold nan", "threshold-invalid", ["nan"]),
    ("compare {good} {other} --accuracy-threshold inf", "threshold-invalid", ["inf"]),
    ("compare {good} {other} --by nosuch", "by-unknown", ["nosuch"]),
    ("compare {good} {other} --json - --markdown -", "stdout-taken", ["--json"]),
    ("compare {good} {other} --json /dev/full", "output-not-file", ["/dev/full"]),
    ("compare {good} {other} --junit {folder}", "output-not-file", ["{folder}"]),
    ("compare {good} {other} {text}", "path-unused", ["{text}"]),
    ("export {good}", "output-missing", ["--format"]),
    ("export {good} --format csv", "format-out-mismatch", ["--out"]),
    ("export {good} --out {new}", "format-out-mismatch", ["--format"]),
    ("export {good} --format csv --out - --out {new}", "out-repeated", ["--out -", "{new}"]),
    ("export {good} --format docx --out {new}", None, ["docx", "latex"]),
    ("export {none} --format csv --out {new}", "path-missing", ["{none}"]),
    ("export {text} --format csv --out {new}", "records-missing", []),
    ("export {good} --format csv --out /dev/full", "output-not-file", ["/dev/full"]),
    ("export {good} --format csv --out {folder}", "output-not-file", ["{folder}"]),
    ("export {good} --format csv --out {text}/x", "output-not-writable", ["{text}"]),
    ("export {good} --format csv --out {new} --tables 4", "tables-not-applicable", ["csv"]),
    ("export {good} --format markdown --out {new} --tables 99", "table-unknown", ["99"]),
    ("export {good} --mlflow {text}", "mlflow-missing", ["--mlflow"]),
    ("aggregate {none}", "path-missing", ["{none}"]),
    ("aggregate {empty}", "records-missing", []),
    ("aggregate /dev/zero", "records-missing", []),
    ("aggregate {good} --sql {none}", "sql-unreadable", ["{none}"]),
    ("aggregate {good} --sql {folder}", "sql-unreadable", ["{folder}"]),
    ("aggregate {good} --sql {bytes}", "sql-unreadable", ["{bytes}"]),
    ("aggregate {good} --sql /dev/zero", "sql-unreadable", ["/dev/zero"]),
    ("aggregate {good} --sql {empty}", "sql-empty", []),
    ("aggregate {good} --sql {text}", "sql-failed", ["{text}"]),
    ("aggregate {good} --json --csv", None, ["--csv"]),
    ("aggregate {good} --check some", None, ["some", "fast"]),
    ("aggregate {good} --memory-mb 1", "memory-invalid", ["1", "128"]),
    ("aggregate {good} --memory-mb x", "memory-invalid", ["x"]),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of every wrong kind, and two with good records, by the names that cases use."""
    folder = tmp_path_factory.mktemp("place")
    names = ("none", "new", "text", "bytes", "empty", "folder", "pipe")
    paths = {name: folder / name for name in names}
    paths["text"].write_text("neither a record nor SQL\n")
    paths["bytes"].write_bytes(bytes(range(256)) * 8)
    paths["empty"].touch()
    paths["folder"].mkdir()
    os.mkfifo(paths["pipe"])
    make = Maker()
    for name, host in (("good", "edge-01"), ("other", "edge-02")):
        paths[name] = folder / f"{name}.jsonl"
        runs = [make.run(host=host, repeat=repeat) for repeat in (1, 2, 3)]
        paths[name].write_text("".join(json.dumps(run) + "\n" for run in runs))
    return {name: str(path) for name, path in paths.items()}


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _filled(text: str, place: dict[str, str]) -> str:
    for name, path in place.items():
        text = text.replace("{" + name + "}", path)
    return text


@pytest.mark.parametrize(("line", "code", "values"), CASES, ids=[case[0] or "nothing" for case in CASES])
def test_bad_arguments(
    line: str, code: str | None, values: list[str], place: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(place["good"]).parent
    before = _tree(folder)
    streams = sys.stdout, sys.stderr
    try:
        ended = cli.main(_filled(line, place).split())
    except SystemExit as end:
        ended = int(end.code or 0)
    finally:
        sys.stdout, sys.stderr = streams
    said = capsys.readouterr().err
    assert ended == 2, said
    assert "Traceback" not in said
    # The last is why nothing was done; those before it name the lines and files that were left out.
    assert codes(said)[-1:] == ([code] if code else []), said
    assert [each for each in values if _filled(each, place) not in said] == [], said
    assert _tree(folder) == before


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _options(below)
        elif action.option_strings and action.nargs != 0:
            yield max(action.option_strings, key=len)


def test_every_option_with_a_value_is_swept() -> None:
    parser = argparse.ArgumentParser()
    cli._add(parser.add_subparsers())
    words = {word for line, _, _ in CASES for word in line.split()}
    # Any text is a title.
    assert set(_options(parser)) - words == {"--title"}
