"""The service's secret: one for all servers of a database, and the keys that are derived from it by purpose."""

import os
import secrets
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar

from runtime.person import name_person
from runtime.settings import Settings, SettingsError
from storage.postgres.database import Database
from storage.secret_record import SecretRecord, read_secret_record, record_secret

SECRET_FILE = "secret.key"  # noqa: S105 - the name of a file
SECRET_BYTES = 32
KEY_BYTES = 32
"""Of every derived key: as long as HMAC-SHA-256 and keyed BLAKE2b want it."""
SECRET_VARIABLE = "ANALYTICS_IP_HASH_KEY"  # noqa: S105 - the name of a variable

ADDRESS_PURPOSE = "client address"
"""The key of the hash that stands for client addresses."""
PAGE_TOKEN_PURPOSE = "page token"  # noqa: S105 - a purpose
"""The key that signs page tokens."""
CHECK_PURPOSE = "check value"
"""The purpose of the check value in the database, which identifies the secret and is not used as a key."""


class SecretMismatchError(SettingsError):
    """The secret is not the one that the database was first used with; the message names the places searched."""

    reason: ClassVar[str] = "SECRET_MISMATCH"


class ServiceSecret:
    """A secret from which keys are derived; a derived key reveals neither the secret nor any other key.

    Args of the constructor:
        secret: of any length; text of 16 characters or more, or 32 random bytes as hexadecimal digits.
        place: where it was read, for messages: the variable or the file.
    """

    def __init__(self, secret: str, place: str) -> None:
        self.text = secret
        # BLAKE2b takes keys of at most 64 bytes, which is what its digest has.
        self._root = blake2b(secret.encode()).digest()
        self.place = place

    def derive_key(self, purpose: str) -> bytes:
        """Derive the key of a purpose, 32 bytes: the same on every server with the same secret.

        Keyed BLAKE2b (RFC 7693) of the purpose.

        Args:
            purpose: one of the constants of this module; each use of a key has a purpose of its own.
        """
        return blake2b(purpose.encode(), key=self._root, digest_size=KEY_BYTES).digest()


def load_secret(settings: Settings) -> ServiceSecret:
    """Read the service's secret: the given one, or one that is generated once and kept in the data directory.

    The file is complete or absent: it is written under another name and linked into place, so that workers that start
    at the same time agree on the first one.

    Raises:
        OSError: the file cannot be written or read.
    """
    if find_secret(settings) is None:
        _generate(settings.data_dir / SECRET_FILE)
    found = find_secret(settings)
    assert found is not None  # noqa: S101 - it was made just now
    return found


def find_secret(settings: Settings) -> ServiceSecret | None:
    """Read the service's secret; None if none is set and none was generated."""
    if settings.ip_hash_key is not None:
        return ServiceSecret(settings.ip_hash_key, SECRET_VARIABLE)
    path = settings.data_dir / SECRET_FILE
    return ServiceSecret(path.read_text().strip(), str(path.resolve())) if path.exists() else None


async def agree_on_secret(settings: Settings, database: Database, where: str) -> ServiceSecret:
    """Read the service's secret and check that it belongs to the database; the first service's secret is recorded.

    Args:
        settings: where to look for it.
        database: a migrated one.
        where: the database, for the message.

    Raises:
        SecretMismatchError: it is another one, or none is set although another service has one. Nothing is generated.
        StorageUnavailableError: the database is unavailable.
    """
    secret = await check_secret(settings, database, where)
    if secret is None:
        await record_secret(database, make_record(load_secret(settings)))
        secret = await check_secret(settings, database, where)  # another service may have been the first
        assert secret is not None  # noqa: S101 - there is a record now
    return secret


async def check_secret(settings: Settings, database: Database, where: str) -> ServiceSecret | None:
    """Read the service's secret and check that it belongs to the database; None if the database has none yet.

    Args and errors are those of `agree_on_secret`.
    """
    record = await read_secret_record(database)
    if record is None:
        return None
    found = find_secret(settings)
    if found is None or make_record(found).check_value != record.check_value:
        raise SecretMismatchError(_explain(settings, found, record, where))
    return found


def make_record(secret: ServiceSecret) -> SecretRecord:
    """Make the database's record of a secret."""
    return SecretRecord(secret.derive_key(CHECK_PURPOSE), datetime.now(UTC), name_person())


def _explain(settings: Settings, found: ServiceSecret | None, record: SecretRecord, where: str) -> str:
    path = (settings.data_dir / SECRET_FILE).resolve()
    by = f"{record.recorded_by} on {record.recorded_at:%Y-%m-%d}"
    if found is None:
        problem = f"{where} was set up by {by} with a secret, but neither {SECRET_VARIABLE} nor {path} holds one"
    else:
        problem = f"the secret in {found.place} is not the one with which {where} was set up by {by}"
    return (
        f"{problem}: a different secret would give the same client address another hash. Set {SECRET_VARIABLE} "
        f"to the same value as there, or copy {SECRET_FILE} from the data directory there to {path.parent}; to use a "
        "new secret on purpose, stop every service of the database and run `analytics secret replace`"
    )


def _generate(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
