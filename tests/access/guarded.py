"""A service whose callers need keys, and the keys and tokens to call it with."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from sociallive.analytics.v1.key_service_pb2 import CreateKeyRequest, KeyKind, KeyRules, RevokeKeyRequest
from sociallive.analytics.v1.key_service_pb2_grpc import KeyServiceStub
from tests.acceptance.running import Service, free_port
from tests.gateway.conftest import GatewayService

ISSUER = "https://id.example"
AUDIENCE = "analytics"
KEY_ID = "of-tests"


@dataclass(frozen=True, slots=True)
class Made:
    """A key and its id."""

    id: str
    text: str


class Issuer:
    """An issuer of tokens, with its private key and the file of its public one."""

    def __init__(self, folder: Path) -> None:
        """Make a key, and write its set."""
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        public: dict[str, Any] = ECAlgorithm.to_jwk(self.private_key.public_key(), as_dict=True)
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "ES256"}]}))

    def token(self, *, algorithm: str = "ES256", key: Any = None, kid: str = KEY_ID, **claims: Any) -> str:
        """Sign a token that is good but for what the test says; a claim of None is left out."""
        good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": time.time() + 600, "scope": "read.reports"}
        given = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(given, self.private_key if key is None else key, algorithm, headers={"kid": kid})


class GuardedService(GatewayService):
    """`analytics up` with a gateway, where every call needs a key or a token."""

    admin: str
    issuer: Issuer

    def make_key(self, *scopes: str, **rules: Any) -> Made:
        """Create a key through KeyService."""
        wanted = KeyRules(**{"name": "of a test", "kind": KeyKind.KEY_KIND_SERVICE, "scopes": scopes, **rules})
        made = self.keys.CreateKey(CreateKeyRequest(rules=wanted), metadata=bearer(self.admin), timeout=10)
        return Made(made.key.key_id, made.text)

    def revoke(self, key: Made) -> None:
        """Revoke a key through KeyService."""
        self.keys.RevokeKey(RevokeKeyRequest(key_id=key.id), metadata=bearer(self.admin), timeout=10)

    @property
    def keys(self) -> Any:
        """The stub of KeyService."""
        return KeyServiceStub(self.admin_channel)  # type: ignore[no-untyped-call]


def guarded_service(data_dir: Path, **environment: str) -> GuardedService:
    """Make the first key of a service, and the service, not started yet."""
    issuer = Issuer(data_dir.parent)
    port = free_port()
    service = GuardedService(data_dir)
    service.environment.update(
        {
            "ANALYTICS_AUTH": "required",
            "ANALYTICS_JWT_ISSUER": ISSUER,
            "ANALYTICS_JWT_AUDIENCE": AUDIENCE,
            "ANALYTICS_JWT_JWKS": str(issuer.jwks),
            "PORT": str(port),
            **environment,
        }
    )
    service.rest_port, service.page_port, service.issuer = port, 0, issuer
    service.admin = first_key(service)
    return service


def first_key(service: Service) -> str:
    """Run `analytics keys create --first`, as an operator does before the first start."""
    run = subprocess.run(
        [sys.executable, "-m", "cli", "keys", "create", "--first", "--name", "admin", "--scope", "admin.keys"],
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return run.stdout.strip()


def bearer(credential: str, **more: str) -> tuple[tuple[str, str], ...]:
    """Make the metadata of a call that carries a key or a token."""
    return (("authorization", f"Bearer {credential}"), *more.items())


def header(credential: str) -> Mapping[str, str]:
    """Likewise, for REST."""
    return {"authorization": f"Bearer {credential}"}


def code_of(call: Any) -> grpc.StatusCode:
    """Make a call and return its code."""
    try:
        call()
    except grpc.RpcError as exc:
        code: grpc.StatusCode = exc.code()
        return code
    return grpc.StatusCode.OK
