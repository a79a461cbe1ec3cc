"""`analytics schemas list`: every event type and its versions."""

import click

from cli.client import address_option, open_channel, schema_stub, translated_errors
from cli.render import NOTHING, open_console, print_json, print_table
from runtime.terminal import examples
from sociallive.analytics.v1.schema_service_pb2 import ListSchemasRequest

SCHEMA_TIMEOUT_S = 10.0
"""The service answers about its schemas from memory."""
COLUMNS = ("Type", "Version", "Released", "Deprecated", "Sunset", "")


@click.command("list", epilog=examples("analytics schemas list"))
@address_option
@click.option("--json", "as_json", is_flag=True, help="Print the response as one JSON document.")
def command(address: str, *, as_json: bool) -> None:
    """List every event type and its versions.

    Events of a deprecated version are accepted until its sunset.
    """
    with open_channel(address) as channel, translated_errors(address):
        answer = schema_stub(channel).ListSchemas(ListSchemasRequest(), timeout=SCHEMA_TIMEOUT_S)
    if as_json:
        print_json(answer)
        return
    rows = [
        (
            schema.event_type,
            schema.version,
            schema.release_date,
            schema.deprecation_date or NOTHING,
            schema.sunset_date or NOTHING,
            "newest" if schema.newest else "",
        )
        for schema in answer.schemas
    ]
    print_table(open_console(), "Event types", COLUMNS, rows)
