"""`analytics keys revoke`: end a key."""

import click

from cli.client import admin_address_option, key_stub, open_channel, translated_errors
from cli.keys.output import CALL_TIMEOUT_S
from runtime.terminal import examples
from sociallive.analytics.v1.key_service_pb2 import RevokeKeyRequest


@click.command("revoke", epilog=examples("analytics keys revoke 1b2C3d4E"))
@click.argument("key_id", metavar="ID")
@admin_address_option
def command(*, key_id: str, address: str) -> None:
    """Revoke a key.

    Within 5 seconds all servers refuse it and end its streams.

    A revoked key cannot be used again. To replace a key without a gap, use `analytics keys rotate`.
    """
    with translated_errors(address), open_channel(address) as channel:
        key = key_stub(channel).RevokeKey(RevokeKeyRequest(key_id=key_id), timeout=CALL_TIMEOUT_S).key
    click.echo(f"Key {key.key_id} ({key.rules.name}) is revoked.")
