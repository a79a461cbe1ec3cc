"""The filter that finds fields of JSON bodies that no message has: its Lua, with the messages of the descriptors."""

from collections.abc import Mapping
from importlib.resources import files
from string import Template

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway import headers
from gateway.rest import Body, bodies


def unknown_fields_lua() -> str:
    """Write the filter for the bodies of the open services."""
    found = bodies()
    messages: dict[str, Descriptor] = {}
    for body in found.values():
        _collect(body.message, messages)
    template = files("gateway").joinpath("template/unknown_fields.lua").read_text()
    return Template(template).substitute(
        messages=_table({name: _fields(message) for name, message in messages.items()}),
        bodies=_table({path: _body(body) for path, body in found.items()}),
        header=headers.UNKNOWN_FIELDS,
    )


def _collect(message: Descriptor, into: dict[str, Descriptor]) -> None:
    if message.full_name not in into:
        into[message.full_name] = message
        for field in message.fields:
            inner = _inner(field)
            if inner is not None:
                _collect(inner, into)


def _inner(field: FieldDescriptor) -> Descriptor | None:
    """Return the message that stands in a field as a JSON object of known members; None for values and free JSON."""
    inner = field.message_type
    if inner is None or inner.file.package == "google.protobuf" or inner.GetOptions().map_entry:
        return None
    return inner


def _fields(message: Descriptor) -> str:
    fields = {}
    for field in message.fields:
        inner = _inner(field)
        written = _text(inner.full_name) if inner is not None else "false"
        fields[field.json_name] = fields[field.name] = written
    return _table(fields)


def _body(body: Body) -> str:
    prefix = f"{body.field}." if body.field else ""
    return f"{{{_text(body.message.full_name)}, {_text(prefix)}}}"


def _table(entries: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"[{_text(key)}]={value}" for key, value in entries.items()) + "}"


def _text(name: str) -> str:
    """Quote the name of a field, a message or a path: none holds a quote or a backslash."""
    return f'"{name}"'
