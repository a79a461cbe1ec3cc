"""Which secret belongs to a database: recorded by the first service, as a value that tells nothing about it."""

from dataclasses import dataclass
from datetime import datetime

from storage.audit import AuditEntry, add_audit
from storage.postgres.database import Database
from storage.postgres.errors import translated
from storage.sql import statement

READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """By which value a database knows its secret, and who recorded it when (`user@host`, an aware time)."""

    check_value: bytes
    recorded_at: datetime
    recorded_by: str


async def read_secret_record(database: Database) -> SecretRecord | None:
    """Read the record; None where no service has started on this database yet.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        row = await connection.fetchrow(statement("read/service_secret"))
    return SecretRecord(**row) if row is not None else None


async def record_secret(database: Database, record: SecretRecord) -> None:
    """Record a secret, unless one is recorded: of several services that start at once, the first one's counts.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            await connection.execute(statement("write/record_secret"), *_values(record))
    finally:
        connection.terminate()


async def replace_secret(database: Database, record: SecretRecord, entry: AuditEntry) -> None:
    """Record another secret, and in the same transaction an entry of the audit log.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            async with connection.transaction():
                await connection.execute(statement("write/replace_secret"), *_values(record))
                await add_audit(connection, entry)
    finally:
        connection.terminate()


def _values(record: SecretRecord) -> tuple[object, ...]:
    return record.check_value, record.recorded_at, record.recorded_by
