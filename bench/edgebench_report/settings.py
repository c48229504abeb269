"""What the repeats of a measurement share, each different text of it looked at once.

Records of a fleet say the same about framework, data and sizes a hundred thousand times. It is held against
record.schema.json, and ``aggregate`` says what of it makes numbers incomparable, once for each text.
"""

import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any, TextIO

from jsonschema import Draft7Validator

from edgebench_report import aggregate, load
from edgebench_report.errors import ReportError
from edgebench_report.load import Record

# The columns by which records are put together, as JSON texts but for WORDS; the metric is that of quality.
PARTS = (
    *("record", "schema", "workload", "profile", "variant", "options", "precision", "sizes", "data"),
    *("framework", "device", "threads", "environment", "imported", "engine", "model", "metric"),
)
# Those of which the schema knows all values come as they are read: nothing but a string is one of these words, and the
# database need not write each down as JSON.
WORDS = ("record", "profile", "precision", "metric")
# What is shown of the circumstances, beside the host: a column's name and its type.
SHOWN = {
    **dict.fromkeys(("workload", "profile", "variant", "precision", "metric"), "VARCHAR"),
    **dict.fromkeys(("framework", "keras", "numpy", "python", "device"), "VARCHAR"),
    **dict.fromkeys(("threads_intra", "threads_inter"), "BIGINT"),
    "synthetic": "BOOLEAN",
    **dict.fromkeys(("sha256", "input"), "VARCHAR"),
    **dict.fromkeys(("train_samples", "test_samples", "epochs", "batch"), "BIGINT"),
    **dict.fromkeys(("options", "engine", "library", "delegate", "model", "form", "weights"), "VARCHAR"),
    "environment": "VARCHAR",
}
# A fleet has some hundreds; what has more sets of circumstances than this has something else in them.
MAX_CIRCUMSTANCES = 200_000
_CACHED = 10_000


@dataclass(frozen=True)
class Setting:
    """What the database keeps of shared parts.

    Two records of a host with the same ``circumstance`` may be compared; two with the same ``asked``, run id and
    repeat are attempts at the same run.
    """

    kind: str
    circumstance: int
    asked: int
    includes_build: bool


class Settings:
    """Numbers for sets of circumstances; ``out`` gets a JSON line for each when it is first seen."""

    def __init__(self, schema: dict[str, Any], out: TextIO) -> None:
        self._schema = schema
        self._out = out
        self._circumstances: dict[bytes, int] = {}
        self._asked: dict[bytes, int] = {}
        self._of = functools.lru_cache(_CACHED)(self._look_up)
        self._is_valid = functools.lru_cache(_CACHED)(self._look)

    def of(self, texts: tuple[str | None, ...], trusted: bool = False) -> Setting | None:
        """Return the Setting of texts in the order of PARTS, or None where one of them is not valid."""
        return self._of(texts, trusted)

    def _look_up(self, texts: tuple[str | None, ...], trusted: bool) -> Setting | None:
        kind = texts[0]
        if kind not in ("host", "run", "inference"):
            return None
        parts = {name: _as_json(name, value) for name, value in zip(PARTS, texts, strict=True)}
        if not trusted and not all(self._is_valid(kind, *each) for each in parts.items()):
            return None
        if kind == "host":
            return Setting(kind, 0, 0, False)
        record: Record = {name: None if value is None else json.loads(value) for name, value in parts.items()}
        # Beside a fact that many share stand others that need not; what is not asked for here is null.
        record.update(host="", quality={"metric": record["metric"]}, run_id=None, repeat=None)
        number = self._circumstance(kind, record)
        asked = self._asked.setdefault(_digest(load.run_key(record)), len(self._asked))
        return Setting(kind, number, asked, bool((record["imported"] or {}).get("train_includes_build")))

    def _circumstance(self, kind: str, record: Record) -> int:
        key = _digest(json.dumps([kind, _facts(record)], sort_keys=True))
        number = self._circumstances.get(key)
        if number is None:
            number = len(self._circumstances)
            if number == MAX_CIRCUMSTANCES:
                raise ReportError(
                    f"the records have more than {MAX_CIRCUMSTANCES} different sets of circumstances. Check the "
                    "program that wrote them for options or versions that change with every run, or name fewer files.",
                    "circumstances-too-many",
                )
            self._out.write(json.dumps({"circumstance": number, **_shown(record)}) + "\n")
            self._circumstances[key] = number
        return number

    def _look(self, kind: str, name: str, value: str | None) -> bool:
        branch = self._schema["definitions"][kind]
        own, name = (
            (branch["properties"].get("quality", {}), "metric") if name == "metric" else (branch, name)
        )
        schemas = [
            each["properties"][name] for each in (self._schema, own) if name in each.get("properties", {})
        ]
        if not schemas or (value is None and name not in own["required"] and name != "schema"):
            return True
        try:
            found = json.loads("null" if value is None else value)
        except (ValueError, RecursionError):
            return False
        # true is 1 to an enumeration.
        if name == "schema" and type(found) is not int:
            return False
        definitions = {"definitions": self._schema["definitions"]}
        return all(Draft7Validator({**definitions, **each}).is_valid(found) for each in schemas)


def _as_json(name: str, value: str | None) -> str | None:
    return json.dumps(value) if value is not None and name in WORDS else value


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _facts(record: Record) -> dict[str, Any]:
    if record["record"] == "run":
        return {**aggregate.circumstances(record), "workload": record["workload"]}
    names = ("workload", "profile", "variant", "options", "engine", "model", "threads", "framework")
    return {name: record[name] for name in (*names, "device", "data", "environment")}


def _shown(record: Record) -> dict[str, Any]:
    framework, data, threads = record["framework"], record["data"], record["threads"]
    engine, model, sizes = record["engine"] or {}, record["model"] or {}, record["sizes"] or {}
    version = framework["version"]
    return {
        **{each: record[each] for each in ("workload", "profile", "variant", "metric")},
        "precision": model["precision"] if model else record["precision"],
        "framework": None if version is None else f"{framework['name']} {version}",
        **{each: framework[each] for each in ("keras", "numpy", "python")},
        "device": record["device"] and record["device"]["kind"],
        **{f"threads_{each}": threads[each] for each in ("intra", "inter")},
        **{each: sizes.get(each) for each in ("train_samples", "test_samples", "epochs", "batch")},
        **{each: data[each] for each in ("synthetic", "sha256", "input")},
        "options": json.dumps(record["options"], sort_keys=True),
        "environment": aggregate.environment(record),
        "engine": engine.get("name"),
        "library": engine.get("version") and f"{engine['library']} {engine['version']}",
        "delegate": engine.get("delegate"),
        **{name: model.get(key) for name, key in (("model", "id"), ("form", "form"), ("weights", "weights"))},
    }
