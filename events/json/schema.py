"""Writes the JSON Schema of an event type's version from the catalogue alone: what JSON callers send, whole.

The promise, which a property test keeps: what a schema accepts (formats asserted), validation accepts, but for what
depends on the clock; and what validation accepts in canonical form, the schema accepts. Canonical form has camelCase
names, leaves out null, empty strings and what is ignored on input, and writes a number as a number, unless it is beyond
2**53. Validation is more generous: it also takes snake_case names, null, numbers in strings, whole numbers as far as 64
bits go, and anything at all as `receivedAt` and `timestampSource`.
"""

from typing import Any

from events.event_type import UNLIMITED, Catalogue, EventType, Field, Kind, version_key
from events.rules.field_rules import CURRENCIES, LARGEST_NUMBER, LEAST_NUMBER, MAX_EXACT_INTEGER, bounds
from sociallive.analytics.v1.event_pb2 import TimestampSource

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WITHOUT_NUL = r"^[^\u0000]*$"
"""No text may hold the character U+0000: Postgres cannot store it."""
MAX_DIGITS = 18
"""Of a whole number in a string, as protobuf JSON writes 64-bit ones: so many always fit."""

_FORMATS: dict[str, dict[str, Any]] = {
    "UUID": {"format": "uuid", "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"},
    "CURRENCY": {"enum": sorted(CURRENCIES)},
    "IP_ADDRESS": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    "VERSION": {"pattern": r"^(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}$"},
}
_DAY = r"(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
TIMESTAMP = {
    "type": "string",
    "format": "date-time",
    "pattern": f"^{_DAY}T{_TIME}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
}
_PLAIN_TYPES = ["null", "boolean", "number", "string"]
_NUMBER_LIMITS = {"minimum": LEAST_NUMBER, "maximum": LARGEST_NUMBER}


def write_json_schema(catalogue: Catalogue, event_type: EventType, version: str) -> dict[str, Any]:
    """Write the schema of the events of one version of a type, in both forms: `data`, and the typed payload.

    Args:
        catalogue: has the envelope and the device.
        event_type: one of the catalogue's.
        version: one of the type's.
    """
    name, newest = event_type.name, event_type.newest
    fields = event_type.fields_in(version)
    definitions = {"payload": _object_schema(fields)}
    properties = _envelope(catalogue, name, version)
    if not catalogue.device_since or version_key(version) >= version_key(catalogue.device_since):
        definitions["device"] = _object_schema(catalogue.device)
        properties["device"] = {"$ref": "#/$defs/device"}
    for field in (*fields, *catalogue.device):
        if field.kind is Kind.OBJECT:
            definitions |= _inner_values(field)
    payload = {"$ref": "#/$defs/payload"}
    return {
        "$schema": DIALECT,
        "$id": f"urn:sociallive-analytics:schema:{name}:{version}",
        "title": f"{name} event, version {version}",
        "type": "object",
        "properties": properties | {"data": payload, name: payload},
        "required": [] if version == newest else ["schemaVersion"],
        "additionalProperties": False,
        "oneOf": [{"required": ["eventType", "data"]}, {"required": [name]}],
        # Or both forms at once would pass where the type is left out.
        "dependentRequired": {"data": ["eventType"]},
        "$defs": definitions,
    }


def _envelope(catalogue: Catalogue, name: str, version: str) -> dict[str, Any]:
    """Write the properties that all events share; type and version are those of the schema."""
    properties = {field.json_name: _field_schema(field) for field in catalogue.envelope.values()}
    return properties | {
        "eventType": {"const": name},
        "schemaVersion": {"const": version},
        "timestamp": TIMESTAMP,
        "sentAt": TIMESTAMP,
        "receivedAt": TIMESTAMP | {"readOnly": True},
        "timestampSource": {"enum": list(TimestampSource.keys()), "readOnly": True},
    }


def _object_schema(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field.json_name: _field_schema(field) for field in fields},
        "required": [field.json_name for field in fields if field.required],
        "additionalProperties": False,
    }


def _field_schema(field: Field) -> dict[str, Any]:
    schema = _SCHEMAS[field.kind](field)
    return schema | {"description": f"In {field.unit}."} if field.unit else schema


def _text_schema(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if field.required:
        schema["minLength"] = 1
    if field.known_values:
        schema["examples"] = list(field.known_values)
    if field.allowed_values:
        return schema | {"enum": list(field.allowed_values)}
    return schema | _text_limits(field) | _FORMATS.get(field.format, {})


def _text_limits(field: Field) -> dict[str, Any]:
    """Write the rules of any string of a field, in a list or an object too; both sides count code points."""
    return _limit("maxLength", field.max_length) | {"pattern": WITHOUT_NUL}


def _limit(keyword: str, limit: int) -> dict[str, Any]:
    return {} if limit == UNLIMITED else {keyword: limit}


def _number_schema(field: Field) -> dict[str, Any]:
    minimum, maximum = bounds(field)
    return {"type": "number", "minimum": minimum, "maximum": maximum}


def _integer_schema(field: Field) -> dict[str, Any]:
    """Write a whole number; one that does not fit a double may also be a string, where no bound forbids it."""
    low, high = field.integer_range or (0, 0)
    minimum = low if field.minimum is None else field.minimum
    maximum = high if field.maximum is None else field.maximum
    schema: dict[str, Any] = {
        "type": "integer",
        "minimum": max(int(minimum), -int(MAX_EXACT_INTEGER)),
        "maximum": min(int(maximum), int(MAX_EXACT_INTEGER)),
    }
    if maximum > MAX_EXACT_INTEGER and field.maximum is None and field.minimum in (None, 0):
        sign = "" if minimum == 0 else "-?"
        schema |= {"type": ["integer", "string"], "pattern": f"^{sign}[0-9]{{1,{MAX_DIGITS}}}$"}
    return schema


def _flag_schema(field: Field) -> dict[str, Any]:
    # A field that is required tracks presence, so `false` counts as given.
    del field
    return {"type": "boolean"}


def _texts_schema(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array", "items": {"type": "string"} | _text_limits(field)}
    if field.required:
        schema["minItems"] = 1
    return schema | _limit("maxItems", field.max_items)


def _free_object_schema(field: Field) -> dict[str, Any]:
    return {"type": "object"} | _object_limits(field, level=1)


_SCHEMAS = {
    Kind.TEXT: _text_schema,
    Kind.NUMBER: _number_schema,
    Kind.INTEGER: _integer_schema,
    Kind.FLAG: _flag_schema,
    Kind.TEXTS: _texts_schema,
    Kind.OBJECT: _free_object_schema,
}


def _object_limits(field: Field, level: int) -> dict[str, Any]:
    """Write the rules of an object that lies `level` objects or lists deep, counted from 1."""
    return (
        {"propertyNames": _text_limits(field)}
        | _limit("maxProperties", field.max_items)
        | {"additionalProperties": {"$ref": f"#/$defs/{_inner_name(field, level)}"}}
    )


def _inner_values(field: Field) -> dict[str, Any]:
    """Write a definition for the values of each level of a free object; those of the last level are plain."""
    definitions: dict[str, Any] = {}
    for level in range(1, field.max_depth):
        inner = {"$ref": f"#/$defs/{_inner_name(field, level + 1)}"}
        definitions[_inner_name(field, level)] = (
            {"type": [*_PLAIN_TYPES, "object", "array"]}
            | _NUMBER_LIMITS
            | _text_limits(field)
            | _object_limits(field, level + 1)
            | _limit("maxItems", field.max_items)
            | {"items": inner}
        )
    return definitions | {
        _inner_name(field, field.max_depth): {"type": _PLAIN_TYPES} | _NUMBER_LIMITS | _text_limits(field)
    }


def _inner_name(field: Field, level: int) -> str:
    return f"{field.json_name}Level{level}"
