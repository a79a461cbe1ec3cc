"""Jobs: each tick once among all servers, missed ticks once, taken over when a runner dies, and a row for each run."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from jobs.request import JobRequest, Outcome
from jobs.runner import Runner
from jobs.schedule import JOBS, Job
from runtime.cron import Cron
from runtime.settings import Settings
from storage.audit import read_audit, read_last_runs
from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.ticks import read_ticks
from tests.rows import NOON, make_batch, make_row, make_store
from tests.stored import stored_rows

MINUTE = timedelta(minutes=1)
SCHEDULERS = 3


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


class Counting:
    """A job that counts its runs."""

    def __init__(self, cron: str = "0 * * * *") -> None:
        self.runs: list[datetime] = []
        self.error: Exception | None = None
        self.job = Job(name="count", run=self.run, purpose="count", cron=lambda _: cron)

    async def run(self, request: JobRequest) -> Outcome:
        """Note the run."""
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.runs.append(request.now)
        return Outcome(rows=1, details={"runs": len(self.runs)})


async def test_each_tick_runs_once_however_many_servers_wait_for_it(database: Database) -> None:
    """Those who come late to a tick find it taken, and the next tick is anybody's."""
    clock, counting = Clock(), Counting()
    runners = [Runner(database, Settings(), name=f"server-{n}", now=clock) for n in range(SCHEDULERS)]
    for hour in range(3):
        clock.now = NOON + timedelta(hours=hour, milliseconds=5)
        ran = await asyncio.gather(*(runner.run_if_due(counting.job) for runner in runners))
        clock.now += timedelta(seconds=2)
        ran += await asyncio.gather(*(runner.run_if_due(counting.job) for runner in runners))
        assert sum(ran) == 1
    assert len(counting.runs) == 3
    assert len(await read_audit(database, limit=10, action="count")) == 3


async def test_missed_ticks_are_caught_up_with_one_run(database: Database) -> None:
    """A machine that slept over a weekend runs an hourly job once."""
    clock, counting = Clock(), Counting()
    runner = Runner(database, Settings(), name="server", now=clock)
    await runner.run_if_due(counting.job)
    clock.now += timedelta(days=3, minutes=20)
    assert [await runner.run_if_due(counting.job) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    "moment", ["2026-03-10T12:00", "2026-03-10T00:00", "2026-04-01T00:00", "2027-01-01T00:00", "2028-02-29T00:00"]
)
async def test_a_job_is_due_at_the_ends_of_hours_days_months_and_years(database: Database, moment: str) -> None:
    """Not a microsecond before."""
    clock, counting = Clock(), Counting()
    due = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    runner = Runner(database, Settings(), name="server", now=clock)
    clock.now = due - MINUTE
    assert await runner.run_if_due(counting.job)
    clock.now = due - timedelta(microseconds=1)
    assert not await runner.run_if_due(counting.job)
    clock.now = due
    assert await runner.run_if_due(counting.job)
    assert (await read_ticks(database))["count"].started_at == due


async def test_a_clock_set_back_by_an_hour_stops_no_job(database: Database) -> None:
    """The job runs at once, and then by the clock as it is; seconds between two servers are no reason."""
    clock, counting = Clock(), Counting("*/10 * * * *")
    runner = Runner(database, Settings(), name="server", now=clock)
    await runner.run_if_due(counting.job)
    clock.now = NOON - timedelta(seconds=20)
    assert not await runner.run_if_due(counting.job)
    clock.now = NOON - timedelta(hours=1)
    assert await runner.run_if_due(counting.job)
    assert not await runner.run_if_due(counting.job)
    clock.now += timedelta(minutes=10)
    assert await runner.run_if_due(counting.job)


async def test_a_failed_run_is_audited_with_its_reason_alone(database: Database) -> None:
    """The message stays in the log: it may hold what must not be kept. The next tick runs again."""
    clock, counting = Clock(), Counting()
    runner = Runner(database, Settings(), name="server", now=clock)
    counting.error = StorageUnavailableError("host db.example is away")
    with pytest.raises(StorageUnavailableError):
        await runner.run_if_due(counting.job)
    entry = (await read_last_runs(database))["count"]
    assert (entry.outcome, entry.actor) == ("failed", "server")
    assert entry.details == {"pid": os.getpid(), "arguments": {}, "reason": "STORAGE_UNAVAILABLE"}
    counting.error = None
    assert not await runner.run_if_due(counting.job)
    clock.now += timedelta(hours=1)
    assert await runner.run_if_due(counting.job)
    assert (await read_last_runs(database))["count"].outcome == "done"


async def test_a_run_that_is_cut_off_is_audited_too(database: Database) -> None:
    """As when the server stops, or somebody presses Ctrl-C."""
    began = asyncio.Event()

    async def run(_: JobRequest) -> Outcome:
        began.set()
        await asyncio.Event().wait()
        return Outcome()

    runner = Runner(database, Settings(), name="server")
    running = asyncio.create_task(runner.run_now(Job(name="count", run=run, purpose="count")))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await read_last_runs(database))["count"].outcome == "stopped"


async def test_the_audit_log_is_only_ever_added_to(database: Database, sql: Connection) -> None:
    """Not even its owner changes or deletes a row by accident."""
    await Runner(database, Settings(), name="server").run_now(Counting().job)
    for statement in (
        "UPDATE analytics_audit_log SET outcome = 'done'",
        "DELETE FROM analytics_audit_log",
        "TRUNCATE analytics_audit_log",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added"):
            await sql.execute(statement)


async def test_every_job_of_the_schedule_runs_and_leaves_a_row(database: Database) -> None:
    """On a database with events, twice: each is idempotent."""
    store = make_store(database)
    await store.store(make_batch([make_row(), make_row(event_type="session", event_data='{"action":"start"}')]))
    await store.close()
    runner = Runner(database, Settings(), name="somebody@here")
    for _ in range(2):
        for job in JOBS:
            outcome = await runner.run_now(job, JobRequest(database=database, settings=Settings(), now=NOON))
            assert outcome is not None
            assert outcome.is_good
    entries = await read_audit(database, limit=100)
    assert [entry.action for entry in reversed(entries)] == 2 * [job.name for job in JOBS]
    assert {entry.outcome for entry in entries} == {"done"}
    sealed = entries[-1]
    assert (sealed.action, sealed.rows, sealed.details["blocks"]) == ("seal", 2, 1)
    assert (sealed.range_start, sealed.range_end) == (NOON, NOON + timedelta(microseconds=1))
    again = next(entry for entry in entries if entry.action == "seal")
    assert (again.rows, again.details["blocks"]) == (0, 0)
    assert len(await stored_rows(database.address.url)) == 2


def test_cron_lines_are_read_in_utc() -> None:
    """Five fields, six with seconds in front, or "off"."""
    assert Cron("off").next_after(NOON) is None
    assert Cron("30 5 * * mon").next_after(NOON) == datetime(2026, 3, 16, 5, 30, tzinfo=UTC)
    assert Cron("*/15 * * * * *").next_after(NOON) == NOON + timedelta(seconds=15)
