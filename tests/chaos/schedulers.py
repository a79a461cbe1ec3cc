"""Three schedulers on one database at a tick a second, and kill -9 for the one that runs: `make chaos-jobs`.

The processes are `analytics jobs` with ANALYTICS_RETENTION_CRON="* * * * * *". A trigger notes when each run begins, so
that runs killed before they write a row to the audit log count, too. A killed process is replaced.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import asyncpg

from storage.embedded import EmbeddedPostgres
from storage.postgres.database import Connection
from storage.postgres.migrate import migrate

SCHEDULERS = 3
FULL_S = 60
FULL_KILL_EVERY_S = 7
MOST_MISSED = 2
"""Ticks in a row that may be missed: the one that was being run, and one that the others come late for."""
POLL_S = 0.002
"""A run takes some 50 ms, and it should be killed in the middle."""
START_TIMEOUT_S = 60

NOTE_RUNS = """
CREATE TABLE runs (began_at timestamptz NOT NULL, runner text NOT NULL);
CREATE FUNCTION note_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO runs VALUES (NEW.started_at, NEW.runner);
    RETURN NULL;
END $$;
CREATE TRIGGER note_run AFTER INSERT OR UPDATE ON analytics_job_ticks
FOR EACH ROW WHEN (NEW.job = 'retention') EXECUTE FUNCTION note_run();
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of the ticks, each a second of the wall clock.

    Attributes:
        ticks: how many there were while all of them ran.
        ran: how many of them began a run.
        ran_twice: how many of them began two or more.
        most_missed: how many in a row began none, at most.
        killed: runs that were killed.
        longest_takeover_s: from a kill to the beginning of the next run.
        runners: how many processes ran a tick.
    """

    ticks: int
    ran: int
    ran_twice: int
    most_missed: int
    killed: int
    longest_takeover_s: float
    runners: int

    @property
    def hold(self) -> bool:
        """Whether each tick ran once at most, and none was missed for longer than promised."""
        return self.ran_twice == 0 and self.most_missed <= MOST_MISSED


async def run_schedulers(database_url: str, *, seconds: int, kill_every_s: int) -> Figures:
    """Run the schedulers on a migrated database that nobody else uses, and kill one again and again."""
    connection = await asyncpg.connect(database_url)
    processes = [start_scheduler(database_url) for _ in range(SCHEDULERS)]
    killed_at: list[datetime] = []
    try:
        await connection.execute(NOTE_RUNS)
        await _wait_until_connected(connection)
        start = await connection.fetchval("SELECT clock_timestamp()")
        deadline_s = time.monotonic() + seconds
        while time.monotonic() + kill_every_s < deadline_s:
            await asyncio.sleep(kill_every_s)
            await kill_runner(connection, processes)
            killed_at.append(await connection.fetchval("SELECT clock_timestamp()"))
            processes.append(start_scheduler(database_url))
        await asyncio.sleep(max(0.0, deadline_s - time.monotonic()))
        end = await connection.fetchval("SELECT clock_timestamp()")
        runs = await connection.fetch(
            "SELECT began_at, runner FROM runs WHERE began_at BETWEEN $1 AND $2 ORDER BY began_at", start, end
        )
    finally:
        for process in processes:
            process.kill()
            process.wait()
        await connection.close()
    began = [row["began_at"] for row in runs]
    return _count(start, end, began, killed_at, runners=len({row["runner"] for row in runs}))


def start_scheduler(database_url: str) -> "subprocess.Popen[bytes]":
    """Start `analytics jobs` with nothing to do but retention, every second."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "ANALYTICS_RETENTION_CRON": "* * * * * *",
        "ANALYTICS_LOG_LEVEL": "error",
    }
    return subprocess.Popen([sys.executable, "-m", "cli", "jobs"], env=environment)


async def kill_runner(connection: Connection, processes: "list[subprocess.Popen[bytes]]") -> None:
    """Wait for the next run to begin, and kill the process that runs it."""
    newest = "SELECT runner FROM runs WHERE began_at > $1"
    since = await connection.fetchval("SELECT clock_timestamp()")
    while (runner := await connection.fetchval(newest, since)) is None:
        await asyncio.sleep(POLL_S)
    pid = int(runner.removeprefix("jobs-").partition("@")[0])
    (process,) = (process for process in processes if process.pid == pid)
    process.send_signal(signal.SIGKILL)
    process.wait()


async def _wait_until_connected(connection: Connection) -> None:
    """Wait until all schedulers look for ticks."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while (
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'analytics reader'"
            )
            < SCHEDULERS
        ):
            await asyncio.sleep(POLL_S)


def _count(
    start: datetime, end: datetime, began: list[datetime], killed_at: list[datetime], *, runners: int
) -> Figures:
    """Count by ticks; both lists are ascending."""
    first, last = int(start.timestamp()), int(end.timestamp())
    seconds = [int(moment.timestamp()) for moment in began]
    ran = set(seconds)
    takeovers = [(next(moment for moment in began if moment > killed) - killed).total_seconds() for killed in killed_at]
    return Figures(
        ticks=last - first,
        ran=len(ran),
        ran_twice=len(seconds) - len(ran),
        most_missed=max(later - earlier - 1 for earlier, later in pairwise([first, *sorted(ran), last])),
        killed=len(killed_at),
        longest_takeover_s=round(max(takeovers), 2),
        runners=runners,
    )


def main() -> int:
    """Run them on a Postgres of their own, print the figures as one line of JSON, and return the exit code."""
    arguments = argparse.ArgumentParser(prog="python -m tests.chaos.schedulers", description=__doc__)
    arguments.add_argument("--seconds", type=int, default=FULL_S)
    options = arguments.parse_args()

    async def run(url: str) -> Figures:
        await migrate(url)
        return await run_schedulers(url, seconds=options.seconds, kill_every_s=FULL_KILL_EVERY_S)

    with (
        tempfile.TemporaryDirectory(prefix="analytics-chaos-") as folder,
        EmbeddedPostgres(Path(folder, "data")) as postgres,
    ):
        figures = asyncio.run(run(postgres.url))
    sys.stdout.write(json.dumps(asdict(figures)) + "\n")
    return 0 if figures.hold else 1


if __name__ == "__main__":
    sys.exit(main())
