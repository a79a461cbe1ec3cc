"""`analytics rejected show`: one rejected event with its payload."""

from zoneinfo import ZoneInfo

import click
from google.protobuf import json_format
from rich.console import Console

from cli.client import admin_address_option, admin_stub, open_channel, translated_errors
from cli.rejected.filter import CALL_TIMEOUT_S
from cli.rejected.list import state_text
from cli.render import (
    NOTHING,
    count_text,
    local_time,
    open_console,
    print_json,
    print_line,
    print_table,
    printable,
)
from runtime.terminal import examples
from sociallive.analytics.v1.admin_service_pb2 import GetRejectedEventRequest, GetRejectedEventResponse

UTC = ZoneInfo("UTC")
JSON = "application/json"
"""The payload type of an event that was sent as JSON."""


@click.command("show", epilog=examples("analytics rejected show 01890a5d-ac96-774b-bcce-b302099a8057"))
@click.argument("rejection_id")
@click.option("--json", "as_json", is_flag=True, help="Print the response as one JSON document.")
@admin_address_option
def command(*, rejection_id: str, address: str, as_json: bool) -> None:
    """Print one rejected event with its payload.

    Also prints why it was rejected and the outcome of its newest replay. REJECTION_ID is as `rejected list` prints it.
    """
    with translated_errors(address), open_channel(address) as channel:
        answer = admin_stub(channel).GetRejectedEvent(
            GetRejectedEventRequest(rejection_id=rejection_id), timeout=CALL_TIMEOUT_S
        )
    if as_json:
        print_json(answer)
    else:
        print_one(open_console(), answer)


def print_one(console: Console, answer: GetRejectedEventResponse) -> None:
    """Print the event's attributes, its violations, and its payload as JSON: the original if it was sent as JSON."""
    event = answer.rejected_event
    facts = {
        "Rejection": event.rejection_id,
        "Received": f"{local_time(event.received_at, UTC):%Y-%m-%d %H:%M:%S.%f} UTC",
        "Reason": event.reason,
        "Source": event.source,
        "Event id": event.event_id or NOTHING,
        "Type": event.event_type or NOTHING,
        "Bytes": count_text(event.payload_bytes),
        "Replay": state_text(event),
    }
    print_table(console, "", ["", " "], [[name, text] for name, text in facts.items()])
    for title, violations in (("What is wrong", event.violations), ("The newest replay", event.last_replay.violations)):
        rows = [[each.field, each.rule, each.description] for each in violations]
        print_table(console, title, ["Field", "Rule", "Description"], rows)
    print_line(console, "")
    if answer.payload_type == JSON:
        for line in answer.payload.decode("utf-8", "backslashreplace").splitlines():
            click.echo(printable(line.expandtabs()))
    elif answer.HasField("event"):
        click.echo(json_format.MessageToJson(answer.event, ensure_ascii=True))
    else:
        print_line(console, "Its payload is not kept.")
