"""The audit log: one row for each run of what changes or checks stored data. Rows are only ever added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from storage.postgres.database import Connection, Database
from storage.postgres.errors import translated
from storage.sql import statement

READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to which data.

    Attributes:
        started_at, finished_at: aware times.
        actor: who: `jobs-1234@host` for the scheduler, `user@host` for a person at a terminal, `address:port` for the
            caller of an RPC.
        action: what: the name of a job, one word, or of a command, several words, as in "rejected purge".
        outcome: a word: "done", "failed", "stopped" (cut off), "dry run", "differences".
        range_start, range_end: the half-open range of event times that was worked on, where there is one.
        rows, bytes: how much was changed.
        details: what else is worth knowing: the arguments as `arguments`, the process as `pid`; never a payload, an end
            user's address or a credential.
    """

    started_at: datetime
    finished_at: datetime
    actor: str
    action: str
    outcome: str
    range_start: datetime | None = None
    range_end: datetime | None = None
    rows: int = 0
    bytes: int = 0
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()


async def write_audit(database: Database, entry: AuditEntry) -> None:
    """Add an entry.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            await add_audit(connection, entry)
    finally:
        connection.terminate()


async def add_audit(connection: Connection, entry: AuditEntry) -> None:
    """Add an entry in the transaction of the work that it records, so that both are committed or neither is.

    Args:
        connection: in that transaction.
        entry: the entry.

    Raises:
        asyncpg.PostgresError: and others of the driver's; the caller translates them.
    """
    await connection.execute(
        statement("write/audit"),
        entry.started_at,
        entry.finished_at,
        entry.actor,
        entry.action,
        entry.outcome,
        entry.range_start,
        entry.range_end,
        entry.rows,
        entry.bytes,
        orjson.dumps(entry.details, option=orjson.OPT_UTC_Z).decode(),
    )


async def read_audit(database: Database, *, limit: int, action: str | None = None) -> Sequence[AuditEntry]:
    """Read the newest entries, newest first.

    Args:
        database: a migrated one.
        limit: how many at most.
        action: only this one; None for all.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        rows = await connection.fetch(statement("read/audit"), action, limit)
    return [AuditEntry(**{**row, "details": orjson.loads(row["details"])}) for row in rows]


async def read_last_runs(database: Database) -> Mapping[str, AuditEntry]:
    """Read the newest entry of each action.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        rows = await connection.fetch(statement("read/last_runs"))
    return {row["action"]: AuditEntry(**{**row, "details": orjson.loads(row["details"])}) for row in rows}
