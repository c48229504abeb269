"""The command from end to end: files, exit codes, escaping, sameness, width."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from edgebench_report import aggregate, certainty, cli, markup, terminal, writing
from edgebench_report.build import Built, build
from edgebench_report.errors import ReportError

from tests.messages import codes
from tests.unit.report.conftest import HOSTILE, Maker, marked, mixed_records, write_records

RecordsFile = Callable[..., Path]
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects what the tests ask about and checks that elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@dataclass(frozen=True)
class Commanded:
    """A report that the command wrote in a process of its own, which has a terminal without Unicode."""

    out: Path
    done: "subprocess.CompletedProcess[bytes]"


@pytest.fixture(scope="module")
def commanded(make: Maker, tmp_path_factory: pytest.TempPathFactory) -> Commanded:
    """The report of ``mixed_records``, as ``mixed_report`` is, by the command."""
    folder = tmp_path_factory.mktemp("commanded")
    write_records(folder / "records" / "all.jsonl", mixed_records(make))
    out = folder / "new" / "report"
    command = [sys.executable, "-m", "edgebench_report", "build", str(folder / "records"), "--out", str(out)]
    environment = {
        **os.environ,
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": str(Path(cli.__file__).parents[1]),
    }
    done = subprocess.run([*command, "--title", HOSTILE], capture_output=True, env=environment, check=False)
    return Commanded(out, done)


def test_all_files_are_there_and_the_exit_code_is_0(commanded: Commanded) -> None:
    out = commanded.out
    assert commanded.done.returncode == 0, commanded.done.stderr

    charts = {
        f"plots/{name}.{kind}"
        for name in [
            *(
                f"{each}_{profile}"
                for each in ("training_time", "test_time", "accuracy")
                for profile in ("quick", "paper")
            ),
            "speed_paper",
            "time_split",
            "kws_latency_quick",
            "kws_latency_paper",
        ]
        for kind in ("svg", "png")
    }
    assert {str(each.relative_to(out)) for each in out.rglob("*") if each.is_file()} == charts | {
        "index.html",
        "report.md",
        "runs.csv",
        "inferences.csv",
        "answer_quick.csv",
        "answer_paper.csv",
        "answer_paper_beside_published.csv",
        "table_1_hosts.csv",
        "table_1b_conditions.csv",
        "table_2_workloads.csv",
        "table_3_architectures.csv",
        "table_4_training_time.csv",
        "table_4b_time_split.csv",
        "table_4c_speed_ratio.csv",
        "table_5_test_time.csv",
        "table_6_accuracy.csv",
        "table_6b_weather_error.csv",
        "table_7_keyword_spotting.csv",
    }
    printed = commanded.done.stdout.decode("ascii")
    assert all(
        f"Table {number}: " in printed
        for number in ("1", "1b", "2", "3", "4", "4b", "4c", "5", "6", "6b", "7", "A", "Ab", "A2")
    )
    assert printed.endswith(f"Report: {out / 'index.html'}\n")
    assert (out / "plots" / "time_split.png").read_bytes().startswith(b"\x89PNG")


def test_quiet_prints_only_the_path(
    make: Any, records_file: RecordsFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = records_file([make.run()])
    assert cli.main(["build", str(path), "--out", str(tmp_path / "r"), "--quiet"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'r' / 'index.html'}\n"


def test_what_was_left_out_is_in_the_report_and_the_exit_code_is_1(
    make: Any, records_file: RecordsFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = records_file([make.run()])
    bad = good.with_name("bad.jsonl")
    bad.write_text('{"schema": 7}\n', "utf-8")
    out = tmp_path / "report"

    assert cli.main(["build", str(good.parent), "--out", str(out)]) == 1

    printed, err = capsys.readouterr()
    assert "Table 4: " in printed
    assert "·" in printed
    assert printed.endswith(f"Report: {out / 'index.html'}\n")
    assert codes(err) == ["schema-newer"]
    assert re.search(rf"{re.escape(str(bad))}:1: .*\b7\b", err)
    page = (out / "index.html").read_text("utf-8")
    [left_out] = marked(page)["schema-newer"]
    assert f"<code>{bad}:1</code>" in left_out
    assert re.search(r"\b7\b", left_out)
    assert markup.escape_markdown(f"{bad}:1") in (out / "report.md").read_text("utf-8")


@pytest.mark.parametrize(("content", "problems"), [("", []), ("nonsense\n", ["line-not-json"])])
def test_nothing_readable_is_exit_code_2_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, problems: list[str]
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content, "utf-8")

    assert cli.main(["build", str(path), "--out", str(tmp_path / "report")]) == 2

    assert codes(capsys.readouterr().err) == [*problems, "records-missing"]
    assert not (tmp_path / "report").exists()


def test_bad_usage_is_exit_code_2(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["build", str(tmp_path)])
    assert caught.value.code == 2


def test_an_out_that_is_a_file_is_exit_code_2(
    make: Any, records_file: RecordsFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("mine", "utf-8")

    assert cli.main(["build", str(records_file([make.run()])), "--out", str(tmp_path / "taken")]) == 2

    err = capsys.readouterr().err
    assert codes(err) == ["output-not-writable"]
    assert str(tmp_path / "taken") in err
    assert "--out" in err
    assert (tmp_path / "taken").read_text("utf-8") == "mine"


def test_hostile_words_stay_words(mixed_report: Built) -> None:
    text = mixed_report.page.read_text("utf-8")
    page = Page(text)

    # Its own script: with one host in each profile there is no baseline to choose.
    assert len(page.all("script")) == 1
    assert text.count("<script>") == 1
    assert 'alert("x")' in "".join(page.words)
    assert "\x1b" not in text
    markdown = mixed_report.page.with_name("report.md").read_text("utf-8")
    assert "<script" not in markdown
    assert re.findall(r"(?<!\\)\]\(javascript", markdown) == []
    assert "\n# not a heading" not in markdown  # not prose
    assert "\x1b" not in terminal.render(mixed_report.summary, mixed_report.tables, 110)


def test_the_page_is_whole_and_asks_nobody_for_anything(mixed_report: Built) -> None:
    page = Page(mixed_report.page.read_text("utf-8"))

    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action", "data"):
            target = attributes.get(name)
            assert target is None or target.startswith("#") or target == "data:,", (tag, name, target)
        assert not any(name.startswith("on") for name in attributes)
    ids = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(each.get("href")) for each in page.all("a")}
    assert targets <= {f"#{each}" for each in ids}
    styles = "".join(page.words) + "".join(str(each.get("style")) for _, each in page.tags)
    assert set(re.findall(r"url\(([^)]*)\)", styles)) <= {f"#{each}" for each in ids}
    assert "prefers-color-scheme: dark" in styles


def test_the_page_is_accessible(mixed_report: Built) -> None:
    page = Page(mixed_report.page.read_text("utf-8"))
    ids = {attributes.get("id") for _, attributes in page.tags}

    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert len(page.all("th")) > 100
    assert all(each.get("scope") in ("col", "colgroup", "row", "rowgroup") for each in page.all("th"))
    assert len(page.all("table")) == 11 + 3 + 1
    named = [each for each in page.all("table") if "aria-labelledby" in each]
    assert len(named) == 11 + 3
    assert all(each["aria-labelledby"] in ids for each in named)
    assert len(page.all("svg")) == 10
    for each in page.all("svg"):
        assert each["role"] == "img"
        assert {each["aria-labelledby"], each["aria-describedby"]} <= ids


def test_charts_of_the_quick_profile_leave_the_published_hosts_out(mixed_report: Built) -> None:
    plots = mixed_report.page.with_name("plots")

    assert "Boromir" not in (plots / "training_time_quick.svg").read_text("utf-8")
    assert "Boromir" in (plots / "training_time_paper.svg").read_text("utf-8")
    figures = re.findall(
        r'<h3 id="chart-(\w+)">.*?</h3>.*?(<figcaption>.*?</figcaption>)',
        mixed_report.page.read_text("utf-8"),
        re.DOTALL,
    )
    told = {name: marked(caption).get("published-hosts-absent") for name, caption in figures}
    assert all(told[f"{each}_quick"] for each in ("training_time", "test_time", "accuracy"))
    assert not any(found for name, found in told.items() if not name.endswith("_quick"))
    [sentence] = told["training_time_quick"] or []
    assert sentence in mixed_report.page.with_name("report.md").read_text("utf-8")


def test_the_same_records_give_the_same_bytes(mixed_report: Built, commanded: Commanded) -> None:
    """In another process, which has other hashes of strings and another terminal."""
    one, other = mixed_report.page.parent, commanded.out

    names = sorted(each.relative_to(one) for each in one.rglob("*") if each.is_file())
    assert len(names) > 20
    assert names == sorted(each.relative_to(other) for each in other.rglob("*") if each.is_file())
    assert [name for name in names if (one / name).read_bytes() != (other / name).read_bytes()] == []


def test_markdown_tables_have_the_same_number_of_cells_in_every_row(mixed_report: Built) -> None:
    tables: list[list[int]] = [[]]
    for line in mixed_report.page.with_name("report.md").read_text("utf-8").splitlines():
        if line.startswith("|"):
            tables[-1].append(len(re.findall(r"(?<!\\)\|", line)))
        elif tables[-1]:
            tables.append([])
    found = [each for each in tables if each]

    assert len(found) == 11 + 3
    assert all(len(set(each)) == 1 for each in found)
    assert min(len(each) for each in found) > 3


def test_runs_csv_has_every_run_also_those_that_do_not_count(
    make: Any, records_file: RecordsFile, tmp_path: Path
) -> None:
    records = [
        make.run(repeat=1),
        make.run(repeat=2, attempt=2),
        make.unfinished("oom", "x", repeat=2, attempt=1),
    ]
    build([records_file(records)], tmp_path / "report")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report" / "runs.csv").read_text("utf-8"))))

    assert [(each["repeat"], each["attempt"], each["status"], each["counts"]) for each in rows] == [
        ("1", "1", "ok", "True"),
        ("2", "2", "ok", "True"),
        ("2", "1", "oom", "False"),
    ]
    assert rows[0]["train_samples"] == "12800"
    assert rows[0]["epochs_s"] == "0.105 0.105"


@pytest.mark.parametrize("width", [40, 80, 100, 120, 300])
def test_no_line_in_the_terminal_is_wider_than_asked(mixed_report: Built, width: int) -> None:
    lines = terminal.render(mixed_report.summary, mixed_report.tables, width).splitlines()

    assert max(len(line) for line in lines) <= min(max(width, 80), 120)
    assert sum(line.startswith("MNIST Digits 1D") for line in lines) >= 6


def test_a_terminal_without_unicode_gets_ascii(commanded: Commanded) -> None:
    assert commanded.done.returncode == 0, commanded.done.stderr
    assert b"Report: " in commanded.done.stdout
    assert max(commanded.done.stdout) < 128


def test_help_explains_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["build", "--help"])
    assert caught.value.code == 0
    assert "exit codes" in capsys.readouterr().out


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index.html"
    path.write_text("old", "utf-8")

    def no_room(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("os.fsync", no_room)
    with pytest.raises(ReportError) as caught:
        writing.write(path, "new")

    assert caught.value.code == "output-not-writable"
    assert str(path) in str(caught.value)
    assert os.strerror(28) in str(caught.value)
    assert path.read_text("utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["index.html"]


def test_a_report_over_an_older_one_replaces_it(make: Any, records_file: RecordsFile, tmp_path: Path) -> None:
    out = tmp_path / "report"
    build([records_file([make.run()])], out, title="first")
    build([records_file([make.run()])], out, title="second")

    assert "second" in (out / "index.html").read_text("utf-8")
    assert [each.name for each in out.rglob(".*")] == []


def test_hosts_that_could_not_be_followed_are_named_first(
    make: Any, records_file: RecordsFile, tmp_path: Path
) -> None:
    run = make.run(run_id="r1")
    path = records_file([make.host(run_id="r1"), run], f"r1/{run['host']}.jsonl")
    for host in (run["host"], "bilbo"):
        path.with_name(f"{host}.problem.txt").write_text(f"{host} went <i>out</i> of reach\n")
    path.with_name("pipe.problem.txt").mkdir()

    assert cli.main(["build", str(path.parent), "--out", str(tmp_path / "r"), "--quiet"]) == 0

    page = (tmp_path / "r/index.html").read_text("utf-8")
    [missing], [incomplete] = (marked(page)[each] for each in ("host-missing", "host-incomplete"))
    assert missing.startswith("bilbo ")
    assert "r1" in missing
    assert "bilbo went &lt;i&gt;out" in missing
    assert incomplete.startswith(f"{run['host']} ")
    assert "r1" in incomplete
    assert page.index(missing) < page.index("<table")


def test_a_record_of_failures_alone_still_makes_a_report(
    make: Any, records_file: RecordsFile, tmp_path: Path
) -> None:
    path = records_file([make.host(), make.unfinished("unsupported", "SIGILL on import", device=None)])

    assert cli.main(["build", str(path), "--out", str(tmp_path / "r"), "--quiet"]) == 0
    assert "SIGILL on import" in (tmp_path / "r" / "index.html").read_text("utf-8")


def test_what_takes_long_is_computed_once(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(module: Any, name: str) -> None:
        own = getattr(module, name)

        def call(*given: Any) -> Any:
            calls.append(name)
            return own(*given)

        monkeypatch.setattr(module, name, call)

    counted(certainty, "drifts")
    counted(aggregate, "samples")
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps(make.run(repeat=each)) + "\n" for each in range(1, 7))
    )
    build([tmp_path / "a.jsonl"], tmp_path / "out")
    assert sorted(calls) == ["drifts", "samples"]
