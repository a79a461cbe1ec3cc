"""The statements of one write transaction: claim the ids, store the block, count in the ingest ledger."""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from operator import itemgetter
from struct import pack, unpack

from storage.blocks.codec import ActorHash, Block, encode
from storage.blocks.outcomes import DUPLICATES, REJECTED, STORED
from storage.postgres.database import Connection
from storage.postgres.statements import statements_of
from storage.sql import statement as shared_statement
from storage.write.batch import EVENT_ID, BatchIdentity, Row
from storage.write.fingerprint import DIGEST_BYTES, digest

statement = statements_of("storage.blocks")

Tally = Counter[tuple[datetime, str]]
"""What becomes of events, by hour of receipt and label."""

_event_id = itemgetter(EVENT_ID)
_KEY_COLUMNS = ("event_id", "received_at", "fingerprint")
_UUID_BYTES = 16
_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEY_HEAD = pack(">hi", len(_KEY_COLUMNS), _UUID_BYTES)
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is worked out of rows before a transaction begins, so that it holds its locks no longer than it must.

    Attributes:
        ids, digests: of the rows, sorted by id, so that concurrent batches claim shared ids in one order; of equal ids
            the first row comes first. Each digest has 8 bytes.
        block: the rows, as one block.
        has_repeats: whether an id comes twice.
    """

    ids: Sequence[str]
    digests: Sequence[bytes]
    block: Block
    has_repeats: bool

    @classmethod
    def of(cls, rows: Sequence[Row], hash_actor: ActorHash) -> "Draft":
        """Work out what at least one row needs.

        Raises:
            RowRefusedError: a block does not take one of them.
        """
        block = encode(rows, hash_actor)
        ordered = sorted(rows, key=_event_id)
        ids = [row[EVENT_ID] for row in ordered]
        return cls(ids, list(map(digest, ordered)), block, len(set(ids)) < len(ids))

    @property
    def prints(self) -> Sequence[int]:
        """The fingerprint of each row."""
        return unpack(f">{len(self.ids)}q", b"".join(self.digests))


async def copy_keys(connection: Connection, draft: Draft, claimed_at: datetime) -> None:
    """Claim the ids of rows that are all expected to be new.

    Raises:
        asyncpg.UniqueViolationError: one of them is claimed already; the transaction has failed.
    """
    await connection.copy_to_table(
        "analytics_event_keys",
        source=BytesIO(_keys_to_copy(draft, claimed_at)),
        columns=_KEY_COLUMNS,
        format="binary",
    )


def _keys_to_copy(draft: Draft, claimed_at: datetime) -> bytes:
    """Write keys in the binary form of COPY, all at once: the driver would parse and encode every id by itself.

    The form is that of https://www.postgresql.org/docs/current/sql-copy.html: each value with its length before it.

    Raises:
        ValueError: an id is no UUID.
    """
    count = len(draft.ids)
    ids = bytes.fromhex("".join(draft.ids).replace("-", ""))
    if len(ids) != _UUID_BYTES * count:
        ids = b"".join(uuid.UUID(event_id).bytes for event_id in draft.ids)
    middle = pack(">iqi", 8, (claimed_at - _POSTGRES_EPOCH) // _MICROSECOND, DIGEST_BYTES)
    rows = [
        _KEY_HEAD + ids[place : place + _UUID_BYTES] + middle + print_
        for place, print_ in zip(range(0, len(ids), _UUID_BYTES), draft.digests, strict=True)
    ]
    return b"".join((_COPY_HEADER, *rows, _COPY_TRAILER))


async def claim_keys(connection: Connection, draft: Draft, claimed_at: datetime) -> Collection[str] | None:
    """Claim those ids that are free, and answer which those were; None where that is all of them."""
    fresh: list[str] | None = await connection.fetchval(
        shared_statement("write/claim_keys"), draft.ids, draft.prints, claimed_at
    )
    return None if fresh is None else set(fresh)


async def record(connection: Connection, identity: BatchIdentity, block: Block | None, counts: Tally) -> bool:
    """Store a block, if there is one, and count; tell whether this batch was committed before, and nothing is to be."""
    arguments, hours = _arguments(identity, block, counts)
    return bool(await connection.fetchval(statement("record"), *arguments) < hours)


async def store_small(
    connection: Connection, identity: BatchIdentity, draft: Draft, counts: Tally, claimed_at: datetime
) -> None:
    """Do all of it in one statement, which is a transaction of its own: one round trip.

    Args:
        connection: idle.
        identity: one that no attempt has used before.
        draft: of rows whose ids are expected to be new.
        counts: of the batch.
        claimed_at: the moment of the claim.

    Raises:
        asyncpg.UniqueViolationError: one of the ids is claimed already; nothing is stored.
    """
    arguments, _ = _arguments(identity, draft.block, counts)
    await connection.fetchval(statement("store_small"), *arguments, draft.ids, draft.prints, claimed_at)


def _arguments(identity: BatchIdentity, block: Block | None, counts: Tally) -> tuple[tuple[object, ...], int]:
    hours = sorted({hour for hour, _ in counts})
    # A random id: a sequence would hand out the same number twice after a failover, and caches go by it.
    stored = (
        (None, None, 0, None, None, None)
        if block is None
        else (uuid.uuid4(), block.format, block.rows, block.first_at, block.last_at, block.data)
    )
    numbers = ([counts[hour, label] for hour in hours] for label in (STORED, DUPLICATES, REJECTED))
    return (*stored, identity.writer_id, identity.number, hours, *numbers), len(hours)
