"""Writes the typed part of the TypeScript clients from the event catalogue and the comments of the .proto files.

Usage: python -m tools.js_client DESCRIPTORS FOLDER, where DESCRIPTORS is what `buf build` wrote, and FOLDER is
clients/js/packages or takes its place.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from events.catalogue import load_catalogue
from events.event_type import Catalogue, EventType, Field, Kind
from tools.proto_comments import Comments, read_comments

EVENTS = Path("analytics/src/events.gen.ts")
HELPER = Path("analytics-node/src/helper.gen.ts")
HEADER = "// Written by `make gen` from the .proto files: change those.\n"
ENVELOPE = "sociallive.analytics.v1.Event"
DEVICE = "sociallive.analytics.v1.Device"
SET_BY_THE_CLIENT = frozenset({"event_id", "event_type", "schema_version", "sequence"})
"""Fields of the envelope that a client sets itself at `track()`."""
KINDS = {
    Kind.TEXT: "string",
    Kind.NUMBER: "number",
    Kind.INTEGER: "number",
    Kind.FLAG: "boolean",
    Kind.TEXTS: "readonly string[]",
    Kind.OBJECT: "Readonly<Record<string, Json>>",
}
JSON = """/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
"""
SCHEMAS = """/** The newest version of each type, and the name of the field that `defaultCurrency` fills. */
export const SCHEMAS: { readonly [T in EventType]: readonly [version: string, currency?: string] } = {"""
HELPER_PREFACE = """/** Tracks an event of a user; answers its id, or undefined if the event was refused. */
export type TrackFor = <T extends EventType>(userId: string, type: T, data: EventData[T]) => string | undefined;

/** Make one function for each event type. Required strings are arguments; the other fields are an object. */
export const makeHelper = (track: TrackFor) => ({"""


def write_events(catalogue: Catalogue, comments: Comments) -> str:
    """Write the payload types, the envelope, and the versions that a client sends."""
    parts = [HEADER, JSON, *(_interface(each, comments) for each in catalogue.types.values())]
    parts.append("\n".join(_lines_of("Device", DEVICE, catalogue.device, comments)) + "\n")
    envelope = [field for name, field in catalogue.envelope.items() if name not in SET_BY_THE_CLIENT]
    lines = _lines_of("Envelope", "", envelope, comments)
    parts.append("\n".join([*list(lines)[:-1], *_doc("The device.", 2), "  device?: Device | undefined;", "}"]) + "\n")
    fields = [f"  {each.name}: {_data_name(each)};" for each in catalogue.types.values()]
    parts.append(
        "\n".join(["/** The data of each event type. */", "export interface EventData {", *fields, "}"]) + "\n"
    )
    parts.append("/** The name of an event type. */\nexport type EventType = keyof EventData;\n")
    versions = [f"  {each.name}: {json.dumps(_schema(each))}," for each in catalogue.types.values()]
    parts.append("\n".join([SCHEMAS, *versions, "};"]) + "\n")
    return "\n".join(parts)


def write_helper(catalogue: Catalogue, comments: Comments) -> str:
    """Write `trackView(userId, contentType, contentId, more)` and its like for each event type."""
    names = ", ".join(_data_name(each) for each in catalogue.types.values())
    imports = f'import type {{ EventData, EventType, {names} }} from "@sociallive/analytics/core";\n'
    lines = [HELPER_PREFACE]
    for each in catalogue.types.values():
        lines += [*_doc(comments.get(each.message_class.DESCRIPTOR.full_name, ""), 2), *_method(each)]
    return "\n".join([HEADER, imports, *lines, "});"]) + "\n"


def _method(event_type: EventType) -> Iterator[str]:
    data, name = _data_name(event_type), f"track{_title(event_type.name)}"
    required = [field for field in event_type.fields if field.required and not _has_default(field)]
    if any(field.kind is not Kind.TEXT for field in required):
        yield f"  {name}: (userId: string, data: {data}) =>"
        yield f'    track(userId, "{event_type.name}", data),'
        return
    names = [field.json_name for field in required]
    arguments = "".join(f", {each}: {data}[{json.dumps(each)}]" for each in names)
    left_out = " | ".join(json.dumps(each) for each in names) or "never"
    yield f"  {name}: (userId: string{arguments}, more?: Omit<{data}, {left_out}>) =>"
    yield f'    track(userId, "{event_type.name}", {{ {", ".join(["...more", *names])} }}),'


def _interface(event_type: EventType, comments: Comments) -> str:
    message = event_type.message_class.DESCRIPTOR.full_name
    return "\n".join(_lines_of(_data_name(event_type), message, event_type.fields, comments)) + "\n"


def _lines_of(name: str, message: str, fields: Sequence[Field], comments: Comments) -> Iterator[str]:
    """Write an interface with a comment for each field; without `message` it is the envelope."""
    yield from _doc(comments.get(message, "The fields that all events share, beside those that the client sets."), 0)
    yield f"export interface {name} {{"
    for field in fields:
        yield from _doc(" ".join(_sentences(field, comments.get(f"{message or ENVELOPE}.{field.name}", ""))), 2)
        optional = not field.required or _has_default(field)
        kind = f"?: {_type(field)} | undefined;" if optional else f": {_type(field)};"
        yield f"  {field.json_name}{kind}"
    yield "}"


def _sentences(field: Field, comment: str) -> Iterator[str]:
    yield from filter(None, [comment])
    if field.unit:
        yield f"In {field.unit}."
    if field.minimum is not None and field.maximum is not None:
        yield f"{field.minimum:,.10g} to {field.maximum:,.14g}."
    if _has_default(field):
        yield "Default: the client's `defaultCurrency`."


def _type(field: Field) -> str:
    if field.allowed_values:
        return " | ".join(json.dumps(value) for value in field.allowed_values)
    if field.known_values:
        # Editors complete the usual values, and any other string is accepted.
        return " | ".join([*(json.dumps(value) for value in field.known_values), "(string & {})"])
    return KINDS[field.kind]


def _schema(event_type: EventType) -> list[str]:
    return [event_type.newest, *(field.json_name for field in event_type.fields if _has_default(field))]


def _has_default(field: Field) -> bool:
    return field.required and field.format == "CURRENCY"


def _data_name(event_type: EventType) -> str:
    return f"{_title(event_type.name)}Data"


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _doc(text: str, indent: int) -> Iterator[str]:
    if text:
        yield f"{' ' * indent}/** {' '.join(text.split()).replace('*/', '* /')} */"


def write_files(catalogue: Catalogue, comments: Comments, folder: Path) -> None:
    """Write both files below `folder`, which stands for clients/js/packages."""
    for path, text in ((EVENTS, write_events(catalogue, comments)), (HELPER, write_helper(catalogue, comments))):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def main() -> None:
    """Write the files."""
    write_files(load_catalogue(), read_comments(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
