"""The caller of the call under way: who it is, and what it may do."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from server.access.errors import MissingScopeError, NotAllowedByKeyError
from server.access.key_text import PUBLIC
from server.access.quotas import Quota
from server.access.scopes import SCOPES
from storage.keys.table import StoredKey

NO_USERS = "none"
ANY_USER = "any"
TOKEN_SUBJECT = "subject"  # noqa: S105 - a rule, not a secret
"""Which `user_id` the events of a key may have."""


class LiveKey:
    """A key that can be used, as this process last read it, with what it has used of its quotas.

    Attributes:
        stored: the key as it was last read.
        revoked: whether it has gone from the database's live keys since.
        quota: what is left for it.
        seen: whether it was used since its use was last noted.
        noted_at: when that was, in seconds of the clock of its keyring.
    """

    __slots__ = ("event_types", "noted_at", "quota", "revoked", "scopes", "seen", "stored")

    def __init__(self, stored: StoredKey) -> None:
        self.revoked = False
        self.seen = False
        self.noted_at = 0.0
        self.quota = Quota(stored)
        self._set(stored)

    def update(self, stored: StoredKey) -> None:
        """Take over the key as it was read just now."""
        self._set(stored)
        self.quota.update(stored)

    def _set(self, stored: StoredKey) -> None:
        self.stored = stored
        self.scopes = frozenset(stored.scopes)
        self.event_types = frozenset(stored.event_types)

    def has_ended(self, now: datetime) -> bool:
        """Tell whether it is revoked or expired."""
        return self.revoked or (self.stored.expires_at is not None and self.stored.expires_at <= now)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        name: for logs and the audit log: "key:<id>" or "token:<subject>"; empty for a caller without a credential.
        scopes: what it may do.
        key: its key, if it has one.
        subject: of its token; empty without one.
        expires_at: when its token ends, an aware time; None without one.
    """

    name: str
    scopes: frozenset[str]
    key: LiveKey | None = None
    subject: str = ""
    expires_at: datetime | None = None

    def require(self, scope: str) -> None:
        """Refuse a call that needs a scope that the caller lacks.

        Raises:
            MissingScopeError: it lacks it.
        """
        if scope not in self.scopes:
            raise MissingScopeError(scope)

    def has_ended(self, now: datetime) -> bool:
        """Tell whether its key or token was revoked, or expired, since the call began."""
        return (self.key is not None and self.key.has_ended(now)) or (
            self.expires_at is not None and self.expires_at <= now
        )

    def event_check(self) -> Callable[[str, str | None], None] | None:
        """Make the check of single events, of their type and user id; None if the caller may send any.

        The check raises NotAllowedByKeyError.
        """
        key = self.key
        if key is None or (not key.event_types and key.stored.user_ids == ANY_USER):
            return None
        types, rule, subject = key.event_types, key.stored.user_ids, self.subject

        def check(event_type: str, user_id: str | None) -> None:
            if types and event_type not in types:
                raise NotAllowedByKeyError(f"the key does not allow this event type; it allows {', '.join(types)}")
            if user_id and (rule == NO_USERS or (rule == TOKEN_SUBJECT and user_id != subject)):
                allowed = "none" if rule == NO_USERS else "only the subject of the token that is sent with the key"
                raise NotAllowedByKeyError(f"the key does not allow this user id: it allows {allowed}")

        return check

    def check_origin(self, origin: str) -> None:
        """Refuse a public key that comes from another web origin than its own.

        Raises:
            NotAllowedByKeyError: it does.
        """
        key = self.key
        if key is not None and key.stored.kind == PUBLIC and key.stored.origins and origin not in key.stored.origins:
            raise NotAllowedByKeyError("the key does not allow this web origin: add the origin to the key's list")


ANYONE = Caller("", frozenset(SCOPES))
"""A caller without a credential, where none is needed."""

_caller: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def current_caller() -> Caller:
    """Return the caller of the call under way."""
    return _caller.get()


def set_caller(caller: Caller) -> None:
    """Say who makes the call under way; the boundary does so once for each call."""
    _caller.set(caller)
