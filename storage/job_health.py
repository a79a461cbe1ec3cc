"""The health of the jobs, for those who watch them: how each went last, and what waits to be folded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.postgres.database import Database
from storage.sql import statement

READ_TIMEOUT_S = 10.0
DONE = "done"
"""The outcome of a good run, in the audit log."""


@dataclass(frozen=True, slots=True)
class JobHealth:
    """How the newest run of a job went, dry runs aside.

    Attributes:
        job: its name.
        outcome: a word, as in the audit log: "done" is the good one.
        started_at, finished_at: of that run.
        succeeded_at: when the newest good run ended; None where there was none.
    """

    job: str
    outcome: str
    started_at: datetime
    finished_at: datetime
    succeeded_at: datetime | None

    @property
    def is_good(self) -> bool:
        """Whether that run did what it should."""
        return self.outcome == DONE

    @property
    def duration_s(self) -> float:
        """How long that run took."""
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class UnfoldedBacklog:
    """What is stored and in no rollup yet; reports count it all the same.

    Attributes:
        events: how many.
        hours: how many different hours of the events' own time they lie in.
        oldest_hour, newest_hour: the first and the last of these; None where there are none.
    """

    events: int
    hours: int
    oldest_hour: datetime | None
    newest_hour: datetime | None


async def read_job_health(database: Database) -> Sequence[JobHealth]:
    """Read how each job that ever ran went, by name.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        return [JobHealth(**row) for row in await connection.fetch(statement("read/job_health"))]


async def read_unfolded(database: Database) -> UnfoldedBacklog:
    """Read how much waits for the next fold.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        row = await connection.fetchrow(statement("read/unfolded"))
    assert row is not None  # noqa: S101 - the statement always answers one row
    return UnfoldedBacklog(**row)
