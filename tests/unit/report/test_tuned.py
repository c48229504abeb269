"""The table of the tuned profile beside paper."""

from typing import Any

import pytest
from edgebench_report import aggregate, tables, tuned
from edgebench_report.published import read_published

TUNED = {"settings": {"steps_per_execution": 50, "jit_compile": True}, "reason": "every choice was tried"}


def _facts(runs: list[Any]) -> tables.Facts:
    published = read_published()
    columns = aggregate.columns(runs, published.workloads)
    return tables.Facts(columns, [], aggregate.statistics(aggregate.samples(columns)), published)


def _runs(make: Any, profile: str, seconds: list[float], **changes: Any) -> list[Any]:
    return [
        make.run("imdb", number, profile, times={"train_s": each}, **changes)
        for number, each in enumerate(seconds, 1)
    ]


def _cells(table: Any) -> dict[str, Any]:
    return dict(zip((each.text for each in table.headings), table.rows[0].cells, strict=True))


def test_tuned_stands_beside_paper_with_what_did_it(make: Any) -> None:
    paper = _runs(make, "paper", [8.0, 8.1, 8.2, 7.9, 8.0])
    fast = _runs(
        make,
        "tuned",
        [2.0, 2.1, 1.9, 2.0, 2.05],
        tuning=TUNED,
        data={"input": "dense_uint8"},
        quality={"value": 0.884},
    )
    fast[0]["times"]["search_s"] = 61.0
    table = tuned.beside_paper(_facts(paper + fast))
    assert table is not None
    cells = _cells(table)
    assert (cells["Paper [s]"].text, cells["Tuned [s]"].text) == ("8.00", "2.00")
    assert cells["Times faster"].text == "4.00"
    low, high = (float(each) for each in cells["Times faster"].detail.split("–"))
    assert 3.7 < low < 4 < high < 4.4
    assert cells["Times faster"].marks == []
    assert cells["Search [s]"].text == "61.0"
    assert (cells["Paper result"].text, cells["Tuned result"].text) == ("88.3 %", "88.4 %")
    assert cells["Settings"].text.split(", ") == ["jit compile on", "steps per execution 50"]  # not prose


def test_one_repeat_has_no_interval_and_defaults_are_named(make: Any) -> None:
    own = {"settings": {}, "reason": "none was faster"}
    table = tuned.beside_paper(_facts(_runs(make, "paper", [8.0]) + _runs(make, "tuned", [8.0], tuning=own)))
    assert table is not None
    cells = _cells(table)
    assert (cells["Times faster"].text, cells["Times faster"].detail) == ("1.00", "")
    assert [table.note(mark).code for mark in cells["Times faster"].marks] == ["interval-missing"]
    assert cells["Settings"].text == tuned.DEFAULTS
    assert cells["Search [s]"].missing
    assert [table.note(mark).code for mark in cells["Search [s]"].marks] == ["search-missing"]


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "edge-02"},
        {"precision": "float16"},
        {"data": {"synthetic": True, "sha256": None}},
        {"framework": {"version": "2.15.1"}},
        {"threads": {"intra": 1, "inter": 1}},
        {"profile": "quick"},
    ],
)
def test_what_differs_in_more_than_execution_is_not_compared(make: Any, changes: dict[str, Any]) -> None:
    paper = _runs(make, "paper", [8.0, 8.0])
    other = [make.run("imdb", number, **{"profile": "tuned", **changes}) for number in (1, 2)]
    assert tuned.beside_paper(_facts(paper + other)) is None
