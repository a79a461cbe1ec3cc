"""A desk for tests: rejected events on a real Postgres, and what an operator does with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from events.json.document import read_event
from events.normalize import Normalizer, Rejected
from events.rejection import reject_event, reject_json
from server.admin.replay import Replayer
from server.paging import PageTokens
from sociallive.analytics.v1.admin_service_pb2 import (
    FieldPatch,
    ReplayRejectedEventsRequest,
    ReplayRejectedEventsResponse,
    ReplayStatus,
)
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from storage.blocks.store import BlockStore
from storage.postgres.database import Connection, Database
from storage.rejections import Rejections
from tests.rows import make_batch, make_store
from tests.stored import events_in_blocks

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)
"""When the events were received first."""
TIMEOUT_S = 20.0
CALLER = "127.0.0.1:40112"
"""Who replays and purges."""
TOKENS = PageTokens(b"a key")
STORED = ReplayStatus.REPLAY_STATUS_STORED
DUPLICATE = ReplayStatus.REPLAY_STATUS_DUPLICATE
FAILED = ReplayStatus.REPLAY_STATUS_FAILED
MEND = FieldPatch(field="data.contentType")
MEND.value.string_value = "post"


@dataclass
class Desk:
    """What an operator has: rejected events, a way to replay them, and a look behind."""

    database: Database
    store: BlockStore
    rejections: Rejections
    normalizer: Normalizer
    sql: Connection
    stores: list[BlockStore] = field(default_factory=list)

    def replayer(self, normalizer: Normalizer | None = None, *, now: datetime = NOW) -> Replayer:
        """Make what a worker has: a replayer with a store of its own."""
        self.stores.append(make_store(self.database))
        return Replayer(self.rejections, normalizer or self.normalizer, self.stores[-1], tokens=TOKENS, now=lambda: now)

    async def reject(self, *events: Event, received_at: datetime = EARLIER) -> list[str]:
        """Have events rejected by the rules, as Track does, and return their rejection ids."""
        rejections = []
        for event in events:
            prepared = self.normalizer.prepare(event, received_at)
            assert isinstance(prepared, Rejected)
            rejections.append(reject_event(event, prepared, received_at, "Track"))
        await self.store.store(make_batch([], rejections))
        return [rejection[0] for rejection in rejections]

    async def reject_json(self, *raw: bytes, event_type: str = "", received_at: datetime = EARLIER) -> list[str]:
        """Likewise, of events that come as JSON."""
        rejections = []
        for each in raw:
            value = read_event(each)
            prepared = self.normalizer.prepare_json(value, received_at, event_type=event_type)
            assert isinstance(prepared, Rejected)
            rejections.append(reject_json(each, value, prepared, received_at, "Track", event_type=event_type))
        await self.store.store(make_batch([], rejections))
        return [rejection[0] for rejection in rejections]

    async def replay(self, *ids: str, patch: Any = (), **options: Any) -> ReplayRejectedEventsResponse:
        """Replay by ids."""
        request = ReplayRejectedEventsRequest(rejection_ids=ids, patches=patch, **options)
        return await self.replayer().replay(request, caller=CALLER, timeout_s=TIMEOUT_S)

    async def counts(self) -> tuple[int, int, int]:
        """Sum stored, duplicates and rejected of the ledger."""
        row = await self.sql.fetchrow(
            "SELECT coalesce(sum(stored), 0)::int, coalesce(sum(duplicates), 0)::int, coalesce(sum(rejected), 0)::int "
            "FROM analytics_ingest_ledger"
        )
        assert row is not None
        return row[0], row[1], row[2]

    async def stored(self) -> list[dict[str, Any]]:
        """Read all stored events, by columns."""
        return await events_in_blocks(self.sql)

    async def count(self, what: str) -> int:
        """Count rows of a table."""
        found: int = await self.sql.fetchval(f"SELECT count(*) FROM {what}")
        return found


@asynccontextmanager
async def open_desk(database_url: str) -> AsyncIterator[Desk]:
    """Open a desk over an empty database."""
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
