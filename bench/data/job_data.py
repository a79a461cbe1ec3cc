"""The events that jobs and the dashboard are measured on: the same in each run.

All five types, by users of which few do most, evenly over the time. A third of the users send no session ids. The more
events there are, the more users and contents.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from storage.blocks.pseudonyms import Pseudonyms
from storage.segments.schema import INSTANT
from storage.segments.scopes import microseconds
from storage.segments.tables import sort
from storage.write.batch import COLUMNS, Row

EVENTS_PER_USER = 25
EVENTS_PER_CONTENT = 500
ACTORS = Pseudonyms(b"benchmark" * 4, "the benchmark")
TYPES = ("view", "engagement", "purchase", "stream", "session")
SHARES = (0.62, 0.24, 0.04, 0.06, 0.04)
"""Of the types among events."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000


class EventMaker:
    """Makes tables of events of so many users and contents as `among` events have.

    Args of the constructor:
        among: how many events there are altogether.
        seed: of everything random.
    """

    def __init__(self, among: int, *, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        users = max(1, among // EVENTS_PER_USER)
        self._contents = max(1, among // EVENTS_PER_CONTENT)
        self._users = pa.array([f"user-{number}" for number in range(users)], pa.string())
        self._hashes = np.array([ACTORS.of(user) for user in self._users.to_pylist()], np.int64)

    def make_table(self, count: int, start: datetime, end: datetime) -> pa.Table:
        """Make a sorted table of events, spread evenly over [start, end)."""
        rng = self._rng
        start_us, end_us = microseconds(start), microseconds(end)
        times = start_us + np.arange(count) * (end_us - start_us) // max(count, 1)
        users = (len(self._users) * rng.random(count) ** 1.8).astype(np.int64)
        contents = (self._contents * rng.random(count) ** 2).astype(np.int64)
        kinds = rng.choice(len(TYPES), count, p=SHARES)
        one, other = rng.random(count), rng.random(count)
        of = {name: kinds == place for place, name in enumerate(TYPES)}
        days, day = np.unique(times // _DAY_US, return_inverse=True)
        sessions, session = np.unique(users * len(days) + day, return_inverse=True)
        instants = pa.array(times, pa.int64()).cast(INSTANT)
        content_ids = pa.array(np.arange(self._contents).astype(str).tolist(), pa.string())
        columns: dict[str, pa.Array] = {
            "actor_hash": pa.array(self._hashes[users]),
            "timestamp": instants,
            "sequence": pa.array(np.zeros(count, np.int64)),
            "event_id": pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(16), count, [None, pa.py_buffer(rng.bytes(16 * count))]
            ),
            "received_at": instants,
            "event_type": _texts(kinds, TYPES),
            "schema_version": _texts(np.zeros(count, np.int64), ("1.1.0",)),
            "user_id": pa.DictionaryArray.from_arrays(pa.array(users, pa.int32()), self._users),
            "session_id": _texts(session, [f"session-{number}" for number in sessions.tolist()], users % 3 > 0),
            "platform": _texts((one * 3).astype(np.int64), ("ios", "android", "web")),
            "view.content_type": _texts((other > 0.7).astype(np.int64), ("post", "product"), of["view"]),  # noqa: PLR2004
            "view.content_id": _codes(contents, content_ids, of["view"]),
            "view.view_duration": pa.array(np.round(60 * other, 1), mask=~of["view"]),
            "engagement.action": _texts((other > 0.8).astype(np.int64), ("like", "share"), of["engagement"]),  # noqa: PLR2004
            "engagement.target_type": _texts(np.zeros(count, np.int64), ("post",), of["engagement"]),
            "engagement.target_id": _codes(contents, content_ids, of["engagement"]),
            "purchase.amount": pa.array(np.round(5 + 95 * other, 2), mask=~of["purchase"]).cast(pa.decimal128(38, 18)),
            "purchase.currency": _texts((one > 0.8).astype(np.int64), ("EUR", "USD"), of["purchase"]),  # noqa: PLR2004
            "purchase.conversion_path": _paths((30 * one**2).astype(np.int64), of["purchase"]),
            "stream.stream_id": _texts((400 * one).astype(np.int64), np.arange(400).astype(str).tolist(), of["stream"]),
            "stream.action": _texts(np.zeros(count, np.int64), ("join",), of["stream"]),
            "stream.viewer_count": pa.array((500 * other).astype(np.int32), mask=~of["stream"]),
            "stream.watch_duration": pa.array(np.floor(900 * one), mask=~of["stream"]),
            "session.action": _texts(np.zeros(count, np.int64), ("start",), of["session"]),
        }
        return sort(pa.table(columns))

    def make_rows(self, count: int, start: datetime, end: datetime) -> list[Row]:
        """Make a few rows of such events, as writers store them: views alone."""
        rng = self._rng
        rows: list[Row] = []
        for place in range(count):
            user = int(len(self._users) * rng.random() ** 1.8)
            moment = start + (end - start) * place / count
            content: Mapping[str, Any] = {
                "contentType": "post",
                "contentId": str(int(self._contents * rng.random() ** 2)),
                "viewDuration": round(60 * rng.random(), 1),
            }
            values: dict[str, Any] = {
                "event_id": str(UUID(bytes=rng.bytes(16))),
                "event_type": "view",
                "schema_version": "1.1.0",
                "timestamp": moment,
                "received_at": moment,
                "sequence": 0,
                "actor_id": f"user-{user}",
                "user_id": f"user-{user}",
                "session_id": f"session-{user}" if user % 3 else None,
                "platform": "ios",
                "event_data": json.dumps(content),
            }
            rows.append(tuple(values.get(name) for name in COLUMNS))
        return rows


def _texts(codes: Any, texts: Sequence[str], is_known: Any = None) -> pa.DictionaryArray:
    return _codes(codes, pa.array(texts, pa.string()), is_known)


def _codes(codes: Any, texts: pa.Array, is_known: Any = None) -> pa.DictionaryArray:
    mask = None if is_known is None else ~is_known
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=mask), texts)


def _paths(steps: Any, is_known: Any) -> pa.ListArray:
    lists = pa.array([["feed", f"step-{step}", "checkout"] for step in range(30)], pa.list_(pa.string()))
    return lists.take(pa.array(steps, pa.int32(), mask=~is_known))
