"""The traces of a run whose process was killed with SIGKILL: its tick, and the row of the run that makes up for it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import orjson

from jobs.runner import Runner
from jobs.schedule import JOBS
from runtime.settings import Settings
from storage.audit import AuditEntry, read_audit
from storage.postgres.database import Connection, Database
from storage.rollups.folding import exclusive_rollups
from storage.ticks import Tick, read_ticks
from tests.integration.folded import store
from tests.rows import make_row

WAIT_S = 20.0
FOLDING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'analytics rollups'"
)
HOLDER_AND_FOLD = 2
(AGGREGATE,) = (job for job in JOBS if job.name == "aggregate")


@contextmanager
def scheduler(database_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `analytics jobs`, whose first act is a fold, and kill it at the end."""
    environment = {**os.environ, "DATABASE_URL": database_url, "ANALYTICS_RETENTION_CRON": "off"}
    process = subprocess.Popen([sys.executable, "-m", "cli", "jobs"], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def wait_for_fold(database: Database, sql: Connection) -> Tick:
    """Wait until the job is in the middle of its fold, waiting for the test, and read its tick."""
    async with asyncio.timeout(WAIT_S):
        while await sql.fetchval(FOLDING) < HOLDER_AND_FOLD:
            await asyncio.sleep(0.02)
    return (await read_ticks(database))[AGGREGATE.name]


async def read_runs(database: Database) -> list[AuditEntry]:
    """Read the job's entries in the audit log."""
    return list(await read_audit(database, limit=9, action=AGGREGATE.name))


async def list_job(database: Database) -> dict[str, object]:
    """Read the job's line of `analytics jobs list`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli", "jobs", "list", "--json"),
        env={**os.environ, "DATABASE_URL": database.address.url},
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    (told,) = (one for one in orjson.loads(output) if one["job"] == AGGREGATE.name)
    assert isinstance(told, dict)
    return told


async def test_a_killed_run_leaves_its_tick_and_no_row(database: Database, sql: Connection) -> None:
    """Its tick counts as run. Another server runs the next one, does what was left, and leaves the only row."""
    await store(database, make_row())
    async with exclusive_rollups(database):
        with scheduler(database.address.url) as process:
            tick = await wait_for_fold(database, sql)
        assert tick.runner.startswith(f"jobs-{process.pid}@")
    assert await read_runs(database) == []
    told = await list_job(database)
    assert (told["last_run"], told["result"]) == (None, None)
    due = AGGREGATE.read_cron(Settings()).next_after(tick.started_at)
    assert due is not None
    assert told["next_run"] == due.isoformat().replace("+00:00", "Z")
    early = Runner(database, Settings(), name="another", now=lambda: due - timedelta(seconds=1))
    assert not await early.run_if_due(AGGREGATE)
    runner = Runner(database, Settings(), name="another", now=lambda: due)
    async with asyncio.timeout(WAIT_S):
        # Until Postgres notices the death, the dead one's lease stands.
        while not await runner.run_if_due(AGGREGATE):
            await asyncio.sleep(0.02)
    (run,) = await read_runs(database)
    assert (run.actor, run.outcome, run.rows, run.started_at) == ("another", "done", 1, due)
    assert (await list_job(database))["result"] == "done"


async def test_a_run_that_is_told_to_stop_leaves_a_row(database: Database, sql: Connection) -> None:
    """Unlike a killed one: SIGTERM leaves time to say so."""
    async with exclusive_rollups(database):
        with scheduler(database.address.url) as process:
            await wait_for_fold(database, sql)
            process.terminate()
            await asyncio.to_thread(process.wait, WAIT_S)
    assert [run.outcome for run in await read_runs(database)] == ["stopped"]
