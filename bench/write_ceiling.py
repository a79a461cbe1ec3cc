"""The ceiling of ingestion: rows through the write transaction over one connection, and nothing else."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.ingest_rate import ROWS_PER_BATCH, make_store
from storage.embedded import EmbeddedPostgres
from storage.postgres.database import Database
from storage.write.batch import Batch, Row, WriteOutcome


async def measure_write_ceiling(data_dir: Path, rows: Sequence[Row]) -> float:
    """Write rows in batches, one after the other, and return how many were committed a second.

    Args:
        data_dir: of a running embedded Postgres with a migrated database.
        rows: with ids that are not stored yet.
    """
    database = await Database.open(EmbeddedPostgres(data_dir).start())
    store = make_store(database)
    batches = [
        Batch(rows[start : start + ROWS_PER_BATCH], (), datetime.now(UTC))
        for start in range(0, len(rows), ROWS_PER_BATCH)
    ]
    try:
        await store.store(batches[0])  # connects and prepares
        started_at = time.perf_counter()
        outcomes = [await store.store(batch) for batch in batches[1:]]
        seconds = time.perf_counter() - started_at
    finally:
        await store.close()
        await database.close()
    return sum(part.count(WriteOutcome.STORED) for part in outcomes) / seconds
