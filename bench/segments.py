"""Measures the storage core: encoding, the write transaction, sealing, two merges, and bytes at rest.

Processor time, since other work on the machine changes it least; it still grows where caches are shared. A fixed piece
of work is timed beside it, so that runs of a busy and of a quiet machine can be compared.

python -m bench.segments [--seals 8] [--rounds 8]
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import orjson

from bench.data.realistic_rows import RowMaker
from bench.ingest_rate import ACTORS
from bench.machine import describe_load, describe_machine, postgres_s
from events.catalogue import load_catalogue
from events.columns import columns_of
from storage.blocks.codec import Block, decode_columns, encode
from storage.blocks.store import BlockStore
from storage.embedded import EmbeddedPostgres
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.quarantine import Quarantine
from storage.segments.catalogue import SegmentCatalogue
from storage.segments.files import SegmentFile, SegmentReader, write_segment
from storage.segments.keeping import SegmentKeeper
from storage.segments.parts import PartFetcher
from storage.segments.places import PostgresPlace
from storage.segments.plans import buckets, take_blocks
from storage.segments.schema import EventColumns
from storage.segments.tables import concatenate, integers, sort, table_of_blocks
from storage.write.batch import Batch

ROWS_PER_BATCH = 2_000
ROWS_PER_SEAL = 200_000
KNOWN = EventColumns.of(columns_of(load_catalogue()))


class Meter:
    """Adds up processor time by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add the processor time of the body."""
        started_at = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - started_at

    def us(self, name: str, events: int) -> float:
        """Divide by events, in microseconds."""
        return round(1e6 * self.seconds[name] / events, 2)


def fixed_work_us() -> float:
    """Time a fixed piece of work: the median of some."""
    value = [{"contentId": f"post-{number}", "viewDuration": number / 10} for number in range(2_000)]
    taken = []
    for _ in range(25):
        started_at = time.process_time()
        orjson.loads(orjson.dumps(value))
        taken.append(time.process_time() - started_at)
    return 1e6 * sorted(taken)[len(taken) // 2]


def seal(maker: RowMaker, meter: Meter) -> SegmentFile:
    """Encode batches as a worker does, right after their rows were made, and seal their blocks."""
    blocks: list[Block] = []
    for _ in range(ROWS_PER_SEAL // ROWS_PER_BATCH):
        rows = maker.make(ROWS_PER_BATCH)
        with meter.time("encode"):
            blocks.append(encode(rows, ACTORS.of))
        meter.seconds["block bytes"] = meter.seconds.get("block bytes", 0) + len(blocks[-1].data)
    with meter.time("seal"):
        with meter.time("decode"):
            columns = [decode_columns(block) for block in blocks]
        with meter.time("seal: table"):
            table = table_of_blocks(columns, KNOWN)
        with meter.time("seal: sort and write"):
            return write_segment(sort(table))


def merge(files: list[SegmentFile], meter: Meter, name: str) -> list[SegmentFile]:
    """Merge segments as the keeper does, bucket by bucket."""
    written = []
    with meter.time(name):
        readers = [SegmentReader(file.footer, file.sums, "bench") for file in files]
        for bucket in buckets(sum(file.rows for file in files)):
            tables = []
            for file, reader in zip(files, readers, strict=True):
                groups = reader.groups(bucket.low, bucket.high)
                parts = {part: file.data[part.offset : part.offset + part.length] for part in reader.ranges(groups)}
                table = reader.read(parts, groups)
                actors = integers(table, "actor_hash")
                start, end = actors.searchsorted(bucket.low, "left"), actors.searchsorted(bucket.high, "right")
                tables.append(table.slice(start, end - start))
            written.append(write_segment(sort(concatenate(tables))))
    return written


def measure_files(seals: int, rounds: int) -> dict[str, object]:
    """Encode, seal, merge `seals` segments at a time and then `rounds` of those."""
    meter, events = Meter(), seals * rounds * ROWS_PER_SEAL
    maker = RowMaker(events)
    first = []
    for _ in range(rounds):
        sealed = [seal(maker, meter) for _ in range(seals)]
        meter.seconds["sealed bytes"] = meter.seconds.get("sealed bytes", 0) + sum(len(file.data) for file in sealed)
        first += merge(sealed, meter, "first merge")
    last = merge(first, meter, "second merge")
    both = ("seal", "first merge", "second merge")
    return {
        "events": events,
        "encode_us": meter.us("encode", events),
        "decode_us": meter.us("decode", events),
        "block_bytes": round(meter.seconds["block bytes"] / events, 1),
        **{f"{name}_us": meter.us(name, events) for name in ("seal: table", "seal: sort and write", *both)},
        "seal_cpu_us_per_event": round(sum(meter.us(name, events) for name in both), 2),
        "sealed_bytes": round(meter.seconds["sealed bytes"] / events, 1),
        "merged_bytes": round(sum(len(file.data) for file in first) / events, 1),
        "segment_bytes_per_event": round(sum(len(file.data) for file in last) / events, 1),
        "segments": [file.rows for file in last],
    }


async def measure_transactions(events: int) -> dict[str, object]:
    """Write batches through a block store into a fresh Postgres, and seal and merge what it holds."""
    with tempfile.TemporaryDirectory(prefix="analytics-bench-") as name, EmbeddedPostgres(Path(name)) as postgres:
        await migrate(postgres.url)
        sql = await asyncpg.connect(postgres.url)
        database = await Database.open(postgres.url)
        store = BlockStore(database, Quarantine(max_bytes=0), reject_row=_no_rejection, hash_actor=ACTORS.of)
        maker, meter = RowMaker(events, span=timedelta(seconds=60)), Meter()
        await store.store(Batch(maker.make(1), (), datetime.now(UTC)))
        before_bytes = await sql.fetchval("SELECT pg_current_wal_lsn() - '0/0'")
        before = postgres_s(Path(name))
        for _ in range(events // ROWS_PER_BATCH):
            batch = Batch(maker.make(ROWS_PER_BATCH), (), datetime.now(UTC))
            with meter.time("client"):
                await store.store(batch)
        postgres_us = 1e6 * (postgres_s(Path(name)) - before) / events
        wal = (await sql.fetchval("SELECT pg_current_wal_lsn() - '0/0'") - before_bytes) / events
        small_us = await _measure_small(store, maker)
        sealed = await _measure_seal(database, Path(name), meter)
        keys = await sql.fetchval("SELECT pg_total_relation_size('analytics_event_keys')") / events
        await store.close()
        await database.close()
        await sql.close()
    client_us = meter.us("client", events)
    return {
        "events": events,
        "client_us": client_us,
        "postgres_us": round(postgres_us, 2),
        "transaction_us": round(client_us + postgres_us, 2),
        "wal_bytes": round(float(wal)),
        "small_transaction_ms": small_us,
        "key_bytes": round(keys, 1),
        **sealed,
    }


async def _measure_small(store: BlockStore, maker: RowMaker) -> float:
    taken = []
    for _ in range(200):
        batch = Batch(maker.make(1), (), datetime.now(UTC))
        started_at = time.perf_counter()
        await store.store(batch)
        taken.append(time.perf_counter() - started_at)
    return round(1e3 * sorted(taken)[100], 2)


async def _measure_seal(database: Database, folder: Path, meter: Meter) -> dict[str, object]:
    place = PostgresPlace(database)
    catalogue = SegmentCatalogue(database, place)
    keeper = SegmentKeeper(catalogue, PartFetcher(place, None), KNOWN)
    before = postgres_s(folder)
    rows = 0
    while blocks := take_blocks(await catalogue.list_blocks()):
        rows += sum(block.rows for block in blocks)
        with meter.time("keeper"):
            await keeper.seal(blocks)
    return {
        "keeper_seal_us": meter.us("keeper", rows),
        "keeper_seal_postgres_us": round(1e6 * (postgres_s(folder) - before) / rows, 2),
    }


def _no_rejection(*_: object) -> tuple[object, ...]:
    raise AssertionError


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seals", type=int, default=8, help="segments of 200,000 rows that are merged at a time")
    parser.add_argument("--rounds", type=int, default=8, help="how many of those merges there are before the last one")
    parser.add_argument("--written", type=int, default=400_000, help="events that are written into a Postgres")
    chosen = parser.parse_args()
    fixed_us = fixed_work_us()
    figures = {
        "machine": describe_machine(),
        "load": describe_load(),
        "fixed_work_us": round(fixed_us),
        "files": measure_files(chosen.seals, chosen.rounds),
        "transactions": asyncio.run(measure_transactions(chosen.written)),
        "fixed_work_us_after": round(fixed_work_us()),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
