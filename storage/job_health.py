"""The health of the jobs, for those who watch them: how each went last, and what waits for them."""

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
class WaitingBlocks:
    """What waits to be sealed; reports count it all the same.

    Attributes:
        blocks: how many there are.
        rows: their events.
        bytes: of their data.
        age_s: since when the oldest is stored; 0 where there are none.
    """

    blocks: int
    rows: int
    bytes: int
    age_s: float


@dataclass(frozen=True, slots=True)
class SegmentLevel:
    """The live segments of a level: 0 sealed, 1 merged, 2 rewritten no more.

    Attributes:
        level: which one.
        segments: how many there are.
        rows: their events.
        bytes: of their files.
        unsummarised_rows: events that are in no summary yet; dashboards read them.
    """

    level: int
    segments: int
    rows: int
    bytes: int
    unsummarised_rows: int


async def read_job_health(database: Database) -> Sequence[JobHealth]:
    """Read how each job that ever ran went, by name.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        return [JobHealth(**row) for row in await connection.fetch(statement("read/job_health"))]


async def read_waiting_blocks(database: Database) -> WaitingBlocks:
    """Read how much waits to be sealed.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        row = await connection.fetchrow(statement("read/waiting_blocks"))
    assert row is not None  # noqa: S101 - the statement always answers one row
    return WaitingBlocks(row["blocks"], row["rows"], row["bytes"], max(row["age_s"] or 0.0, 0.0))


async def read_segment_levels(database: Database) -> Sequence[SegmentLevel]:
    """Read what each level of segments holds; levels without any are missing.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        return [SegmentLevel(**row) for row in await connection.fetch(statement("read/segment_levels"))]
