"""The quarantine keeps what is refused, with its reason, within its bound; counts stay exact beyond it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest

from sociallive.analytics.v1.event_pb2 import Event
from storage import quarantine
from storage.blocks.store import BlockStore
from storage.postgres.database import Connection, Database
from storage.quarantine import Quarantine
from storage.rejections import Rejections
from storage.write.batch import WriteOutcome
from tests.rows import NOON, make_batch, make_rejection, make_row, make_store
from tests.stored import events_in_blocks, rows_in_blocks

STORED, DUPLICATE = WriteOutcome.STORED, WriteOutcome.DUPLICATE
CONFLICT, REFUSED = WriteOutcome.CONFLICT, WriteOutcome.REFUSED


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[BlockStore]:
    """A store whose quarantine is never full."""
    database = await Database.open(database_url)
    made = make_store(database)
    yield made
    await made.close()
    await database.close()


async def kept(sql: Connection) -> list[dict[str, Any]]:
    """Read the quarantine in the order of receipt."""
    rows = await sql.fetch("SELECT * FROM analytics_rejected_events ORDER BY received_at, rejection_id")
    return [dict(row) for row in rows]


async def ledger(sql: Connection) -> tuple[int, int, int]:
    """Sum stored, duplicates and rejected over all hours and writers."""
    row = await sql.fetchrow(
        "SELECT sum(stored)::bigint, sum(duplicates)::bigint, sum(rejected)::bigint FROM analytics_ingest_ledger"
    )
    assert row is not None
    return row[0], row[1], row[2]


async def test_a_rejection_is_kept_as_it_came(store: BlockStore, sql: Connection) -> None:
    """Every column, beside the events of its batch."""
    rejection = make_rejection()
    assert await store.store(make_batch([make_row()], [rejection])) == [STORED]
    (row,) = await kept(sql)
    assert str(row["rejection_id"]) == rejection[0]
    assert row["received_at"] == NOON
    assert (row["reason"], row["source"], row["event_id"], row["event_type"]) == rejection[2:6]
    assert orjson.loads(row["violations"]) == orjson.loads(rejection[6])
    assert (row["payload"], row["payload_bytes"], row["event_count"]) == (b"payload", 7, 1)
    assert row["replayed_at"] is None
    assert await ledger(sql) == (1, 0, 1)


async def test_another_event_under_a_stored_id_is_a_conflict(store: BlockStore, sql: Connection) -> None:
    """It is quarantined with its payload, whole; the stored event stays as it is."""
    first = make_row()
    other = make_row(event_id=first[0], user_id="user-2", user_agent="agent", device='{"os":"Android"}')
    assert await store.store(make_batch([first])) == [STORED]
    assert await store.store(make_batch([other, first])) == [CONFLICT, DUPLICATE]
    (row,) = await kept(sql)
    assert (row["reason"], row["event_id"], row["event_type"]) == ("ID_CONFLICT", first[0], "view")
    event = Event.FromString(row["payload"])
    assert (event.user_id, event.user_agent, event.device.os) == ("user-2", "agent", "Android")
    assert event.view.content_id == "post-1"
    assert event.timestamp.ToDatetime(NOON.tzinfo) == NOON
    assert [event["user_id"] for event in await events_in_blocks(sql)] == ["user-1"]
    assert await ledger(sql) == (1, 1, 1)


async def test_a_conflict_within_one_batch_is_found(store: BlockStore, sql: Connection) -> None:
    """The first one is stored, an equal one is a duplicate, another one a conflict."""
    first = make_row()
    other = make_row(event_id=first[0], session_id="session-2")
    batch = make_batch([make_row(), first, other, first])
    assert await store.store(batch) == [STORED, STORED, CONFLICT, DUPLICATE]
    assert [event["session_id"] for event in await events_in_blocks(sql) if event["event_id"] == first[0]] == [
        "session-1"
    ]
    assert await ledger(sql) == (2, 1, 1)


async def test_what_changes_with_each_sending_is_no_conflict(store: BlockStore) -> None:
    """A retry has another time of receipt, perhaps another address and, without one of its own, another timestamp."""
    first = make_row()
    moved = NOON + timedelta(seconds=9)
    again = make_row(event_id=first[0], timestamp=moved, received_at=moved, ip_address="ab" * 32)
    assert await store.store(make_batch([first, again])) == [STORED, DUPLICATE]


async def test_a_refused_row_is_quarantined_and_its_id_stays_free(store: BlockStore, sql: Connection) -> None:
    """Postgres refuses the value, not the id: the mended event may come under it."""
    poison = make_row(event_data='{"contentType":"a\\u0000b"}')
    batch = make_batch([make_row(), poison, poison, make_row()])
    assert await store.store(batch) == [STORED, REFUSED, REFUSED, STORED]
    assert {(row["reason"], row["event_id"]) for row in await kept(sql)} == {("REFUSED_BY_DATABASE", poison[0])}
    assert await store.store(make_batch([make_row(event_id=poison[0])])) == [STORED]
    assert await ledger(sql) == (3, 0, 2)


async def test_a_full_quarantine_counts_and_does_not_keep(
    database_url: str, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row an hour and reason stands for all that come, however many batches they come in."""
    monkeypatch.setattr(quarantine, "LOOK_INTERVAL_S", 3600)
    monkeypatch.setattr(quarantine, "REOPEN_SHARE", 1)  # an empty table's own pages are most of this bound
    database = await Database.open(database_url)
    empty_bytes = await sql.fetchval("SELECT pg_total_relation_size('analytics_rejected_events')")
    store = make_store(database, quarantine=Quarantine(max_bytes=empty_bytes + 3 * 350))
    for _ in range(3):
        rejections = [make_rejection() for _ in range(50)] + [make_rejection(reason="EVENT_TOO_OLD") for _ in range(5)]
        late = make_rejection(received_at=NOON + timedelta(hours=1))
        await store.store(make_batch([], [*rejections, late]))
    rows = await kept(sql)
    whole = [row for row in rows if row["payload"] is not None]
    counts = {(row["reason"], row["received_at"].hour): row for row in rows if row["payload"] is None}
    assert 0 < len(whole) < 5
    assert {key: row["event_count"] for key, row in counts.items()} == {
        ("INVALID_EVENT", 12): 150 - len(whole),
        ("EVENT_TOO_OLD", 12): 15,
        ("INVALID_EVENT", 13): 3,
    }
    assert counts["EVENT_TOO_OLD", 12]["payload_bytes"] == 15 * 7
    assert sum(row["event_count"] for row in rows) == 168
    assert await ledger(sql) == (0, 0, 168)
    await store.close()
    await database.close()


async def test_a_purged_quarantine_keeps_again(
    database_url: str, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size is looked at again before long."""
    database = await Database.open(database_url)
    await sql.execute("INSERT INTO analytics_rejected_events SELECT gen_random_uuid(), now(), NULL, 1, 0, 'A', 'B'")
    full = await sql.fetchval("SELECT pg_total_relation_size('analytics_rejected_events')")
    store = make_store(database, quarantine=Quarantine(max_bytes=full))
    await store.store(make_batch([], [make_rejection()]))
    await sql.execute("TRUNCATE analytics_rejected_events")
    monkeypatch.setattr(quarantine, "LOOK_INTERVAL_S", 0)
    await store.store(make_batch([], [make_rejection()]))
    assert [row["payload"] for row in await kept(sql)] == [b"payload"]
    await store.close()
    await database.close()


async def test_a_quarantine_purged_in_its_midst_keeps_again(
    database_url: str, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is as large as before; the rows that are left decide."""
    monkeypatch.setattr(quarantine, "LOOK_INTERVAL_S", 0)
    database = await Database.open(database_url)
    store = make_store(database)
    await store.store(make_batch([], [make_rejection(payload=b"p" * 1000) for _ in range(1000)]))
    await Rejections(database).reclaim()  # COPY takes more pages at the end of the file than it needs
    full = await sql.fetchval("SELECT pg_total_relation_size('analytics_rejected_events')")
    bounded = make_store(database, quarantine=Quarantine(max_bytes=full))
    for _ in range(2):
        await bounded.store(make_batch([], [make_rejection(reason="LATE")]))
    assert await sql.fetchval("SELECT count(payload) FROM analytics_rejected_events WHERE reason = 'LATE'") == 0
    await sql.execute("DELETE FROM analytics_rejected_events WHERE (ctid::text::point)[1]::int % 2 = 0")
    await Rejections(database).reclaim()
    assert await sql.fetchval("SELECT pg_total_relation_size('analytics_rejected_events')") >= full
    await bounded.store(make_batch([], [make_rejection(reason="LATE")]))
    assert await sql.fetchval("SELECT count(payload) FROM analytics_rejected_events WHERE reason = 'LATE'") == 1
    for each in (store, bounded):
        await each.close()
    await database.close()


async def test_a_good_event_under_the_id_of_a_refused_one_is_stored(store: BlockStore, sql: Connection) -> None:
    """Even within one batch, behind two different bad ones; its repeat is a duplicate."""
    event_id = make_row()[0]
    bad = [make_row(event_id=event_id, event_data=f'{{"contentType":"a\\u0000{number}"}}') for number in range(2)]
    good = make_row(event_id=event_id)
    assert await store.store(make_batch([*bad, good, bad[0], good])) == [REFUSED, REFUSED, STORED, REFUSED, DUPLICATE]
    assert await rows_in_blocks(sql) == [good]
    assert await ledger(sql) == (1, 1, 3)
