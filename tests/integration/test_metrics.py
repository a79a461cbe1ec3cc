"""Metrics tell how the jobs go: by the audit log, so that any server's scrape knows of every server's runs."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.open_segments import open_segments
from jobs.request import JobRequest, Outcome
from jobs.runner import Runner
from jobs.schedule import Job
from jobs.upkeep import Upkeep
from runtime.settings import Settings
from runtime.supervision import Restarts
from server.metrics import serve_metrics
from storage.postgres.database import Database
from storage.postgres.errors import StorageUnavailableError
from storage.segments.plans import SEAL_LATEST
from tests.acceptance.running import free_port, scrape
from tests.rows import NOON, make_batch, make_row, make_store

LABEL = '{job="count"}'
SUCCESS = f"analytics_job_last_success_timestamp_seconds{LABEL}"
IS_GOOD = f"analytics_job_last_run_success{LABEL}"
DURATION = f"analytics_job_last_run_duration_seconds{LABEL}"
RESTARTS: Restarts = Counter({("worker-1", "hung"): 2})
SEALED = '{level="0"}'


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


async def test_what_lies_in_blocks_and_segments_is_counted(database: Database, tmp_path: Path) -> None:
    """By level, with how old the oldest block is, and how often what was done."""
    store = make_store(database)
    await store.store(make_batch([make_row(), make_row()]))
    await store.store(make_batch([make_row(timestamp=NOON - timedelta(days=3))]))
    await store.close()
    found = await read(database, tmp_path)
    assert (found["analytics_blocks"], found["analytics_block_events"]) == (2, 3)
    assert found["analytics_block_bytes"] > 100
    assert 0 < found["analytics_oldest_block_age_seconds"] < 600
    assert found["analytics_unsummarised_events"] == 3
    now = datetime.now(UTC) + SEAL_LATEST
    upkeep = Upkeep(database, open_segments(database, Settings()), name="server", now=lambda: now)
    assert await upkeep.run_once()
    found = await read(database, tmp_path)
    assert (found["analytics_blocks"], found["analytics_block_events"], found["analytics_block_bytes"]) == (0, 0, 0)
    assert found["analytics_oldest_block_age_seconds"] == 0
    assert (found[f"analytics_segments{SEALED}"], found[f"analytics_segment_events{SEALED}"]) == (1, 3)
    assert found[f"analytics_segment_bytes{SEALED}"] > 100
    assert found["analytics_unsummarised_events"] == 3
    assert found['analytics_upkeep_runs_total{job="seal",outcome="done"}'] == 1
    assert found['analytics_upkeep_runs_total{job="seal",outcome="failed"}'] == 0
    assert found['analytics_upkeep_events_total{job="seal"}'] == 3
    assert found['analytics_job_last_run_success{job="seal"}'] == 1


async def test_restarts_of_children_are_counted_by_why(database: Database, tmp_path: Path) -> None:
    """An alert on these finds a worker that crashes or hangs again and again."""
    found = await read(database, tmp_path)
    assert found['analytics_child_restarts_total{because="hung",child="worker-1"}'] == 2
