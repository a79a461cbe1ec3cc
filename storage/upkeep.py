"""How the work goes that runs all the time, not by the clock: a row for each kind, which its runs are counted into."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from storage.postgres.database import Database
from storage.postgres.errors import translated
from storage.sql import statement

READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepRun:
    """A run.

    Attributes:
        job: what was done: "seal" or "merge".
        runner: who did it, as in the audit log.
        started_at, finished_at: aware times.
        rows: how many events it rewrote.
        reason: why it failed; None where it did not.
    """

    job: str
    runner: str
    started_at: datetime
    finished_at: datetime
    rows: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UpkeepState:
    """All runs of a kind of work, and the newest one.

    Attributes:
        runner, started_at, finished_at, reason: of the newest run.
        runs: how many there ever were that did what they should.
        failures: how many there ever were that did not.
        rows: how many events were ever rewritten.
    """

    runner: str
    started_at: datetime
    finished_at: datetime
    reason: str | None
    runs: int
    failures: int
    rows: int


async def note_upkeep(database: Database, run: UpkeepRun) -> None:
    """Count a run.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            await connection.execute(
                statement("write/upkeep"), run.job, run.runner, run.started_at, run.finished_at, run.rows, run.reason
            )
    finally:
        connection.terminate()


async def read_upkeep(database: Database) -> Mapping[str, UpkeepState]:
    """Read how each kind of work goes that ever ran.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        rows = await connection.fetch(statement("read/upkeep"))
    return {row["job"]: UpkeepState(*tuple(row)[1:]) for row in rows}
