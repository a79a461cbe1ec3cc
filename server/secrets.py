"""The service's secret: one for all servers of a database, and the keys that are derived from it by purpose."""

import os
import secrets
from hashlib import blake2b
from pathlib import Path

from runtime.settings import Settings

SECRET_FILE = "secret.key"  # noqa: S105 - the name of a file
SECRET_BYTES = 32
KEY_BYTES = 32
"""Of every derived key: as long as HMAC-SHA-256 and keyed BLAKE2b want it."""
SECRET_VARIABLE = "ANALYTICS_IP_HASH_KEY"  # noqa: S105 - the name of a variable

ADDRESS_PURPOSE = "client address"
"""The key of the hash that stands for client addresses."""
PAGE_TOKEN_PURPOSE = "page token"  # noqa: S105 - a purpose
"""The key that signs page tokens."""


class ServiceSecret:
    """A secret from which keys are derived: whoever holds one of them learns neither the secret nor another key.

    Args of the constructor:
        secret: of any length; text of 16 characters or more, or 32 random bytes as hexadecimal digits.
        place: where it was read, for messages: the variable or the file.
    """

    def __init__(self, secret: bytes, place: str) -> None:
        # BLAKE2b takes keys of at most 64 bytes, which is what its digest has.
        self._root = blake2b(secret).digest()
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

    The file is complete or absent: it is written aside and linked into place, so that workers which start at once
    agree on the first one.

    Raises:
        OSError: the file cannot be written or read.
    """
    if settings.ip_hash_key is not None:
        return ServiceSecret(settings.ip_hash_key.encode(), SECRET_VARIABLE)
    path = settings.data_dir / SECRET_FILE
    if not path.exists():
        _generate(path)
    return ServiceSecret(path.read_text().strip().encode(), str(path.resolve()))


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
