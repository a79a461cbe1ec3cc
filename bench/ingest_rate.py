"""The store that benchmarks write through, and what they time with."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from server.ingest.pipeline import reject_stored
from storage.blocks.pseudonyms import Pseudonyms
from storage.blocks.store import BlockStore
from storage.postgres.database import Database
from storage.quarantine import Quarantine

ROWS_PER_BATCH = 2_000
"""As many as the writer gathers where it is busy."""
ACTORS = Pseudonyms(b"benchmark" * 4, "the benchmark")


def make_store(database: Database) -> BlockStore:
    """Make a store as a writer has."""
    return BlockStore(database, Quarantine(max_bytes=0), reject_row=reject_stored, hash_actor=ACTORS.of)


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
