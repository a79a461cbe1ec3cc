"""The traces of runs whose process was killed with SIGKILL, and who makes up for them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import orjson

from jobs.open_segments import open_segments
from jobs.runner import Runner
from jobs.schedule import JOBS
from jobs.upkeep import Upkeep
from runtime.settings import Settings
from storage.audit import AuditEntry, read_audit
from storage.postgres.database import Connection, Database
from storage.ticks import read_ticks
from storage.upkeep import read_upkeep
from tests.rows import NOON, make_batch, make_row, make_store
from tests.stored import stored_rows

WAIT_S = 30.0
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND application_name = $1"
)
(RETENTION,) = (job for job in JOBS if job.name == "retention")


@contextmanager
def scheduler(database_url: str, folder: Path, *, retention_cron: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `analytics jobs`, and kill it at the end."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "ANALYTICS_DATA_DIR": str(folder),
        "ANALYTICS_RETENTION_CRON": retention_cron,
    }
    process = subprocess.Popen([sys.executable, "-m", "cli", "jobs"], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def locked(database: Database, table: str) -> AsyncIterator[None]:
    """Let nobody write to a table, nor read it, meanwhile."""
    connection = await asyncpg.connect(database.address.url)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def wait_for(sql: Connection, role: str) -> None:
    """Wait until somebody waits for the lock."""
    async with asyncio.timeout(WAIT_S):
        while not await sql.fetchval(WAITING, f"analytics {role}"):
            await asyncio.sleep(0.02)


async def read_runs(database: Database) -> list[AuditEntry]:
    """Read the job's entries in the audit log."""
    return list(await read_audit(database, limit=9, action=RETENTION.name))


async def list_job(database: Database) -> dict[str, object]:
    """Read the job's line of `analytics jobs list`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli", "jobs", "list", "--json"),
        env={**os.environ, "DATABASE_URL": database.address.url},
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    (told,) = (one for one in orjson.loads(output) if one["job"] == RETENTION.name)
    assert isinstance(told, dict)
    return told


async def test_a_killed_run_leaves_its_tick_and_no_row(database: Database, sql: Connection, tmp_path: Path) -> None:
    """Its tick counts as run. Another server runs the next one, does what was left, and leaves the only row."""
    store = make_store(database)
    await store.store(make_batch([make_row()], claimed_at=NOON))
    await store.close()
    cron = Settings().retention_cron
    async with locked(database, "analytics_event_keys"):
        with scheduler(database.address.url, tmp_path, retention_cron=cron) as process:
            await wait_for(sql, "retention")
            tick = (await read_ticks(database))[RETENTION.name]
        assert tick.runner.startswith(f"jobs-{process.pid}@")
    assert await read_runs(database) == []
    told = await list_job(database)
    assert (told["last_run"], told["result"]) == (None, None)
    due = RETENTION.read_cron(Settings()).next_after(tick.started_at)
    assert due is not None
    assert told["next_run"] == due.isoformat().replace("+00:00", "Z")
    early = Runner(database, Settings(), name="another", now=lambda: due - timedelta(seconds=1))
    assert not await early.run_if_due(RETENTION)
    runner = Runner(database, Settings(), name="another", now=lambda: due)
    async with asyncio.timeout(WAIT_S):
        # Until Postgres notices the death, the dead one's lease stands.
        while not await runner.run_if_due(RETENTION):
            await asyncio.sleep(0.02)
    (run,) = await read_runs(database)
    assert (run.actor, run.outcome, run.started_at) == ("another", "done", due)
    assert await stored_rows(database.address.url) == []
    assert (await list_job(database))["result"] == "done"


async def test_a_run_that_is_told_to_stop_leaves_a_row(database: Database, sql: Connection, tmp_path: Path) -> None:
    """Unlike a killed one: SIGTERM leaves time to say so."""
    async with locked(database, "analytics_event_keys"):
        with scheduler(database.address.url, tmp_path, retention_cron=Settings().retention_cron) as process:
            await wait_for(sql, "retention")
            process.terminate()
            await asyncio.to_thread(process.wait, WAIT_S)
    assert [run.outcome for run in await read_runs(database)] == ["stopped"]


async def test_a_sealing_that_was_killed_is_done_by_another_server(
    database: Database, sql: Connection, tmp_path: Path
) -> None:
    """Its lease goes with it, and what it has written counts for nothing."""
    store = make_store(database)
    rows = [make_row() for _ in range(5)]
    await store.store(make_batch(rows))
    await store.close()
    await sql.execute("UPDATE analytics_blocks SET stored_at = now() - interval '2 hours'")
    async with locked(database, "analytics_segment_parts_0"):
        with scheduler(database.address.url, tmp_path, retention_cron="off"):
            await wait_for(sql, "writer")
    assert await read_upkeep(database) == {}
    upkeep = Upkeep(database, open_segments(database, Settings()), name="another")
    async with asyncio.timeout(WAIT_S):
        while not await upkeep.run_once():
            await asyncio.sleep(0.02)
    assert (await read_upkeep(database))["seal"].runner == "another"
    assert await sql.fetchval("SELECT count(*) FROM analytics_blocks") == 0
    states = await sql.fetch("SELECT state, rows FROM analytics_segments ORDER BY state")
    assert [tuple(one) for one in states] == [("live", 5), ("writing", 5)]
    assert len(await stored_rows(database.address.url)) == 5
