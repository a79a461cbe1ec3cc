"""`analytics report events`: stored events, newest first."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import click
import orjson
from google.protobuf import json_format
from rich.console import Console

from cli.client import address_option, analytics_stub, open_channel, translated_errors
from cli.render import (
    NOTHING,
    local_time,
    open_console,
    print_footing,
    print_heading,
    print_json,
    print_line,
    print_table,
)
from cli.scope import REPORT_TIMEOUT_S, ScopeOptions, scope_options
from runtime.terminal import examples
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest, ListEventsResponse
from sociallive.analytics.v1.event_pb2 import Event

PAGE_SIZE = 1000
"""The most that one page may hold."""
DEFAULT_LIMIT = 20
"""What fits a terminal."""
MOST_EVENTS = 1_000_000
"""One document is held in memory; larger exports are written as --ndjson, page by page."""
SESSION_COLUMNS = 110
"""A terminal narrower than this shows no sessions: payloads would have no room beside them."""


@click.command(
    "events",
    epilog=examples(
        "analytics report events --type purchase --timeframe 24h",
        "analytics report events --ndjson --timeframe 7d > events.ndjson",
    ),
)
@scope_options
@click.option("--type", "event_type", default="", metavar="TYPE", help="Only events of this type, as in `view`.")
@click.option("--user", "user_id", default="", metavar="ID", help="Only events of this user.")
@click.option("--session", "session_id", default="", metavar="ID", help="Only events of this session.")
@click.option(
    "--filter",
    "filter_",
    default="",
    metavar="STEP",
    help="Only events that match, as in `purchase:amount>=20` or `:platform=web`.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help=f"Maximum number of events, over all pages.  [default: {DEFAULT_LIMIT}; with --ndjson all]",
)
@click.option(
    "--view",
    type=click.Choice(["raw", "upcast"]),
    default="raw",
    show_default=True,
    help="Each event in its own schema version, or all in the newest of their type.",
)
@click.option(
    "--ndjson", "as_lines", is_flag=True, help="Print only the events, one line of JSON each, as `import` reads them."
)
@address_option
def command(
    *,
    scope: ScopeOptions,
    event_type: str,
    user_id: str,
    session_id: str,
    filter_: str,
    limit: int | None,
    view: str,
    address: str,
    as_json: bool,
    as_lines: bool,
) -> None:
    """Print stored events, newest first.

    Without a range it shows the last 24 hours.
    """
    request = ListEventsRequest(
        **scope.fields(),
        event_type=event_type,
        user_id=user_id,
        session_id=session_id,
        filter=filter_,
        view=f"EVENT_VIEW_{view.upper()}",
    )
    if as_lines:
        if as_json:
            raise click.UsageError("--json prints one document, --ndjson one event per line; give one of them")
        print_lines(address, request, limit)
        return
    if limit is not None and limit > MOST_EVENTS:
        raise click.BadParameter(f"must be at most {MOST_EVENTS:,}, except with --ndjson", param_hint="--limit")
    answer = list_events(address, request, limit or DEFAULT_LIMIT)
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
    for page in list_pages(address, request, limit):
        if not answer.HasField("info"):
            answer.info.CopyFrom(page.info)
        answer.events.extend(page.events)
        answer.next_page_token = page.next_page_token
    return answer


def print_lines(address: str, request: ListEventsRequest, limit: int | None) -> None:
    """Print up to `limit` events as protobuf JSON, one a line; all where it is None. Holds one page at a time.

    Raises:
        CallError: the service cannot be reached, or refuses the question.
    """
    for page in list_pages(address, request, limit):
        lines = [json_format.MessageToJson(event, indent=None, ensure_ascii=False) for event in page.events]
        click.echo("".join(f"{line}\n" for line in lines), nl=False)


def list_pages(address: str, request: ListEventsRequest, limit: int | None) -> Iterator[ListEventsResponse]:
    """Ask page by page until there are `limit` events or no more; the next page is on its way while one is read.

    Raises:
        CallError: the service cannot be reached, or refuses the question.
    """
    question = ListEventsRequest()
    question.CopyFrom(request)
    left = limit
    with open_channel(address) as channel:
        stub = analytics_stub(channel)
        question.page_size = _size(left)
        coming = stub.ListEvents.future(question, timeout=REPORT_TIMEOUT_S)
        while True:
            with translated_errors(address):
                page = coming.result()
            question.page_token = page.next_page_token
            if left is not None:
                left -= len(page.events)
            if not page.next_page_token or left == 0:
                yield page
                return
            question.page_size = _size(left)
            coming = stub.ListEvents.future(question, timeout=REPORT_TIMEOUT_S)
            yield page


def _size(left: int | None) -> int:
    return PAGE_SIZE if left is None else min(PAGE_SIZE, left)


def print_events(console: Console, answer: ListEventsResponse) -> None:
    """Print the events as a table, one a line; on a narrow terminal without their sessions."""
    print_heading(console, "Events", answer.info)
    zone = ZoneInfo(answer.info.time_zone or "UTC")
    rows = [
        {
            "Time": f"{local_time(event.timestamp, zone):%Y-%m-%d %H:%M:%S}",
            "Type": event.event_type,
            "User": event.user_id or NOTHING,
            "Session": event.session_id or NOTHING,
            "Payload": payload_text(event),
        }
        for event in answer.events
    ]
    if not rows:
        print_line(console, "No events.")
        return
    columns = [
        name for name in rows[0] if name != "Session" or not console.is_terminal or console.width >= SESSION_COLUMNS
    ]
    cells = [[row[name] for name in columns] for row in rows]
    print_table(console, "", columns, cells, elastic=frozenset({"User", "Session"}))
    if answer.next_page_token:
        print_line(console, f"These are the newest {len(rows):,}; --limit shows more.", "dim")
    print_footing(console, answer.info)


def payload_text(event: Event) -> str:
    """Write an event's payload in one line: "productId=cd amount=11.77"."""
    kind = event.WhichOneof("payload")
    if kind is None:
        return ""
    payload = json_format.MessageToDict(getattr(event, kind))
    return " ".join(
        f"{name}={value if isinstance(value, str) else orjson.dumps(value).decode()}" for name, value in payload.items()
    )
