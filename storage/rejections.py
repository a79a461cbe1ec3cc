"""Reads, marks and purges the rejected events that the quarantine keeps."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import ClassVar

from asyncpg import Record

from runtime.errors import AnalyticsError
from storage.audit import AuditEntry, add_audit, write_audit
from storage.postgres.database import Connection, Database, PooledConnection
from storage.postgres.errors import StorageError, translated
from storage.quarantine import ROW_BYTES
from storage.sql import statement
from storage.write.batch import EVENT_ID, Batch, Row, WriteOutcome
from storage.write.fingerprint import fingerprint

SETTINGS = {"plan_cache_mode": "force_custom_plan"}
"""Filters that may be null want a plan for their values."""
COMMAND_TIMEOUT_S = 30.0
"""No step of a purge takes so long but over a network that has silently gone."""


class ReplayedMeanwhileError(AnalyticsError):
    """Rejected events have been replayed or purged since they were read: read them again."""

    reason: ClassVar[str] = "REPLAYED_MEANWHILE"

    def __init__(self) -> None:
        super().__init__("others replay or purge the same rejected events just now; try again")


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionFilter:
    """Which rejected events; None matches any, times are aware and the range half-open."""

    start: datetime
    end: datetime
    reason: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    source: str | None = None
    replayed: bool | None = None

    def parameters(self) -> tuple[object, ...]:
        """List the parameters $1 to $7 of the statements in sql/quarantine."""
        return self.start, self.end, self.reason, self.event_type, self.event_id, self.source, self.replayed


@dataclass(frozen=True, slots=True)
class RejectionCursor:
    """The last rejected event of a page or a step."""

    received_at: datetime
    rejection_id: str


@dataclass(frozen=True, slots=True)
class RejectionRecord:
    """A rejected event, or a count of them; violations are JSON text, times are UTC."""

    rejection_id: str
    received_at: datetime
    reason: str
    source: str
    event_id: str | None
    event_type: str | None
    violations: str | None
    event_count: int
    payload_bytes: int
    payload_kept: bool
    replayed_at: datetime | None
    tried_at: datetime | None
    replay_outcome: str | None
    replay_event_id: str | None
    replay_violations: str | None
    payload: bytes | None = None
    """As the event was sent; None also where payloads were not asked for."""
    payload_type: str | None = None
    """What the payload is: a constant of `events.rejection`."""


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Events rejected for a reason, and how many of them can be replayed."""

    reason: str
    events: int
    replayable: int


@dataclass(frozen=True, slots=True)
class Measure:
    """Rows of the quarantine, the events that they stand for, and the bytes that they take up."""

    rows: int = 0
    events: int = 0
    bytes: int = 0

    def __add__(self, other: "Measure") -> "Measure":
        """Add up two disjoint sets of rows."""
        return Measure(self.rows + other.rows, self.events + other.events, self.bytes + other.bytes)


class PurgeEnd(Enum):
    """How a purge ended: there was nothing more, its time was over, or it was cut off."""

    DONE = "done"
    UNFINISHED = "unfinished"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class FailedReplay:
    """What a failed replay leaves behind; violations are JSON text."""

    rejection_id: str
    reason: str
    event_id: str | None
    violations: str


class Rejections:
    """The rejected events of a database.

    Every method raises StorageUnavailableError where the database is away, and StorageTimeoutError where it took
    longer than `timeout_s`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(
        self, only: RejectionFilter, *, after: RejectionCursor | None, limit: int, timeout_s: float
    ) -> list[RejectionRecord]:
        """List rejected events without payloads, newest first, from behind the cursor on."""
        async with self._reading(timeout_s) as connection:
            parameters = (*only.parameters(), *_place(after), limit)
            rows = await connection.fetch(statement("quarantine/newest"), *parameters)
        return [RejectionRecord(*row) for row in rows]

    async def oldest(
        self, only: RejectionFilter, *, after: RejectionCursor | None, limit: int, timeout_s: float
    ) -> list[RejectionCursor]:
        """Name rejected events, oldest first, from behind the cursor on."""
        async with self._reading(timeout_s) as connection:
            parameters = (*only.parameters(), *_place(after), limit)
            rows = await connection.fetch(statement("quarantine/oldest"), *parameters)
        return [RejectionCursor(row["received_at"], row["rejection_id"]) for row in rows]

    async def by_ids(self, rejection_ids: Sequence[str], *, timeout_s: float) -> dict[str, RejectionRecord]:
        """Read rejected events with their payloads by id; those that do not exist are missing."""
        async with self._reading(timeout_s) as connection:
            rows = await connection.fetch(statement("quarantine/by_ids"), list(rejection_ids))
        return {row["rejection_id"]: RejectionRecord(*row) for row in rows}

    async def count_reasons(self, only: RejectionFilter, *, timeout_s: float) -> list[ReasonCount]:
        """Count events by reason, most frequent first."""
        async with self._reading(timeout_s) as connection:
            rows = await connection.fetch(statement("quarantine/count_reasons"), *only.parameters())
        return [ReasonCount(*row) for row in rows]

    async def measure(self, only: RejectionFilter, *, timeout_s: float) -> Measure:
        """Tell what a purge would delete."""
        async with self._reading(timeout_s) as connection:
            row = await connection.fetchrow(statement("quarantine/measure"), *only.parameters(), ROW_BYTES)
        return _measured(row)

    async def foresee(self, rows: Sequence[Row], *, timeout_s: float) -> list[WriteOutcome]:
        """Tell what would become of rows if they were written now, as far as their ids decide it."""
        async with self._reading(timeout_s) as connection:
            records = await connection.fetch(statement("write/recall_keys"), [row[EVENT_ID] for row in rows])
        prints: dict[str, int] = {record["event_id"]: record["fingerprint"] for record in records}
        outcomes = []
        for row in rows:
            known, own = prints.get(row[EVENT_ID]), fingerprint(row)
            if known is None:
                prints[row[EVENT_ID]] = own
                outcomes.append(WriteOutcome.STORED)
            else:
                outcomes.append(WriteOutcome.DUPLICATE if known == own else WriteOutcome.CONFLICT)
        return outcomes

    async def note_failures(
        self, failures: Sequence[FailedReplay], tried_at: datetime, audit: AuditEntry | None = None
    ) -> None:
        """Remember why replays failed; the events stay where they are. An audit entry is added in that transaction."""
        async with self._writing() as connection, connection.transaction():
            if failures:
                await connection.execute(
                    statement("quarantine/note_replays"),
                    tried_at,
                    [failure.rejection_id for failure in failures],
                    [failure.reason for failure in failures],
                    [failure.event_id for failure in failures],
                    [failure.violations for failure in failures],
                    None,
                )
            if audit is not None:
                await add_audit(connection, audit)

    async def add_audit(self, entry: AuditEntry) -> None:
        """Add an audit entry of what was done before."""
        await write_audit(self._database, entry)

    async def purge(
        self,
        only: RejectionFilter,
        *,
        step_rows: int,
        is_late: Callable[[], bool],
        audit: Callable[[Measure, PurgeEnd], AuditEntry],
    ) -> tuple[Measure, PurgeEnd]:
        """Delete rejected events, oldest first, in transactions of `step_rows`; one at least.

        Rows that a writer or a replay holds just now are left alone.

        Args:
            only: which.
            step_rows: how many a transaction deletes.
            is_late: asked after each step whether to leave the rest to the next call.
            audit: makes the audit entry of what was deleted; it is added in the transaction of the last step. Where
                the purge is cut off between two steps, it is added by itself.

        Returns:
            What was deleted, and whether that was all.
        """
        total, after = Measure(), None
        try:
            async with self._writing() as connection:
                while True:
                    async with connection.transaction():
                        row = await connection.fetchrow(
                            statement("quarantine/purge"), *only.parameters(), ROW_BYTES, *_place(after), step_rows
                        )
                        step = _measured(row)
                        end = _end_of(step.rows, step_rows, is_late)
                        if end is not None:
                            await add_audit(connection, audit(total + step, end))
                    total += step
                    if end is not None:
                        return total, end
                    assert row is not None  # noqa: S101 - as above
                    after = RejectionCursor(row["received_at"], row["rejection_id"])
        except BaseException:
            if total.rows:
                with suppress(StorageError):
                    await write_audit(self._database, audit(total, PurgeEnd.STOPPED))
            raise

    async def reclaim(self) -> None:
        """Make the space of purged rows free for new ones; without it that waits for autovacuum."""
        async with self._writing() as connection:
            await connection.execute(statement("quarantine/vacuum"))

    @asynccontextmanager
    async def _reading(self, timeout_s: float) -> AsyncIterator[PooledConnection]:
        async with (
            self._database.acquire_reader(timeout_s) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Connection]:
        with translated():
            connection = await self._database.address.connect(
                "admin", settings=SETTINGS, command_timeout_s=COMMAND_TIMEOUT_S
            )
            try:
                yield connection
            finally:
                connection.terminate()


async def hold_replays(connection: Connection, batch: Batch) -> None:
    """Lock the rejected events that a batch replays, in its transaction.

    Raises:
        ReplayedMeanwhileError: one of them does not wait for its replay any more.
    """
    held = await connection.fetchval(statement("quarantine/hold_replays"), list(batch.replays))
    if held < len(batch.replays):
        raise ReplayedMeanwhileError


async def mark_replays(connection: Connection, batch: Batch, outcomes: Sequence[WriteOutcome]) -> None:
    """Mark as replayed, in the transaction of their batch, the rejected events whose events are stored now or were.

    The batch's audit entry is added there, too.
    """
    done = [
        (rejection_id, outcome.name, row[EVENT_ID])
        for rejection_id, row, outcome in zip(batch.replays, batch.rows, outcomes, strict=True)
        if outcome in (WriteOutcome.STORED, WriteOutcome.DUPLICATE)
    ]
    if done:
        ids, names, event_ids = (list(column) for column in zip(*done, strict=True))
        now, nothing = datetime.now(UTC), [None] * len(done)
        await connection.execute(statement("quarantine/note_replays"), now, ids, names, event_ids, nothing, now)
    if batch.audit is not None:
        await add_audit(connection, batch.audit(outcomes))


def _place(after: RejectionCursor | None) -> tuple[datetime | None, str | None]:
    return (None, None) if after is None else (after.received_at, after.rejection_id)


def _end_of(deleted_rows: int, step_rows: int, is_late: Callable[[], bool]) -> PurgeEnd | None:
    """Tell whether a step of a purge is the last one, and why; None where it is not."""
    if deleted_rows < step_rows:
        return PurgeEnd.DONE
    return PurgeEnd.UNFINISHED if is_late() else None


def _measured(row: Record | None) -> Measure:
    assert row is not None  # noqa: S101 - an aggregate always answers one row
    return Measure(row["rows"], row["events"], row["bytes"])
