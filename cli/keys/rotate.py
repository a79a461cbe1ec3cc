"""`analytics keys rotate`: the successor of a key."""

from datetime import UTC, timedelta

import click

from cli.client import admin_address_option, key_stub, open_channel, translated_errors
from cli.keys.output import CALL_TIMEOUT_S, print_text
from cli.render import print_json
from runtime.terminal import examples
from sociallive.analytics.v1.key_service_pb2 import RotateKeyRequest


@click.command("rotate", epilog=examples("analytics keys rotate 1b2C3d4E > new.key"))
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap-hours",
    type=click.FloatRange(0, 2160),
    default=24.0,
    show_default=True,
    help="How long the old key can still be used.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@admin_address_option
def command(*, key_id: str, overlap_hours: float, as_json: bool, address: str) -> None:
    """Create a key with the same rights, and let the old one end.

    Give the new key to the caller before the old one ends. `analytics keys list` tells when the old one was last used.
    """
    request = RotateKeyRequest(key_id=key_id)
    request.overlap.FromTimedelta(timedelta(hours=overlap_hours))
    with translated_errors(address), open_channel(address) as channel:
        answer = key_stub(channel).RotateKey(request, timeout=CALL_TIMEOUT_S)
    if as_json:
        print_json(answer)
    else:
        print_text(answer.text, answer.key)
        click.echo(
            f"The old key {key_id} ends at {answer.old_expires_at.ToDatetime(UTC):%Y-%m-%d %H:%M} UTC.", err=True
        )
