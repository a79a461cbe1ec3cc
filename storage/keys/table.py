"""The table of keys: reading, creating, ending, and counting what each took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from storage.audit import AuditEntry, add_audit
from storage.postgres.database import Database
from storage.postgres.errors import translated
from storage.postgres.statements import statements_of

statement = statements_of("storage.keys")

READ_TIMEOUT_S = 3.0
"""Workers read the keys every few seconds; a longer wait would only delay the next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A key as it is stored: SHA-256 of its text, never the text.

    Attributes:
        id: the characters between kind and secret.
        kind: "pub" or "srv".
        hash: SHA-256 of the whole text, 32 bytes.
        name: what it is for.
        scopes, origins, event_types: what it allows; empty origins or event types allow all.
        user_ids: which user ids its events may have: "none", "any" or "subject" (of a token).
        events_per_second, daily_events, concurrent_reports: its quotas; 0 for none.
        created_at, expires_at, revoked_at, last_used_at: aware times.
        used_events: how many events it took on the day that was asked for.
    """

    id: str
    kind: str
    hash: bytes
    name: str
    scopes: Sequence[str]
    origins: Sequence[str]
    event_types: Sequence[str]
    user_ids: str
    events_per_second: int
    daily_events: int
    concurrent_reports: int
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    used_events: int = 0


async def read_live_keys(database: Database, day: date) -> list[StoredKey]:
    """Read the keys that can be used, each with the events that it took on `day`, a day in UTC.

    Raises:
        StorageUnavailableError, StorageRefusedError: the database is away, or refuses us.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        rows = await connection.fetch(statement("live"), day)
    return [StoredKey(**row) for row in rows]


async def list_keys(database: Database, *, include_ended: bool, limit: int) -> list[StoredKey]:
    """Read keys, newest first, with or without those that are revoked or expired.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        rows = await connection.fetch(statement("list"), include_ended, limit)
    return [StoredKey(**row) for row in rows]


async def count_live_keys(database: Database) -> int:
    """Count the keys that can be used.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        return int(await connection.fetchval(statement("count_live")))


async def insert_key(database: Database, key: StoredKey, entry: AuditEntry) -> None:
    """Add a key and, in the same transaction, an entry of the audit log.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            async with connection.transaction():
                await connection.execute(statement("insert"), *_inserted(key))
                await add_audit(connection, entry)
    finally:
        connection.terminate()


async def replace_key(
    database: Database, old_id: str, successor: StoredKey, old_expires_at: datetime, entry: AuditEntry
) -> StoredKey | None:
    """Add the successor of a key with what the old one allows, and let the old one end, in one transaction.

    Args:
        database: a migrated one.
        old_id: of a key that can be used.
        successor: gives the id, the hash and the time of creation; everything else comes from the old key.
        old_expires_at: when the old key ends, unless it ends earlier.
        entry: for the audit log.

    Returns:
        The old key as it was; None if there is no such key or it has ended, and nothing was changed.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            async with connection.transaction():
                row = await connection.fetchrow(statement("find"), old_id)
                old = StoredKey(**row) if row is not None else None
                if old is None or has_ended(old, successor.created_at):
                    return None
                values = dict(zip(INSERTED, _inserted(old), strict=True)) | {
                    name: getattr(successor, name) for name in ("id", "hash", "created_at", "expires_at")
                }
                await connection.execute(statement("insert"), *values.values())
                await connection.execute(statement("expire"), old_id, old_expires_at)
                await add_audit(connection, entry)
                return old
    finally:
        connection.terminate()


async def revoke_key(database: Database, key_id: str, revoked_at: datetime, entry: AuditEntry) -> StoredKey | None:
    """Revoke a key and write an entry of the audit log, in one transaction; a revoked key stays as it is.

    Returns:
        The key before; None if there is no such key.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            async with connection.transaction():
                row = await connection.fetchrow(statement("find"), key_id)
                if row is None:
                    return None
                if row["revoked_at"] is None:
                    await connection.execute(statement("revoke"), key_id, revoked_at)
                    await add_audit(connection, entry)
                return StoredKey(**row)
    finally:
        connection.terminate()


async def note_use(database: Database, events: Mapping[str, int], *, day: date, used_at: datetime) -> None:
    """Add to each key the events that this process took with it on a day (UTC), and note when it was last used.

    Raises:
        StorageUnavailableError: the database is away; nothing was added.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            await connection.execute(statement("note_use"), list(events), list(events.values()), day, used_at)
    finally:
        connection.terminate()


def has_ended(key: StoredKey, now: datetime) -> bool:
    """Tell whether a key is revoked or expired."""
    return key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now)


INSERTED = (
    *("id", "kind", "hash", "name", "scopes", "origins", "event_types", "user_ids"),
    *("events_per_second", "daily_events", "concurrent_reports", "created_at", "expires_at"),
)
"""The attributes that a new key has, in the order of the statement's parameters."""


def _inserted(key: StoredKey) -> tuple[object, ...]:
    return tuple(getattr(key, name) for name in INSERTED)
