"""What sealing costs and how ingestion fares beside it: part of `make bench-ingest`, or by itself.

seal_cpu_us_per_event     processor time of sealing and two merges, in this process and in Postgres.
summary_cpu_us_per_event  of making summaries of the events, at the first of them; not part of the above.
segment_bytes_per_event   of the segments after the second merge.
all_bytes_per_event       all tables but analytics_events, with indexes, at rest: swept, and vacuumed in full.
ingest_beside_seal_ratio  the write transaction beside a process that seals and merges every second, of the same alone.
longest_write_ms          the longest of all write transactions at half that load, beside such a process, in some runs;
longest_write_p50_ms      and the median of the longest of each run.

python -m bench.sealing [--events 1600000]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import asyncpg
import pyarrow as pa

from bench.clients.sealer import sealing
from bench.data.realistic_rows import Row, RowMaker
from bench.ingest_rate import ROWS_PER_BATCH, make_store
from bench.machine import describe_load, describe_machine, postgres_s
from events.ids import uuid7
from jobs.open_segments import known_columns
from runtime.logging import configure_logging
from storage.blocks.store import BlockStore
from storage.embedded import EmbeddedPostgres
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.segments.catalogue import Also
from storage.segments.plans import Merge
from storage.segments.store import SegmentStore
from storage.summaries.folding import SummaryKeeper
from storage.write.batch import EVENT_ID, RECEIVED_AT, TIMESTAMP, Batch

SEALS, MERGED_AT_ONCE = 16, 4
"""So many segments are sealed, merged by fours, and those merged again: each event is sealed once and merged twice."""
DEFAULT_EVENTS = 1_600_000
TURN_S = 4.0
TURNS = 3
HALF_LOAD = 0.5
LONGEST_RUNS, LONGEST_RUN_S = 10, 4.0
ALL_BYTES = """
    SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relkind = 'r' AND relname LIKE 'analytics\\_%' AND relname NOT LIKE 'analytics\\_events%'
"""

Figures = dict[str, float]


async def measure_sealing(data_dir: Path, url: str, events: int) -> Figures:
    """Store events, seal and merge them, and see what that took and what it left.

    Args:
        data_dir: of the embedded Postgres that runs there.
        url: of its migrated, empty database.
        events: how many, a multiple of SEALS * ROWS_PER_BATCH.
    """
    database, sql = await Database.open(url), await asyncpg.connect(url)
    store, summaries = make_store(database), _TimedSummaries(SummaryKeeper(database))
    segments = SegmentStore(
        database, known_columns(), cache_folder=data_dir, cache_bytes=0, summaries=summaries, copies=False
    )
    maker = RowMaker(events)
    seconds = 0.0
    for _ in range(SEALS):
        for _ in range(events // SEALS // ROWS_PER_BATCH):
            await store.store(Batch(maker.make(ROWS_PER_BATCH), (), datetime.now(UTC)))
        with _Meter(data_dir) as meter:
            await segments.keeper.seal(await segments.catalogue.list_blocks())
        seconds += meter.seconds
    with _Meter(data_dir) as meter:
        await _merge(segments, SEALS // MERGED_AT_ONCE)
        await _merge(segments, 1)
    seconds += meter.seconds
    live = await segments.catalogue.list_segments()
    assert sum(segment.rows for segment in live) == events  # noqa: S101 - nothing is lost
    await segments.catalogue.sweep(replaced_stay=timedelta(0))
    await sql.execute("VACUUM (FULL)")
    all_bytes = await sql.fetchval(ALL_BYTES)
    await store.close()
    await sql.close()
    await database.close()
    return {
        "seal_cpu_us_per_event": 1e6 * (seconds - summaries.seconds) / events,
        "summary_cpu_us_per_event": 1e6 * summaries.seconds / events,
        "segment_bytes_per_event": sum(segment.size_bytes for segment in live) / events,
        "all_bytes_per_event": all_bytes / events,
    }


async def _merge(segments: SegmentStore, merges: int) -> None:
    """Merge all segments, in so many groups that follow each other in time."""
    live = await segments.catalogue.list_segments()
    size = -(-len(live) // merges)
    for start in range(0, len(live), size):
        await segments.keeper.merge(Merge(live[start : start + size], splits_days=False))


class _TimedSummaries:
    """Summarises, and adds up the processor time of this process that it takes."""

    def __init__(self, summaries: SummaryKeeper) -> None:
        self._summaries = summaries
        self.seconds = 0.0

    async def prepare(self, tables: Sequence[pa.Table]) -> Also:
        started_s = time.process_time()
        try:
            return await self._summaries.prepare(tables)
        finally:
            self.seconds += time.process_time() - started_s


class _Meter:
    """Measures the processor time of this process, its threads included, and of Postgres."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self.seconds -= time.process_time() + postgres_s(self._data_dir)
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() + postgres_s(self._data_dir)


class _Load:
    """Writes batches of realistic events over one connection; the events repeat, their ids and times do not."""

    def __init__(self, store: BlockStore) -> None:
        self._store = store
        self._batches = [RowMaker(50 * ROWS_PER_BATCH, seed=seed).make(ROWS_PER_BATCH) for seed in range(20)]
        self._written = 0

    def _next(self) -> Batch:
        now = datetime.now(UTC)
        self._written += 1
        rows = self._batches[self._written % len(self._batches)]
        return Batch([_renewed(row, now) for row in rows], (), now)

    async def run(self, seconds: float, rate_per_s: float | None = None) -> list[float]:
        """Write for some seconds, as fast as possible or batches at a rate; return how many seconds each took."""
        taken: list[float] = []
        started_at = time.perf_counter()
        while (now := time.perf_counter()) < started_at + seconds:
            if rate_per_s is not None:
                await asyncio.sleep(max(0.0, started_at + len(taken) / rate_per_s - now))
            batch = self._next()
            begun_at = time.perf_counter()
            await self._store.store(batch)
            taken.append(time.perf_counter() - begun_at)
        return taken


def _renewed(row: Row, now: datetime) -> Row:
    values = list(row)
    values[EVENT_ID], values[TIMESTAMP], values[RECEIVED_AT] = uuid7(), now, now
    return tuple(values)


async def measure_beside_sealing(url: str) -> Figures:
    """Compare writing beside sealing with writing alone, in turns; then look for the longest write at half the load."""
    database = await Database.open(url)
    store = make_store(database)
    load = _Load(store)
    await load.run(1.0)
    ratios, rates = [], []
    for _ in range(TURNS):
        alone = await load.run(TURN_S)
        with sealing(url):
            beside = await load.run(TURN_S)
        ratios.append(statistics.mean(alone) / statistics.mean(beside))
        rates.append(1 / statistics.mean(alone))
    half_load = HALF_LOAD * statistics.median(rates)
    with sealing(url):
        await load.run(TURN_S, half_load)  # until it seals
        longest_ms = [1000 * max(await load.run(LONGEST_RUN_S, half_load)) for _ in range(LONGEST_RUNS)]
    await store.close()
    await database.close()
    return {
        "ingest_beside_seal_ratio": statistics.median(ratios),
        "longest_write_ms": max(longest_ms),
        "longest_write_p50_ms": statistics.median(longest_ms),
    }


@contextmanager
def _empty_postgres() -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory(prefix="analytics-bench-") as name, EmbeddedPostgres(Path(name)) as postgres:
        asyncio.run(migrate(postgres.url))
        yield Path(name), postgres.url


def measure(events: int = DEFAULT_EVENTS) -> Figures:
    """Measure all of it, each part in a fresh Postgres."""
    configure_logging(level="warning", form="console", process="bench")
    with _empty_postgres() as (data_dir, url):
        figures = asyncio.run(measure_sealing(data_dir, url, events))
    with _empty_postgres() as (_, url):
        return figures | asyncio.run(measure_beside_sealing(url))


def rounded(figures: Figures) -> Figures:
    """Round figures as they are shown."""
    return {name: round(figure, 2 if name.endswith("ratio") else 1) for name, figure in figures.items()}


def main() -> None:
    """Run the benchmark; the last line is JSON."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="python -m bench.sealing"
    )
    arguments.add_argument("--events", type=int, default=DEFAULT_EVENTS, help="that are sealed (default 1,600,000)")
    options = arguments.parse_args()
    if options.events % (SEALS * ROWS_PER_BATCH):
        arguments.error(f"--events: a multiple of {SEALS * ROWS_PER_BATCH:,}")
    figures = measure(options.events)
    print(f"machine  {describe_machine()}\nload     {describe_load()}")
    print(json.dumps(rounded(figures)))


if __name__ == "__main__":
    main()
