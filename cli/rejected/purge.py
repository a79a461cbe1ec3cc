"""`analytics rejected purge`: delete rejected events."""

import click

from cli.client import admin_address_option, admin_stub, open_channel, translated_errors
from cli.rejected.filter import CALL_TIMEOUT_S, filter_options
from cli.rejected.list import STATES, list_rejected, print_reasons
from cli.render import count_text, open_console, print_json, print_line
from runtime.terminal import examples
from sociallive.analytics.v1.admin_service_pb2 import (
    ListRejectedEventsRequest,
    PurgeRejectedEventsRequest,
    PurgeRejectedEventsResponse,
    RejectedEventFilter,
)


@click.command(
    "purge",
    epilog=examples(
        "analytics rejected purge --replayed yes", "analytics rejected purge --reason INVALID_EVENT --to 2026-01-01"
    ),
)
@filter_options
@click.option(
    "--replayed",
    type=click.Choice(["no", "yes", "any"]),
    default="any",
    show_default=True,
    help="Only events that were replayed, or were not.",
)
@click.option("--all", "everything", is_flag=True, help="Delete all rejected events.")
@click.option("--dry-run", is_flag=True, help="Print what would be deleted and delete nothing.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@admin_address_option
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
    """Delete rejected events for good.

    Prints what the options choose, by reason, and asks before it deletes. The audit log keeps who deleted how many.
    """
    if replayed in STATES:
        only.replay_state = STATES[replayed]
    request = PurgeRejectedEventsRequest(filter=only, all=everything, dry_run=True)
    if dry_run or not yes:
        foreseen = purge(address, request)
        if not as_json:
            print_reasons(open_console(stderr=True), list_rejected(address, ListRejectedEventsRequest(filter=only), 1))
        if dry_run:
            _print(foreseen, "would be deleted", as_json=as_json)
            return
        click.confirm(f"Delete {_measured(foreseen)}? They cannot be restored", abort=True, err=True)
    request.dry_run = False
    _print(purge(address, request), "deleted", as_json=as_json)


def purge(address: str, request: PurgeRejectedEventsRequest) -> PurgeRejectedEventsResponse:
    """Purge in as many calls as it takes, and add their responses up.

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
