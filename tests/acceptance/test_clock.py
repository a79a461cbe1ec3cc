"""The jobs by a clock that is not the machine's: libfaketime under the real process, where this machine has it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

PLACES = (
    os.environ.get("LIBFAKETIME", "/nowhere"),
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
)
LIBRARY = next((place for place in PLACES if Path(place).exists()), None)
WAIT_S = 20.0

pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason="no libfaketime here: install the package faketime, or name its library in LIBFAKETIME"
)


@contextmanager
def jobs_at(database_url: str, moment: str, **environment: str) -> Iterator[None]:
    """Run `analytics jobs` with a clock that starts at a moment of UTC."""
    variables = {
        **os.environ,
        "DATABASE_URL": database_url,
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": f"@{moment}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "UTC",
        "ANALYTICS_RETENTION_CRON": "off",
        "ANALYTICS_PARTITIONS_CRON": "off",
        **environment,
    }
    process = subprocess.Popen([sys.executable, "-m", "server", "jobs"], env=variables, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def runs_of(database_url: str, action: str, count: int) -> list[datetime]:
    """Wait until a job has run so often, and tell when each run began."""
    connection = await asyncpg.connect(database_url)
    deadline_s = time.monotonic() + WAIT_S
    try:
        while True:
            rows = await connection.fetch(
                "SELECT started_at FROM analytics_audit_log WHERE action = $1 ORDER BY id", action
            )
            if len(rows) >= count:
                return [row["started_at"] for row in rows]
            assert time.monotonic() < deadline_s, f"{len(rows)} runs of {action}"
            await asyncio.sleep(0.1)
    finally:
        await connection.close()


async def test_a_yearly_tick_comes_with_the_new_year(database_url: str) -> None:
    """The first run is that of a job that never ran, the second one the year's."""
    with jobs_at(database_url, "2026-12-31 23:59:56", ANALYTICS_AGGREGATE_CRON="0 0 1 1 *"):
        first, second = await runs_of(database_url, "aggregate", 2)
    assert first < datetime(2027, 1, 1, tzinfo=UTC) <= second


async def test_a_clock_set_back_by_an_hour_stops_no_job(database_url: str) -> None:
    """What the later clock noted does not keep the earlier one waiting."""
    for moment in ("2026-10-25 03:00:10", "2026-10-25 02:00:10"):
        before = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        with jobs_at(database_url, moment, ANALYTICS_AGGREGATE_CRON="0 * * * *"):
            started = await runs_of(database_url, "aggregate", 1 if moment.endswith("03:00:10") else 2)
        assert 0 <= (started[-1] - before).total_seconds() < WAIT_S
