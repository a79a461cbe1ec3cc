"""Event ids: UUIDv7 text (RFC 9562), which sorts and is inserted in the order of time."""

import hashlib
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TICKS_PER_MS = 4096
"""12 bits divide a millisecond into 4096 ticks of 244 ns."""
_MAX_MS = 2**48 - 1


class UuidSource:
    """Makes UUIDv7 text; each id of a source is greater than the one before.

    The 12 bits after the version hold the fraction of the millisecond (RFC 9562, section 6.2, method 3); if ids are
    requested faster than that clock ticks, the clock runs ahead. 62 bits are random.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Make a source. `clock_ns`: nanoseconds since 1970."""
        self._clock_ns = clock_ns
        self._last_tick = 0

    def __call__(self) -> str:
        """Make an id, for example "01890a5d-ac96-774b-bcce-b302099a8057"."""
        tick = self._clock_ns() * _TICKS_PER_MS // 1_000_000
        if tick <= self._last_tick:
            tick = self._last_tick + 1
        self._last_tick = tick
        # Python seeds this generator anew in every process, forked ones included; an id is no secret.
        return _layout(tick // _TICKS_PER_MS, tick % _TICKS_PER_MS, random.getrandbits(62))


uuid7 = UuidSource()
"""The source of this process: `uuid7()` makes an id."""


def deterministic_id(dataset: str, position: str | int, content: bytes, timestamp: datetime) -> str:
    """Make the id of a record of a data set: the same for the same record, so that an import can be repeated.

    It has the layout of a UUIDv7 whose time is the event's, so imports insert in the order of time; its other 74 bits
    are a SHA-256 of what identifies the record.

    Args:
        dataset: names the data set, for example "cdnow".
        position: the place of the record in it, for example its line; it distinguishes equal records.
        content: the record as it was read.
        timestamp: when the event happened; before 1970 counts as 1970.
    """
    digest = hashlib.sha256()
    for part in (dataset.encode(), str(position).encode(), content):
        digest.update(len(part).to_bytes(8, "big") + part)  # with its length, so that no two triples read the same
    milliseconds = min(max((timestamp - _EPOCH) // _MILLISECOND, 0), _MAX_MS)
    number = int.from_bytes(digest.digest()[:10], "big")
    return _layout(milliseconds, number >> 68, number & (2**62 - 1))


def _layout(milliseconds: int, rand_a: int, rand_b: int) -> str:
    """Put 48 bits of time, 12 and 62 further bits, the version and the variant in their places."""
    # One number in one step: formatting each part by itself takes nearly twice as long.
    number = milliseconds << 80 | 7 << 76 | rand_a << 64 | 2 << 62 | rand_b
    text = number.to_bytes(16, "big").hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
