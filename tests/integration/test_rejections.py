"""Rejected events are listed, counted, shown and purged, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Any

import asyncpg
import pytest
from google.protobuf import json_format

from server.admin.errors import NoSuchRejectionError
from server.admin.listing import get_rejected, list_rejected
from server.admin.purge import purge_rejected
from server.reports.errors import QuestionError
from server.reports.scope import to_timestamp
from sociallive.analytics.v1.admin_service_pb2 import (
    GetRejectedEventRequest,
    ListRejectedEventsRequest,
    PurgeRejectedEventsRequest,
    PurgeRejectedEventsResponse,
    RejectedEventFilter,
    ReplayState,
)
from sociallive.analytics.v1.event_pb2 import Event
from storage.rejections import RejectionFilter
from tests.integration.rejection_desk import CALLER, EARLIER, NOW, TIMEOUT_S, TOKENS, Desk, bad, open_desk
from tests.rows import make_batch, make_id, make_rejection


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A desk over an empty database."""
    async with open_desk(database_url) as opened:
        yield opened


async def purge(
    desk: Desk, request: PurgeRejectedEventsRequest, *, timeout_s: float = TIMEOUT_S
) -> PurgeRejectedEventsResponse:
    """Purge as somebody does."""
    return await purge_rejected(desk.rejections, request, lambda: NOW, caller=CALLER, timeout_s=timeout_s)


async def test_a_page_ends_where_the_next_one_begins_and_counts_are_exact(desk: Desk) -> None:
    """Also where many have one time of receipt; counted rows count as what they stand for."""
    same = [make_rejection(received_at=EARLIER) for _ in range(7)]
    others = [make_rejection(received_at=EARLIER + timedelta(seconds=n), reason="EVENT_TOO_OLD") for n in range(3)]
    await desk.store.store(make_batch([], [*same, *others]))
    await desk.sql.execute(
        "INSERT INTO analytics_rejected_events (rejection_id, received_at, reason, source, event_count, payload_bytes) "
        "VALUES (gen_random_uuid(), $1, 'INVALID_EVENT', 'Track', 1000, 5)",
        EARLIER,
    )
    request = ListRejectedEventsRequest(page_size=4)
    seen = []
    counts = []
    while True:
        page = await list_rejected(desk.rejections, request, NOW, tokens=TOKENS, timeout_s=TIMEOUT_S)
        seen += [(each.received_at.ToDatetime(UTC), each.rejection_id) for each in page.rejected_events]
        counts.append([(count.reason, count.events, count.replayable) for count in page.counts])
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert len(seen) == 11
    assert seen == sorted(set(seen), reverse=True)
    assert counts == [[("INVALID_EVENT", 1007, 7), ("EVENT_TOO_OLD", 3, 3)], [], []]
    request.filter.reason = "EVENT_TOO_OLD"
    with pytest.raises(QuestionError, match="another request"):
        await list_rejected(desk.rejections, request, NOW, tokens=TOKENS, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, {"a", "b"}),
        ({"reason": "INVALID_EVENT"}, {"a"}),
        ({"event_type": "view"}, {"a"}),
        ({"event_id": "id-b"}, {"b"}),
        ({"source": "TrackBatch"}, {"b"}),
        ({"timeframe": "2h"}, {"b"}),
        ({"end_time": to_timestamp(EARLIER + timedelta(seconds=1))}, {"a"}),
        ({"start_time": to_timestamp(EARLIER), "end_time": to_timestamp(EARLIER)}, None),
        ({"replay_state": ReplayState.REPLAY_STATE_REPLAYED}, {"b"}),
        ({"replay_state": ReplayState.REPLAY_STATE_WAITING}, {"a"}),
        ({"reason": "INVALID_EVENT", "source": "TrackBatch"}, set()),
        ({"replay_state": 7}, None),
        ({"reason": "a\0"}, None),
    ],
)
async def test_filters(desk: Desk, fields: dict[str, Any], found: set[str] | None) -> None:
    """Each field narrows the list; a filter that makes no sense is refused."""
    a = make_rejection(received_at=EARLIER, event_id="id-a")
    b = make_rejection(
        received_at=NOW - timedelta(hours=1), event_id="id-b", reason="X", source="TrackBatch", event_type="stream"
    )
    await desk.store.store(make_batch([], [a, b]))
    await desk.sql.execute("UPDATE analytics_rejected_events SET replayed_at = now() WHERE event_id = 'id-b'")
    request = ListRejectedEventsRequest(filter=RejectedEventFilter(**fields))
    if found is None:
        with pytest.raises(QuestionError):
            await list_rejected(desk.rejections, request, NOW, tokens=TOKENS, timeout_s=TIMEOUT_S)
        return
    page = await list_rejected(desk.rejections, request, NOW, tokens=TOKENS, timeout_s=TIMEOUT_S)
    assert {each.event_id.removeprefix("id-") for each in page.rejected_events} == found
    assert sum(count.events for count in page.counts) == len(found)


async def test_one_is_shown_with_its_payload(desk: Desk) -> None:
    """As an event, and as it was sent, but for the address; an unknown id is told."""
    event = bad(ip_address="192.0.2.1")
    (rejection_id,) = await desk.reject(event)
    shown = await get_rejected(
        desk.rejections, GetRejectedEventRequest(rejection_id=rejection_id.upper()), timeout_s=TIMEOUT_S
    )
    event.ClearField("ip_address")
    assert shown.event == event
    assert Event.FromString(shown.payload) == event
    assert [(v.field, v.rule) for v in shown.rejected_event.violations] == [("view.content_type", "REQUIRED")]
    assert not shown.rejected_event.HasField("last_replay")
    with pytest.raises(NoSuchRejectionError):
        await get_rejected(desk.rejections, GetRejectedEventRequest(rejection_id=make_id()), timeout_s=TIMEOUT_S)
    with pytest.raises(QuestionError, match="UUID"):
        await get_rejected(desk.rejections, GetRejectedEventRequest(rejection_id="x"), timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("all_of_them", [True, False])
async def test_a_purge_deletes_what_it_foresaw(desk: Desk, monkeypatch: pytest.MonkeyPatch, all_of_them: bool) -> None:  # noqa: FBT001 - pytest's way
    """In steps, with counts of rows, events and bytes; the others stay."""
    monkeypatch.setattr("server.admin.purge.STEP_ROWS", 7)
    await desk.store.store(make_batch([], [make_rejection() for _ in range(30)]))
    await desk.store.store(make_batch([], [make_rejection(reason="EVENT_TOO_OLD") for _ in range(5)]))
    await desk.sql.execute("UPDATE analytics_rejected_events SET event_count = 10 WHERE reason = 'EVENT_TOO_OLD'")
    request = PurgeRejectedEventsRequest(all=all_of_them, dry_run=True)
    if not all_of_them:
        request.filter.reason = "EVENT_TOO_OLD"
    foreseen = await purge(desk, request)
    assert await desk.count("analytics_rejected_events") == 35
    request.dry_run = False
    purged = await purge(desk, request)
    assert purged == foreseen
    assert (purged.rows, purged.events) == ((35, 80) if all_of_them else (5, 50))
    assert purged.bytes > purged.rows * 250
    assert await desk.count("analytics_rejected_events") == 35 - purged.rows


async def test_a_purge_whose_time_is_over_goes_on_with_the_next_call(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call deletes a step at least."""
    monkeypatch.setattr("server.admin.purge.STEP_ROWS", 10)
    await desk.store.store(make_batch([], [make_rejection() for _ in range(25)]))
    request = PurgeRejectedEventsRequest(all=True)
    answers = [await purge(desk, request, timeout_s=0) for _ in range(3)]
    assert [(answer.rows, answer.unfinished) for answer in answers] == [(10, True), (10, True), (5, False)]


async def test_a_purge_waits_for_nobody(desk: Desk, database_url: str) -> None:
    """Rows that a transaction holds are left alone."""
    held, free = make_rejection(), make_rejection()
    await desk.store.store(make_batch([], [held, free]))
    writer = await asyncpg.connect(database_url)
    async with writer.transaction():
        await writer.execute("UPDATE analytics_rejected_events SET event_count = 2 WHERE rejection_id = $1", held[0])
        request = PurgeRejectedEventsRequest(all=True)
        purged = await asyncio.wait_for(purge(desk, request), 10)
    await writer.close()
    assert purged.rows == 1
    assert await desk.count("analytics_rejected_events") == 1


@pytest.mark.parametrize(
    "fields", [{}, {"filter": {}}, {"filter": {"timeZone": "UTC"}}, {"all": True, "filter": {"reason": "X"}}]
)
async def test_a_purge_of_everything_has_to_be_said(desk: Desk, fields: dict[str, Any]) -> None:
    """A filter that names nothing is more likely a mistake."""
    request = json_format.ParseDict(fields, PurgeRejectedEventsRequest())
    with pytest.raises(QuestionError, match="all"):
        await purge(desk, request)


async def test_the_statements_find_nothing_in_an_empty_quarantine(desk: Desk) -> None:
    """No rows, no counts, nothing to purge."""
    only = RejectionFilter(start=EARLIER, end=NOW)
    assert await desk.rejections.newest(only, after=None, limit=5, timeout_s=TIMEOUT_S) == []
    assert await desk.rejections.count_reasons(only, timeout_s=TIMEOUT_S) == []
    assert (await desk.rejections.measure(only, timeout_s=TIMEOUT_S)).rows == 0
