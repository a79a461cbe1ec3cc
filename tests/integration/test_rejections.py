"""Rejected events are listed, counted, replayed exactly once and purged, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.catalogue import load_catalogue
from events.normalize import Normalizer, Rejected
from events.rejection import reject_event
from events.rules import Validator
from server.admin.errors import NoSuchRejectionError
from server.admin.listing import get_rejected, list_rejected
from server.admin.purge import purge_rejected
from server.admin.replay import Replayer
from server.reports.errors import QuestionError
from server.reports.scope import to_timestamp
from sociallive.analytics.v1.admin_service_pb2 import (
    FieldPatch,
    GetRejectedEventRequest,
    ListRejectedEventsRequest,
    PurgeRejectedEventsRequest,
    RejectedEventFilter,
    ReplayRejectedEventsRequest,
    ReplayRejectedEventsResponse,
    ReplayState,
    ReplayStatus,
)
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from storage.batch import WriteOutcome
from storage.batch_store import BatchStore
from storage.database import Connection, Database
from storage.errors import StorageUnavailableError
from storage.rejections import RejectionFilter, Rejections, ReplayedMeanwhileError
from tests.rows import make_batch, make_id, make_rejection, make_row, make_store

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)
"""When the events were received first."""
TIMEOUT_S = 20.0
STORED = ReplayStatus.REPLAY_STATUS_STORED
DUPLICATE = ReplayStatus.REPLAY_STATUS_DUPLICATE
FAILED = ReplayStatus.REPLAY_STATUS_FAILED
MEND = FieldPatch(field="data.contentType")
MEND.value.string_value = "post"


@dataclass
class Desk:
    """What an operator has: rejected events, a way to replay them, and a look behind."""

    database: Database
    store: BatchStore
    rejections: Rejections
    normalizer: Normalizer
    sql: Connection
    stores: list[BatchStore] = field(default_factory=list)

    def replayer(self, normalizer: Normalizer | None = None, *, now: datetime = NOW) -> Replayer:
        """Make what a worker has: a replayer with a store of its own."""
        self.stores.append(make_store(self.database))
        return Replayer(self.rejections, normalizer or self.normalizer, self.stores[-1], now=lambda: now)

    async def reject(self, *events: Event, received_at: datetime = EARLIER) -> list[str]:
        """Have events rejected by the rules, as Track does, and return their rejection ids."""
        rejections = []
        for event in events:
            prepared = self.normalizer.prepare(event, received_at)
            assert isinstance(prepared, Rejected)
            rejections.append(reject_event(event, prepared, received_at, "Track"))
        await self.store.store(make_batch([], rejections))
        return [rejection[0] for rejection in rejections]

    async def replay(self, *ids: str, patch: Any = (), **options: Any) -> ReplayRejectedEventsResponse:
        """Replay by ids."""
        request = ReplayRejectedEventsRequest(rejection_ids=ids, patch=patch, **options)
        return await self.replayer().replay(request, timeout_s=TIMEOUT_S)

    async def counts(self) -> tuple[int, int, int]:
        """Sum stored, duplicates and rejected of the ledger."""
        row = await self.sql.fetchrow(
            "SELECT coalesce(sum(stored), 0)::int, coalesce(sum(duplicates), 0)::int, coalesce(sum(rejected), 0)::int "
            "FROM analytics_ingest_ledger"
        )
        assert row is not None
        return row[0], row[1], row[2]

    async def count(self, what: str) -> int:
        """Count rows of a table."""
        found: int = await self.sql.fetchval(f"SELECT count(*) FROM {what}")
        return found


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A desk over an empty database."""
    database = await Database.open(database_url)
    sql = await asyncpg.connect(database_url)
    store = make_store(database)
    normalizer = Normalizer(ip_hash_key=b"key", retention_raw_days=90)
    desk = Desk(database, store, Rejections(database), normalizer, sql)
    yield desk
    for opened in (store, *desk.stores):
        await opened.close()
    await sql.close()
    await database.close()


def bad(**fields: Any) -> Event:
    """Make a view without content type."""
    return Event(**{"view": ViewEvent(content_id="post-1"), "user_id": "user-1", **fields})


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
        page = await list_rejected(desk.rejections, request, NOW, timeout_s=TIMEOUT_S)
        seen += [(each.received_at.ToDatetime(UTC), each.rejection_id) for each in page.rejected_events]
        counts.append([(count.reason, count.events, count.replayable) for count in page.counts])
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert len(seen) == 11
    assert seen == sorted(set(seen), reverse=True)
    assert counts == [[("INVALID_EVENT", 1007, 7), ("EVENT_TOO_OLD", 3, 3)], [], []]
    request.filter.reason = "EVENT_TOO_OLD"
    with pytest.raises(QuestionError, match="another question"):
        await list_rejected(desk.rejections, request, NOW, timeout_s=TIMEOUT_S)


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
            await list_rejected(desk.rejections, request, NOW, timeout_s=TIMEOUT_S)
        return
    page = await list_rejected(desk.rejections, request, NOW, timeout_s=TIMEOUT_S)
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


async def test_a_mended_event_is_stored_once_under_its_own_id_or_that_of_its_rejection(desk: Desk) -> None:
    """Its timestamp is reckoned from when it came first; it counts as received when it was replayed."""
    own = make_id()
    first, second = await desk.reject(bad(event_id=own), bad())
    answer = await desk.replay(first, second, first, patch=[MEND])
    assert [(r.rejection_id, r.event_id, r.status) for r in answer.results] == [
        (first, own, STORED),
        (second, second, STORED),
    ]
    rows = await desk.sql.fetch("SELECT * FROM analytics_events")
    assert {str(row["event_id"]) for row in rows} == {own, second}
    assert {(row["timestamp"], row["timestamp_source"], row["received_at"]) for row in rows} == {
        (EARLIER, "missing", NOW)
    }
    assert await desk.counts() == (2, 0, 2)
    again = await desk.replay(first, second, patch=[MEND])
    assert (again.stored, again.duplicates, again.failed) == (0, 2, 0)
    assert [result.event_id for result in again.results] == [own, second]
    assert await desk.counts() == (2, 0, 2)
    shown = await get_rejected(desk.rejections, GetRejectedEventRequest(rejection_id=second), timeout_s=TIMEOUT_S)
    assert shown.rejected_event.last_replay.status == STORED
    assert shown.rejected_event.last_replay.event_id == second
    assert shown.rejected_event.HasField("replayed_at")


async def test_skew_is_corrected_by_the_first_receipt(desk: Desk) -> None:
    """The client's clock was wrong by an hour then, whatever the time is now."""
    event = bad(
        timestamp=to_timestamp(EARLIER - timedelta(hours=2)), sent_at=to_timestamp(EARLIER - timedelta(hours=1))
    )
    (rejection_id,) = await desk.reject(event)
    assert (await desk.replay(rejection_id, patch=[MEND])).stored == 1
    row = await desk.sql.fetchrow("SELECT timestamp, timestamp_source FROM analytics_events")
    assert tuple(row or ()) == (EARLIER - timedelta(hours=1), "corrected")


async def test_a_replay_that_fails_says_so_and_stays(desk: Desk) -> None:
    """Still invalid, a conflict, too old by today's clock, a patch that does not fit: no second row, no count."""
    taken = make_id()
    await desk.store.store(make_batch([make_row(event_id=taken)]))
    (invalid,) = await desk.reject(bad())
    (conflict,) = await desk.reject(bad(event_id=taken))
    (old,) = await desk.reject(bad(), received_at=NOW - timedelta(days=91))
    before = await desk.counts()
    nothing = FieldPatch(field="userId", remove=True)
    assert [(r.reason, r.violations[0].field) for r in (await desk.replay(invalid, patch=[nothing])).results] == [
        ("INVALID_EVENT", "view.content_type")
    ]
    answer = await desk.replay(conflict, old, patch=[MEND])
    assert [(r.status, r.reason) for r in answer.results] == [(FAILED, "ID_CONFLICT"), (FAILED, "EVENT_TOO_OLD")]
    assert answer.results[0].event_id == taken
    misfit = FieldPatch(field="purchase.orderId")
    misfit.value.string_value = "o"
    assert (await desk.replay(invalid, patch=[misfit])).results[0].reason == "PATCH_DOES_NOT_FIT"
    assert await desk.counts() == before
    assert await desk.count("analytics_rejected_events WHERE replayed_at IS NULL") == 3
    shown = await get_rejected(desk.rejections, GetRejectedEventRequest(rejection_id=conflict), timeout_s=TIMEOUT_S)
    assert (shown.rejected_event.last_replay.reason, shown.rejected_event.reason) == ("ID_CONFLICT", "INVALID_EVENT")
    assert shown.rejected_event.last_replay.violations[0].rule == "ID_CONFLICT"
    # What stood in the way is taken out of it.
    own_id = FieldPatch(field="eventId", remove=True)
    assert (await desk.replay(conflict, patch=[MEND, own_id])).results[0].event_id == conflict
    assert (await desk.replay(old, patch=[MEND], backfill=True)).stored == 1


async def test_a_row_that_postgres_refuses_fails_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its neighbours are stored and marked; it stays."""
    ids = await desk.reject(*(bad(user_id=f"user-{number}") for number in range(3)))
    prepare = desk.normalizer.prepare

    def poison(event: Event, *args: Any, **options: Any) -> Any:
        made = prepare(event, *args, **options)
        if event.user_id == "user-1" and isinstance(made, tuple):
            return (*made[:-1], '{"contentType":"a\\u0000b"}')
        return made

    monkeypatch.setattr(desk.normalizer, "prepare", poison)
    before = await desk.counts()
    answer = await desk.replay(*ids, patch=[MEND])
    assert [result.reason for result in answer.results] == ["", "REFUSED_BY_DATABASE", ""]
    assert await desk.counts() == (before[0] + 2, before[1], before[2])
    assert await desk.count("analytics_rejected_events") == 3


async def test_after_a_fix_of_the_catalogue_a_replay_stores_what_was_invalid(desk: Desk) -> None:
    """The rules are those of today, not those by which the event was rejected."""
    ids = await desk.reject(bad(), bad(event_type="purchase"))
    assert (await desk.replay(*ids)).failed == 2
    catalogue = load_catalogue()
    view = catalogue.types["view"]
    fields = tuple(replace(each, required=False) for each in view.fields)
    fixed = replace(catalogue, types={**catalogue.types, "view": replace(view, fields=fields)})
    normalizer = Normalizer(ip_hash_key=b"key", retention_raw_days=90, validator=Validator(fixed))
    request = ReplayRejectedEventsRequest(rejection_ids=ids)
    answer = await desk.replayer(normalizer).replay(request, timeout_s=TIMEOUT_S)
    assert [result.status for result in answer.results] == [STORED, FAILED]
    assert await desk.sql.fetchval("SELECT event_data->>'contentId' FROM analytics_events") == "post-1"


async def test_what_is_not_kept_cannot_be_replayed(desk: Desk) -> None:
    """Counted rows, payloads over the bound and ids that do not exist are told; the others are replayed."""
    (good,) = await desk.reject(bad())
    large = make_rejection(payload=None, payload_bytes=100_000)
    unreadable = make_rejection(payload=b"\xff")
    await desk.store.store(make_batch([], [large, unreadable]))
    answer = await desk.replay(large[0], unreadable[0], make_id(), good, patch=[MEND])
    assert [result.reason for result in answer.results] == [
        "PAYLOAD_NOT_KEPT",
        "PAYLOAD_NOT_KEPT",
        "NO_SUCH_REJECTION",
        "",
    ]
    assert (answer.stored, answer.failed) == (1, 3)


async def test_a_dry_run_foresees_and_changes_nothing(desk: Desk) -> None:
    """Stored, duplicate, conflict and invalid are told apart; nothing is written, not even that it was tried."""
    taken, twice = make_id(), make_id()
    await desk.store.store(make_batch([make_row(event_id=taken)]))
    ids = await desk.reject(bad(event_id=taken), bad(event_id=twice), bad(event_id=twice), bad(event_type="purchase"))
    before = await desk.counts()
    answer = await desk.replay(*ids, patch=[MEND], dry_run=True)
    assert [result.status for result in answer.results] == [FAILED, STORED, DUPLICATE, FAILED]
    assert await desk.counts() == before
    assert await desk.count("analytics_events") == 1
    assert await desk.count("analytics_rejected_events WHERE tried_at IS NULL") == 4
    assert [result.status for result in (await desk.replay(*ids, patch=[MEND])).results] == [
        result.status for result in answer.results
    ]


async def test_a_filter_is_walked_oldest_first_in_bounded_calls(desk: Desk) -> None:
    """What fails again is passed by, so that the walk ends; what is replayed already is not looked at."""
    for number in range(5):
        await desk.reject(bad(user_id="u"), bad(event_type="purchase"), received_at=EARLIER + timedelta(minutes=number))
    request = ReplayRejectedEventsRequest(filter=RejectedEventFilter(reason="INVALID_EVENT"), patch=[MEND], limit=3)
    replayer = desk.replayer()
    sizes, statuses = [], []
    while True:
        answer = await replayer.replay(request, timeout_s=TIMEOUT_S)
        sizes.append(len(answer.results))
        statuses += [result.status for result in answer.results]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert sizes == [3, 3, 3, 1]
    assert sorted(statuses) == [STORED] * 5 + [FAILED] * 5
    request.page_token = ""
    assert [result.status for result in (await replayer.replay(request, timeout_s=TIMEOUT_S)).results] == [FAILED] * 3


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"rejection_ids": ["x"]},
        {"rejection_ids": [make_id()], "filter": {}},
        {"rejection_ids": [make_id()] * 1001},
        {"filter": {}, "limit": 1001},
        {"filter": {}, "limit": -1},
        {"filter": {"replayState": "REPLAY_STATE_REPLAYED"}},
        {"filter": {}, "patch": [{"field": "userld", "remove": True}]},
        {"filter": {}, "patch": [{"field": "userId"}]},
        {"filter": {}, "patch": [{"field": "userId", "remove": False}]},
        {"filter": {}, "patch": [{"field": "userId", "remove": True}] * 33},
        {"filter": {}, "pageToken": "nonsense"},
    ],
)
async def test_a_replay_that_makes_no_sense_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    """Before anything is done."""
    request = json_format.ParseDict(fields, ReplayRejectedEventsRequest())
    with pytest.raises(QuestionError):
        await desk.replayer().replay(request, timeout_s=TIMEOUT_S)


async def test_a_value_that_is_no_json_is_refused(desk: Desk) -> None:
    """JSON knows no infinity."""
    patch = FieldPatch(field="sequence")
    patch.value.number_value = float("inf")
    with pytest.raises(QuestionError, match="JSON value"):
        await desk.replay(make_id(), patch=[patch])


async def test_rivals_replay_the_same_events_once(desk: Desk) -> None:
    """Also where each of them would give them other ids: a patch that takes the id out, and one that does not."""
    ids = await desk.reject(*(bad(event_id=make_id(), user_id=f"u{number}") for number in range(150)))
    without_id = FieldPatch(field="eventId", remove=True)
    requests = [
        ReplayRejectedEventsRequest(rejection_ids=ids, patch=[MEND]),
        ReplayRejectedEventsRequest(rejection_ids=ids, patch=[MEND, without_id]),
        ReplayRejectedEventsRequest(rejection_ids=list(reversed(ids)), patch=[MEND]),
    ]
    answers = await asyncio.gather(*(desk.replayer().replay(request, timeout_s=TIMEOUT_S) for request in requests))
    assert sum(answer.stored for answer in answers) == 150
    assert sum(answer.duplicates for answer in answers) == 300
    assert await desk.count("analytics_events") == 150
    assert await desk.counts() == (150, 0, 150)


async def test_a_replay_cut_off_before_its_commit_has_done_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Event and mark are of one transaction: there is no moment between them to be killed in."""
    (rejection_id,) = await desk.reject(bad())

    async def killed(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("storage.batch_store.mark_replays", killed)
        with pytest.raises(asyncio.CancelledError):
            await desk.replay(rejection_id, patch=[MEND])
    assert await desk.count("analytics_events") == 0
    assert await desk.count("analytics_rejected_events WHERE replayed_at IS NULL") == 1
    assert (await desk.replay(rejection_id, patch=[MEND])).stored == 1


async def test_a_lost_answer_of_the_commit_is_found_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store looks whether its batch was committed, and tells STORED."""
    (rejection_id,) = await desk.reject(bad())
    transact = BatchStore._transact
    broken: list[bool] = []

    async def lose_the_answer(store: BatchStore, *args: Any) -> list[WriteOutcome]:
        outcomes = await transact(store, *args)
        if not broken:
            broken.append(True)
            raise ConnectionResetError
        return outcomes

    monkeypatch.setattr(BatchStore, "_transact", lose_the_answer)
    assert (await desk.replay(rejection_id, patch=[MEND])).stored == 1
    assert await desk.count("analytics_events") == 1
    assert await desk.counts() == (1, 0, 1)


async def test_while_postgres_is_away_nothing_is_marked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller learns it and may repeat; nothing goes to a spool."""
    monkeypatch.setattr("storage.batch_store.RETRY_FOR_S", 0)
    (rejection_id,) = await desk.reject(bad())

    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(BatchStore, "_transact", away)
        with pytest.raises(StorageUnavailableError):
            await desk.replay(rejection_id, patch=[MEND])
    assert await desk.count("analytics_rejected_events WHERE replayed_at IS NULL") == 1
    assert (await desk.replay(rejection_id, patch=[MEND])).stored == 1


async def test_a_batch_of_replays_is_refused_when_one_of_them_is_gone(desk: Desk) -> None:
    """Purged or replayed meanwhile: nothing of the batch is written."""
    (kept,) = await desk.reject(bad())
    batch = make_batch([make_row(), make_row()], replays=[kept, make_id()])
    with pytest.raises(ReplayedMeanwhileError):
        await desk.store.store(batch)
    assert await desk.count("analytics_events") == 0


async def test_what_its_sender_sent_again_is_a_duplicate(desk: Desk) -> None:
    """The client mended and sent it before the operator did: it is stored, and needs no replay any more."""
    own = make_id()
    (rejection_id,) = await desk.reject(bad(event_id=own))
    mended = bad(event_id=own)
    mended.view.content_type = "post"
    row = desk.normalizer.prepare(mended, EARLIER)
    assert await desk.store.store(make_batch([row])) == [WriteOutcome.STORED]
    assert (await desk.replay(rejection_id, patch=[MEND])).duplicates == 1
    assert await desk.count("analytics_rejected_events WHERE replayed_at IS NOT NULL") == 1
    assert await desk.counts() == (1, 1, 1)


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
    foreseen = await purge_rejected(desk.rejections, request, NOW, timeout_s=TIMEOUT_S)
    assert await desk.count("analytics_rejected_events") == 35
    request.dry_run = False
    purged = await purge_rejected(desk.rejections, request, NOW, timeout_s=TIMEOUT_S)
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
    answers = [await purge_rejected(desk.rejections, request, NOW, timeout_s=0) for _ in range(3)]
    assert [(answer.rows, answer.unfinished) for answer in answers] == [(10, True), (10, True), (5, False)]


async def test_a_purge_waits_for_nobody(desk: Desk, database_url: str) -> None:
    """Rows that a transaction holds are left alone."""
    held, free = make_rejection(), make_rejection()
    await desk.store.store(make_batch([], [held, free]))
    writer = await asyncpg.connect(database_url)
    async with writer.transaction():
        await writer.execute("UPDATE analytics_rejected_events SET event_count = 2 WHERE rejection_id = $1", held[0])
        request = PurgeRejectedEventsRequest(all=True)
        purged = await asyncio.wait_for(purge_rejected(desk.rejections, request, NOW, timeout_s=TIMEOUT_S), 10)
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
        await purge_rejected(desk.rejections, request, NOW, timeout_s=TIMEOUT_S)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["reject", "reject twice", "track", "replay", "replay mended", "replay without id"]),
        st.integers(0, 3),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
async def test_whatever_is_rejected_and_replayed_counts_are_conserved(desk: Desk, actions: Any) -> None:
    """The ledger agrees with both tables, and each rejection is stored at most once."""
    for table in ("analytics_events", "analytics_rejected_events", "analytics_event_keys", "analytics_ingest_ledger"):
        await desk.sql.execute(f"DELETE FROM {table}")
    own_ids = [make_id() for _ in range(4)]
    mended = [make_row(event_id=own_id) for own_id in own_ids]
    changes = {
        "replay": [],
        "replay mended": [MEND],
        "replay without id": [MEND, FieldPatch(field="eventId", remove=True)],
    }
    replayer = desk.replayer()
    stored, duplicates, rejected = 0, 0, 0
    for action, number in actions:
        if action.startswith("reject"):
            events = [bad(event_id=own_ids[number])] * (2 if "twice" in action else 1)
            await desk.reject(*events)
            rejected += len(events)
        elif action == "track":
            (outcome,) = await desk.store.store(make_batch([mended[number]]))
            stored += outcome is WriteOutcome.STORED
            duplicates += outcome is WriteOutcome.DUPLICATE
            rejected += outcome is WriteOutcome.CONFLICT
        else:
            request = ReplayRejectedEventsRequest(filter=RejectedEventFilter(), patch=changes[action])
            answer = await replayer.replay(request, timeout_s=TIMEOUT_S)
            stored, duplicates = stored + answer.stored, duplicates + answer.duplicates
    assert await desk.counts() == (stored, duplicates, rejected)
    assert await desk.count("analytics_events") == stored
    assert await desk.count("analytics_event_keys") == stored
    assert await desk.count("analytics_rejected_events") == rejected
    done = await desk.sql.fetchval("SELECT count(*) FROM analytics_rejected_events WHERE replay_outcome = 'STORED'")
    assert done <= stored


async def test_the_statements_find_nothing_in_an_empty_quarantine(desk: Desk) -> None:
    """No rows, no counts, nothing to purge."""
    only = RejectionFilter(start=EARLIER, end=NOW)
    assert await desk.rejections.newest(only, after=None, limit=5, timeout_s=TIMEOUT_S) == []
    assert await desk.rejections.count_reasons(only, timeout_s=TIMEOUT_S) == []
    assert (await desk.rejections.measure(only, timeout_s=TIMEOUT_S)).rows == 0
    assert [step async for step in desk.rejections.purge(only, step_rows=10)] == []
