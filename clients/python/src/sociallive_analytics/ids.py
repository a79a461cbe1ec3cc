"""Event ids: UUIDv7 text (RFC 9562), which sorts and is inserted in the order of time."""

import random
import time

_TICKS_PER_MS = 4096
"""12 bits divide a millisecond (RFC 9562, section 6.2, method 3)."""


class IdSource:
    """Makes ids, each greater than the one before. Threads may share it: at worst two ids have the same time."""

    def __init__(self) -> None:
        self._last_tick = 0

    def __call__(self) -> str:
        """Make an id, for example "01890a5d-ac96-774b-bcce-b302099a8057"."""
        tick = time.time_ns() * _TICKS_PER_MS // 1_000_000
        if tick <= self._last_tick:
            tick = self._last_tick + 1
        self._last_tick = tick
        # The low 12 bits of the tick are the fraction. Python seeds this generator anew in a forked process; an id is
        # no secret.
        number = (tick >> 12) << 80 | 7 << 76 | (tick & 0xFFF) << 64 | 2 << 62 | random.getrandbits(62)
        text = number.to_bytes(16, "big").hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
