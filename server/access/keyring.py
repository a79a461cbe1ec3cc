"""The keys of callers in one process: read again every few seconds, and from a snapshot while Postgres is away."""

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from server.access.caller import LiveKey
from server.access.key_text import KeyText
from storage.keys.refusals import add_refusals
from storage.keys.snapshot import read_snapshot, write_snapshot
from storage.keys.table import StoredKey, note_use, read_live_keys
from storage.postgres.database import Database
from storage.postgres.errors import StorageError

log = structlog.get_logger(__name__)

REREAD_S = 4.0
"""A revoked key is refused, and its streams end, within 5 s."""
LEAST_REREAD_S = 0.5
"""A key that is not known yet may be new, so that it is looked for at once, and by all who wait together."""
MAX_WAITING = 100
"""Calls with unknown keys that wait for the next reading; others are refused at once."""
WAIT_S = 2.0
NOTE_USE_S = 60.0
"""How often the use of a key without a daily quota is noted."""
SNAPSHOT_S = 600.0
"""An unchanged snapshot is written anew after this time, since it is of use for 24 hours."""


class Keyring:
    """The keys that can be used.

    Args of the constructor:
        database: where they are; may be away.
        folder: of the snapshot.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._keys: dict[str, LiveKey] = {}
        self._refusals: Counter[str] = Counter()
        self._wanted = asyncio.Event()
        self._reread = asyncio.Event()
        self._waiting = 0
        self._written: tuple[float, Sequence[object]] = (0.0, ())
        self.is_known = False
        """Whether keys were read at all, from the database or from a snapshot."""

    async def load(self) -> None:
        """Read the keys from the database or, while it is away, from the snapshot."""
        if not await self._read():
            stored = read_snapshot(self._folder, _now())
            if stored is not None:
                self._take(stored)
                log.warning("keys_from_snapshot", keys=len(stored), because="the database is away")

    async def find(self, presented: KeyText) -> LiveKey | None:
        """Look a key up, by its id, and compare its hash in constant time.

        A key that is not known may have been made a moment ago: the call waits for the next reading.
        """
        key = self._match(presented)
        if key is None and self._waiting < MAX_WAITING:
            self._waiting += 1
            try:
                async with asyncio.timeout(WAIT_S):
                    await self._next_reading()
            except TimeoutError:
                pass
            finally:
                self._waiting -= 1
            key = self._match(presented)
        return key

    def count_refusal(self, reason: str) -> None:
        """Count a call that was refused, for the metrics."""
        self._refusals[reason] += 1

    async def run(self, after_reading: Callable[[datetime], None]) -> None:
        """Read the keys again and again until cancelled, and note their use.

        Args:
            after_reading: called after each try with the current time, to end what may not go on.
        """
        while True:
            try:
                async with asyncio.timeout(REREAD_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            reread, self._reread = self._reread, asyncio.Event()
            await self._note_use()
            await self._read()
            reread.set()
            after_reading(_now())
            await asyncio.sleep(LEAST_REREAD_S)

    async def flush(self) -> None:
        """Note the use of keys for the last time."""
        await self._note_use(everything=True)

    async def _next_reading(self) -> None:
        """Wait for a reading that begins after now."""
        reread = self._reread
        self._wanted.set()
        await reread.wait()

    def _match(self, presented: KeyText) -> LiveKey | None:
        key = self._keys.get(presented.id)
        if key is None or not hmac.compare_digest(key.stored.hash, presented.hash) or key.has_ended(_now()):
            return None
        key.seen = True
        return key

    async def _read(self) -> bool:
        now = _now()
        try:
            stored = await read_live_keys(self._database, now.date())
        except (StorageError, TimeoutError):
            return False
        self._take(stored)
        self._save(stored, now)
        return True

    def _take(self, stored: Sequence[StoredKey]) -> None:
        kept: dict[str, LiveKey] = {}
        for each in stored:
            known = self._keys.get(each.id)
            if known is None or known.stored.hash != each.hash:
                known = LiveKey(each)
            else:
                known.update(each)
            kept[each.id] = known
        for key_id, key in self._keys.items():
            key.revoked = kept.get(key_id) is not key
        self._keys = kept
        self.is_known = True

    def _save(self, stored: Sequence[StoredKey], now: datetime) -> None:
        content = [(each.id, each.hash, each.scopes, each.expires_at) for each in stored]
        written_at, written = self._written
        if content == written and time.monotonic() - written_at < SNAPSHOT_S:
            return
        try:
            write_snapshot(self._folder, stored, now)
        except OSError as exc:
            log.warning("key_snapshot_not_written", error=exc.strerror)
        else:
            self._written = (time.monotonic(), content)

    async def _note_use(self, *, everything: bool = False) -> None:
        clock_s = time.monotonic()
        due = [
            key
            for key in self._keys.values()
            if key.seen and (everything or key.stored.daily_events or clock_s - key.noted_at >= NOTE_USE_S)
        ]
        refusals, self._refusals = self._refusals, Counter()
        events = {key.stored.id: key.quota.take_unwritten() for key in due}
        now = _now()
        try:
            if events:
                await note_use(self._database, events, day=now.date(), used_at=now)
            for key in due:
                key.seen, key.noted_at = False, clock_s
            due = []
            if refusals:
                await add_refusals(self._database, refusals)
        except (StorageError, TimeoutError):
            for key in due:
                key.quota.put_back(events[key.stored.id])
            self._refusals += refusals


def _now() -> datetime:
    return datetime.now(UTC)
