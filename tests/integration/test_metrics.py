"""Metrics tell how the jobs go: by the audit log, so that any server's scrape knows of every server's runs."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.request import JobRequest, Outcome
from jobs.runner import Runner
from jobs.schedule import Job
from runtime.settings import Settings
from runtime.supervision import Restarts
from server.metrics import serve_metrics
from storage.postgres.database import Database
from storage.postgres.errors import StorageUnavailableError
from storage.rollups import fold
from tests.acceptance.running import free_port, scrape
from tests.rows import NOON, make_batch, make_row, make_store

LABEL = '{job="count"}'
SUCCESS = f"analytics_job_last_success_timestamp_seconds{LABEL}"
IS_GOOD = f"analytics_job_last_run_success{LABEL}"
DURATION = f"analytics_job_last_run_duration_seconds{LABEL}"
RESTARTS: Restarts = Counter({("worker-1", "hung"): 2})
OLDEST = "analytics_oldest_unfolded_hour_timestamp_seconds"


async def read(database: Database, folder: Path) -> dict[str, float]:
    """Scrape as Prometheus does."""
    with serve_metrics(database, folder, RESTARTS, host="127.0.0.1", port=free_port()) as port:
        return await asyncio.to_thread(scrape, port)


async def test_jobs_tell_their_last_success_result_and_duration(database: Database, tmp_path: Path) -> None:
    """A failure leaves the last success as it was; dry runs and differences are none."""
    outcomes = iter([Outcome(), None, Outcome(is_good=False), Outcome()])

    async def run(_: JobRequest) -> Outcome:
        await asyncio.sleep(0)
        outcome = next(outcomes)
        if outcome is None:
            raise StorageUnavailableError("away")
        return outcome

    assert IS_GOOD not in await read(database, tmp_path)
    runner = Runner(database, Settings(), name="server", now=lambda: NOON)
    job = Job(name="count", run=run, purpose="count")
    await runner.run_now(job)
    found = await read(database, tmp_path)
    assert (round(found[SUCCESS]), found[IS_GOOD]) == (NOON.timestamp(), 1)
    assert 0 <= found[DURATION] < 60
    runner = Runner(database, Settings(), name="server", now=lambda: NOON + timedelta(hours=1))
    with pytest.raises(StorageUnavailableError):
        await runner.run_now(job)
    found = await read(database, tmp_path)
    assert (round(found[SUCCESS]), found[IS_GOOD]) == (NOON.timestamp(), 0)
    await runner.run_now(job)
    assert (await read(database, tmp_path))[IS_GOOD] == 0
    await runner.run_now(job, JobRequest(database=database, settings=Settings(), now=NOON, dry_run=True))
    found = await read(database, tmp_path)
    assert (round(found[SUCCESS]), found[IS_GOOD]) == (NOON.timestamp(), 0)


async def test_what_waits_for_a_fold_is_counted(database: Database, tmp_path: Path) -> None:
    """With the oldest hour that it lies in; there is none where nothing waits."""
    store = make_store(database)
    await store.store(make_batch([make_row(), make_row(), make_row(timestamp=NOON - timedelta(days=3))]))
    await store.close()
    found = await read(database, tmp_path)
    assert found["analytics_unfolded_events"] == 3
    assert found[OLDEST] == (NOON - timedelta(days=3)).timestamp()
    await fold(database)
    found = await read(database, tmp_path)
    assert found["analytics_unfolded_events"] == 0
    assert OLDEST not in found


async def test_restarts_of_children_are_counted_by_why(database: Database, tmp_path: Path) -> None:
    """An alert on these finds a worker that crashes or hangs again and again."""
    found = await read(database, tmp_path)
    assert found['analytics_child_restarts_total{because="hung",child="worker-1"}'] == 2
