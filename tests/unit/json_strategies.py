"""Values that a JSON Schema accepts, as hypothesis strategies: for the keywords that events.json.schema writes."""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from hypothesis import strategies as st

from events.json.schema import WITHOUT_NUL

MOST_MEMBERS = 3
"""Members of a free object or list: their limits have tests of their own."""
LONGEST_DRAWN = 40
"""Characters of a free text, likewise."""

Strategy = st.SearchStrategy[Any]
Schema = Mapping[str, Any]


def values_of(schema: Schema, root: Schema | None = None) -> Strategy:
    """Make the strategy of a schema's values; `root` holds the definitions that it refers to."""
    root = schema if root is None else root
    if "$ref" in schema:
        return values_of(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return reduce(or_, (_TYPES[name](schema, root) for name in types))


def _texts(schema: Schema, _root: Schema) -> Strategy:
    if "anyOf" in schema:
        return st.ip_addresses().map(str)
    if schema.get("format") == "date-time":
        first, last = datetime(1971, 1, 1), datetime(9998, 12, 31)  # noqa: DTZ001 - the zone follows
        zones = st.sampled_from(["Z", "+00:00", "-03:30", "+14:00"])
        return st.builds(lambda moment, zone: moment.isoformat() + zone, st.datetimes(first, last), zones)
    if schema["pattern"] != WITHOUT_NUL:
        return st.from_regex(schema["pattern"], fullmatch=True)
    characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    longest = min(schema.get("maxLength", LONGEST_DRAWN), LONGEST_DRAWN)
    return st.text(characters, min_size=schema.get("minLength", 0), max_size=longest)


def _numbers(schema: Schema, _root: Schema) -> Strategy:
    low, high = schema.get("minimum"), schema.get("maximum")
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


def _integers(schema: Schema, _root: Schema) -> Strategy:
    return st.integers(schema["minimum"], schema["maximum"])


def _lists(schema: Schema, root: Schema) -> Strategy:
    return st.lists(values_of(schema["items"], root), min_size=schema.get("minItems", 0), max_size=MOST_MEMBERS)


def _objects(schema: Schema, root: Schema) -> Strategy:
    if "properties" not in schema:
        names = values_of({"type": "string"} | schema["propertyNames"], root)
        return st.dictionaries(names, values_of(schema["additionalProperties"], root), max_size=MOST_MEMBERS)
    return reduce(or_, (_members(schema, alternative, root) for alternative in schema.get("oneOf", [{"required": []}])))


def _members(schema: Schema, alternative: Schema, root: Schema) -> Strategy:
    """Make objects that keep one alternative of a oneOf: the others lack a member that they require."""
    required = {*schema["required"], *alternative["required"]}
    excluded = {name for other in schema.get("oneOf", []) for name in other["required"]} - required - {"eventType"}
    members = {name: values_of(inner, root) for name, inner in schema["properties"].items() if name not in excluded}
    optional = {name: members[name] for name in members.keys() - required}
    return st.fixed_dictionaries({name: members[name] for name in sorted(required)}, optional=optional)


_TYPES = {
    "string": _texts,
    "number": _numbers,
    "integer": _integers,
    "boolean": lambda _schema, _root: st.booleans(),
    "null": lambda _schema, _root: st.none(),
    "array": _lists,
    "object": _objects,
}
