"""`analytics rejected purge`: delete rejected events."""

import click

from server.cli.client import address_option, admin_stub, open_channel, translated_errors
from server.cli.rejected_filter import CALL_TIMEOUT_S, filter_options
from server.cli.rejected_list import STATES
from server.cli.render import count_text, open_console, print_json, print_line
from sociallive.analytics.v1.admin_service_pb2 import (
    PurgeRejectedEventsRequest,
    PurgeRejectedEventsResponse,
    RejectedEventFilter,
)


@click.command("purge")
@filter_options
@click.option(
    "--replayed", type=click.Choice(["no", "yes", "any"]), default="any", show_default=True, help="Whether replayed."
)
@click.option("--all", "everything", is_flag=True, help="Delete all there are.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@address_option
def command(
    *,
    only: RejectedEventFilter,
    replayed: str,
    everything: bool,
    dry_run: bool,
    yes: bool,
    address: str,
    as_json: bool,
) -> None:
    """Delete rejected events for ever, after telling how many they are and asking."""
    if replayed in STATES:
        only.replay_state = STATES[replayed]
    request = PurgeRejectedEventsRequest(filter=only, all=everything, dry_run=True)
    if dry_run or not yes:
        foreseen = purge(address, request)
        if dry_run:
            _print(foreseen, "would be deleted", as_json=as_json)
            return
        click.confirm(f"Delete {_measured(foreseen)} for ever?", abort=True, err=True)
    request.dry_run = False
    _print(purge(address, request), "deleted", as_json=as_json)


def purge(address: str, request: PurgeRejectedEventsRequest) -> PurgeRejectedEventsResponse:
    """Purge in as many calls as it takes, and add their answers up.

    Raises:
        CallError: the service cannot be reached, or refuses; what was deleted until then is.
    """
    total = PurgeRejectedEventsResponse(unfinished=True)
    with translated_errors(address), open_channel(address) as channel:
        while total.unfinished:
            part = admin_stub(channel).PurgeRejectedEvents(request, timeout=CALL_TIMEOUT_S)
            total.rows += part.rows
            total.events += part.events
            total.bytes += part.bytes
            total.unfinished = part.unfinished
    return total


def _print(answer: PurgeRejectedEventsResponse, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        print_line(open_console(), f"{_measured(answer)} {what}.")


def _measured(answer: PurgeRejectedEventsResponse) -> str:
    rows = "1 row" if answer.rows == 1 else f"{count_text(answer.rows)} rows"
    return f"{rows} ({count_text(answer.events)} events, {count_text(answer.bytes)} bytes)"
