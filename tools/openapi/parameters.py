"""Parameters of paths and queries: the fields of a request that JSON callers write there."""

import re
from collections.abc import Iterator, Mapping

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from events.catalogue import load_catalogue
from events.json.schema import TIMESTAMP
from server.reports.funnel import MOST_STEPS, WINDOW
from server.reports.periods import MOST_PERIODS
from server.reports.scope import TIMEFRAME
from tools.openapi.answers import MAX_INT32, Json, enum_schema
from tools.proto_comments import Comments

_VARIABLE = re.compile(r"\{(\w+)\}")
_NATURAL: Json = {"type": "integer", "format": "int32", "minimum": 0, "maximum": MAX_INT32}
_SCALARS: Mapping[int, Json] = {
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_INT32: _NATURAL,
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}
_NARROWER: Mapping[str, Json] = {
    "timeframe": {"pattern": f"^({TIMEFRAME.pattern})$", "examples": ["7d"]},
    "window": {"pattern": f"^({WINDOW.pattern})$", "examples": ["14d"]},
    "time_zone": {"examples": ["Europe/Berlin"]},
    "periods": {"maximum": MOST_PERIODS},
    "event_type": {"enum": sorted(load_catalogue().types)},
    "filter": {"examples": ["purchase:amount>=20"]},
}
"""What is known of parameters beyond their type, by the name of the field."""
REQUIRED = frozenset({"steps"})


def path_parameters(method: MethodDescriptor, path: str, comments: Comments) -> list[Json]:
    """Write the variables of a path."""
    fields = method.input_type.fields_by_name
    return [_parameter(fields[name], name, "path", comments) for name in _VARIABLE.findall(path)]


def parameters_of(method: MethodDescriptor, path: str, comments: Comments) -> list[Json]:
    """Write what the query may hold: every field that is not in the path, nor in a body."""
    in_path = set(_VARIABLE.findall(path))
    # What the query names of the request of a method that stores events is all beside the body, never within the event.
    fields = _query_fields(method.input_type, "", nested="body" not in method.input_type.fields_by_name)
    return [_parameter(field, name, "query", comments) for name, field in fields if field.name not in in_path]


def _query_fields(message: Descriptor, prefix: str, *, nested: bool) -> Iterator[tuple[str, FieldDescriptor]]:
    for field in message.fields:
        name = prefix + field.json_name
        inner = field.message_type
        if inner is None or inner.full_name == "google.protobuf.Timestamp":
            yield name, field
        elif nested and not field.is_repeated:
            yield from _query_fields(inner, f"{name}.", nested=True)


def _parameter(field: FieldDescriptor, name: str, where: str, comments: Comments) -> Json:
    parameter: Json = {"name": name, "in": where, "description": comments[field.full_name], "schema": _schema(field)}
    if where == "path" or field.name in REQUIRED:
        parameter["required"] = True
    return parameter


def _schema(field: FieldDescriptor) -> Json:
    if field.message_type is not None:
        return dict(TIMESTAMP)
    if field.enum_type is not None:
        return enum_schema(field.enum_type)
    if field.name == "steps":
        # One text may be a JSON array of them all.
        return {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": MOST_STEPS}
    schema = _SCALARS[field.cpp_type] | _NARROWER.get(field.name, {}) if not field.is_repeated else {"type": "string"}
    return {"type": "array", "items": schema} if field.is_repeated else schema
