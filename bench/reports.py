"""Time the reports in Postgres, and DuckDB on the same rows; run it with `make bench-reports`.

For each size a month of events is made, once as a Parquet file and once in a fresh embedded Postgres with the service's
own schema. Nothing analyses the tables: a report that is asked right after an import has no statistics either. Each
report is asked in turns by the service's own reader and by DuckDB, which runs the very same statements, and the medians
count. Then the month is folded, and GetDashboard is asked as the service answers it: the first time, and again. Last,
batches are written alone and beside funnels that are asked one after the other, in turns. The last line is JSON.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import asyncpg
import duckdb

from bench.data.report_data import DAYS, END, START, load_postgres, write_events
from bench.data.sample_events import make_pool
from bench.ingest_rate import measure_ingest_ratio, timed
from bench.machine import describe_load, describe_machine
from server.reports.dashboard import answer as answer_dashboard
from server.reports.desk import ReportDesk
from server.reports.periods import Calendar, Length
from server.reports.steps import parse_step
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from storage.embedded import EmbeddedPostgres
from storage.embedded.processes import processes_in
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.postgres.reader import Reader
from storage.reports.cohort_sql import CohortQuestion, cohort_query
from storage.reports.dashboard_rows import dashboard_queries
from storage.reports.event_list_rows import EventFilter, slice_query
from storage.reports.funnel_sql import FunnelQuestion, StepOrder, totals_query
from storage.reports.predicates import EventPattern, Query
from storage.reports.retention_sql import Entry, RetentionQuestion, retention_query
from storage.rollups import fold
from tests.oracle.stores import ask_duckdb, open_duckdb

SIZES = {"1m": 1_000_000, "5m": 5_000_000}
ROUNDS = 3
TIMEOUT_S = 600.0
"""Far longer than any report may take: a benchmark measures how long it took."""
SAMPLE_S = 0.05
"""How often memory is looked at."""
ANSWERS = 9
"""How often the dashboard is requested; the median is that of an open dashboard that refreshes."""
NOTE_CHANGES = """
INSERT INTO analytics_aggregation_deltas (hour, event_type, count, first_at, last_at)
SELECT date_trunc('hour', timestamp, 'UTC'), event_type, count(*), min(timestamp), max(timestamp)
FROM analytics_events
GROUP BY 1, 2
"""


def funnel() -> list[Query]:
    """Ask for three steps over the month."""
    question = FunnelQuestion(
        start=START,
        end=END,
        window=timedelta(days=14),
        steps=tuple(parse_step(text, "steps") for text in ("view", "engagement", "purchase")),
        order=StepOrder.ORDERED,
        first_only=False,
        exclusions=(),
        breakdown=None,
        open_since=END,
    )
    return [totals_query(question, most_groups=25)]


def retention() -> list[Query]:
    """Who comes back by days, over the 30 days of the events, having come first ever in them."""
    bounds = tuple(Calendar(Length.DAY, ZoneInfo("UTC")).starts(START, 2 * DAYS + 1))
    return [
        retention_query(
            RetentionQuestion(
                start=START,
                end=END,
                entry_step=EventPattern(),
                return_step=EventPattern(),
                entry=Entry.FIRST_EVER,
                bounds=bounds,
                rolling=None,
                cells=tuple(range(1, DAYS + 1)),
                on_or_after=False,
            )
        )
    ]


def cohort() -> list[Query]:
    """What the cohorts of each week do, over the 30 days of the events."""
    bounds = tuple(Calendar(Length.WEEK, ZoneInfo("UTC")).starts(START, 7))
    return [cohort_query(CohortQuestion(START, END, EventPattern(), bounds))]


def dashboard() -> list[Query]:
    """Ask for the dashboard of the month, all events of which are in range."""
    days = [START + timedelta(days=day) for day in range(DAYS)]
    return dashboard_queries(previous_start=START - (END - START), period_starts=days, end=END)


def events() -> list[Query]:
    """Ask for a page of purchases in the middle of the month."""
    middle = START + timedelta(days=DAYS // 2)
    only = EventFilter(pattern=parse_step("purchase:amount>=20", "filter"))
    return [slice_query(middle - timedelta(hours=8), middle, only, None, 1_000)]


REPORTS: dict[str, Callable[[], list[Query]]] = {
    "dashboard": dashboard,
    "events": events,
    "funnel": funnel,
    "retention": retention,
    "cohort": cohort,
}
"""The statements of each report, by the name that its figures have."""


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, prog="python -m bench.reports")
    arguments.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="how many events")
    arguments.add_argument("--reports", nargs="+", choices=REPORTS, default=list(REPORTS), help="which reports")
    return arguments.parse_args()


def main() -> None:
    """Measure, print a table, and as the last line all figures as JSON."""
    options = parse_options()
    print(f"machine  {describe_machine()}")
    print(f"command  python -m bench.reports {' '.join(sys.argv[1:])}".rstrip())
    print(f"load     {describe_load()}")
    figures: dict[str, float] = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory(prefix="analytics-bench-") as folder:
            figures |= asyncio.run(measure(Path(folder), size, options.reports))
    print(json.dumps(figures))


async def measure(folder: Path, size: str, reports: Sequence[str]) -> dict[str, float]:
    """Measure all reports on so many events."""
    events = SIZES[size]
    parquet = folder / "events.parquet"
    write_events(parquet, events)
    figures: dict[str, float] = {}
    with EmbeddedPostgres(folder / "data") as postgres, open_duckdb() as duck:
        await set_up(postgres.url, parquet)
        duck.execute(f"CREATE VIEW analytics_events AS SELECT * FROM '{parquet}'")
        figures["bytes_per_event"] = round(await stored_bytes(postgres.url) / events, 1)
        figures["parquet_bytes_per_event"] = round(parquet.stat().st_size / events, 1)
        sizes = f"{figures['bytes_per_event']} bytes each, {figures['parquet_bytes_per_event']} in Parquet"
        print(f"\n{events:,} events, {sizes}")
        print(f"{'report':12} {'Postgres, s':>12} {'DuckDB, s':>12} {'ratio':>8} {'memory, MB':>12}  load")
        database = await Database.open(postgres.url)
        for report in reports:
            with peak_memory(folder / "data") as peak_mb:
                postgres_s, duckdb_s = await time_both(Reader(database), duck, REPORTS[report]())
            ratio = postgres_s / duckdb_s
            figures |= {
                f"{report}_{size}_postgres_s": round(postgres_s, 3),
                f"{report}_{size}_duckdb_s": round(duckdb_s, 3),
                f"{report}_{size}_ratio": round(ratio, 2),
                f"{report}_{size}_memory_mb": round(peak_mb[0]),
            }
            print(
                f"{report:12} {postgres_s:12.2f} {duckdb_s:12.2f} {ratio:8.2f} {peak_mb[0]:12.0f}  {describe_load()}",
                flush=True,
            )
        figures |= await measure_service(database, size)
        await database.close()
    return figures


async def measure_service(database: Database, size: str) -> dict[str, float]:
    """Fold the month, and ask for its dashboard; then compare ingestion beside funnels with ingestion alone."""
    await note_changes(database)
    fold_s = await timed(fold(database))
    desk = ReportDesk(Reader(database), now=lambda: END, concurrent=1)
    question = GetDashboardRequest(timeframe=f"{DAYS}d")
    answers_s = [await timed(desk.answer(answer_dashboard, question, remaining_s=None)) for _ in range(ANSWERS)]
    reader = Reader(database)

    async def ask_funnel() -> None:
        async with reader.snapshot(TIMEOUT_S) as snapshot:
            await snapshot.fetch_each(funnel())

    ratio = await measure_ingest_ratio(database, make_pool(), ask_funnel, pause_s=0)
    print(f"dashboard as answered: first {1000 * answers_s[0]:.0f} ms, then {1000 * median(answers_s):.0f} ms")
    print(f"ingestion beside funnels: {ratio:.2f} of its rate alone  {describe_load()}", flush=True)
    return {
        f"fold_{size}_s": round(fold_s, 1),
        f"dashboard_{size}_first_answer_ms": round(1000 * answers_s[0]),
        f"dashboard_{size}_answer_ms": round(1000 * median(answers_s)),
        f"ingest_beside_funnel_{size}_ratio": round(ratio, 2),
    }


async def note_changes(database: Database) -> None:
    """Leave the deltas that a fold goes by, as the writers of these events would have."""
    connection = await database.address.connect("bench")
    try:
        await connection.execute(NOTE_CHANGES)
    finally:
        await connection.close()


async def set_up(url: str, parquet: Path) -> None:
    """Load the events, and leave the tables without statistics."""
    connection = await asyncpg.connect(url)
    await connection.execute("ALTER SYSTEM SET autovacuum = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    await migrate(url)
    await load_postgres(url, parquet)


async def stored_bytes(url: str) -> int:
    """Add up the events' partitions with their indexes."""
    connection = await asyncpg.connect(url)
    size: int = await connection.fetchval(
        "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('analytics_events')"
    )
    await connection.close()
    return size


async def time_both(reader: Reader, duck: duckdb.DuckDBPyConnection, queries: Sequence[Query]) -> tuple[float, float]:
    """Ask in turns; return the median seconds of Postgres and of DuckDB, whose responses have as many rows."""
    seconds: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        started_at = time.perf_counter()
        async with reader.snapshot(TIMEOUT_S) as snapshot:
            found = [len(rows) for rows in await snapshot.fetch_each(queries)]
        middle = time.perf_counter()
        expected = [len(ask_duckdb(duck, query.text, query.parameters)) for query in queries]
        seconds.append((middle - started_at, time.perf_counter() - middle))
        assert found == expected, f"Postgres answers {found} rows, DuckDB {expected}"  # noqa: S101 - or figures lie
    return median(pair[0] for pair in seconds), median(pair[1] for pair in seconds)


@contextmanager
def peak_memory(data_dir: Path) -> Iterator[list[float]]:
    """Watch Postgres; the list then holds the most memory that one of its processes had of its own, in MB (10^6 bytes).

    The shared buffers, which all processes have together, are not counted.
    """
    peak_mb = [0.0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_S):
            peak_mb[0] = max([peak_mb[0], *map(_own_mb, processes_in(data_dir / "postgres"))])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak_mb
    finally:
        done.set()
        thread.join()


def _own_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024 / 1e6


if __name__ == "__main__":
    main()
