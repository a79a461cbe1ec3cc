"""Rows as a real client sends them: UUIDv7 ids, user ids of 36 characters, user agents and devices; 585 bytes a row."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
Row = tuple[Any, ...]

_AGENTS = [
    f"Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    f"Version/{major}.{minor} Mobile/15E148 Safari/604.1 Social/{app}.{build}"
    for major in (16, 17, 18)
    for minor in range(6)
    for app in (5, 6)
    for build in range(8)
]
_DEVICES = [
    orjson.dumps({"model": model, "os": system, "appVersion": f"{app}.{build}.0", "locale": locale}).decode()
    for model in ("iPhone14,2", "iPhone15,3", "SM-S911B", "Pixel 8")
    for system in ("iOS 17.4", "iOS 18.1", "Android 14")
    for app in (5, 6)
    for build in range(6)
    for locale in ("en_US", "de_DE", "fr_FR")
]


class RowMaker:
    """Makes rows of 100,000 users, some of whom are much more active than others.

    Args of the constructor:
        events: how many rows there will be in all.
        span: the time within which they come in.
        seed: of everything random.
    """

    USERS = 100_000

    def __init__(self, events: int, *, span: timedelta = timedelta(seconds=60), seed: int = 1) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - rows of a benchmark
        self._events = events
        self._span_us = span // timedelta(microseconds=1)
        self._ids = [str(uuid.UUID(int=self._rng.getrandbits(128), version=4)) for _ in range(self.USERS)]
        self._made = 0

    def make(self, number: int) -> list[Row]:
        """Make the next rows, in the order of `storage.write.batch.COLUMNS`."""
        rows = [self._make(self._made + place) for place in range(number)]
        self._made += number
        return rows

    def _make(self, place: int) -> Row:
        rng = self._rng
        received = START + timedelta(microseconds=self._span_us * place // self._events)
        user = int(self.USERS * rng.random() ** 1.8)
        kind, data = self._payload(place)
        milliseconds = int(received.timestamp() * 1000)
        number = milliseconds << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
        return (
            str(uuid.UUID(int=number)),
            kind,
            "1.1.0",
            received - timedelta(microseconds=rng.randrange(2_000_000)),
            received,
            None,
            place,
            self._ids[user],
            self._ids[user],
            self._ids[(user * 7 + place // 5000) % self.USERS],
            ("ios", "android", "web")[place % 3],
            _AGENTS[user * 31 % len(_AGENTS)],
            f"{user * 2654435761 & (2**64 - 1):016x}",
            _DEVICES[user * 17 % len(_DEVICES)],
            orjson.dumps(data).decode(),
        )

    def _payload(self, place: int) -> tuple[str, dict[str, object]]:
        rng = self._rng
        choice = rng.random()
        if choice < 0.62:  # noqa: PLR2004 - shares of the types
            content = f"post-{rng.randrange(20_000)}"
            seconds = round(60 * rng.random(), 1)
            return "view", {
                "contentType": "post",
                "contentId": content,
                "viewDuration": seconds,
                "referrer": "feed",
            }
        if choice < 0.86:  # noqa: PLR2004
            return "engagement", {"action": "like", "targetType": "post", "targetId": f"post-{rng.randrange(20_000)}"}
        if choice < 0.90:  # noqa: PLR2004
            return "purchase", {
                "productId": f"p-{rng.randrange(900)}",
                "orderId": f"o-{place}",
                "amount": round(5 + 95 * rng.random(), 2),
                "currency": "EUR",
                "quantity": 1,
            }
        if choice < 0.96:  # noqa: PLR2004
            return "stream", {
                "streamId": f"s-{rng.randrange(400)}",
                "action": "join",
                "viewerCount": rng.randrange(500),
            }
        return "session", {"action": "start"}
