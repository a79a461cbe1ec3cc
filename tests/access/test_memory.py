"""A million keys that nobody made leave nothing behind."""

import resource
import secrets
import tracemalloc
from pathlib import Path

import pytest

from server.access.caller import LiveKey
from server.access.errors import BadCredentialError
from server.access.guard import Guard, Presented
from server.access.key_text import SERVICE, KeyText, make_key
from server.access.keyring import Keyring
from server.access.scopes import INGEST, MethodAccess
from storage.postgres.database import Database

ACCESS = MethodAccess(INGEST, {}, takes_events=True, is_report=False)
MOST_GROWTH_BYTES = 1_000_000
"""A byte for each would be this."""


@pytest.mark.slow
async def test_a_million_random_keys_leave_memory_flat(database_url: str, tmp_path: Path) -> None:
    """With wrong checksums, which cost no lookup, and some with good ones, which are looked for."""
    database = await Database.open(database_url, readers=1)
    keyring = Keyring(database, tmp_path)
    await keyring.load()
    guard = Guard(keyring, required=True)
    keyring.find = _never  # type: ignore[method-assign, assignment]  # a wrong checksum must not come so far
    await _refuse(guard, 10_000)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    await _refuse(guard, 50_000)
    assert tracemalloc.get_traced_memory()[0] - start < MOST_GROWTH_BYTES
    tracemalloc.stop()
    await _refuse(guard, 940_000)
    after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after_kb - before_kb < 20_000
    await database.close()


async def _never(_presented: KeyText) -> LiveKey | None:
    raise AssertionError("looked up")


async def _refuse(guard: Guard, count: int) -> None:
    pattern = make_key(SERVICE).text
    for _ in range(count):
        random = secrets.token_hex(22)[:43]
        text = f"{pattern[:17]}{random}{pattern[60:]}"
        with pytest.raises(BadCredentialError):
            await guard.admit(ACCESS, Presented(f"Bearer {text}"))
