"""Creates, lists, rotates and revokes keys; each change leaves an entry in the audit log, without a key's text."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

from runtime.errors import AnalyticsError
from server.access.key_text import KEY_ID, make_key
from server.admin.audit import AdminCall
from server.admin.key_rules import read_kind, read_rules, write_key, write_time
from server.reports.errors import QuestionError
from sociallive.analytics.v1.key_service_pb2 import (
    CreateKeyResponse,
    KeyRules,
    ListKeysResponse,
    RevokeKeyResponse,
    RotateKeyRequest,
    RotateKeyResponse,
)
from storage.keys import table
from storage.postgres.database import Database

MAX_LIVE_KEYS = 1_000
"""Every worker holds and rereads all of them."""
MAX_LISTED = 1_000
DEFAULT_OVERLAP = timedelta(hours=24)
MAX_OVERLAP = timedelta(days=90)
"""An old key that lives longer was not replaced."""


class NoSuchKeyError(AnalyticsError):
    """There is no key with this id, or it has ended where one is needed that can be used."""

    reason: ClassVar[str] = "NO_SUCH_KEY"


class TooManyKeysError(AnalyticsError):
    """As many keys as there may be can be used."""

    reason: ClassVar[str] = "TOO_MANY_KEYS"


class KeyDesk:
    """Changes the keys of a database.

    Args of the constructor:
        database: a migrated one.
        now: tells the current UTC time.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def create(self, rules: KeyRules, caller: str) -> CreateKeyResponse:
        """Create a key. The answer has its text, which is not stored.

        Args:
            rules: what it is to allow.
            caller: who asks, for the audit log.

        Raises:
            QuestionError: a rule is not allowed.
            TooManyKeysError: there are MAX_LIVE_KEYS.
            StorageUnavailableError: the database is away.
        """
        now = self._now()
        key = make_key(read_kind(rules))
        stored = read_rules(rules, key, now)
        await self._make_room()
        await table.insert_key(self._database, stored, self._call("keys create", caller, stored).make_entry(rows=1))
        return CreateKeyResponse(key=write_key(stored), text=key.text)

    async def list(self, *, include_ended: bool) -> ListKeysResponse:
        """List keys, newest first.

        Raises:
            StorageUnavailableError: the database is away.
        """
        stored = await table.list_keys(self._database, include_ended=include_ended, limit=MAX_LISTED)
        return ListKeysResponse(keys=[write_key(each) for each in stored])

    async def rotate(self, request: RotateKeyRequest, caller: str) -> RotateKeyResponse:
        """Create the successor of a key, which ends after the overlap; the successor ends when the old one would have.

        Raises:
            QuestionError: the id is none, or the overlap too long.
            NoSuchKeyError: there is no such key, or it has ended.
            TooManyKeysError: there are MAX_LIVE_KEYS.
            StorageUnavailableError: the database is away.
        """
        overlap = request.overlap.ToTimedelta() if request.HasField("overlap") else DEFAULT_OVERLAP
        if not timedelta(0) <= overlap <= MAX_OVERLAP:
            raise QuestionError("overlap", f"must be 0 to {MAX_OVERLAP.days} days")
        old = await self._find(request.key_id)
        await self._make_room()
        now = self._now()
        key = make_key(old.kind)
        successor = replace(old, id=key.id, hash=key.hash, created_at=now, last_used_at=None, used_events=0)
        entry = self._call("keys rotate", caller, successor, old=old.id).make_entry(rows=1)
        replaced = await table.replace_key(self._database, old.id, successor, now + overlap, entry)
        if replaced is None:
            raise _no_such_key()
        old_expires_at = min(now + overlap, replaced.expires_at or now + overlap)
        return RotateKeyResponse(key=write_key(successor), text=key.text, old_expires_at=write_time(old_expires_at))

    async def revoke(self, key_id: str, caller: str) -> RevokeKeyResponse:
        """Revoke a key; one that is revoked stays as it is.

        Raises:
            QuestionError: the id is none.
            NoSuchKeyError: there is no such key.
            StorageUnavailableError: the database is away.
        """
        _check_id(key_id)
        now = self._now()
        call = AdminCall("keys revoke", caller, {"key_id": key_id}, now, self._now)
        key = await table.revoke_key(self._database, key_id, now, call.make_entry(rows=1))
        if key is None:
            raise _no_such_key()
        return RevokeKeyResponse(key=write_key(replace(key, revoked_at=key.revoked_at or now)))

    async def _find(self, key_id: str) -> table.StoredKey:
        _check_id(key_id)
        for key in await table.list_keys(self._database, include_ended=False, limit=MAX_LIVE_KEYS + 1):
            if key.id == key_id:
                return key
        raise _no_such_key()

    async def _make_room(self) -> None:
        if await table.count_live_keys(self._database) >= MAX_LIVE_KEYS:
            raise TooManyKeysError(f"{MAX_LIVE_KEYS:,} keys can be used, which is the limit: revoke some")

    def _call(self, action: str, caller: str, key: table.StoredKey, **more: str) -> AdminCall:
        arguments = {"key_id": key.id, "kind": key.kind, "name": key.name, "scopes": list(key.scopes), **more}
        return AdminCall(action, caller, arguments, self._now(), self._now)


def _check_id(key_id: str) -> None:
    if not KEY_ID.fullmatch(key_id):
        raise QuestionError("key_id", "must be the 8 characters after the kind in the key's text")


def _no_such_key() -> NoSuchKeyError:
    return NoSuchKeyError("there is no such key that can be used: `analytics keys list` shows all")
