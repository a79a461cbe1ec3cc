"""`analytics report events`: stored events, newest first."""

from zoneinfo import ZoneInfo

import click
import orjson
from google.protobuf import json_format
from rich.console import Console

from server.cli.client import address_option, analytics_stub, open_channel, translated_errors
from server.cli.render import NOTHING, local_time, open_console, print_heading, print_json, print_line, print_table
from server.cli.report_scope import REPORT_TIMEOUT_S, ScopeOptions, scope_options
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest, ListEventsResponse
from sociallive.analytics.v1.event_pb2 import Event

PAGE_SIZE = 1000
"""The most that one page may hold."""
DEFAULT_LIMIT = 20
"""What fits a terminal."""
MOST_EVENTS = 1_000_000
"""The answer is held in memory; a full export is another job."""


@click.command("events")
@scope_options
@click.option("--type", "event_type", default="", metavar="TYPE", help="Only events of this type, as in `view`.")
@click.option("--user", "user_id", default="", metavar="ID", help="Only events of this user.")
@click.option("--session", "session_id", default="", metavar="ID", help="Only events of this session.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_EVENTS),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="How many at most, over as many pages as it takes.",
)
@address_option
def command(
    *, scope: ScopeOptions, event_type: str, user_id: str, session_id: str, limit: int, address: str, as_json: bool
) -> None:
    """Print stored events, newest first.

    Without a range it shows the last 24 hours.
    """
    request = ListEventsRequest(**scope.fields(), event_type=event_type, user_id=user_id, session_id=session_id)
    answer = list_events(address, request, limit)
    if as_json:
        print_json(answer)
    else:
        print_events(open_console(), answer)


def list_events(address: str, request: ListEventsRequest, limit: int) -> ListEventsResponse:
    """Ask for up to `limit` events, page by page.

    Returns:
        One answer that holds the events of all pages, and the token of the page that would follow.

    Raises:
        CallError: the service cannot be reached, or refuses the question.
    """
    answer = ListEventsResponse()
    question = ListEventsRequest()
    question.CopyFrom(request)
    with translated_errors(address), open_channel(address) as channel:
        stub = analytics_stub(channel)
        while True:
            question.page_size = min(PAGE_SIZE, limit - len(answer.events))
            question.page_token = answer.next_page_token
            page = stub.ListEvents(question, timeout=REPORT_TIMEOUT_S)
            if not answer.HasField("info"):
                answer.info.CopyFrom(page.info)
            answer.events.extend(page.events)
            answer.next_page_token = page.next_page_token
            if not page.next_page_token or len(answer.events) >= limit:
                return answer


def print_events(console: Console, answer: ListEventsResponse) -> None:
    """Print the events as a table, one a line."""
    print_heading(console, "Events", answer.info)
    zone = ZoneInfo(answer.info.time_zone or "UTC")
    rows = [
        [
            f"{local_time(event.timestamp, zone):%Y-%m-%d %H:%M:%S}",
            event.event_type,
            event.user_id or NOTHING,
            event.session_id or NOTHING,
            payload_text(event),
        ]
        for event in answer.events
    ]
    if not rows:
        print_line(console, "No events.")
        return
    print_table(console, "", ["Time", "Type", "User", "Session", "Payload"], rows)
    if answer.next_page_token:
        print_line(console, f"These are the newest {len(rows):,}; --limit shows more.", "dim")


def payload_text(event: Event) -> str:
    """Write an event's payload in one line: "productId=cd amount=11.77"."""
    kind = event.WhichOneof("payload")
    if kind is None:
        return ""
    payload = json_format.MessageToDict(getattr(event, kind))
    return " ".join(
        f"{name}={value if isinstance(value, str) else orjson.dumps(value).decode()}" for name, value in payload.items()
    )
