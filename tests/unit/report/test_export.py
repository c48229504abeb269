"""What is exported, read back by other programs than those that wrote it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from edgebench_report import cli, export, markup
from edgebench_report.table import Cell, Heading, Row, Table
from edgebench_report.text import Note
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexMacroNode, LatexWalker

from tests import locked, needs
from tests.messages import codes
from tests.unit.report.conftest import HOSTILE, Maker, complaints, mixed_records, write_records

# pandas would rather have pyarrow, which changes how it keeps text wherever it is installed: here, and not for users.
pytestmark = pytest.mark.filterwarnings("ignore:.*fastparquet", "ignore:.*future.infer_string")


FORMS = ("csv", "parquet", "json", "markdown", "latex")


def exported(records: Path, form: str, out: Path, *more: str) -> Path:
    assert cli.main(["export", str(records), "--format", form, "--out", str(out), *more]) == 0
    return out


@pytest.fixture(scope="module")
def forms(make: Maker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The records of ``mixed_records`` in every form, for tests that only read them."""
    folder = tmp_path_factory.mktemp("exported")
    records = write_records(folder / "records" / "all.jsonl", mixed_records(make)).parent
    return {form: exported(records, form, folder / f"x.{form}") for form in FORMS}


def test_csv_and_parquet_are_the_same_to_pandas(forms: dict[str, Path]) -> None:
    as_csv = pd.read_csv(forms["csv"])
    as_parquet = pd.read_parquet(forms["parquet"], engine="fastparquet")

    assert list(as_csv.columns) == list(as_parquet.columns) == [field.name for field in export.COLUMNS]
    assert len(as_csv) == len(as_parquet) == 42
    for name in as_csv.columns:
        one, other = as_csv[name], as_parquet[name]
        assert list(one.isna()) == list(other.isna()), name
        assert [_plain(each) for each in one.dropna()] == [_plain(each) for each in other.dropna()], name


def _plain(value: Any) -> Any:
    # Truths beside gaps are read as truths from the one, and as 0.0 and 1.0 from the other.
    return value if isinstance(value, str) else float(value)


def test_the_numbers_are_those_of_the_records(make: Any, records_file: Callable[..., Path]) -> None:
    run = make.run(times={"train_s": 1 / 3, "build_s": 0.1})
    path = records_file([run, make.inference(), make.run(repeat=2, attempt=2), make.run(repeat=2)])
    read = pd.read_parquet(exported(path, "parquet", path.with_suffix(".parquet")), engine="fastparquet")

    first = read.iloc[0]
    assert (first["train_s"], first["train_total_s"]) == (1 / 3, 1 / 3 + 0.1)
    assert first["data_synthetic"] == False  # noqa: E712 - NumPy's own
    assert json.loads(first["epochs_s"]) == run["times"]["epochs_s"]
    assert list(read["counts"]) == [True, False, True, True]
    inference = read[read["record"] == "inference"].iloc[0]
    assert inference["latency_p50_us"] == pytest.approx(44.0)
    assert len(json.loads(inference["windows_s"])) == 5


def test_the_version_of_the_schema_is_in_every_form(forms: dict[str, Path]) -> None:
    parquet = forms["parquet"]
    with duckdb.connect() as connection:
        found = connection.execute("SELECT key, value FROM parquet_kv_metadata(?)", [str(parquet)]).fetchall()
        types = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(parquet)]).fetchall()
    assert (b"edgebench_export_schema", b"1") in found
    assert [(name, kind) for name, kind, *_ in types] == [
        (field.name, field.kind) for field in export.COLUMNS
    ]
    told = json.loads(forms["json"].read_text("utf-8"))
    assert told["edgebench_export_schema"] == 1
    assert {tuple(row) for row in told["rows"]} == {tuple(field.name for field in export.COLUMNS)}
    assert set(pd.read_csv(forms["csv"])["export_schema"]) == {1}


def test_every_column_is_documented_with_its_type(repository: Path) -> None:
    documented = re.findall(
        r"^\| `(\w+)` \| (\w+) \|", (repository / "docs/export.md").read_text("utf-8"), re.MULTILINE
    )
    names = {"VARCHAR": "text", "BIGINT": "integer", "DOUBLE": "real", "BOOLEAN": "truth"}
    assert documented == [(field.name, names[field.kind]) for field in export.COLUMNS]


def cells(nodes: Any) -> list[Any]:
    return [each for each in nodes if each is not None]


def test_latex_is_parsed_and_every_row_has_all_cells(forms: dict[str, Path]) -> None:
    source = forms["latex"].read_text("utf-8")
    # Strict: an environment, a brace or a formula that does not close is an error.
    nodes, _, _ = LatexWalker(source, tolerant_parsing=False).get_latex_nodes()
    found = [each for each in nodes if isinstance(each, LatexEnvironmentNode)]

    assert [each.environmentname for each in found] == ["table"] * 11
    for table in found:
        inside = [
            each
            for each in table.nodelist
            if isinstance(each, LatexEnvironmentNode) and each.environmentname == "tabular"
        ]
        assert len(inside) == 1
        body = inside[0].latex_verbatim()
        columns = re.match(r"\\begin\{tabular\}\{([lr]+)\}", body)
        assert columns is not None
        for line in body.splitlines():
            if not line.endswith(r"\\"):
                continue
            spans = [int(each) for each in re.findall(r"\\multicolumn\{(\d+)\}", line)]
            width = len(re.findall(r"(?<!\\)&", line)) + 1 + sum(spans) - len(spans)
            assert width == len(columns[1]), line
        macros = {each.macroname for each in inside[0].nodelist if isinstance(each, LatexMacroNode)}
        assert {"toprule", "midrule", "bottomrule"} <= macros
    assert "\x1b" not in source


@pytest.mark.thorough
@pytest.mark.needs("pdflatex")
def test_latex_compiles(forms: dict[str, Path], tmp_path: Path) -> None:
    latex = str(needs.program("pdflatex"))
    tables = forms["latex"].read_text("utf-8")
    document = tmp_path / "paper.tex"
    # A width that no table fills: what is judged is that it compiles, not how a paper would place it.
    document.write_text(
        r"\documentclass{article}\usepackage[paperwidth=300cm,paperheight=300cm,margin=1cm]{geometry}"
        r"\usepackage{booktabs}\usepackage{textcomp}\begin{document}" + tables + r"\end{document}",
        "utf-8",
    )
    command = [latex, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", document.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000


def test_nothing_hostile_is_a_command_in_latex() -> None:
    hostile = "\\input{/etc/passwd} $x$ %c [a] a&b_c #1 ^~ {"
    table = Table(
        "1",
        "slug",
        hostile,
        hostile,
        hostile,
        [],
        [Heading(hostile)],
        [Row(hostile, "k", [Cell(hostile, detail=hostile, marks=["a"])])],
        [("a", Note("hostile-note", hostile))],
    )
    nodes, _, _ = LatexWalker(markup.latex(table), tolerant_parsing=False).get_latex_nodes()
    assert r"\input" not in markup.latex(table)
    assert len(cells(nodes)) == 2


def test_markdown_holds_the_chosen_tables(mixed: Path, tmp_path: Path) -> None:
    written = exported(mixed, "markdown", tmp_path / "x.md", "--tables", "6,4").read_text("utf-8")

    assert re.findall(r"^### Table (\w+)", written, re.MULTILINE) == ["6", "4"]
    assert "<script" not in written
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in written.splitlines() if line.startswith("|")}
    assert len(widths) == 1


@pytest.mark.parametrize("form", FORMS)
def test_the_same_records_give_the_same_bytes(
    forms: dict[str, Path], mixed: Path, tmp_path: Path, form: str
) -> None:
    assert exported(mixed, form, tmp_path / "again").read_bytes() == forms[form].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ([], "output-missing", ["--format", "--out", "--mlflow"]),
        (["--format", "csv"], "format-out-mismatch", ["--format", "--out"]),
        (
            ["--format", "csv", "--out", "OUT", "--tables", "4"],
            "tables-not-applicable",
            ["--tables", "--format csv", "markdown", "latex"],
        ),
        (["--format", "latex", "--out", "OUT", "--tables", "99"], "table-unknown", ["--tables 99", " 4, "]),
    ],
)
def test_bad_usage_is_exit_code_2(
    mixed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: str,
    named: list[str],
) -> None:
    out = tmp_path / "out"
    assert cli.main(["export", str(mixed), *(str(out) if each == "OUT" else each for each in arguments)]) == 2
    said = capsys.readouterr().err
    assert codes(said) == [code]
    assert all(each in said for each in named)
    assert not out.exists()


def _command(records: Path, form: str, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "edgebench_report", "export", str(records), "--format", form, "--out", "-"),
        *more,
    ]


@pytest.mark.parametrize("form", [*FORMS, "junit"])
def test_standard_output_gets_the_export_and_nothing_else(mixed: Path, tmp_path: Path, form: str) -> None:
    expected = exported(mixed, form, tmp_path / "file").read_bytes()
    done = subprocess.run(_command(mixed, form), cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    assert done.stdout == expected
    assert not (tmp_path / "-").exists()


def test_what_was_left_out_is_not_in_standard_output(mixed: Path, forms: dict[str, Path]) -> None:
    (mixed / "bad.jsonl").write_text("nonsense\n")
    done = subprocess.run(_command(mixed, "csv"), capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout == forms["csv"].read_bytes()
    assert codes(done.stderr.decode()) == ["line-not-json"]


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_a_reader_that_has_seen_enough_ends_it_quietly(make: Maker, tmp_path: Path, form: str) -> None:
    # More than a pipe holds.
    runs = [make.run(run_id=f"r{number}", seed=number * 7919) for number in range(4000)]
    records = write_records(tmp_path / "all.jsonl", runs)
    with subprocess.Popen(_command(records, form), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        assert started.stdout.read(10)
        started.stdout.close()
        assert complaints(started.stderr.read()) == []
        assert started.wait(timeout=120) == 0


def test_a_full_output_is_one_error(mixed: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            _command(mixed, "csv"), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, codes(done.stderr)) == (2, ["output-not-written"])


def test_parquet_is_not_written_to_a_terminal(mixed: Path) -> None:
    master, slave = os.openpty()
    try:
        done = subprocess.run(
            _command(mixed, "parquet"), stdout=slave, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(slave)
        os.close(master)
    assert (done.returncode, codes(done.stderr)) == (2, ["stdout-is-terminal"])
    assert "> runs.parquet" in done.stderr


def test_what_was_left_out_is_exit_code_1(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mixed / "bad.jsonl").write_text("nonsense\n")
    assert cli.main(["export", str(mixed), "--format", "csv", "--out", str(tmp_path / "x.csv")]) == 1
    assert codes(capsys.readouterr().err) == ["line-not-json"]


def test_without_mlflow_the_remedy_is_told(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", str(mixed), "--mlflow", "file:///nowhere"]) == 2
    said = capsys.readouterr().err
    assert codes(said) == ["mlflow-missing"]
    assert "pip install mlflow-skinny" in said


@pytest.fixture(scope="session")
def mlflow() -> Path:
    """A folder with MLflow, outside of the checkout: the project does not depend on it."""
    return locked.folder("mlflow")


@pytest.mark.thorough
def test_mlflow_gets_every_run_once(mixed: Path, tmp_path: Path, mlflow: Path) -> None:
    store = (tmp_path / "mlruns").as_uri()
    environment = {
        **os.environ,
        # Behind the project's own packages.
        "EDGEBENCH_MLFLOW": str(mlflow),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }
    code = (
        "import os, sys; sys.path.append(os.environ['EDGEBENCH_MLFLOW'])\n"
        "from edgebench_report.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    environment["PYTHONPATH"] = str(Path(cli.__file__).parents[1])
    command = [sys.executable, "-c", code, "export", str(mixed), "--mlflow", store]
    first = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert first.returncode == 0, first.stderr
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    # New runs, and all of them.
    for done, counts in ((first, ["42", "42"]), (again, ["0", "42"])):
        line = done.stdout.splitlines()[-1]
        assert line.endswith(store)
        assert re.findall(r"\d+", line.removesuffix(store)) == counts
    read = (
        "import os, sys; sys.path.append(os.environ['EDGEBENCH_MLFLOW'])\n"
        "import mlflow, json\n"
        "c = mlflow.MlflowClient(tracking_uri=sys.argv[1])\n"
        "e = c.get_experiment_by_name('edgebench').experiment_id\n"
        "r = c.search_runs([e], \"params.host = 'edge-01' and params.workload = 'imdb'\")\n"
        "print(json.dumps([[each.data.metrics['train_s'], each.data.params['framework_version']] for each in r]))"
    )
    told = subprocess.run(
        [sys.executable, "-c", read, store], capture_output=True, text=True, env=environment, check=True
    )
    runs = [json.loads(line) for line in (mixed / "all.jsonl").read_text("utf-8").splitlines()]
    expected = [
        [each["times"]["train_s"], "2.21.0"]
        for each in runs
        if each["host"] == "edge-01" and each.get("workload") == "imdb"
    ]
    assert sorted(json.loads(told.stdout.splitlines()[-1])) == sorted(expected)
    assert HOSTILE not in told.stdout
