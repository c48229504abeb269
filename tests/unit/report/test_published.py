"""The published tables: whole, as printed, and refused when broken."""

from pathlib import Path

import pytest
from edgebench_report.errors import ReportError
from edgebench_report.published import PUBLISHED_FILE, read_published
from edgebench_report.text import Note


def test_eight_workloads_four_hosts_and_the_published_parameter_counts() -> None:
    published = read_published()

    assert [each["name"] for each in published.hosts] == ["Gandalf", "Bilbo", "Frodo", "Boromir"]
    assert {name: each["parameters"] for name, each in published.workloads.items()} == {
        "mnist_1d": 407050,
        "imdb": 160305,
        "reuters": 647214,
        "mnist_2d": 93322,
        "dogs_vs_cats": 3453121,
        "imdb_embedded": 80401,
        "weather": 5217,
        "weather_conv": 14817,
    }


@pytest.mark.parametrize(
    ("workload", "field", "host", "printed", "raw"),
    [
        ("dogs_vs_cats", "train_s", "boromir", 550.2, 560.2),
        ("weather_conv", "train_s", "frodo", 4593.8, 4593.0),
        ("dogs_vs_cats", "accuracy_percent", "bilbo", 72.0, 72.8),
        ("mnist_1d", "train_s", "gandalf", 33.7, 33.7),
    ],
)
def test_misprints_keep_both_values(workload: str, field: str, host: str, printed: float, raw: float) -> None:
    published = read_published()

    assert published.printed(workload, field, host) == printed
    assert published.measured(workload, field, host) == raw


def test_gaps_have_reasons() -> None:
    published = read_published()

    assert published.printed("imdb", "train_s", "frodo") is None
    imdb, weather = (published.workloads[each]["missing"] for each in ("imdb", "weather"))
    assert published.reason("imdb", "train_s", "frodo") == Note("reason-published", imdb["train_s.frodo"])
    assert published.reason("weather", "accuracy_percent", "bilbo") == Note(
        "reason-published", weather["accuracy_percent"]
    )
    assert published.reason("kws", "train_s", "bilbo").code == "not-in-2019-report"


@pytest.mark.parametrize(
    ("old", "new", "code", "named"),
    [
        ("version: 1", "version: 9", "published-version-unknown", ["9"]),
        ("    epochs: 5\n", "", "published-field-missing", ["mnist_1d", "epochs"]),
        ("train_s: {gandalf: 33.7,", "train_s: {gandalv: 33.7,", "published-hosts-differ", ["gandalv"]),
        (
            "      train_s.frodo: ran out of memory\n",
            "",
            "published-reason-missing",
            ["imdb.train_s.frodo", "missing"],
        ),
        ("boromir: 550.2}", "boromir: 551.2}", "published-annotation-differs", ["train_s", "550.2", "551.2"]),
        ("hosts:", "hosts: [", "published-file-broken", []),
    ],
)
def test_a_broken_file_is_refused_by_name(
    tmp_path: Path, old: str, new: str, code: str, named: list[str]
) -> None:
    original = PUBLISHED_FILE.read_text("utf-8")
    broken = tmp_path / "published.yml"
    broken.write_text(original.replace(old, new, 1), "utf-8")
    assert broken.read_text("utf-8") != original

    with pytest.raises(ReportError) as caught:
        read_published(broken)

    assert caught.value.code == code
    assert f"git checkout -- {broken}" in str(caught.value)
    assert all(each in str(caught.value) for each in named)
