"""The rows of a retention."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.postgres.reader import Snapshot
from storage.reports.retention_sql import RetentionQuestion, retention_query


@dataclass(frozen=True, slots=True)
class ReturnRow:
    """Actors of a cohort that fill a cell: 0 is the cohort itself. Both count as `retention_query` tells."""

    cohort: int
    cell: int
    users: int


@dataclass(frozen=True, slots=True)
class RetentionRows:
    """Only cohorts and cells with an actor occur."""

    returns: Sequence[ReturnRow]
    as_of: datetime | None


async def read_retention(snapshot: Snapshot, question: RetentionQuestion) -> RetentionRows:
    """Read how many actors of each cohort come back."""
    rows = await snapshot.fetch_query(retention_query(question))
    return RetentionRows(
        returns=[ReturnRow(row["cohort"], row["cell"], row["users"]) for row in rows],
        as_of=max((row["as_of"] for row in rows), default=None),
    )
