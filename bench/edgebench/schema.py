"""Checks a value against the part of JSON Schema draft-07 that the record schema uses.

The runner may use nothing but the standard library, so it cannot import
``jsonschema``; the reporter does, and a test holds the two against each other.
Keywords: type, enum, required, properties, additionalProperties (a schema),
items, minItems, maxItems, pattern, minLength, minimum, maximum, oneOf and local
$ref.
"""

import re

_TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: (
        (isinstance(v, int) and not isinstance(v, bool)) or (isinstance(v, float) and v.is_integer())
    ),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
}


def problems(value, schema, root=None, path="record"):
    """List what is wrong with ``value``, as texts like "record.times.train_s: -1 is below 0"; empty when valid."""
    root = schema if root is None else root
    if "$ref" in schema:
        return problems(value, _resolve(schema["$ref"], root), root, path)
    found = _own_problems(value, schema, path)
    if isinstance(value, dict):
        found += _member_problems(value, schema, root, path)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += problems(item, schema["items"], root, "{}[{}]".format(path, index))
    if "oneOf" in schema:
        found += _choice_problems(value, schema["oneOf"], root, path)
    return found


def _resolve(reference, root):
    node = root
    for part in reference.lstrip("#/").split("/"):
        node = node[part]
    return node


def _own_problems(value, schema, path):
    found = []
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(_TYPES[name](value) for name in wanted):
            return ["{}: {!r} is not {}".format(path, value, " or ".join(wanted))]
    if "enum" in schema and not any(value == each and type(value) is type(each) for each in schema["enum"]):
        found.append("{}: {!r} is not one of {}".format(path, value, schema["enum"]))
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append("{}: {!r} does not match {}".format(path, value, schema["pattern"]))
        if len(value) < schema.get("minLength", 0):
            found.append("{}: the text is empty".format(path))
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            found.append("{}: {} values are fewer than {}".format(path, len(value), schema["minItems"]))
        if len(value) > schema.get("maxItems", len(value)):
            found.append("{}: {} values are more than {}".format(path, len(value), schema["maxItems"]))
    if _TYPES["number"](value):
        if value < schema.get("minimum", value):
            found.append("{}: {!r} is below {}".format(path, value, schema["minimum"]))
        if value > schema.get("maximum", value):
            found.append("{}: {!r} is above {}".format(path, value, schema["maximum"]))
    return found


def _member_problems(value, schema, root, path):
    found = [
        "{}: {!r} is missing".format(path, name) for name in schema.get("required", ()) if name not in value
    ]
    declared = schema.get("properties", {})
    for name in sorted(value):
        below = "{}.{}".format(path, name)
        if name in declared:
            found += problems(value[name], declared[name], root, below)
        elif isinstance(schema.get("additionalProperties"), dict):
            found += problems(value[name], schema["additionalProperties"], root, below)
    return found


def _choice_problems(value, choices, root, path):
    results = [problems(value, choice, root, path) for choice in choices]
    matching = sum(1 for found in results if not found)
    if matching == 1:
        return []
    if matching > 1:
        return ["{}: fits {} of the alternatives, not exactly one".format(path, matching)]
    return min(results, key=len)
