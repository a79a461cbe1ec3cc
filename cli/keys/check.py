"""`analytics keys check`: whether the service takes a key."""

import sys

import click
import grpc

from cli.client import CallError, address_option, given_key, open_channel, schema_stub, translated_errors
from cli.keys.output import CALL_TIMEOUT_S
from cli.main import EXIT_FAILED
from runtime.terminal import examples
from server.access.key_text import PREFIX, parse_key
from sociallive.analytics.v1.schema_service_pb2 import ListSchemasRequest


@click.command("check", epilog=examples("ANALYTICS_KEY_FILE=admin.key analytics keys check"))
@address_option
def command(*, address: str) -> None:
    """Tell whether the service takes the key.

    Exits with 1 if the service refuses it, and if it needs a key and none was given. Nothing is changed.
    """
    key = given_key()
    parsed = parse_key(key)
    if key.startswith(PREFIX) and parsed is None:
        click.echo("The key is mistyped or incomplete: its checksum is wrong.", err=True)
        sys.exit(EXIT_FAILED)
    name = f"key {parsed.id}" if parsed else "token" if key else "caller without a key"
    try:
        with translated_errors(address), open_channel(address) as channel:
            schema_stub(channel).ListSchemas(ListSchemasRequest(), timeout=CALL_TIMEOUT_S)
    except CallError as exc:
        # A key that lacks the scope of this call is a good key.
        if exc.code is grpc.StatusCode.UNAUTHENTICATED:
            click.echo(f"The service at {address} refuses this {name}.", err=True)
            sys.exit(EXIT_FAILED)
        if exc.code is not grpc.StatusCode.PERMISSION_DENIED:
            raise
    click.echo(f"The service at {address} accepts this {name}.")
