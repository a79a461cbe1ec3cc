"""Tokens: what is verified, remembered and limited."""

import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK

from server.access.errors import BadCredentialError, TooManyFailuresError
from server.access.jwks import KeySet
from server.access.tokens import MAX_FAILURES, TokenVerifier
from tests.access.guarded import AUDIENCE, ISSUER, KEY_ID, GuardedService, Issuer, header
from tests.gateway.http import call


class CountedKeys:
    """The keys of an issuer, counting who asks."""

    def __init__(self, issuer: Issuer) -> None:
        """Read them."""
        (key,) = json.loads(issuer.jwks.read_text())["keys"]
        self._key = PyJWK(key)
        self.asked = 0

    def find(self, key_id: str) -> PyJWK | None:
        """Return the key."""
        self.asked += 1
        return self._key if key_id == self._key.key_id else None


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    """An issuer of the test's own."""
    return Issuer(tmp_path)


def verifier(keys: CountedKeys, clock: Any = time.time) -> TokenVerifier:
    """A verifier of its tokens."""
    return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, scope_claim="scope", clock=clock)


@pytest.mark.parametrize("scope", ["read.reports other.service", ["read.reports", 7]])
def test_a_good_token_has_the_scopes_that_are_ours_and_is_verified_once(issuer: Issuer, scope: Any) -> None:
    """As words or as a list; a second call finds it by its hash."""
    keys = CountedKeys(issuer)
    tokens, token = verifier(keys), issuer.token(scope=scope)
    first = tokens.verify(token, "192.0.2.1")
    assert (first.name, first.subject, sorted(first.scopes)) == ("token:alice", "alice", ["read.reports"])
    assert tokens.verify(token, "192.0.2.1") is first
    assert keys.asked == 1


def test_a_remembered_token_is_verified_again_when_it_expires(issuer: Issuer) -> None:
    """By the clock of the verifier; PyJWT goes by the true one."""
    now = [time.time()]
    keys = CountedKeys(issuer)
    tokens, token = verifier(keys, lambda: now[0]), issuer.token(exp=now[0] + 600)
    tokens.verify(token, "192.0.2.1")
    now[0] += 629
    tokens.verify(token, "192.0.2.1")
    assert keys.asked == 1
    now[0] += 2
    tokens.verify(token, "192.0.2.1")
    assert keys.asked == 2


def _encode(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _sign(text: str, secret: bytes) -> str:
    """Sign as HS256 does; PyJWT refuses to do so with a public key."""
    signature = hmac.digest(secret, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _bad_tokens(issuer: Issuer) -> dict[str, str]:
    public = issuer.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    good = issuer.token()
    head, body, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    altered = _encode({**claims, "scope": "admin.keys"})
    return {
        "no signature": issuer.token(algorithm="none", key=""),
        "the public key as a secret": _sign(f"{_encode({'alg': 'HS256', 'kid': KEY_ID})}.{body}", public),
        "another key": issuer.token(key=ec.generate_private_key(ec.SECP256R1())),
        "altered": f"{head}.{altered}.{signature}",
        "unknown key id": issuer.token(kid="unknown"),
        "wrong audience": issuer.token(aud="another"),
        "no audience": issuer.token(aud=None),
        "wrong issuer": issuer.token(iss="https://evil.example"),
        "no issuer": issuer.token(iss=None),
        "expired": issuer.token(exp=time.time() - 60),
        "no expiry": issuer.token(exp=None),
        "no subject": issuer.token(sub=None),
        "empty subject": issuer.token(sub=""),
        "not yet": issuer.token(nbf=time.time() + 600),
        "not a token": "x.y.z",
        "nothing": "",
    }


def test_no_bad_token_is_taken(issuer: Issuer) -> None:
    """Whatever is wrong with it; the message quotes nothing of it."""
    for what, token in _bad_tokens(issuer).items():
        with pytest.raises(BadCredentialError) as caught:
            verifier(CountedKeys(issuer)).verify(token, "192.0.2.1")
        assert not token or token not in str(caught.value), what


def test_a_flood_of_bad_tokens_costs_little(issuer: Issuer) -> None:
    """Past some of one address they are not looked at for a minute; those of others, and remembered ones, are."""
    now = [time.time()]
    keys = CountedKeys(issuer)
    tokens, good = verifier(keys, lambda: now[0]), issuer.token()
    tokens.verify(good, "192.0.2.1")
    for _ in range(MAX_FAILURES):
        with pytest.raises(BadCredentialError):
            tokens.verify(issuer.token(kid="unknown"), "192.0.2.1")
    asked = keys.asked
    with pytest.raises(TooManyFailuresError):
        tokens.verify(issuer.token(kid="unknown"), "192.0.2.1")
    assert keys.asked == asked
    assert tokens.verify(good, "192.0.2.1").subject == "alice"
    assert tokens.verify(issuer.token(sub="bob"), "192.0.2.2").subject == "bob"
    now[0] += 61
    assert tokens.verify(issuer.token(sub="carol"), "192.0.2.1").subject == "carol"


async def test_a_key_set_that_cannot_be_read_leaves_the_keys_of_before(issuer: Issuer) -> None:
    """A broken file is logged; symmetric keys and keys without an id are left out."""
    keys = KeySet(str(issuer.jwks))
    await keys.load()
    assert keys.find("of-tests") is not None
    issuer.jwks.write_text("{")
    await keys.load()
    assert keys.find("of-tests") is not None
    issuer.jwks.write_text(json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}]}))
    await keys.load()
    assert keys.find("secret") is None


def test_a_token_calls_the_service_as_its_scopes_allow(guarded: GuardedService) -> None:
    """Over the gateway, from a key set in a file."""
    good = header(guarded.issuer.token(scope="schemas"))
    assert call(guarded.rest_port, "GET", "/analytics/schemas", headers=good).status == 200
    assert call(guarded.rest_port, "GET", "/analytics/dashboard", headers=good).status == 403
    bad = header(guarded.issuer.token(scope="schemas", aud="another"))
    assert call(guarded.rest_port, "GET", "/analytics/schemas", headers=bad).status == 401
