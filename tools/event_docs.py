"""Writes docs/events.md from the event catalogue and the comments of the .proto files.

Usage: python -m tools.event_docs DESCRIPTORS > docs/events.md, where DESCRIPTORS is what `buf build` wrote.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from events.catalogue import load_catalogue
from events.event_type import UNLIMITED, WIRE_MAX_DEPTH, Catalogue, EventType, Field, Kind
from events.rules.field_rules import plain_number
from runtime.settings import Settings
from sociallive.analytics.v1.event_pb2 import Event
from tools.proto_comments import Comments, read_comments

NOTHING = "-"
FORMATS = {
    "UUID": ("a UUID", "01890a5d-ac96-774b-bcce-b302099a8057"),
    "CURRENCY": ("an active ISO 4217 code", "USD"),
    "IP_ADDRESS": ("an IPv4 or IPv6 address", "203.0.113.7"),
    "VERSION": ("a version of three numbers", "1.1.0"),
}
"""Each format in words, and an example of it."""
OTHER_KINDS = {
    "google.protobuf.Timestamp": "an ISO 8601 time with its offset",
    "google.protobuf.Struct": "an object, as below for each type",
    "sociallive.analytics.v1.Device": "an object, see below",
}
"""What the envelope holds beside strings and numbers, by the full name of its message."""
SUNSET_DAYS = Settings().schema_sunset_days
USUAL_NUMBER = 45
"""Stands in examples where the bounds allow it."""
EXAMPLE_IN_COMMENT = re.compile(r'for example "([^"]+)"')

PREFACE = """# Events

<!-- Written by `make gen` from the .proto files: change those. -->

An event is JSON (or the equivalent protobuf message) with an envelope that all events share, and the payload of its
type:

```json
{"eventType": "view", "userId": "user-1", "data": {"contentType": "post", "contentId": "post-123"}}
```

The typed form `{"userId": "user-1", "view": {"contentType": "post", "contentId": "post-123"}}` means the same; give one
of the two. A field marked `*` is required. "Since" names the first version that has the field: an event of an older
version must leave it out. Every limit is inclusive, and strings are measured in characters (Unicode code points). An
unknown field is refused, and the error names it.

`analytics schemas show view --json` prints the JSON Schema of a type, and `analytics schemas validate events.ndjson`
lists the problems of events before they are sent.

Events of a deprecated version are accepted with a warning until its sunset, and refused from that day on: {SUNSET_DAYS}
days after the deprecation, unless the service sets `ANALYTICS_SCHEMA_SUNSET_DAYS`.

A free object holds any JSON: strings, numbers, true and false, null, lists and objects. Its limits apply to every
string, key, list and object in it.
"""


def write_document(catalogue: Catalogue, comments: Comments) -> str:
    """Write the whole document."""
    event = Event.DESCRIPTOR.full_name
    device = Event.DESCRIPTOR.fields_by_name["device"].message_type
    assert device is not None  # noqa: S101 - the catalogue would not have loaded
    lines = [PREFACE.replace("{SUNSET_DAYS}", str(SUNSET_DAYS)), "## The envelope", ""]
    lines += [*_table(tuple(catalogue.envelope.values()), event, comments), *_other_rows(catalogue, event, comments)]
    since = f" Since {catalogue.device_since}." if catalogue.device_since else ""
    lines += ["", "### `device`", "", comments[device.full_name] + since, ""]
    lines += _table(catalogue.device, device.full_name, comments)
    for event_type in catalogue.types.values():
        lines += ["", *_type_section(event_type, comments)]
    return "\n".join(lines) + "\n"


def _type_section(event_type: EventType, comments: Comments) -> Iterator[str]:
    message = event_type.message_class.DESCRIPTOR.full_name
    yield from (f"## `{event_type.name}`", "", comments[message], "")
    yield from _table(event_type.fields, message, comments)
    yield from ("", "| version | released | deprecated | sunset |", "| --- | --- | --- | --- |")
    for version in event_type.versions:
        deprecated, sunset = version.deprecated or NOTHING, version.sunset(SUNSET_DAYS) or NOTHING
        yield f"| {version.version} | {version.released} | {deprecated} | {sunset} |"
    yield from ("", "```json", json.dumps(example_of(event_type, comments), indent=2, ensure_ascii=False), "```")


def _table(fields: Sequence[Field], message: str, comments: Comments) -> Iterator[str]:
    """Write a message's fields as a table, one a row."""
    yield "| JSON name | proto name | kind | since | rules | meaning |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for field in fields:
        json_name = f"`{field.json_name}`" + ("\\*" if field.required else "")
        rules = "; ".join(_rules(field))
        yield _row(json_name, field.name, _kind(field), field.since, rules, comments[f"{message}.{field.name}"])


def _other_rows(catalogue: Catalogue, event: str, comments: Comments) -> Iterator[str]:
    """Write the rows of what the envelope has beside the catalogue's fields: messages, and an enum on reads."""
    for field in Event.DESCRIPTOR.fields:
        if field.name in catalogue.envelope or field.name in catalogue.types:
            continue
        kind = OTHER_KINDS[field.message_type.full_name] if field.message_type is not None else "a string"
        since = catalogue.device_since if field.name == "device" else ""
        yield _row(f"`{field.json_name}`", field.name, kind, since, "", comments[f"{event}.{field.name}"])


def _row(json_name: str, name: str, kind: str, since: str, rules: str, meaning: str) -> str:
    cells = (json_name, f"`{name}`", kind, since or NOTHING, rules or NOTHING, _cell(meaning))
    return f"| {' | '.join(cells)} |"


def _kind(field: Field) -> str:
    kind = "a free object" if field.kind is Kind.OBJECT else field.kind.value
    return f"{kind}, in {field.unit}" if field.unit else kind


def _rules(field: Field) -> Iterator[str]:
    """Say each rule of a field in a few words."""
    if field.minimum is not None or field.maximum is not None:
        low, high = (None if bound is None else f"{plain_number(bound):,}" for bound in (field.minimum, field.maximum))
        yield f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"
    if field.allowed_values:
        yield f"one of {_codes(field.allowed_values)}"
    if field.format:
        yield FORMATS[field.format][0]
    elif field.max_length != UNLIMITED and not field.allowed_values:
        yield f"at most {field.max_length:,} characters" + ("" if field.kind is Kind.TEXT else " per string")
    if field.max_items != UNLIMITED:
        yield f"at most {field.max_items} " + ("items" if field.kind is Kind.TEXTS else "keys or items")
    if field.max_depth != WIRE_MAX_DEPTH:
        yield f"at most {field.max_depth} levels deep"
    if field.known_values:
        yield f"usually {_codes(field.known_values)}; others are accepted"


def _codes(texts: Sequence[str]) -> str:
    return ", ".join(f"`{_cell(text)}`" for text in texts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def example_of(event_type: EventType, comments: Comments) -> dict[str, Any]:
    """Make a valid event of the newest version, with every field that is not free-form."""
    message = event_type.message_class.DESCRIPTOR.full_name
    data = {
        field.json_name: _example_value(field, comments[f"{message}.{field.name}"])
        for field in event_type.fields
        if field.kind is not Kind.OBJECT or field.required
    }
    envelope = {"eventType": event_type.name, "schemaVersion": event_type.newest, "userId": "user-1"}
    return envelope | {"data": data}


def _example_value(field: Field, comment: str) -> Any:
    match field.kind:
        case Kind.TEXT:
            return _example_text(field, comment)
        case Kind.TEXTS:
            return ["first", "second"][: field.max_items]
        case Kind.FLAG:
            return True
        case Kind.OBJECT:
            return {}
        case _:
            low = -USUAL_NUMBER if field.minimum is None else field.minimum
            high = 2 * USUAL_NUMBER if field.maximum is None else field.maximum
            if low <= USUAL_NUMBER <= high:
                return USUAL_NUMBER
            middle = low + (high - low) / 2
            return int(low) if field.kind is Kind.INTEGER else plain_number(middle)


def _example_text(field: Field, comment: str) -> str:
    """Take the first of: a value that the rules name, the example of the comment, the field's name with a number."""
    named = EXAMPLE_IN_COMMENT.search(comment)
    candidates = (*field.allowed_values[:1], *field.known_values[:1])
    if field.format:
        return FORMATS[field.format][1]
    if candidates:
        return candidates[0]
    return named[1] if named else f"{field.name.removesuffix('_id')}-1"[: field.max_length]


def main() -> None:
    """Print the document."""
    print(write_document(load_catalogue(), read_comments(Path(sys.argv[1]).read_bytes())), end="")


if __name__ == "__main__":
    main()
