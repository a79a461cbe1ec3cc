"""Time reports on a month of events in segments; run it with `make bench-reports`.

For each size, the events are stored in a fresh embedded Postgres as segments that are merged already. Then each report
is asked in a process of its own, which has read nothing yet: the first time, and again, of which the median counts.
Seconds of the processor are those of that process, all its threads together; memory is the most that it ever had. The
last line is JSON.
"""

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

from bench.data.report_data import DAYS, END, START, store_events
from bench.machine import describe_load, describe_machine
from events.catalogue import load_catalogue
from events.columns import columns_of
from reports.cohort import CohortQuestion, read_cohorts
from reports.funnel.question import FunnelQuestion, StepOrder
from reports.funnel.rows import read_funnel
from reports.patterns.predicates import EventPattern
from reports.retention import Entry, RetentionQuestion, read_retention
from server.reports.periods import Calendar, Length
from server.reports.steps import parse_step
from storage.embedded import EmbeddedPostgres
from storage.postgres.database import Database
from storage.postgres.migrate import migrate
from storage.segments.schema import EventColumns
from storage.segments.snapshot import EventSnapshot
from storage.segments.store import SegmentStore

SIZES = {"1m": 1_000_000, "5m": 5_000_000}
ROUNDS = 5
TIMEOUT_S = 600.0
"""Far longer than any report may take: a benchmark measures how long it took."""
CACHE_BYTES = 1 << 30
"""Holds all segments, as the service's does."""


async def funnel(snapshot: EventSnapshot) -> object:
    """Ask for three steps over the month."""
    return await read_funnel(snapshot, _funnel_question(StepOrder.ORDERED), most_groups=25)


async def funnel_any(snapshot: EventSnapshot) -> object:
    """Ask for three steps over the month, in any order."""
    return await read_funnel(snapshot, _funnel_question(StepOrder.ANY), most_groups=25)


def _funnel_question(order: StepOrder) -> FunnelQuestion:
    return FunnelQuestion(
        start=START,
        end=END,
        window=timedelta(days=14),
        steps=tuple(parse_step(text, "steps") for text in ("view", "engagement", "purchase")),
        order=order,
        first_only=False,
        exclusions=(),
        breakdown=None,
        open_since=END,
    )


async def retention(snapshot: EventSnapshot) -> object:
    """Who comes back by days, over the 30 days of the events, having come first ever in them."""
    question = RetentionQuestion(
        start=START,
        end=END,
        entry_step=EventPattern(),
        return_step=EventPattern(),
        entry=Entry.FIRST_EVER,
        bounds=tuple(Calendar(Length.DAY, ZoneInfo("UTC")).starts(START, 2 * DAYS + 1)),
        rolling=None,
        cells=tuple(range(1, DAYS + 1)),
        on_or_after=False,
    )
    return await read_retention(snapshot, question)


async def cohort(snapshot: EventSnapshot) -> object:
    """What the cohorts of each week do, over the 30 days of the events."""
    bounds = tuple(Calendar(Length.WEEK, ZoneInfo("UTC")).starts(START, 7))
    return await read_cohorts(snapshot, CohortQuestion(START, END, EventPattern(), bounds))


REPORTS: dict[str, Callable[[EventSnapshot], Awaitable[object]]] = {
    "funnel": funnel,
    "funnel_any": funnel_any,
    "retention": retention,
    "cohort": cohort,
}
"""What is asked, by the name that its figures have."""


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
            figures |= measure(Path(folder), size, options.reports)
    print(json.dumps(figures))


def measure(folder: Path, size: str, reports: list[str]) -> dict[str, float]:
    """Measure reports on so many events."""
    with EmbeddedPostgres(folder / "data") as postgres:
        stored_bytes = asyncio.run(_store(postgres.url, folder, SIZES[size]))
        figures = {f"segment_bytes_per_event_{size}": round(stored_bytes / SIZES[size], 1)}
        print(f"\n{SIZES[size]:,} events, {figures[f'segment_bytes_per_event_{size}']} bytes each in segments")
        print(f"{'report':12} {'first, s':>9} {'again, s':>9} {'processor, s':>12} {'memory, MB':>11}  load")
        for report in reports:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                first_s, again_s, processor_s, memory_mb = pool.submit(ask, postgres.url, folder, report).result()
            figures |= {
                f"{report}_{size}_first_s": round(first_s, 3),
                f"{report}_{size}_s": round(again_s, 3),
                f"{report}_{size}_processor_s": round(processor_s, 3),
                f"{report}_{size}_memory_mb": round(memory_mb),
            }
            print(
                f"{report:12} {first_s:9.2f} {again_s:9.2f} {processor_s:12.2f} {memory_mb:11.0f}  {describe_load()}",
                flush=True,
            )
    return figures


async def _store(url: str, folder: Path, events: int) -> int:
    await migrate(url)
    database = await Database.open(url)
    stored_bytes = await store_events(_open_store(database, folder), events)
    await database.close()
    return stored_bytes


def ask(url: str, folder: Path, report: str) -> tuple[float, float, float, float]:
    """Ask for a report: the seconds of the first answer, of later ones, of the processor, and memory in MB (10^6)."""
    return asyncio.run(_ask(url, folder, REPORTS[report]))


async def _ask(
    url: str, folder: Path, report: Callable[[EventSnapshot], Awaitable[object]]
) -> tuple[float, float, float, float]:
    database = await Database.open(url)
    store = _open_store(database, folder)
    seconds, processor = [], []
    for _ in range(1 + ROUNDS):
        started_at, busy_at = time.perf_counter(), time.process_time()
        await store.reader.ask(report, TIMEOUT_S)
        seconds.append(time.perf_counter() - started_at)
        processor.append(time.process_time() - busy_at)
    await database.close()
    return seconds[0], median(seconds[1:]), median(processor[1:]), _most_memory_mb()


def _open_store(database: Database, folder: Path) -> SegmentStore:
    known = EventColumns.of(columns_of(load_catalogue()))
    return SegmentStore(database, known, cache_folder=folder / "cache", cache_bytes=CACHE_BYTES)


def _most_memory_mb() -> float:
    """Read the most memory that this process had; getrusage would count that of the process that it was forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


if __name__ == "__main__":
    main()
