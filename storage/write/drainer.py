"""The drainer: stores what was spooled, in order and exactly once, as soon as Postgres takes it."""

import asyncio
import time
from datetime import UTC, datetime

import structlog

from storage.blocks.store import BlockStore
from storage.postgres.database import Database
from storage.postgres.errors import (
    StorageError,
    StorageInterruptedError,
    StorageRefusedError,
    StorageUnavailableError,
    locate_error,
    name_error,
)
from storage.spool import MAX_EVENTS_PER_DRAIN, Spool, SpooledBatch, SpoolUnwritableError
from storage.write.batch import Batch
from storage.write.outage import Outage

log = structlog.get_logger(__name__)

IDLE_POLL_S = 0.5
"""How often an idle drainer looks for spools that a dead process has left, and for the end of an outage."""
FAILURE_DELAY_S = 5.0
"""A batch that fails for another reason than an outage stays for a while: what is missing may come back by then."""
FAILURES_BEFORE_SPLIT = 2
FAILURES_BEFORE_ASIDE = 5
"""Half a minute of trying: a deployment or a lock that is in the way is over by then, and a fault of ours is not."""
PING_TIMEOUT_S = 1.0


class Drainer:
    """Takes batches from the spool and stores them through a store of its own.

    An outage ends when the oldest of them is stored; where nothing is spooled, when an empty transaction is. Until then
    writers go on spooling: a database that answers and takes no writes, as with a full disk or after a fail-over, makes
    them wait once and not again and again.

    A batch that fails for another reason is tried again. One that was merged is split, so that few events suffer from
    what is wrong with one of them. A part that fails FAILURES_BEFORE_ASIDE times, although the database takes other
    writes, is set aside.
    """

    def __init__(self, spool: Spool, outage: Outage, database: Database, store: BlockStore) -> None:
        self._spool = spool
        self._outage = outage
        self._database = database
        self._store = store
        self._failing: SpooledBatch | None = None
        self._failures = 0
        self._max_events = MAX_EVENTS_PER_DRAIN
        self.drained_events = 0

    async def run(self) -> None:
        """Drain until cancelled; what is cut off is taken up again by the next process."""
        try:
            while True:
                wait_s = await self._drain_and_report()
                await asyncio.sleep(wait_s)
        finally:
            await self._store.close()

    async def _drain_and_report(self) -> float:
        """Drain what can be drained, log what cannot, and return how long to wait before the next look."""
        try:
            await self._drain()
        except SpoolUnwritableError as exc:  # the disk is at fault, not Postgres
            log.warning("spool_not_drained", reason=exc.reason)
            return FAILURE_DELAY_S
        except (StorageInterruptedError, StorageRefusedError) as exc:
            log.warning("spool_not_drained", reason=exc.reason, error=name_error(exc))
            return FAILURE_DELAY_S
        except StorageUnavailableError as exc:
            self._outage.begin(str(exc), name_error(exc))
        except Exception as exc:  # noqa: BLE001 - whatever it was, it is named in the log
            log.error("spool_not_drained", error=name_error(exc), at=locate_error(exc))  # noqa: TRY400 - it may quote events
            return FAILURE_DELAY_S
        return IDLE_POLL_S

    async def _drain(self) -> None:
        """Store all that waits in the spool.

        Raises:
            StorageUnavailableError: Postgres is gone, still or again.
        """
        await self._spool.refresh()
        if self._outage.is_on:
            # Of a server that does not answer this is found out faster, and without a line in the log for each retry.
            await self._database.ping(PING_TIMEOUT_S)
        started_at_s, before = time.monotonic(), self.drained_events
        while spooled := await self._spool.next_batch(max_events=self._max_events):
            await self._store_or_set_aside(spooled)
        self._max_events = MAX_EVENTS_PER_DRAIN
        if self._outage.is_on:
            await self._store_nothing()
            self._outage.end()
        if self.drained_events > before:
            log.info(
                "spool_drained",
                events=self.drained_events - before,
                seconds=round(time.monotonic() - started_at_s, 1),
            )

    async def _store_or_set_aside(self, spooled: SpooledBatch) -> None:
        """Store a batch; where it has failed too often, move it out of the way of those behind it."""
        try:
            await self._store.store(spooled.batch)
        except Exception as exc:
            if not await self._is_at_fault(spooled, exc):
                raise
            self._max_events = MAX_EVENTS_PER_DRAIN
            error = name_error(exc)
            name = await self._spool.set_aside(spooled, error)
            log.error("batch_set_aside", name=name, events=len(spooled.batch), error=error, tries=self._failures)  # noqa: TRY400 - the error is named
            return
        self._outage.end()
        await self._spool.remove(spooled)
        self.drained_events += len(spooled.batch)

    async def _is_at_fault(self, spooled: SpooledBatch, exc: Exception) -> bool:
        """Tell whether a batch has failed too often for a reason of its own: the database takes other writes."""
        if isinstance(exc, StorageError) and not isinstance(exc, StorageInterruptedError):
            return False
        self._failures = self._failures + 1 if spooled is self._failing else 1
        self._failing = spooled
        if self._failures == FAILURES_BEFORE_SPLIT and await self._spool.split(spooled):
            self._max_events = 1
        if self._failures < FAILURES_BEFORE_ASIDE:
            return False
        try:
            await self._store_nothing()
        except StorageError:
            return False
        return True

    async def _store_nothing(self) -> None:
        """See that the database takes a write transaction.

        Raises:
            StorageError: it does not.
        """
        await self._store.store(Batch(rows=(), rejections=(), claimed_at=datetime.now(UTC)))
