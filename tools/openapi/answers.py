"""Schemas of responses: the JSON into which the gateway transcodes messages, from their descriptors.

It prints every field but messages, strings and numbers that are `optional` and not set. So a field is required in an
answer unless the .proto file calls it `optional` or has it in a oneof.
"""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from sociallive.analytics.v1 import options_pb2
from tools.proto_comments import Comments

Json = dict[str, Any]

_RULES: Any = options_pb2.rules
MAX_INT32 = (1 << 31) - 1

_TIMESTAMP: Json = {"type": "string", "format": "date-time"}
_KNOWN: Mapping[str, Json] = {
    "google.protobuf.Timestamp": _TIMESTAMP,
    "google.protobuf.Struct": {"type": "object"},
}
"""Messages that JSON has a form of its own for."""
_COUNT: Json = {"type": "string", "format": "int64", "pattern": "^[0-9]{1,19}$"}
"""A 64-bit integer is a string of digits. All in responses count something."""
_INDEX: Json = {"type": "integer", "format": "int32", "minimum": 0, "maximum": MAX_INT32}
_SCALARS: Mapping[int, Json] = {
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_INT32: _INDEX,
    FieldDescriptor.CPPTYPE_INT64: _COUNT,
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}


def name_of(message: Descriptor) -> str:
    """Name the component of a message."""
    return str(message.name)


def reference(name: str) -> Json:
    """Point to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def add_answer(message: Descriptor, comments: Comments, schemas: dict[str, Json]) -> Json:
    """Add the schema of a message and of all that it holds to `schemas`; return what points to it."""
    name = name_of(message)
    if name not in schemas:
        schemas[name] = {}  # a message may hold itself
        schemas[name] = {
            "type": "object",
            "description": comments[message.full_name],
            "required": [field.json_name for field in message.fields if is_always_there(field)],
            "properties": {
                field.json_name: {
                    "description": comments[field.full_name],
                    **_field_schema(field, lambda inner: add_answer(inner, comments, schemas)),
                }
                for field in message.fields
            },
        }
    return reference(name)


def is_always_there(field: FieldDescriptor) -> bool:
    """Return whether a response has the field whatever its value."""
    return field.containing_oneof is None


def enum_schema(enum: EnumDescriptor) -> Json:
    """Write the schema of the names of an enum."""
    return {"type": "string", "enum": [value.name for value in enum.values]}


def _field_schema(field: FieldDescriptor, add_message: Callable[[Descriptor], Json]) -> Json:
    if field.message_type is not None:
        schema = _KNOWN.get(field.message_type.full_name) or add_message(field.message_type)
    elif field.enum_type is not None:
        schema = enum_schema(field.enum_type)
    else:
        schema = {**_SCALARS[field.cpp_type], **_bounds(field)}
    return {"type": "array", "items": schema} if field.is_repeated else schema


def _bounds(field: FieldDescriptor) -> Json:
    """Read the bounds of a number from its rules."""
    if field.cpp_type not in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_INT32):
        return {}
    options = descriptor_pb2.FieldOptions.FromString(field.GetOptions().SerializeToString())
    rules = options.Extensions[_RULES]
    return {name: getattr(rules, name) for name in ("minimum", "maximum") if rules.HasField(name)}
