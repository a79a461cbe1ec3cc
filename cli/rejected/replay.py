"""`analytics rejected replay`: send rejected events through validation and storage again."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import click
from google.protobuf import json_format
from rich.console import Console

from cli.client import admin_address_option, admin_stub, open_channel, translated_errors
from cli.main import EXIT_FAILED
from cli.rejected.filter import CALL_TIMEOUT_S, filter_options, violations_text
from cli.render import NOTHING, count_text, open_console, print_json, print_line, print_table
from runtime.terminal import examples
from sociallive.analytics.v1.admin_service_pb2 import (
    FieldPatch,
    RejectedEventFilter,
    ReplayRejectedEventsRequest,
    ReplayRejectedEventsResponse,
    ReplayResult,
    ReplayStatus,
)

PORTION = 500
"""Rejected events of one call: a few seconds of work."""
DEFAULT_LIMIT = 1_000
MOST_REPLAYED = 100_000
"""The results of all calls are held in memory."""
MOST_FAILED_SHOWN = 20


class Assignment(click.ParamType[FieldPatch]):
    """FIELD=VALUE: the value is JSON where it can be read as such, and else a string."""

    name = "FIELD=VALUE"

    def convert(self, value: str | FieldPatch, param: click.Parameter | None, ctx: click.Context | None) -> FieldPatch:
        """Make the change."""
        if isinstance(value, FieldPatch):
            return value
        field, equals, text = value.partition("=")
        if not field or not equals:
            self.fail(f"must be FIELD=VALUE, as in data.contentType=post, not {value!r}", param, ctx)
        patch = FieldPatch(field=field)
        try:
            json_format.ParseDict(json.loads(text), patch.value)
        except (ValueError, RecursionError, json_format.ParseError):
            patch.value.string_value = text
        return patch


class Move(click.ParamType[FieldPatch]):
    """FIELD=FIELD: the second field gets the value of the first."""

    name = "FIELD=FIELD"

    def convert(self, value: str | FieldPatch, param: click.Parameter | None, ctx: click.Context | None) -> FieldPatch:
        """Make the change."""
        if isinstance(value, FieldPatch):
            return value
        field, _, target = value.partition("=")
        if not field or not target:
            self.fail(f"must be FIELD=FIELD, as in usrId=userId, not {value!r}", param, ctx)
        return FieldPatch(field=field, move_to=target)


@click.command(
    "replay",
    epilog=examples(
        "analytics rejected replay --reason EVENT_TOO_OLD --backfill --dry-run",
        "analytics rejected replay --reason INVALID_EVENT --set data.contentType=post",
    ),
)
@click.argument("rejection_ids", nargs=-1, metavar="[REJECTION_ID]...")
@filter_options
@click.option("--move", "moves", type=Move(), multiple=True, help="Give a field's value to another field first.")
@click.option(
    "--set", "sets", type=Assignment(), multiple=True, help="Set a field first. VALUE is JSON, or else a string."
)
@click.option("--unset", "unsets", multiple=True, metavar="FIELD", help="Remove a field first.")
@click.option("--backfill", is_flag=True, help="Accept events of any age, as an import does.")
@click.option("--dry-run", is_flag=True, help="Print the outcomes and store nothing.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_REPLAYED),
    default=DEFAULT_LIMIT,
    show_default=True,
    metavar="N",
    help="Maximum number of events to replay.",
)
@admin_address_option
def command(
    *,
    rejection_ids: Sequence[str],
    only: RejectedEventFilter,
    moves: Sequence[FieldPatch],
    sets: Sequence[FieldPatch],
    unsets: Sequence[str],
    backfill: bool,
    dry_run: bool,
    limit: int,
    address: str,
    as_json: bool,
) -> None:
    """Validate and store rejected events again, oldest first.

    Takes the events with the given ids, or all that match the options and were not replayed. An event is stored exactly
    once, however often it is replayed. Name fields as violations do, for example data.contentType. Exits with 1 if an
    event fails again; it stays in quarantine.
    """
    chosen = bool(only.ListFields())
    if chosen == bool(rejection_ids):
        raise click.UsageError(
            "choose the events: give either rejection ids or options such as --reason; --from 1970-01-01 selects all"
        )
    request = ReplayRejectedEventsRequest(
        rejection_ids=rejection_ids,
        filter=only if chosen else None,
        patches=[*moves, *sets, *(FieldPatch(field=field, remove=True) for field in unsets)],
        dry_run=dry_run,
        backfill=backfill,
    )
    answer = replay(address, request, limit)
    if as_json:
        print_json(answer)
    else:
        print_replay(open_console(), answer, dry_run=dry_run)
    if answer.failed:
        raise click.exceptions.Exit(EXIT_FAILED)


def replay(address: str, request: ReplayRejectedEventsRequest, limit: int) -> ReplayRejectedEventsResponse:
    """Replay up to `limit` rejected events in as many calls as it takes, and put the responses into one.

    Raises:
        CallError: the service cannot be reached, or refuses; what was replayed until then is marked as such.
    """
    answer = ReplayRejectedEventsResponse()
    with translated_errors(address), open_channel(address) as channel:
        stub = admin_stub(channel)
        for portion in _portions(request, limit, answer):
            part = stub.ReplayRejectedEvents(portion, timeout=CALL_TIMEOUT_S)
            answer.results.extend(part.results)
            answer.next_page_token = part.next_page_token
    counts = Counter(result.status for result in answer.results)
    answer.stored = counts[ReplayStatus.REPLAY_STATUS_STORED]
    answer.duplicates = counts[ReplayStatus.REPLAY_STATUS_DUPLICATE]
    answer.failed = counts[ReplayStatus.REPLAY_STATUS_FAILED]
    return answer


def _portions(
    request: ReplayRejectedEventsRequest, limit: int, answer: ReplayRejectedEventsResponse
) -> Iterator[ReplayRejectedEventsRequest]:
    """Make one request after the other, each from what `answer` holds by then."""
    portion = ReplayRejectedEventsRequest()
    portion.CopyFrom(request)
    if request.rejection_ids:
        ids = request.rejection_ids[:limit]
        for start in range(0, len(ids), PORTION):
            del portion.rejection_ids[:]
            portion.rejection_ids.extend(ids[start : start + PORTION])
            yield portion
        return
    while True:
        portion.page_size = min(PORTION, limit - len(answer.results))
        yield portion
        portion.page_token = answer.next_page_token
        if not answer.next_page_token or len(answer.results) >= limit:
            return


def print_replay(console: Console, answer: ReplayRejectedEventsResponse, *, dry_run: bool) -> None:
    """Print the totals, and what failed."""
    failed = [each for each in answer.results if each.status == ReplayStatus.REPLAY_STATUS_FAILED]
    _print_failed(console, failed)
    print_line(
        console,
        f"{'Dry run: ' if dry_run else ''}{count_text(answer.stored)} stored, {count_text(answer.duplicates)} stored "
        f"before, {count_text(answer.failed)} failed again.",
    )
    if answer.next_page_token:
        print_line(console, "There are more; --limit replays more at once.", "dim")


def _print_failed(console: Console, failed: Sequence[ReplayResult]) -> None:
    rows = [
        [each.rejection_id, each.reason, violations_text(each.violations) or NOTHING]
        for each in failed[:MOST_FAILED_SHOWN]
    ]
    print_table(console, "Failed again", ["Rejection", "Reason", "What is wrong"], rows)
    if len(failed) > len(rows):
        print_line(console, f"... and {count_text(len(failed) - len(rows))} more; --json lists all of them.", "dim")
    if failed:
        print_line(console, "")
