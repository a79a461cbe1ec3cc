"""How fast batches are written over one connection, alone and beside other work on the same database."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from bench.data.sample_events import MessagePool, make_rows
from server.ingest.pipeline import reject_stored
from storage.blocks.pseudonyms import Pseudonyms
from storage.blocks.store import BlockStore
from storage.postgres.database import Database
from storage.quarantine import Quarantine
from storage.write.batch import Batch

ROWS_PER_BATCH = 2_000
"""As many as the writer gathers where it is busy."""
ACTORS = Pseudonyms(b"benchmark" * 4, "the benchmark")
INGEST_S = 4.0
INGEST_ROUNDS = 3


def make_store(database: Database) -> BlockStore:
    """Make a store as a writer has."""
    return BlockStore(database, Quarantine(max_bytes=0), reject_row=reject_stored, hash_actor=ACTORS.of)


async def measure_ingest(database: Database, pool: MessagePool) -> float:
    """Write batches for INGEST_S and return the rows a second."""
    store = make_store(database)
    written, busy_s = 0, 0.0
    while busy_s < INGEST_S:
        rows = make_rows(pool.messages(ROWS_PER_BATCH // 500))
        busy_s += await timed(store.store(Batch(rows, (), datetime.now(UTC))))
        written += len(rows)
    await store.close()
    return written / busy_s


async def measure_ingest_ratio(
    database: Database, pool: MessagePool, work: Callable[[], Awaitable[object]], *, pause_s: float
) -> float:
    """Compare ingestion beside work that is done again and again with ingestion alone, in turns; the median."""
    ratios = []
    for _ in range(INGEST_ROUNDS):
        alone = await measure_ingest(database, pool)
        working = asyncio.create_task(repeat(work, pause_s=pause_s))
        ratios.append(await measure_ingest(database, pool) / alone)
        if working.done():  # it does not end by itself: then it failed, and nothing was measured
            await working
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    return statistics.median(ratios)


async def repeat(work: Callable[[], Awaitable[object]], *, pause_s: float) -> None:
    """Do something again and again until cancelled."""
    while True:
        await work()
        await asyncio.sleep(pause_s)


async def timed(work: Awaitable[object]) -> float:
    """Return how many seconds something takes."""
    started_at = time.perf_counter()
    await work
    return time.perf_counter() - started_at
