"""Measure dashboards and the jobs that they rest on; run it with `make bench-jobs`.

Events are spread over the 30 days before now, a segment a day, which are merged as the service does. What is measured,
on an embedded Postgres that shares this machine:

dashboard   GetDashboard of 7 days until now, answered in this process, at each size, every ten seconds of event time:
            the slowest twentieth. `p95` is the default: few events are counted one by one, of more what does not
            add up is estimated. `estimated_p95` estimates at every size, `ratio` compares these with the smallest;
            `first` is the first question of a process with an empty cache, and in none of the others. `unfolded_p95`
            comes after five minutes of events in blocks, and late ones, a twentieth as many, in hours all over the 7
            days; a batch of 20 is written before each question.
fold        merging the segments of the largest size, and adding their events to the summaries.
drop        a segment of 1,000,000 rows ages out, while another connection writes small batches, one after the other;
            the stall is the longest of these writes.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from bench.data.job_data import ACTORS, EventMaker
from bench.ingest_rate import repeat, timed
from bench.machine import describe_load, describe_machine
from cli.run.worker import tune_collector
from events.catalogue import load_catalogue
from events.columns import columns_of
from reports.dashboard.reading import DashboardReader
from server.ingest.pipeline import reject_stored
from server.reports import dashboard
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, Precision
from storage.blocks.store import BlockStore
from storage.embedded import EmbeddedPostgres
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.quarantine import Quarantine
from storage.segments.catalogue import SegmentChange
from storage.segments.files import SegmentFile, write_segment
from storage.segments.plans import Merge, plan_merge
from storage.segments.schema import EventColumns
from storage.segments.store import SegmentStore
from storage.summaries.folding import SummaryKeeper
from storage.write.batch import Batch, Row

DAYS = 30
SIZES = {"100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}
DAY_ROWS = 1_000_000
DASHBOARDS = 40
ASKED_EVERY = timedelta(seconds=10)
UNFOLDED = timedelta(minutes=5)
LATE_SHARE = 20
DASHBOARD_BUDGET_S = 40.0
"""Dashboards are asked for until either is reached, but three at least."""
SMALL_BATCH = 20
CACHE_BYTES = 8 << 30
TIMEOUT_S = 600.0


class Bench:
    """A database and what works on it."""

    def __init__(self, database: Database, folder: Path) -> None:
        known = EventColumns.of(columns_of(load_catalogue()))
        self.database = database
        self.segments = SegmentStore(
            database,
            known,
            cache_folder=folder / "cache",
            cache_bytes=CACHE_BYTES,
            summaries=SummaryKeeper(database),
            copies=False,
        )
        self.store = BlockStore(database, Quarantine(max_bytes=1 << 40), reject_row=reject_stored, hash_actor=ACTORS.of)

    async def write(self, rows: Sequence[Row]) -> None:
        """Write a batch."""
        await self.store.store(Batch(rows, (), datetime.now(UTC)))

    async def add_segments(self, maker: EventMaker, count: int, now: datetime) -> None:
        """Store events as a segment for each of the days until now, as if they had just been sealed."""
        for day in range(DAYS):
            start = now - timedelta(days=DAYS - day)
            table = await asyncio.to_thread(maker.make_table, count // DAYS, start, start + timedelta(days=1))
            await self._publish(await asyncio.to_thread(write_segment, table))

    async def add_segment(self, maker: EventMaker, count: int, start: datetime, end: datetime) -> None:
        """Store events as one segment."""
        table = await asyncio.to_thread(maker.make_table, count, start, end)
        await self._publish(await asyncio.to_thread(write_segment, table))

    async def merge(self) -> None:
        """Run all merges that are due, then add the remaining segments to the summaries."""
        while merge := plan_merge(await self.segments.catalogue.list_segments()):
            await self.segments.keeper.merge(merge)
        left = [one for one in await self.segments.catalogue.list_segments() if not one.is_summarised]
        if left:
            await self.segments.keeper.merge(Merge(left, splits_days=True))

    async def _publish(self, file: SegmentFile) -> None:
        written = await self.segments.catalogue.write(file, 0, copied_rows=file.rows)
        await self.segments.catalogue.change(SegmentChange(published=[written]))


async def measure_dashboard(
    bench: Bench,
    now: datetime,
    precision: Precision,
    before_each: Callable[[], Awaitable[None]] | None = None,
) -> tuple[float, list[float]]:
    """Ask for dashboards of 7 days as somebody who looks on; return the first, and the others in order, in ms."""
    reader = DashboardReader(bench.database, bench.segments.reader)
    taken: list[float] = []
    while len(taken) < DASHBOARDS and (sum(taken) < 1000 * DASHBOARD_BUDGET_S or len(taken) < 3):  # noqa: PLR2004 - as documented
        if before_each is not None:
            await before_each()
        question = GetDashboardRequest(timeframe="7d", precision=precision)
        moment = now + ASKED_EVERY * len(taken)
        taken.append(1000 * await timed(dashboard.answer(reader, question, moment, TIMEOUT_S)))
    return taken[0], sorted(taken[1:])


def percentile(taken: Sequence[float], share: float) -> float:
    """Find a percentile of figures in order, to a tenth."""
    return round(taken[int(share * (len(taken) - 1) + 0.5)], 1)


async def measure_dashboards(bench: Bench, name: str, size: int, maker: EventMaker, now: datetime) -> dict[str, float]:
    """Measure estimates, beginning with an empty memory, the default, and estimates with events that are not folded."""
    first, estimated = await measure_dashboard(bench, now, Precision.PRECISION_ESTIMATED)
    _, answered = await measure_dashboard(bench, now, Precision.PRECISION_UNSPECIFIED)
    await write_unfolded(bench, size, maker, now)

    async def write_some() -> None:
        await bench.write(maker.make_rows(SMALL_BATCH, now - timedelta(minutes=1), now))

    _, unfolded = await measure_dashboard(bench, now, Precision.PRECISION_ESTIMATED, write_some)
    return {
        f"dashboard_{name}_p95_ms": percentile(answered, 0.95),
        f"dashboard_{name}_median_ms": percentile(answered, 0.5),
        f"dashboard_{name}_estimated_p95_ms": percentile(estimated, 0.95),
        f"dashboard_{name}_first_ms": round(first, 1),
        f"dashboard_{name}_unfolded_p95_ms": percentile(unfolded, 0.95),
    }


async def write_unfolded(bench: Bench, size: int, maker: EventMaker, now: datetime) -> None:
    """Write as many events as come in within some minutes, and late ones."""
    count = size * UNFOLDED // timedelta(days=DAYS)
    rows = maker.make_rows(count, now - UNFOLDED, now)
    rows += maker.make_rows(1 + count // LATE_SHARE, now - timedelta(days=7), now)
    for start in range(0, len(rows), 100):
        await bench.write(rows[start : start + 100])


async def settle(database: Database) -> None:
    """Do at once what Postgres would do in the next minutes, beside what is measured."""
    connection = await database.address.connect("bench")
    try:
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def measure_drop(bench: Bench, now: datetime) -> tuple[float, float, float]:
    """Drop a day; return seconds, the longest write meanwhile, and the longest write of as long before, in ms."""
    maker = EventMaker(DAY_ROWS)
    day = (now - timedelta(days=100)).replace(hour=0, minute=0, second=0, microsecond=0)
    await bench.add_segment(maker, DAY_ROWS, day, day + timedelta(days=1))
    await bench.merge()
    (segment,) = (
        one for one in await bench.segments.catalogue.list_segments() if one.last_at < day + timedelta(days=2)
    )
    taken: list[float] = []

    async def write() -> None:
        taken.append(await timed(bench.write(maker.make_rows(SMALL_BATCH, now, now + timedelta(seconds=1)))))

    writing = asyncio.create_task(repeat(write, pause_s=0))
    await asyncio.sleep(2)
    before_ms = 1000 * max(taken)
    taken.clear()
    seconds = await timed(bench.segments.keeper.age(segment, day + timedelta(days=2)))
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    return seconds, 1000 * max(taken), before_ms


async def measure(bench: Bench, largest: int) -> dict[str, float]:
    """Measure everything."""
    figures: dict[str, float] = {}
    stored = 0
    for name, size in SIZES.items():
        if size > largest:
            break
        now = datetime.now(UTC)
        maker = EventMaker(size)
        await bench.add_segments(maker, size - stored, now)
        began = time.monotonic()
        await bench.merge()
        figures["fold_s_per_million"] = round((time.monotonic() - began) / ((size - stored) / 1e6), 2)
        stored = size
        await settle(bench.database)
        figures |= await measure_dashboards(bench, name, size, maker, now)
        print(f"{size:>10,} events  {json.dumps(figures)}", flush=True)
    seconds, stall_ms, before_ms = await measure_drop(bench, datetime.now(UTC))
    print(f"longest write before the drop {before_ms:.1f} ms, during it {stall_ms:.1f} ms", flush=True)
    for name in SIZES:
        if f"dashboard_{name}_p95_ms" in figures:
            smallest, this = figures["dashboard_100k_estimated_p95_ms"], figures[f"dashboard_{name}_estimated_p95_ms"]
            figures[f"dashboard_{name}_ratio"] = round(this / smallest, 2)
    return {**figures, "drop_day_s": round(seconds, 2), "drop_day_stall_ms": round(stall_ms, 1)}


async def run(largest: int) -> dict[str, float]:
    """Measure everything on a Postgres of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="analytics-bench-") as folder,
        EmbeddedPostgres(Path(folder, "data")) as postgres,
    ):
        await migrate(postgres.url)
        database = await Database.open(postgres.url)
        bench = Bench(database, Path(folder))
        try:
            return await measure(bench, largest)
        finally:
            await bench.store.close()
            await database.close()


def main() -> None:
    """Run the benchmark; the last line is JSON."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="python -m bench.jobs"
    )
    arguments.add_argument("--largest", type=int, default=max(SIZES.values()), help="stop at so many events")
    largest = arguments.parse_args().largest
    tune_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # both as a worker does
        figures = runner.run(run(largest))
    print(f"\nmachine  {describe_machine()}\nload     {describe_load()}")
    print(json.dumps({**figures, "machine": describe_machine()}))


if __name__ == "__main__":
    main()
