"""The guard: decides for every call of every door who makes it, and whether it may."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from server.access.caller import ANYONE, Caller, LiveKey
from server.access.errors import AccessError, BadCredentialError, KeysUnavailableError, NoCredentialError
from server.access.key_text import PREFIX, PUBLIC, KeyText, parse_key
from server.access.local_calls import refuse_foreign
from server.access.scopes import MethodAccess

SCHEME = "bearer "
MAX_CREDENTIAL_BYTES = 4096
"""A key has 68, and a token seldom more than 1,500."""
BAD_KEY = "the key is malformed, unknown, revoked or expired: use another one"
"""One text for all, so that nobody learns which ids exist."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a call shows of its caller.

    Attributes:
        authorization: the header; of several, all of them, joined by commas.
        query_key: the key in the query of a REST call; empty without one.
        origin: the web origin that a browser names; empty without one.
        authority: the name and port by which the gateway was called; empty for a direct call.
        address: tells the address that the call comes from.
    """

    authorization: str = ""
    query_key: str = ""
    origin: str = ""
    authority: str = ""
    address: Callable[[], str] = str


class Keys(Protocol):
    """Where keys are found; see `server.access.keyring.Keyring`."""

    is_known: bool

    async def find(self, presented: KeyText) -> LiveKey | None:
        """Look a key up and compare its hash."""

    def count_refusal(self, reason: str) -> None:
        """Count a refused call."""


class Tokens(Protocol):
    """Who verifies tokens; see `server.access.tokens.TokenVerifier`."""

    def verify(self, token: str, address: str) -> Caller:
        """Verify a token of the caller at `address`, and read what it may do."""


class Guard:
    """Decides who makes a call and whether it may; one for all services of a process.

    Args of the constructor:
        keys: the keys that can be used; None where credentials are not looked at.
        tokens: who verifies tokens; None where none are accepted.
        required: whether a call without a credential is refused.
        origins: the web origins whose pages may call without one.
    """

    def __init__(
        self, keys: Keys | None, tokens: Tokens | None = None, *, required: bool, origins: Collection[str] = ()
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._required = required
        self._origins = origins
        self._streams: dict[asyncio.Task[Any], Caller] = {}

    async def admit(self, access: MethodAccess, presented: Presented) -> Caller:
        """Admit a call of a method, or refuse it.

        Args:
            access: what the method needs.
            presented: what the call shows of its caller.

        Raises:
            AccessError: one of its kinds, by which the caller is told what to do.
        """
        caller = await self._identify(presented)
        caller.check_origin(presented.origin)
        caller.require(access.scope)
        if access.takes_events and caller.key is not None:
            caller.key.quota.check()
        return caller

    def note_refusal(self, exc: AccessError) -> None:
        """Count a refusal for the metrics."""
        if self._keys is not None:
            self._keys.count_refusal(exc.reason)

    def enter(self, stream: "asyncio.Task[Any]", caller: Caller) -> None:
        """Watch a stream, which outlasts the check at its beginning."""
        if caller is not ANYONE:
            self._streams[stream] = caller

    def leave(self, stream: "asyncio.Task[Any]") -> None:
        """Watch a stream no longer."""
        self._streams.pop(stream, None)

    def end_streams(self, now: datetime) -> None:
        """Cancel the streams whose callers were revoked or have expired."""
        for stream, caller in list(self._streams.items()):
            if caller.has_ended(now):
                stream.cancel()

    def was_ended(self, stream: "asyncio.Task[Any]") -> bool:
        """Tell whether a stream was cancelled for its caller."""
        caller = self._streams.get(stream)
        return caller is not None and caller.has_ended(datetime.now(UTC))

    async def _identify(self, presented: Presented) -> Caller:
        if self._keys is None:
            return ANYONE
        credential = _credential(presented.authorization)
        if presented.query_key:
            return await self._of_query(presented, credential)
        if not credential:
            if self._required:
                raise NoCredentialError
            refuse_foreign(presented.authority, presented.origin, self._origins)
            return ANYONE
        if credential.startswith(PREFIX):
            return await self._of_key(credential)
        return self._of_token(credential, presented)

    async def _of_query(self, presented: Presented, credential: str) -> Caller:
        """Identify a page by the key in its query; a token beside it says who its user is."""
        if not presented.query_key.startswith(f"{PREFIX}{PUBLIC}_"):
            raise BadCredentialError("only a public key (sla_pub_...) may stand in a query: send others in a header")
        if credential.startswith(PREFIX):
            raise BadCredentialError("the call has a key in its query and another one in a header: send one key")
        caller = await self._of_key(presented.query_key)
        if not credential:
            return caller
        user = self._of_token(credential, presented)
        return Caller(caller.name, caller.scopes, caller.key, user.subject, user.expires_at)

    async def _of_key(self, text: str) -> Caller:
        parsed = parse_key(text)
        if parsed is None or self._keys is None:
            raise BadCredentialError(BAD_KEY)
        if not self._keys.is_known:
            raise KeysUnavailableError
        key = await self._keys.find(parsed)
        if key is None:
            raise BadCredentialError(BAD_KEY)
        return Caller(f"key:{parsed.id}", key.scopes, key)

    def _of_token(self, token: str, presented: Presented) -> Caller:
        if self._tokens is None:
            raise BadCredentialError("this is not a key (sla_...), and the service accepts no tokens")
        return self._tokens.verify(token, presented.address())


OPEN = Guard(None, required=False)
"""Admits every caller and looks at no credential."""


def _credential(authorization: str) -> str:
    """Read the key or token from the header; empty without one.

    Raises:
        BadCredentialError: it is too long, of another scheme, or there are several.
    """
    if not authorization:
        return ""
    if len(authorization) > MAX_CREDENTIAL_BYTES:
        raise BadCredentialError(f"the header authorization has more than {MAX_CREDENTIAL_BYTES:,} bytes")
    scheme, credential = authorization[: len(SCHEME)], authorization[len(SCHEME) :].strip()
    if scheme.lower() != SCHEME or not credential or "," in credential or " " in credential:
        raise BadCredentialError("the header authorization must be `Bearer <key or token>`, and be sent once")
    return credential
