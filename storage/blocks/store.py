"""The block store: writes one batch after the other in exactly one transaction each, through failures."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

import asyncpg
import structlog

from storage.blocks import outcomes as judging
from storage.blocks.codec import ActorHash, RowRefusedError, refuses
from storage.blocks.outcomes import Refused
from storage.blocks.transaction import Draft, claim_keys, copy_keys, record, store_small
from storage.postgres.database import Connection, Database
from storage.postgres.errors import (
    StorageError,
    StorageInterruptedError,
    StorageUnavailableError,
    name_error,
    translate,
)
from storage.rejections import hold_replays, mark_replays
from storage.sql import statement
from storage.write.batch import Batch, BatchIdentity, Rejection, Row, WriteOutcome

log = structlog.get_logger(__name__)

RejectRow = Callable[[Row, WriteOutcome], Rejection]
"""Makes the rejection of a row that turned out to be a CONFLICT or REFUSED."""

RETRY_FOR_S = 2.0
"""How long callers wait for a database that is away before it counts as gone: a crashed Postgres is back by then."""
ATTEMPT_TIMEOUT_S = 5.0
"""A transaction takes some tens of milliseconds; one that takes this long talks to a server that is frozen or gone."""
RETRY_DELAY_FIRST_S = 0.05
RETRY_DELAY_MOST_S = 0.5
"""The first retry comes at once, since most breaks are short; later ones burden nobody."""
SMALL_ROWS = 64
"""Up to here one statement with arrays costs less than a transaction with COPY, which has four round trips more."""

_ROW_FAULTS = (asyncpg.DataError, ValueError, TypeError, OverflowError)
"""What a single row can cause, by the driver's word or by Postgres's: an id that is no UUID."""
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


class RejectionKeeper(Protocol):
    """What keeps rejections within the transaction of their batch: the quarantine."""

    async def write(self, connection: Connection, rejections: Sequence[Rejection], writer_id: str) -> None:
        """Keep rejections."""


class _BlockCommittedError(Exception):
    """A rival attempt to write this very batch was committed first; this one has to be rolled back."""


class _WritePlan:
    """How to write a batch, as far as earlier attempts have shown."""

    def __init__(self, batch: Batch, hash_actor: ActorHash) -> None:
        self.batch = batch
        self.candidates: Sequence[Row] = batch.rows
        self.refused: Refused = frozenset()
        self.is_isolated = False
        """Whether rows that cannot be stored have been looked for."""
        self._hash_actor = hash_actor
        try:
            self.draft = self.draft_of(batch.rows)
        except (RowRefusedError, TypeError) as exc:
            self.isolate(exc)
        self.contended = self.draft is not None and self.draft.has_repeats
        """Whether an id is known to be claimed already, or to come twice."""

    @property
    def is_small(self) -> bool:
        """Whether one statement can write all there is."""
        batch = self.batch
        return 0 < len(self.candidates) <= SMALL_ROWS and not (batch.rejections or batch.replays or self.refused)

    def draft_of(self, rows: Sequence[Row]) -> Draft | None:
        """Draft some of the candidates; None where there are none."""
        return Draft.of(rows, self._hash_actor) if rows else None

    def isolate(self, exc: Exception) -> None:
        """Find the rows that cannot be stored, as an error says that there are, and go on without them."""
        rows = self.batch.rows
        log.info("write_isolating", events=len(rows), error=name_error(exc))
        self.is_isolated = True
        refused = [row for row in rows if not judging.has_id(row) or refuses(row)]
        self.refused = frozenset(map(tuple, refused))
        self.candidates = [row for row in rows if tuple(row) not in self.refused]
        self.draft = self.draft_of(self.candidates)


class BlockStore:
    """Writes batches over one connection of its own, which it opens anew whenever it breaks.

    Args of the constructor:
        database: a migrated one.
        quarantine: keeps rejections.
        reject_row: makes the rejection of a row.
        hash_actor: makes pseudonyms of actors.
    """

    def __init__(
        self, database: Database, quarantine: RejectionKeeper, *, reject_row: RejectRow, hash_actor: ActorHash
    ) -> None:
        self._database = database
        self._quarantine = quarantine
        self._reject_row = reject_row
        self._hash_actor = hash_actor
        self._connection: Connection | None = None
        self._identity = BatchIdentity(str(uuid.uuid4()), 0)
        self.retries = 0

    async def store(self, batch: Batch) -> list[WriteOutcome]:
        """Write a batch and return one outcome for each of its rows, in order: never SPOOLED.

        Rows whose id belongs to another event, and rows that a block does not take, go to the quarantine; the others
        are stored. A batch with an identity is written unless it has been.

        Raises:
            ReplayedMeanwhileError: the batch replays rejections, and one of them waits for that no more.
            StorageInterruptedError: the database answers, and did not take this batch for RETRY_FOR_S.
            StorageUnavailableError: the database stayed away for RETRY_FOR_S; the ledger tells whether it was written.
            StorageRefusedError: the database refuses this service.
        """
        in_doubt = batch.identity is not None
        identity = batch.identity or BatchIdentity(self._identity.writer_id, self._identity.number + 1)
        if not in_doubt:
            self._identity = identity
        return await self._store_through_failures(_WritePlan(batch, self._hash_actor), identity, in_doubt=in_doubt)

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
        self, plan: _WritePlan, identity: BatchIdentity, *, in_doubt: bool
    ) -> list[WriteOutcome]:
        """Try until the batch is committed or the time is over."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + RETRY_FOR_S
        delay_s = RETRY_DELAY_FIRST_S
        while True:
            try:
                return await self._attempt(plan, identity, in_doubt=in_doubt)
            except _BlockCommittedError:
                in_doubt = True
            except asyncpg.UniqueViolationError as exc:
                if plan.contended or exc.table_name != "analytics_event_keys":
                    raise
                plan.contended = True
            except _ROW_FAULTS as exc:
                if plan.is_isolated:
                    raise
                plan.isolate(exc)
            except BaseException as exc:
                # Whatever it was, cancellation included, the connection may be in mid-transaction.
                await self.close()
                _raise_if_cancelled(exc)
                error = _interruption(exc)
                if error is None:
                    raise
                if not isinstance(error, StorageUnavailableError) or loop.time() + delay_s > deadline_s:
                    raise error from exc.__cause__ if error is exc else exc
                in_doubt = True
                self.retries += 1
                log.warning("write_retried", events=len(plan.batch), delay_s=delay_s, error=name_error(exc))
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, RETRY_DELAY_MOST_S)

    async def _attempt(self, plan: _WritePlan, identity: BatchIdentity, *, in_doubt: bool) -> list[WriteOutcome]:
        batch = plan.batch
        async with asyncio.timeout(ATTEMPT_TIMEOUT_S):
            connection = await self._connected()
            if in_doubt and await self._is_committed(connection, identity):
                log.info("batch_recalled", events=len(batch))
                return await judging.recall(connection, batch.rows, batch.claimed_at) if batch.rows else []
            return await self._write(connection, plan, identity, in_doubt=in_doubt)

    async def _write(
        self, connection: Connection, plan: _WritePlan, identity: BatchIdentity, *, in_doubt: bool
    ) -> list[WriteOutcome]:
        # Only the first attempt: a later one may meet an earlier one that commits late, and has to be able to stop.
        if not plan.is_small or plan.contended or in_doubt:
            return await self._transact(connection, plan, identity)
        batch = plan.batch
        assert plan.draft is not None  # noqa: S101 - a plan with rows has one
        await store_small(connection, identity, plan.draft, judging.tally(batch, None), batch.claimed_at)
        return [WriteOutcome.STORED] * len(batch.rows)

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect_writer()
        return self._connection

    async def _is_committed(self, connection: Connection, identity: BatchIdentity) -> bool:
        last = await connection.fetchval(statement("write/last_batch"), identity.writer_id)
        return last is not None and last >= identity.number

    async def _transact(self, connection: Connection, plan: _WritePlan, identity: BatchIdentity) -> list[WriteOutcome]:
        """Claim the ids, store a block of the rows whose claim succeeded, count, quarantine, commit."""
        batch = plan.batch
        async with connection.transaction():
            if batch.replays:
                await hold_replays(connection, batch)
            outcomes, draft = await self._claim(connection, plan)
            if plan.refused:
                outcomes = judging.with_refused(batch.rows, outcomes, plan.refused)
            # First: a rival attempt is waited for here, and not at the ids of the rejections, which it has written too.
            counts = judging.tally(batch, outcomes)
            if await record(connection, identity, None if draft is None else draft.block, counts):
                raise _BlockCommittedError
            rejections = self._all_rejections(batch, outcomes)
            if batch.replays:
                await mark_replays(connection, batch, outcomes or [WriteOutcome.STORED] * len(batch.rows))
            elif rejections:
                await self._quarantine.write(connection, rejections, identity.writer_id)
        return [WriteOutcome.STORED] * len(batch.rows) if outcomes is None else outcomes

    async def _claim(self, connection: Connection, plan: _WritePlan) -> tuple[list[WriteOutcome] | None, Draft | None]:
        """Claim the ids of the candidates; answer their outcomes (None: all are stored), and what is to be stored."""
        draft, claimed_at = plan.draft, plan.batch.claimed_at
        if draft is None:
            return None, None
        if not plan.contended:
            await copy_keys(connection, draft, claimed_at)
            return None, draft
        fresh = await claim_keys(connection, draft, claimed_at)
        if fresh is None:
            return None, draft
        outcomes = await judging.judge(connection, plan.candidates, fresh)
        return outcomes, plan.draft_of(judging.first_of_each(plan.candidates, fresh))

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
