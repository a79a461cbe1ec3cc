"""Ticks: when each job last began by the clock, and who ran it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from storage.postgres.database import Database
from storage.postgres.errors import translated
from storage.sql import statement

READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Tick:
    """The newest run of a job by the clock."""

    started_at: datetime
    runner: str


async def read_ticks(database: Database) -> Mapping[str, Tick]:
    """Read the newest tick of each job that ever ran by the clock.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        rows = await connection.fetch(statement("read/job_ticks"))
    return {row["job"]: Tick(row["started_at"], row["runner"]) for row in rows}


async def write_tick(database: Database, job: str, tick: Tick) -> None:
    """Record that a job begins; the caller holds the job's lease.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            await connection.execute(statement("write/job_tick"), job, tick.started_at, tick.runner)
    finally:
        connection.terminate()
