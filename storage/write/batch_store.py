"""The batch store: writes one batch after the other in exactly one transaction each, through failures."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import repeat
from operator import itemgetter

import asyncpg
import structlog

from storage.partitions import Partitions
from storage.postgres.database import Connection, Database
from storage.postgres.errors import (
    DayClosedError,
    StorageError,
    StorageInterruptedError,
    StorageUnavailableError,
    name_error,
    translate,
)
from storage.quarantine import Quarantine
from storage.rejections import hold_replays, mark_replays
from storage.sql import statement
from storage.write.batch import (
    COLUMNS,
    EVENT_ID,
    EVENT_TYPE,
    RECEIVED_AT,
    REJECTION_RECEIVED_AT,
    TIMESTAMP,
    Batch,
    BatchIdentity,
    Rejection,
    Row,
    WriteOutcome,
)
from storage.write.fingerprint import fingerprint
from storage.write.hours import count_by_hour, sum_up_by_hour

log = structlog.get_logger(__name__)

RejectRow = Callable[[Row, WriteOutcome], Rejection]
"""Makes the rejection of a row that turned out to be a CONFLICT or REFUSED."""

Refused = frozenset[tuple[object, ...]]
"""Rows that Postgres refuses."""

RETRY_FOR_S = 2.0
"""How long callers wait for a database that is away before it counts as gone: a crashed Postgres is back by then."""
ATTEMPT_TIMEOUT_S = 5.0
"""A transaction takes some tens of milliseconds; one that takes this long talks to a server that is frozen or gone."""
RETRY_DELAY_FIRST_S = 0.05
RETRY_DELAY_MOST_S = 0.5
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
_MISSING = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
)
"""What is missing, or no longer has the form that this program knows, is made or mended by somebody: until then it is
an outage, and no fault of the rows."""
_INTERRUPTIONS = (
    TimeoutError,  # of an attempt
    asyncpg.OutOfMemoryError,  # also "out of shared memory": too many locks in one transaction
    asyncpg.ConfigurationLimitExceededError,
    asyncpg.TransactionRollbackError,  # deadlocks and the like: ours cannot, another program's locks might
    asyncpg.QueryCanceledError,  # a statement_timeout of the role's, or an operator's hand
    asyncpg.LockNotAvailableError,
)
"""What ends a transaction that may succeed when it is tried again, though its own work may also be the cause."""
_BREAKS = (
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process was stopped in mid-transaction, and goes on
    asyncpg.InterfaceError,  # the connection is in a state that the driver cannot go on from
    asyncpg.InternalClientError,  # likewise, where a timeout has cut off what it was doing
)
"""What breaks the connection under a transaction: no fault of its work."""

_event_id = itemgetter(EVENT_ID)


class _AlreadyCommittedError(Exception):
    """A rival attempt to write this very batch was committed first; this one has to be rolled back."""


class _RowsRefusedError(Exception):
    """Postgres refuses these rows; the transaction has to be done again without them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows


class BatchStore:
    """Writes batches over one connection of its own, which it opens anew whenever it breaks."""

    def __init__(
        self, database: Database, partitions: Partitions, quarantine: Quarantine, *, reject_row: RejectRow
    ) -> None:
        self._database = database
        self._partitions = partitions
        self._quarantine = quarantine
        self._reject_row = reject_row
        self._connection: Connection | None = None
        self._identity = BatchIdentity(str(uuid.uuid4()), 0)
        self.retries = 0

    async def store(self, batch: Batch) -> list[WriteOutcome]:
        """Write a batch and return one outcome for each of its rows, in order: never SPOOLED.

        Rows whose id belongs to another event, and rows that Postgres refuses, go to the quarantine; the others are
        stored. A batch with an identity is written unless it has been.

        Raises:
            ReplayedMeanwhileError: the batch replays rejections, and one of them waits for that no more.
            StorageUnavailableError: the database stayed away for RETRY_FOR_S; `in_doubt` tells more.
            StorageRefusedError: the database refuses this service.
        """
        in_doubt = batch.identity is not None
        identity = batch.identity or BatchIdentity(self._identity.writer_id, self._identity.number + 1)
        if not in_doubt:
            self._identity = identity
        return await self._store_through_failures(batch, identity, in_doubt=in_doubt)

    def give_up_identity(self) -> BatchIdentity:
        """Hand out the identity of the newest batch, whose outcome is unknown, and never use its writer's id again.

        The ledger then tells whether that batch was committed, whenever somebody asks.
        """
        given, self._identity = self._identity, BatchIdentity(str(uuid.uuid4()), 0)
        return given

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _store_through_failures(
        self, batch: Batch, identity: BatchIdentity, *, in_doubt: bool
    ) -> list[WriteOutcome]:
        """Try until the batch is committed or the time is over."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + RETRY_FOR_S
        delay_s = RETRY_DELAY_FIRST_S
        refused: Refused | None = None  # None until a row is under suspicion
        while True:
            try:
                return await self._attempt(batch, identity, refused, in_doubt=in_doubt)
            except _AlreadyCommittedError:
                in_doubt = True
            except _RowsRefusedError as exc:
                refused = frozenset((*(refused or ()), *map(tuple, exc.rows)))
            except _ROW_FAULTS as exc:
                if refused is None:
                    refused = frozenset(tuple(row) for row in batch.rows if not _has_id(row))
                    log.info("write_isolating", events=len(batch), error=name_error(exc))
                else:
                    raise
            except BaseException as exc:
                # Whatever it was, cancellation included, the connection may be in mid-transaction.
                await self.close()
                _raise_if_cancelled(exc)
                error = _interruption(exc)
                if error is None:
                    raise
                if not isinstance(error, StorageUnavailableError) or loop.time() + delay_s > deadline_s:
                    if error is exc:
                        raise
                    raise error from exc
                in_doubt = True
                self.retries += 1
                log.warning("write_retried", events=len(batch), delay_s=delay_s, error=name_error(exc))
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, RETRY_DELAY_MOST_S)

    async def _attempt(
        self, batch: Batch, identity: BatchIdentity, refused: Refused | None, *, in_doubt: bool
    ) -> list[WriteOutcome]:
        # Many missing days take their time, which is no sign of an outage.
        await self._ensure_partitions(batch.rows, isolating=refused is not None)
        async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
            connection = await self._connected()
            if in_doubt and await self._is_committed(connection, identity):
                return await self._recall(connection, batch)
            try:
                return await self._transact(connection, batch, identity, refused)
            except asyncpg.CheckViolationError as exc:
                if not _lacks_partition(exc):
                    raise
                # A day's partition went away, with retention, since its existence was noted: no fault of its rows.
                await self._refresh_partitions()
                raise DayClosedError("a day is being removed now; send the same events again") from exc

    async def _ensure_partitions(self, rows: Sequence[Row], *, isolating: bool) -> None:
        days = {row[TIMESTAMP].date() for row in rows}
        # A day that may not be is the fault of its rows alone, which COPY then refuses for want of a partition.
        await self._partitions.ensure(self._partitions.possible(days) if isolating else days)

    async def _refresh_partitions(self) -> None:
        # Where the database goes away just now, the next attempt finds that out.
        with suppress(StorageUnavailableError):
            await self._partitions.refresh()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect_writer()
        return self._connection

    async def _is_committed(self, connection: Connection, identity: BatchIdentity) -> bool:
        last = await connection.fetchval(statement("write/last_batch"), identity.writer_id)
        return last is not None and last >= identity.number

    async def _transact(
        self, connection: Connection, batch: Batch, identity: BatchIdentity, refused: Refused | None
    ) -> list[WriteOutcome]:
        """Claim the ids, copy the rows whose claim succeeded, count, quarantine, commit.

        Args:
            connection: idle.
            batch: what to write.
            identity: of this attempt.
            refused: rows that Postgres is known to refuse; where given, others are looked for, and without it one of
                them fails the transaction.

        Raises:
            _RowsRefusedError: there are others.
        """
        candidates = batch.rows if not refused else [row for row in batch.rows if tuple(row) not in refused]
        # Sorted, so that concurrent batches claim shared ids in one order; stable, so that of equal ids the first wins.
        rows = sorted(candidates, key=_event_id)
        async with connection.transaction():
            if batch.replays:
                await hold_replays(connection, batch)
            outcomes = None
            if rows:
                ids, prints = [row[EVENT_ID] for row in rows], [fingerprint(row) for row in rows]
                fresh = await connection.fetchval(statement("write/claim_keys"), ids, prints, batch.claimed_at)
                if fresh is not None:
                    outcomes = await self._judge(connection, candidates, set(fresh))
                    rows = _first_of_each(rows, set(fresh))
            if refused is not None:
                found = await self._copy_isolating(connection, rows)
                if found:
                    raise _RowsRefusedError(found)
            elif rows:
                await _copy(connection, rows)
            if refused:
                outcomes = _with_refused(batch.rows, outcomes, refused)
            # First: a rival attempt is waited for here, and not at the ids of the rejections, which it has written too.
            await self._record(connection, identity, rows, _tally(batch, outcomes))
            rejections = self._all_rejections(batch, outcomes)
            if batch.replays:
                await mark_replays(connection, batch, outcomes or [WriteOutcome.STORED] * len(batch.rows))
            elif rejections:
                await self._quarantine.write(connection, rejections, identity.writer_id)
        return [WriteOutcome.STORED] * len(batch.rows) if outcomes is None else outcomes

    async def _judge(
        self, connection: Connection, rows: Sequence[Row], fresh: set[str], claimed_at: datetime | None = None
    ) -> list[WriteOutcome]:
        """Tell stored rows, repeats and conflicts apart.

        Args:
            connection: where the claims can be read.
            rows: in the order in which they came.
            fresh: ids that this transaction has claimed.
            claimed_at: where an earlier attempt has claimed them, the moment of its claim.
        """
        ids = {row[EVENT_ID] for row in rows if _has_id(row)}
        records = await connection.fetch(statement("write/recall_keys"), list(ids))
        known = {record["event_id"]: record for record in records}
        if claimed_at is not None:
            fresh = {event_id for event_id, record in known.items() if record["received_at"] == claimed_at}
        seen: set[str] = set()
        outcomes = []
        for row in rows:
            event_id = row[EVENT_ID]
            record = known.get(event_id)
            if record is None:
                # Just now purged with its event; or, when an earlier attempt is recalled, refused by Postgres.
                outcomes.append(WriteOutcome.DUPLICATE if claimed_at is None else WriteOutcome.REFUSED)
            elif event_id in fresh and event_id not in seen:
                if record["fingerprint"] == fingerprint(row):
                    outcomes.append(WriteOutcome.STORED)
                    seen.add(event_id)
                else:
                    # Only where an earlier attempt is recalled: what came before the stored one was refused.
                    outcomes.append(WriteOutcome.REFUSED)
            elif record["fingerprint"] == fingerprint(row):
                outcomes.append(WriteOutcome.DUPLICATE)
            else:
                outcomes.append(WriteOutcome.CONFLICT)
        return outcomes

    async def _recall(self, connection: Connection, batch: Batch) -> list[WriteOutcome]:
        """Work out the outcomes of a batch that an earlier attempt has committed."""
        log.info("batch_recalled", events=len(batch))
        return await self._judge(connection, batch.rows, set(), batch.claimed_at) if batch.rows else []

    async def _copy_isolating(self, connection: Connection, rows: Sequence[Row]) -> list[Row]:
        """Copy rows, and return those that Postgres refuses, found by halving what holds one until it stands alone."""
        if not rows:
            return []
        try:
            async with connection.transaction():  # a savepoint, inside of the batch's transaction
                await _copy(connection, rows)
        except _ROW_FAULTS as exc:
            days = {row[TIMESTAMP].date() for row in rows}
            if _lacks_partition(exc) and self._partitions.possible(days) == days:
                raise
            if len(rows) == 1:
                log.warning("row_refused", event_id=rows[0][EVENT_ID], error=name_error(exc))
                return [rows[0]]
            middle = len(rows) // 2
            first = await self._copy_isolating(connection, rows[:middle])
            return first + await self._copy_isolating(connection, rows[middle:])
        return []

    def _all_rejections(self, batch: Batch, outcomes: Sequence[WriteOutcome] | None) -> list[Rejection]:
        """Add the rows that turned out to be rejections to those that came as such."""
        if outcomes is None:
            return list(batch.rejections)
        found = [
            self._reject_row(row, outcome)
            for row, outcome in zip(batch.rows, outcomes, strict=True)
            if outcome in (WriteOutcome.CONFLICT, WriteOutcome.REFUSED)
        ]
        return [*batch.rejections, *found]

    async def _record(
        self,
        connection: Connection,
        identity: BatchIdentity,
        stored: Sequence[Row],
        tally: Counter[tuple[datetime, str]],
    ) -> None:
        deltas = sum_up_by_hour((row[TIMESTAMP], row[EVENT_TYPE]) for row in stored)
        hours = sorted({hour for hour, _ in tally})
        counted = await connection.fetchval(
            statement("write/record_batch"),
            [hour for hour, _ in deltas],
            [name for _, name in deltas],
            [delta.number for delta in deltas.values()],
            identity.writer_id,
            identity.number,
            hours,
            *([tally[hour, label] for hour in hours] for label in (_STORED, _DUPLICATES, _REJECTED)),
            [delta.first_at for delta in deltas.values()],
            [delta.last_at for delta in deltas.values()],
        )
        if counted < len(hours):
            raise _AlreadyCommittedError


_STORED, _DUPLICATES, _REJECTED = "stored", "duplicates", "rejected"
_LABELS = {
    WriteOutcome.STORED: _STORED,
    WriteOutcome.DUPLICATE: _DUPLICATES,
    WriteOutcome.CONFLICT: _REJECTED,
    WriteOutcome.REFUSED: _REJECTED,
}


def _tally(batch: Batch, outcomes: Sequence[WriteOutcome] | None) -> Counter[tuple[datetime, str]]:
    """Count what becomes of a batch by hour of receipt and label."""
    if outcomes is None:
        tally = count_by_hour((row[RECEIVED_AT], _STORED) for row in batch.rows)
    else:
        labels = ((row[RECEIVED_AT], _LABELS[outcome]) for row, outcome in zip(batch.rows, outcomes, strict=True))
        # A replay that fails again was counted when it was rejected.
        tally = count_by_hour(label for label in labels if not batch.replays or label[1] != _REJECTED)
    tally.update(count_by_hour((rejection[REJECTION_RECEIVED_AT], _REJECTED) for rejection in batch.rejections))
    return tally


async def _copy(connection: Connection, rows: Sequence[Row]) -> None:
    await connection.copy_records_to_table("analytics_events", records=rows, columns=COLUMNS)


def _first_of_each(rows: Sequence[Row], fresh: set[str]) -> list[Row]:
    """Keep the first row of each fresh id; `rows` are sorted by id."""
    kept = []
    before = None
    for row in rows:
        event_id = row[EVENT_ID]
        if event_id != before and event_id in fresh:
            kept.append(row)
        before = event_id
    return kept


def _with_refused(rows: Sequence[Row], outcomes: Sequence[WriteOutcome] | None, refused: Refused) -> list[WriteOutcome]:
    """Complete the outcomes of the other rows (None: all are stored) by those of refused ones."""
    others = iter(outcomes) if outcomes is not None else repeat(WriteOutcome.STORED)
    return [WriteOutcome.REFUSED if tuple(row) in refused else next(others) for row in rows]


def _has_id(row: Row) -> bool:
    try:
        uuid.UUID(row[EVENT_ID])
    except (ValueError, AttributeError, TypeError):
        return False
    return True


def _lacks_partition(exc: Exception) -> bool:
    """Tell Postgres's "no partition of relation found for row" from a constraint's violation, in every language."""
    return isinstance(exc, asyncpg.CheckViolationError) and exc.constraint_name is None


def _raise_if_cancelled(exc: BaseException) -> None:
    """Bring back a cancellation: a broken connection fails the rollback that follows one, and that error hides it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling() and not isinstance(exc, asyncio.CancelledError):
        raise asyncio.CancelledError from exc


def _interruption(exc: BaseException) -> StorageError | None:
    """Translate what is about the connection or its transaction; None for a mistake of ours, and for cancellation."""
    if isinstance(exc, _MISSING):
        return StorageUnavailableError("the database lacks tables of this service; migrate it, then it is stored")
    if isinstance(exc, _INTERRUPTIONS):
        return StorageInterruptedError("the database interrupts writes now; send the same events again")
    if isinstance(exc, _BREAKS):
        return StorageUnavailableError("the connection to the database broke; send the same events again")
    return translate(exc)
