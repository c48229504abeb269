"""The runner's own schema check says what jsonschema says, and says it in words."""

import copy
import re
from typing import Any

import jsonschema
import pytest
from edgebench import records, schema
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import properties
from tests.unit.runner.builders import Record, explanation_record, inference_record, run_record

SCHEMA = records.load_schema()


def _inlined(node: Any) -> Any:
    """Return the schema with definitions in place of references to them, which jsonschema resolves slowly."""
    if isinstance(node, list):
        return [_inlined(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(SCHEMA["definitions"][node["$ref"].rpartition("/")[2]])
    return {name: _inlined(each) for name, each in node.items() if name != "definitions"}


REFERENCE = jsonschema.Draft7Validator(_inlined(SCHEMA))
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-2, 2),
    st.sampled_from(["", "x", "ok", "2026-11-21T00:00:00Z", "0" * 64]),
    st.just({}),
    st.just([]),
    st.lists(st.one_of(st.floats(-1, 1), st.text(max_size=2)), max_size=2),
)


def _paths(value: Any, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, each in value.items():
        found.append((*prefix, name))
        if isinstance(each, dict):
            found += _paths(each, (*prefix, name))
    return found


def _shortened(value: Any) -> Any:
    """Return a record with at most three items in each list: every item of a list follows the same rules."""
    if isinstance(value, list):
        return [_shortened(each) for each in value[: None if len(value) == 101 else 3]]
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    return value


def _with(record: Record, path: tuple[str, ...], value: Any, remove: bool) -> Record:
    changed = copy.deepcopy(record)
    node = changed
    for name in path[:-1]:
        node = node[name]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return changed


PLACES = [
    (record, path)
    for record in map(_shortened, (run_record(), inference_record(), explanation_record()))
    for path in _paths(record)
]


@settings(max_examples=properties.examples(900))
@given(place=st.sampled_from(PLACES), value=JUNK, remove=st.booleans())
def test_agrees_with_jsonschema_on_every_single_change(
    place: tuple[Record, tuple[str, ...]], value: Any, remove: bool
) -> None:
    record = _with(*place, value, remove)
    ours = schema.problems(record, SCHEMA)
    assert bool(ours) == (not REFERENCE.is_valid(record)), ours


@pytest.mark.parametrize("version", [1, 2])
def test_a_valid_record_has_no_problems(version: int) -> None:
    assert schema.problems(run_record(schema=version), SCHEMA) == []


def test_the_records_that_are_changed_are_valid() -> None:
    for record in {id(each): each for each, _ in PLACES}.values():
        assert (schema.problems(record, SCHEMA), REFERENCE.is_valid(record)) == ([], True)


def _only_version_2(problems: list[str]) -> None:
    [problem] = problems
    assert re.fullmatch(r"record\.schema: 1 \D+ \[2\]", problem)


def test_a_record_of_inference_is_of_version_2() -> None:
    assert schema.problems(inference_record(), SCHEMA) == []
    _only_version_2(schema.problems(inference_record(schema=1), SCHEMA))


def test_a_record_of_an_explanation_is_of_version_2() -> None:
    assert schema.problems(explanation_record(), SCHEMA) == []
    _only_version_2(schema.problems(explanation_record(schema=1), SCHEMA))


@pytest.mark.parametrize("count", [0, 100, 102])
def test_latencies_are_101_percentiles(count: int) -> None:
    latency = {**inference_record()["latency"], "percentiles_us": [1.0] * count}
    record = inference_record(latency=latency)
    [told] = schema.problems(record, SCHEMA)
    assert re.fullmatch(rf"record\.latency\.percentiles_us: {count} \D+ 101", told)
    assert not REFERENCE.is_valid(record)


@pytest.mark.parametrize(
    ("change", "found", "expected"),
    [
        ({"status": "fine"}, "record.status: 'fine'", "'ok'"),
        ({"repeat": 0}, "record.repeat: 0", "1"),
        ({"seed": "1"}, "record.seed: '1'", "integer"),
        ({"started_utc": "yesterday"}, "record.started_utc: 'yesterday'", "^[0-9]{4}-"),
    ],
)
def test_problems_name_path_value_and_what_was_expected(change: Record, found: str, expected: str) -> None:
    problems = schema.problems(run_record(**change), SCHEMA)
    assert any(each.startswith(found + " ") and expected in each[len(found) :] for each in problems), problems
