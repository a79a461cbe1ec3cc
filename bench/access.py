"""What keys and tokens cost, and what a caller beyond its quota costs others; the last line is JSON.

make bench-access
"""

import argparse
import asyncio
import gc
import hmac
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm

from bench.clients.http2_client import UnaryConnection
from bench.clients.track_client import METHOD, offer, percentile, saturate
from bench.data.sample_events import make_track_messages
from bench.machine import describe_load, describe_machine, service
from server.access.caller import LiveKey
from server.access.errors import AccessError
from server.access.guard import Guard, Presented
from server.access.key_text import SERVICE, KeyText, make_key
from server.access.scopes import INGEST, READ_REPORTS, MethodAccess
from server.access.tokens import TokenVerifier
from sociallive.analytics.v1.key_service_pb2 import CreateKeyRequest, KeyKind, KeyRules
from sociallive.analytics.v1.key_service_pb2_grpc import KeyServiceStub
from storage.keys.table import StoredKey

TAKES_EVENTS = MethodAccess(INGEST, {}, takes_events=True, is_report=False)
IS_REPORT = MethodAccess(READ_REPORTS, {}, takes_events=False, is_report=True)
BAD_KEYS = 1_000_000
QUOTA = 100
"""Events a second of the key that floods; it sends ten times as many."""
GOOD_PER_S = 100
"""Calls a second of the key beside it."""


class OneKey:
    """One key that is known, as a keyring of a worker holds it."""

    is_known = True

    def __init__(self) -> None:
        """Make the key."""
        self.text = make_key(SERVICE)
        self._key = LiveKey(_stored(self.text))

    async def find(self, presented: KeyText) -> LiveKey | None:
        """Look it up, and compare its hash."""
        return self._key if hmac.compare_digest(presented.hash, self._key.stored.hash) else None

    def count_refusal(self, reason: str) -> None:
        """Count nothing."""


def _stored(text: KeyText) -> StoredKey:
    return StoredKey(
        id=text.id,
        kind=text.kind,
        hash=text.hash,
        name="bench",
        scopes=[INGEST],
        origins=[],
        event_types=[],
        user_ids="any",
        events_per_second=0,
        daily_events=0,
        concurrent_reports=0,
        created_at=datetime.now(UTC),
    )


class OnePublicKey:
    """The public key of an issuer."""

    def __init__(self, key: PyJWK) -> None:
        """Take the key."""
        self._key = key

    def find(self, _key_id: str) -> PyJWK:
        """Return the key."""
        return self._key


def time_us(guard: Guard, access: MethodAccess, credential: str, calls: int) -> float:
    """Admit calls with one credential; return the microseconds of processor time of one."""
    presented = Presented(f"Bearer {credential}", address=lambda: "192.0.2.1")

    async def admit() -> float:
        await guard.admit(access, presented)
        started_at = time.process_time()
        for _ in range(calls):
            await guard.admit(access, presented)
        return 1e6 * (time.process_time() - started_at) / calls

    return asyncio.run(admit())


def measure_jwt_us(calls: int) -> float:
    """Admit calls with one token, which is verified once."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = PyJWK({**ECAlgorithm.to_jwk(private.public_key(), as_dict=True), "kid": "bench", "alg": "ES256"})
    claims = {"iss": "bench", "aud": "bench", "sub": "bench", "exp": time.time() + 3600, "scope": READ_REPORTS}
    token = jwt.encode(claims, private, "ES256", headers={"kid": "bench"})
    tokens = TokenVerifier(OnePublicKey(public), issuer="bench", audience="bench", scope_claim="scope")
    return time_us(Guard(OneKey(), tokens, required=True), IS_REPORT, token, calls)


def grow_mb(results: "multiprocessing.Queue[float]") -> None:
    """Refuse a million keys, in a process of their own, and tell by how much its memory grew, in MB of 10^6 bytes."""
    guard = Guard(OneKey(), required=True)

    async def refuse(count: int) -> None:
        for number in range(count):
            text = f"sla_srv_00000000_{number:043}000000"
            try:
                await guard.admit(TAKES_EVENTS, Presented(f"Bearer {text}"))
            except AccessError:
                continue
            raise SystemExit("a made-up key was admitted")

    asyncio.run(refuse(10_000))
    gc.collect()
    before = _resident_bytes()
    asyncio.run(refuse(BAD_KEYS))
    gc.collect()
    results.put((_resident_bytes() - before) / 1e6)


def flood(address: str, key: str, calls: int) -> None:
    """Send ten times the quota of a key, on a schedule, whatever is answered."""
    messages = make_track_messages(calls)
    with UnaryConnection(address, METHOD, key=key) as connection:
        started_at = time.perf_counter()
        for number in range(0, calls, QUOTA // 10):
            due_at = started_at + number / (10 * QUOTA)
            time.sleep(max(0.0, due_at - time.perf_counter()))
            connection.send(messages[number : number + QUOTA // 10])
            connection.receive(0.001)


def measure_flood(address: str, good: str, limited: str, seconds: int) -> float:
    """Compare the p99 of a good key beside a flood with that of the key alone."""
    calls = GOOD_PER_S * seconds

    def p99_ms() -> float:
        return percentile(offer(address, make_track_messages(calls), GOOD_PER_S, key=good), 99)

    p99_ms()
    alone = p99_ms()
    other = multiprocessing.Process(target=flood, args=(address, limited, 10 * QUOTA * (seconds + 2)))
    other.start()
    try:
        time.sleep(1)
        beside = p99_ms()
    finally:
        other.terminate()
        other.join()
    print(f"p99 alone {alone:.1f} ms, beside ten times the quota {beside:.1f} ms")
    return beside / alone


def make_service_key(address: str, **rules: Any) -> str:
    """Create a key over loopback, where none is needed."""
    wanted = KeyRules(kind=KeyKind.KEY_KIND_SERVICE, name="bench", scopes=[INGEST], **rules)
    with grpc.insecure_channel(address) as channel:
        stub: Any = KeyServiceStub(channel)  # type: ignore[no-untyped-call]
        return str(stub.CreateKey(CreateKeyRequest(rules=wanted), timeout=30).text)


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="Track calls of a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts")
    parser.add_argument("--seconds", type=int, default=15, help="length of the flood")
    options = parser.parse_args()
    print(f"machine: {describe_machine()}; load {describe_load()}")
    keys = OneKey()
    guard = Guard(keys, required=True)
    auth_us = _median(lambda: time_us(guard, TAKES_EVENTS, keys.text.text, 100_000), options.rounds)
    jwt_us = _median(lambda: measure_jwt_us(100_000), options.rounds)
    results: multiprocessing.Queue[float] = multiprocessing.Queue()
    growing = multiprocessing.Process(target=grow_mb, args=(results,))
    growing.start()
    memory_mb = results.get()
    growing.join()
    with service() as running:
        good = make_service_key(running.admin_address)
        limited = make_service_key(running.admin_address, events_per_second=QUOTA)
        ratios = []
        for number in range(options.rounds):
            pair = {}
            for key in (good, "") if number % 2 else ("", good):
                pair[key] = saturate(running.address, make_track_messages(options.calls), key=key)
            ratios.append(pair[good] / pair[""])
            print(f"Track: {pair['']:,.0f}/s without a key, {pair[good]:,.0f}/s with one")
        flood_ratio = measure_flood(running.address, good, limited, options.seconds)
    print(
        json.dumps(
            {
                "auth_us": round(auth_us, 2),
                "track_ratio": round(statistics.median(ratios), 3),
                "jwt_cached_us": round(jwt_us, 2),
                "flood_p99_ratio": round(flood_ratio, 2),
                "memory_mb_after_1m_bad_keys": round(memory_mb, 2),
                "machine": describe_machine(),
            }
        )
    )


def _median(measure: Callable[[], float], rounds: int) -> float:
    return statistics.median(measure() for _ in range(rounds))


def _resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


if __name__ == "__main__":
    main()
