"""`analytics schemas show`: the fields of one version of an event type, or its JSON Schema."""

from collections.abc import Iterator, Mapping
from typing import Any

import click
import orjson
from google.protobuf import json_format
from rich.console import Console

from cli.client import address_option, open_channel, schema_stub, translated_errors
from cli.render import open_console, print_line, print_table
from cli.schemas.list import SCHEMA_TIMEOUT_S
from runtime.terminal import examples
from sociallive.analytics.v1.schema_service_pb2 import GetSchemaRequest, GetSchemaResponse

COLUMNS = ("Field", "Kind", "Required", "Rules")
MOST_SHOWN_VALUES = 12
"""An enumeration longer than this, such as all currencies, is counted."""


@click.command(
    "show",
    epilog=examples(
        "analytics schemas show view",
        "analytics schemas show view 1.0.0",
        "analytics schemas show purchase --json > purchase.schema.json",
    ),
)
@click.argument("event_type", metavar="TYPE")
@click.argument("version", metavar="[VERSION]", default="")
@address_option
@click.option("--json", "as_json", is_flag=True, help="Print only the JSON Schema (2020-12).")
def command(event_type: str, version: str, address: str, *, as_json: bool) -> None:
    """Show the fields of an event type.

    VERSION is a version of the type as `schemas list` prints it; the newest by default.
    """
    request = GetSchemaRequest(event_type=event_type, version=version)
    with open_channel(address) as channel, translated_errors(address):
        answer = schema_stub(channel).GetSchema(request, timeout=SCHEMA_TIMEOUT_S)
    if as_json:
        # Sorted, because the members of a Struct come in any order: two exports should not differ.
        option = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
        click.echo(orjson.dumps(json_format.MessageToDict(answer.json_schema), option=option))
    else:
        print_schema(open_console(), answer)


def print_schema(console: Console, answer: GetSchemaResponse) -> None:
    """Print a version's dates and a table of what its `data` and its envelope may hold."""
    schema, version = json_format.MessageToDict(answer.json_schema), answer.schema
    print_line(console, f"{version.event_type} {version.version}{', the newest' if version.newest else ''}", "bold")
    dates = {
        "released": version.release_date,
        "deprecated": version.deprecation_date,
        "refused from": version.sunset_date,
    }
    print_line(console, ", ".join(f"{what} {day}" for what, day in dates.items() if day), "dim")
    definitions = schema["$defs"]
    forms = {"data", version.event_type}
    envelope = {name: inner for name, inner in schema["properties"].items() if name not in forms}
    print_table(console, "data", COLUMNS, _rows(definitions["payload"]))
    shared = {"properties": envelope, "required": schema["required"]}
    print_table(console, "Beside it", COLUMNS, _rows(shared))
    if "device" in definitions:
        print_table(console, "device", COLUMNS, _rows(definitions["device"]))


def _rows(schema: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Make a row for each property that callers may send: the required ones first, then by name."""
    properties = schema["properties"]
    names = sorted(properties, key=lambda name: (name not in schema["required"], name))
    return [
        (
            name,
            _kind(properties[name]),
            "yes" if name in schema["required"] else "",
            "; ".join(_rules(properties[name])),
        )
        for name in names
        if not properties[name].get("readOnly")
    ]


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object" if "$ref" in schema else "string")
    return kind if isinstance(kind, str) else str(kind[0])


def _rules(schema: Mapping[str, Any]) -> Iterator[str]:
    """Say the rules of one property in a few words each."""
    if "const" in schema:
        yield f"always {schema['const']}"
    low, high = (schema.get(name) for name in ("minimum", "maximum"))
    if low is not None or high is not None:
        bounds = " to ".join(f"{bound:,.17g}" for bound in (low, high) if bound is not None)
        yield bounds if None not in (low, high) else f"{'at least' if high is None else 'at most'} {bounds}"
    if "description" in schema:
        yield str(schema["description"]).lower().rstrip(".")
    if "enum" in schema:
        values = schema["enum"]
        yield f"one of {', '.join(values)}" if len(values) <= MOST_SHOWN_VALUES else f"one of {len(values)} values"
    elif "format" in schema or "anyOf" in schema:
        yield " or ".join(form["format"] for form in schema.get("anyOf", [schema]))
    elif "maxLength" in schema:
        yield f"at most {schema['maxLength']:,.0f} characters"
    for keyword, noun in (("maxItems", "items"), ("maxProperties", "keys")):
        if keyword in schema:
            yield f"at most {schema[keyword]:,.0f} {noun}"
    if "examples" in schema:
        yield f"such as {', '.join(schema['examples'])}"
