"""Tokens of people and dashboards: JSON Web Tokens (RFC 7519) of one issuer, verified once and then remembered."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol

import jwt
from jwt import PyJWK

from server.access.caller import Caller
from server.access.errors import BadCredentialError, TooManyFailuresError
from server.access.scopes import SCOPES

ALGORITHMS = ("ES256", "EdDSA", "RS256")
"""Signatures only: with HS256 a public key would be a secret, and `none` is no signature."""
REQUIRED_CLAIMS = ("iss", "aud", "exp", "sub")
LEEWAY_S = 30
"""Clocks differ."""
MAX_CACHED = 10_000
"""Some 5 MB; verifying costs 50 to 300 us of the event loop, a remembered token some 2 us."""
MAX_FAILURES = 20
"""Of one address in FAILURES_S; a person with an expired token has one."""
FAILURES_S = 60.0
MAX_ADDRESSES = 10_000
MAX_SUBJECT_CHARACTERS = 255


class PublicKeys(Protocol):
    """Where the public keys of the issuer are; see `server.access.jwks.KeySet`."""

    def find(self, key_id: str) -> PyJWK | None:
        """Return the key with this id."""


class TokenVerifier:
    """Verifies tokens.

    Args of the constructor:
        keys: of the issuer.
        issuer, audience: what tokens must name.
        scope_claim: the claim that lists scopes, as a list or as words.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        keys: PublicKeys,
        *,
        issuer: str,
        audience: str,
        scope_claim: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._scope_claim = scope_claim
        self._clock = clock
        self._verified: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def verify(self, token: str, address: str) -> Caller:
        """Verify a token, or remember that it was verified, and read what it may do.

        Args:
            token: as it was sent.
            address: where it comes from; its failures are limited.

        Raises:
            BadCredentialError: it cannot be used.
            TooManyFailuresError: too many tokens from this address failed; this one was not looked at.
        """
        digest = sha256(token.encode()).digest()
        now_s = self._clock()
        known = self._verified.get(digest)
        if known is not None and now_s < known[1]:
            self._verified.move_to_end(digest)
            return known[0]
        self._check_failures(address, now_s)
        try:
            caller, expires_s = self._verify(token)
        except BadCredentialError:
            self._note_failure(address, now_s)
            raise
        self._verified[digest] = (caller, expires_s)
        while len(self._verified) > MAX_CACHED:
            self._verified.popitem(last=False)
        return caller

    def _verify(self, token: str) -> tuple[Caller, float]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.find(str(header.get("kid", "")))
            if key is None:
                raise BadCredentialError("the token is signed with an unknown key: get a new one from the issuer")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": list(REQUIRED_CLAIMS)},
            )
        except jwt.ExpiredSignatureError:
            raise BadCredentialError("the token has expired: get a new one from the issuer") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise BadCredentialError(
                "the token is malformed, or its signature, issuer, audience or times are wrong: get a new one"
            ) from None
        subject, expires_s = str(claims["sub"]), float(claims["exp"]) + LEEWAY_S
        if not subject or len(subject) > MAX_SUBJECT_CHARACTERS or not subject.isprintable():
            raise BadCredentialError("the subject of the token is empty, too long or not printable")
        expires_at = datetime.fromtimestamp(min(expires_s, 32_503_680_000.0), UTC)  # the year 3000
        return Caller(f"token:{subject}", self._scopes(claims), None, subject, expires_at), expires_s

    def _scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        """Read the scopes that a token lists; those that are not ours are for others."""
        listed = claims.get(self._scope_claim, "")
        words = listed.split() if isinstance(listed, str) else listed if isinstance(listed, list) else ()
        return frozenset(word for word in words if isinstance(word, str)) & SCOPES.keys()

    def _check_failures(self, address: str, now_s: float) -> None:
        count, until_s = self._failures.get(address, (0, now_s))
        if now_s < until_s and count >= MAX_FAILURES:
            raise TooManyFailuresError(until_s - now_s)

    def _note_failure(self, address: str, now_s: float) -> None:
        count, until_s = self._failures.get(address, (0, 0.0))
        self._failures[address] = (count + 1, until_s) if now_s < until_s else (1, now_s + FAILURES_S)
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
