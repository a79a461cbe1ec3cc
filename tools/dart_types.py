"""Writes the payload types of the Dart client from the event catalogue and the comments of the .proto files.

Usage: python -m tools.dart_types DESCRIPTORS > clients/dart/analytics_service/lib/src/generated/payloads.dart, where
DESCRIPTORS is what `buf build` wrote. The output is as the Dart formatter would have it.
"""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from events.catalogue import load_catalogue
from events.event_type import Catalogue, EventType, Field, Kind
from sociallive.analytics.v1.event_pb2 import Device
from tools.proto_comments import Comments, read_comments

WIDTH = 80
"""The line length of the Dart formatter."""
TYPES = {
    Kind.TEXT: "String",
    Kind.NUMBER: "num",
    Kind.INTEGER: "int",
    Kind.FLAG: "bool",
    Kind.TEXTS: "List<String>",
    Kind.OBJECT: "Map<String, Object?>",
}
"""The Dart type of each kind of value."""
RESERVED = frozenset(
    {
        "assert",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "default",
        "do",
        "else",
        "enum",
        "extends",
        "false",
        "final",
        "finally",
        "for",
        "if",
        "in",
        "is",
        "new",
        "null",
        "rethrow",
        "return",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "var",
        "void",
        "when",
        "while",
        "with",
    }
)
"""Words that cannot name a field in Dart; such a field gets an underscore behind its name."""
OWN_MEMBERS = frozenset({"eventType", "schemaVersion", "toJson", "hashCode", "runtimeType"})
"""Names that every payload class has already."""
PREFACE = """// Written by `make gen` from the .proto files: change those.

/// The payload of an event: one class for each event type.
abstract class EventPayload {
  /// Base of the payload classes.
  const EventPayload();

  /// The name of the event type, for example "view".
  String get eventType;

  /// The version of the schema that this class was generated from.
  String get schemaVersion;

  /// The payload as JSON. Fields without a value are left out.
  Map<String, Object?> toJson();
}
"""
DEVICE_COMMENT = "The device that sends events."


def write_types(catalogue: Catalogue, comments: Comments) -> str:
    """Write the Dart file.

    Args:
        catalogue: the event types.
        comments: those of their messages and fields, by full name.
    """
    parts = [PREFACE]
    parts.extend(_payload_class(event_type, comments) for event_type in catalogue.types.values())
    device = Device.DESCRIPTOR.full_name
    body = "\n".join(_members("Device", catalogue.device, device, comments))
    parts.append(f"{_doc(DEVICE_COMMENT)}class Device {{\n{body}\n}}\n")
    parts.append(_versions(catalogue))
    parts.append(_currencies(catalogue))
    return "\n".join(parts)


def _payload_class(event_type: EventType, comments: Comments) -> str:
    """Write the class of one event type, named as its message: `ViewEvent`."""
    descriptor = event_type.message_class.DESCRIPTOR
    lines = [
        f"class {descriptor.name} extends EventPayload {{",
        *_members(descriptor.name, event_type.fields, descriptor.full_name, comments),
        "",
        "  @override",
        f"  String get eventType => '{event_type.name}';",
        "",
        "  @override",
        f"  String get schemaVersion => '{event_type.newest}';",
        "}",
    ]
    return _doc(comments[descriptor.full_name]) + "\n".join(lines) + "\n"


def _members(name: str, fields: Sequence[Field], message: str, comments: Comments) -> Iterator[str]:
    """Write the constructor, the fields and `toJson` of a class."""
    yield f"  /// Makes {'an' if name[0] in 'AEIOU' else 'a'} {name}."
    yield f"  const {name}({{"
    yield from (f"    {'required ' if _is_needed(field) else ''}this.{_name(field)}," for field in fields)
    yield "  });"
    for field in fields:
        yield ""
        yield _doc(_field_comment(field, comments[f"{message}.{field.name}"]), "  ").rstrip("\n")
        yield f"  final {TYPES[field.kind]}{'' if _is_needed(field) else '?'} {_name(field)};"
    yield ""
    yield from ("  /// The device as JSON.",) if name == "Device" else ("  @override",)
    yield "  Map<String, Object?> toJson() => {"
    for field in fields:
        condition = "" if _is_needed(field) else f"if ({_name(field)} != null) "
        yield f"        {condition}'{field.json_name}': {_name(field)},"
    yield "      };"


def _is_needed(field: Field) -> bool:
    """Return whether a caller must give the field: a currency has a default in the client."""
    return field.required and field.format != "CURRENCY"


def _name(field: Field) -> str:
    return f"{field.json_name}_" if field.json_name in RESERVED | OWN_MEMBERS else field.json_name


def _field_comment(field: Field, comment: str) -> str:
    notes = [comment]
    if field.unit:
        notes.append(f"In {field.unit}.")
    if field.allowed_values or field.known_values:
        word = "One of" if field.allowed_values else "Usually one of"
        notes.append(f"{word} {', '.join(f'`{value}`' for value in (*field.allowed_values, *field.known_values))}.")
    if field.required and not _is_needed(field):
        notes.append("The client's `defaultCurrency` if absent.")
    return " ".join(notes)


def _doc(text: str, indent: str = "") -> str:
    """Write a documentation comment, wrapped."""
    paragraphs = (textwrap.wrap(part, WIDTH - len(indent) - 4) for part in text.split("\n\n"))
    return f"{indent}///\n".join("".join(f"{indent}/// {line}\n" for line in lines) for lines in paragraphs)


def _versions(catalogue: Catalogue) -> str:
    lines = "".join(f"  '{name}': '{event_type.newest}',\n" for name, event_type in catalogue.types.items())
    comment = _doc("The newest schema version of each event type that this client knows.")
    return f"{comment}const Map<String, String> schemaVersions = {{\n{lines}}};\n"


def _currencies(catalogue: Catalogue) -> str:
    """Write which fields get the default currency."""
    fields = {
        name: [f"'{field.json_name}'" for field in event_type.fields if field.required and field.format == "CURRENCY"]
        for name, event_type in catalogue.types.items()
    }
    lines = "".join(f"  '{name}': [{', '.join(names)}],\n" for name, names in fields.items() if names)
    comment = _doc("The required currency fields of each event type that has one.")
    return f"{comment}const Map<String, List<String>> currencyFields = {{\n{lines}}};\n"


def main() -> None:
    """Print the file."""
    print(write_types(load_catalogue(), read_comments(Path(sys.argv[1]).read_bytes())), end="")


if __name__ == "__main__":
    main()
