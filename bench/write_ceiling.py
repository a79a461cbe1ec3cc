"""The ceiling of ingestion: rows through the write transaction over one connection, and nothing else."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from server.ingest.pipeline import reject_stored
from storage.embedded import EmbeddedPostgres
from storage.partitions import Partitions
from storage.postgres.database import Database
from storage.quarantine import Quarantine
from storage.write.batch import Batch, Row, WriteOutcome
from storage.write.batch_store import BatchStore

ROWS_PER_BATCH = 2_000
"""As many as the writer gathers where it is busy."""


async def measure_write_ceiling(data_dir: Path, rows: Sequence[Row]) -> float:
    """Write rows in batches, one after the other, and return how many were committed a second.

    Args:
        data_dir: of a running embedded Postgres with a migrated database.
        rows: with ids that are not stored yet.
    """
    database = await Database.open(EmbeddedPostgres(data_dir).start())
    store = BatchStore(database, Partitions(database), Quarantine(max_bytes=0), reject_row=reject_stored)
    batches = [
        Batch(rows[start : start + ROWS_PER_BATCH], (), datetime.now(UTC))
        for start in range(0, len(rows), ROWS_PER_BATCH)
    ]
    try:
        await store.store(batches[0])  # connects, prepares, finds the partitions
        started_at = time.perf_counter()
        outcomes = [await store.store(batch) for batch in batches[1:]]
        seconds = time.perf_counter() - started_at
    finally:
        await store.close()
        await database.close()
    return sum(part.count(WriteOutcome.STORED) for part in outcomes) / seconds
