"""Pseudonyms of actors: a keyed 64-bit hash stands for an actor wherever its plain id is not needed."""

from collections.abc import Callable
from hashlib import blake2b
from typing import ClassVar

from storage.postgres.database import Connection
from storage.postgres.errors import StorageRefusedError
from storage.postgres.statements import statements_of

HASH_BYTES = 8
"""64 bits: among 100 million actors two share a hash with a chance of one in 3,700."""
CACHED_ACTORS = 100_000
"""A hash costs ten times a look-up; so many take some 20 MB, and the actors of a busy minute are fewer."""
PURPOSE = "actor pseudonym"
"""The purpose for which the service's secret derives the key."""
UNDER_WAY = "under way"
"""What the database keeps in place of a check value while pseudonyms are made anew: no key has it."""
_CHECKED = b"analytics actor key check"
_CHECK_DIGITS = 32

statement = statements_of("storage.blocks")


class ActorKeyError(StorageRefusedError):
    """This service's key is not the one that the stored pseudonyms were made with."""

    reason: ClassVar[str] = "ACTOR_KEY"


class _Hashes(dict[str, int]):
    """Pseudonyms by actor id, made when they are asked for; a dictionary answers in half the time of an LRU cache."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key = key

    def __missing__(self, actor_id: str) -> int:
        if len(self) >= CACHED_ACTORS:
            self.clear()
        digest = blake2b(actor_id.encode(), digest_size=HASH_BYTES, key=self._key).digest()
        self[actor_id] = number = int.from_bytes(digest, "big", signed=True)
        return number


class Pseudonyms:
    """Makes the pseudonyms of one key.

    The hash is BLAKE2b (RFC 7693) with a key and a digest of 8 bytes, read as a signed big-endian integer, since
    Postgres and Iceberg know no unsigned ones.

    Args of the constructor:
        key: 16 to 64 bytes; the same on every server of a database.
        where: where the key was read, for messages: a file or a variable.
    """

    def __init__(self, key: bytes, where: str) -> None:
        self._key = key
        self._where = where
        self.of: Callable[[str], int] = _Hashes(key).__getitem__
        """Makes the pseudonym of an actor id. Raises ValueError for a text with a lone surrogate."""

    @property
    def check_value(self) -> str:
        """What the database keeps to recognise the key by; it tells nothing about the key."""
        return blake2b(_CHECKED, digest_size=_CHECK_DIGITS // 2, key=self._key).hexdigest()

    async def check(self, connection: Connection) -> None:
        """Compare the key with that of the database, which takes the first one that comes.

        Raises:
            ActorKeyError: the database's pseudonyms were made with another key.
        """
        kept = await connection.fetchval(statement("check_actor_key"), self.check_value)
        if kept != self.check_value:
            raise ActorKeyError(
                f"the key of actor pseudonyms, read from {self._where}, is not the one that this database's events "
                "were stored with: restore that file or variable from a backup, or run `analytics segments rekey` to "
                "make all pseudonyms anew"
            )

    async def take_over(self, connection: Connection, *, is_done: bool) -> None:
        """Make this key the database's; until that is done the database belongs to no key, and no service starts."""
        await connection.execute(statement("replace_actor_key"), self.check_value if is_done else UNDER_WAY)
