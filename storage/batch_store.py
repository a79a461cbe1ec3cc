"""The batch store: writes one batch after the other in exactly one transaction each, through failures."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

import asyncpg
import structlog

from storage.database import Connection, Database
from storage.errors import StorageError, StorageUnavailableError, translate
from storage.fingerprint import fingerprint
from storage.partitions import Partitions
from storage.sql import statement
from storage.write_queue import Row

log = structlog.get_logger(__name__)

COLUMNS = (
    "event_id",
    "event_type",
    "schema_version",
    "timestamp",
    "received_at",
    "timestamp_source",
    "sequence",
    "actor_id",
    "user_id",
    "session_id",
    "platform",
    "user_agent",
    "ip_address",
    "device",
    "event_data",
)
"""The order of a row; `events.normalize` makes rows in it."""
EVENT_ID, EVENT_TYPE, TIMESTAMP = 0, 1, 3

RETRY_FOR_S = 5.0
"""How long callers wait for a database that is away before they are told to come back."""
RETRY_DELAY_FIRST_S = 0.05
RETRY_DELAY_MOST_S = 1.0
"""The first retry comes at once, since most breaks are short; later ones burden nobody."""

_ROW_FAULTS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    TypeError,
    OverflowError,
)
"""What a single row can cause, by Postgres's word or by the encoder's."""
_INTERRUPTIONS = (
    asyncpg.TransactionRollbackError,  # deadlocks and the like: ours cannot, another program's locks might
    asyncpg.QueryCanceledError,  # a statement_timeout of the role's, or an operator's hand
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process was stopped in mid-transaction, and goes on
    asyncpg.InterfaceError,  # the connection is in a state that the driver cannot go on from
)
"""What ends a transaction that would succeed when it is tried again."""


class WriteOutcome(Enum):
    """What became of a row: committed, known before, or refused by Postgres for what it holds."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(slots=True)
class StoredBatch:
    """The ids of a batch that were stored, and those that Postgres refuses; the others were known before."""

    stored: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def outcome_of(self, event_id: str) -> WriteOutcome:
        """Tell what became of the row of this id."""
        if event_id in self.stored:
            return WriteOutcome.STORED
        return WriteOutcome.REFUSED if event_id in self.refused else WriteOutcome.DUPLICATE


class BatchStore:
    """Writes batches over one connection of its own, which it opens anew whenever it breaks."""

    def __init__(self, database: Database, partitions: Partitions) -> None:
        self._database = database
        self._partitions = partitions
        self._connection: Connection | None = None
        self.retries = 0

    async def store(self, rows: Sequence[Row]) -> StoredBatch:
        """Write rows with distinct ids.

        A row that Postgres refuses is found by halving the batch until it stands alone; the others are stored.

        Raises:
            StorageUnavailableError: the database stayed away for RETRY_FOR_S.
            StorageRefusedError: the database refuses this service.
        """
        return await self._store_part(sorted(rows, key=_event_id), datetime.now(UTC), in_doubt=False)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _store_part(self, rows: Sequence[Row], claimed_at: datetime, *, in_doubt: bool) -> StoredBatch:
        try:
            return StoredBatch(stored=await self._store_through_failures(rows, claimed_at, in_doubt=in_doubt))
        except _ROW_FAULTS as exc:
            if len(rows) == 1:
                log.warning("row_refused", event_id=rows[0][EVENT_ID], error=type(exc).__name__)
                return StoredBatch(refused={rows[0][EVENT_ID]})
        middle = len(rows) // 2
        first = await self._store_part(rows[:middle], claimed_at, in_doubt=True)
        second = await self._store_part(rows[middle:], claimed_at, in_doubt=True)
        return StoredBatch(first.stored | second.stored, first.refused | second.refused)

    async def _store_through_failures(self, rows: Sequence[Row], claimed_at: datetime, *, in_doubt: bool) -> set[str]:
        """Try until the rows are committed or the time is over; return the ids that were stored.

        Every attempt claims with the same moment. When an attempt's commit went unanswered, the next one finds its own
        claims in the ledger by it, and so tells rows that it has stored itself from real duplicates.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + RETRY_FOR_S
        delay_s = RETRY_DELAY_FIRST_S
        refreshed = False
        while True:
            try:
                await self._partitions.ensure({row[TIMESTAMP].date() for row in rows})
                connection = await self._connected()
                return await self._transact(connection, rows, claimed_at, in_doubt=in_doubt)
            except _ROW_FAULTS as exc:
                if refreshed or not _lacks_partition(exc):
                    raise
                # The day's partition went away, with retention, since its existence was noted.
                refreshed = True
                await self._refresh_partitions()
            except BaseException as exc:
                # Whatever it was, cancellation included, the connection may be in mid-transaction.
                await self.close()
                error = _interruption(exc)
                if error is None:
                    raise
                if not isinstance(error, StorageUnavailableError) or loop.time() + delay_s > deadline_s:
                    raise error from exc
                in_doubt = True
                self.retries += 1
                log.warning("write_retried", rows=len(rows), delay_s=delay_s, error=type(exc).__name__)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, RETRY_DELAY_MOST_S)

    async def _refresh_partitions(self) -> None:
        # Where the database goes away just now, the next attempt finds that out.
        with suppress(StorageUnavailableError):
            await self._partitions.refresh()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect_writer()
        return self._connection

    async def _transact(
        self, connection: Connection, rows: Sequence[Row], claimed_at: datetime, *, in_doubt: bool
    ) -> set[str]:
        """Claim the ids, copy the rows whose claim succeeded, append their deltas, commit; return the ids stored."""
        ids = [row[EVENT_ID] for row in rows]
        async with connection.transaction():
            claimed = await connection.fetch(
                statement("write/claim_keys"), ids, [fingerprint(row) for row in rows], claimed_at
            )
            stored = {record[0] for record in claimed}
            fresh = rows if len(stored) == len(rows) else [row for row in rows if row[EVENT_ID] in stored]
            if fresh:
                await connection.copy_records_to_table("analytics_events", records=fresh, columns=COLUMNS)
                await connection.execute(statement("write/append_deltas"), *_deltas(fresh))
            if in_doubt and len(fresh) < len(rows):
                known = [event_id for event_id in ids if event_id not in stored]
                stored |= {
                    record[0] for record in await connection.fetch(statement("write/recognise_keys"), known, claimed_at)
                }
        return stored


def _lacks_partition(exc: Exception) -> bool:
    """Tell Postgres's "no partition of relation found for row" from a constraint's violation, in every language."""
    return isinstance(exc, asyncpg.CheckViolationError) and exc.constraint_name is None


def _interruption(exc: BaseException) -> StorageError | None:
    """Translate what is about the connection or its transaction; None for a mistake of ours, and for cancellation."""
    if isinstance(exc, _INTERRUPTIONS):
        return StorageUnavailableError("the database interrupts writes now; send the same events again")
    return translate(exc)


def _event_id(row: Row) -> str:
    event_id: str = row[EVENT_ID]
    return event_id


def _deltas(rows: Sequence[Row]) -> tuple[list[datetime], list[str], list[int]]:
    """Count rows by hour and type, as three lists of one length."""
    counts = Counter((row[TIMESTAMP].replace(minute=0, second=0, microsecond=0), row[EVENT_TYPE]) for row in rows)
    return [hour for hour, _ in counts], [name for _, name in counts], list(counts.values())
