"""`analytics rejected list`: rejected events, newest first, and how many there are by reason."""

from zoneinfo import ZoneInfo

import click
from rich.console import Console

from cli.client import admin_address_option, admin_stub, open_channel, translated_errors
from cli.rejected.filter import CALL_TIMEOUT_S, filter_options, violations_text
from cli.render import NOTHING, count_text, local_time, open_console, print_json, print_line, print_table
from runtime.terminal import examples
from sociallive.analytics.v1.admin_service_pb2 import (
    ListRejectedEventsRequest,
    ListRejectedEventsResponse,
    RejectedEvent,
    RejectedEventFilter,
    ReplayState,
    ReplayStatus,
)

PAGE_SIZE = 1_000
"""The most that one page may hold."""
DEFAULT_LIMIT = 20
"""What fits a terminal."""
MOST_REJECTED = 100_000
"""One document is held in memory."""
STATES = {"no": ReplayState.REPLAY_STATE_WAITING, "yes": ReplayState.REPLAY_STATE_REPLAYED}


@click.command(
    "list", epilog=examples("analytics rejected list", "analytics rejected list --reason INVALID_EVENT --timeframe 24h")
)
@filter_options
@click.option(
    "--replayed",
    type=click.Choice(["no", "yes", "any"]),
    default="any",
    show_default=True,
    help="Only events that were replayed, or were not.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_REJECTED),
    default=DEFAULT_LIMIT,
    show_default=True,
    metavar="N",
    help="Maximum number of events to print.",
)
@admin_address_option
def command(*, only: RejectedEventFilter, replayed: str, limit: int, address: str, as_json: bool) -> None:
    """Print rejected events, newest first, and counts by reason.

    Without a range it shows all of them. Only `rejected show` prints payloads.
    """
    if replayed in STATES:
        only.replay_state = STATES[replayed]
    answer = list_rejected(address, ListRejectedEventsRequest(filter=only), limit)
    if as_json:
        print_json(answer)
    else:
        print_rejected(open_console(), answer, ZoneInfo(only.time_zone or "UTC"))


def list_rejected(address: str, question: ListRejectedEventsRequest, limit: int) -> ListRejectedEventsResponse:
    """Ask for up to `limit` rejected events, page by page, and put them into one response.

    Raises:
        CallError: the service cannot be reached, or refuses the question.
    """
    answer = ListRejectedEventsResponse()
    with translated_errors(address), open_channel(address) as channel:
        stub = admin_stub(channel)
        while limit > 0:
            question.page_size = min(PAGE_SIZE, limit)
            page = stub.ListRejectedEvents(question, timeout=CALL_TIMEOUT_S)
            limit -= len(page.rejected_events)
            answer.rejected_events.extend(page.rejected_events)
            answer.counts.extend(page.counts)
            answer.next_page_token = question.page_token = page.next_page_token
            if not page.next_page_token:
                break
    return answer


def print_rejected(console: Console, answer: ListRejectedEventsResponse, zone: ZoneInfo) -> None:
    """Print the counts and the events as tables."""
    if not answer.rejected_events:
        print_line(console, "No rejected events.")
        return
    print_reasons(console, answer)
    rows = [
        [
            each.rejection_id,
            f"{local_time(each.received_at, zone):%Y-%m-%d %H:%M:%S}",
            each.reason,
            each.event_type or NOTHING,
            state_text(each),
            violations_text(each.violations) or NOTHING,
        ]
        for each in answer.rejected_events
    ]
    columns = ["Rejection", f"Received ({zone.key})", "Reason", "Type", "Replay", "What is wrong"]
    print_table(console, "Newest", columns, rows, elastic=frozenset({"Type", "Replay"}))
    if answer.next_page_token:
        print_line(console, f"These are the newest {len(rows):,}; --limit shows more.", "dim")


def print_reasons(console: Console, answer: ListRejectedEventsResponse) -> None:
    """Print how many events were rejected for each reason."""
    counts = [[each.reason, count_text(each.events), count_text(each.replayable)] for each in answer.counts]
    columns = ["Reason", "Events", "Replayable"]
    print_table(console, "Rejected events by reason", columns, counts, numbers=frozenset(columns[1:]))


def state_text(event: RejectedEvent) -> str:
    """Return the outcome of the newest replay, or why the event cannot be replayed."""
    if event.event_count > 1:
        return f"counted, {count_text(event.event_count)} events"
    if event.HasField("replayed_at"):
        return "stored" if event.last_replay.status == ReplayStatus.REPLAY_STATUS_STORED else "duplicate"
    if not event.payload_kept:
        return "payload not kept"
    return f"failed, {event.last_replay.reason}" if event.HasField("last_replay") else "waits"
