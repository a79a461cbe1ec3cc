"""`analytics keys list`: the keys, newest first."""

import click

from cli.client import admin_address_option, key_stub, open_channel, translated_errors
from cli.keys.output import CALL_TIMEOUT_S, print_keys
from cli.render import print_json
from runtime.terminal import examples
from sociallive.analytics.v1.key_service_pb2 import ListKeysRequest


@click.command("list", epilog=examples("analytics keys list", "analytics keys list --all --json"))
@click.option("--all", "include_ended", is_flag=True, help="Revoked and expired keys, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@admin_address_option
def command(*, include_ended: bool, as_json: bool, address: str) -> None:
    """Print the keys, without their texts, and when each was last used."""
    with translated_errors(address), open_channel(address) as channel:
        answer = key_stub(channel).ListKeys(ListKeysRequest(include_ended=include_ended), timeout=CALL_TIMEOUT_S)
    if as_json:
        print_json(answer)
    else:
        print_keys(list(answer.keys))
