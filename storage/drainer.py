"""The drainer: stores what was spooled, in order and exactly once, as soon as Postgres answers."""

import asyncio
import time

import structlog

from storage.batch_store import BatchStore
from storage.database import Database
from storage.errors import StorageError, StorageUnavailableError
from storage.outage import Outage
from storage.spool import Spool, SpoolUnwritableError

log = structlog.get_logger(__name__)

IDLE_POLL_S = 0.5
"""How often an idle drainer looks for spools that a dead process has left, and for the end of an outage."""
FAILURE_DELAY_S = 5.0
"""A batch that fails for another reason than an outage is a fault of ours: it stays, and is tried again in a while."""
PING_TIMEOUT_S = 1.0


class Drainer:
    """Takes batches from the spool and stores them through a store of its own."""

    def __init__(self, spool: Spool, outage: Outage, database: Database, store: BatchStore) -> None:
        self._spool = spool
        self._outage = outage
        self._database = database
        self._store = store
        self.drained_events = 0

    async def run(self) -> None:
        """Drain until cancelled; what is cut off is taken up again by the next process."""
        try:
            while True:
                try:
                    await self._drain()
                except SpoolUnwritableError as exc:  # the disk is at fault, not Postgres
                    log.warning("spool_not_drained", reason=exc.reason)
                    await asyncio.sleep(FAILURE_DELAY_S)
                except StorageUnavailableError as exc:
                    self._outage.begin(str(exc))
                except StorageError as exc:
                    log.error("spool_not_drained", reason=exc.reason)  # noqa: TRY400 - the reason is the whole story
                except Exception:
                    log.exception("spool_not_drained")
                    await asyncio.sleep(FAILURE_DELAY_S)
                await asyncio.sleep(IDLE_POLL_S)
        finally:
            await self._store.close()

    async def _drain(self) -> None:
        """Store all that waits in the spool.

        Raises:
            StorageUnavailableError: Postgres is gone, still or again.
        """
        await self._spool.refresh()
        if self._outage.is_on:
            await self._database.ping(PING_TIMEOUT_S)
            self._outage.end()
        started_at_s, before = time.monotonic(), self.drained_events
        while spooled := await self._spool.next_batch():
            await self._store.store(spooled.batch)
            await self._spool.remove(spooled)
            self.drained_events += len(spooled.batch)
        if self.drained_events > before:
            log.info(
                "spool_drained",
                events=self.drained_events - before,
                seconds=round(time.monotonic() - started_at_s, 1),
            )
