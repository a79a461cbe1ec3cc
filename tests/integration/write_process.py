"""What a server process has for writing, within the test's own: it can be killed, and another one takes its place."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from server.ingest.pipeline import reject_stored
from storage.postgres.database import Database
from storage.quarantine import Quarantine
from storage.spool import Spool
from storage.write.batch import Rejection, Row, WriteOutcome
from storage.write.writer import Writer
from tests.integration.write_line import Line
from tests.rows import ACTORS

SPOOL_BYTES = 1 << 30
PATIENCE_S = 10.0
"""Nothing here takes so long, but a deadlock or a task that does not end."""

CLEAR_TIMEOUT_S = 1.0
"""A task that does not end by then is one that the test has failed for; the end of its loop ends it."""


class WriteProcess:
    """A writer with connections over a line of its own, and with a spool in a folder that it shares.

    Args of the constructor:
        line: to Postgres; it outlives the process.
        spool_folder: of all processes.
        batch_size, batch_interval_ms: the writer's triggers.
        quarantine_bytes: the quarantine's bound.
    """

    def __init__(
        self,
        line: Line,
        spool_folder: Path,
        *,
        batch_size: int | None,
        batch_interval_ms: int | None,
        quarantine_bytes: int,
    ) -> None:
        self.line = line
        self._spool_folder = spool_folder
        self._batch_size = batch_size
        self._batch_interval_ms = batch_interval_ms
        self._quarantine_bytes = quarantine_bytes
        self.life = 0
        """How often it was started."""
        self._dead_spools: list[Spool] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start, or start anew."""
        self.life += 1
        self._database = await Database.open(self.line.url)
        self._spool = Spool(self._spool_folder, max_bytes=SPOOL_BYTES)
        self._writer = Writer(
            self._database,
            Quarantine(max_bytes=self._quarantine_bytes),
            self._spool,
            reject_row=reject_stored,
            hash_actor=ACTORS.of,
            connections=2,
            batch_size=self._batch_size,
            batch_interval_ms=self._batch_interval_ms,
        )
        self._tasks.append(asyncio.create_task(self._writer.run()))

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being written, nor kept from being written by an outage."""
        queue = self._writer._queue
        return not (self._writer._outage.is_on or queue._writing or len(queue))

    async def write(self, rows: Sequence[Row], rejections: Sequence[Rejection]) -> list[WriteOutcome]:
        """Write: one event as a call does, several as a stream does."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._writer.write(rows, rejections, size_bytes=200 * len(rows), wait=len(rows) > 1)

    def doom(self) -> None:
        """Stop all work within this turn of the loop; `kill` does the rest."""
        self._tasks[-1].cancel()

    async def kill(self) -> None:
        """Die: nothing is flushed or told, connections break, and the kernel frees the locks."""
        self.doom()
        self.line.cut_all()
        await asyncio.wait(self._tasks, timeout=PATIENCE_S)
        assert self._tasks[-1].cancelled(), "a writer that is cancelled goes on"
        self.line.cut_all()  # those by which a dying driver asks Postgres to cancel
        await self._database.close()
        await self._spool._do(partial(_free_locks, self._spool))
        self._dead_spools.append(self._spool)

    async def stop(self) -> None:
        """Stop in order."""
        async with asyncio.timeout(PATIENCE_S):
            await self._writer.stop()
            await self._tasks[-1]
        await self._database.close()
        await self._spool.close()

    async def clear(self) -> None:
        """Leave no task, thread or file behind, however the test has ended."""
        if not self._tasks:
            return
        self._tasks[-1].cancel()
        await asyncio.wait(self._tasks, timeout=CLEAR_TIMEOUT_S)
        await self._database.close()
        await self._spool.close()
        for spool in self._dead_spools:
            await spool._do(partial(_close_files, spool))
            spool._thread.shutdown()


def _free_locks(spool: Spool) -> None:
    """Do to its claims what the death of a process does; its files stay."""
    for segment in spool._folder._segments():
        segment._claim.release()


def _close_files(spool: Spool) -> None:
    for segment in spool._folder._segments():
        segment._close_log()
