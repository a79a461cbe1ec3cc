"""Measure the jobs; run it with `make bench-jobs`.

Events are made by SQL inside Postgres, spread over the 30 days before now. What is measured, on an embedded Postgres
that shares this machine:

dashboard   GetDashboard of 7 days until now, answered in this process, at each size, every ten seconds of event time;
            the slowest twentieth. `p95` is the default: at 100,000 events it counts them one by one, at more it
            estimates from rollups. `estimated_p95` estimates at every size, `ratio` compares these with the smallest
            size; `first` is the first question, before any rollup is remembered, and in none of the others.
            `unfolded_p95` has the events of the last five minutes unfolded, and late ones, a twentieth as many, in
            hours all over the 7 days.
fold        all hours of the largest size in one fold: rows read, rolled up and sketched.
ingest      batches of 2,000 rows over one connection, with a fold every second and without, in turns.
drop        a day of 1,000,000 rows is closed, detached and dropped, while another connection writes small batches to
            today, one after the other; the stall is the longest of these writes.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from bench.data.job_data import make_events
from bench.data.sample_events import MessagePool, make_pool, make_rows
from bench.ingest_rate import make_store, measure_ingest_ratio, repeat, timed
from bench.machine import describe_load, describe_machine
from cli.run.worker import tune_collector
from server.reports import dashboard
from server.reports.desk import ReportDesk
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, Precision
from storage.embedded import EmbeddedPostgres
from storage.partitions import day_of
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.postgres.reader import Reader
from storage.retention import drop_day
from storage.rollups import fold
from storage.write.batch import Batch

DAYS = 30
SIZES = {"100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}
DAY_ROWS = 1_000_000
DASHBOARDS = 40
ASKED_EVERY = timedelta(seconds=10)
UNFOLDED = timedelta(minutes=5)
"""As often as events are folded, as a rule."""
LATE_SHARE = 20
DASHBOARD_BUDGET_S = 40.0
"""Dashboards are asked for until either is reached, but three at least."""
SMALL_BATCH = 20


async def measure_dashboard(database: Database, now: datetime, precision: Precision) -> tuple[float, list[float]]:
    """Ask for dashboards of 7 days as somebody who looks on; return the first, and the others in order, in ms."""
    moments = iter(range(DASHBOARDS))
    desk = ReportDesk(Reader(database), now=lambda: now + ASKED_EVERY * next(moments), concurrent=1)
    taken: list[float] = []
    while len(taken) < DASHBOARDS and (sum(taken) < 1000 * DASHBOARD_BUDGET_S or len(taken) < 3):  # noqa: PLR2004 - as documented
        question = GetDashboardRequest(timeframe="7d", precision=precision)
        taken.append(1000 * await timed(desk.answer(dashboard.answer, question, remaining_s=None)))
    return taken[0], sorted(taken[1:])


def percentile(taken: Sequence[float], share: float) -> float:
    """Find a percentile of figures in order, to a tenth."""
    return round(taken[int(share * (len(taken) - 1) + 0.5)], 1)


async def measure_dashboards(database: Database, name: str, size: int, now: datetime) -> dict[str, float]:
    """Measure the default, then estimates, also without what is remembered, and with events that are not folded."""
    _, answered = await measure_dashboard(database, now, Precision.PRECISION_UNSPECIFIED)
    first, estimated = await measure_dashboard(database, now, Precision.PRECISION_ESTIMATED)
    await make_unfolded(database, size, now)
    _, unfolded = await measure_dashboard(database, now, Precision.PRECISION_ESTIMATED)
    await fold(database)
    return {
        f"dashboard_{name}_p95_ms": percentile(answered, 0.95),
        f"dashboard_{name}_median_ms": percentile(answered, 0.5),
        f"dashboard_{name}_estimated_p95_ms": percentile(estimated, 0.95),
        f"dashboard_{name}_first_ms": round(first, 1),
        f"dashboard_{name}_unfolded_p95_ms": percentile(unfolded, 0.95),
    }


async def settle(database: Database) -> None:
    """Do at once what Postgres would do in the next minutes, beside what is measured."""
    connection = await database.address.connect("bench")
    try:
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def make_unfolded(database: Database, size: int, now: datetime) -> None:
    """Make as many events as come in between two folds, and late ones."""
    count = size * UNFOLDED // timedelta(days=DAYS)
    await make_events(database, count, now - UNFOLDED, now, among=size)
    await make_events(database, 1 + count // LATE_SHARE, now - timedelta(days=7), now, among=size)


async def measure_drop(database: Database, pool: MessagePool, now: datetime) -> tuple[float, float, float]:
    """Drop a day; return seconds, the longest write meanwhile, and the longest write of as long before, in ms."""
    day = (now - timedelta(days=100)).replace(hour=0, minute=0, second=0, microsecond=0)
    await make_events(database, DAY_ROWS, day, day + timedelta(hours=23, minutes=59))
    await fold(database)
    store = make_store(database)
    taken: list[float] = []

    async def write() -> None:
        rows = make_rows(pool.messages(1))[:SMALL_BATCH]
        taken.append(await timed(store.store(Batch(rows, (), datetime.now(UTC)))))

    writing = asyncio.create_task(repeat(write, pause_s=0))
    await asyncio.sleep(2)
    before_ms = 1000 * max(taken)
    taken.clear()
    seconds = await timed(drop_day(database, day_of(day), now))
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await store.close()
    return seconds, 1000 * max(taken), before_ms


async def measure(database: Database, largest: int) -> dict[str, float]:
    """Measure everything."""
    figures: dict[str, float] = {}
    stored = 0
    for name, size in SIZES.items():
        if size > largest:
            break
        now = datetime.now(UTC)
        await make_events(database, size - stored, now - timedelta(days=DAYS), now, among=size)
        stored = size
        figures["fold_s_per_million"] = round(await timed(fold(database)) / (size / 1e6), 2)
        await settle(database)
        figures |= await measure_dashboards(database, name, size, now)
        print(f"{size:>10,} events  {json.dumps(figures)}", flush=True)
    pool = make_pool()
    ratio = await measure_ingest_ratio(database, pool, lambda: fold(database), pause_s=1.0)
    figures["ingest_ratio"] = round(ratio, 2)
    seconds, stall_ms, before_ms = await measure_drop(database, pool, datetime.now(UTC))
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
        try:
            return await measure(database, largest)
        finally:
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
